"""Every change of a table that a new version of a module can bring, with rows in the tables.

Each test runs in memory, on a disk (read back afterwards) and for a database that is opened with
the new version.
"""

from __future__ import annotations

import enum
from typing import Any

import pytest
from tests.helpers.migrating import Migration, kinds, module, table

import stdb
from stdb import Identity, column, index, primary_key, sum_type, u8, u16, u32, u64, unique

TWO: list[dict[str, Any]] = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
PLAIN = module(table(id=u64, name=str))
KEYED = module(table(id=(u64, primary_key()), name=str))


# -- tables ------------------------------------------------------------------------------------


@pytest.mark.change("add a table")
def test_a_table_is_added(migration: Migration) -> None:
    migration.begin(PLAIN, thing=TWO)
    db = migration.publish(
        module(table(id=u64, name=str), table("more", id=(u32, primary_key(auto_inc=True))))
    )
    assert migration.rows() == {"more": [], "thing": [(1, "a"), (2, "b")]}
    with db.transaction() as tx:
        assert tx.db.more.insert(id=0).id == 1


@pytest.mark.change("remove a table")
def test_an_empty_table_is_removed(migration: Migration) -> None:
    migration.begin(module(table(id=u64, name=str), table("more", id=u32)), thing=TWO)
    db = migration.publish(PLAIN)
    assert migration.rows() == {"thing": [(1, "a"), (2, "b")]}
    with pytest.raises(stdb.UnknownName):
        db.tables.more  # noqa: B018 - asked for
    assert "more" not in {row.table_name for row in db.tables["st_table"]}
    assert "more" not in {row.table_name for row in db.tables["st_column_accessor"]}


@pytest.mark.change("remove a table that has rows")
def test_a_table_with_rows_is_not_removed(migration: Migration) -> None:
    migration.begin(module(table(id=u64, name=str), table("more", id=u32)), more=[{"id": 1}])
    error = migration.refuse(PLAIN)
    assert kinds(error) == ["TableNotEmpty"]
    assert "table 'more' cannot be removed while it holds 1 row" in str(error)


@pytest.mark.change("another name for a table")
def test_a_renamed_table_is_one_that_goes_and_one_that_comes(migration: Migration) -> None:
    migration.begin(PLAIN, thing=TWO)
    assert kinds(migration.refuse(module(table("item", id=u64, name=str)))) == ["TableNotEmpty"]


@pytest.mark.change("an ordinary table becomes an event table, or the other way")
@pytest.mark.parametrize("event", [False, True])
def test_ordinary_and_event_tables_do_not_become_each_other(
    migration: Migration, event: bool
) -> None:
    migration.begin(module(table(event=event, id=u64)))
    error = migration.refuse(module(table(event=not event, id=u64)))
    assert kinds(error) == ["ChangeTableEventFlag"]


@pytest.mark.change("a table becomes public or private")
@pytest.mark.parametrize("public", [False, True])
def test_access_changes(migration: Migration, public: bool) -> None:
    migration.begin(module(table(public=public, id=u64)), thing=[{"id": 1}])
    db = migration.publish(module(table(public=not public, id=u64)))
    assert db.tables.thing.is_public is not public
    assert migration.rows("thing") == [(1,)]
    stranger = Identity.from_hex("11" * 32)
    if public:
        with pytest.raises(stdb.SqlError):
            db.sql("SELECT * FROM thing", sender=stranger)
    else:
        assert db.sql("SELECT id FROM thing", sender=stranger).scalar() == 1


# -- columns -----------------------------------------------------------------------------------


@pytest.mark.change("add columns at the end, with defaults")
def test_a_column_with_a_default_is_added_at_the_end(migration: Migration) -> None:
    migration.begin(PLAIN, thing=TWO)
    before = _table_id(migration.db, "thing")
    db = migration.publish(module(table(id=u64, name=str, stars=(u8, 3), tag=(str | None, None))))
    assert migration.rows("thing") == [(1, "a", 3, None), (2, "b", 3, None)]
    assert _table_id(db, "thing") != before
    assert db.sql("SELECT stars FROM thing WHERE name = 'b'").scalar() == 3


