"""Changes that only compiled modules can make: names of generated code, namespaces, sequences."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.helpers.compiled import compiled
from tests.schema.building import (
    PERSON,
    index,
    keyed,
    module,
    module_v9,
    snake,
    table,
    view,
)

import stdb
from stdb import Database
from stdb.schema import Variant, encode_module_def
from stdb.schema.raw_shared import btree, unique
from stdb.schema.raw_v9 import RawConstraintV9, RawIndexV9, RawTableV9
from stdb.schema.raw_v10 import RawSequenceV10, RawSubmoduleV10
from stdb.types.algebraic import STRING, U64, product

if TYPE_CHECKING:
    from pathlib import Path

_DESCRIBING = (
    "st_table", "st_column", "st_index", "st_constraint", "st_sequence", "st_scheduled",
    "st_event_table", "st_table_accessor", "st_index_accessor", "st_column_accessor",
)  # fmt: skip


def mounted(*namespaces: str) -> Any:
    lib = snake(PERSON, Tables=(keyed("sessions"),))
    return module(
        Tables=(keyed("own"),), Submodules=tuple(RawSubmoduleV10(name, lib) for name in namespaces)
    )


def counted(*numbers: int) -> Any:
    return module(Tables=(keyed(sequences=(RawSequenceV10(None, 0, *numbers),)),))


def indexed(source: str, accessor: str = "id") -> Any:
    return module(Tables=(keyed(indexes=(index(0, source=source, accessor=accessor),)),))


def named_index(column: int, *, hashed: bool = False) -> Any:
    columns = Variant("Hash", (column,)) if hashed else btree(column)
    return module_v9(RawTableV9("person", 0, indexes=(RawIndexV9("own", "own", columns),)))


def with_view(**params: Any) -> Any:
    return module(Tables=(keyed(),), Views=(view("me", params=product(**params)),))


def of_type(table_type: Any) -> Any:
    return module(Tables=(table(table_type=table_type),))


def unique_over(column: int) -> Any:
    return module_v9(
        RawTableV9(
            "person",
            0,
            indexes=(RawIndexV9(None, None, btree(0)), RawIndexV9(None, None, btree(1))),
            constraints=(RawConstraintV9("only", unique(column)),),
        )
    )


CHANGES = {
    "table accessor": (
        snake(PERSON, Tables=(table("person_table"),)),
        snake(PERSON, Tables=(table("PersonTable"),)),
    ),
    "column accessor": (
        snake(product(personId=U64, name=STRING), Tables=(table("t"),)),
        snake(product(person_id=U64, name=STRING), Tables=(table("t"),)),
    ),
    "index source": (indexed("one"), indexed("two")),
    "sequence": (counted(), counted(5, 5, 100, 5)),
    "mount": (mounted(), mounted("lib")),
    "unmount": (mounted("lib"), mounted()),
    "another mount": (mounted("lib"), mounted("lib", "auth")),
    "index": (named_index(0), named_index(1)),
    "hash index": (named_index(0), named_index(0, hashed=True)),
    "generation": (
        module_v9(RawTableV9("person", 0)),
        module(Tables=(table(),), named={"T0": 0}),
    ),
    "view parameters": (with_view(), with_view(least=U64)),
}


@pytest.mark.change(
    "the name under which code reaches a table",
    "the name under which code reaches a column",
    "the name that a module asks for an index",
    "the numbers of a sequence",
    "another algorithm or other columns for an index",
    "a module of SpacetimeDB 1 becomes one of SpacetimeDB 2",
    "parameters of a view",
)
@pytest.mark.parametrize("way", ["in memory", "on disk", "when opened"])
@pytest.mark.parametrize("change", CHANGES)
def test_the_system_tables_say_what_those_of_a_new_database_say(
    tmp_path: Path, change: str, way: str
) -> None:
    before, after = (
        compiled(encode_module_def(raw), tmp_path / f"{number}.wasm")
        for number, raw in enumerate(CHANGES[change])
    )
    path = None if way == "in memory" else tmp_path / "db"
    db = Database(before, path)
    name = "own" if "mount" in change else next(iter(db.tables))
    with db.transaction() as tx:
        row = tx.db[name].insert(**dict(zip(db.tables[name].columns, (0, "x"), strict=True)))
    if way == "when opened":
        db.close()
        db = Database(after, path)
    else:
        db.publish(after)
    if way == "on disk":
        db.close()
        db = Database.open(tmp_path / "db")
    with Database(after) as fresh:
        for described in _DESCRIBING:
            assert _shown(db, described) == _shown(fresh, described)
        assert sorted(db.tables) == sorted(fresh.tables)
    assert [tuple(each) for each in db.tables[name]] == [tuple(row)]
    db.check()
    db.close()


def _shown(db: Database, name: str) -> list[str]:
    strip = re.compile(r"(\w+_id|allocated)=\d+")
    return sorted(strip.sub("", repr(row)) for row in db.tables[name])


def test_a_sequence_with_other_numbers_begins_anew(tmp_path: Path) -> None:
    before = compiled(encode_module_def(counted(1)), tmp_path / "1.wasm")
    after = compiled(encode_module_def(counted(5, 5, 100, 5)), tmp_path / "2.wasm")
    db = Database(before)
    with db.transaction() as tx:
        assert [tx.db.person.insert(id=0, name=str(n)).id for n in range(2)] == [1, 2]
    db.publish(after)
    with db.transaction() as tx:
        assert [tx.db.person.insert(id=0, name=str(n)).id for n in range(2)] == [5, 10]


@pytest.mark.change("the numbers of a sequence")
def test_a_sequence_does_not_begin_with_numbers_that_rows_hold(tmp_path: Path) -> None:
    db = Database(compiled(encode_module_def(counted(5, 5, 100, 5)), tmp_path / "1.wasm"))
    with db.transaction() as tx:
        assert tx.db.person.insert(id=0, name="x").id == 5
    with pytest.raises(stdb.MigrationError, match="id") as info:
        db.publish(compiled(encode_module_def(counted(1)), tmp_path / "2.wasm"))
    assert [reason.kind for reason in info.value.reasons] == ["SequenceInUse"]
    with db.transaction() as tx:
        assert tx.db.person.insert(id=0, name="x").id == 10


REFUSED = {
    "ChangeTableType": (of_type("User"), of_type("System")),
    "ChangeUniqueConstraint": (unique_over(0), unique_over(1)),
    "ChangeIndexAccessor": (indexed("one", "id"), indexed("one", "other")),
}


@pytest.mark.change(
    "a table becomes one of the database itself, or the other way",
    "a unique constraint of the same name over other columns",
    "the name under which code reaches an index",
)
@pytest.mark.parametrize("way", ["in memory", "on disk", "when opened"])
@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_changes_nothing(tmp_path: Path, kind: str, back: bool, way: str) -> None:
    before, after = (
        compiled(encode_module_def(raw), tmp_path / f"{number}.wasm")
        for number, raw in enumerate(REFUSED[kind][:: -1 if back else 1])
    )
    path = None if way == "in memory" else tmp_path / "db"
    db = Database(before, path)
    rows = []
    if not db.tables["person"].definition.is_system:  # such tables hold what the database writes
        with db.transaction() as tx:
            rows = [tuple(tx.db["person"].insert(id=1, name="x"))]
    shown = {name: _shown(db, name) for name in _DESCRIBING}
    if way == "when opened":
        db.close()
    with pytest.raises(stdb.MigrationError) as info:
        Database(after, path) if way == "when opened" else db.publish(after)
    assert [reason.kind for reason in info.value.reasons] == [kind]
    assert [reason.table for reason in info.value.reasons] == ["person"]
    if path is not None:
        db.close()
        db = Database.open(path)
    assert {name: _shown(db, name) for name in _DESCRIBING} == shown
    assert [tuple(each) for each in db.tables["person"]] == rows
    db.check()
    db.close()
