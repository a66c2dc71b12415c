"""The third version: a level is no longer a number but a rank with a number inside it.

A column cannot change its type like that, so there is a new table. Players move to it one by one,
when they are next needed; those who still read the old table see their changes there too.
"""

import enum

import stdb
from stdb import Module, ReducerContext, Row, primary_key, u32, u64, unique

game = Module("game")


class Rank(enum.Enum):
    """What a player is called."""

    NOVICE = 0
    KNIGHT = 1
    MASTER = 2


@game.table(public=True)
class Player(Row):
    """A player as the first versions have it."""

    id: u64 = primary_key(auto_inc=True)
    name: str = unique()
    level: u32
    coins: u64 = 100


@game.table(public=True)
class RankedPlayer(Row):
    """A player as this version has it."""

    id: u64 = primary_key()
    name: str = unique()
    rank: Rank
    wins: u32
    coins: u64


def rank_of(level: int) -> Rank:
    """Return the rank that a level of the old kind stands for."""
    return Rank.MASTER if level >= 10 else Rank.KNIGHT if level >= 5 else Rank.NOVICE


def ranked(ctx: ReducerContext, id: u64) -> RankedPlayer:
    """Return a player of the new kind; one of the old kind moves now."""
    player = ctx.db[RankedPlayer].id.find(id)
    if player is not None:
        return player
    old = ctx.db[Player].id.find(id)
    if old is None:
        raise stdb.ReducerError(f"there is no player {id}")
    return ctx.db[RankedPlayer].insert(
        RankedPlayer(
            id=id, name=old.name, rank=rank_of(old.level), wins=old.level - 1, coins=old.coins
        )
    )


@game.reducer
def join(ctx: ReducerContext, name: str) -> None:
    """Let somebody play."""
    player = ctx.db[Player].insert(Player(name=name, level=1))
    ranked(ctx, player.id)


@game.reducer
def win(ctx: ReducerContext, id: u64) -> None:
    """Let a player win, and earn something."""
    player = ranked(ctx, id)
    wins = player.wins + 1
    player = player.replace(wins=wins, rank=rank_of(wins + 1), coins=player.coins + 10)
    ctx.db[RankedPlayer].id.update(player)
    # Whoever still has the old game sees it in its terms.
    old = ctx.db[Player].id.find(id)
    if old is not None:
        ctx.db[Player].id.update(old.replace(level=wins + 1, coins=player.coins))


@game.reducer
def move_everybody(ctx: ReducerContext) -> None:
    """Move who has not moved yet, and give the old table up: no old game is left."""
    for old in ctx.db[Player]:
        ranked(ctx, old.id)
    ctx.db[Player].clear()
