"""What a client is told: its first rows, and what commits change in its queries' results."""

from __future__ import annotations

from typing import Any

import pytest

import stdb
from stdb import (
    Database,
    Event,
    Identity,
    Module,
    ReducerContext,
    ReducerError,
    Row,
    SqlError,
    UnknownName,
    UsageError,
    index,
    primary_key,
    u8,
    u32,
    u64,
    unique,
)

ANN = Identity.from_claims("test", "ann")
BOB = Identity.from_claims("test", "bob")

club = Module("club")


@club.table(public=True)
class User(Row):
    identity: Identity = primary_key()
    name: str = unique()
    level: u8 = index()


@club.table(public=True)
class Message(Row):
    id: u64 = primary_key(auto_inc=True)
    sender: Identity = index()
    text: str


@club.table(public=True)
class Tag(Row):
    message: u64 = index()
    text: str


@club.table()
class Secret(Row):
    id: u32 = primary_key()


@club.table(public=True, event=True)
class Bell(Row):
    tone: u8


@club.reducer
def say(ctx: ReducerContext, text: str) -> None:
    if not text:
        raise ReducerError("say something")
    ctx.db[Message].insert(sender=ctx.sender, text=text)


@club.reducer
def set_level(ctx: ReducerContext, name: str, level: u8) -> None:
    user = ctx.db[User].name.find(name)
    assert user is not None
    ctx.db[User].identity.update(user.replace(level=level))


@club.reducer
def ring(ctx: ReducerContext, times: u8) -> None:
    for tone in range(times):
        ctx.db[Bell].insert(tone=tone)


@pytest.fixture
def db() -> Database:
    made = Database(club)
    with made.transaction() as tx:
        tx.db[User].insert(identity=ANN, name="ann", level=1)
        tx.db[User].insert(identity=BOB, name="bob", level=2)
    return made


class Heard:
    """Everything that a client's callbacks were told."""

    def __init__(self, conn: Any, *tables: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.events: list[Event] = []
        for table in tables:
            handle = conn.db[table]
            handle.on_insert(lambda event, row: self.note(event, "insert", row))
            if not handle._cache.info.is_event:
                handle.on_delete(lambda event, row: self.note(event, "delete", row))
                if handle._cache.info.primary_key is not None:
                    handle.on_update(lambda event, old, new: self.note(event, "update", old, new))

    def note(self, event: Event, *what: Any) -> None:
        self.events.append(event)
        self.calls.append(what)

    def take(self) -> list[tuple[Any, ...]]:
        calls, self.calls = self.calls, []
        return calls


# -- subscribing -----------------------------------------------------------------------------------


def test_the_rows_are_there_when_subscribe_returns(db: Database) -> None:
    with db.connect() as conn:
        heard = Heard(conn, User)
        subscription = conn.subscribe("SELECT * FROM user WHERE level > 1", Message)
        assert subscription.is_active
        assert [user.name for user in conn.db.user] == ["bob"]
        assert heard.take() == [("insert", User(identity=BOB, name="bob", level=2))]
        assert heard.events[0].kind == "subscribed"
        assert heard.events[0].reducer is None


def test_without_a_subscription_the_cache_is_empty(db: Database) -> None:
    with db.connect() as conn:
        heard = Heard(conn, Message)
        db.call("say", "hello")
        assert len(conn.db.message) == 0
        assert heard.take() == []


def test_a_subscription_takes_sql_classes_queries_tables_and_lists(db: Database) -> None:
    with db.connect() as conn:
        subscription = conn.subscribe(
            "SELECT * FROM tag",
            Message,
            [User.where(lambda user: user.level == 2), conn.db.bell],
            db.tables.tag,
        )
        assert subscription.queries == (
            "SELECT * FROM tag",
            'SELECT * FROM "message"',
            'SELECT * FROM "user" WHERE ("user"."level" = 2)',
            'SELECT * FROM "bell"',
            'SELECT * FROM "tag"',
        )
        assert [user.name for user in conn.db[User]] == ["bob"]


def test_nothing_to_subscribe_to_is_a_mistake(db: Database) -> None:
    with db.connect() as conn:
        with pytest.raises(UsageError, match="at least one query"):
            conn.subscribe()
        with pytest.raises(UsageError, match="subscribe takes SQL, a row class"):
            conn.subscribe(7)


def test_one_wrong_query_spoils_the_set(db: Database) -> None:
    with db.connect() as conn:
        with pytest.raises(SqlError, match="did you mean message"):
            conn.subscribe("SELECT * FROM user", "SELECT * FROM mesage")
        assert len(conn.db.user) == 0
        db.call("set_level", "ann", 5)
        assert len(conn.db.user) == 0


def test_with_on_error_a_wrong_query_is_reported_to_the_handle(db: Database) -> None:
    errors: list[Exception] = []
    with db.connect() as conn:
        subscription = conn.subscribe("SELECT * FROM nothing", on_error=errors.append)
        assert subscription.is_ended
        assert subscription.error is errors[0]
        assert isinstance(errors[0], SqlError)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT name FROM user", "whole rows"),
        ("SELECT * FROM user LIMIT 1", "LIMIT"),
        ("DELETE FROM user", "a subscription is a SELECT"),
        ("SELECT u.* FROM user u JOIN tag t ON u.name = t.text", "index"),
        ("SELECT u.* FROM user u JOIN bell ON u.level = bell.tone", "event"),
        ("SELECT u.* FROM bell JOIN user u ON u.level = bell.tone", "no rows after"),
    ],
)
def test_what_a_subscription_cannot_be(db: Database, sql: str, message: str) -> None:
    with db.connect() as conn, pytest.raises(SqlError, match=message):
        conn.subscribe(sql)