@pytest.mark.change("add a column without a default")
def test_a_column_without_a_default_is_not_added(migration: Migration) -> None:
    migration.begin(PLAIN, thing=TWO)
    error = migration.refuse(module(table(id=u64, name=str, stars=u8)))
    assert kinds(error) == ["AddColumn"]
    assert "'stars' is new and has no default" in str(error)
    assert (error.reasons[0].table, error.reasons[0].column) == ("thing", "stars")


@pytest.mark.change("add a column before others")
def test_a_column_is_not_added_in_the_middle(migration: Migration) -> None:
    migration.begin(PLAIN, thing=TWO)
    error = migration.refuse(module(table(id=u64, stars=(u8, 3), name=str)))
    assert kinds(error) == ["ReorderTable"]
    assert "'stars' would stand before others" in str(error)


@pytest.mark.change("remove a column")
def test_a_column_is_not_removed(migration: Migration) -> None:
    migration.begin(PLAIN, thing=TWO)
    assert kinds(migration.refuse(module(table(id=u64)))) == ["RemoveColumn"]


@pytest.mark.change("another name for a column")
def test_a_column_keeps_its_name(migration: Migration) -> None:
    migration.begin(PLAIN, thing=TWO)
    error = migration.refuse(module(table(id=u64, title=str)))
    assert kinds(error) == ["AddColumn", "RemoveColumn"]
    assert "is 'title' a new name for it?" in str(error)


@pytest.mark.change("another order of columns")
def test_columns_keep_their_order(migration: Migration) -> None:
    migration.begin(PLAIN, thing=TWO)
    assert kinds(migration.refuse(module(table(name=str, id=u64)))) == ["ReorderTable"]


@pytest.mark.change("any other change of a column's type")
@pytest.mark.parametrize("other", [u32, u64 | None, str, list[u64]])
def test_a_column_keeps_its_type(migration: Migration, other: Any) -> None:
    migration.begin(PLAIN, thing=TWO)
    assert kinds(migration.refuse(module(table(id=other, name=str)))) == ["ChangeColumnType"]


class Two(enum.Enum):
    RED = 1
    BLUE = 2


Three = enum.Enum("Three", ["RED", "BLUE", "GREEN"])
Renamed = enum.Enum("Renamed", ["RED", "GREEN"])


@pytest.mark.change("add variants at the end of an enum or sum")
def test_an_enum_gets_more_variants(migration: Migration) -> None:
    migration.begin(
        module(table(id=u64, hue=Two, all=list[Two], maybe=Two | None)),
        thing=[{"id": 1, "hue": Two.BLUE, "all": [Two.RED, Two.BLUE], "maybe": Two.RED}],
    )
    before = _table_id(migration.db, "thing")
    db = migration.publish(
        module(table(id=u64, hue=Three, all=list[Three], maybe=Three | None))  # type: ignore[valid-type]
    )
    assert migration.rows("thing") == [(1, Three.BLUE, (Three.RED, Three.BLUE), Three.RED)]  # type: ignore[attr-defined]
    assert _table_id(db, "thing") == before
    migration.insert("thing", id=2, hue=Three.GREEN, all=[], maybe=None)  # type: ignore[attr-defined]


@pytest.mark.change("any other change of a column's type")
@pytest.mark.parametrize("other", [Renamed, enum.Enum("One", ["RED"])])
def test_an_enum_keeps_its_variants(migration: Migration, other: Any) -> None:
    migration.begin(module(table(hue=Two)), thing=[{"hue": Two.RED}])
    assert kinds(migration.refuse(module(table(hue=other)))) == ["ChangeColumnType"]


