"""What SQL here has beyond SpacetimeDB's: checked against what each construct means."""

import pytest
from tests.sql.people import make_database

import stdb

DATABASE = make_database()


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT name FROM person ORDER BY name", [("5",), ("ann",), ("bob",)]),
        ("SELECT name FROM person ORDER BY age DESC", [("5",), ("ann",), ("bob",)]),
        ("SELECT name FROM person ORDER BY score", [("ann",), ("bob",), ("5",)]),
        ("SELECT name FROM person ORDER BY score DESC LIMIT 1", [("5",)]),
        ("SELECT name FROM person ORDER BY email, name", [("bob",), ("5",), ("ann",)]),
        ("SELECT name FROM person ORDER BY flag, name DESC", [("bob",), ("ann",), ("5",)]),
        ("SELECT name, age FROM person ORDER BY 2", [("bob", 20), ("ann", 30), ("5", 40)]),
        ("SELECT name AS n FROM person ORDER BY n LIMIT 1 OFFSET 1", [("ann",)]),
        ("SELECT name FROM person ORDER BY name OFFSET 2 LIMIT 5", [("bob",)]),
        ("SELECT name FROM person ORDER BY name OFFSET 9", []),
        ("SELECT name FROM person ORDER BY age * -1", [("5",), ("ann",), ("bob",)]),
        ("SELECT DISTINCT flag FROM person ORDER BY flag", [(False,), (True,)]),
        ("SELECT DISTINCT single FROM person", [(1.5,)]),
        ("SELECT name FROM person WHERE id IN (1, 3) ORDER BY id", [("ann",), ("5",)]),
        ("SELECT name FROM person WHERE id NOT IN (1, 3)", [("bob",)]),
        ("SELECT name FROM person WHERE email NOT IN ('b@x')", [("5",)]),
        ("SELECT name FROM person WHERE age BETWEEN 20 AND 30 ORDER BY id", [("ann",), ("bob",)]),
        ("SELECT name FROM person WHERE age NOT BETWEEN 20 AND 30", [("5",)]),
        ("SELECT name FROM person WHERE name LIKE '_nn'", [("ann",)]),
        ("SELECT name FROM person WHERE name LIKE '%n%' ORDER BY id", [("ann",)]),
        ("SELECT name FROM person WHERE name NOT LIKE 'a%' ORDER BY id", [("bob",), ("5",)]),
        ("SELECT name FROM person WHERE email IS NULL", [("ann",)]),
        ("SELECT name FROM person WHERE email IS NOT NULL ORDER BY id", [("bob",), ("5",)]),
        ("SELECT name FROM person WHERE name IS NULL", []),
        ("SELECT name FROM person WHERE email = 'b@x'", [("bob",)]),
        ("SELECT name FROM person WHERE NOT email = 'b@x'", [("5",)]),
        ("SELECT name FROM person WHERE NOT (email = 'b@x' OR age = 40)", []),
        ("SELECT name FROM person WHERE NOT (flag AND age = 30) ORDER BY id", [("bob",), ("5",)]),
        ("SELECT name FROM person WHERE NOT flag", [("bob",)]),
        ("SELECT name FROM person WHERE (email = 'b@x') = TRUE", [("bob",)]),
        ("SELECT name FROM person WHERE (email = 'b@x') = FALSE", [("5",)]),
        ("SELECT name FROM person WHERE email > 'b' AND email < 'c'", [("bob",)]),
        ("SELECT name FROM person WHERE mood = 'busy'", [("bob",)]),
        ("SELECT name FROM person WHERE mood < 'busy' ORDER BY id", [("ann",), ("5",)]),
        ("SELECT name FROM person WHERE tags = tags AND span = span AND id = 1", [("ann",)]),
        ("SELECT age + 1 AS x FROM person WHERE id = 1", [(31,)]),
        ("SELECT (name), ((age)) FROM person WHERE (id) = (1) ORDER BY age", [("ann", 30)]),
        (
            "SELECT age - 40 AS x, age * 2, age / 7, age % 7 FROM person WHERE id = 1",
            [(-10, 60, 4, 2)],
        ),
        ("SELECT -7 / 2 AS a, -7 % 2 AS b FROM pair WHERE a = 1", [(-3, -1)]),
        ("SELECT -age AS x FROM person WHERE id = 1", [(-30,)]),
        ("SELECT score / 2 AS x FROM person WHERE id = 1", [(0.25,)]),
        ("SELECT age * 1.5 AS x FROM person WHERE id = 1", [(45.0,)]),
        ("SELECT name FROM person WHERE age + 10 = 40", [("ann",)]),
        ("SELECT name FROM person WHERE age * 2 > signed + 70", [("5",)]),
        ("SELECT age > 25 AS old FROM person ORDER BY id", [(True,), (False,), (True,)]),
        ("SELECT email = 'b@x' AS x FROM person ORDER BY id", [(None,), (True,), (False,)]),
        ("SELECT 1 AS one, 'x' AS text FROM pair LIMIT 1", [(1, "x")]),
        ("SELECT COUNT(*) FROM person", [(3,)]),
        ("SELECT COUNT(email), COUNT(DISTINCT flag) FROM person", [(2, 2)]),
        ("SELECT SUM(age), MIN(age), MAX(age), AVG(age) FROM person", [(90, 20, 40, 30.0)]),
        ("SELECT MIN(name), MAX(email), MIN(score) FROM person", [("5", "c@x", 0.5)]),
        ("SELECT SUM(DISTINCT b), AVG(b) FROM pair", [(60, 20.0)]),
        (
            "SELECT SUM(age), COUNT(*), MAX(age), AVG(age) FROM person WHERE id = 99",
            [(None, 0, None, None)],
        ),
        (
            "SELECT flag, COUNT(*) AS n FROM person GROUP BY flag ORDER BY n",
            [(False, 1), (True, 2)],
        ),
        (
            "SELECT flag, SUM(age) FROM person GROUP BY flag ORDER BY flag DESC",
            [(True, 70), (False, 20)],
        ),
        ("SELECT flag FROM person GROUP BY flag HAVING COUNT(*) > 1", [(True,)]),
        (
            "SELECT flag, age FROM person GROUP BY flag, age ORDER BY age",
            [(False, 20), (True, 30), (True, 40)],
        ),
        (
            "SELECT age / 20 AS d, COUNT(*) FROM person GROUP BY age / 20 ORDER BY d",
            [(1, 2), (2, 1)],
        ),
        ("SELECT COUNT(*) + 1 AS n FROM person", [(4,)]),
        ("SELECT flag AS f, COUNT(*) FROM person GROUP BY f ORDER BY f", [(False, 1), (True, 2)]),
        ("SELECT age / 20 AS d, COUNT(*) FROM person GROUP BY 1 ORDER BY 1", [(1, 2), (2, 1)]),
        ("SELECT flag, COUNT(*) AS n FROM person GROUP BY flag HAVING n > 1", [(True, 2)]),
        ("SELECT flag, COUNT(*) AS n FROM person GROUP BY flag HAVING n + 1 < 3", [(False, 1)]),
        (
            "SELECT flag, COUNT(*) AS n FROM person GROUP BY flag ORDER BY n * -1",
            [(True, 2), (False, 1)],
        ),
        (
            "SELECT age > 25 AS old, COUNT(*) FROM person GROUP BY old ORDER BY old",
            [(False, 1), (True, 2)],
        ),
        (
            "SELECT (email IS NULL) AS no, SUM(age) FROM person GROUP BY email IS NULL ORDER BY 1",
            [(False, 60), (True, 30)],
        ),
        ("SELECT name FROM person WHERE age > signed AND score < age ORDER BY id", [("ann",)]),
        ("SELECT name FROM person WHERE id IN (age, signed + 8)", []),
        ("SELECT a.name FROM person a JOIN person b ON a.age = b.id + 28", [("ann",)]),
        ("SELECT q.b, w.user FROM pair q JOIN words w ON q.a = w.date", [(20, 1)]),
        ("SELECT q.b, w.user FROM words w JOIN pair q ON w.date = q.a", [(20, 1)]),
        ("SELECT a.id FROM person a JOIN person b ON a.single = b.score", []),
        # A column that there is comes before an alias.
        ("SELECT MAX(age) AS age FROM person GROUP BY flag HAVING MIN(age) > 20", [(40,)]),
        ("SELECT flag, COUNT(*) FROM person GROUP BY flag HAVING SUM(age) > 50", [(True, 2)]),
        ("SELECT flag FROM person WHERE id = 99 GROUP BY flag", []),
        (
            "SELECT p.name, q.b FROM person p LEFT JOIN pair q ON p.id = q.a ORDER BY name",
            [("5", None), ("ann", 10), ("bob", 20)],
        ),
        (
            "SELECT p.name FROM person p LEFT OUTER JOIN pair q ON p.id = q.a WHERE q.b IS NULL",
            [("5",)],
        ),
        (
            (
                "SELECT q.b, p.name FROM pair q LEFT JOIN person p ON p.id = q.a"
                " WHERE q.b > 15 ORDER BY b"
            ),
            [(20, "bob"), (30, None)],
        ),
        (
            (
                "SELECT q.b, w.name FROM pair q LEFT JOIN person p ON p.id = q.a"
                " LEFT JOIN person w ON w.id = p.id ORDER BY b"
            ),
            [(10, "ann"), (20, "bob"), (30, None)],
        ),
        (
            "SELECT name, b FROM person LEFT JOIN pair ON id = a AND b > 10 ORDER BY id",
            [("ann", None), ("bob", 20), ("5", None)],
        ),
        (
            "SELECT name, b FROM person LEFT JOIN pair ON id = a AND flag ORDER BY id",
            [("ann", 10), ("bob", None), ("5", None)],
        ),
        (
            "SELECT name, b FROM person LEFT JOIN pair ON b > 20 AND id = 1 ORDER BY id",
            [("ann", 30), ("bob", None), ("5", None)],
        ),
        (
            "SELECT name, COUNT(a) FROM person LEFT JOIN pair ON id = a OR b > 20 GROUP BY name",
            [("ann", 2), ("bob", 2), ("5", 1)],
        ),
        ("SELECT name, b FROM person LEFT JOIN pair ON FALSE WHERE id = 1", [("ann", None)]),
        ("SELECT name, b FROM person JOIN pair ON id = a AND b > 10", [("bob", 20)]),
        ("SELECT name, b FROM person JOIN pair ON id < a WHERE b < 30", [("ann", 20)]),
        ("SELECT name, b FROM person JOIN pair ON (id = a) WHERE NOT flag", [("bob", 20)]),
        ("SELECT p.id FROM person p JOIN pair q ON p.id = 3 AND b = 10", [(3,)]),
        (
            "SELECT flag, SUM(b) FROM person JOIN pair ON id = a GROUP BY flag",
            [(True, 10), (False, 20)],
        ),
        (
            "SELECT COUNT(q.b), COUNT(*) FROM person p LEFT JOIN pair q ON p.id = q.a",
            [(2, 3)],
        ),
        (
            (
                "SELECT p.name, COUNT(*) AS n FROM person p JOIN pair q ON p.id = q.a"
                " GROUP BY p.name ORDER BY p.name"
            ),
            [("ann", 1), ("bob", 1)],
        ),
    ],
)
def test_rows(sql: str, rows: list[tuple[object, ...]]) -> None:
    result = DATABASE.sql(sql)
    found = [tuple(row) for row in result]
    if "ORDER BY" not in sql:
        found, rows = sorted(found, key=repr), sorted(rows, key=repr)
    assert found == rows
    with pytest.raises(stdb.SqlError):
        DATABASE.sql(sql, strict=True)


