"""`Store.watch`: hearing of the transactions that change a table."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import stdb
from stdb import Module, Row, UnknownName, primary_key, u32
from stdb.storage import Changes

module = Module("watched")


@module.table()
class Apple(Row):
    id: u32 = primary_key()
    kind: str = ""


@module.table()
class Pear(Row):
    id: u32 = primary_key()


@module.table()
class Stone(Row):
    id: u32 = primary_key()


@pytest.fixture
def db() -> stdb.Database:
    return stdb.Database(module)


def names(changes: Changes) -> list[str]:
    return [each.table.name for each in changes]


def test_a_listener_hears_of_the_tables_that_are_watched(db: stdb.Database) -> None:
    heard: list[list[str]] = []

    def listen(changes: Changes) -> None:
        heard.append(names(changes))

    db._store.watch("apple", listen)
    db._store.watch("pear", listen)
    with db.transaction() as tx:
        tx.db[Pear].insert(id=1)
        tx.db[Stone].insert(id=1)
        tx.db[Apple].insert(id=1)
    with db.transaction() as tx:
        tx.db[Stone].insert(id=2)
    with db.transaction() as tx:
        tx.db[Apple].insert(id=2)
    assert heard == [["pear", "apple"], ["apple"]]


def test_a_listener_hears_of_net_changes_only(db: stdb.Database) -> None:
    heard: list[Changes] = []
    db._store.watch("apple", heard.append)
    with db.transaction() as tx:
        tx.db[Apple].insert(id=1)
        tx.db[Apple].id.delete(1)
    with db.transaction() as tx:
        tx.db[Apple].insert(id=2)
        tx.rollback()
    assert heard == []


def test_offsets_grow_by_one(db: stdb.Database) -> None:
    heard: list[Changes] = []
    db._store.watch("apple", heard.append)
    for id_ in range(3):
        with db.transaction() as tx:
            tx.db[Stone].insert(id=id_)
        with db.transaction() as tx:
            tx.db[Apple].insert(id=id_)
    first = heard[0].offset
    assert [changes.offset for changes in heard] == [first, first + 1, first + 2]


def test_the_tables_are_as_after_the_transaction_when_a_listener_hears(db: stdb.Database) -> None:
    seen: list[list[Any]] = []

    def listen(changes: Changes) -> None:
        del changes
        seen.append(list(db._store["apple"].rows.values()))

    db._store.watch("apple", listen)
    with db.transaction() as tx:
        tx.db[Apple].insert(id=1)
        tx.db[Apple].insert(id=2)
    assert seen == [[Apple(id=1), Apple(id=2)]]


def test_listeners_are_told_in_the_order_in_which_they_came(db: stdb.Database) -> None:
    order: list[str] = []
    db._store.watch("apple", lambda _: order.append("first"))
    db._store.watch("apple", lambda _: order.append("second"))
    with db.transaction() as tx:
        tx.db[Apple].insert(id=1)
    assert order == ["first", "second"]


def test_unwatch_ends_it(db: stdb.Database) -> None:
    heard: list[Changes] = []
    other: list[Changes] = []
    for listener in (heard.append, other.append):
        db._store.watch("apple", listener)
    db._store.unwatch("apple", heard.append)
    db._store.unwatch("pear", heard.append)
    with db.transaction() as tx:
        tx.db[Apple].insert(id=1)
    db._store.unwatch("apple", other.append)
    assert not db._store.watched
    with db.transaction() as tx:
        tx.db[Apple].insert(id=2)
    assert (len(heard), len(other)) == (0, 1)


def test_watching_twice_is_hearing_once(db: stdb.Database) -> None:
    heard: list[Changes] = []
    db._store.watch("apple", heard.append)
    db._store.watch("apple", heard.append)
    with db.transaction() as tx:
        tx.db[Apple].insert(id=1)
    assert len(heard) == 1


def test_a_table_that_is_not_there_cannot_be_watched(db: stdb.Database) -> None:
    with pytest.raises(UnknownName, match="did you mean 'apple'"):
        db._store.watch("aple", print)


def test_a_listener_that_breaks_is_logged_and_keeps_nothing_from_the_others(
    db: stdb.Database, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Changes] = []

    def broken(changes: Changes) -> None:
        raise ValueError(changes.offset)

    db._store.watch("apple", broken)
    db._store.watch("apple", heard.append)
    with caplog.at_level(logging.ERROR), db.transaction() as tx:
        tx.db[Apple].insert(id=1)
    assert len(heard) == 1
    assert "a listener of table 'apple' broke" in caplog.text
    assert len(db.tables.apple) == 1


def test_a_commit_that_changes_no_watched_table_makes_no_changes(
    db: stdb.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    db._store.watch("apple", print)
    monkeypatch.setattr(db._store, "net_changes", lambda *_: pytest.fail("made in vain"))
    with db.transaction() as tx:
        tx.db[Pear].insert(id=1)
    assert len(db.tables.pear) == 1
