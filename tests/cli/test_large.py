"""Results that are larger than one likes to hold: they are printed while they are found."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import COMMAND, Command

import stdb as library
from stdb.cli.rows import FORMATS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="takes wait4")
module = library.Module("readings")


@module.table(public=True)
class Reading(library.Row):
    id: library.u64 = library.primary_key()
    sensor: library.u32
    text: str


def make(path: Path, count: int) -> str:
    """Make a database of so many rows, and return its path."""
    with library.Database(module, path) as db:
        for begin in range(0, count, 50_000):
            rows = [
                Reading(id=n, sensor=n % 100, text=f"reading {n}")
                for n in range(begin, begin + 50_000)
            ]
            with db.transaction() as tx:
                tx.db[Reading].insert_many(rows)
        db.snapshot()
    return str(path)


def peak(stdb: Command, *words: str) -> tuple[int, int]:
    """Return how many lines a command printed, and its greatest memory in KiB."""
    process = stdb.start(*words)
    assert process.stdout is not None
    lines = sum(1 for _ in process.stdout)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return lines, used.ru_maxrss // (1024 if sys.platform == "darwin" else 1)


@pytest.mark.parametrize(
    ("form", "count"),
    [
        ("table", 100_000),
        *(pytest.param(form, 1_000_000, marks=pytest.mark.slow) for form in FORMATS),
    ],
)
def test_memory_is_flat_however_many_rows_there_are(
    stdb: Command, tmp_path: Path, form: str, count: int
) -> None:
    path = make(tmp_path / "readings.stdb", count)
    query = "SELECT id, text FROM reading"
    one, least = peak(stdb, "sql", path, f"{query} LIMIT 1", "--format", form)
    lines, most = peak(stdb, "sql", path, query, "--format", form)
    assert lines == one + count - 1
    # A list of the rows alone would take 100 bytes a row.
    assert most - least < 6_000, f"{least} KiB with one row, {most} KiB with {count}"


def test_the_first_rows_come_while_the_query_still_runs(stdb: Command, tmp_path: Path) -> None:
    path = make(tmp_path / "readings.stdb", 100_000)
    query = "SELECT a.id, b.id AS other FROM reading a JOIN reading b ON a.sensor = b.sensor"
    process = subprocess.Popen(  # of 100,000,000 rows
        [*COMMAND, "sql", path, query], env=stdb.environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline().split() == ["id", "|", "other"]
        process.stdout.readline()
        assert int(process.stdout.readline().split()[0]) >= 0
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait() == 130
