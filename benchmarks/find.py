"""A look-up by primary key in a transaction that is open already; 100,000 rows.

stdb: `find` of a unique column, which gives the row.

sqlite3: `SELECT … WHERE id = ?` and `fetchone` on one cursor, prepared once, parameters as ready
tuples.
"""

import random
import sqlite3
import time

from _measure import Measurement, rounds, run_script

import stdb
from stdb import Module, Row, primary_key, u64

shop = Module("shop")


@shop.table()
class Item(Row):
    """Something with a number."""

    id: u64 = primary_key()
    price: u64


def main(quick: bool) -> list[Measurement]:
    """Measure nanoseconds per look-up."""
    size, count, times = (1_000, 5_000, 1) if quick else (100_000, 200_000, 7)
    rng = random.Random(2)
    keys = [rng.randrange(size) for _ in range(count)]
    parameters = [(key,) for key in keys]

    db = stdb.Database(shop)
    with db.transaction() as tx:
        tx.db[Item].insert_many(Item(id=i, price=i * 3) for i in range(size))

    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, price INTEGER NOT NULL)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO item VALUES (?, ?)", ((i, i * 3) for i in range(size)))
    connection.execute("COMMIT")

    def ours() -> float:
        with db.transaction() as tx:
            find = tx.db.item.id.find
            start = time.perf_counter()
            for key in keys:
                find(key)
            took = time.perf_counter() - start
            row = find(keys[-1])
        if row is None or row.price != keys[-1] * 3:
            raise AssertionError("the row is there")
        return took / count * 1e9

    def theirs() -> float:
        execute = connection.execute
        select = "SELECT id, price FROM item WHERE id = ?"
        execute("BEGIN")
        start = time.perf_counter()
        for parameter in parameters:
            execute(select, parameter).fetchone()
        took = time.perf_counter() - start
        row = execute(select, parameters[-1]).fetchone()
        execute("COMMIT")
        if row != (keys[-1], keys[-1] * 3):
            raise AssertionError("the row is there")
        return took / count * 1e9

    return [
        Measurement(
            "find",
            "ns a look-up",
            "sqlite3 :memory:",
            *rounds(ours, theirs, times),
            ratio_min=8,
            quick=quick,
            notes=["find: a unique column's find / SELECT … WHERE id = ? and fetchone"],
        )
    ]


if __name__ == "__main__":
    run_script(main, __doc__)
