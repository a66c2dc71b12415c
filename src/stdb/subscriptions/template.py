"""Templates: the code of all queries that differ in their constants only.

Ten thousand clients that each follow one account by its number share one template, so that only
the first of them waits for code to be generated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..sql import typed as t
from ..sql.generate_expression import ExpressionWriter
from ..sql.plan import equality
from ..sql.run import PreparedQuery
from ..types import shapes as sh
from ..types.compose import Composer
from ..types.keys import key_function
from .join import write_join

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..codegen import Code
    from ..storage.table import Table
    from .auxiliary import FindAuxiliary


class Point(msgspec.Struct, frozen=True):
    """A condition ``column = value`` by which changed rows are routed to a query."""

    position: int
    value: t.Expr
    key_of: Any

    def key(self, constants: Sequence[Any], sender: Any) -> Any:
        """Return the key that the column must have."""
        match self.value:
            case t.Param(name=name):
                value = constants[int(name)]
            case t.Sender(shape=sh.Blob()):
                value = sender.to_bytes()
            case _:
                value = sender
        return self.key_of(value)


class FragmentCode(msgspec.Struct, frozen=True):
    """The code of one fragment.

    Attributes
    ----------
    tables : tuple of Table
        What it reads: one table, or the two of a join.
    points : tuple of Point or None
        For each of them, how its changed rows are found.
    make : callable or None
        ``make(constants, sender)`` gives the test of a row (None: there is nothing to test but
        the point), or the delta of a join.
    """

    tables: tuple[Table, ...]
    points: tuple[Point | None, ...]
    make: Callable[..., Any] | None
    auxiliaries: tuple[Any, ...] = ()


class Template:
    """The compiled form of a query, without its constants."""

    def __init__(self, query: t.Query, sql: str, find_auxiliary: FindAuxiliary) -> None:
        self.query = query
        query.as_stored = True  # the keys of rows are those in the table
        self.prepared = PreparedQuery(sql, query)
        returned = query.whole or 0
        self.table: Table = query.fragments[0].sources[returned].table
        self.codes: list[Code] = []
        self.fragments = [self._compile(fragment, find_auxiliary) for fragment in query.fragments]
        only = query.fragments[0]
        self.is_whole_table = (
            len(query.fragments) == 1 and len(only.sources) == 1 and not only.conjuncts
        )
        #: Whether each row of the table is at most once in the result.
        self.is_simple = len(query.fragments) == 1 and len(only.sources) == 1
        point = self.fragments[0].points[0] if self.is_simple else None
        #: Whether it gives no more than the row under one main key: that of its point.
        self.is_one_row = point is not None and point.position == main_column(self.table)

    def _compile(self, fragment: t.Fragment, find_auxiliary: FindAuxiliary) -> FragmentCode:
        tables = tuple(source.table for source in fragment.sources)
        found = [_find_point(fragment, source) for source in range(len(tables))]
        points = tuple(None if each is None else each[1] for each in found)
        c = Composer()
        writer = ExpressionWriter(c, self.query.params)
        if len(tables) == 1:
            routed = None if found[0] is None else found[0][0]
            conditions = [each for each in fragment.conjuncts if each is not routed]
            if not conditions:
                return FragmentCode(tables, points, None)
            body = ["def test(r0):", f"    return {writer.tests(conditions)}", "return test"]
            auxiliaries: tuple[Any, ...] = ()
        else:
            returned = self.query.whole or 0
            body, auxiliaries = write_join(writer, fragment, returned, find_auxiliary)
        lines = ["def make(params, sender):"]
        if self.query.params:
            lines.append(f"    {', '.join(writer.params.values())}, = params")
        c.add([*lines, *("    " + line for line in body)])
        code = c.code(f"subscription {self.table.name}")
        self.codes.append(code)
        make = code.run(c.names)["make"]
        return FragmentCode(tables, points, make, auxiliaries)

    def rows(self, constants: tuple[Any, ...], sender: Any) -> list[Any]:
        """Return the present result, in an open transaction or under the lock."""
        return self.prepared.rows(constants, {}, sender)


def _find_point(fragment: t.Fragment, source: int) -> tuple[t.Expr, Point] | None:
    """Return the best condition to route the changed rows of a source by, with its point."""
    table = fragment.sources[source].table
    best: tuple[int, t.Expr, Point] | None = None
    for conjunct in fragment.conjuncts:
        found = equality(conjunct, source, set())
        if found is None or found[0].nullable or not isinstance(found[1], t.Param | t.Sender):
            continue
        column, value = found
        rank = _selectiveness(table, column.position)
        if best is None or rank < best[0]:
            point = Point(column.position, value, key_function(column.shape))
            best = (rank, conjunct, point)
    return None if best is None else best[1:]


def main_column(table: Table) -> int | None:
    """Return the position of the column whose keys are the main keys; None where no one is."""
    main = table.code.plan.main
    columns = () if main is None else table.definition.indexes[main].columns
    return columns[0] if len(columns) == 1 else None


def _selectiveness(table: Table, position: int) -> int:
    """Rank a column: the fewer rows have one value of it, the lower."""
    main = table.code.plan.main
    for number, index in enumerate(table.indexes):
        if index.definition.columns == (position,):
            return 0 if number == main else 1 if index.unique else 2
    return 3


# -- constants ------------------------------------------------------------------------------------


def lift(query: t.Query) -> tuple[t.Query, tuple[Any, ...]]:
    """Return the query with parameters in the place of constants, and those constants."""
    constants: list[t.Const] = []
    fragments = [
        t.Fragment(fragment.sources, [_lifted(each, constants) for each in fragment.conjuncts])
        for fragment in query.fragments
    ]
    params: dict[str | int, sh.Shape] = {i: each.shape for i, each in enumerate(constants)}
    lifted = msgspec.structs.replace(query, fragments=fragments, params=params)
    return lifted, tuple(each.value for each in constants)


def _lifted(expr: t.Expr, constants: list[t.Const]) -> t.Expr:
    match expr:
        case t.Const():
            constants.append(expr)
            return t.Param(expr.shape, expr.nullable, len(constants) - 1)
        case t.Compare(left=left, right=right):
            return msgspec.structs.replace(
                expr, left=_lifted(left, constants), right=_lifted(right, constants)
            )
        case t.Logic(terms=terms):
            return msgspec.structs.replace(expr, terms=[_lifted(term, constants) for term in terms])
    return expr


def signature(query: t.Query) -> tuple[Any, ...]:
    """Return what tells a lifted query from those that need other code."""
    return (
        query.whole,
        *(
            (
                tuple(source.table for source in fragment.sources),
                tuple(_signature(each) for each in fragment.conjuncts),
            )
            for fragment in query.fragments
        ),
    )


def _signature(expr: t.Expr) -> Any:
    match expr:
        case t.Column(source=source, position=position):
            return (source, position)
        case t.Param(name=name, shape=shape):
            return ("?", name, str(shape))
        case t.Sender(shape=shape):
            return (":sender", str(shape))
        case t.Compare(operator=operator, left=left, right=right):
            return (operator, _signature(left), _signature(right))
        case t.Logic(word=word, terms=terms):
            return (word, *(_signature(term) for term in terms))
    return expr  # any other is like no other


__all__ = ["FragmentCode", "Point", "Template", "lift", "signature"]