@pytest.mark.parametrize(
    ("sql", "keyword"),
    [
        ("SELECT name FROM person GROUP BY age", "neither in GROUP BY"),
        ("SELECT * FROM person GROUP BY age", "wildcard"),
        ("SELECT flag FROM person GROUP BY 2", "no column 2 to group by"),
        ("SELECT COUNT(*) AS n FROM person GROUP BY n", "aggregates"),
        ("SELECT flag, MAX(age) AS age FROM person GROUP BY flag HAVING age > 20", "neither"),
        ("SELECT name FROM person WHERE COUNT(*) > 1", "aggregates"),
        ("SELECT SUM(name) FROM person", "unexpected type"),
        ("SELECT SUM(SUM(age)) FROM person", "aggregates"),
        ("SELECT UPPER(name) FROM person", "unsupported"),
        ("SELECT name FROM person ORDER BY 3", "no column 3"),
        ("SELECT DISTINCT name FROM person ORDER BY age", "DISTINCT"),
        ("SELECT name FROM person WHERE name + 1 = 2", "unexpected type"),
        ("SELECT name FROM person WHERE email = NULL", "IS NULL"),
        ("SELECT q.* FROM person p LEFT JOIN pair q ON p.id = q.a", "no row"),
        ("SELECT p.name FROM person p LEFT JOIN pair q", "ON"),
        ("SELECT 1 / 0 AS x FROM pair", "division by zero"),
        ("SELECT big * 1000000 AS x FROM person", "overflow"),
        ("SELECT name FROM person LIMIT name", "unsupported"),
        ("SELECT name FROM person WHERE mood = 'sleepy'", "calm, busy"),
        ("SELECT name FROM person WHERE ? = ?", "resolve"),
        ("SELECT * FROM person WHERE id = name", "unexpected type"),
        ("SELECT * FROM person WHERE id = flag", "unexpected type"),
        ("UPDATE person SET name = age", "unexpected type"),
        ("UPDATE person SET age = score", "expected u8"),
    ],
)
def test_refused(sql: str, keyword: str) -> None:
    params = (1, 1) if "?" in sql else ()
    with pytest.raises(stdb.SqlError) as caught:
        DATABASE.sql(sql, *params)
    assert keyword in caught.value.message


