"""The estimate that a client's row limit is compared with: SpacetimeDB's, whatever we read."""

import pytest

import stdb
from stdb.sql import OWNER, Rights, prepare
from stdb.sql.estimate import estimate_query
from stdb.sql.run import PreparedQuery


def make_database() -> stdb.Database:
    """Ten rows in ``a`` with five groups, 20 in ``b``: four for each of five, 3 in ``c``."""
    module = stdb.Module("sizes")

    @module.table(public=True)
    class A(stdb.Row):
        id: stdb.u64 = stdb.primary_key()
        group: stdb.u64 = stdb.index()
        x: stdb.u64
        y: stdb.u64
        xy = stdb.index("x", "y")

    @module.table(public=True)
    class B(stdb.Row):
        id: stdb.u64 = stdb.primary_key()
        a: stdb.u64 = stdb.index()
        z: stdb.u64

    @module.table(public=True)
    class C(stdb.Row):
        n: stdb.u64

    database = stdb.Database(module)
    with database.transaction() as tx:
        tx.db.a.insert_many([A(id=i, group=i % 5, x=i, y=0) for i in range(10)])
        tx.db.b.insert_many([B(id=i, a=i % 5, z=i) for i in range(20)])
        tx.db.c.insert_many([C(n=i) for i in range(3)])
    return database


DATABASE = make_database()
TABLES = DATABASE._store.by_name


def estimate(sql: str, rights: Rights = OWNER) -> int:
    prepared = prepare(sql, TABLES, rights, strict=True)
    assert isinstance(prepared, PreparedQuery)
    return estimate_query(prepared.query)


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT * FROM a", 10),
        ("SELECT id FROM a LIMIT 1", 10),  # only whole rows let the limit through
        ("SELECT * FROM a LIMIT 3", 3),
        ("SELECT * FROM a LIMIT 300", 300),
        ("SELECT COUNT(*) AS n FROM a", 10),
        ("SELECT * FROM a WHERE id = 1", 1),
        ("SELECT * FROM a WHERE group = 1", 2),
        ("SELECT * FROM a WHERE group = 1 LIMIT 1", 1),
        ("SELECT * FROM a WHERE group = 1 AND y = 0", 4),  # two read, two tested
        ("SELECT * FROM a WHERE id > 1", 20),  # a range is a scan
        ("SELECT * FROM a WHERE id = 1 OR id = 2", 20),
        ("SELECT * FROM a WHERE x = 1", 20),  # not the whole index
        ("SELECT * FROM a WHERE x = 1 AND y = 0", 1),
        ("SELECT a.* FROM a CROSS JOIN c", 10 + 3 + 30),
        ("SELECT a.* FROM a JOIN c WHERE a.id = c.n", 10 + 3 + 30 + 30),
        ("SELECT c.* FROM c JOIN a ON c.n = a.id", 3 + 3),  # a unique index
        ("SELECT a.* FROM a JOIN b ON a.group = b.a", 10 + 10 * 4),
        ("SELECT b.* FROM b JOIN a ON b.a = a.group", 20 + 20 * 2),
        ("SELECT a.* FROM a JOIN b ON a.group = b.a WHERE a.id = 1", 1 + 4),
        ("SELECT a.* FROM a JOIN b ON a.group = b.a WHERE b.id = 1", 1 + 2),  # the other way round
        ("SELECT a.* FROM a JOIN b ON a.y = b.z", 10 + 20 + 200),  # no index
        ("SELECT a.* FROM a JOIN b ON a.group = b.a JOIN c ON c.n = b.z", 50 + 3 + 120),
    ],
)
def test_estimates(sql: str, rows: int) -> None:
    assert estimate(sql) == rows


def test_the_variants_of_rules_add_up() -> None:
    rules = {"a": ("SELECT * FROM a WHERE id = 1", "SELECT * FROM a")}
    rights = Rights(owner=False, rules=rules)
    assert estimate("SELECT * FROM a", rights) == 1 + 10


def test_an_estimate_has_a_largest_value() -> None:
    crossed = "".join(f" JOIN b b{i}" for i in range(30))
    assert estimate(f"SELECT b.* FROM b{crossed}") == 2**64 - 1
