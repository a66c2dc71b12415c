"""Clients that subscribe to views: rows, changes, failures, and what is left when they go."""

from __future__ import annotations

from typing import Any

import pytest

import stdb
from stdb import (
    AnonymousViewContext,
    Identity,
    Module,
    Query,
    ReducerContext,
    Row,
    ViewContext,
    index,
    primary_key,
    u32,
    u64,
)

ALICE, BOB = Identity.from_hex("aa" * 32), Identity.from_hex("bb" * 32)

chat = Module("chat")
runs: list[str] = []


@chat.table()
class Message(Row):
    id: u64 = primary_key(auto_inc=True)
    sender: Identity = index()
    text: str


@chat.table(public=True)
class Label(Row):
    message: u64 = primary_key()
    name: str


@chat.view(public=True, primary_key="id")
def mine(ctx: ViewContext) -> list[Message]:
    runs.append(f"mine {str(ctx.sender)[:2]}")
    return list(ctx.db[Message].sender.filter(ctx.sender))


@chat.view(public=True)
def queried(ctx: ViewContext) -> Query[Message]:
    return ctx.from_[Message].where(lambda m: m.sender == ctx.sender)


@chat.view(public=True)
def newest(ctx: AnonymousViewContext) -> list[Message]:
    runs.append("newest")
    return sorted(ctx.db[Message], key=lambda message: -message.id)[:2]


@chat.view(public=True, primary_key="text")
def distinct(ctx: AnonymousViewContext) -> list[Message]:
    return list(ctx.db[Message])


@chat.reducer
def say(ctx: ReducerContext, text: str) -> None:
    ctx.db[Message].insert(sender=ctx.sender, text=text)


@chat.reducer
def edit(ctx: ReducerContext, number: u64, text: str) -> None:
    ctx.db[Message].id.update(Message(id=number, sender=ctx.sender, text=text))


@chat.reducer
def label(ctx: ReducerContext, message: u64, name: str) -> None:
    ctx.db[Label].message.insert_or_update(Label(message=message, name=name))


@pytest.fixture
def db() -> stdb.Database:
    made = stdb.Database(chat)
    made.call("say", "hello", sender=ALICE)
    made.call("say", "hi", sender=BOB)
    runs.clear()
    return made


def texts(rows: Any) -> list[str]:
    return sorted(row.text for row in rows)


def test_a_client_has_its_own_rows_of_a_view_and_hears_of_changes(db: stdb.Database) -> None:
    with db.connect(identity=ALICE) as alice, db.connect(identity=BOB) as bob:
        heard: list[tuple[str, ...]] = []
        for client in (alice, bob):
            client.subscribe("SELECT * FROM mine")
        alice.db.mine.on_insert(lambda event, row: heard.append(("insert", row.text)))
        alice.db.mine.on_update(
            lambda event, old, new: heard.append(("update", old.text, new.text))
        )
        alice.db.mine.on_delete(lambda event, row: heard.append(("delete", row.text)))
        assert (texts(alice.db.mine), texts(bob.db.mine)) == (["hello"], ["hi"])
        bob.reducers.say("not for alice")
        alice.reducers.edit(1, "hello!")
        alice.reducers.say("more")
        db.sql("DELETE FROM message WHERE id = 1")
        assert heard == [("update", "hello", "hello!"), ("insert", "more"), ("delete", "hello!")]
        assert texts(alice.db.mine) == ["more"]
        assert texts(bob.db.mine) == ["hi", "not for alice"]
        assert {row.__class__ for row in alice.db.mine} == {Message}


def test_connections_of_one_identity_share_what_is_computed(db: stdb.Database) -> None:
    with db.connect(identity=ALICE) as one, db.connect(identity=ALICE) as two:
        one.subscribe("SELECT * FROM mine")
        two.subscribe("SELECT * FROM mine WHERE id > 0")
        assert runs == ["mine aa"]
        two.reducers.say("both see it")
        assert runs == ["mine aa"] * 2
        assert texts(one.db.mine) == texts(two.db.mine) == ["both see it", "hello"]


def test_an_anonymous_view_is_computed_once_for_all(db: stdb.Database) -> None:
    with db.connect() as one, db.connect() as two:
        for client in (one, two):
            client.subscribe("SELECT * FROM newest")
        db.call("say", "third")
        assert runs == ["newest"] * 2
        assert texts(one.db.newest) == texts(two.db.newest) == ["hi", "third"]


def test_a_query_view_is_followed(db: stdb.Database) -> None:
    with db.connect(identity=ALICE) as alice:
        alice.subscribe("SELECT * FROM queried")
        alice.reducers.say("more")
        db.call("say", "by bob", sender=BOB)
        assert texts(alice.db.queried) == ["hello", "more"]


def test_a_view_is_joined_by_its_primary_key(db: stdb.Database) -> None:
    with db.connect(identity=ALICE) as alice:
        alice.subscribe("SELECT l.* FROM label l JOIN mine m ON l.message = m.id")
        db.call("label", 1, "alice's")
        db.call("label", 2, "bob's")
        assert [row.name for row in alice.db.label] == ["alice's"]
        db.sql("DELETE FROM message WHERE id = 1")
        assert len(alice.db.label) == 0


