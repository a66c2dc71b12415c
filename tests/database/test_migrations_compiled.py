"""Changes that only compiled modules can make: names of generated code, namespaces, sequences."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.helpers.compiled import compiled
from tests.schema.building import PERSON, index, keyed, module, snake, table

from stdb import Database
from stdb.schema import encode_module_def
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


def indexed(source: str) -> Any:
    return module(Tables=(keyed(indexes=(index(0, source=source, accessor="id"),)),))


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
}


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
