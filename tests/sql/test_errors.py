"""Errors say where, what was found, what was expected; and nothing breaks the parser."""

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.sql.people import make_database

import stdb
from stdb.sql.like import like_matcher

DATABASE = make_database()


@pytest.mark.parametrize(
    ("sql", "marked", "words"),
    [
        ("SELECT * FROM persn", "persn", "did you mean person?"),
        ("SELECT * FROM person WHERE nmae = 1", "nmae", "did you mean name?"),
        ("SELECT * FROM person WHERE age = 300", "300", "U8"),
        ("SELECT * FROM person WHERE name = 'a' FOO", "FOO", "expected"),
        ("SELECT * FROM person WHERE", "", "the end"),
        ("SELECT * FROM person WHERE age ! 3", "!", "parser"),
        ("SELECT *\nFROM person\nWHERE x = 1", "x", "line 3"),
        ("SELECT p.name FROM person", "p.name", "scope"),
        ("INSERT INTO pair (a, b) VALUES (1, 'x')", "'x'", "unexpected type"),
        ("INSERT INTO pair (b) VALUES (1)", "pair", "lacks the fields a"),
        ('SELECT * FROM person WHERE name = "ann"', '"ann"', "single quotes"),
        ("SELECT a.id FROM person a JOIN pair b ON id = nope", "nope", "none of these tables"),
        ("SELECT flag FROM person a JOIN person b ON a.id = b.id", "flag", "a.flag or b.flag"),
        ("UPDATE person SET flag = TRUE, age = age + 250", "age = age", "it holds 0 to 255"),
        ("SELECT id, age / (id - id) AS x FROM person", "/", "division by zero"),
        ("SELECT id FROM person WHERE age % 0 = 1", "%", "division by zero"),
        ("SELECT id * 9223372036854775807 AS x FROM person", "*", "overflow"),
        ("SELECT name FORM person", "person", "did you mean FROM?"),
        ("SELECT name FROM person WHER age = 1", "age", "did you mean WHERE?"),
        ("SELECT * FROM pair WHERE a IN (SELECT id FROM person)", "SELECT id", "unsupported"),
        ("BEGIN", "BEGIN", "with db.transaction() as tx:"),
        ("CREATE TABLE x (a int)", "CREATE", "declared in the module"),
        ("SHOW TABLES", "SHOW", "SELECT * FROM st_table"),
        ("SELEC name FROM person", "SELEC", "did you mean SELECT?"),
    ],
)
def test_error_points_at_the_place(sql: str, marked: str, words: str) -> None:
    with pytest.raises(stdb.SqlError) as caught:
        DATABASE.sql(sql)
    error = caught.value
    assert error.sql == sql
    assert sql[error.position or 0 :].startswith(marked)
    assert words in str(error)
    *_, line, caret = str(error).splitlines()
    assert line[caret.index("^") :].startswith(marked.split("\n", maxsplit=1)[0])


@pytest.mark.parametrize(
    ("sql", "given", "place", "words"),
    [
        ("SELECT * FROM person WHERE name = '?' AND age = ?", (300,), 48, "number 1 is 300"),
        ("SELECT * FROM person WHERE id = ? AND age = ?", (1, "x"), 44, "number 2 is 'x'"),
        ("SELECT * FROM person WHERE email = ?", (None,), 35, "IS NULL"),
        ("SELECT * FROM person WHERE id IN (?)", ([1, 2],), 34, "one ? for each"),
        ("UPDATE person SET age = ?", (-1,), 24, "expected u8"),
    ],
)
def test_a_wrong_parameter_is_pointed_at(
    sql: str, given: tuple[object, ...], place: int, words: str
) -> None:
    with pytest.raises(stdb.SqlError, match="unexpected type") as caught:
        DATABASE.sql(sql, *given)
    assert caught.value.position == place
    assert words in caught.value.message


def test_a_wrong_named_parameter_is_pointed_at() -> None:
    with pytest.raises(stdb.SqlError, match=":age is") as caught:
        DATABASE.sql("SELECT * FROM person WHERE id = :id AND age = :age", id=1, age="x")
    assert caught.value.position == 46


def test_errors_of_running_have_the_text_in_a_stream_too() -> None:
    sql = "SELECT age / (id - id) AS x FROM person"
    with DATABASE.sql_stream(sql) as rows, pytest.raises(stdb.SqlError) as caught:
        next(rows)
    assert (caught.value.sql, caught.value.position) == (sql, 11)


def test_nearest_names_are_attributes() -> None:
    with pytest.raises(stdb.SqlError) as caught:
        DATABASE.sql("SELECT * FROM persons")
    assert caught.value.nearest == ("person",)
    assert "no such table" in caught.value.message
    assert "\n" not in caught.value.message


