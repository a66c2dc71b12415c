"""The source that queries become, for reviewers: plain loops over the tables' own dicts."""

import gc
import linecache

import pytest
from tests.sql.people import make_database

import stdb
import stdb.debug

DATABASE = make_database()


@pytest.mark.parametrize(
    ("sql", "source"),
    [
        (
            "SELECT * FROM pair WHERE b > 15 AND a <> 3",
            """
def run(params, sender):
    return [r0 for r0 in rows_1.values() if (r0.b > 15) and (r0.a != 3)]
""",
        ),
        (
            "SELECT name FROM person WHERE id = ?",
            """
def run(params, sender):
    p0, = params
    r0 = get_2(p0)
    return [new_1(Row_0, (r0.name,))] if r0 is not None else []
""",
        ),
        (
            "SELECT flag, COUNT(*) AS n FROM person GROUP BY flag",
            """
def run(params, sender):
    groups = {}
    get = groups.get
    for r0 in rows_2.values():
        key = r0.flag
        g = get(key)
        if g is None:
            groups[key] = g = [0]
        g[0] += 1
    found = []
    for k0, g in groups.items():
        a0 = g[0]
        found.append(new_1(Row_0, (k0, a0,)))
    return found
""",
        ),
    ],
)
def test_source(sql: str, source: str) -> None:
    assert stdb.debug.source(DATABASE, sql).strip() == source.strip()


def test_source_is_in_tracebacks_and_forgotten_with_the_plan() -> None:
    before = len([name for name in linecache.cache if "query" in name])
    database = make_database()
    for i in range(2000):
        database.sql(f"SELECT * FROM pair WHERE a = {i}")
    gc.collect()
    assert len([name for name in linecache.cache if "query" in name]) - before <= 1100
