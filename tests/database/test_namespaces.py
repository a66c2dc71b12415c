"""Modules inside modules: everything of an included one has its namespace before its name."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stdb import (
    AsyncProcedureContext,
    Database,
    DefinitionError,
    Identity,
    ManualClock,
    Module,
    ProcedureContext,
    Query,
    ReducerContext,
    ReducerError,
    Request,
    Response,
    Row,
    ScheduleAt,
    UnknownName,
    UsageError,
    ViewContext,
    column,
    index,
    primary_key,
    u64,
    unique,
)

ANN = Identity.from_claims("test", "ann")

keys = Module("keys")


@keys.table()
class Key(Row):
    text: str = primary_key()


@keys.reducer
def add_key(ctx: ReducerContext, text: str) -> None:
    ctx.db[Key].insert(Key(text=text))


auth = Module("auth")


@auth.table(public=True)
class User(Row):
    id: u64 = primary_key(auto_inc=True)
    name: str = unique()
    owner: Identity = index()


@auth.table(scheduled="expire")
class Expiry(Row):
    id: u64 = primary_key(auto_inc=True)
    at: ScheduleAt
    name: str = index()


@auth.reducer
def register(ctx: ReducerContext, name: str = "somebody") -> None:
    """Add a user."""
    if not name:
        raise ReducerError("a user has a name")
    ctx.db.user.insert(User(name=name, owner=ctx.sender))
    ctx.db.expiry.insert(at=timedelta(seconds=10), name=name)
    assert "order" not in ctx.db
    assert set(ctx.db) == {"user", "expiry", "keys.key"}


@auth.reducer
def expire(ctx: ReducerContext, expiry: Expiry) -> None:
    ctx.db[User].name.delete(expiry.name)
    ctx.db.expiry.delete(expiry)


@auth.procedure
def count(ctx: ProcedureContext) -> int:
    with ctx.transaction() as tx:
        return tx.db[User].count()


@auth.procedure
async def count_later(ctx: AsyncProcedureContext) -> int:
    await ctx.sleep(0)
    with ctx.transaction() as tx:
        return tx.db.user.count()


@auth.view(public=True)
def me(ctx: ViewContext) -> list[User]:
    return list(ctx.db.user.owner.filter(ctx.sender))


@auth.view(public=True)
def everybody(ctx: ViewContext) -> Query[User]:
    return ctx.from_.user


@auth.view(public=True)
def anns(ctx: ViewContext) -> Query[User]:
    return User.where(lambda user: (user.name == "Ann") & (user.name == user.name) & True)


@auth.view(public=True)
def expiring(ctx: ViewContext) -> Query[User]:
    return User.where(lambda u: u.id > 0).left_semijoin(Expiry, lambda u, e: u.name == e.name)


auth.include(keys, namespace="keys")

shop = Module("shop")


@shop.table(public=True)
class Order(Row):
    id: u64 = primary_key(auto_inc=True)
    buyer: str


@shop.reducer
def buy(ctx: ReducerContext, name: str) -> None:
    if ctx.db.auth.user.name.find(name) is None:
        register(ctx.in_namespace("auth"), name)
    ctx.db[Order].insert(Order(buyer=name))


@shop.http("GET", "/users")
def users(ctx: ProcedureContext, request: Request) -> Response:
    with ctx.transaction() as tx:
        return Response(",".join(user.name for user in tx.db.auth.user))


shop.include(auth, namespace="auth")


@pytest.fixture
def db() -> Database:
    return Database(shop, clock=ManualClock(0))


def names(db: Database) -> list[str]:
    return [user.name for user in db.tables.auth.user]


# ----------------------------------------------------------------------------- tables and functions


def test_tables_have_the_namespace_before_their_names(db: Database) -> None:
    assert list(db.tables) == ["auth.expiry", "auth.keys.key", "auth.user", "order"]
    assert db.tables["auth.user"].name == db.tables.auth.user.name == "auth.user"
    assert db.tables.auth.keys.key.columns == {"text": "str"}
    assert "user" in db.tables.auth
    assert "user" not in db.tables
    assert db.sql("SELECT index_name FROM st_index WHERE index_name = 'auth.user_name_idx_btree'")
    with pytest.raises(UnknownName, match="no table 'usr'; did you mean 'user'"):
        _ = db.tables.auth.usr


def test_reducers_are_called_by_their_full_names(db: Database) -> None:
    db.call("auth.register", "Ann")
    db.reducers.auth.register("Bob")
    db.reducers["auth.register"](name="Cid")
    db.reducers.auth.keys.add_key("k")
    assert names(db) == ["Ann", "Bob", "Cid"]
    assert len(db.tables.auth.keys.key) == 1
    assert db.reducers.auth.register.__doc__ == "Add a user."
    assert repr(db.reducers.auth.register) == "<reducer auth.register(name: str = 'somebody')>"
    with pytest.raises(UnknownName, match=r"no reducer 'register'; did you mean 'auth.register'"):
        db.call("register", "Ann")


def test_a_failure_names_the_function_in_full(db: Database) -> None:
    with pytest.raises(ReducerError, match="a user has a name"):
        db.call("auth.register", "")
    assert db.logs()[-1].function == "auth.register"


def test_the_whole_reaches_into_a_namespace(db: Database) -> None:
    db.call("buy", "Ann")
    db.call("buy", "Ann")
    assert names(db) == ["Ann"]
    assert len(db.tables.order) == 2
    with db.transaction() as tx:
        assert tx.db[User] is tx.db.auth.user
        assert tx.db["auth.user"] is tx.db.auth["user"]
        assert tx.db.auth[User].count() == 1
        assert tx.db.auth.keys[Key].count() == 0


def test_a_function_of_an_included_module_sees_its_own_tables_alone() -> None:
    inner, outer = Module("inner"), Module("outer")
    seen: list[Exception] = []

    @outer.table()
    class Secret(Row):
        text: str

    @inner.reducer
    def look(ctx: ReducerContext) -> None:
        for find in (lambda: ctx.db.secret, lambda: ctx.db["secret"], lambda: ctx.db[Secret]):
            try:
                find()
            except UnknownName as error:
                seen.append(error)

    outer.include(inner, namespace="inner")
    Database(outer).call("inner.look")
    assert [str(error) for error in seen] == [
        "no table 'secret' in namespace 'inner'",
        "no table 'secret' in namespace 'inner'",
        "no table with rows of 'Secret' in namespace 'inner'",
    ]


def test_procedures_have_their_namespace(db: Database) -> None:
    db.call("auth.register", "Ann")
    assert db.procedures.auth.count() == 1
    assert db.procedures.auth.count_later() == 1
    assert db.call_procedure("auth.count") == 1


def test_a_schedule_of_an_included_module_fires() -> None:
    clock = ManualClock(0)
    db = Database(shop, clock=clock)
    db.call("auth.register", "Ann")
    clock.advance(9)
    assert names(db) == ["Ann"]
    clock.advance(1)
    assert names(db) == []
    clock.advance(100)
    assert len(db.tables.auth.expiry) == 0
    with pytest.raises(UnknownName, match=r"no reducer 'auth.expire'"):
        db.call("auth.expire", Expiry(at=timedelta(0), name="x"), sender=ANN)


def test_http_handlers_of_the_whole_reach_into_a_namespace(db: Database) -> None:
    db.call("auth.register", "Ann")
    assert db.handle_http("GET", "/users").text == "Ann"


def test_routes_of_an_included_module_are_not_served() -> None:
    inner, outer = Module("inner"), Module("outer")

    @inner.http("GET", "/a")
    def a(ctx: ProcedureContext, request: Request) -> Response:
        return Response("a")

    outer.include(inner, namespace="inner")
    assert Database(outer).handle_http("GET", "/a").status == 404


# ---------------------------------------------------------------------------------- SQL and clients


def test_sql_knows_tables_by_their_full_names(db: Database) -> None:
    db.call("auth.register", "Ann")
    db.sql("INSERT INTO auth.user (name, owner) VALUES ('Bob', ?)", ANN)
    assert db.sql("SELECT name FROM auth.user WHERE auth.user.name = 'Bob'").scalar() == "Bob"
    assert db.sql('SELECT COUNT(*) AS n FROM "auth.user"').scalar() == 2
    joined = db.sql("SELECT u.* FROM auth.user u JOIN order o ON u.name = o.buyer")
    assert len(joined) == 0
    assert db.sql("DELETE FROM auth.user WHERE name = 'Bob'").deleted == 1


def test_views_have_their_namespace_and_read_their_own_tables(db: Database) -> None:
    db.call("auth.register", "Ann", sender=ANN)
    db.call("auth.register", "Bob")
    assert db.sql("SELECT name FROM auth.me", sender=ANN).to_dicts() == [{"name": "Ann"}]
    assert len(db.sql("SELECT * FROM auth.expiring", sender=ANN)) == 2
    assert len(db.sql("SELECT * FROM auth.everybody", sender=ANN)) == 2
    assert db.sql("SELECT name FROM auth.anns", sender=ANN).to_dicts() == [{"name": "Ann"}]
    db.call("auth.register", "Cid", sender=ANN)
    assert len(db.sql("SELECT * FROM auth.me", sender=ANN)) == 2


def test_a_query_of_a_handle_has_the_full_name(db: Database) -> None:
    with db.transaction() as tx:
        query = tx.db.auth.user.where(lambda user: user.name == "Ann")
    assert str(query) == """SELECT * FROM "auth"."user" WHERE ("auth"."user"."name" = 'Ann')"""
    assert len(db.sql(str(query))) == 0


def test_a_client_calls_functions_of_a_namespace(db: Database) -> None:
    with db.connect(identity=ANN) as conn:
        conn.reducers.auth.register("Ann")
        conn.call("auth.register", "Bob")
        with pytest.raises(UnknownName):
            conn.call("auth.expire", Expiry(at=timedelta(0), name="x"))
    assert [user.owner for user in db.tables.auth.user] == [ANN, ANN]


def test_visibility_filters_of_an_included_module_are_not_used() -> None:
    inner, outer = Module("inner"), Module("outer")

    @inner.table(public=True)
    class Note(Row):
        text: str

    inner.client_visibility_filter("SELECT * FROM note WHERE text = 'shown'")
    outer.include(inner, namespace="inner")
    db = Database(outer)
    db.sql("INSERT INTO inner.note (text) VALUES ('hidden')")
    assert len(db.sql("SELECT * FROM inner.note", sender=ANN)) == 1


# --------------------------------------------------------------------------------- many, and stored


def test_a_module_included_twice_has_its_tables_twice() -> None:
    whole = Module("whole")
    whole.include(auth, namespace="staff")
    whole.include(auth, namespace="guests")
    db = Database(whole, clock=ManualClock(0))
    db.reducers.staff.register("Ann")
    db.reducers.guests.register("Bob")
    db.reducers.guests.register("Cid")
    assert [len(db.tables.staff.user), len(db.tables.guests.user)] == [1, 2]
    assert db.procedures.guests.count() == 2
    with db.transaction() as tx:
        assert tx.db.staff[User].count() == 1
        with pytest.raises(UsageError, match="several tables have rows of User"):
            tx.db[User].count()


def test_an_included_module_is_the_one_that_it_is_when_the_database_is_made() -> None:
    inner, outer = Module("inner"), Module("outer")
    outer.include(inner, namespace="inner")

    @inner.reducer
    def late(ctx: ReducerContext) -> None: ...

    Database(outer).call("inner.late")


def test_a_durable_database_keeps_its_namespaces(tmp_path: Path) -> None:
    clock = ManualClock(0)
    with Database(shop, path=tmp_path / "db", clock=clock) as db:
        db.call("auth.register", "Ann")
        db.call("buy", "Bob")
    with Database.open(tmp_path / "db") as db:
        assert names(db) == ["Ann", "Bob"]
        assert [order.buyer for order in db.tables.order] == ["Bob"]
    with Database(shop, path=tmp_path / "db", clock=clock) as db:
        assert names(db) == ["Ann", "Bob"]
        clock.advance(10)
        assert names(db) == []
        db.check()


def test_publishing_adds_a_namespace_and_changes_what_is_in_one() -> None:
    def version(*, with_email: bool) -> Module:
        inner, outer = Module("inner"), Module("outer")

        if with_email:

            @inner.table(name="person")
            class Person(Row):
                name: str
                email: str = column(default="")

        else:

            @inner.table(name="person")
            class PersonBefore(Row):
                name: str

        @inner.reducer
        def add(ctx: ReducerContext, name: str) -> None:
            ctx.db.person.insert(name=name)

        outer.include(inner, namespace="inner")
        return outer

    db = Database(Module("outer"))
    db.publish(version(with_email=False))
    db.call("inner.add", "Ann")
    db.publish(version(with_email=True))
    db.call("inner.add", "Bob")
    assert db.sql("SELECT * FROM inner.person").to_dicts() == [
        {"name": "Ann", "email": ""},
        {"name": "Bob", "email": ""},
    ]


def test_describe_lists_everything_by_its_full_name(db: Database) -> None:
    described = db.describe()
    assert [table["name"] for table in described["tables"]] == [
        "order",
        "auth.user",
        "auth.expiry",
        "auth.keys.key",
    ]
    assert [reducer["name"] for reducer in described["reducers"]] == [
        "buy",
        "auth.register",
        "auth.expire",
        "auth.keys.add_key",
    ]
    assert described["procedures"][0] == {
        "name": "auth.count",
        "params": [],
        "returns": "i64",
        "public": True,
    }
    assert [view["name"] for view in described["views"]] == [
        "auth.me",
        "auth.everybody",
        "auth.anns",
        "auth.expiring",
    ]
    assert described["http_routes"] == [{"method": "GET", "path": "/users", "handler": "users"}]
    expiry = described["tables"][2]
    assert expiry["scheduled"] == "auth.expire"


def test_the_definition_has_submodules(db: Database) -> None:
    definition = shop.definition()
    assert list(definition.submodules) == ["auth"]
    assert list(definition.submodules["auth"].submodules) == ["keys"]


# ------------------------------------------------------------------------------------- declarations


def with_init() -> Module:
    module = Module("starts")

    @module.init
    def start(ctx: ReducerContext) -> None: ...

    return module


def test_an_included_module_has_no_lifecycle_reducers() -> None:
    outer = Module("outer")
    outer.include(with_init(), namespace="inner")
    with pytest.raises(DefinitionError, match="only the root module may have lifecycle reducers"):
        outer.freeze()


@pytest.mark.parametrize(
    ("other", "namespace", "message"),
    [
        (auth, "a.b", "a namespace is an identifier"),
        (auth, "", "a namespace is an identifier"),
        (auth, None, "a namespace is an identifier"),
        ("auth.wasm", "auth", "includes modules written in Python, not 'auth.wasm'"),
        (keys, "auth", "has the namespace 'auth' already, for module 'auth'"),
        (shop, "shop", "module 'shop' includes 'shop', so it cannot be included in it"),
    ],
)
def test_what_cannot_be_included_is_refused(other: Any, namespace: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        shop.include(other, namespace=namespace)


def test_modules_do_not_include_each_other() -> None:
    with pytest.raises(DefinitionError, match="module 'shop' includes 'keys', so it cannot"):
        keys.include(shop, namespace="shop")


def test_a_namespace_is_not_too_long_and_not_that_of_a_table() -> None:
    outer = Module("outer")
    outer.include(keys, namespace="n" * 64)
    with pytest.raises(DefinitionError, match="exceeds the limit of 63"):
        outer.freeze()
    clash = Module("clash")

    @clash.table(name="auth")
    class Auth(Row):
        name: str

    clash.include(keys, namespace="auth")
    with pytest.raises(DefinitionError, match="module 'clash' has a table 'auth' and a namespace"):
        clash.freeze()
