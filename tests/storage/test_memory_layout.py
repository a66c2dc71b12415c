"""Rows are not tracked by the garbage collector: a full collection never looks at them."""

from __future__ import annotations

import gc
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