def test_private_tables_are_for_the_owner(db: Database) -> None:
    with db.connect() as conn:
        with pytest.raises(SqlError, match="no such table"):
            conn.subscribe("SELECT * FROM secret")
        with pytest.raises(UnknownName):
            _ = conn.db.secret
    with db.connect(identity=db.owner) as conn:
        assert conn.subscribe(Secret).is_active


def test_everything_readable_at_once(db: Database) -> None:
    with db.connect() as conn:
        conn.subscribe_to_all_tables()
        db.call("say", "hello")
        assert (len(conn.db.user), len(conn.db.message), len(conn.db.tag)) == (2, 1, 0)


# -- changes ---------------------------------------------------------------------------------------


def test_inserts_updates_and_deletes(db: Database) -> None:
    with db.connect() as conn:
        heard = Heard(conn, User)
        conn.subscribe(User)
        heard.take()
        ann = User(identity=ANN, name="ann", level=1)
        with db.transaction() as tx:
            tx.db[User].identity.update(ann.replace(level=9))
        assert heard.take() == [("update", ann, ann.replace(level=9))]
        with db.transaction() as tx:
            tx.db[User].identity.delete(ANN)
        assert heard.take() == [("delete", ann.replace(level=9))]
        with db.transaction() as tx:
            tx.db[User].insert(ann)
        assert heard.take() == [("insert", ann)]


def test_a_delete_and_insert_of_the_same_key_is_an_update(db: Database) -> None:
    with db.connect() as conn:
        heard = Heard(conn, User)
        conn.subscribe(User)
        heard.take()
        with db.transaction() as tx:
            tx.db[User].identity.delete(ANN)
            tx.db[User].insert(identity=ANN, name="anne", level=3)
        assert [call[0] for call in heard.take()] == ["update"]


def test_another_key_is_a_delete_and_an_insert(db: Database) -> None:
    with db.connect() as conn:
        heard = Heard(conn, User)
        conn.subscribe(User)
        heard.take()
        other = Identity.from_claims("test", "other")
        with db.transaction() as tx:
            tx.db[User].name.update(User(identity=other, name="ann", level=1))
        assert [call[0] for call in heard.take()] == ["insert", "delete"]


def test_a_table_without_a_key_has_no_updates(db: Database) -> None:
    with db.connect() as conn:
        conn.subscribe(Tag)
        with pytest.raises(TypeError, match="no primary key"):
            conn.db.tag.on_update(print)


