"""SQL: a point query, a filter, an index join and a group-by over a table of 1,000,000 rows.

stdb: `db.sql(text, …)`, each statement in a transaction of its own, and for the point query also
`tx.sql` in a transaction that is open already. sqlite3: `execute(text, …).fetchall()`, likewise
outside and inside a transaction. Both keep plans by the text, so each text is planned once, and
both give lists of rows. The tables have the same columns and indexes: a primary key.

The group-by has 1,000 groups, on a column without an index. The join looks up 10,000 rows in the
large table. DuckDB's figures stand beside them where it is installed, in memory and with primary
keys like the others, on one thread and on as many as it likes. It keeps no plans by the text, and
is made for the last kinds of query, not for the first.
"""

import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from _measure import Measurement, rounds, run_script

import stdb
from stdb import Module, Row, primary_key, u64

SENSORS = 1_000
VALUES = 10_000
#: A round of point queries is short, so there are so many times more of them.
POINT_ROUNDS = 5

weather = Module("weather")


@weather.table()
class Reading(Row):
    """What a sensor measured."""

    id: u64 = primary_key()
    sensor: u64
    value: u64


@weather.table()
class Alarm(Row):
    """A reading that somebody should see."""

    id: u64 = primary_key()
    reading: u64


POINT = "SELECT * FROM reading WHERE id = ?"
FILTER = "SELECT * FROM reading WHERE value < 100"
JOIN = "SELECT alarm.id, reading.value FROM alarm JOIN reading ON alarm.reading = reading.id"
GROUP = "SELECT sensor, COUNT(*) AS n, SUM(value) AS total FROM reading GROUP BY sensor"

Data = tuple[list[tuple[int, int, int]], list[tuple[int, int]]]
Run = Callable[..., Sequence[Any]]


NOTES = [
    "sql point: SELECT * … WHERE id = ?, one row of 1,000,000",
    "sql filter: SELECT * … WHERE value < 100, 1 % of 1,000,000 rows",
    "sql join: 10,000 rows looked up in 1,000,000 by primary key",
    "sql group-by: COUNT(*) and SUM(value) of 1,000,000 rows in 1,000 groups",
]


def main(quick: bool) -> list[Measurement]:
    """Measure microseconds per point query, milliseconds per statement of the others."""
    size, few, count = (10_000, 100, 500) if quick else (1_000_000, 10_000, 20_000)
    times = 1 if quick else 9
    rng = random.Random(4)
    readings = [(i, rng.randrange(SENSORS), rng.randrange(VALUES)) for i in range(size)]
    alarms = list(enumerate(rng.sample(range(size), few)))
    keys = [rng.randrange(size) for _ in range(count)]

    db = _stdb((readings, alarms))
    connection = _sqlite((readings, alarms))
    cursor = connection.cursor()

    def sqlite(text: str, *parameters: int) -> list[Any]:
        return cursor.execute(text, parameters).fetchall()

    def ours_inside() -> float:
        with db.transaction(readonly=True) as tx:
            return _points(tx.sql, keys)

    def theirs_inside() -> float:
        connection.execute("BEGIN")
        figure = _points(sqlite, keys)
        connection.execute("COMMIT")
        return figure

    inside = rounds(ours_inside, theirs_inside, POINT_ROUNDS * times)
    name = "sql point, in a transaction"
    measurements = [
        Measurement(name, "µs", "sqlite3 :memory:", *inside, ratio_min=1, quick=quick, notes=NOTES)
    ]
    measurements += _compare(db, "sqlite3 :memory:", sqlite, keys, keys, times, quick=quick)
    for peer, run in _duckdb((readings, alarms)):
        some = keys[: count // 20]
        measurements += _compare(db, peer, run, keys, some, times, quick=quick, bars=False)
    return measurements


def _compare(
    db: stdb.Database,
    peer: str,
    run: Run,
    keys: list[int],
    their_keys: list[int],
    times: int,
    *,
    quick: bool,
    bars: bool = True,
) -> list[Measurement]:
    """Measure each query against one peer, which must give the same rows."""
    points = rounds(
        lambda: _points(db.sql, keys), lambda: _points(run, their_keys), POINT_ROUNDS * times
    )
    bar = 1 if bars else None
    measurements = [Measurement("sql point", "µs", peer, *points, ratio_min=bar, quick=quick)]
    for name, text, least in (
        ("sql filter", FILTER, 0.5),
        ("sql join", JOIN, 1),
        ("sql group-by", GROUP, 0.4),
    ):
        if sorted(map(tuple, db.sql(text))) != sorted(map(tuple, run(text))):
            raise AssertionError(f"{peer} and stdb answer differently: {text}")
        ours, theirs = partial(_one, db.sql, text), partial(_one, run, text)
        bar = least if bars else None
        figures = rounds(ours, theirs, times)
        measurements.append(Measurement(name, "ms", peer, *figures, ratio_min=bar, quick=quick))
    return measurements


def _points(run: Run, keys: list[int]) -> float:
    start = time.perf_counter()
    for key in keys:
        (row,) = run(POINT, key)
    took = time.perf_counter() - start
    if next(iter(row)) != keys[-1]:
        raise AssertionError("the row is there")
    return took / len(keys) * 1e6


def _one(run: Run, text: str) -> float:
    start = time.perf_counter()
    rows = run(text)
    took = time.perf_counter() - start
    if not rows:
        raise AssertionError("there are rows")
    return took * 1e3


def _stdb(data: Data) -> stdb.Database:
    db = stdb.Database(weather)
    with db.transaction() as tx:
        tx.db[Reading].insert_many(Reading(id=i, sensor=s, value=v) for i, s, v in data[0])
        tx.db[Alarm].insert_many(Alarm(id=i, reading=r) for i, r in data[1])
    return db


def _sqlite(data: Data) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(
        "CREATE TABLE reading "
        "(id INTEGER PRIMARY KEY, sensor INTEGER NOT NULL, value INTEGER NOT NULL)"
    )
    connection.execute("CREATE TABLE alarm (id INTEGER PRIMARY KEY, reading INTEGER NOT NULL)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO reading VALUES (?, ?, ?)", data[0])
    connection.executemany("INSERT INTO alarm VALUES (?, ?)", data[1])
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    return connection


def _duckdb(data: Data) -> list[tuple[str, Run]]:
    try:
        import duckdb
        import pandas as pd
    except ImportError:
        return []
    peers: list[tuple[str, Run]] = []
    for threads in (1, None):
        connection: Any = duckdb.connect(":memory:")
        if threads:
            connection.execute(f"SET threads = {threads}")
        columns = (("reading", ["id", "sensor", "value"]), ("alarm", ["id", "reading"]))
        for (table, names), rows in zip(columns, data, strict=True):
            described = ", ".join(f"{n} UBIGINT NOT NULL" for n in names)
            connection.execute(f"CREATE TABLE {table} ({described}, PRIMARY KEY (id))")
            connection.register("frame", pd.DataFrame(rows, columns=names))
            connection.execute(f"INSERT INTO {table} SELECT * FROM frame")

        def run(text: str, *parameters: int, connection: Any = connection) -> list[Any]:
            rows: list[Any] = connection.execute(text, parameters).fetchall()
            return rows

        peers.append((f"duckdb{', 1 thread' if threads else ''}", run))
    return peers


if __name__ == "__main__":
    run_script(main, __doc__)
