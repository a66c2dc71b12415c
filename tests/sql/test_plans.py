"""Which way a plan takes, as EXPLAIN tells it."""

import pytest

import stdb
import stdb.debug
from stdb import Row, index, primary_key, u32, u64, unique

module = stdb.Module("shop")


@module.table(public=True)
class Customer(Row):
    id: u64 = primary_key()
    city: str = index()
    code: str = index("hash")
    born: u32


@module.table(public=True)
class Purchase(Row):
    number: u64 = primary_key()
    customer: u64 = index()
    day: u32
    item: str
    by_day_item = index("day", "item")
    once = unique("customer", "number")


@pytest.fixture(scope="module")
def database() -> stdb.Database:
    database = stdb.Database(module)
    with database.transaction() as tx:
        for i in range(200):
            tx.db.customer.insert(id=i, city=f"c{i % 20}", code=f"k{i}", born=1900 + i % 100)
        for i in range(4000):
            tx.db.purchase.insert(number=i, customer=i % 200, day=i % 50, item=f"i{i % 7}")
    return database


@pytest.mark.parametrize(
    ("sql", "plan"),
    [
        (
            "SELECT * FROM customer WHERE id = 5",
            ["customer by index unique btree (id): id = 5 (about 1 rows)"],
        ),
        (
            "SELECT * FROM customer WHERE 5 = id AND born > 3",
            ["customer by index unique btree (id): id = 5 where born > 3 (about 0 rows)"],
        ),
        (
            "SELECT * FROM customer WHERE id = ?",
            ["customer by index unique btree (id): id = ?1 (about 1 rows)"],
        ),
        (
            "SELECT * FROM customer WHERE city = 'c1'",
            ['customer by index btree (city): city = "c1" (about 10 rows)'],
        ),
        (
            "SELECT * FROM customer WHERE code = 'k1'",
            ['customer by index hash (code): code = "k1" (about 1 rows)'],
        ),
        (
            "SELECT * FROM customer WHERE code > 'k1'",
            ['scan customer where code > "k1" (about 60 rows)'],
        ),
        (
            "SELECT * FROM customer WHERE id >= 5 AND id < 9",
            ["customer by index unique btree (id): id >= 5, id < 9 (about 20 rows)"],
        ),
        (
            "SELECT * FROM customer WHERE id BETWEEN ? AND ?",
            ["customer by index unique btree (id): id >= ?1, id <= ?2 (about 20 rows)"],
        ),
        (
            "SELECT * FROM customer WHERE id IN (1, 2, 3)",
            ["customer by index unique btree (id): id in 3 values (about 3 rows)"],
        ),
        (
            "SELECT * FROM customer WHERE id = 1 OR id = 2",
            ["customer by index unique btree (id): id in 2 values (about 2 rows)"],
        ),
        (
            "SELECT * FROM customer WHERE id = 1 OR born = 2",
            ["scan customer where (id = 1 or born = 2) (about 60 rows)"],
        ),
        (
            "SELECT * FROM purchase WHERE day = 3 AND item = 'i1'",
            ['purchase by index btree (day, item): day = 3, item = "i1" (about 11 rows)'],
        ),
        (
            "SELECT * FROM purchase WHERE day = 3 AND item > 'i1'",
            ['purchase by index btree (day, item): day = 3, item > "i1" (about 120 rows)'],
        ),
        (
            "SELECT * FROM purchase WHERE day = 3",
            ["purchase by index btree (day, item): day = 3 (about 400 rows)"],
        ),
        (
            "SELECT COUNT(*) AS n FROM purchase",
            ["count(*) (known without reading)", "  scan purchase (about 4000 rows)"],
        ),
        (
            "SELECT * FROM purchase LIMIT 3",
            ["limit 3 (stops early)", "  scan purchase (about 4000 rows)"],
        ),
        (
            "SELECT item, COUNT(*) AS n FROM purchase GROUP BY item ORDER BY n DESC LIMIT 2",
            [
                "limit 2",
                "  sort by count(*) DESC",
                "    group by item: count(*)",
                "      scan purchase (about 4000 rows)",
            ],
        ),
        (
            "SELECT p.* FROM purchase p JOIN customer c ON p.customer = c.id WHERE c.city = 'c3'",
            [
                'customer as c by index btree (city): city = "c3" (about 10 rows)',
                "  join purchase as p by index btree (customer): customer = c.id (about 200 rows)",
            ],
        ),
        (
            "SELECT p.* FROM purchase p JOIN customer c ON p.customer = c.id WHERE p.number = 3",
            [
                "purchase as p by index unique btree (number): number = 3 (about 1 rows)",
                "  join customer as c by index unique btree (id): id = p.customer (about 1 rows)",
            ],
        ),
        (
            "SELECT c.* FROM customer c JOIN purchase p ON c.born = p.day",
            [
                "scan customer as c (about 200 rows)",
                "  join hash purchase as p on p.day = c.born (about 2000 rows)",
            ],
        ),
        (  # integers of two widths
            "SELECT p.number FROM customer c JOIN purchase p ON c.born = p.number",
            [
                "scan customer as c (about 200 rows)",
                (
                    "  join purchase as p by index unique btree (number): number = c.born "
                    "(about 200 rows)"
                ),
            ],
        ),
        (
            "SELECT * FROM purchase WHERE number = 2 + 3",
            ["purchase by index unique btree (number): number = (2 + 3) (about 1 rows)"],
        ),
        (
            "SELECT day, SUM(customer) FROM purchase GROUP BY day HAVING COUNT(DISTINCT item) > 2",
            [
                "having count(distinct item) > 2",
                "  group by day: sum(customer), count(distinct item)",
                "    scan purchase (about 4000 rows)",
            ],
        ),
        (
            (
                "SELECT c.id FROM customer c LEFT JOIN purchase p ON c.id = p.customer"
                " AND p.day > 3 WHERE p.item IS NULL"
            ),
            [
                "scan customer as c (about 200 rows)",
                (
                    "  left join purchase as p by index btree (customer): customer = c.id "
                    "on p.day > 3 where p.item is null (about 1200 rows)"
                ),
            ],
        ),
        (
            "SELECT c.id, p.item FROM customer c LEFT JOIN purchase p ON c.id = p.customer",
            [
                "scan customer as c (about 200 rows)",
                (
                    "  left join purchase as p by index btree (customer): customer = c.id "
                    "(about 4000 rows)"
                ),
            ],
        ),
    ],
)
def test_plan(database: stdb.Database, sql: str, plan: list[str]) -> None:
    assert database.explain(sql).splitlines() == plan
    if "?" not in sql:
        assert [row.plan for row in database.sql(f"EXPLAIN {sql}")] == plan


