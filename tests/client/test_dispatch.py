"""When and where callbacks run, and what they may do."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.client.counters import Counter, Entry, counters

import stdb
from stdb import Database, Event, UsageError


@pytest.fixture
def db() -> Database:
    return Database(counters)


def values(conn: Any) -> dict[str, int]:
    return {counter.name: counter.value for counter in conn.db[Counter]}


# -- which thread ----------------------------------------------------------------------------------


def test_callbacks_run_on_the_thread_that_committed_before_its_call_returns(db: Database) -> None:
    threads: list[int] = []
    with db.connect() as conn:
        conn.subscribe(Counter)
        conn.db.counter.on_insert(lambda event, row: threads.append(threading.get_ident()))
        db.call("count", "here")
        assert threads == [threading.get_ident()]
        other = threading.Thread(target=db.call, args=("count", "there"))
        other.start()
        other.join()
        assert threads == [threading.get_ident(), other.ident]


def test_callbacks_run_outside_the_transaction(db: Database) -> None:
    seen: list[int] = []
    with db.connect() as conn:
        conn.subscribe(Counter)
        conn.db.counter.on_insert(
            lambda event, row: seen.append(len(db.sql("SELECT * FROM entry")))
        )
        with db.transaction() as tx:
            tx.db[Entry].insert(name="x")
            tx.db[Counter].insert(name="a", value=1)
            assert seen == []
    assert seen == [1]


def test_a_busy_connection_takes_over_what_other_threads_commit(db: Database) -> None:
    inside, go_on = threading.Event(), threading.Event()
    order: list[tuple[str, int]] = []
    with db.connect() as conn:
        conn.subscribe(Counter)

        @conn.db.counter.on_insert
        def slow(event: Event, row: Counter) -> None:
            inside.set()
            assert go_on.wait(10)
            order.append((row.name, threading.get_ident()))

        first = threading.Thread(target=db.call, args=("count", "first"))
        first.start()
        assert inside.wait(10)
        db.call("count", "second")  # returns although the connection is busy
        assert order == []
        go_on.set()
        first.join()
        assert order == [("first", first.ident), ("second", first.ident)]


def test_an_own_call_returns_after_its_callbacks_though_another_thread_runs_them(
    db: Database,
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    names: list[str] = []
    with db.connect() as conn:
        conn.subscribe(Counter)

        @conn.db.counter.on_insert
        def slow(event: Event, row: Counter) -> None:
            inside.set()
            assert go_on.wait(10)
            names.append(row.name)

        other = threading.Thread(target=db.call, args=("count", "first"))
        other.start()
        assert inside.wait(10)
        threading.Timer(0.05, go_on.set).start()
        conn.reducers.count("second")
        assert names == ["first", "second"]
        assert set(values(conn)) == {"first", "second"}
        other.join()


# -- callbacks that do something -------------------------------------------------------------------


def test_a_callback_may_call_reducers_and_what_that_causes_comes_later(db: Database) -> None:
    order: list[str] = []
    with db.connect() as conn:
        conn.subscribe(Counter, Entry)

        @conn.db.counter.on_insert
        def first(event: Event, row: Counter) -> None:
            order.append("begin")
            conn.reducers.enter(row.name)
            assert len(db.tables.entry) == 1, "it has committed"
            assert len(conn.db.entry) == 0, "and the cache is still of the present commit"
            order.append("end")

        conn.db.counter.on_insert(lambda event, row: order.append("second callback"))
        conn.db.entry.on_insert(lambda event, row: order.append(f"entry by {event.kind}"))
        conn.reducers.count("a")
        assert order == ["begin", "end", "second callback", "entry by reducer"]


def test_what_a_callback_causes_for_another_client_comes_later_too(db: Database) -> None:
    order: list[str] = []
    with db.connect() as conn, db.connect() as other:
        conn.subscribe(Counter)
        other.subscribe(Entry)

        @conn.db.counter.on_insert
        def first(event: Event, row: Counter) -> None:
            db.call("enter", row.name)
            order.append("end")

        other.db.entry.on_insert(lambda event, row: order.append(event.kind))
        conn.reducers.count("a")
        assert order == ["end", "transaction"]


def test_a_callback_may_subscribe_and_unsubscribe(db: Database) -> None:
    db.call("enter", "x")
    applied: list[str] = []
    with db.connect() as conn:
        counting = conn.subscribe(Counter)

        @conn.db.counter.on_insert
        def first(event: Event, row: Counter) -> None:
            pending = conn.subscribe(Entry, on_applied=lambda event: applied.append(event.kind))
            assert not pending.is_active
            counting.unsubscribe()
            assert len(conn.db.counter) == 1

        db.call("count", "a")
        assert applied == ["subscribed"]
        assert (len(conn.db.counter), len(conn.db.entry)) == (0, 1)
        assert counting.is_ended


def test_a_callback_may_close_its_connection(db: Database) -> None:
    seen: list[str] = []
    conn = db.connect()
    conn.subscribe(Counter)

    @conn.db.counter.on_insert
    def first(event: Event, row: Counter) -> None:
        seen.append(row.name)
        conn.close()

    conn.db.counter.on_insert(lambda event, row: seen.append("after the end"))
    db.call("count", "a")
    db.call("count", "b")
    assert seen == ["a"]
    assert len(db.tables["st_client"]) == 0


def test_callbacks_that_feed_each_other_end(db: Database) -> None:
    with db.connect() as ping, db.connect() as pong:
        for conn in (ping, pong):
            conn.subscribe(Counter, Entry)

        def serve(event: Event, old: Counter, new: Counter) -> None:
            if new.value < 50:
                pong.reducers.enter("back")

        def serve_back(event: Event, row: Entry) -> None:
            ping.reducers.count("ball")

        ping.db.counter.on_update(serve)
        pong.db.entry.on_insert(serve_back)
        ping.reducers.count("ball")
        ping.reducers.count("ball")
        assert values(ping) == values(pong) == {"ball": 50}


def test_callbacks_added_in_a_callback_hear_the_next_commit(db: Database) -> None:
    heard: list[str] = []
    with db.connect() as conn:
        conn.subscribe(Counter)

        @conn.db.counter.on_insert
        def first(event: Event, row: Counter) -> None:
            if row.name == "a":
                conn.db.counter.on_insert(lambda event, row: heard.append(row.name))

        with db.transaction() as tx:
            tx.db[Counter].insert(name="a", value=0)
            tx.db[Counter].insert(name="b", value=0)
        assert heard == []
        db.call("count", "c")
        assert heard == ["c"]


def test_a_removed_callback_is_silent(db: Database) -> None:
    heard: list[str] = []

    def listen(event: Event, row: Counter) -> None:
        heard.append(row.name)

    def listen_to_changes(event: Event, *rows: Counter) -> None:
        heard.append("changed")

    with db.connect() as conn:
        conn.subscribe(Counter)
        table = conn.db.counter
        table.on_insert(listen)
        table.on_update(listen_to_changes)
        table.on_delete(listen_to_changes)
        db.call("count", "a")
        table.remove_on_insert(listen)
        table.remove_on_insert(listen)
        table.remove_on_update(listen_to_changes)
        table.remove_on_delete(listen_to_changes)
        db.call("count", "a")
        db.call("count", "b")
        db.sql("DELETE FROM counter")
        assert heard == ["a"]


# -- errors ----------------------------------------------------------------------------------------


def test_an_error_in_a_callback_is_reported_and_breaks_nothing(db: Database) -> None:
    errors: list[Exception] = []
    names: list[str] = []
    with db.connect() as conn, db.connect() as other:
        for each in (conn, other):
            each.subscribe(Counter)

        @conn.db.counter.on_insert
        def broken(event: Event, row: Counter) -> None:
            raise ZeroDivisionError(row.name)

        conn.db.counter.on_insert(lambda event, row: names.append("the next callback"))
        other.db.counter.on_insert(lambda event, row: names.append("another client"))
        conn.on_error(errors.append)
        db.call("count", "a")
        assert names == ["the next callback", "another client"]
        assert [type(error) for error in errors] == [ZeroDivisionError]
        record = db.logs()[-1]
        assert record.level == "Error"
        assert "broken broke" in record.message
        assert "ZeroDivisionError: a" in record.message


def test_an_error_in_the_only_callback_of_an_update_is_reported(db: Database) -> None:
    errors: list[Exception] = []
    db.call("count", "a")
    with db.connect() as conn:
        conn.subscribe(Counter)
        conn.on_error(errors.append)
        conn.db.counter.on_update(lambda event, old, new: 1 // 0)
        for _ in range(3):
            db.call("count", "a")
        assert len(errors) == 3
        assert values(conn) == {"a": 4}


def test_an_error_in_on_error_is_logged(db: Database) -> None:
    with db.connect() as conn:
        conn.subscribe(Counter)
        conn.on_error(lambda error: 1 // 0)
        conn.on_disconnect(lambda error: 1 // 0)
        conn.db.counter.on_insert(lambda event, row: row.nothing)
        db.call("count", "a")
        assert "an on_error callback broke" in db.logs()[-1].message
    assert "ZeroDivisionError" in db.logs()[-1].message


# -- by hand ---------------------------------------------------------------------------------------


def test_by_hand_everything_waits_for_tick(db: Database) -> None:
    heard: list[tuple[str, str]] = []
    with db.connect(dispatch="manual") as conn:
        subscription = conn.subscribe(Counter)
        conn.db.counter.on_insert(lambda event, row: heard.append((event.kind, row.name)))
        assert not subscription.is_active
        conn.reducers.count("a")
        db.call("count", "b")
        assert values(conn) == {}
        conn.tick()
        assert subscription.is_active
        assert values(conn) == {"a": 1, "b": 1}
        assert heard == [("reducer", "a"), ("transaction", "b")]
        conn.tick()
        assert len(heard) == 2


def test_a_callback_may_tick_and_call(db: Database) -> None:
    heard: list[int] = []
    with db.connect(dispatch="manual") as conn:
        conn.subscribe(Counter)

        @conn.db.counter.on_insert
        def first(event: Event, row: Counter) -> None:
            conn.reducers.count("a")
            conn.tick()
            heard.append(row.value)

        conn.db.counter.on_update(lambda event, old, new: heard.append(new.value))
        conn.reducers.count("a")
        conn.tick()
        assert heard == [1, 2]


def test_other_kinds_of_dispatch_are_refused(db: Database) -> None:
    with pytest.raises(UsageError, match="immediate"):
        db.connect(dispatch="later")  # type: ignore[arg-type]


# -- transactions ----------------------------------------------------------------------------------


def test_nothing_is_subscribed_to_inside_a_transaction(db: Database) -> None:
    with db.connect() as conn:
        handle = conn.subscribe(Counter)
        with db.transaction():
            with pytest.raises(stdb.TransactionError):
                conn.subscribe(Entry)
            with pytest.raises(stdb.TransactionError):
                handle.unsubscribe()
        assert handle.is_active
        db.call("enter", "x")
        assert len(conn.db.entry) == 0


def test_subscribing_waits_for_a_writer_and_sees_all_of_its_work(db: Database) -> None:
    began, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with db.transaction() as tx:
            tx.db[Counter].insert(name="a", value=1)
            began.set()
            assert go_on.wait(10)
            tx.db[Counter].insert(name="b", value=1)

    writer = threading.Thread(target=write)
    with db.connect() as conn:
        writer.start()
        assert began.wait(10)
        threading.Timer(0.05, go_on.set).start()
        conn.subscribe(Counter)
        assert set(values(conn)) == {"a", "b"}
        writer.join()
