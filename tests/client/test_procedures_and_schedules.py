"""What clients see of schedules, procedures and included modules, and how they call procedures."""

import asyncio
from typing import Any

import pytest

from stdb import (
    AsyncProcedureContext,
    Database,
    Disconnected,
    Identity,
    ManualClock,
    Module,
    ProcedureContext,
    ReducerContext,
    Row,
    ScheduleAt,
    Timestamp,
    UnknownName,
    primary_key,
    u64,
)

ANN = Identity.from_claims("test", "ann")

auth = Module("auth")


@auth.table(public=True)
class User(Row):
    id: u64 = primary_key(auto_inc=True)
    name: str


@auth.reducer
def register(ctx: ReducerContext, name: str) -> None:
    ctx.db[User].insert(User(name=name))


app = Module("app")
app.include(auth, namespace="auth")


@app.table(public=True, scheduled="tick")
class Tick(Row):
    id: u64 = primary_key(auto_inc=True)
    at: ScheduleAt


@app.table(public=True)
class Ticked(Row):
    id: u64 = primary_key()


@app.reducer
def tick(ctx: ReducerContext, row: Tick) -> None:
    ctx.db[Ticked].insert(Ticked(id=row.id))


@app.procedure
def enrol(ctx: ProcedureContext, name: str) -> Identity:
    with ctx.transaction() as tx:
        register(tx.in_namespace("auth"), name)
    return ctx.sender


@app.procedure
async def enrol_later(ctx: AsyncProcedureContext, name: str) -> str:
    await ctx.sleep(0)
    with ctx.transaction() as tx:
        tx.db.auth.user.insert(name=name)
    return name


@app.procedure(public=False)
def secret(ctx: ProcedureContext) -> str:
    return "told"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(0)


@pytest.fixture
def db(clock: ManualClock) -> Database:
    return Database(app, clock=clock)


def test_subscribers_see_the_row_come_the_call_and_the_row_go(
    db: Database, clock: ManualClock
) -> None:
    seen: list[tuple[str, Any]] = []
    with db.connect(identity=ANN) as conn:
        conn.subscribe(Tick, Ticked)
        conn.db.tick.on_insert(lambda event, row: seen.append(("armed", event.reducer)))
        conn.db.ticked.on_insert(lambda event, row: seen.append(("called", event.reducer)))
        conn.db.tick.on_delete(lambda event, row: seen.append(("done", event.reducer)))
        with db.transaction() as tx:
            tx.db[Tick].insert(Tick(at=Timestamp(1)))  # type: ignore[arg-type]
        clock.advance(1)
    assert seen == [("armed", None), ("called", None), ("done", None)]


def test_a_client_calls_a_procedure_and_sees_what_it_did(db: Database) -> None:
    with db.connect(identity=ANN) as conn:
        conn.subscribe(User)
        events: list[Any] = []
        conn.db.auth.user.on_insert(lambda event, row: events.append((row.name, event.reducer)))
        assert conn.procedures.enrol("Bob") == ANN
        assert conn.procedures.enrol_later(name="Cid") == "Cid"
        assert events == [("Bob", None), ("Cid", None)]
        assert "secret" not in dir(conn.procedures)
        with pytest.raises(UnknownName, match="no procedure 'secret'"):
            conn.procedures.secret()
        procedures = conn.procedures
    with pytest.raises(Disconnected):
        procedures.enrol("Dan")
    with db.connect(identity=db.owner) as owner:
        assert owner.procedures.secret() == "told"


def test_in_an_event_loop_procedures_are_awaited(db: Database) -> None:
    async def main() -> list[Any]:
        async with db.connect(identity=ANN) as conn:
            await conn.subscribe(User)
            values = [await conn.procedures.enrol("Bob"), await conn.procedures.enrol_later("Cid")]
            return [*values, sorted(user.name for user in conn.db.auth.user)]

    assert asyncio.run(main()) == [ANN, "Cid", ["Bob", "Cid"]]


def test_the_cache_has_the_tables_of_a_namespace(db: Database) -> None:
    with db.connect(identity=ANN) as conn:
        conn.subscribe("SELECT * FROM auth.user WHERE name = 'Ann'")
        conn.reducers.auth.register("Ann")
        conn.reducers.auth.register("Bob")
        assert [user.name for user in conn.db.auth.user] == ["Ann"]
        assert conn.db["auth.user"] is conn.db.auth["user"] is conn.db[User]
        assert conn.db.auth.user.id.find(1) == User(id=1, name="Ann")
        assert list(conn.db.auth) == ["user"]
        assert "user" in conn.db.auth
        assert "user" not in conn.db
        with pytest.raises(UnknownName, match=r"no table 'auth.usr'; did you mean 'auth.user'"):
            _ = conn.db.auth.usr


def test_a_subscription_may_be_a_query_of_a_table_of_a_namespace(db: Database) -> None:
    with db.connect(identity=ANN) as conn:
        conn.subscribe(conn.db.auth.user.where(lambda user: user.name == "Ann"))
        conn.subscribe(User.where(lambda user: user.name == "Bob"))
        for name in ("Ann", "Bob", "Cid"):
            conn.reducers.auth.register(name)
        assert sorted(user.name for user in conn.db.auth.user) == ["Ann", "Bob"]