def test_everything_includes_views(db: stdb.Database) -> None:
    with db.connect(identity=ALICE) as alice:
        alice.subscribe("SELECT * FROM *")
        assert texts(alice.db.mine) == ["hello"]
        assert texts(alice.db.newest) == ["hello", "hi"]


def test_a_view_that_fails_fails_the_call_and_nobody_hears_of_it(db: stdb.Database) -> None:
    with db.connect(identity=ALICE) as alice, db.connect(identity=BOB) as bob:
        bob.subscribe("SELECT * FROM distinct", "SELECT * FROM newest")
        heard: list[Any] = []
        bob.db.newest.on_insert(lambda event, row: heard.append(row))
        message = "reducer 'say' was undone: view 'distinct' returned two rows"
        with pytest.raises(stdb.ViewError, match=message):
            alice.reducers.say("hi")
        assert heard == []
        assert len(bob.db.distinct) == 2
        alice.reducers.say("something else")
        assert len(heard) == 1


def test_a_view_that_fails_is_no_subscription(db: stdb.Database) -> None:
    db.call("say", "hi", sender=ALICE)
    with db.connect() as client:
        with pytest.raises(stdb.Error, match="'distinct' returned two rows"):
            client.subscribe("SELECT * FROM newest", "SELECT * FROM distinct")
        db.call("say", "hi", sender=ALICE)
    assert not db._views._instances or all(i.count == 0 for i in db._views._instances.values())


def test_what_nobody_subscribes_to_any_more_costs_nothing(db: stdb.Database) -> None:
    with db.connect(identity=ALICE) as alice:
        first = alice.subscribe("SELECT * FROM mine")
        second = alice.subscribe("SELECT * FROM mine", "SELECT * FROM newest")
        second.unsubscribe()
        alice.reducers.say("still kept")
        assert runs.count("mine aa") == 2
        assert runs.count("newest") == 1
        first.unsubscribe()
        assert len(alice.db.mine) == 0
        alice.subscribe("SELECT * FROM mine")
    db.call("say", "nobody is here", sender=ALICE)
    # What was left is still right for who comes back at once; for nobody, it is not computed.
    assert runs.count("mine aa") == 2
    assert not db._views._instances
    assert db._store.refresh is None


def test_a_client_that_goes_before_its_subscription_has_ended_keeps_no_view(
    db: stdb.Database,
) -> None:
    with db.connect(identity=ALICE, dispatch="manual") as alice:
        subscription = alice.subscribe("SELECT * FROM mine")
        alice.tick()
        subscription.unsubscribe()  # and no tick that would take the end of it
    runs.clear()
    db.call("say", "nobody is here", sender=ALICE)
    db.call("say", "nobody at all", sender=ALICE)
    assert runs == []
    assert not db._views._instances


def test_publishing_brings_clients_the_rows_of_the_new_code() -> None:
    def version(factor: int) -> Module:
        module = Module("scores")
        module.table(name="score")(Score)

        def doubled(ctx: AnonymousViewContext) -> list[Score]:
            return [row.replace(points=row.points * factor) for row in ctx.db[Score]]

        module.view(public=True, primary_key="player")(doubled)
        return module

    db = stdb.Database(version(1))
    with db.transaction() as tx:
        tx.db[Score].insert(player="ann", points=2)
    with db.connect() as client:
        client.subscribe("SELECT * FROM doubled")
        assert [row.points for row in client.db.doubled] == [2]
        db.publish(version(10))
        assert [row.points for row in client.db.doubled] == [20]
        with db.transaction() as tx:
            tx.db[Score].insert(player="bob", points=3)
        assert sorted(row.points for row in client.db.doubled) == [20, 30]


template = Module("template")


@template.table()
class Score(Row):
    player: str = primary_key()
    points: u32


def test_filters_hold_for_subscriptions() -> None:
    module = Module("notes")

    @module.table(public=True)
    class Member(Row):
        person: Identity = index()
        team: u32 = index()

    @module.table(public=True)
    class Note(Row):
        id: u32 = primary_key()
        team: u32 = index()

    module.client_visibility_filter("SELECT * FROM member WHERE person = :sender")
    db = stdb.Database(module)
    with db.connect(identity=ALICE) as alice, db.connect(identity=BOB) as bob:
        for client in (alice, bob):
            client.subscribe(
                "SELECT * FROM member",
                "SELECT n.* FROM note n JOIN member m ON n.team = m.team",
            )
        with db.transaction() as tx:
            tx.db[Member].insert(person=ALICE, team=1)
            tx.db[Note].insert_many([Note(id=1, team=1), Note(id=2, team=2)])
        assert [row.id for row in alice.db.note] == [1]
        assert len(bob.db.note) == len(bob.db.member) == 0
        with db.transaction() as tx:
            tx.db[Member].clear()
            tx.db[Member].insert(person=BOB, team=2)
        assert len(alice.db.note) == 0
        assert [row.id for row in bob.db.note] == [2]
