"""Answers queries over plain rows, one after the other: nothing of the library is in here.

Tables are ``{row: row}`` by `key_of`, views are computed whenever they are asked for, and
row-level security is what its definition says: the rows that each rule lets through, together.
"""

from __future__ import annotations

import itertools
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from tests.helpers.random_queries import Query, Ref, Term
from tests.helpers.random_schema import OWNER, SENDER

from stdb import Identity

if TYPE_CHECKING:
    from tests.helpers.random_module import Schema
    from tests.helpers.random_views import View

Values = tuple[Any, ...]
Tables = dict[str, dict[Values, Values]]

_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def meets(left: Any, sign: str, right: Any) -> Any:
    """Compare two things with Python's operator for one of SQL."""
    return _COMPARE[sign](left, right)


def order_of(value: Any) -> Any:
    """Return what orders values as SQL does: NaN is the greatest number, text goes by its bytes."""
    match value:
        case float():
            return (True, 0.0) if value != value else (False, value)
        case str():
            return value.encode()
        case Identity():
            return value.hex()
    return value


def key_of(row: Iterable[Any]) -> Values:
    """Return what is equal for equal rows, NaN or not."""
    return tuple(map(order_of, row))


def holds(wanted: Iterable[Term], row: Iterable[Any], sender: Identity | None) -> bool:
    """Whether a row fulfils all terms, which are about one table."""
    rows = (tuple(row),)
    return all(_holds(term, rows, sender) for term in wanted)


def _holds(term: Term, rows: Sequence[Values], sender: Identity | None) -> bool:
    left, right = rows[term.left.source][term.left.column], term.right
    if isinstance(right, Ref):
        right = rows[right.source][right.column]
    elif right is SENDER:
        right = sender
    return bool(meets(order_of(left), term.operator, order_of(right)))


class Oracle:
    """What queries give, over the rows in `tables`."""

    def __init__(self, schema: Schema, tables: Tables) -> None:
        self.schema = schema
        self.tables = tables

    def result(self, query: Query, caller: Identity, spared: str = "") -> list[Values]:
        """Return the rows of a query, as often as they are in it; `spared` is without rules."""
        sources = [self._visible(source.name, caller, spared) for source in query.sources]
        return [
            rows[query.returned]
            for rows in itertools.product(*sources)
            if self._joins(query, rows) and self._selects(query, rows, caller)
        ]

    def counted(self, query: Query, caller: Identity) -> Counter[Values]:
        """Return the same, counted by `key_of`."""
        return Counter(map(key_of, self.result(query, caller)))

    @staticmethod
    def _joins(query: Query, rows: Sequence[Values]) -> bool:
        if query.on is None:
            return True
        left, right = query.on
        return bool(order_of(rows[0][left]) == order_of(rows[1][right]))

    @staticmethod
    def _selects(query: Query, rows: Sequence[Values], caller: Identity) -> bool:
        if not query.clauses:
            return True
        outer, inner = (all, any) if query.word == "AND" else (any, all)
        return outer(
            inner(_holds(term, rows, caller) for term in clause) for clause in query.clauses
        )

    def _visible(self, name: str, caller: Identity, spared: str) -> list[Values]:
        """Return the rows of a table or view that somebody sees, once for each rule that lets."""
        view = self.schema.view(name)
        if view is not None:
            return self._view(view, caller)
        rules = self.schema.rules_of(name)
        if caller == OWNER or name == spared or not rules:
            return list(self.tables[name].values())
        return [row for rule in rules for row in self.result(rule, caller, spared=name)]

    def _view(self, view: View, caller: Identity) -> list[Values]:
        """Return the rows of a view: no rule holds in there."""
        wanted = list(view.terms)
        rows: Iterable[Values] = self.tables[view.table.name].values()
        base = None if view.base is None else self.schema.view(view.base)
        if base is not None:
            rows = self._view(base, caller)
        if view.choice is not None:
            other, unique, value, column = view.choice
            value = caller if value is SENDER else value
            for row in self.tables[other.name].values():
                if order_of(row[unique]) == order_of(value):
                    wanted[-1] = Term(wanted[-1].left, "=", row[column])
        return list(self._semijoin(view, (row for row in rows if holds(wanted, row, caller))))

    def _semijoin(self, view: View, rows: Iterator[Values]) -> Iterator[Values]:
        if view.other is None:
            return rows
        mine, theirs = view.on
        others = {order_of(row[theirs]) for row in self.tables[view.other.name].values()}
        return (row for row in rows if order_of(row[mine]) in others)


__all__ = ["Oracle", "Tables", "Values", "holds", "key_of", "meets", "order_of"]
