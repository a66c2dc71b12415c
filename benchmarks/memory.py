"""What a million rows of two u64 with a primary key take of memory, and of the garbage collector.

Each figure is of a fresh process: the growth of its resident memory from the empty table to the
full one, and then the time of a full `gc.collect()`. Rows are inserted 10,000 at a time from a
generator, so that neither the input nor one huge transaction counts.

sqlite3 (`:memory:`, `executemany`) stands beside it for comparison only: it keeps bytes where
stdb keeps objects that can be handed out as they are, so it is smaller, and its rows are nothing
to the collector.
"""

import argparse
import gc
import json
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from _measure import Measurement, rounds, run_script

BATCH = 10_000


def resident_bytes() -> int:
    """Return how much memory of this process is in RAM."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    # Elsewhere only the greatest so far is known, in bytes (macOS). It only grows here.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure_stdb(count: int) -> tuple[float, float]:
    """Return bytes per row and milliseconds of a collection, with stdb."""
    import stdb
    from stdb import Module, Row, primary_key, u64

    points = Module("points")

    @points.table()
    class Point(Row):
        id: u64 = primary_key()
        value: u64

    with stdb.Database(points) as db:

        def fill(first: int, last: int) -> None:
            with db.transaction() as tx:
                tx.db[Point].insert_many(Point(id=i, value=i * 7) for i in range(first, last))

        return _measure_fill(fill, count)


def measure_sqlite(count: int) -> tuple[float, float]:
    """Return the same with sqlite3."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE point (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)")

        def fill(first: int, last: int) -> None:
            rows: Iterator[tuple[int, int]] = ((i, i * 7) for i in range(first, last))
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO point VALUES (?, ?)", rows)
            connection.execute("COMMIT")

        return _measure_fill(fill, count)


def _measure_fill(fill: Callable[[int, int], None], count: int) -> tuple[float, float]:
    fill(0, 1)  # What is made at the first use is not a row's.
    gc.collect()
    before = resident_bytes()
    for first in range(1, count, BATCH):
        fill(first, min(first + BATCH, count))
    gc.collect()
    size = resident_bytes() - before
    start = time.perf_counter()
    gc.collect()
    return size / count, (time.perf_counter() - start) * 1e3


SIDES = {"stdb": measure_stdb, "sqlite3": measure_sqlite}


def in_fresh_process(side: str, count: int) -> tuple[float, float]:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--count", str(count)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    size, milliseconds = json.loads(output)
    return size, milliseconds


def main(quick: bool) -> list[Measurement]:
    """Measure bytes per row, and milliseconds of a full collection."""
    count, times = (20_000, 1) if quick else (1_000_000, 3)
    pauses: dict[str, list[float]] = {side: [] for side in SIDES}

    def size_of(side: str) -> Callable[[], float]:
        def measure() -> float:
            size, milliseconds = in_fresh_process(side, count)
            pauses[side].append(milliseconds)
            return size

        return measure

    sizes = rounds(size_of("stdb"), size_of("sqlite3"), times)
    note = f"memory: {count:,} rows of two u64, in fresh processes; sqlite3 only for comparison"
    return [
        Measurement(
            "memory",
            "bytes a row",
            "sqlite3 :memory:",
            *sizes,
            ours_max=240,
            quick=quick,
            notes=[note],
        ),
        Measurement(
            "gc.collect",
            "ms",
            "sqlite3 :memory:",
            pauses["stdb"],
            pauses["sqlite3"],
            ours_max=20,
            quick=quick,
            notes=[note],
        ),
    ]


def run_side() -> None:
    """Measure the side that the arguments name, in this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", choices=SIDES, required=True)
    parser.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    print(json.dumps(SIDES[options.side](options.count)))


if __name__ == "__main__":
    if "--side" in sys.argv:
        run_side()
    else:
        run_script(main, __doc__)
