"""Clients in an event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.client.counters import Counter, Entry, counters

import stdb
from stdb import AsyncConnection, Database, Event, Module, ReducerContext, ReducerError, UsageError


@pytest.fixture
def db() -> Database:
    return Database(counters)


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(main, 20))


def test_the_same_names_are_awaited(db: Database) -> None:
    async def main() -> None:
        heard: list[tuple[str, str]] = []
        async with db.connect() as conn:
            assert isinstance(conn, AsyncConnection)
            subscription = await conn.subscribe(Counter)
            assert subscription.is_active
            conn.db.counter.on_insert(lambda event, row: heard.append((event.kind, row.name)))
            await conn.reducers.count("a")
            await conn.call("count", "b")
            assert heard == [("reducer", "a"), ("reducer", "b")]
            assert conn.db.counter.name.find("a") == Counter(name="a", value=1)
            await subscription.unsubscribe()
            assert len(conn.db.counter) == 0
            with pytest.raises(UsageError, match="over"):
                await subscription.unsubscribe()
        assert not conn.is_active
        with pytest.raises(stdb.Disconnected):
            await conn.call("count", "c")

    run(main())
    assert len(db.tables["st_client"]) == 0


def test_events_come_one_a_commit(db: Database) -> None:
    async def main() -> list[Event]:
        found: list[Event] = []
        async with db.connect() as conn:
            await conn.subscribe(Counter, Entry)
            await conn.reducers.count("a")
            db.call("enter", "x")
            async for event in conn.events():
                found.append(event)
                if len(found) == 2:
                    break
        return found

    first, second = run(main())
    assert first.reducer.name == "count"
    assert first.changes[Counter].inserted == (Counter(name="a", value=1),)
    assert first.timestamp == first.reducer.timestamp
    assert second.reducer is None
    assert second.changes[Entry].inserted == (Entry(number=1, name="x"),)
    assert second.changes[Counter].inserted == ()


def test_a_stream_of_events_ends_with_the_connection(db: Database) -> None:
    async def main() -> list[str]:
        names: list[str] = []
        async with db.connect() as conn:
            await conn.subscribe(Counter)

            async def read() -> None:
                async for event in conn.events():
                    names.extend(row.name for row in event.changes[Counter].inserted)

            reading = asyncio.create_task(read())
            await asyncio.sleep(0)
            await conn.reducers.count("a")
            await conn.reducers.count("b")
        await reading
        assert [event async for event in conn.events()] == []
        return names

    assert run(main()) == ["a", "b"]


def test_callbacks_run_on_the_loop_whoever_commits(db: Database) -> None:
    async def main() -> None:
        heard: list[int] = []
        came = asyncio.Event()
        async with db.connect() as conn:
            await conn.subscribe(Counter)

            @conn.db.counter.on_insert
            def inserted(event: Event, row: Counter) -> None:
                heard.append(threading.get_ident())
                came.set()

            await asyncio.to_thread(db.call, "count", "a")
            await came.wait()
        assert heard == [threading.get_ident()]

    run(main())


def test_the_loop_goes_on_while_another_thread_writes(db: Database) -> None:
    began, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with db.transaction() as tx:
            tx.db[Counter].insert(name="a", value=7)
            began.set()
            assert go_on.wait(10)

    async def main() -> int:
        ticks = 0
        done = False

        async def tick() -> None:
            nonlocal ticks
            while not done:
                ticks += 1
                if ticks == 20:
                    go_on.set()
                await asyncio.sleep(0.001)

        writer = threading.Thread(target=write)
        writer.start()
        assert began.wait(10)
        ticking = asyncio.create_task(tick())
        async with db.connect() as conn:  # this waits for the writer; the loop does not
            await conn.subscribe(Counter)
            await conn.reducers.count("a")
            assert [row.value for row in conn.db.counter] == [8]
        done = True
        await ticking
        writer.join()
        return ticks

    assert run(main()) >= 20


def test_a_call_waits_for_a_writer_without_the_loop(db: Database) -> None:
    began, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with db.transaction(readonly=True):
            began.set()
            assert go_on.wait(10)

    async def main() -> None:
        async with db.connect() as conn:
            await conn.subscribe(Counter)
            reader = threading.Thread(target=write)
            reader.start()
            assert began.wait(10)
            calling = asyncio.create_task(conn.call("count", "a"))
            await asyncio.sleep(0.02)
            assert not calling.done()
            go_on.set()
            await calling
            assert len(conn.db.counter) == 1
            reader.join()

    run(main())


def test_three_clients_in_one_loop(db: Database) -> None:
    async def client(name: str, ready: asyncio.Barrier) -> set[str]:
        async with db.connect() as conn:
            await conn.subscribe(Entry)
            await ready.wait()
            seen: set[str] = set()
            await conn.reducers.enter(name)
            async for event in conn.events():
                seen |= {row.name for row in event.changes[Entry].inserted}
                if len(seen) == 3:
                    break
            await ready.wait()
            return seen

    async def main() -> list[set[str]]:
        ready = asyncio.Barrier(3)
        return await asyncio.gather(*(client(name, ready) for name in "abc"))

    assert run(main()) == [set("abc")] * 3


def test_errors_are_raised_where_they_are_awaited(db: Database) -> None:
    async def main() -> None:
        async with db.connect() as conn:
            with pytest.raises(stdb.SqlError):
                await conn.subscribe("SELECT * FROM nothing")
            with pytest.raises(stdb.UnknownName):
                await conn.call("cuont", "a")
            with pytest.raises(stdb.TypeMismatch):
                await conn.reducers.count(7)
            with db.transaction(), pytest.raises(stdb.TransactionError):
                await conn.reducers.count("a")
            await conn.reducers.count("a")

    run(main())


def test_a_refused_client_is_no_client() -> None:
    module = Module("closed")

    @module.client_connected
    def connected(ctx: ReducerContext) -> None:
        raise ReducerError("closed")

    db = Database(module)

    async def main() -> None:
        with pytest.raises(ReducerError, match="closed"):
            async with db.connect():
                pass

    run(main())
    assert len(db.tables["st_client"]) == 0


def test_an_error_in_a_callback_does_not_reach_the_loop(db: Database) -> None:
    async def main() -> None:
        errors: list[Exception] = []
        async with db.connect() as conn:
            await conn.subscribe(Counter)
            conn.on_error(errors.append)
            conn.db.counter.on_insert(lambda event, row: 1 // 0)
            await conn.reducers.count("a")
            assert len(errors) == 1

    run(main())


def test_a_plain_with_works_inside_a_loop_too(db: Database) -> None:
    async def main() -> None:
        with db.connect() as conn:
            conn.subscribe(Counter)
            conn.reducers.count("a")
            assert len(conn.db.counter) == 1
        conn = db.connect()
        assert not conn.is_active
        conn.call("count", "b")
        assert conn.is_active
        with pytest.raises(UsageError, match="in use already"):
            await conn.__aenter__()
        conn.close()

    run(main())
    assert len(db.tables["st_client"]) == 0


def test_a_loop_runs_callbacks_itself(db: Database) -> None:
    async def main() -> None:
        with pytest.raises(UsageError, match="for threads"):
            async with db.connect(dispatch="manual"):
                pass

    run(main())


def test_disconnecting_is_told_on_the_loop(db: Database) -> None:
    async def main() -> list[Any]:
        told: list[Any] = []
        async with db.connect() as conn:
            conn.on_disconnect(lambda error: told.append((threading.get_ident(), error)))
            await asyncio.to_thread(db.close)
            await asyncio.sleep(0)
            assert not conn.is_active
        return told

    assert run(main()) == [(threading.get_ident(), None)]


def test_a_commit_after_the_loop_has_gone_harms_nobody(db: Database) -> None:
    async def main() -> Any:
        conn = db.connect()
        live = await conn.__aenter__()
        await live.subscribe(Counter)
        return live

    live = run(main())
    db.call("count", "a")
    db.close()
    assert not live.is_active


def test_a_sync_durable_database_does_not_keep_the_loop_waiting(tmp_path: Any) -> None:
    async def main(db: Database) -> None:
        heard: list[float] = []
        async with db.connect() as conn:
            await conn.subscribe(Counter)
            conn.db.counter.on_insert(lambda event, row: heard.append(time.monotonic()))
            await conn.reducers.count("a")
            assert len(heard) == 1

    with Database(counters, path=tmp_path / "db", durability="sync") as db:
        run(main(db))
