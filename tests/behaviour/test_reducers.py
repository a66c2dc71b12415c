"""Reducers behave alike in every language: changes, constraints, sequences, failure."""

import inspect
from pathlib import Path
from typing import Any

import pytest
from tests.behaviour.conftest import in_rust

import stdb

ALICE = stdb.Identity.from_hex("a1" * 32)
BOB = stdb.Identity.from_hex("b0" * 32)


def members(db: stdb.Database) -> list[tuple[int, str, int]]:
    return sorted((m.id, m.name, m.points) for m in db.tables.member)


def notes(db: stdb.Database) -> list[str]:
    return [note.text for note in sorted(db.tables.note, key=lambda note: note.id)]


def test_a_reducer_inserts_for_its_sender(db: stdb.Database) -> None:
    db.call("join", "ann", sender=ALICE)
    db.reducers.join("ben")
    by_name = {member.name: member for member in db.tables.member}
    assert (by_name["ann"].id, by_name["ben"].id) == (1, 2)
    assert (by_name["ann"].owner, by_name["ben"].owner) == (ALICE, db.owner)


def test_updates_go_through_a_unique_column(db: stdb.Database) -> None:
    for name in ("ann", "ben"):
        db.call("join", name)
    db.call("give", 1, 2, 4)
    db.reducers.give(source=2, target=1, points=1)
    assert members(db) == [(1, "ann", 7), (2, "ben", 13)]
    db.call("rename", 1, "anna")
    assert members(db)[0] == (1, "anna", 7)


@pytest.mark.parametrize(
    ("reducer", "args", "message"),
    [
        ("join", ("",), "a member needs a name"),
        ("join", ("ann",), "the name is taken"),
        ("give", (1, 2, 100), "not enough points"),
        ("give", (1, 99, 5), "no such member"),
        ("rename", (1, "ben"), "the name is taken"),
        ("rename", (99, "x"), "no such member"),
        ("leave", (99,), "no such member"),
    ],
)
def test_a_failed_reducer_says_why_and_changes_nothing(
    db: stdb.Database, reducer: str, args: tuple[Any, ...], message: str
) -> None:
    for name in ("ann", "ben"):
        db.call("join", name)
    with pytest.raises(stdb.ReducerError) as failed:
        db.call(reducer, *args)
    assert type(failed.value) is stdb.ReducerError
    assert str(failed.value) == message
    assert members(db) == [(1, "ann", 10), (2, "ben", 10)]
    record = db.logs(1)[0]
    assert (record.level, record.message, record.function) == ("Error", message, reducer)


def test_a_number_that_was_generated_is_not_generated_again(db: stdb.Database) -> None:
    db.call("join", "ann")
    with pytest.raises(stdb.ReducerError):
        db.call("join", "ann")
    db.call("join", "ben")
    assert [member[:2] for member in members(db)] == [(1, "ann"), (3, "ben")]


def test_a_reducer_that_breaks_changes_nothing(db: stdb.Database) -> None:
    db.call("join", "ann")
    before = notes(db)
    for _ in range(2):
        with pytest.raises(stdb.ModuleError, match="reducer 'crash'"):
            db.call("crash")
    assert notes(db) == before
    db.call("join", "ben")
    assert [member[1] for member in members(db)] == ["ann", "ben"]


def test_a_panic_in_rust_tells_its_words() -> None:
    db = stdb.Database(in_rust())
    with pytest.raises(stdb.ModuleError, match="reducer 'crash' panicked: it crashed on purpose"):
        db.call("crash")
    panic, failure = db.logs(2)
    assert (panic.level, panic.message, panic.function) == (
        "Panic", "it crashed on purpose", "crash",
    )  # fmt: skip
    assert "wasm backtrace:" in failure.message
    assert "rust_panic" in failure.message


def test_deletes_by_key_and_by_index(db: stdb.Database) -> None:
    for name in ("ann", "ben", "cid"):
        db.call("join", name, sender=ALICE)
    db.call("join", "dan", sender=BOB)
    db.call("leave", 2)
    db.call("leave_all", sender=ALICE)
    assert [member[1] for member in members(db)] == ["dan"]
    assert notes(db)[-1] == "left 2"


def test_arguments_are_checked(db: stdb.Database) -> None:
    with pytest.raises(stdb.TypeMismatch, match="reducer 'join', argument 'name'"):
        db.call("join", 5)
    with pytest.raises(stdb.TypeMismatch, match="argument 'source'"):
        db.call("give", -1, 2, 3)
    with pytest.raises(stdb.UsageError, match="takes 3 arguments, got 1"):
        db.call("give", 1)
    with pytest.raises(stdb.UnknownName, match="join"):
        db.call("joyn", "x")
    with pytest.raises(stdb.PermissionDenied, match="init"):
        db.call("init")


def test_scheduled_functions_are_for_the_owner(db: stdb.Database) -> None:
    with pytest.raises(stdb.UnknownName):
        db.call("ring", None, sender=ALICE)


def test_signatures(db: stdb.Database) -> None:
    assert str(inspect.signature(db.reducers.give)) == "(source: u64, target: u64, points: i64)"
    assert sorted(db.reducers) == [
        "announce", "crash", "give", "join", "leave", "leave_all", "remind", "remind_every",
        "rename", "ring", "write_card",
    ]  # fmt: skip


def test_many_calls_at_once(db: stdb.Database) -> None:
    outcomes = db.call_many("join", [("ann",), ("ann",), ("ben",)])
    assert [str(outcome) for outcome in outcomes] == ["None", "the name is taken", "None"]


def test_lifecycle(db: stdb.Database) -> None:
    assert notes(db) == ["init"]
    with db.connect(identity=ALICE):
        assert notes(db) == ["init", "connected"]
        assert [row.identity for row in db.tables["st_client"]] == [ALICE.value]
    assert notes(db) == ["init", "connected", "disconnected"]


def test_a_durable_database_goes_on(module: Any, tmp_path: Path) -> None:
    place = tmp_path / "club.stdb"
    with stdb.Database(module, place) as db:
        db.call("join", "ann", sender=ALICE)
        owner = db.owner
    with stdb.Database(module, place) as again:
        again.call("join", "ben", sender=ALICE)
        assert again.owner == owner
        assert [member[1:] for member in members(again)] == [("ann", 10), ("ben", 10)]
        assert members(again)[1][0] == 4097
        assert notes(again) == ["init"]


def test_a_fork_goes_its_own_way(db: stdb.Database) -> None:
    db.call("join", "ann")
    fork = db.fork()
    fork.call("join", "ben")
    db.call("join", "cid")
    assert [member[1] for member in members(db)] == ["ann", "cid"]
    assert [member[1] for member in members(fork)] == ["ann", "ben"]
