"""Rows are not tracked by the garbage collector: a full collection never looks at them."""

from __future__ import annotations

import gc
import sys
import weakref
from dataclasses import dataclass
from typing import Any

import stdb
from stdb import Identity, Module, Row, index, primary_key, u64

module = Module("layout")


@dataclass(frozen=True)
class Point:
    x: float
    y: float


@module.table()
class Thing(Row):
    id: u64 = primary_key()
    name: str = index()
    owner: Identity
    tags: tuple[str, ...]
    note: str | None
    where_: Point


def thing(number: int) -> Thing:
    return Thing(
        id=number, name="n", owner=Identity(number), tags=("a", "b"), note=None, where_=Point(1, 2)
    )


def test_rows_are_not_tracked() -> None:
    made = thing(1)
    assert not gc.is_tracked(made)
    assert not gc.is_tracked(made.replace(name="other"))


def test_rows_in_a_table_are_not_tracked_whichever_way_they_came() -> None:
    db = stdb.Database(module)
    with db.transaction() as tx:
        rows: list[Any] = [tx.db.thing.insert(thing(1))]
        rows.append(tx.db.thing.id.update(thing(1).replace(name="other")))
        tx.db.thing.insert_many([thing(2), thing(3)])
    rows += db.tables.thing
    rows += db.fork().tables.thing
    assert len(rows) == 8
    assert not any(gc.is_tracked(row) for row in rows)


def test_rows_of_system_tables_are_not_tracked() -> None:
    db = stdb.Database(module)
    rows = [*db.tables.st_table, *db.tables.st_column, *db.tables.st_index]
    assert rows
    assert not any(gc.is_tracked(row) for row in rows)


def test_identities_are_not_tracked() -> None:
    assert not gc.is_tracked(thing(1).owner)


def test_a_row_has_no_dict() -> None:
    assert not hasattr(thing(1), "__dict__")


keyed = stdb.Module("keyed")
MARKER = "a text " + "that only this row holds"


@keyed.table()
class Keyed(stdb.Row):
    id: stdb.u64 = stdb.primary_key()
    name: str = stdb.unique()


@keyed.reducer
def fill(ctx: stdb.ReducerContext) -> None:
    ctx.db.keyed.insert(id=1, name=MARKER)


def test_the_collector_does_not_walk_through_the_rows_of_a_unique_index() -> None:
    """It would take 26 ms a million rows in every full collection."""
    db = stdb.Database(keyed)
    with db.transaction() as tx:
        tx.db.keyed.insert_many([Keyed(id=number, name=str(number)) for number in range(100)])
    maps = [index.map for index in db._store["keyed"].indexes]
    assert len(maps) == 2
    assert not any(gc.is_tracked(map_) for map_ in maps)


def test_a_database_that_is_dropped_gives_its_rows_back() -> None:
    db = stdb.Database(keyed)
    db.reducers.fill()
    table = weakref.ref(db._store["keyed"])
    counted = sys.getrefcount(MARKER)
    with db.transaction(readonly=True) as tx:
        assert tx.db.keyed.id.find(1) is not None
        assert tx.db.keyed.id.find(2) is None
    del db, tx
    gc.collect()
    assert table() is None
    assert sys.getrefcount(MARKER) < counted
