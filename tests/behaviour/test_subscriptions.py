"""Clients of a module see the same, in whatever language it is written."""

from typing import Any

import pytest

import stdb

ALICE = stdb.Identity.from_hex("a1" * 32)
BOB = stdb.Identity.from_hex("b0" * 32)


def names(rows: Any) -> list[str]:
    return sorted(row.name for row in rows)


def test_a_cache_follows_every_commit(db: stdb.Database) -> None:
    db.call("join", "ann")
    with db.connect(identity=ALICE) as alice:
        alice.subscribe("SELECT * FROM member")
        assert names(alice.db.member) == ["ann"]
        db.call("join", "ben")
        alice.reducers.join("cid")
        assert names(alice.db.member) == ["ann", "ben", "cid"]
        assert alice.db.member.id.find(3).owner == ALICE
        db.call("leave", 1)
        assert names(alice.db.member) == ["ben", "cid"]


def test_a_filter_follows_updates(db: stdb.Database) -> None:
    for name in ("ann", "ben"):
        db.call("join", name)
    with db.connect() as client:
        client.subscribe("SELECT * FROM member WHERE points > 10")
        assert names(client.db.member) == []
        db.call("give", 1, 2, 5)
        assert names(client.db.member) == ["ben"]
        db.call("give", 2, 1, 5)
        assert names(client.db.member) == []


def test_callbacks_tell_what_happened(db: stdb.Database) -> None:
    seen: list[tuple[Any, ...]] = []
    with db.connect(identity=ALICE) as alice:
        alice.subscribe("SELECT * FROM member")

        @alice.db.member.on_insert
        def inserted(event: Any, row: Any) -> None:
            seen.append(("insert", event.reducer and event.reducer.name, row.name))

        @alice.db.member.on_update
        def updated(event: Any, old: Any, new: Any) -> None:
            seen.append(("update", old.name, new.name))

        @alice.db.member.on_delete
        def deleted(event: Any, row: Any) -> None:
            seen.append(("delete", row.name))

        alice.reducers.join("ann")
        db.call("rename", 1, "anna")
        db.call("leave", 1)
    assert seen == [("insert", "join", "ann"), ("update", "ann", "anna"), ("delete", "anna")]


def test_a_failed_call_reaches_its_caller_alone(db: stdb.Database) -> None:
    with db.connect() as one, db.connect() as two:
        two.subscribe("SELECT * FROM member")
        with pytest.raises(stdb.ReducerError, match="a member needs a name"):
            one.reducers.join("")
        with pytest.raises(stdb.ModuleError):
            one.reducers.crash()
        assert names(two.db.member) == []


def test_events_reach_those_who_listen(db: stdb.Database) -> None:
    heard = []
    with db.connect() as client:
        client.subscribe("SELECT * FROM signal")
        client.db.signal.on_insert(lambda event, row: heard.append(row.text))
        db.call("announce", "hear, hear")
        assert len(client.db.signal) == 0
    assert heard == ["hear, hear"]


def test_a_client_sees_its_own_cards(db: stdb.Database) -> None:
    with db.connect(identity=ALICE) as alice:
        alice.subscribe("SELECT * FROM card")
        db.call("write_card", "for ann", sender=ALICE)
        db.call("write_card", "for ben", sender=BOB)
        assert [card.text for card in alice.db.card] == ["for ann"]


def test_views_are_subscribed_to_like_tables(db: stdb.Database) -> None:
    with db.connect(identity=ALICE) as alice, db.connect(identity=BOB) as bob:
        alice.subscribe("SELECT * FROM my_members", "SELECT * FROM leaders")
        bob.subscribe("SELECT * FROM my_members")
        alice.reducers.join("ann")
        bob.reducers.join("ben")
        assert (names(alice.db.my_members), names(bob.db.my_members)) == (["ann"], ["ben"])
        assert names(alice.db.leaders) == []
        db.call("give", 1, 2, 4)
        assert names(alice.db.leaders) == ["ben"]
        assert [member.points for member in alice.db.my_members] == [6]


def test_a_scheduled_call_reaches_subscribers(db: stdb.Database, clock: stdb.ManualClock) -> None:
    with db.connect() as client:
        client.subscribe("SELECT * FROM note")
        db.call("remind", "wake up", clock.micros() + 1_000_000)
        clock.advance(2)
        assert "wake up" in [note.text for note in client.db.note]


def test_a_procedure_reaches_subscribers(db: stdb.Database) -> None:
    with db.connect() as client:
        client.subscribe("SELECT * FROM member")
        assert client.procedures.join_many("m", 2) == 2
        assert names(client.db.member) == ["m0", "m1"]