def test_alternatives_of_equations_are_looked_up_together() -> None:
    """Whatever the order of the equations, and whether NaN or a missing value is among them."""
    pairs = "(id = 1 AND age = 30) OR (20 = age AND id = 2) OR (id = 3 AND age = 1)"
    assert "(id, age) in 3 rows" in DATABASE.explain(f"SELECT * FROM person WHERE {pairs}")
    for condition, names in (
        (pairs, ["ann", "bob"]),
        (f"NOT ({pairs})", ["5"]),
        (f"({pairs}) = FALSE", ["5"]),
        ("(zero = -0.0 AND id = 1) OR (id = 2 AND zero = 1)", ["ann"]),
        ("(email = 'b@x' AND id = 2) OR (email = 'b@x' AND id = 3)", ["bob"]),
        ("NOT ((email = 'b@x' AND id = 2) OR (email = 'x' AND id = 1))", ["5"]),
        ("(id = 1 AND id = 2) OR (id = 3 AND id = 3)", ["5"]),
        ("(id = 1 AND age = 30) OR (id = 2 AND flag) OR (id = 3 AND age = 40)", ["5", "ann"]),
    ):
        rows = DATABASE.sql(f"SELECT name FROM person WHERE {condition} ORDER BY name")
        assert [row.name for row in rows] == names


