"""The strict dialect, statement by statement: what it takes and what it refuses, and how."""

from pathlib import Path

import pytest
from tests.sql.people import make_database

import stdb

SCRIPTS = Path(__file__).parent / "scripts"
DATABASE = make_database()


def lines(name: str, separator: str) -> list[tuple[str, str]]:
    """The two parts of each line of a script."""
    text = (SCRIPTS / name).read_text()
    parts = [
        line.rsplit(separator, 1) if separator == "=>" else line.split(separator, 1)
        for line in text.splitlines()
        if line and not line.startswith("#")
    ]
    return [(left.strip(), right.strip()) for left, right in parts]


@pytest.mark.parametrize(("keyword", "sql"), lines("refused_strict.txt", "|"))
def test_refused(keyword: str, sql: str) -> None:
    with pytest.raises(stdb.SqlError) as caught:
        DATABASE.sql(sql, strict=True)
    assert keyword in caught.value.message


@pytest.mark.parametrize(("sql", "count"), lines("accepted_strict.txt", "=>"))
@pytest.mark.parametrize("strict", [True, False])
def test_accepted_with_the_same_meaning(sql: str, count: str, strict: bool) -> None:
    assert len(DATABASE.sql(sql, strict=strict)) == int(count)


@pytest.mark.parametrize(
    ("literal", "strict", "default"),
    [
        ("0x30", "ann", ""),
        ("x'3e1'", "ann", "literal"),
        ("0x1E", "literal", "ann"),
        ("X'14'", "", "bob"),
        ("0x", "literal", "literal"),
    ],
)
def test_hex_beside_an_integer(literal: str, strict: str, default: str) -> None:
    """Its digits are decimal ones in SpacetimeDB, where 0x30 is thirty."""
    sql = f"SELECT name FROM person WHERE signed < 100 AND age = {literal}"
    for expected, options in ((strict, {"strict": True}), (default, {})):
        if expected == "literal":
            with pytest.raises(stdb.SqlError, match="literal"):
                DATABASE.sql(sql, **options)
        else:
            assert DATABASE.sql(sql, **options) == ([(expected,)] if expected else [])


def test_long_statement_is_refused() -> None:
    sql = "SELECT * FROM person WHERE name = '" + "x" * 50_000 + "'"
    with pytest.raises(stdb.SqlError, match="length"):
        DATABASE.sql(sql, strict=True)
    assert len(DATABASE.sql(sql)) == 0


@pytest.mark.parametrize("word", ["OR", "AND"])
def test_chains_are_limited(word: str) -> None:
    def chain(count: int, term: str = "id = 1") -> str:
        return "SELECT * FROM person WHERE " + f" {word} ".join([term] * count)

    DATABASE.sql(chain(1600), strict=True)
    with pytest.raises(stdb.SqlError, match="recursion"):
        DATABASE.sql(chain(1601), strict=True)
    with pytest.raises(stdb.SqlError, match="recursion"):
        DATABASE.sql(chain(1601, "flag"), strict=True)
    DATABASE.sql(chain(1601))


def test_a_chain_inside_a_chain_is_deeper() -> None:
    """The first term of a chain is the deepest one, the last the least deep."""
    long, short = " OR ".join(["flag"] * 1600), "(flag AND flag)"
    with pytest.raises(stdb.SqlError, match="recursion"):
        DATABASE.sql(f"SELECT * FROM person WHERE {short} OR {long[8:]}", strict=True)
    DATABASE.sql(f"SELECT * FROM person WHERE {long[8:]} OR {short}", strict=True)


def test_parentheses_are_limited() -> None:
    DATABASE.sql("SELECT * FROM person WHERE " + "(" * 47 + "flag" + ")" * 47, strict=True)
    with pytest.raises(stdb.SqlError, match="recursion"):
        DATABASE.sql("SELECT * FROM person WHERE " + "(" * 48 + "flag" + ")" * 48)


def test_many_tables_can_be_joined() -> None:
    joins = "".join(f" JOIN person p{i} ON p{i}.id = p{i - 1}.id" for i in range(1, 200))
    assert len(DATABASE.sql(f"SELECT p0.* FROM person p0{joins}", strict=True)) == 3
    crossed = "".join(f" JOIN pair p{i} ON p{i}.b = p{i - 1}.b" for i in range(1, 150))
    assert DATABASE.sql(f"SELECT COUNT(*) AS n FROM pair p0{crossed}").scalar() == 3
    assert len(DATABASE.sql(f"SELECT p149.b FROM pair p0{crossed} LIMIT 2")) == 2
    with DATABASE.sql_stream(f"SELECT p149.b FROM pair p0{crossed} WHERE p140.b > 10") as rows:
        assert sorted(row.b for row in rows) == [20, 30]


def test_nan_is_last_and_equal_to_itself() -> None:
    rows = DATABASE.sql("SELECT a.name FROM person a JOIN person b ON a.score = b.score")
    assert sorted(rows) == [("5",), ("ann",), ("bob",)]
    rows = DATABASE.sql("SELECT name FROM person WHERE score >= 1e300", strict=True)
    assert sorted(rows) == [("5",), ("bob",)]


@pytest.mark.parametrize(
    ("sql", "keyword"),
    [
        ("SELECT * FROM nobody WHERE x IN (1)", "unsupported"),
        ("SELECT x FROM nobody JOIN none ON nobody.a = none.a", "qualified"),
        ("SELECT a.* FROM person a JOIN nobody b ON a.x = b.x WHERE a.y = 1", "no such table"),
        ("SELECT a.* FROM person a JOIN pair b ON a.x = b.a WHERE a.y = 1", "no column 'x'"),
        ("SELECT a.z FROM person a JOIN pair b ON a.id = b.a WHERE a.y = 1", "no column 'y'"),
        ("SELECT z FROM person LIMIT 1.5", "no column 'z'"),
        ("INSERT INTO nobody (a) VALUES (a)", "unsupported"),
        ("UPDATE person SET x = 1 WHERE y = 2", "no field 'x'"),
    ],
)
def test_checks_come_in_this_order(sql: str, keyword: str) -> None:
    with pytest.raises(stdb.SqlError) as caught:
        DATABASE.sql(sql, strict=True)
    assert keyword in caught.value.message