def test_long_lines_are_cut() -> None:
    sql = "SELECT * FROM person WHERE " + "age = 1 OR " * 200 + "nope = 1"
    with pytest.raises(stdb.SqlError) as caught:
        DATABASE.sql(sql)
    assert len(str(caught.value)) < 400


def refused_or_run(sql: str) -> None:
    try:
        DATABASE.sql(sql)
    except stdb.Error:
        return


@given(some.text(max_size=200))
def test_any_text_fails_cleanly(text: str) -> None:
    refused_or_run(text)
    refused_or_run(f"SELECT {text} FROM person")
    refused_or_run(f"SELECT * FROM person WHERE {text}")


@given(some.binary(max_size=200))
def test_any_bytes_fail_cleanly(data: bytes) -> None:
    refused_or_run(data.decode("latin-1"))


WORDS = """
    SELECT FROM WHERE AND OR NOT IN IS NULL LIKE BETWEEN ( ) , . * + - / % = < > <> <= '' 'a' 1 2.5
    0xff TRUE person pair name age id flag p a b AS JOIN LEFT ON GROUP BY HAVING ORDER LIMIT OFFSET
    COUNT SUM AVG DISTINCT ASC DESC :sender ? ; -- /* CASE CAST UNION
""".split()  # noqa: SIM905 - a soup, not a list


@pytest.mark.parametrize("seed", range(8))
def test_token_soups_fail_cleanly(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(150):
        soup = " ".join(rng.choices(WORDS, k=rng.randrange(1, 25)))
        refused_or_run(soup)
        refused_or_run(f"SELECT * FROM person WHERE {soup}")
        refused_or_run(f"SELECT {soup} FROM person p JOIN pair a ON p.id = a.a")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM person WHERE " + "(" * 100_000,
        "SELECT * FROM person WHERE " + "NOT " * 100_000 + "flag",
        "SELECT * FROM person WHERE " + "- " * 100_000 + "1 = age",
        "SELECT * FROM person WHERE " + "flag = " * 100_000 + "flag",
        "SELECT " + "age + " * 100_000 + "1 AS x FROM person",
        "/*" * 100_000,
        "SELECT * FROM person WHERE age = 1" + "0" * 100_000,
        "SELECT * FROM person WHERE age = 1e" + "9" * 10_000,
        "SELECT " + "count(" * 40 + "id" + ")" * 40 + " FROM person",
    ],
)
def test_deep_and_huge_statements_fail_cleanly(sql: str) -> None:
    with pytest.raises(stdb.SqlError):
        DATABASE.sql(sql)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: "SELECT " + ", ".join(f"id AS x{i}" for i in range(n)) + " FROM person",
        lambda n: "SELECT " + ", ".join(f"SUM(id + {i})" for i in range(n)) + " FROM person",
        lambda n: (
            "SELECT COUNT(*) FROM person GROUP BY " + ", ".join(f"id + {i}" for i in range(n))
        ),
        lambda n: "SELECT id FROM person WHERE id IN (" + ", ".join(map(str, range(n))) + ")",
        lambda n: f"SELECT id{'.id' * n} FROM person",
    ],
)
def test_long_lists_take_time_in_proportion(make: Callable[[int], str]) -> None:
    def seconds(count: int) -> float:
        started = time.process_time()
        refused_or_run(make(count))
        return time.process_time() - started

    refused_or_run(make(1))
    assert seconds(8000) < 40 * max(seconds(800), 0.005)


def test_a_megabyte_of_ors_is_linear() -> None:
    def seconds(count: int, term: str) -> float:
        sql = "SELECT * FROM person WHERE " + " OR ".join(term.format(i) for i in range(count))
        started = time.process_time()
        assert len(DATABASE.sql(sql)) >= 1
        return time.process_time() - started

    small = seconds(7_000, "id = {0}")
    assert seconds(70_000, "id = {0}") < 30 * small + 1
    small = seconds(3_500, "(id = {0} AND age = 30)")
    assert seconds(35_000, "(id = {0} AND age = 30)") < 30 * small + 1
    small = seconds(500, "(id >= {0} AND age < 99)")
    assert seconds(5_000, "(id >= {0} AND age < 99)") < 30 * small + 1


@given(some.text("ab%_", max_size=8), some.text("ab", max_size=12))
def test_like_agrees_with_the_obvious(pattern: str, text: str) -> None:
    def matches(p: str, t: str) -> bool:
        if not p:
            return not t
        if p[0] == "%":
            return any(matches(p[1:], t[i:]) for i in range(len(t) + 1))
        return bool(t) and p[0] in {"_", t[0]} and matches(p[1:], t[1:])

    assert like_matcher(pattern)(text) == matches(pattern, text)


def test_like_takes_no_exponential_time() -> None:
    started = time.process_time()
    assert not like_matcher("%a" * 30 + "b")("a" * 5000)
    assert time.process_time() - started < 1