def test_columns_say_what_may_be_missing() -> None:
    sql = (
        "SELECT p.name, q.b, AVG(p.age) AS a, COUNT(*) AS n FROM person p"
        " LEFT JOIN pair q ON p.id = q.a GROUP BY p.name, q.b"
    )
    schema = DATABASE.sql(sql).schema
    assert schema == {"name": "str", "b": "u64 | None", "a": "f64", "n": "u64"}
    assert DATABASE.sql("SELECT SUM(age) AS s FROM person").schema == {"s": "u64 | None"}


def test_parameters() -> None:
    sql = DATABASE.sql
    assert sql("SELECT name FROM person WHERE id = ?", 2).scalar() == "bob"
    assert sql("SELECT name FROM person WHERE id = :id AND age > ?", 10, id=2).scalar() == "bob"
    assert len(sql("SELECT * FROM person LIMIT ? OFFSET ?", 2, 2)) == 1
    assert len(sql("SELECT * FROM person WHERE id IN (?, ?)", 1, 1)) == 1
    assert len(sql("SELECT * FROM person WHERE name LIKE ?", "a%")) == 1
    assert len(sql("SELECT * FROM person WHERE name = ?", "x' OR 'a' = 'a")) == 0
    assert len(sql("SELECT * FROM person WHERE score = ?", float("nan"))) == 1
    assert sql("SELECT name FROM person WHERE age BETWEEN :a AND :a", a=30).scalar() == "ann"


