"""The fourth version: the old table is empty, and left out."""

import enum

import stdb
from stdb import Module, ReducerContext, Row, primary_key, u32, u64, unique

game = Module("game")


class Rank(enum.Enum):
    """What a player is called; one more than before."""

    NOVICE = 0
    KNIGHT = 1
    MASTER = 2
    LEGEND = 3


@game.table(public=True)
class RankedPlayer(Row):
    """A player."""

    id: u64 = primary_key()
    name: str = unique()
    rank: Rank
    wins: u32
    coins: u64


@game.reducer
def win(ctx: ReducerContext, id: u64) -> None:
    """Let a player win, and earn something."""
    player = ctx.db[RankedPlayer].id.find(id)
    if player is None:
        raise stdb.ReducerError(f"there is no player {id}")
    wins = player.wins + 1
    rank = Rank.LEGEND if wins >= 20 else player.rank
    ctx.db[RankedPlayer].id.update(player.replace(wins=wins, rank=rank, coins=player.coins + 10))