def test_a_row_enters_and_leaves_by_the_filter(db: Database) -> None:
    with db.connect() as conn:
        heard = Heard(conn, User)
        conn.subscribe("SELECT * FROM user WHERE level >= 5")
        db.call("set_level", "ann", 5)
        db.call("set_level", "ann", 6)
        db.call("set_level", "ann", 4)
        assert [call[0] for call in heard.take()] == ["insert", "update", "delete"]
        assert len(conn.db.user) == 0


def test_a_row_that_moves_between_queries_is_updated(db: Database) -> None:
    with db.connect() as conn:
        heard = Heard(conn, User)
        conn.subscribe("SELECT * FROM user WHERE level = 1", "SELECT * FROM user WHERE level = 7")
        heard.take()
        db.call("set_level", "ann", 7)
        assert [call[0] for call in heard.take()] == ["update"]


def test_what_does_not_concern_a_client_is_not_told(db: Database) -> None:
    with db.connect() as conn:
        heard = Heard(conn, User, Message)
        events: list[Event] = []
        conn.subscribe("SELECT * FROM user WHERE level = 1")
        conn.on_event(events.append)
        heard.take()
        db.call("set_level", "bob", 7)
        db.call("say", "hello")
        with db.transaction() as tx:
            ann = tx.db[User].identity.find(ANN)
            assert ann is not None
            tx.db[User].identity.update(ann.replace(level=5))
            tx.db[User].identity.update(ann)
        with db.transaction() as tx:
            tx.db[User].identity.update(ann.replace(level=5))
            tx.rollback()
        assert heard.take() == []
        assert events == []


def test_the_cache_holds_the_whole_commit_before_the_first_callback(db: Database) -> None:
    with db.connect() as conn:
        conn.subscribe(Message, Tag)
        seen: list[tuple[int, int]] = []
        for table in (Message, Tag):
            conn.db[table].on_insert(
                lambda event, row: seen.append((len(conn.db.message), len(conn.db.tag)))
            )
        with db.transaction() as tx:
            for number in (1, 2):
                tx.db[Message].insert(sender=ANN, text="hi")
                tx.db[Tag].insert(message=number, text="x")
        assert seen == [(2, 2)] * 4


def test_a_join_follows_both_sides(db: Database) -> None:
    with db.connect() as conn:
        heard = Heard(conn, Message)
        conn.subscribe("SELECT m.* FROM message m JOIN tag t ON t.message = m.id")
        db.call("say", "hello")
        assert heard.take() == []
        with db.transaction() as tx:
            tx.db[Tag].insert(message=1, text="x")
        assert [call[0] for call in heard.take()] == ["insert"]
        with db.transaction() as tx:
            tx.db[Tag].insert(message=1, text="y")
        assert heard.take() == [], "the row is there once, however often it joins"
        with db.transaction() as tx:
            tx.db[Tag].delete(Tag(message=1, text="x"))
        assert heard.take() == []
        with db.transaction() as tx:
            tx.db[Message].clear()
        assert [call[0] for call in heard.take()] == ["delete"]


# -- several subscriptions -------------------------------------------------------------------------


def test_overlapping_queries_give_a_row_once(db: Database) -> None:
    with db.connect() as conn:
        heard = Heard(conn, User)
        first = conn.subscribe(User)
        assert len(heard.take()) == 2
        second = conn.subscribe("SELECT * FROM user WHERE level < 9", User)
        assert heard.take() == []
        db.call("set_level", "ann", 5)
        assert [call[0] for call in heard.take()] == ["update"]
        first.unsubscribe()
        assert heard.take() == []
        assert len(conn.db.user) == 2
        second.unsubscribe()
        assert [call[0] for call in heard.take()] == ["delete", "delete"]
        assert heard.events[-1].kind == "unsubscribed"
        assert len(conn.db.user) == 0


def test_unsubscribing_leaves_what_others_hold(db: Database) -> None:
    with db.connect() as conn:
        heard = Heard(conn, User)
        everybody = conn.subscribe(User)
        conn.subscribe("SELECT * FROM user WHERE level = 1")
        heard.take()
        everybody.unsubscribe()
        assert [call[1].name for call in heard.take()] == ["bob"]
        db.call("set_level", "bob", 5)
        assert heard.take() == []
        db.call("set_level", "ann", 5)
        assert [call[0] for call in heard.take()] == ["delete"]


