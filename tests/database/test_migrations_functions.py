"""Changes of views, row-level security, namespaces, functions and language, tables with rows.

In memory, on a disk (read back afterwards) and for a database that is opened with the new version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.helpers.compiled import compiled
from tests.helpers.migrating import Migration, module, table

import stdb
from stdb import (
    AnonymousViewContext,
    Identity,
    Module,
    ReducerContext,
    ViewContext,
    primary_key,
    u64,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ALICE, BOB = Identity.from_hex("aa" * 32), Identity.from_hex("bb" * 32)
TWO: list[dict[str, Any]] = [{"id": 1, "who": ALICE}, {"id": 2, "who": BOB}]
COLUMNS = {"id": (u64, primary_key()), "who": Identity}


@pytest.fixture(params=["in memory", "on disk", "when opened"])
def migration(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Migration]:
    made = Migration(request.param, tmp_path)
    yield made
    made.close()


def with_view(
    function: Callable[[Any], Any] | None = None,
    *,
    name: str = "seen",
    context: Any = ViewContext,
    returns: str = "list",
    columns: dict[str, Any] | None = None,
    **options: Any,
) -> Module:
    """Return a module with a table of things, and a view of them unless there is no function."""
    made = module(table(public=True, **(columns or COLUMNS)))
    if function is not None:
        cls = made._tables["thing"].row.cls

        def view(ctx: Any) -> Any:
            return function(ctx)

        view.__annotations__ = {
            "ctx": context,
            "return": list[cls] if returns == "list" else cls | None,
        }
        made.view(name=name, **options)(view)
    return made


def mine(ctx: Any) -> list[Any]:
    return [row for row in ctx.db.thing if row.who == ctx.sender]


def everything(ctx: Any) -> list[Any]:
    return list(ctx.db.thing)


def ids(db: stdb.Database, sender: Identity = ALICE, name: str = "seen") -> list[int]:
    return sorted(row[0] for row in db.sql(f"SELECT id FROM {name}", sender=sender))


def view_table(db: stdb.Database) -> int:
    return db._store["seen"].table_id


def test_a_view_is_added_and_removed(migration: Migration) -> None:
    migration.begin(with_view(), thing=TWO)
    db = migration.publish(with_view(mine, public=True))
    assert ids(db) == [1]
    db = migration.publish(with_view())
    with pytest.raises(stdb.SqlError, match="no such table"):
        ids(db)
    assert len(db.tables["st_view"]) == 0
    assert migration.rows("thing") == [(1, ALICE), (2, BOB)]


def test_the_body_of_a_view_changes(migration: Migration) -> None:
    migration.begin(with_view(mine, public=True), thing=TWO)
    number = view_table(migration.db)
    db = migration.publish(with_view(lambda ctx: list(ctx.db.thing), public=True))
    assert ids(db) == [1, 2]
    assert view_table(db) == number


@pytest.mark.parametrize(
    "after",
    [
        {"function": everything, "context": AnonymousViewContext},
        {"function": lambda ctx: ctx.db.thing.id.find(1), "returns": "option"},
    ],
)
def test_a_view_is_of_another_kind(migration: Migration, after: dict[str, Any]) -> None:
    migration.begin(with_view(mine, public=True), thing=TWO)
    number = view_table(migration.db)
    db = migration.publish(with_view(**after, public=True))
    assert 1 in ids(db, BOB)
    # What it returns, a list or an option, makes no difference to its table.
    assert (view_table(db) == number) is ("returns" in after)


def test_a_view_with_other_columns(migration: Migration) -> None:
    migration.begin(with_view(mine, public=True), thing=TWO)
    number = view_table(migration.db)
    db = migration.publish(with_view(mine, public=True, columns=COLUMNS | {"n": (int, 7)}))
    assert view_table(db) != number
    assert [tuple(row) for row in db.sql("SELECT * FROM seen", sender=BOB)] == [(2, BOB, 7)]


@pytest.mark.parametrize("public", [False, True])
def test_the_access_of_a_view_changes(migration: Migration, public: bool) -> None:
    migration.begin(with_view(mine, public=public), thing=TWO)
    number = view_table(migration.db)
    db = migration.publish(with_view(mine, public=not public))
    assert view_table(db) == number
    if public:
        with pytest.raises(stdb.SqlError):
            ids(db)
    else:
        assert ids(db) == [1]


def test_rules_of_rows_come_change_and_go(migration: Migration) -> None:
    def guarded(*rules: str, **more: Any) -> Module:
        made = module(table(public=True, **COLUMNS, **more))
        for rule in rules:
            made.client_visibility_filter(rule)
        return made

    def seen(db: stdb.Database) -> list[int]:
        return ids(db, ALICE, "thing")

    own, second = "SELECT * FROM thing WHERE who = :sender", "SELECT * FROM thing WHERE id = 2"
    migration.begin(guarded(), thing=TWO)
    assert seen(migration.db) == [1, 2]
    db = migration.publish(guarded(own))
    assert seen(db) == [1]
    db = migration.publish(guarded(own, second))
    assert seen(db) == [1, 2]
    # The table gets another number, and its rules with it.
    db = migration.publish(guarded(own, n=(int, 7)))
    assert seen(db) == [1]
    (rule,) = db.tables["st_row_level_security"]
    assert rule.table_id == db._store["thing"].table_id
    db = migration.publish(guarded(n=(int, 7)))
    assert seen(db) == [1, 2]
    assert len(db.tables["st_row_level_security"]) == 0


def test_a_rule_that_is_wrong_is_refused(migration: Migration) -> None:
    wrong = module(table(public=True, **COLUMNS))
    migration.begin(wrong, thing=TWO)
    wrong.client_visibility_filter("SELECT * FROM thing WHERE nothing = 1")
    with pytest.raises(stdb.PublishError, match="nothing"):
        migration.db.publish(wrong)
    migration.db.check()
    assert ids(migration.db, ALICE, "thing") == [1, 2]


def test_a_namespace_is_mounted_and_unmounted(migration: Migration) -> None:
    def app(*namespaces: str) -> Module:
        made = module(table(**COLUMNS))
        for namespace in namespaces:
            lib = module(table("user", name=(str, primary_key())))

            @lib.reducer
            def join(ctx: ReducerContext, name: str) -> None:
                ctx.db.user.insert(name=name)

            made.include(lib, namespace=namespace)
        return made

    migration.begin(app(), thing=TWO)
    db = migration.publish(app("auth"))
    assert sorted(db.tables) == ["auth.user", "thing"]
    db.call("auth.join", "ann")
    migration.refuse(app())
    db = migration.publish(app("auth", "more"))
    assert [row.name for row in db.tables["auth.user"]] == ["ann"]
    db.call("more.join", "bob")
    with db.transaction() as tx:
        tx.db["auth.user"].clear()
    db = migration.publish(app("more"))
    assert sorted(db.tables) == ["more.user", "thing"]
    assert [row.name for row in db.tables["more.user"]] == ["bob"]


def test_functions_come_and_go(migration: Migration) -> None:
    before, after = module(table(**COLUMNS)), module(table(**COLUMNS))

    @before.reducer
    def old(ctx: ReducerContext) -> None:
        ctx.db.thing.insert(id=7, who=ALICE)

    @after.reducer
    def new(ctx: ReducerContext, id: u64) -> None:
        ctx.db.thing.insert(id=id, who=BOB)

    @after.reducer(public=False)
    def secret(ctx: ReducerContext) -> None:
        ctx.db.thing.id.delete(9)

    migration.begin(before, thing=TWO)
    migration.db.call("old")
    db = migration.publish(after)
    with pytest.raises(stdb.UnknownName):
        db.call("old")
    with pytest.raises(stdb.UnknownName):
        db.call("secret", sender=BOB)
    db.call("new", 9, sender=BOB)
    db.call("secret")
    assert [row[0] for row in migration.rows("thing")] == [1, 2, 7]


def test_one_language_for_another(tmp_path: Path) -> None:
    """As long as the tables are the same; and back."""
    python = module(table(**COLUMNS), table("count", id=(u64, primary_key(auto_inc=True))))
    wasm = compiled(python, tmp_path / "module.wasm")
    db = stdb.Database(python, tmp_path / "db")
    with db.transaction() as tx:
        tx.db.thing.insert(**TWO[0])
        assert tx.db["count"].insert(id=0).id == 1
    db.publish(wasm)
    with db.transaction() as tx:
        assert tx.db["count"].insert(id=0).id == 2
    assert [row.program_kind for row in db.tables["st_module"]] == [0]
    assert db.module_bytes == wasm.read_bytes()
    db.close()
    with stdb.Database.open(tmp_path / "db") as again:
        assert [tuple(row) for row in again.tables.thing] == [(1, ALICE)]
    with stdb.Database(python, tmp_path / "db") as back:
        assert [row.program_kind for row in back.tables["st_module"]] == [80]
        assert back.module_bytes is None
        assert [tuple(row) for row in back.tables.thing] == [(1, ALICE)]
        back.check()