@pytest.mark.parametrize(
    ("expression", "given", "value"),
    [
        ("? + 1.5", (2.5,), 4.0),
        ("1.5 + ?", (2.5,), 4.0),
        ("(?) * score", (0.5,), 0.25),
        ("score * ? + ?", (2, 0.25), 1.25),
        ("age + ?", (-100,), -70),  # no age, but a number
        ("age * ?", (1000,), 30_000),
        ("? - ?", (1, 2), -1),
        ("age + 0x10", (), 46),
        ("(? * 1.0) * age", (1.5,), 45.0),
    ],
)
def test_parameters_in_arithmetic_are_numbers_like_those_beside_them(
    expression: str, given: tuple[float, ...], value: float
) -> None:
    (row,) = DATABASE.sql(f"SELECT {expression} AS x FROM person WHERE id = 1", *given)
    assert row.x == value
    assert row.x.__class__ is value.__class__


@pytest.mark.parametrize(
    ("params", "named", "message"),
    [
        ((), {}, "1 positional parameters"),
        ((1, 2), {}, "1 positional parameters"),
        (("x",), {}, "unexpected type"),
        ((-1,), {}, "unexpected type"),
        ((True,), {}, "unexpected type"),
        ((1,), {"x": 1}, "no parameter x"),
    ],
)
def test_wrong_parameters(
    params: tuple[object, ...], named: dict[str, object], message: str
) -> None:
    with pytest.raises(stdb.SqlError, match=message):
        DATABASE.sql("SELECT * FROM person WHERE id = ?", *params, **named)


def test_missing_named_parameter() -> None:
    with pytest.raises(stdb.SqlError, match="no value for parameter :id"):
        DATABASE.sql("SELECT * FROM person WHERE id = :id")


def test_stream_gives_rows_and_keeps_writers_out() -> None:
    database = make_database()
    with database.sql_stream("SELECT name FROM person WHERE age > ?", 20) as rows:
        assert rows.columns == ("name",)
        assert next(rows).name in {"ann", "5"}
        with pytest.raises(stdb.TransactionError):
            database.sql("DELETE FROM person")
        assert len(list(rows)) == 1
    assert database.sql("DELETE FROM person").deleted == 3
    with pytest.raises(stdb.TransactionError):
        next(rows)
    with pytest.raises(stdb.SqlError), database.sql_stream("DELETE FROM pair"):
        pass
    sql = "SELECT a.b AS x, b.b FROM pair a JOIN pair b LIMIT 2 OFFSET 1"
    with database.sql_stream(sql) as rows:
        assert len(list(rows)) == 2
    with database.sql_stream("SELECT b FROM pair ORDER BY b DESC") as rows:
        assert [row.b for row in rows] == [30, 20, 10]
