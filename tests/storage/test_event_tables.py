"""Event tables: their rows live for one transaction, and listeners hear of them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.helpers.watching import watch_everything

import stdb
from stdb import Module, Row, UniqueConstraintViolation, index, primary_key, u32, unique

module = Module("events")


@module.table(event=True, public=True)
class Bell(Row):
    id: u32 = primary_key(auto_inc=True)
    tone: str = unique()
    loud: bool = index()


@module.table(event=True)
class Note(Row):
    """An event table without a key."""

    text: str


@module.table()
class Kept(Row):
    text: str


@pytest.fixture
def db() -> stdb.Database:
    return stdb.Database(module)


@pytest.fixture
def heard(db: stdb.Database) -> list[Any]:
    """The net changes of each transaction, without those of system tables."""
    told: list[Any] = []

    def listen(changes: Any) -> None:
        told.append({t.table.name: t for t in changes if not t.table.definition.is_system})

    watch_everything(db, listen)
    return told


def test_rows_are_there_until_the_commit(db: stdb.Database) -> None:
    with db.transaction() as tx:
        tx.db.bell.insert(tone="a", loud=True)
        tx.db.note.insert(text="x")
        assert (len(tx.db.bell), len(tx.db.note)) == (1, 1)
        assert tx.db.bell.tone.find("a").id == 1
        assert list(tx.db.bell.loud.filter(True)) == list(tx.db.bell)
        assert [row.text for row in tx.db.note] == ["x"]
    assert (len(db.tables.bell), len(db.tables.note)) == (0, 0)
    with db.transaction() as tx:
        assert list(tx.db.bell) == []
        assert tx.db.bell.tone.find("a") is None
        assert list(tx.db.bell.loud.filter(True)) == []
        assert list(tx.db.bell.loud.filter(ge=False)) == []
    db.check()


def test_listeners_are_told_of_the_inserts_and_never_of_deletes(
    db: stdb.Database, heard: list[Any]
) -> None:
    with db.transaction() as tx:
        first = tx.db.bell.insert(tone="a", loud=True)
        second = tx.db.bell.insert(tone="b", loud=False)
    with db.transaction() as tx:
        tx.db.kept.insert(text="no event")
    assert heard[0]["bell"].inserts == (first, second)
    assert heard[0]["bell"].deletes == ()
    assert not heard[0]["bell"].truncated
    assert list(heard[1]) == ["kept"]


def test_the_same_event_may_come_again_and_again(db: stdb.Database, heard: list[Any]) -> None:
    for _ in range(3):
        with db.transaction() as tx:
            tx.db.note.insert(text="same")
    assert [changes["note"].inserts for changes in heard] == [(Note(text="same"),)] * 3


def test_within_a_transaction_an_event_table_is_a_set_of_rows(
    db: stdb.Database, heard: list[Any]
) -> None:
    with db.transaction() as tx:
        tx.db.note.insert(text="same")
        tx.db.note.insert(text="same")
    assert heard[0]["note"].inserts == (Note(text="same"),)


def test_constraints_hold_within_a_transaction_and_not_beyond(db: stdb.Database) -> None:
    for _ in range(2):
        with db.transaction() as tx:
            tx.db.bell.insert(tone="a", loud=True)
            with pytest.raises(UniqueConstraintViolation, match="'bell_tone_key'"):
                tx.db.bell.insert(tone="a", loud=False)
    db.check()


def test_an_event_that_is_deleted_again_is_none(db: stdb.Database, heard: list[Any]) -> None:
    with db.transaction() as tx:
        tx.db.bell.insert(tone="a", loud=True)
        tx.db.bell.tone.delete("a")
        tx.db.note.insert(text="x")
        tx.db.note.clear()
        tx.db.kept.insert(text="something else")
    assert list(heard[0]) == ["kept"]


def test_of_an_event_that_is_updated_only_the_last_row_is_told(
    db: stdb.Database, heard: list[Any]
) -> None:
    with db.transaction() as tx:
        row = tx.db.bell.insert(tone="a", loud=True)
        tx.db.bell.id.update(row.replace(tone="b"))
        last = tx.db.bell.tone.insert_or_update(row.replace(tone="b", loud=False))
    assert heard[0]["bell"].inserts == (last,)


def test_a_rollback_tells_of_nothing(db: stdb.Database, heard: list[Any]) -> None:
    with db.transaction() as tx:
        tx.db.bell.insert(tone="a", loud=True)
        tx.db.note.insert(text="x")
        tx.rollback()
    assert heard == []
    assert (len(db.tables.bell), len(db.tables.note)) == (0, 0)
    db.check()


def test_sequences_go_on_from_transaction_to_transaction(db: stdb.Database) -> None:
    numbers = []
    for roll_back in (False, True, False):
        with db.transaction() as tx:
            numbers.append(tx.db.bell.insert(tone="a", loud=True).id)
            if roll_back:
                tx.rollback()
    assert numbers == [1, 2, 3]


def test_an_event_is_a_transaction_that_counts(db: stdb.Database) -> None:
    before = db._state.offset
    told: list[Any] = []
    watch_everything(db, told.append)
    for _ in range(2):
        with db.transaction() as tx:
            tx.db.note.insert(text="x")
    assert [changes.offset for changes in told] == [before + 1, before + 2]


def test_a_fork_of_a_database_has_no_events(db: stdb.Database) -> None:
    with db.transaction() as tx:
        tx.db.note.insert(text="x")
    fork = db.fork()
    with fork.transaction() as tx:
        tx.db.note.insert(text="y")
        assert len(tx.db.note) == 1
    fork.check()


def test_the_module_says_which_tables_are_event_tables(db: stdb.Database) -> None:
    assert {t["name"]: t["event"] for t in db.describe()["tables"]} == {
        "bell": True,
        "note": True,
        "kept": False,
    }