@pytest.mark.change("add variants at the end of an enum or sum")
def test_a_variant_holds_no_more_than_the_largest_there_is(migration: Migration) -> None:
    @sum_type
    class Shape:
        circle: u32
        none: None

    @sum_type
    class Wider:
        circle: u32
        none: None
        square: u16

    @sum_type
    class TooWide:
        circle: u32
        none: None
        square: u64

    before = module(table(id=u64, shape=Shape))
    migration.begin(before, thing=[{"id": 1, "shape": Shape.circle(7)}])
    error = migration.refuse(module(table(id=u64, shape=TooWide)))
    assert kinds(error) == ["ChangeColumnType"]
    assert "the size of" in str(error)
    migration.publish(module(table(id=u64, shape=Wider)))
    assert migration.rows("thing") == [(1, Wider.circle(7))]


@pytest.mark.change("add columns, and variants to the types of others")
def test_columns_are_added_and_others_widened(migration: Migration) -> None:
    migration.begin(module(table(id=u64, hue=Two)), thing=[{"id": 1, "hue": Two.BLUE}])
    migration.publish(module(table(id=u64, hue=Three, n=(u8, 9))))
    assert migration.rows("thing") == [(1, Three.BLUE, 9)]  # type: ignore[attr-defined]


@pytest.mark.change("a default")
def test_a_default_changes(migration: Migration) -> None:
    migration.begin(module(table(id=u64, n=(u8, 1))), thing=[{"id": 1}])
    migration.publish(module(table(id=u64, n=(u8, 2))))
    migration.insert("thing", id=2)
    assert migration.rows("thing") == [(1, 1), (2, 2)]


@pytest.mark.change("any change of an event table's columns")
@pytest.mark.parametrize(
    "columns", [{"id": u64, "text": str}, {"text": str}, {"id": u8}, {"text": str, "id": u64}]
)
def test_the_columns_of_an_event_table_change_as_they_like(
    migration: Migration, columns: dict[str, Any]
) -> None:
    migration.begin(module(table(event=True, id=u64)), thing=[{"id": 1}])
    db = migration.publish(module(table(event=True, **columns)))
    assert list(db.tables.thing.columns) == list(columns)
    with db.transaction() as tx:
        tx.db.thing.insert(**{name: "x" if type_ is str else 1 for name, type_ in columns.items()})
        assert len(tx.db.thing) == 1
    assert migration.rows("thing") == []


# -- keys, constraints, indexes ------------------------------------------------------------------


@pytest.mark.change("remove a primary key")
def test_a_primary_key_is_removed(migration: Migration) -> None:
    migration.begin(KEYED, thing=TWO)
    db = migration.publish(PLAIN)
    assert db.tables.thing.definition.primary_key is None
    with db.transaction() as tx:
        tx.db.thing.insert(id=1, name="again")
    assert migration.rows("thing") == [(1, "a"), (1, "again"), (2, "b")]


@pytest.mark.change("add a primary key")
def test_a_primary_key_is_added(migration: Migration) -> None:
    migration.begin(PLAIN, thing=TWO)
    db = migration.publish(KEYED)
    with db.transaction() as tx:
        assert tx.db.thing.id.find(2).name == "b"
        with pytest.raises(stdb.UniqueConstraintViolation):
            tx.db.thing.insert(id=2, name="other")


@pytest.mark.change("another column as primary key")
def test_a_primary_key_moves(migration: Migration) -> None:
    migration.begin(KEYED, thing=TWO)
    db = migration.publish(module(table(id=u64, name=(str, primary_key()))))
    with db.transaction() as tx:
        tx.db.thing.insert(id=1, name="c")
        tx.db.thing.name.update(tx.db.thing.name.find("a").replace(id=9))
    assert migration.rows("thing") == [(1, "c"), (2, "b"), (9, "a")]


@pytest.mark.change("add a primary key")
def test_what_is_not_unique_becomes_no_key(migration: Migration) -> None:
    rows = [{"id": 1, "name": str(n)} for n in range(3)] + [{"id": 2, "name": "x"}]
    migration.begin(PLAIN, thing=rows)
    error = migration.refuse(KEYED)
    assert kinds(error) == ["DuplicateRows"]
    assert "'id' cannot be unique, for rows share: 1 (3 rows)" in str(error)