def test_a_subscription_ends_once(db: Database) -> None:
    ended: list[Event] = []
    with db.connect() as conn:
        subscription = conn.subscribe(User)
        subscription.unsubscribe(ended.append)
        assert subscription.is_ended
        assert not subscription.is_active
        assert [event.kind for event in ended] == ["unsubscribed"]
        with pytest.raises(UsageError, match="over"):
            subscription.unsubscribe()


def test_on_applied_comes_after_the_rows(db: Database) -> None:
    order: list[str] = []
    with db.connect() as conn:
        conn.db.user.on_insert(lambda event, row: order.append(row.name))
        subscription = conn.subscribe(User, on_applied=lambda event: order.append(event.kind))
        assert sorted(order[:2]) == ["ann", "bob"]
        assert order[2:] == ["subscribed"]
        subscription.on_applied(lambda event: order.append("later"))
        assert order[3:] == ["later"]


# -- events ----------------------------------------------------------------------------------------


def test_an_own_call_tells_of_its_reducer(db: Database) -> None:
    with db.connect(identity=ANN) as conn:
        heard = Heard(conn, Message)
        conn.subscribe(Message)
        conn.reducers.say("hello")
        event = heard.events[0]
        assert event.kind == "reducer"
        assert event.reducer is not None
        assert (event.reducer.name, event.reducer.arguments) == ("say", ("hello",))
        assert event.reducer.sender == ANN
        assert event.reducer.connection_id == conn.connection_id
        assert event.reducer.status == "committed"
        assert event.reducer.timestamp == event.timestamp
        assert event.changes[Message].inserted == (Message(id=1, sender=ANN, text="hello"),)
        assert event.changes["message"].updated == ()
        assert event.changes[User].inserted == ()


def test_the_work_of_others_is_anonymous(db: Database) -> None:
    with db.connect(identity=ANN) as conn, db.connect(identity=ANN) as other:
        heard = Heard(conn, Message)
        conn.subscribe(Message)
        other.reducers.say("from another connection of the same identity")
        db.call("say", "from the host", sender=ANN)
        db.sql("DELETE FROM message")
        assert [event.kind for event in heard.events] == ["transaction"] * 4
        assert {event.reducer for event in heard.events} == {None}


def test_a_failed_call_is_raised_and_no_event(db: Database) -> None:
    with db.connect(identity=ANN) as conn:
        heard = Heard(conn, Message)
        conn.subscribe(Message)
        with pytest.raises(ReducerError, match="say something"):
            conn.reducers.say("")
        assert heard.take() == []


def test_the_event_after_a_failed_call_is_not_its(db: Database) -> None:
    with db.connect(identity=ANN) as conn:
        heard = Heard(conn, Message)
        conn.subscribe(Message)
        with pytest.raises(ReducerError):
            conn.reducers.say("")
        db.call("say", "hello")
        assert [event.kind for event in heard.events] == ["transaction"]


def test_one_event_for_each_commit(db: Database) -> None:
    events: list[Event] = []
    with db.connect() as conn:
        conn.on_event(events.append)
        conn.subscribe(Message, Tag)
        with db.transaction() as tx:
            tx.db[Message].insert(sender=ANN, text="a")
            tx.db[Message].insert(sender=ANN, text="b")
            tx.db[Tag].insert(message=1, text="x")
        assert len(events) == 1
        assert sorted(events[0].changes) == ["message", "tag"]
        assert repr(events[0]) == "<event transaction, message: +2 ~0 -0, tag: +1 ~0 -0>"
        conn.remove_on_event(events.append)
        db.call("say", "c")
        assert len(events) == 1


# -- event tables ----------------------------------------------------------------------------------


def test_rows_of_an_event_table_come_and_are_not_kept(db: Database) -> None:
    with db.connect() as conn:
        heard = Heard(conn, Bell)
        conn.subscribe(Bell, "SELECT * FROM bell WHERE tone = 1")
        conn.reducers.ring(times=2)
        assert sorted(call[1].tone for call in heard.take()) == [0, 1, 1]
        assert len(conn.db.bell) == 0
        with pytest.raises(UsageError, match="event table"):
            conn.db.bell.on_delete(print)


