"""Views, schedules, procedures, HTTP and visibility behave alike in every language."""

from typing import Any

import pytest

import stdb

ALICE = stdb.Identity.from_hex("a1" * 32)
BOB = stdb.Identity.from_hex("b0" * 32)
SECOND = 1_000_000


def names(db: stdb.Database, sql: str, **arguments: Any) -> list[str]:
    return sorted(row[0] for row in db.sql(sql, **arguments).rows)


def notes(db: stdb.Database) -> list[str]:
    return [note.text for note in sorted(db.tables.note, key=lambda note: note.id)][1:]


# -- views ---------------------------------------------------------------------------------------


def test_a_view_of_the_sender(db: stdb.Database) -> None:
    db.call("join", "ann", sender=ALICE)
    db.call("join", "ben", sender=BOB)
    assert names(db, "SELECT name FROM my_members", sender=ALICE) == ["ann"]
    assert names(db, "SELECT name FROM my_members", sender=BOB) == ["ben"]
    assert names(db, "SELECT name FROM my_members") == []


def test_a_view_follows_the_tables(db: stdb.Database) -> None:
    for name in ("ann", "ben"):
        db.call("join", name)
    assert names(db, "SELECT name FROM leaders") == []
    assert names(db, "SELECT name FROM top") == []
    db.call("give", 1, 2, 3)
    assert names(db, "SELECT name FROM leaders") == ["ben"]
    assert names(db, "SELECT name FROM top") == ["ben"]
    db.call("leave", 2)
    assert names(db, "SELECT name FROM leaders") == []


def test_rows_of_a_view_are_rows_of_its_table(db: stdb.Database) -> None:
    for name in ("ann", "ben"):
        db.call("join", name)
    db.call("give", 1, 2, 3)
    (row,) = db.sql("SELECT * FROM top").rows
    assert row in list(db.tables.member)


# -- schedules -----------------------------------------------------------------------------------


def test_a_call_at_its_time(db: stdb.Database, clock: stdb.ManualClock) -> None:
    db.call("remind", "later", clock.micros() + 5 * SECOND)
    db.call("remind", "sooner", clock.micros() + 2 * SECOND)
    clock.advance(1)
    assert notes(db) == []
    clock.advance(2)
    assert notes(db) == ["sooner"]
    clock.advance(10)
    assert notes(db) == ["sooner", "later"]
    assert len(db.tables.reminder) == 0


def test_each_call_of_many_may_schedule_one(db: stdb.Database, clock: stdb.ManualClock) -> None:
    later = [clock.micros() + n * SECOND for n in (3, 1, 2)]
    assert db.call_many("remind", [(str(n), at) for n, at in enumerate(later)]) == [None] * 3
    clock.advance(1.5)
    assert notes(db) == ["1"]
    clock.advance(1.5)
    assert notes(db) == ["1", "2", "0"]


def test_a_call_again_and_again(db: stdb.Database, clock: stdb.ManualClock) -> None:
    db.call("remind_every", "tick", 2 * SECOND)
    for _ in range(3):
        clock.advance(2)
    assert notes(db) == ["tick"] * 3
    db.sql("DELETE FROM reminder")
    clock.advance(10)
    assert notes(db) == ["tick"] * 3


def test_a_call_in_a_transaction_that_is_undone_never_comes(
    db: stdb.Database, clock: stdb.ManualClock
) -> None:
    with pytest.raises(RuntimeError), db.transaction() as tx:  # noqa: PT012 - the way it ends
        at = stdb.ScheduleAt.at(stdb.Timestamp(clock.micros() + SECOND))
        tx.db.reminder.insert(at=at, text="never")
        raise RuntimeError
    clock.advance(5)
    assert notes(db) == []


# -- procedures and HTTP -------------------------------------------------------------------------


def test_a_procedure_returns_a_value(db: stdb.Database) -> None:
    assert db.procedures.add(4_000_000_000, 5) == 4_000_000_005
    assert db.procedures.add(a=1, b=2) == 3
    with pytest.raises(stdb.TypeMismatch, match="procedure 'add', argument 'a'"):
        db.procedures.add(-1, 2)


def test_a_procedure_has_transactions_of_its_own(db: stdb.Database) -> None:
    db.call("join", "m1")
    assert db.call_procedure("join_many", "m", 3, sender=ALICE) == 2
    assert sorted((m.name, m.owner == ALICE) for m in db.tables.member) == [
        ("m0", True), ("m1", False), ("m2", True),
    ]  # fmt: skip


def test_http(db: stdb.Database) -> None:
    db.call("join", "ann")
    response = db.handle_http("GET", "/members")
    assert (response.status, response.body) == (200, b"1")
    assert db.handle_http("POST", "/members").status == 404


# -- visibility and events -----------------------------------------------------------------------


def test_clients_see_what_is_theirs(db: stdb.Database) -> None:
    db.call("write_card", "for ann", sender=ALICE)
    db.call("write_card", "for ben", sender=BOB)
    assert names(db, "SELECT text FROM card", sender=ALICE) == ["for ann"]
    assert names(db, "SELECT text FROM card") == ["for ann", "for ben"]
    with pytest.raises(stdb.SqlError, match="reminder"):
        db.sql("SELECT * FROM reminder", sender=ALICE)


def test_events_leave_nothing_behind(db: stdb.Database) -> None:
    db.call("announce", "hear, hear")
    assert len(db.tables.signal) == 0


# -- publishing ----------------------------------------------------------------------------------


def test_publishing_the_same_module_changes_nothing(db: stdb.Database, module: Any) -> None:
    db.call("join", "ann")
    assert db.publish(module).is_empty
    db.call("join", "ben")
    assert names(db, "SELECT name FROM member") == ["ann", "ben"]