def test_every_way_gives_the_same_rows(database: stdb.Database) -> None:
    """Against a scan of the same condition, disguised from the planner."""
    for condition in (
        "number = 7", "number IN (1, 9999, 7)", "customer = 7", "customer > 190", "day = 3",
        "customer >= 3 AND customer <= 4", "day = 3 AND item = 'i1'", "day = 3 AND item > 'i1'",
        "day = 3 AND item <= 'i1'", "day > 48", "day <= 1 AND item > 'i3'",
        "day > 3 AND day <= 4 AND item <> 'i1'", "number > 3990 AND number < 10",
    ):  # fmt: skip
        disguised = condition.replace("number", "number + 0").replace("customer", "customer + 0")
        disguised = disguised.replace("day", "day + 0").replace("item ", "item ")
        found = database.sql(f"SELECT * FROM purchase WHERE {condition}")
        expected = database.sql(f"SELECT * FROM purchase WHERE {disguised}")
        assert sorted(r.number for r in found) == sorted(r.number for r in expected)
        assert "scan" in database.explain(f"SELECT * FROM purchase WHERE {disguised}")
        assert "scan" not in database.explain(f"SELECT * FROM purchase WHERE {condition}")


def test_plans_follow_tables_that_grow() -> None:
    database = stdb.Database(module)
    sql = "SELECT p.* FROM purchase p JOIN customer c ON p.customer = c.id"
    database.sql(sql)
    with database.transaction() as tx:
        tx.db.customer.insert(id=1, city="x", code="y", born=1)
        for i in range(500):
            tx.db.purchase.insert(number=i, customer=1, day=1, item="")
    assert len(database.sql(sql)) == 500
    assert database.explain(sql).startswith("scan customer")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM purchase WHERE number IN (1, 2, 3, 4)",
        "UPDATE purchase SET item = 'y' WHERE number IN (1, 2, 3, 4)",
        "DELETE FROM purchase WHERE number IN (1, 2, 3, 4)",
    ],
)
def test_a_plan_made_for_an_empty_table_does_not_stay(sql: str) -> None:
    database = stdb.Database(module)
    database.sql(sql)
    assert "scan purchase" in database.explain(sql)
    with database.transaction() as tx:
        for i in range(500):
            tx.db.purchase.insert(number=i, customer=1, day=1, item="")
    assert "by index unique btree (number)" in database.explain(sql)
    if sql.startswith("SELECT"):
        with database.sql_stream(sql) as rows:
            assert sorted(row.number for row in rows) == [1, 2, 3, 4]
    result = database.sql(sql)
    assert len(result) + result.updated + result.deleted == 4


def test_a_limit_stops_early(database: stdb.Database) -> None:
    sql = "SELECT p.* FROM purchase p JOIN customer c ON p.customer = c.id LIMIT 2"
    source = stdb.debug.source(database, sql)
    assert "raise Enough" in source
    assert len(database.sql(sql)) == 2


def test_explain_of_writes(database: stdb.Database) -> None:
    assert database.explain("DELETE FROM customer WHERE id = 3").splitlines() == [
        "delete customer",
        "  customer by index unique btree (id): id = 3 (about 1 rows)",
    ]
    assert database.explain("INSERT INTO customer VALUES (1, '', '', 1)") == "insert customer"
    assert len(database.sql("SELECT * FROM customer WHERE id = 3")) == 1
