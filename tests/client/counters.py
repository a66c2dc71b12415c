"""The module that tests of dispatch use: counters by name."""

from __future__ import annotations

from stdb import Module, ReducerContext, Row, primary_key, u32

counters = Module("counters")


@counters.table(public=True)
class Counter(Row):
    name: str = primary_key()
    value: u32


@counters.table(public=True)
class Entry(Row):
    number: u32 = primary_key(auto_inc=True)
    name: str


@counters.reducer
def count(ctx: ReducerContext, name: str) -> None:
    before = ctx.db[Counter].name.find(name) or Counter(name=name, value=0)
    ctx.db[Counter].name.insert_or_update(before.replace(value=before.value + 1))


@counters.reducer
def enter(ctx: ReducerContext, name: str) -> None:
    ctx.db[Entry].insert(name=name)