def test_ten_groups_of_duplicates_are_shown(migration: Migration) -> None:
    rows = [{"id": n, "name": name} for n in range(12) for name in "ab"]
    migration.begin(PLAIN, thing=rows)
    text = str(migration.refuse(KEYED))
    assert text.count("(2 rows)") == 10
    assert "and 2 values more" in text


@pytest.mark.change("add a unique constraint", "remove a unique constraint")
def test_a_unique_constraint_is_added_and_removed(migration: Migration) -> None:
    migration.begin(KEYED, thing=TWO)
    strict = module(table(id=(u64, primary_key()), name=(str, unique())))
    db = migration.publish(strict)
    with db.transaction() as tx, pytest.raises(stdb.UniqueConstraintViolation):
        tx.db.thing.insert(id=3, name="a")
    db = migration.publish(KEYED)
    with db.transaction() as tx:
        tx.db.thing.insert(id=3, name="a")


@pytest.mark.change("add a unique constraint")
def test_a_unique_constraint_over_several_columns_is_added(migration: Migration) -> None:
    migration.begin(PLAIN, thing=[{"id": 1, "name": "a"}, {"id": 1, "name": "b"}])
    db = migration.publish(module(table(id=u64, name=str, by_both=unique("id", "name"))))
    with db.transaction() as tx:
        assert tx.db.thing.by_both.find(1, "b") is not None


@pytest.mark.change("add a unique constraint")
def test_an_index_becomes_unique(migration: Migration) -> None:
    migration.begin(module(table(id=u64, name=(str, index()))), thing=TWO)
    db = migration.publish(module(table(id=u64, name=(str, unique()))))
    with db.transaction() as tx:
        assert tx.db.thing.name.find("a").id == 1


@pytest.mark.change("add a unique constraint")
def test_a_new_column_that_all_rows_share_is_not_unique(migration: Migration) -> None:
    migration.begin(PLAIN, thing=TWO)
    error = migration.refuse(
        module(table(id=u64, name=str, code=(u8, column(default=7)), by_code=unique("code")))
    )
    assert kinds(error) == ["DuplicateRows"]


@pytest.mark.change("add an index", "remove an index")
@pytest.mark.parametrize("algorithm", ["btree", "hash", "direct"])
def test_an_index_is_added_and_removed(migration: Migration, algorithm: Any) -> None:
    migration.begin(PLAIN, thing=TWO)
    indexed = module(table(id=(u64, index(algorithm)), name=str))
    db = migration.publish(indexed)
    with db.transaction() as tx:
        assert [row.name for row in tx.db.thing.id.filter(2)] == ["b"]
    assert f"by index {algorithm}" in db.explain("SELECT * FROM thing WHERE id = 2")
    db = migration.publish(PLAIN)
    assert "by index" not in db.explain("SELECT * FROM thing WHERE id = 2")
    assert migration.rows("thing") == [(1, "a"), (2, "b")]


@pytest.mark.change("another algorithm or other columns for an index")
def test_an_index_of_another_algorithm(migration: Migration) -> None:
    migration.begin(module(table(id=(u64, index("hash")), name=str)), thing=TWO)
    db = migration.publish(module(table(id=(u64, index()), name=str)))
    with db.transaction() as tx:
        assert [row.name for row in tx.db.thing.id.filter(gt=1)] == ["b"]


@pytest.mark.change("the name under which code reaches an index")
def test_an_index_keeps_the_name_under_which_code_reaches_it(migration: Migration) -> None:
    migration.begin(module(table(id=u64, name=str, by_both=index("id", "name"))))
    error = migration.refuse(module(table(id=u64, name=str, by_two=index("id", "name"))))
    assert kinds(error) == ["ChangeIndexAccessor"]


# -- sequences ---------------------------------------------------------------------------------


@pytest.mark.change("begin to count a column up (`auto_inc`)")
def test_a_column_begins_to_count(migration: Migration) -> None:
    migration.begin(KEYED, thing=[{"id": 0, "name": "zero"}])
    db = migration.publish(module(table(id=(u64, primary_key(auto_inc=True)), name=str)))
    with db.transaction() as tx:
        assert tx.db.thing.insert(name="new").id == 1
    assert migration.rows("thing") == [(0, "zero"), (1, "new")]


