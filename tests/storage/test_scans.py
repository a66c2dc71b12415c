"""Scans see the table as it was when they began, and cost nothing once they are dropped."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import stdb
from stdb import Module, Row, index, primary_key, u32, unique

module = Module("scans")


@module.table()
class Item(Row):
    id: u32 = primary_key()
    kind: str = index()
    size: u32 = index()
    code: u32 = unique()
    by_kind_size = index("kind", "size")


@module.table()
class Word(Row):
    """No unique column."""

    text: str = index()


@module.table(event=True)
class Bell(Row):
    id: u32 = primary_key()


#: More rows than a look-up copies at once.
COUNT = 200

#: Every way to read all rows of `Item`.
SCANS: dict[str, Callable[[Any], Iterator[Any]]] = {
    "iter": lambda item: item.iter(),
    "for": iter,
    "filter of a big key": lambda item: item.kind.filter("all"),
    "range": lambda item: item.size.filter(ge=0),
    "range of a unique index": lambda item: item.code.filter(lt=10 * COUNT),
    "range of the main index": lambda item: item.id.filter(ge=0),
    "prefix": lambda item: item.by_kind_size.filter("all"),
    "prefix and range": lambda item: item.by_kind_size.filter("all", ge=0),
}


def item(number: int, **columns: Any) -> Item:
    return Item(**{"id": number, "kind": "all", "size": number % 7, "code": number, **columns})


@pytest.fixture
def db() -> stdb.Database:
    db = stdb.Database(module)
    with db.transaction() as tx:
        tx.db.item.insert_many(item(i) for i in range(COUNT))
    return db


@pytest.fixture
def tx(db: stdb.Database) -> Iterator[Any]:
    """A transaction that is checked and committed at the end."""
    with db.transaction() as tx:
        yield tx
    db.check()


@pytest.fixture(params=SCANS)
def begin(request: pytest.FixtureRequest) -> Callable[[Any], Iterator[Any]]:
    return SCANS[request.param]


def ids(rows: Any) -> list[int]:
    return sorted(row.id for row in rows)


# -- a scan sees its beginning -----------------------------------------------------------------


def test_a_scan_gives_every_row_once(tx: Any, begin: Any) -> None:
    assert ids(begin(tx.db.item)) == list(range(COUNT))


def test_a_loop_may_delete_what_it_walks_over(tx: Any, begin: Any) -> None:
    seen = []
    for row in begin(tx.db.item):
        seen.append(row.id)
        assert tx.db.item.delete(row)
    assert sorted(seen) == list(range(COUNT))
    assert len(tx.db.item) == 0


def test_a_loop_may_delete_what_is_still_to_come(tx: Any, begin: Any) -> None:
    scan = begin(tx.db.item)
    first = next(scan)
    tx.db.item.clear()
    assert ids([first, *scan]) == list(range(COUNT))


def test_a_loop_may_update_what_it_walks_over(tx: Any, begin: Any) -> None:
    seen = []
    for row in begin(tx.db.item):
        seen.append(row)
        tx.db.item.id.update(row.replace(size=row.size + 1, kind="new", code=row.code + COUNT))
    assert (len(seen), set(seen)) == (COUNT, set(map(item, range(COUNT))))
    assert {row.kind for row in tx.db.item} == {"new"}


def test_a_loop_may_move_rows_to_other_keys_and_does_not_meet_them_again(
    tx: Any, begin: Any
) -> None:
    seen = 0
    for row in begin(tx.db.item):
        seen += 1
        tx.db.item.code.update(row.replace(id=row.id + COUNT))
    assert seen == COUNT
    assert ids(tx.db.item) == list(range(COUNT, 2 * COUNT))


def test_a_loop_may_insert_and_does_not_meet_the_new_rows(tx: Any, begin: Any) -> None:
    for row in begin(tx.db.item):
        tx.db.item.insert(item(row.id + COUNT))
    assert len(tx.db.item) == 2 * COUNT


def test_a_scan_takes_no_part_in_what_insert_many_brings(tx: Any, begin: Any) -> None:
    scan = begin(tx.db.item)
    next(scan)
    tx.db.item.insert_many(item(COUNT + i) for i in range(50))
    assert len(list(scan)) == COUNT - 1


def test_insert_many_into_a_simple_table_leaves_scans_alone(db: stdb.Database) -> None:
    simple = Module("simple")

    @simple.table()
    class Number(Row):
        id: u32 = primary_key()

    with stdb.Database(simple).transaction() as tx:
        tx.db.number.insert_many(Number(id=i) for i in range(10))
        scan = tx.db.number.iter()
        next(scan)
        tx.db.number.insert_many(Number(id=i) for i in range(10, 1000))
        assert len(list(scan)) == 9


def test_scans_of_one_table_each_see_their_own_beginning(tx: Any, begin: Any) -> None:
    item_handle = tx.db.item
    scans = []
    for i in range(5):
        scan = begin(item_handle)
        next(scan)
        scans.append(scan)
        item_handle.id.delete(i)
    assert [len(list(scan)) for scan in scans] == [COUNT - 1 - i for i in range(5)]


def test_scans_nest(tx: Any) -> None:
    pairs = 0
    for outer in tx.db.item.id.filter(lt=5):
        for inner in tx.db.item.id.filter(lt=5):
            pairs += 1
            tx.db.item.id.update(inner.replace(size=outer.id))
    assert pairs == 25


def test_a_scan_that_changed_tables_mid_way_gives_each_row_once(tx: Any, begin: Any) -> None:
    scan = begin(tx.db.item)
    seen = [next(scan) for _ in range(10)]
    tx.db.item.insert(item(COUNT))
    seen += [next(scan) for _ in range(10)]
    tx.db.item.id.delete(COUNT)
    tx.db.item.kind.delete("all")
    seen += scan
    assert ids(seen) == list(range(COUNT))


def test_a_small_look_up_sees_its_beginning_too(tx: Any) -> None:
    for number in range(3):
        tx.db.item.insert(item(COUNT + number, kind="few"))
    rows = tx.db.item.kind.filter("few")
    assert [tx.db.item.delete(row) for row in rows] == [True] * 3
    alone = tx.db.item.code.filter(5)
    tx.db.item.id.delete(5)
    assert ids(alone) == [5]


def test_a_scan_of_a_table_without_keys(tx: Any) -> None:
    tx.db.word.insert_many(Word(text=str(i)) for i in range(100))
    for row in tx.db.word:
        tx.db.word.delete(row)
        tx.db.word.insert(text=row.text + "'")
    assert sorted(row.text for row in tx.db.word) == sorted(f"{i}'" for i in range(100))


def test_changes_of_another_table_do_not_touch_a_scan(
    db: stdb.Database, tx: Any, begin: Any
) -> None:
    scan = begin(tx.db.item)
    next(scan)
    tx.db.word.insert(text="other")
    assert len(db._store["item"].scans) == 1
    assert len(list(scan)) == COUNT - 1


def test_an_exhausted_scan_stays_exhausted(tx: Any, begin: Any) -> None:
    scan = begin(tx.db.item)
    assert len(list(scan)) == COUNT
    tx.db.item.insert(item(COUNT))
    assert list(scan) == []


# -- across the ends of transactions -----------------------------------------------------------


def test_a_scan_goes_on_after_the_commit(db: stdb.Database, begin: Any) -> None:
    with db.transaction() as tx:
        scan = begin(tx.db.item)
        next(scan)
    with db.transaction() as tx:
        tx.db.item.clear()
    assert len(list(scan)) == COUNT - 1


def test_a_scan_keeps_the_rows_that_a_rollback_takes_away(db: stdb.Database, begin: Any) -> None:
    with db.transaction() as tx:
        tx.db.item.insert_many(item(COUNT + i) for i in range(10))
        tx.db.item.id.delete(0)
        scan = begin(tx.db.item)
        seen = [next(scan)]
        tx.rollback()
    assert ids([*seen, *scan]) == list(range(1, COUNT + 10))
    db.check()


def test_a_scan_of_an_event_table_outlives_its_rows(db: stdb.Database) -> None:
    rows = [Bell(id=i) for i in range(5)]
    with db.transaction() as tx:
        tx.db.bell.insert_many(rows)
        scan = tx.db.bell.iter()
        next(scan)
    assert list(scan) == rows[1:]
    assert len(db.tables.bell) == 0


def test_a_scan_of_a_read_only_transaction_sees_its_beginning(
    db: stdb.Database, begin: Any
) -> None:
    with db.transaction(readonly=True) as tx:
        scan = begin(tx.db.item)
        next(scan)
    with db.transaction() as tx:
        tx.db.item.kind.delete("all")
    assert len(list(scan)) == COUNT - 1


def test_a_fork_does_not_end_a_scan(db: stdb.Database, begin: Any) -> None:
    with db.transaction(readonly=True) as tx:
        scan = begin(tx.db.item)
        next(scan)
    fork = db.fork()
    with fork.transaction() as tx:
        tx.db.item.clear()
    assert len(list(scan)) == COUNT - 1
    assert len(db.tables.item) == COUNT


# -- what a scan costs -------------------------------------------------------------------------


def test_a_dropped_scan_is_forgotten(db: stdb.Database, tx: Any, begin: Any) -> None:
    scans = db._store["item"].scans
    for row in begin(tx.db.item):
        assert row
        break
    gc.collect()
    assert not scans
    scan = begin(tx.db.item)
    assert len(scans) == 1
    del scan
    assert not scans


def test_an_open_scan_copies_nothing_until_the_table_changes(
    db: stdb.Database, tx: Any, begin: Any
) -> None:
    scan = begin(tx.db.item)
    (opened,) = db._store["item"].scans
    for _ in range(10):
        next(scan)
    assert opened.rest == []
    tx.db.item.insert(item(COUNT))
    assert len(opened.rest) == COUNT - 10
    assert not db._store["item"].scans


def test_a_change_that_changes_nothing_copies_nothing(
    db: stdb.Database, tx: Any, begin: Any
) -> None:
    scan = begin(tx.db.item)
    next(scan)
    tx.db.item.insert(item(5))
    tx.db.item.delete(item(5, size=99))
    with pytest.raises(stdb.UniqueConstraintViolation):
        tx.db.item.insert(item(5, size=99))
    with pytest.raises(stdb.RowNotFound):
        tx.db.item.id.update(item(COUNT))
    assert len(db._store["item"].scans) == 1
    assert len(list(scan)) == COUNT - 1


def test_small_look_ups_open_no_scan(db: stdb.Database, tx: Any) -> None:
    rows = tx.db.item.kind.filter("none")
    one = tx.db.item.code.filter(5)
    tx.db.item.insert_many(item(COUNT + i, kind="few") for i in range(10))
    few = tx.db.item.kind.filter("few")
    assert not db._store["item"].scans
    assert [len(list(each)) for each in (rows, one, few)] == [0, 1, 10]