def test_an_event_joins_with_the_rows_after_the_commit(db: Database) -> None:
    with db.connect() as conn:
        heard = Heard(conn, Bell)
        conn.subscribe("SELECT bell.* FROM bell JOIN user u ON bell.tone = u.level")
        with db.transaction() as tx:
            tx.db[Bell].insert(tone=1)
            tx.db[Bell].insert(tone=2)
            tx.db[User].identity.delete(BOB)
        assert heard.take() == [("insert", Bell(tone=1))]


# -- looking into the cache ------------------------------------------------------------------------


def test_unique_columns_find_and_indexes_filter(db: Database) -> None:
    with db.connect() as conn:
        conn.subscribe(User)
        users = conn.db[User]
        assert users.identity.find(ANN) == User(identity=ANN, name="ann", level=1)
        assert users.name.find("bob").identity == BOB
        assert users.name.find("nobody") is None
        assert [user.name for user in users.level.filter(2)] == ["bob"]
        db.call("set_level", "ann", 2)
        assert sorted(user.name for user in users.level.filter(2)) == ["ann", "bob"]
        assert sorted(user.name for user in users.level.filter(ge=1, lt=3)) == ["ann", "bob"]
        assert list(users.level.filter(gt=2)) == []
        assert [user.name for user in users.name.filter("ann")] == ["ann"]
        assert [user.name for user in users.identity.filter(ge=ANN, le=ANN)] == ["ann"]
        assert users.name.find("ann").level == 2


def test_mistakes_with_the_cache_are_explained(db: Database) -> None:
    with db.connect() as conn:
        conn.subscribe(User, Message)
        with pytest.raises(UnknownName, match="did you mean 'user'"):
            _ = conn.db.usr
        with pytest.raises(UnknownName, match="column 'text' has none"):
            _ = conn.db.message.text
        with pytest.raises(UnknownName, match="did you mean 'on_insert'"):
            _ = conn.db.user.on_inserted
        with pytest.raises(UsageError, match="not unique"):
            conn.db.user.level.find(1)
        with pytest.raises(stdb.TypeMismatch, match="column 'level'"):
            conn.db.user.level.filter("one")
        with pytest.raises(UsageError, match="takes 1 value"):
            conn.db.user.name.find("a", "b")
        with pytest.raises(UsageError, match="plain function"):

            @conn.db.user.on_insert
            async def inserted(event: Event, row: User) -> None: ...


def test_the_cache_lists_its_tables(db: Database) -> None:
    with db.connect() as conn:
        assert list(conn.db) == ["bell", "message", "tag", "user"]
        assert "user" in conn.db
        assert "secret" not in conn.db
        assert len(conn.db) == 4
        assert "user" in dir(conn.db)
        assert repr(conn.db.user) == "<cache of table 'user', 0 rows>"
        assert "identity" in dir(conn.db.user)


# -- the end ---------------------------------------------------------------------------------------


def test_a_closed_connection_hears_nothing_and_keeps_its_cache(db: Database) -> None:
    conn = db.connect()
    heard = Heard(conn, User)
    subscription = conn.subscribe(User)
    ends: list[Exception | None] = []
    conn.on_disconnect(ends.append)
    heard.take()
    conn.close()
    conn.close()
    db.call("set_level", "ann", 5)
    assert heard.take() == []
    assert len(conn.db.user) == 2
    assert subscription.is_ended
    assert ends == [None]
    with pytest.raises(stdb.Disconnected):
        conn.subscribe(User)


def test_nothing_is_left_of_clients_that_have_gone(db: Database) -> None:
    with db.connect(identity=ANN) as conn, db.connect() as other:
        conn.subscribe(User, "SELECT * FROM message WHERE sender = :sender")
        other.subscribe(User, "SELECT m.* FROM message m JOIN tag t ON t.message = m.id")
    assert db._clients is not None
    evaluator = db._clients._evaluator
    assert evaluator is not None
    assert (evaluator.queries, evaluator.sinks, evaluator._feeds) == ({}, {}, {})
    assert not db._store.evaluated
    assert not db._due
