"""A limit to what tables hold fails the transaction that is too much, and nothing else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stdb import (
    Database,
    MemoryLimitError,
    Module,
    ReducerContext,
    Row,
    TypeMismatch,
    index,
    primary_key,
    u64,
)
from stdb.storage.memory import row_bytes

KB = 1_000
store = Module("store")


@store.table()
class Blob(Row):
    id: u64 = primary_key(auto_inc=True)
    kind: str = index()
    data: bytes
    tags: list[str]


@store.reducer
def put(ctx: ReducerContext, size: u64) -> None:
    ctx.db[Blob].insert(kind="a", data=b"x" * size, tags=[])


@store.reducer
def fill(ctx: ReducerContext) -> None:
    number = 0
    while True:
        ctx.db[Blob].insert(kind="a", data=b"x" * 1_000, tags=[])
        number += 1
        assert number < 1_000, "nobody stopped it"


@store.reducer
def grow(ctx: ReducerContext, id: u64, size: u64) -> None:
    row = ctx.db[Blob].id.find(id)
    assert row is not None
    ctx.db[Blob].id.update(row.replace(data=b"x" * size))


@store.reducer
def drop(ctx: ReducerContext, id: u64) -> None:
    ctx.db[Blob].id.delete(id)


@store.reducer
def put_and_catch(ctx: ReducerContext) -> None:
    try:
        fill(ctx)
    except MemoryLimitError:
        ctx.log.warning("caught")


def held(db: Database) -> int:
    return sum(row_bytes(row, 2) for row in db.tables.blob)


def test_a_transaction_that_is_too_much_is_undone_and_the_next_goes_on() -> None:
    db = Database(store, memory_limit=100 * KB)
    db.call("put", 50 * KB)
    with pytest.raises(MemoryLimitError, match="memory_limit is 100,000: delete rows") as caught:
        db.call("put", 60 * KB)
    assert isinstance(caught.value, MemoryError)
    assert caught.value.limit == 100 * KB < caught.value.wanted
    assert [len(row.data) for row in db.tables.blob] == [50 * KB]
    db.call("put", 10 * KB)
    db.call("drop", 1)
    db.call("put", 60 * KB)
    db.check()
    assert db.metrics().calls["put"].failures == 1


def test_a_loop_without_end_is_stopped_while_it_runs() -> None:
    db = Database(store, memory_limit=100 * KB)
    with pytest.raises(MemoryLimitError):
        db.call("fill")
    assert len(db.tables.blob) == 0
    db.call("put", 1)
    db.check()


def test_who_catches_the_error_cannot_commit_what_is_too_much() -> None:
    db = Database(store, memory_limit=10 * KB)
    with pytest.raises(MemoryLimitError):
        db.call("put_and_catch")
    assert db.logs()[0].message == "caught"
    assert len(db.tables.blob) == 0
    db.check()


def test_an_update_is_counted_by_its_growth() -> None:
    db = Database(store, memory_limit=100 * KB)
    db.call("put", 50 * KB)
    db.call("grow", 1, 90 * KB)
    with pytest.raises(MemoryLimitError):
        db.call("grow", 1, 110 * KB)
    db.call("grow", 1, 10)
    db.call("put", 90 * KB)


@pytest.mark.parametrize("way", ["insert_many", "sql", "transaction"])
def test_whoever_writes_is_held_to_it(way: str) -> None:
    db = Database(store, memory_limit=20 * KB)
    rows = [Blob(kind="a", data=b"x" * KB, tags=[]) for _ in range(30)]

    def write() -> None:
        if way == "sql":
            for row in rows:
                db.sql("INSERT INTO blob (kind, data, tags) VALUES (?, ?, ?)", *list(row)[1:])
            return
        with db.transaction() as tx:
            if way == "insert_many":
                tx.db[Blob].insert_many(rows)
            else:
                for row in rows:
                    tx.db[Blob].insert(row)

    with pytest.raises(MemoryLimitError):
        write()
    assert held(db) <= 20 * KB
    db.check()


def test_what_was_recovered_counts_and_may_only_shrink_above_the_limit(tmp_path: Path) -> None:
    with Database(store, path=tmp_path / "db") as db:
        for _ in range(3):
            db.call("put", 50 * KB)
    with Database(store, path=tmp_path / "db", memory_limit=100 * KB) as db:
        assert db.metrics().memory_bytes == held(db)
        with pytest.raises(MemoryLimitError):
            db.call("put", 1)
        db.call("drop", 1)
        db.call("drop", 2)
        db.call("put", 1)
    with Database.open(tmp_path / "db", store, memory_limit=60 * KB) as db:
        assert sorted(len(row.data) for row in db.tables.blob) == [1, 50 * KB]
        with pytest.raises(MemoryLimitError):
            db.call("fill")


def test_a_fork_is_held_to_the_limit_on_its_own() -> None:
    db = Database(store, memory_limit=100 * KB)
    db.call("put", 50 * KB)
    fork = db.fork()
    assert fork.metrics().memory_bytes == db.metrics().memory_bytes
    fork.call("put", 30 * KB)
    with pytest.raises(MemoryLimitError):
        fork.call("put", 30 * KB)
    db.call("put", 30 * KB)


def test_a_limit_that_is_none_is_refused() -> None:
    for limit in (0, -1, 1.5, "1 GB", True):
        with pytest.raises(TypeMismatch, match="memory_limit is a number of bytes"):
            Database(store, memory_limit=limit)  # type: ignore[arg-type]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 3 * KB)),
        st.tuples(st.just("grow"), st.integers(1, 8), st.integers(0, 3 * KB)),
        st.tuples(st.just("drop"), st.integers(1, 8)),
        st.just(("fill",)),
        st.just(("put_and_catch",)),
    ),
    max_size=15,
)


@given(STEPS)
def test_what_is_counted_is_what_the_rows_hold_whatever_happens(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    db = Database(store, memory_limit=10 * KB)
    for name, *args in steps:
        [_] = db.call_many(name, [tuple(args)])
        assert db.metrics().memory_bytes == held(db) <= 10 * KB
    db.check()
