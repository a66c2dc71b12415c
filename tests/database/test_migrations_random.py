"""Any two modules: either the second takes over, or nothing changes at all.

What the system tables say afterwards is compared with what they say in a new database of the second
module, and the rows with those there were.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as s
from tests.helpers.migrating import Migration, module, table

import stdb
from stdb import column, index, primary_key, u8, u64, unique

#: Column -> type, a default, values that rows hold.
COLUMNS: dict[str, tuple[Any, Any, Any]] = {
    "id": (u64, 7, s.integers(0, 3)),
    "name": (str, "?", s.sampled_from(["", "a", "b"])),
    "n": (u8, 1, s.integers(0, 3)),
    "tag": (str | None, None, s.sampled_from([None, "x"])),
}
KEYS: list[Any] = [None, None, None, index(), index("hash"), unique()]


@s.composite
def columns(draw: s.DrawFn) -> dict[str, Any]:
    """Return the columns of a table, perhaps with a primary key, each with a default or none."""
    names = draw(s.lists(s.sampled_from(list(COLUMNS)), min_size=1, unique=True))
    if draw(s.booleans()):
        names.sort(key=list(COLUMNS).index)
    key = draw(s.sampled_from([None, *names]))
    made: dict[str, Any] = {}
    for name in names:
        type_, default, _ = COLUMNS[name]
        marker = draw(s.sampled_from(KEYS))
        if name == key:
            marker = primary_key(auto_inc=draw(s.booleans()) and name in ("id", "n"))
        if marker is None:
            made[name] = (type_, column(default=default)) if draw(s.booleans()) else type_
        else:
            made[name] = (type_, marker)
    return made


def modules() -> s.SearchStrategy[dict[str, dict[str, Any]]]:
    """Return tables by name, each with its columns and options."""
    options = s.fixed_dictionaries({}, optional={"public": s.booleans(), "event": s.just(True)})
    tables = s.tuples(columns(), options).map(lambda pair: pair[0] | pair[1])
    return s.dictionaries(s.sampled_from(["one", "two"]), tables, min_size=1)


def near(tables: dict[str, dict[str, Any]]) -> s.SearchStrategy[dict[str, dict[str, Any]]]:
    """Return modules that differ from one in a column at the end, or in the keys."""

    @s.composite
    def changed(draw: s.DrawFn) -> dict[str, dict[str, Any]]:
        made = {}
        for name, parts in tables.items():
            after = dict(parts)
            for part in list(after):
                if part in COLUMNS and draw(s.integers(0, 3)) == 0:
                    type_ = COLUMNS[part][0]
                    marker = draw(s.sampled_from(KEYS))
                    after[part] = type_ if marker is None else (type_, marker)
            missing = [column_ for column_ in COLUMNS if column_ not in after]
            if missing and draw(s.booleans()):
                added = draw(s.sampled_from(missing))
                options = {key: after.pop(key) for key in ("public", "event") if key in after}
                after[added] = (COLUMNS[added][0], column(default=COLUMNS[added][1]))
                after |= options
            made[name] = after
        return made

    return changed()


def build(tables: dict[str, dict[str, Any]]) -> stdb.Module:
    return module(*(table(name, **parts) for name, parts in tables.items()))


@settings(max_examples=40, deadline=None)
@given(s.data())
def test_any_two_modules(data: s.DataObject) -> None:
    before = data.draw(modules())
    after = data.draw(near(before) if data.draw(s.booleans()) else modules())
    way = data.draw(s.sampled_from(["in memory", "on disk", "when opened"]))
    directory = Path(tempfile.mkdtemp())
    migration = Migration(way, directory)
    try:
        migration.begin(build(before))
        for name, parts in before.items():
            for _ in range(data.draw(s.integers(0, 3))):
                row = {c: data.draw(COLUMNS[c][2]) for c in parts if c in COLUMNS}
                try:
                    migration.insert(name, **row)
                except stdb.UniqueConstraintViolation:
                    continue
        check(migration, build(after))
    finally:
        migration.close()
        shutil.rmtree(directory)


def check(migration: Migration, after: stdb.Module) -> None:
    """Publish, and compare with what must be."""
    was = migration.rows()
    try:
        migration.db.plan(after)
    except stdb.MigrationError as error:
        planned = error
    else:
        planned = None
    event("published" if planned is None else "refused")
    if planned is not None:
        refused = migration.refuse(after)
        assert [r.message for r in refused.reasons] == [r.message for r in planned.reasons]
        return
    db = migration.publish(after)
    program = after.freeze()
    expected: dict[str, Any] = {}
    for name, definition in program.definition.tables.items():
        defaults = tuple(COLUMNS[c.name][1] for c in definition.columns)
        rows = [] if definition.is_event else was.get(name, [])
        expected[name] = sorted((row + defaults[len(row) :] for row in rows), key=repr)
    assert migration.rows() == expected
    with stdb.Database(after) as fresh:
        for name in ("st_table", "st_column", "st_index", "st_constraint", "st_event_table",
                     "st_table_accessor", "st_index_accessor", "st_column_accessor"):  # fmt: skip
            assert _shown(db, name) == _shown(fresh, name)
        sequences = [row.sequence_name for row in db.tables["st_sequence"]]
        assert sorted(sequences) == sorted(row.sequence_name for row in fresh.tables["st_sequence"])
    db.check()


def _shown(db: stdb.Database, name: str) -> list[str]:
    strip = re.compile(r"\w+_id=\d+")
    return sorted(strip.sub("", repr(row)) for row in db.tables[name])
