"""Conditions mean what an obvious evaluator says, whatever the generated code looks like."""

import math
import operator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some
from tests.sql.people import Mood

import stdb

module = stdb.Module("meaning")


@module.table(public=True)
class Thing(stdb.Row):
    id: stdb.u64 = stdb.primary_key()
    small: stdb.i8 = stdb.index()
    real: float = stdb.index()
    maybe: stdb.i32 | None = stdb.column(default=None)
    text: str | None = stdb.index()
    mood: Mood


SMALL = [-3, 0, 1, 2]
REAL = [-1.5, 0.0, 2.0, math.inf, math.nan]
MAYBE = [None, -3, 0, 2]
TEXT = [None, "", "a", "ab", "é"]
ROWS = [
    Thing(
        id=i, small=SMALL[i % 4], real=REAL[i % 5], maybe=MAYBE[(i // 3) % 4],
        text=TEXT[(i // 2) % 5], mood=list(Mood)[i % 2],
    )
    for i in range(40)
]  # fmt: skip
DATABASE = stdb.Database(module)
with DATABASE.transaction() as tx:
    tx.db.thing.insert_many(ROWS)

COLUMNS: dict[str, list[Any]] = {
    "small": [-3, 0, 2],
    "real": [-1.5, 0.0, 2.0],
    "maybe": [-3, 0, 7],
    "text": ["", "a", "b"],
    "mood": [Mood.calm, Mood.busy],
}
OPERATORS = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge,
}  # fmt: skip


def key(value: Any) -> Any:
    """What orders a value as SATS does."""
    if isinstance(value, Mood):
        return value.value
    if isinstance(value, float):
        return (1, 0.0) if math.isnan(value) else (0, value)
    return value


def literal(value: Any) -> str:
    if isinstance(value, Mood):
        return f"'{value.name}'"
    return f"'{value}'" if isinstance(value, str) else str(value)


class Term:
    """A condition: its SQL, and its value for a row (True, False or None for unknown)."""

    def __init__(self, sql: str, value: Any) -> None:
        self.sql = sql
        self.value = value

    def __repr__(self) -> str:
        return self.sql


def comparison(column: str, sign: str, constant: Any, *, flipped: bool) -> Term:
    def value(row: Any) -> bool | None:
        held = getattr(row, column)
        if held is None:
            return None
        left, right = key(held), key(constant)
        return bool(OPERATORS[sign](right, left) if flipped else OPERATORS[sign](left, right))

    shown = f"{column} {sign} {literal(constant)}"
    return Term(f"{literal(constant)} {sign} {column}" if flipped else shown, value)


def in_list(column: str, constants: list[Any], *, negated: bool) -> Term:
    def value(row: Any) -> bool | None:
        held = getattr(row, column)
        if held is None:
            return None
        return (key(held) in [key(each) for each in constants]) != negated

    items = ", ".join(literal(each) for each in constants)
    return Term(f"{column} {'NOT ' if negated else ''}IN ({items})", value)


def same_column(column: str, sign: str) -> Term:
    def value(row: Any) -> bool | None:
        held = key(getattr(row, column))
        return None if held is None else bool(OPERATORS[sign](held, held))

    return Term(f"{column} {sign} {column}", value)


def is_null(column: str, *, negated: bool) -> Term:
    return Term(
        f"{column} IS {'NOT ' if negated else ''}NULL",
        lambda row: (getattr(row, column) is None) != negated,
    )


def negation(term: Term) -> Term:
    def value(row: Any) -> bool | None:
        held = term.value(row)
        return None if held is None else not held

    return Term(f"NOT ({term.sql})", value)


def junction(terms: list[Term], word: str) -> Term:
    decisive = word == "OR"

    def value(row: Any) -> bool | None:
        held = [term.value(row) for term in terms]
        if decisive in held:
            return decisive
        return None if None in held else not decisive

    return Term(f" {word} ".join(f"({term.sql})" for term in terms), value)


def equation(term: Term, constant: bool) -> Term:
    def value(row: Any) -> bool | None:
        held = term.value(row)
        return None if held is None else held == constant

    return Term(f"({term.sql}) = {constant}", value)


names = some.sampled_from(list(COLUMNS))
leaves = names.flatmap(
    lambda column: some.one_of(
        some.builds(
            comparison,
            some.just(column),
            some.sampled_from(list(OPERATORS)),
            some.sampled_from(COLUMNS[column]),
            flipped=some.booleans(),
        ),
        some.builds(
            in_list,
            some.just(column),
            some.lists(some.sampled_from(COLUMNS[column]), min_size=1, max_size=3),
            negated=some.booleans(),
        ),
        some.builds(same_column, some.just(column), some.sampled_from(list(OPERATORS))),
        some.builds(is_null, some.just(column), negated=some.booleans()),
    )
)
conditions = some.recursive(
    leaves,
    lambda inner: some.one_of(
        some.builds(negation, inner),
        some.builds(equation, inner, some.booleans()),
        some.builds(
            junction, some.lists(inner, min_size=2, max_size=3), some.sampled_from(["AND", "OR"])
        ),
    ),
    max_leaves=6,
)


@given(conditions)
@settings(max_examples=120, deadline=None)
def test_where_means_what_the_evaluator_says(condition: Term) -> None:
    expected = [row.id for row in ROWS if condition.value(row) is True]
    found = DATABASE.sql(f"SELECT * FROM thing WHERE {condition.sql}")
    assert sorted(row.id for row in found) == expected


@given(conditions)
@settings(max_examples=120, deadline=None)
def test_a_condition_is_a_value_too(condition: Term) -> None:
    rows = DATABASE.sql(f"SELECT id, {condition.sql} AS x FROM thing ORDER BY id")
    assert [row.x for row in rows] == [condition.value(row) for row in ROWS]


@given(names, some.booleans(), some.integers(0, 50), some.integers(0, 45))
@settings(max_examples=100, deadline=None)
def test_order_is_that_of_the_keys(column: str, down: bool, limit: int, offset: int) -> None:
    def rank(row: Any) -> Any:
        held = getattr(row, column)
        return (held is None, key(held) if held is not None else 0)

    ordered = sorted(ROWS, key=rank, reverse=down)
    sql = f"SELECT id FROM thing ORDER BY {column}{' DESC' if down else ''}"
    assert [row.id for row in DATABASE.sql(sql)] == [row.id for row in ordered]
    cut = DATABASE.sql(f"{sql} LIMIT {limit} OFFSET {offset}")
    assert [row.id for row in cut] == [row.id for row in ordered[offset : offset + limit]]


@given(some.sampled_from(["small", "real", "maybe", "text", "mood"]), conditions)
@settings(max_examples=100, deadline=None)
def test_joins_pair_equal_values(column: str, condition: Term) -> None:
    rows = [row for row in ROWS if condition.value(row) is True]
    pairs = sorted(
        (a.id, b.id)
        for a in rows
        for b in ROWS
        if getattr(a, column) is not None and key(getattr(a, column)) == key(getattr(b, column))
    )
    where = condition.sql
    for name in COLUMNS:
        where = where.replace(name, f"a.{name}")
    sql = f"SELECT a.id AS x, b.id AS y FROM thing a JOIN thing b ON a.{column} = b.{column}"
    assert sorted(tuple(row) for row in DATABASE.sql(f"{sql} WHERE {where}")) == pairs
    partners = {a for a, _ in pairs}
    alone = sorted(row.id for row in rows if row.id not in partners)
    sql = sql.replace("JOIN", "LEFT JOIN") + f" WHERE ({where}) AND b.id IS NULL"
    assert sorted(row.x for row in DATABASE.sql(sql)) == alone
