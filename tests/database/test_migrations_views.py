"""Every change of views and of row-level security that a new version can bring, with rows.

Each test runs in memory, on a disk (read back afterwards) and for a database that is opened with
the new version; with modules in Python and with compiled ones.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.helpers.bodies import shows
from tests.helpers.migrating import LIVE, Migration, module, table

import stdb
from stdb import AnonymousViewContext, Identity, Module, ViewContext, index, primary_key, u64

ALICE, BOB = Identity.from_hex("aa" * 32), Identity.from_hex("bb" * 32)
TWO: list[dict[str, Any]] = [{"id": 1, "who": ALICE}, {"id": 2, "who": BOB}]
COLUMNS = {"id": (u64, primary_key()), "who": (Identity, index())}


def with_view(
    of: str = "", *, columns: dict[str, Any] | None = None, context: Any = ViewContext, **more: Any
) -> Module:
    """Return a module with a table of things, and a view of them unless `of` says nothing."""
    made = module(table(public=True, **(columns or COLUMNS)))
    if of:
        row = made._tables["thing"].row.cls
        options = {"public": True, "name": "seen"} | more
        made.view(**options)(shows(row, of=of, context=context))
    return made


def ids(db: stdb.Database, sender: Identity = ALICE, name: str = "seen") -> list[int]:
    return sorted(row[0] for row in db.sql(f"SELECT id FROM {name}", sender=sender))


def view_table(db: stdb.Database) -> int:
    return db._store["seen"].table_id


@pytest.mark.change("add a view")
def test_a_view_is_added(migration: Migration) -> None:
    migration.begin(with_view(), thing=TWO)
    assert not migration.plan(with_view("mine")).breaks_clients
    db = migration.publish(with_view("mine"))
    assert ids(db) == [1]
    assert ids(db, BOB) == [2]


@pytest.mark.change("remove a view")
def test_a_view_is_removed(migration: Migration) -> None:
    migration.begin(with_view("mine"), thing=TWO)
    assert ids(migration.db) == [1]
    assert migration.plan(with_view()).breaks_clients
    db = migration.publish(with_view())
    with pytest.raises(stdb.SqlError, match="no such table"):
        ids(db)
    assert len(db.tables["st_view"]) == 0
    assert migration.rows("thing") == [(1, ALICE), (2, BOB)]


@pytest.mark.change("what a view computes")
def test_the_body_of_a_view_changes(migration: Migration) -> None:
    migration.begin(with_view("mine"), thing=TWO)
    assert ids(migration.db) == [1]
    number = view_table(migration.db)
    assert not migration.plan(with_view("all")).breaks_clients
    db = migration.publish(with_view("all"))
    assert ids(db) == [1, 2]
    assert view_table(db) == number


@pytest.mark.change("what a view computes")
@pytest.mark.parametrize("migration", LIVE, indirect=True)
def test_what_a_view_has_shown_is_computed_anew(migration: Migration) -> None:
    migration.begin(with_view("mine"), thing=TWO)
    with migration.db.connect(identity=ALICE) as conn:
        conn.subscribe("SELECT * FROM seen")
        assert len(conn.db.seen) == 1
        migration.publish(with_view("all"), connected=True)
        assert len(conn.db.seen) == 2


@pytest.mark.change("a view that fails")
@pytest.mark.parametrize("migration", LIVE, indirect=True)
def test_a_view_that_fails_is_not_published(migration: Migration) -> None:
    """It has to be looked at: what nobody has asked for is not computed."""
    migration.begin(with_view("mine"), thing=TWO)
    with migration.db.connect(identity=ALICE) as conn:
        conn.subscribe("SELECT * FROM seen")
        with pytest.raises(stdb.PublishError, match="'seen'"):
            migration.db.publish(migration.given(with_view("broken")))
        assert ids(migration.db) == [1]
        with migration.db.transaction() as tx:
            tx.db.thing.insert(id=3, who=ALICE)
        assert len(conn.db.seen) == 2


@pytest.mark.change("columns of a view")
def test_a_view_with_other_columns(migration: Migration) -> None:
    migration.begin(with_view("mine"), thing=TWO)
    number = view_table(migration.db)
    after = with_view("mine", columns=COLUMNS | {"n": (int, 7)})
    assert migration.plan(after).breaks_clients
    db = migration.publish(after)
    assert view_table(db) != number
    assert [tuple(row) for row in db.sql("SELECT * FROM seen", sender=BOB)] == [(2, BOB, 7)]


@pytest.mark.change("whether a view depends on the caller")
@pytest.mark.parametrize(
    "contexts", [(ViewContext, AnonymousViewContext), (AnonymousViewContext, ViewContext)]
)
def test_a_view_of_everybody_and_of_each(migration: Migration, contexts: Any) -> None:
    before, after = contexts
    migration.begin(with_view("all", context=before), thing=TWO)
    number = view_table(migration.db)
    changed = with_view("all", context=after)
    assert migration.plan(changed).breaks_clients
    db = migration.publish(changed)
    assert ids(db, BOB) == [1, 2]
    assert view_table(db) != number
    (row,) = db.tables["st_view"]
    assert row.is_anonymous is (after is AnonymousViewContext)


@pytest.mark.change("the primary key of a view")
@pytest.mark.parametrize("keys", [(None, "id"), ("id", None)])
def test_the_key_of_a_view_changes(migration: Migration, keys: tuple[Any, Any]) -> None:
    before, after = (with_view("all", primary_key=key) for key in keys)
    migration.begin(before, thing=TWO)
    number = view_table(migration.db)
    assert migration.plan(after).breaks_clients
    db = migration.publish(after)
    assert ids(db) == [1, 2]
    assert view_table(db) != number


def test_a_view_of_one_row_instead_of_many(migration: Migration) -> None:
    """What it returns, a list or an option, makes no difference to its table."""
    migration.begin(with_view("mine"), thing=TWO)
    number = view_table(migration.db)
    db = migration.publish(with_view("first"))
    assert ids(db, BOB) == [1]
    assert view_table(db) == number


@pytest.mark.change("a view becomes public or private")
@pytest.mark.parametrize("public", [False, True])
def test_the_access_of_a_view_changes(migration: Migration, public: bool) -> None:
    migration.begin(with_view("mine", public=public), thing=TWO)
    number = view_table(migration.db)
    assert not migration.plan(with_view("mine", public=not public)).breaks_clients
    db = migration.publish(with_view("mine", public=not public))
    assert view_table(db) == number
    if public:
        with pytest.raises(stdb.SqlError):
            ids(db)
    else:
        assert ids(db) == [1]


# -- row-level security ------------------------------------------------------------------------

OWN, SECOND = "SELECT * FROM thing WHERE who = :sender", "SELECT * FROM thing WHERE id = 2"


def guarded(*rules: str, **more: Any) -> Module:
    made = module(table(public=True, **COLUMNS, **more))
    for rule in rules:
        made.client_visibility_filter(rule)
    return made


@pytest.mark.change("rules of row-level security")
def test_rules_come_change_and_go(migration: Migration) -> None:
    migration.begin(guarded(), thing=TWO)
    assert ids(migration.db, name="thing") == [1, 2]
    for rules, seen in (((OWN,), [1]), ((OWN, SECOND), [1, 2]), ((SECOND,), [2]), ((), [1, 2])):
        assert migration.plan(guarded(*rules)).breaks_clients
        db = migration.publish(guarded(*rules))
        assert ids(db, name="thing") == seen
        assert sorted(row.sql for row in db.tables["st_row_level_security"]) == sorted(rules)


@pytest.mark.change("the same rules")
def test_the_same_rules_go_on(migration: Migration) -> None:
    migration.begin(guarded(OWN), thing=TWO)
    after = guarded(OWN)
    after.reducer(name="idle")(lambda ctx: None)
    assert not migration.plan(after).breaks_clients
    db = migration.publish(after)
    assert ids(db, name="thing") == [1]


def test_rules_follow_a_table_that_gets_another_number(migration: Migration) -> None:
    migration.begin(guarded(OWN), thing=TWO)
    db = migration.publish(guarded(OWN, n=(int, 7)))
    assert ids(db, name="thing") == [1]
    (rule,) = db.tables["st_row_level_security"]
    assert rule.table_id == db._store["thing"].table_id


def test_a_rule_that_is_wrong_is_refused(migration: Migration) -> None:
    migration.begin(guarded(OWN), thing=TWO)
    for wrong in (guarded("SELECT * FROM thing WHERE nothing = 1"), guarded("not SQL")):
        error = migration.refuse(wrong, stdb.PublishError)
        assert "nothing" in str(error) or "SQL" in str(error)
        assert ids(migration.db, name="thing") == [1]
