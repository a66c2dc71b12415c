"""Modules of SpacetimeDB's first generation run as they are."""

import pytest
from tests.helpers.wasm_modules import built

import stdb


@pytest.fixture
def db() -> stdb.Database:
    return stdb.Database(built("old.c"), clock=stdb.ManualClock(0))


def names(db: stdb.Database) -> list[str]:
    return sorted(person.name for person in db.tables.Person)


def test_names_stand_as_they_are_written(db: stdb.Database) -> None:
    assert list(db.tables) == ["Person", "Timer"]
    assert db._program.definition.raw_version == 9
    assert set(db.reducers) == {"add", "remove", "tell_aged", "ring"}


def test_reducers_through_old_functions(db: stdb.Database) -> None:
    for name, age in (("ann", 20), ("ben", 15), ("cid", 40)):
        db.call("add", name, age)
    with pytest.raises(stdb.ReducerError, match="there is one already"):
        db.call("add", "ann", 1)
    db.call("tell_aged", 18)
    assert sorted(record.message for record in db.logs(2)) == ["ann", "cid"]
    db.call("remove", "ann")
    with pytest.raises(stdb.ReducerError, match="nobody of that name"):
        db.call("remove", "ann")
    assert names(db) == ["ben", "cid"]


def test_a_view_without_a_header(db: stdb.Database) -> None:
    for name, age in (("ann", 20), ("ben", 15)):
        db.call("add", name, age)
    assert [row[0] for row in db.sql("SELECT name FROM adults").rows] == ["ann"]


def test_a_schedule(db: stdb.Database) -> None:
    with db.transaction() as tx:
        tx.db.Timer.insert(at=stdb.ScheduleAt.at(stdb.Timestamp(5)))
    db._clock.advance(1)
    assert len(db.tables.Timer) == 0
