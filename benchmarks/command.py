"""The command `stdb`: how soon its help answers, and the first rows of a million.

`stdb --help` is measured beyond a bare `python -c pass`, by turns. The first rows of a SELECT are
measured next to the end of it, in the same run: opening the database is in both.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _measure import Measurement, rounds, run_script

import stdb

module = stdb.Module("readings")


@module.table(public=True)
class Reading(stdb.Row):
    """A row of the large table."""

    id: stdb.u64 = stdb.primary_key()
    value: stdb.f64
    text: str


def make(path: Path, count: int) -> None:
    """Make a database of so many rows."""
    with stdb.Database(module, path) as db:
        with db.transaction() as tx:
            tx.db[Reading].insert_many(
                [Reading(id=n, value=n / 7, text=f"reading {n}") for n in range(count)]
            )
        db.snapshot()


def main(quick: bool) -> list[Measurement]:
    """Measure milliseconds of the help, and seconds to rows."""
    with tempfile.TemporaryDirectory() as directory:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(directory, "bytecode"))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def run(*words: str) -> float:
            began = time.perf_counter()
            command = [sys.executable, *words]
            subprocess.run(command, check=True, capture_output=True, env=environment)
            return (time.perf_counter() - began) * 1e3

        helped, bare = rounds(
            lambda: run("-m", "stdb", "--help"), lambda: run("-c", "pass"), 1 if quick else 15
        )
        path = Path(directory, "readings.stdb")
        make(path, 10_000 if quick else 1_000_000)
        first, whole = [], []
        for _ in range(1 if quick else 3):
            began = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "stdb", "sql", str(path), "SELECT * FROM reading"],
                stdout=subprocess.PIPE,
                env=environment,
            )
            assert process.stdout is not None
            process.stdout.readline()
            first.append(time.perf_counter() - began)
            for _line in process.stdout:
                pass
            process.wait()
            whole.append(time.perf_counter() - began)
    beyond = [more - least for more, least in zip(helped, bare, strict=True)]
    return [
        Measurement("stdb --help", "ms", "python -c pass", beyond, bare, ours_max=150, quick=quick,
                    notes=["stdb --help: what it takes beyond a bare python"]),
        Measurement("stdb sql: first rows", "s", "all 1,000,000 rows", first, whole,
                    ratio_min=1.5, quick=quick),
    ]  # fmt: skip


if __name__ == "__main__":
    run_script(main, __doc__)
