"""What a user sees who types ``conn.``: what api and documentation name, and nothing else."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import pytest

from stdb import (
    AsyncConnection,
    Connection,
    Database,
    Event,
    Module,
    ReducerContext,
    ReducerEvent,
    Row,
    Subscription,
    index,
    primary_key,
    u32,
)

module = Module("seen")


@module.table(public=True)
class Account(Row):
    id: u32 = primary_key()
    branch: u32 = index()


@module.reducer
def open_account(ctx: ReducerContext, id: u32) -> None:
    ctx.db[Account].insert(id=id, branch=1)


CONNECTION = [
    "call", "close", "connection_id", "db", "disconnect", "identity", "is_active", "on_disconnect",
    "on_error", "on_event", "procedures", "reducers", "remove_on_event", "subscribe",
    "subscribe_to_all_tables", "token",
]  # fmt: skip
SUBSCRIPTION = [
    "error",
    "is_active",
    "is_ended",
    "on_applied",
    "on_error",
    "queries",
    "unsubscribe",
]
TABLE = [
    "branch", "count", "id", "iter", "on_delete", "on_insert", "on_update", "remove_on_delete",
    "remove_on_insert", "remove_on_update", "where",
]  # fmt: skip
REDUCER_EVENT = ["arguments", "connection_id", "name", "sender", "status", "timestamp"]


def public(of: object) -> list[str]:
    return [name for name in dir(of) if not name.startswith("_")]


@pytest.fixture
def conn() -> Iterator[Connection]:
    with Database(module).connect() as conn:
        yield conn


def test_the_classes_have_the_names_of_the_documentation() -> None:
    assert public(Connection) == sorted([*CONNECTION, "tick"])
    assert public(AsyncConnection) == sorted([*CONNECTION, "events"])
    assert public(Event) == ["changes", "kind", "reducer", "timestamp"]
    assert public(ReducerEvent) == REDUCER_EVENT


def test_the_objects_have_no_others(conn: Connection) -> None:
    events: list[Event] = []
    conn.on_event(events.append)
    subscription = conn.subscribe(Account)
    conn.call("open_account", 1)
    assert public(conn) == public(Connection)
    assert public(subscription) == SUBSCRIPTION
    assert public(conn.db) == ["account"]
    assert public(conn.db.account) == TABLE
    assert public(conn.db.account.branch) == ["filter", "find"]
    assert public(events[-1]) == public(Event)
    assert public(events[-1].changes) == []
    assert public(events[-1].changes[Account]) == ["deleted", "inserted", "updated"]
    assert public(events[-1].reducer) == REDUCER_EVENT


def test_a_stream_of_events_is_for_an_async_for_alone() -> None:
    async def main() -> None:
        async with Database(module).connect() as conn:
            assert public(conn) == public(AsyncConnection)
            assert public(conn.events()) == []

    asyncio.run(main())


def test_a_subscription_class_has_no_names_but_its_own() -> None:
    assert public(Subscription) == sorted(set(SUBSCRIPTION) - {"error", "queries"})


def test_what_a_commit_touches_of_a_client_is_in_one_line_of_the_processors_cache(
    conn: Connection,
) -> None:
    assert sys.getsizeof(conn._client) % 64 == 0