@pytest.mark.change("begin to count a column up (`auto_inc`)")
def test_a_column_with_values_to_come_does_not_begin_to_count(migration: Migration) -> None:
    migration.begin(KEYED, thing=TWO)
    error = migration.refuse(module(table(id=(u64, primary_key(auto_inc=True)), name=str)))
    assert kinds(error) == ["SequenceInUse"]
    assert "(1, 2)" in str(error)


@pytest.mark.change("stop counting")
def test_a_column_counts_no_longer(migration: Migration) -> None:
    migration.begin(
        module(table(id=(u64, primary_key(auto_inc=True)), name=str)), thing=[{"name": "a"}]
    )
    db = migration.publish(KEYED)
    with db.transaction() as tx:
        assert tx.db.thing.insert(id=0, name="zero").id == 0


def test_a_sequence_goes_on_when_columns_are_added(migration: Migration) -> None:
    migration.begin(
        module(table(id=(u64, primary_key(auto_inc=True)), name=str)),
        thing=[{"name": "a"}, {"name": "b"}],
    )
    migration.publish(module(table(id=(u64, primary_key(auto_inc=True)), name=str, n=(u8, 0))))
    new = migration.insert("thing", name="c").id
    assert new == (3 if migration.way == "in memory" else 4097)


# -- schedules ---------------------------------------------------------------------------------


def timers(*, scheduled: str = "", **more: Any) -> stdb.Module:
    columns = {"id": (u64, primary_key(auto_inc=True)), "at": stdb.ScheduleAt, "text": str}
    options = {"scheduled": scheduled} if scheduled else {}
    made = module(table("timer", **columns, **options, **more))

    for name in ("ring", "knock"):

        def fire(ctx: stdb.ReducerContext, timer: Any) -> None:
            raise AssertionError("it is not time")

        fire.__annotations__["timer"] = made._tables["timer"].row.cls
        made.reducer(name=name)(fire)
    return made


@pytest.mark.change("add, remove or change the schedule of a table")
@pytest.mark.parametrize(("before", "after"), [("", "ring"), ("ring", ""), ("ring", "knock")])
def test_the_schedule_of_a_table_with_rows_changes(
    migration: Migration, before: str, after: str
) -> None:
    """SpacetimeDB plans this and then cannot do it."""
    soon = stdb.ScheduleAt.at(stdb.Timestamp.from_micros(stdb.Timestamp.now().micros + 10**11))
    row = {"id": 0, "at": soon, "text": "x"}
    migration.begin(timers(scheduled=before), timer=[row])
    db = migration.publish(timers(scheduled=after))
    called = [row.reducer_name for row in db.tables["st_scheduled"]]
    assert called == ([after] if after else [])
    schedule = db.tables.timer.definition.schedule
    assert (schedule.function_name if schedule else "") == after
    assert [text for _, _, text in migration.rows("timer")] == ["x"]


@pytest.mark.change("add a table")
def test_a_scheduled_table_is_added(migration: Migration) -> None:
    migration.begin(module(table("other", id=u64)), other=[{"id": 1}])
    after = timers(scheduled="ring")
    table("other", id=u64)(after)
    assert not migration.plan(after).breaks_clients
    db = migration.publish(after)
    assert [row.reducer_name for row in db.tables["st_scheduled"]] == ["ring"]
    later = stdb.ScheduleAt.at(stdb.Timestamp.from_micros(stdb.Timestamp.now().micros + 10**11))
    migration.insert("timer", id=0, at=later, text="x")
    assert [row[2] for row in migration.rows("timer")] == ["x"]
    assert migration.rows("other") == [(1,)]


