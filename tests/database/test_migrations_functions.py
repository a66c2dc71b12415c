"""Every change of functions, namespaces and language that a new version can bring, with rows.

Each test runs in memory, on a disk (read back afterwards) and for a database that is opened with
the new version; with modules in Python and with compiled ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.helpers.bodies import adds, adds_always, answers, responds, shows
from tests.helpers.compiled import compiled
from tests.helpers.migrating import LIVE, Migration, kinds, module, table
from tests.helpers.raw_bundles import bundle

import stdb
from stdb import AnonymousViewContext, Identity, Module, primary_key, u32, u64

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALICE, BOB = Identity.from_hex("aa" * 32), Identity.from_hex("bb" * 32)
TWO: list[dict[str, Any]] = [{"id": 1, "who": ALICE}, {"id": 2, "who": BOB}]
COLUMNS = {"id": (u64, primary_key()), "who": Identity}
PLAIN = {"id": u64, "who": Identity}


def with_functions(declare: Callable[[Module], object] = lambda made: None) -> Module:
    """Return a module with a table of things, and what `declare` adds."""
    made = module(table(**COLUMNS))
    declare(made)
    return made


def things(migration: Migration) -> list[int]:
    return [row[0] for row in migration.rows("thing")]


# -- reducers ----------------------------------------------------------------------------------


@pytest.mark.change("reducers and procedures")
def test_reducers_come_and_go(migration: Migration) -> None:
    migration.begin(
        with_functions(lambda m: m.reducer(name="old")(adds("thing", **PLAIN))), thing=TWO
    )
    migration.db.call("old", 7, ALICE)
    after = with_functions(lambda m: m.reducer(name="new")(adds("thing", **PLAIN)))
    assert migration.plan(after).is_empty
    db = migration.publish(after)
    with pytest.raises(stdb.UnknownName, match="new"):
        db.call("old", 8, ALICE)
    db.call("new", 9, BOB)
    assert things(migration) == [1, 2, 7, 9]


@pytest.mark.change("reducers and procedures")
def test_a_reducer_does_something_else_and_takes_something_else(migration: Migration) -> None:
    migration.begin(
        with_functions(lambda m: m.reducer(name="work")(adds("thing", **PLAIN))), thing=TWO
    )
    after = with_functions(lambda m: m.reducer(name="work")(adds_always("thing", id=9, who=BOB)))
    assert migration.plan(after).is_empty
    db = migration.publish(after)
    with pytest.raises(TypeError):
        db.call("work", 7, ALICE)
    db.call("work")
    assert things(migration) == [1, 2, 9]


@pytest.mark.change("whom a reducer is for")
@pytest.mark.parametrize("public", [False, True])
def test_a_reducer_becomes_private_or_public(migration: Migration, public: bool) -> None:
    def working(public: bool) -> Module:
        return with_functions(
            lambda m: m.reducer(name="work", public=public)(adds("thing", **PLAIN))
        )

    migration.begin(working(public), thing=TWO)
    assert migration.plan(working(not public)).is_empty
    db = migration.publish(working(not public))
    if public:
        with pytest.raises(stdb.UnknownName):
            db.call("work", 7, BOB, sender=BOB)
    else:
        db.call("work", 7, BOB, sender=BOB)
    db.call("work", 8, BOB)
    assert things(migration) == ([1, 2, 8] if public else [1, 2, 7, 8])


@pytest.mark.parametrize("migration", LIVE, indirect=True)
def test_functions_come_and_go_while_clients_are_connected(migration: Migration) -> None:
    migration.begin(
        with_functions(lambda m: m.reducer(name="old")(adds("thing", **PLAIN))), thing=TWO
    )
    with migration.db.connect(identity=ALICE) as conn:
        after = with_functions(lambda m: m.reducer(name="new")(adds("thing", **PLAIN)))
        migration.publish(after, connected=True)
        assert conn.is_active
        with pytest.raises(stdb.UnknownName):
            conn.call("old", 7, ALICE)
        conn.call("new", 7, ALICE)
    assert things(migration) == [1, 2, 7]


@pytest.mark.change("lifecycle reducers")
def test_lifecycle_reducers_come_change_and_go(migration: Migration) -> None:
    def living(init: int | None = None, connected: int | None = None) -> Module:
        def declare(made: Module) -> None:
            if init is not None:
                made.init(adds_always("thing", id=init, who=BOB))
            if connected is not None:
                made.client_connected(adds_always("thing", id=connected, who=BOB))

        return with_functions(declare)

    def connected() -> list[int]:
        with migration.db.connect(identity=ALICE):
            return things(migration)

    migration.begin(living(), thing=TWO)
    assert connected() == [1, 2]
    after = living(init=50, connected=7)
    assert migration.plan(after).is_empty
    migration.publish(after)
    # `init` runs once in the life of a database: when it begins.
    assert connected() == [1, 2, 7]
    migration.publish(living(init=51, connected=8))
    assert connected() == [1, 2, 7, 8]
    migration.publish(living())
    assert connected() == [1, 2, 7, 8]


# -- procedures and HTTP -----------------------------------------------------------------------


@pytest.mark.change("reducers and procedures")
def test_procedures_come_change_and_go(migration: Migration) -> None:
    def answering(**numbers: int) -> Module:
        def declare(made: Module) -> None:
            for name, number in numbers.items():
                made.procedure(name=name)(answers(number))

        return with_functions(declare)

    migration.begin(answering(first=1, second=2), thing=TWO)
    after = answering(second=20, third=3)
    assert migration.plan(after).is_empty
    db = migration.publish(after)
    assert (db.call_procedure("second"), db.call_procedure("third")) == (20, 3)
    with pytest.raises(stdb.UnknownName):
        db.call_procedure("first")
    assert things(migration) == [1, 2]


@pytest.mark.change("HTTP handlers and routes")
def test_handlers_and_routes_come_change_and_go(migration: Migration) -> None:
    def serving(**texts: str) -> Module:
        def declare(made: Module) -> None:
            for name, text in texts.items():
                made.http("GET", f"/{name}", name=name)(responds(text))

        return with_functions(declare)

    migration.begin(serving(first="1", second="2"), thing=TWO)
    after = serving(second="twenty", third="3")
    assert migration.plan(after).is_empty
    db = migration.publish(after)
    found = {p: db.handle_http("GET", f"/{p}") for p in ("first", "second", "third")}
    assert found["first"].status == 404
    assert [found[path].text for path in ("second", "third")] == ["twenty", "3"]
    assert things(migration) == [1, 2]


# -- namespaces --------------------------------------------------------------------------------


def mounting(*namespaces: str) -> Module:
    """Return a module that has another one under these namespaces."""
    made = module(table(**COLUMNS))
    for namespace in namespaces:
        lib = module(table("user", public=True, id=(u64, primary_key()), age=u32))
        lib.reducer(name="join")(adds("user", id=u64, age=u32))
        lib.view(public=True, name="users")(
            shows(lib._tables["user"].row.cls, "user", context=AnonymousViewContext)
        )
        made.include(lib, namespace=namespace)
    return made


@pytest.mark.change("a namespace comes")
def test_a_namespace_is_mounted(migration: Migration) -> None:
    migration.begin(mounting(), thing=TWO)
    plan = migration.plan(mounting("auth"))
    assert not plan.breaks_clients
    assert {step.name for step in plan.steps} == {"auth.user", "auth.users"}
    db = migration.publish(mounting("auth"))
    assert sorted(db.tables) == ["auth.user", "thing"]
    db.call("auth.join", 1, 40)
    assert db.sql("SELECT age FROM auth.users").scalar() == 40
    assert migration.rows() == {"auth.user": [(1, 40)], "thing": [(1, ALICE), (2, BOB)]}
    db = migration.publish(mounting("auth", "more"))
    db.call("more.join", 2, 50)
    assert migration.rows("auth.user") == [(1, 40)]
    assert migration.rows("more.user") == [(2, 50)]


@pytest.mark.change("a namespace goes")
def test_a_namespace_is_unmounted(migration: Migration) -> None:
    migration.begin(mounting("auth", "more"), thing=TWO)
    migration.db.call("auth.join", 1, 40)
    error = migration.refuse(mounting("more"))
    assert kinds(error) == ["TableNotEmpty"]
    assert "auth.user" in str(error)
    migration.db.call("more.join", 2, 50)
    with migration.db.transaction() as tx:
        tx.db["auth.user"].clear()
    assert migration.plan(mounting("more")).breaks_clients
    db = migration.publish(mounting("more"))
    assert migration.rows() == {"more.user": [(2, 50)], "thing": [(1, ALICE), (2, BOB)]}
    with pytest.raises(stdb.UnknownName):
        db.call("auth.join", 1, 40)
    # The functions that are left have other numbers now.
    db.call("more.join", 3, 60)
    assert migration.rows("more.user") == [(2, 50), (3, 60)]


@pytest.mark.change("another name for a namespace")
def test_a_namespace_keeps_its_name(migration: Migration) -> None:
    migration.begin(mounting("auth"), thing=TWO)
    migration.db.call("auth.join", 1, 40)
    assert kinds(migration.refuse(mounting("login"))) == ["TableNotEmpty"]
    with migration.db.transaction() as tx:
        tx.db["auth.user"].clear()
    migration.publish(mounting("login"))
    assert migration.rows() == {"login.user": [], "thing": [(1, ALICE), (2, BOB)]}


# -- languages ---------------------------------------------------------------------------------


@pytest.mark.change("the language")
@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("other", ["wasm", "js"])
def test_one_language_for_another(tmp_path: Path, other: str, durable: bool) -> None:
    """As long as the tables are the same; and back."""
    python = module(table(**COLUMNS), table("count", id=(u64, primary_key(auto_inc=True))))
    if other == "wasm":
        file = compiled(python, tmp_path / "module.wasm")
    else:
        file = tmp_path / "module.js"
        file.write_text(bundle({}, module=python), "utf-8")
    place = tmp_path / "db" if durable else None
    db = stdb.Database(python, place)
    with db.transaction() as tx:
        tx.db.thing.insert(**TWO[0])
        assert tx.db["count"].insert(id=0).id == 1
    assert db.plan(file).is_empty
    db.publish(file)
    with db.transaction() as tx:
        assert tx.db["count"].insert(id=0).id == 2
    if place is not None:
        db.close()
        db = stdb.Database.open(place)
    assert [row.program_kind for row in db.tables["st_module"]] == [{"wasm": 0, "js": 1}[other]]
    assert db.module_bytes == file.read_bytes()
    assert [tuple(row) for row in db.tables.thing] == [(1, ALICE)]
    db.publish(python)
    assert [row.program_kind for row in db.tables["st_module"]] == [80]
    assert db.module_bytes is None
    assert [tuple(row) for row in db.tables.thing] == [(1, ALICE)]
    db.check()
    db.close()
