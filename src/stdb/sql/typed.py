"""The checked query: every name resolved, every literal a value, every expression of a type.

An expression's `shape` is the type of its value when there is one; `nullable` says that there may
be none: an option, a column of a LEFT JOIN, a sum of nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..types import shapes as sh

if TYPE_CHECKING:
    from ..errors import SqlError
    from ..storage.table import Table
    from .result import ResultColumn


class Expr(msgspec.Struct, eq=False, gc=False):
    """An expression. Trees have no cycles to collect."""

    shape: sh.Shape
    nullable: bool


class Column(Expr, eq=False):
    """A column of the source at `source`; `whole` is its shape with the option, if it is one."""

    source: int
    field: sh.Field
    position: int
    whole: sh.Shape


class Const(Expr, eq=False):
    """A value."""

    value: Any


class Param(Expr, eq=False):
    """A bound parameter."""

    name: str | int


class Sender(Expr, eq=False):
    """``:sender``, as an identity or as bytes."""


class Compare(Expr, eq=False):
    """A comparison of two expressions of one type; `is_on` if it is what ON says."""

    operator: str
    left: Expr
    right: Expr
    is_on: bool = False


class Logic(Expr, eq=False):
    """``and`` or ``or`` of `terms`."""

    word: str
    terms: list[Expr]


class In(Expr, eq=False):
    """Whether `operand` equals one of `items`."""

    operand: Expr
    items: list[Expr]
    negated: bool


class InRows(Expr, eq=False):
    """Whether the values of `columns`, none of which may be missing, are one of `rows`."""

    columns: list[Column]
    rows: list[tuple[Any, ...]]
    negated: bool


class IsNull(Expr, eq=False):
    """Whether there is no value."""

    operand: Expr
    negated: bool


class Like(Expr, eq=False):
    """Whether a text matches a pattern."""

    operand: Expr
    pattern: Expr
    negated: bool


class Arithmetic(Expr, eq=False):
    """A sum, difference, product, quotient or remainder; `place` is where it is written."""

    operator: str
    left: Expr
    right: Expr
    place: int


class GroupKey(Expr, eq=False):
    """The value of a GROUP BY expression."""

    index: int


class Aggregate(Expr, eq=False):
    """The value of an aggregate of a group."""

    index: int


class Source(msgspec.Struct, eq=False):
    """A table in FROM; `on` is what a LEFT JOIN matches by, None for an inner one."""

    alias: str
    table: Table
    position: int
    on: list[Expr] | None = None


class AggregateCall(msgspec.Struct, eq=False):
    """An aggregate: ``count``, ``sum``, ``min``, ``max`` or ``avg`` of `argument` (None: rows)."""

    function: str
    argument: Expr | None
    distinct: bool


class Fragment(msgspec.Struct, eq=False):
    """A join: all of `conjuncts` hold. A query is the rows of all of its fragments.

    `leftmost` is the source that is written first, which row-level security may move.
    """

    sources: list[Source]
    conjuncts: list[Expr]
    leftmost: int = 0


class Order(msgspec.Struct, eq=False):
    """A key of ORDER BY: an expression, or the position of an output column."""

    expr: Expr
    descending: bool


class Query(msgspec.Struct, eq=False):
    """A checked SELECT.

    Attributes
    ----------
    fragments : list of Fragment
        One, unless row-level security makes more of it.
    whole : int or None
        The source whose rows are the result; then there are no `outputs`.
    outputs : list of Expr
        The columns of the result.
    grouped : bool
        Whether `outputs` are over groups: of `keys` and `aggregates`.
    limit, offset : Expr or None
        Constants or parameters.
    as_stored : bool
        Whether whole rows of a view come as its table has them, with what is hidden.
    limit_each : bool
        Whether the limit counts in each fragment alone.
    params : dict
        Name or number of a parameter -> its shape.
    unplannable : SqlError or None
        What SpacetimeDB finds only when it plans the query, after every other check.
    """

    fragments: list[Fragment]
    columns: tuple[ResultColumn, ...]
    whole: int | None = None
    outputs: list[Expr] = []
    distinct: bool = False
    grouped: bool = False
    keys: list[Expr] = []
    aggregates: list[AggregateCall] = []
    having: Expr | None = None
    order: list[Order] = []
    limit: Expr | None = None
    offset: Expr | None = None
    limit_each: bool = False
    params: dict[str | int, sh.Shape] = {}
    uses_sender: bool = False
    as_stored: bool = False
    unplannable: SqlError | None = None


def base(shape: sh.Shape) -> tuple[sh.Shape, bool]:
    """Return the type of the value inside an option and True, or the type itself and False."""
    if isinstance(shape, sh.Option) and not shape.wraps:
        return shape.some, True
    return shape, False


def conjuncts_of(expr: Expr) -> list[Expr]:
    """Return the terms of a top-level AND."""
    if isinstance(expr, Logic) and expr.word == "and":
        return [term for each in expr.terms for term in conjuncts_of(each)]
    if isinstance(expr, Const) and expr.value is True:
        return []
    return [expr]


def children(expr: Expr) -> list[Expr]:
    """Return the parts of an expression."""
    match expr:
        case Compare(left=left, right=right) | Arithmetic(left=left, right=right):
            return [left, right]
        case Logic(terms=terms):
            return terms
        case InRows(columns=columns):
            return list(columns)
        case In(operand=operand, items=items):
            return [operand, *items]
        case IsNull(operand=operand):
            return [operand]
        case Like(operand=operand, pattern=pattern):
            return [operand, pattern]
    return []


def sources_of(expr: Expr) -> set[int]:
    """Return the sources whose columns an expression reads."""
    if isinstance(expr, Column):
        return {expr.source}
    return {source for child in children(expr) for source in sources_of(child)}


def uses(expr: Expr, kind: type[Expr]) -> bool:
    """Whether an expression of that kind is in it."""
    return isinstance(expr, kind) or any(uses(child, kind) for child in children(expr))
