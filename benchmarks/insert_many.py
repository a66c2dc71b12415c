"""A million rows of two integers, in one transaction, into an empty table with a primary key.

stdb: `insert_many` of ready row objects.

sqlite3: `executemany` of ready tuples between BEGIN and COMMIT.

Making the rows and the tuples is not measured, nor is making the empty database. Both are timed
to the end of the commit, with the garbage collector on, as it is in a program.
"""

import sqlite3
import time

from _measure import Measurement, rounds, run_script

import stdb
from stdb import Module, Row, primary_key, u64

points = Module("points")


@points.table()
class Point(Row):
    """Two integers."""

    id: u64 = primary_key()
    value: u64


def main(quick: bool) -> list[Measurement]:
    """Measure nanoseconds per row."""
    count, times = (10_000, 1) if quick else (1_000_000, 5)
    rows = [Point(id=i, value=i * 7) for i in range(count)]
    tuples = [(i, i * 7) for i in range(count)]

    def ours() -> float:
        with stdb.Database(points) as db:
            start = time.perf_counter()
            with db.transaction() as tx:
                tx.db[Point].insert_many(rows)
            took = time.perf_counter() - start
            with db.transaction(readonly=True) as tx:
                if len(tx.db[Point]) != count:
                    raise AssertionError("all rows are there")
        return took / count * 1e9

    def theirs() -> float:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.execute("CREATE TABLE point (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)")
        start = time.perf_counter()
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO point VALUES (?, ?)", tuples)
        connection.execute("COMMIT")
        took = time.perf_counter() - start
        if connection.execute("SELECT count(*) FROM point").fetchone() != (count,):
            raise AssertionError("all rows are there")
        connection.close()
        return took / count * 1e9

    return [
        Measurement(
            "insert_many",
            "ns a row",
            "sqlite3 :memory:",
            *rounds(ours, theirs, times),
            ratio_min=0.8,
            quick=quick,
            notes=[
                "insert_many: ready rows, one transaction / executemany of ready tuples, one too"
            ],
        )
    ]


if __name__ == "__main__":
    run_script(main, __doc__)
