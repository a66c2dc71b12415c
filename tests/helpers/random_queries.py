"""Queries as data: what tells them apart from their SQL, so that a test can answer them itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st
from tests.helpers.random_schema import KINDS, SENDER, Sender, Table

from stdb import Identity, Timestamp

OPERATORS: Final = ("=", "=", "<>", "<", "<=", ">", ">=")
ALIASES: Final = ("x", "y")


@dataclass(frozen=True)
class Ref:
    """A column of a source, both by number."""

    source: int
    column: int


@dataclass(frozen=True)
class Term:
    """A comparison of a column with a value, another column or ``:sender``."""

    left: Ref
    operator: str
    right: Any


@dataclass(frozen=True)
class Query:
    """``SELECT x.* FROM …``: one table or view, or the join of two.

    `clauses` are joined with the word `word`, the terms in each with the other one.
    """

    sources: tuple[Table, ...]
    on: tuple[int, int] | None = None
    returned: int = 0
    clauses: tuple[tuple[Term, ...], ...] = ()
    word: str = "AND"

    @property
    def table(self) -> Table:
        """The table, or view, whose rows it returns."""
        return self.sources[self.returned]

    @property
    def sql(self) -> str:
        """The text of it."""
        if self.on is None:
            text = f"SELECT * FROM {self.table.name}"
        else:
            left, right = self.sources
            text = (
                f"SELECT {ALIASES[self.returned]}.* FROM {left.name} x JOIN {right.name} y "
                f"ON {self._column(Ref(0, self.on[0]))} = {self._column(Ref(1, self.on[1]))}"
            )
        inner = " OR " if self.word == "AND" else " AND "
        clauses = [inner.join(map(self._term, clause)) for clause in self.clauses]
        if len(clauses) > 1:
            clauses = [f"({clause})" for clause in clauses]
        return f"{text} WHERE {f' {self.word} '.join(clauses)}" if clauses else text

    def _column(self, ref: Ref) -> str:
        name = self.sources[ref.source].columns[ref.column].name
        return name if self.on is None else f"{ALIASES[ref.source]}.{name}"

    def _term(self, term: Term) -> str:
        right = self._column(term.right) if isinstance(term.right, Ref) else literal(term.right)
        return f"{self._column(term.left)} {term.operator} {right}"

    def __str__(self) -> str:
        return self.sql


def literal(value: Any) -> str:
    """Return a value as SQL."""
    match value:
        case Sender():
            return ":sender"
        case bool():
            return str(value).lower()
        case str():
            return "'" + value.replace("'", "''") + "'"
        case Identity():
            return f"0x{value.hex()}"
        case Timestamp():
            return f"'{value}'"
    return repr(value)


@st.composite
def terms(
    draw: st.DrawFn,
    sources: tuple[Table, ...],
    operators: tuple[str, ...] = OPERATORS,
    *,
    with_sender: bool = True,
) -> Term:
    """Draw a comparison of a column; with another one now and then where there are two tables."""
    left = draw(
        st.sampled_from(
            [
                Ref(number, position)
                for number, source in enumerate(sources)
                for position, column in enumerate(source.columns)
                if column.is_comparable
                for _ in range(3 if column.kind == "identity" else 1)
            ]
        )
    )
    operator = draw(st.sampled_from(operators))
    kind = sources[left.source].columns[left.column].kind
    right: list[Any] = [value for value in KINDS[kind][1] if value == value]
    if kind == "identity" and with_sender:
        right += [SENDER] * len(right)
    if len(sources) > 1:
        right += [
            Ref(1 - left.source, position)
            for position, column in enumerate(sources[1 - left.source].columns)
            if column.kind == kind
        ]
    return Term(left, operator, draw(st.sampled_from(right)))


@st.composite
def queries(draw: st.DrawFn, known: list[Table], first: Table | None = None) -> Query:
    """Draw a query over tables and views; one that returns rows of `first` if that is given."""
    table = first or draw(st.sampled_from(known))
    loose = [
        ((table, other), on)
        for other in known
        if not other.is_event  # these are gone before anything joins them
        for on in links(table, other)
    ]
    joins = [
        (sources, on)
        for sources, on in loose
        if all(source.is_indexed(p) for source, p in zip(sources, on, strict=True))
    ]
    what = draw(st.integers(0, 9))
    sources: tuple[Table, ...] = (table,)
    on, returned = None, 0
    if what >= 5 and (joins or loose):
        sources, on = draw(st.sampled_from(loose if what == 9 or not joins else joins))
        if draw(st.booleans()):
            sources, on, returned = sources[::-1], on[::-1], 1
    key = table.unique_column
    if what == 0 and key is not None:  # that of a client that follows one row
        value = draw(st.sampled_from(table.columns[key].values))
        return Query(sources, clauses=((Term(Ref(0, key), "=", value),),))
    shape = draw(st.lists(st.integers(1, 2), max_size=2))
    clauses = tuple(tuple(draw(terms(sources)) for _ in range(size)) for size in shape)
    return Query(sources, on, returned, clauses, draw(st.sampled_from(["AND", "AND", "OR"])))


def links(one: Table, other: Table) -> list[tuple[int, int]]:
    """Return the pairs of columns by which two tables can be joined."""
    return [
        (mine, theirs)
        for mine, left in enumerate(one.columns)
        for theirs, right in enumerate(other.columns)
        if left.kind == right.kind and left.is_comparable
    ]


__all__ = ["Query", "Ref", "Term", "links", "literal", "queries", "terms"]
