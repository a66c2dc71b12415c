"""The first version: a player has a name, and a level that is a number."""

import stdb
from stdb import Module, ReducerContext, Row, primary_key, u32, u64

game = Module("game")


@game.table(public=True)
class Player(Row):
    """A player."""

    id: u64 = primary_key(auto_inc=True)
    name: str
    level: u32


@game.reducer
def join(ctx: ReducerContext, name: str) -> None:
    """Let somebody play."""
    ctx.db[Player].insert(Player(name=name, level=1))


@game.reducer
def win(ctx: ReducerContext, id: u64) -> None:
    """Let a player go up a level."""
    player = ctx.db[Player].id.find(id)
    if player is None:
        raise stdb.ReducerError(f"there is no player {id}")
    ctx.db[Player].id.update(player.replace(level=player.level + 1))
