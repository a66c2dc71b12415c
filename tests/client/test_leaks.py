"""Clients that have gone leave nothing behind."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from tests.client.counters import Counter, counters

from stdb import Database, Event


def come_and_go(db: Database, number: int) -> None:
    with db.connect() as conn:
        conn.subscribe(
            f"SELECT * FROM counter WHERE name = '{number}'",
            "SELECT * FROM entry WHERE number > 5",
            "SELECT e.* FROM entry e JOIN counter c ON e.name = c.name",
        )

        @conn.db.counter.on_insert
        def inserted(event: Event, row: Counter) -> None:
            conn.db.counter.name.find(row.name)

        conn.reducers.count(str(number % 7))


def measure(db: Database, count: int) -> int:
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(count):
        come_and_go(db, number)
    gc.collect()
    return tracemalloc.get_traced_memory()[0] - before


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_connecting_again_and_again_leaves_memory_and_st_client_as_before(count: int) -> None:
    db = Database(counters)
    tracemalloc.start()
    try:
        # What is compiled of queries is kept up to a number of them.
        measure(db, 1100)
        left = measure(db, count)
    finally:
        tracemalloc.stop()
    assert left < 100_000, f"{left / count:.0f} bytes a client"
    assert len(db.tables["st_client"]) == 0
    assert not db._connections
    assert not db._due
    assert db._clients is not None
    evaluator = db._clients._evaluator
    assert evaluator is not None
    assert (evaluator.queries, evaluator.sinks, evaluator.calls) == ({}, {}, {})
    assert not db._store.evaluated
