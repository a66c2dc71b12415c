"""A crash at any moment of a migration leaves the old version or the new one, whole."""

from __future__ import annotations

import enum
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers.migrating import module, table

import stdb
from stdb import Database, index, primary_key, u8, u64, unique

KEYED = {"id": (u64, primary_key(auto_inc=True)), "name": (str, index())}
#: Each can follow the one before it, and the first the last.
VERSIONS = [
    module(table(**KEYED), table("side", id=u64)),
    module(table(public=True, **(KEYED | {"name": (str, unique())})), table("side", id=u64)),
    module(table(**KEYED), table("side", id=(u64, primary_key())), table("news", event=True, t=u8)),
    module(table(**(KEYED | {"id": (u64, primary_key())})), table("side", id=u64)),
]
WIDER = module(table(**KEYED, stars=(u8, 3)), table("come", id=u64))


def state(db: Database) -> tuple[object, ...]:
    """Return everything that a version and its rows are seen by."""
    db.check()
    tables = {
        name: (definition.definition, sorted(map(repr, definition.rows())))
        for name in sorted(db.tables)
        for definition in [db.tables[name]]
    }
    return tables, [sorted(map(repr, db.tables[name])) for name in ("st_table", "st_column",
        "st_index", "st_constraint", "st_sequence", "st_module")]  # fmt: skip


def test_a_log_that_ends_anywhere_in_a_migration_holds_the_old_version(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with Database(VERSIONS[0], path) as db, db.transaction() as tx:
        for name in "abc":
            tx.db.thing.insert(name=name)
    (segment,) = path.glob("clog/*.stdb.log")
    before = segment.stat().st_size
    with Database.open(path) as db:
        old = state(db)
    with Database(WIDER, path):
        pass
    with Database.open(path) as db:
        new = state(db)
    assert old != new
    data = segment.read_bytes()
    for end in sorted({*range(before, len(data), 97), len(data) - 1, len(data)}):
        shutil.rmtree(path)
        (path / "clog").mkdir(parents=True)
        segment.write_bytes(data[:end])
        with Database.open(path) as db:
            assert state(db) == (new if end == len(data) else old)
        if end % 5 == 0:
            # Whoever comes next does what the crash kept from being done.
            with Database(WIDER, path) as db:
                assert [row.stars for row in db.tables.thing] == [3, 3, 3]


class Hue(enum.Enum):
    RED = 1
    BLUE = 2


WiderHue = enum.Enum("WiderHue", ["RED", "BLUE", "GREEN"])
COLORED = [
    module(table(id=(u64, primary_key()), hue=Hue, names=list[str])),
    module(table(id=(u64, primary_key()), hue=WiderHue, names=list[str])),
    module(table(id=(u64, primary_key()), hue=WiderHue, names=list[str], n=(u8, 1))),
    module(table(id=u64, hue=(WiderHue, index()), names=list[str], n=(u8, 1))),
]


def colored_rows(db: Database) -> list[tuple[object, ...]]:
    rows = (tuple(row) for row in db.tables.thing)
    return sorted((id_, hue.name, *rest) for id_, hue, *rest in rows)


@pytest.mark.parametrize("with_snapshots", [False, True])
def test_every_moment_of_the_past_can_be_looked_at(tmp_path: Path, with_snapshots: bool) -> None:
    """Through versions with other columns, other types, other tables; from snapshots too."""
    path = tmp_path / "db"
    db = Database(COLORED[0], path, snapshot_every=None)
    seen: dict[int, tuple[object, ...]] = {}
    for number, version in enumerate(COLORED):
        if number:
            db.publish(version)
            seen[db._state.offset] = (colored_rows(db), list(db.tables.thing.columns))
        hue = version.freeze().shapes["thing"].fields[1].shape.cls  # type: ignore[attr-defined]
        for n in range(3):
            with db.transaction() as tx:
                id_ = 10 * number + n
                tx.db.thing.insert(id=id_, hue=list(hue)[n % len(hue)], names=["x"] * n)
                if n:
                    tx.db.thing.delete(next(row for row in tx.db.thing if row.id == id_ - 1))
            seen[db._state.offset] = (colored_rows(db), list(db.tables.thing.columns))
            if with_snapshots and n == 1:
                db.snapshot()
    db.close()
    for offset, (rows, columns) in seen.items():
        with Database.open(path, at=offset) as then:
            assert colored_rows(then) == rows
            assert list(then.tables.thing.columns) == columns
            then.check()
    with Database(COLORED[-1], path) as now:
        assert (now.recovery.snapshot is not None) is with_snapshots  # type: ignore[union-attr]
        assert colored_rows(now) == seen[max(seen)][0]


def publish_for_ever(path: str, seed: int) -> None:
    """Publish one version after another, with work between, until somebody kills this process."""
    from stdb.durability.files import Disk

    rng = random.Random(seed)
    Disk.segment_bytes_max = 20_000
    db = Database.open(path, durability="sync", snapshot_every=rng.choice([3, 20]),
                       retain=rng.choice([None, 1]))  # fmt: skip
    number = 0
    while True:
        version = VERSIONS[number % len(VERSIONS)]
        number += 1
        if number % len(VERSIONS) == 1:
            # A column that counts must hold nothing that it would give again.
            with db.transaction() as tx:
                tx.db.thing.clear()
        db.publish(version)
        with db.transaction() as tx:
            count = len(tx.db.thing)
            for n in range(3):
                tx.db.thing.insert(id=0 if version is not VERSIONS[3] else 10**9 + count + n,
                                   name=f"{number}-{n}")  # fmt: skip
        sys.stdout.write(f"{db.durable_offset}\n")
        sys.stdout.flush()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("times", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_processes_that_are_killed_while_they_publish(tmp_path: Path, times: int) -> None:
    path = tmp_path / "db"
    Database(VERSIONS[0], path).close()
    known = [{t: v.freeze().definition.tables[t] for t in v.freeze().shapes} for v in VERSIONS]
    for seed in range(times):
        code = (
            "import sys; from tests.durability.test_migration_crash import publish_for_ever\n"
            "publish_for_ever(sys.argv[1], int(sys.argv[2]))"
        )
        command = [sys.executable, "-c", code, str(path), str(seed)]
        root = Path(__file__).parents[2]
        with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            durable = -1
            for _ in range(random.Random(seed).randrange(1, 12)):
                line = process.stdout.readline().strip()
                assert line, "the publisher broke"
                durable = int(line)
            os.kill(process.pid, signal.SIGKILL)
            for line in process.stdout.read().split("\n")[:-1]:
                durable = int(line)
        with Database.open(path) as db:
            db.check()
            assert db._state.offset >= durable
            definition = db._program.definition
            assert {name: db.tables[name].definition for name in db.tables} == definition.tables
            stored = {name: [c.name for c in t.columns] for name, t in definition.tables.items()}
            assert stored in [
                {name: [c.name for c in t.columns] for name, t in each.items()} for each in known
            ]
            described = {row.table_name for row in db.tables["st_table"]}
            assert described == set(db._store.by_name)
        with pytest.raises(stdb.MigrationError):
            Database(module(table(id=str)), path)
