"""A range of 1,000 rows out of 1,000,000, as a list: by a non-unique column and by a unique one.

stdb: `list(handle.<column>.filter(ge=a, lt=b))` over btree indexes.

sqlite3: `SELECT … WHERE column >= ? AND column < ?` and `fetchall`, prepared once. The table has
no more columns than these two, which is its best case: its index on `level` holds the row number
too and so covers the query, and a range of the primary key is a walk along the table itself.

The rows come in the order of their ids, with their levels shuffled: 100 levels are 1,000 rows.
The sorted keys that stdb makes at the first range scan are there before the first round, as is
sqlite's index.
"""

import random
import sqlite3
import time
from collections.abc import Callable

from _measure import Measurement, rounds, run_script

import stdb
from stdb import Module, Row, index, primary_key, u64

ROWS_A_LEVEL = 10

scores = Module("scores")


@scores.table()
class Score(Row):
    """A player's score: a level that others have too."""

    id: u64 = primary_key()
    level: u64 = index()


def main(quick: bool) -> list[Measurement]:
    """Measure microseconds per range."""
    size, wide, count, times = (10_000, 100, 20, 1) if quick else (1_000_000, 1_000, 200, 7)
    rng = random.Random(3)
    levels = [i // ROWS_A_LEVEL for i in range(size)]
    rng.shuffle(levels)

    db = stdb.Database(scores)
    with db.transaction() as tx:
        tx.db[Score].insert_many(Score(id=i, level=level) for i, level in enumerate(levels))

    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE score (id INTEGER PRIMARY KEY, level INTEGER NOT NULL)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO score VALUES (?, ?)", enumerate(levels))
    connection.execute("COMMIT")
    connection.execute("CREATE INDEX score_level ON score (level)")
    connection.execute("ANALYZE")

    measurements = []
    for column, width in (("level", wide // ROWS_A_LEVEL), ("id", wide)):
        starts = [rng.randrange(size * width // wide - width) for _ in range(count)]
        ranges = [(start, start + width) for start in starts]
        kind = "non-unique" if column == "level" else "unique"
        measurements.append(
            Measurement(
                f"range_scan {kind}",
                f"µs for {wide:,} rows",
                "sqlite3 :memory:",
                *rounds(ours(db, column, ranges), theirs(connection, column, ranges), times),
                ratio_min=1,
                quick=quick,
                notes=["range_scan: a list of filter(ge=, lt=) / fetchall over a covering index"],
            )
        )
        expected = wide * count
        with db.transaction(readonly=True) as tx:
            handle = getattr(tx.db.score, column)
            if sum(len(list(handle.filter(ge=a, lt=b))) for a, b in ranges) != expected:
                raise AssertionError(f"each range has {wide} rows")
    return measurements


def ours(db: stdb.Database, column: str, ranges: list[tuple[int, int]]) -> Callable[[], float]:
    """Return what measures stdb."""

    def measure() -> float:
        with db.transaction(readonly=True) as tx:
            select = getattr(tx.db.score, column).filter
            start = time.perf_counter()
            for ge, lt in ranges:
                list(select(ge=ge, lt=lt))
            return (time.perf_counter() - start) / len(ranges) * 1e6

    return measure


def theirs(
    connection: sqlite3.Connection, column: str, ranges: list[tuple[int, int]]
) -> Callable[[], float]:
    """Return what measures sqlite3."""
    select = f"SELECT id, level FROM score WHERE {column} >= ? AND {column} < ?"

    def measure() -> float:
        execute = connection.cursor().execute
        execute("BEGIN")
        start = time.perf_counter()
        for bounds in ranges:
            execute(select, bounds).fetchall()
        took = time.perf_counter() - start
        execute("COMMIT")
        return took / len(ranges) * 1e6

    return measure


if __name__ == "__main__":
    run_script(main, __doc__)