def test_a_scheduled_table_gets_more_columns(migration: Migration) -> None:
    later = stdb.ScheduleAt.at(stdb.Timestamp.from_micros(stdb.Timestamp.now().micros + 10**11))
    migration.begin(timers(scheduled="ring"), timer=[{"id": 0, "at": later, "text": "x"}])
    db = migration.publish(timers(scheduled="ring", loud=(bool, True)))
    (row,) = db.tables["st_scheduled"]
    assert row.table_id == _table_id(db, "timer")
    assert [row[2:] for row in migration.rows("timer")] == [("x", True)]


# -- the whole ---------------------------------------------------------------------------------


def test_every_reason_is_listed(migration: Migration) -> None:
    before = module(table(id=u64, name=str), table("gone", id=u64), table("event", id=u64))
    migration.begin(before, gone=[{"id": 1}], thing=TWO)
    after = module(table(id=u32, title=str), table("event", event=True, id=u64))
    error = migration.refuse(after)
    assert kinds(error) == [
        "AddColumn",
        "ChangeColumnType",
        "ChangeTableEventFlag",
        "RemoveColumn",
        "TableNotEmpty",
    ]
    assert all(reason.message in str(error) for reason in error.reasons)


def test_all_that_the_rows_do_not_allow_is_listed(migration: Migration) -> None:
    before = module(
        table(id=u64, name=str), table("gone", id=u64), table("count", id=(u64, primary_key()))
    )
    same = [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]
    migration.begin(before, gone=[{"id": 1}], thing=same, count=[{"id": 5}])
    after = module(
        table(id=(u64, primary_key()), name=str),
        table("count", id=(u64, primary_key(auto_inc=True))),
    )
    assert kinds(migration.refuse(after)) == ["DuplicateRows", "SequenceInUse", "TableNotEmpty"]


def test_one_version_after_another(migration: Migration) -> None:
    migration.begin(PLAIN, thing=TWO)
    migration.publish(module(table(id=u64, name=str, a=(u8, 1))))
    migration.publish(module(table(id=(u64, index()), name=str, a=(u8, 1), b=(str, "x"))))
    migration.publish(
        module(table(id=(u64, index()), name=str, a=(u8, 1), b=(str, "x"), c=(u8, 2)))
    )
    assert migration.rows("thing") == [(1, "a", 1, "x", 2), (2, "b", 1, "x", 2)]


def test_many_changes_at_once(migration: Migration) -> None:
    migration.begin(
        module(
            table(id=(u64, index("hash")), hue=Two, name=(str, unique())),
            table("gone", id=(u64, primary_key(auto_inc=True))),
            table("event", event=True, id=u64),
        ),
        thing=[{"id": 1, "hue": Two.RED, "name": "a"}, {"id": 2, "hue": Two.BLUE, "name": "b"}],
    )
    db = migration.publish(
        module(
            table(public=True, id=(u64, primary_key()), hue=(Three, index()), name=str, n=(u8, 4)),
            table("come", id=(u64, primary_key(auto_inc=True))),
            table("event", event=True, public=True, text=str),
        )
    )
    assert migration.rows("thing") == [
        (1, Three.RED, "a", 4),  # type: ignore[attr-defined]
        (2, Three.BLUE, "b", 4),  # type: ignore[attr-defined]
    ]
    described = migration.system_rows()
    del described["st_module"]
    fresh = stdb.Database(db_module(db))
    assert _without_ids(described) == _without_ids(
        {name: sorted(map(repr, fresh.tables[name])) for name in described}
    )


def db_module(db: stdb.Database) -> stdb.Module:
    """Return a module like that of `db`."""
    assert db.tables.thing.is_public
    return module(
        table(public=True, id=(u64, primary_key()), hue=(Three, index()), name=str, n=(u8, 4)),
        table("come", id=(u64, primary_key(auto_inc=True))),
        table("event", event=True, public=True, text=str),
    )


def _without_ids(rows: dict[str, list[str]]) -> dict[str, list[str]]:
    import re

    strip = re.compile(r"(\w+_id|allocated|database_identity|owner_identity)=\d+")
    return {name: sorted(strip.sub("", text) for text in each) for name, each in rows.items()}


def _table_id(db: stdb.Database, name: str) -> int:
    return next(row.table_id for row in db.tables["st_table"] if row.table_name == name)
