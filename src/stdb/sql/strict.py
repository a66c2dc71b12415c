"""Refuses what SpacetimeDB's parser refuses, before any name is looked up.

The grammar reads both dialects; the strict one is what this lets through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import syntax as s

if TYPE_CHECKING:
    from .names import Fault

#: How deep an expression may be, where a chain of AND or OR leans to the left: its length.
DEPTH_MAX: Final = 1600
_EXTENSIONS: Final[dict[type[Any], str]] = {
    s.Null: "NULL",
    s.Not: "NOT",
    s.IsNull: "IS NULL",
    s.In: "IN",
    s.Between: "BETWEEN",
    s.Like: "LIKE",
    s.Arithmetic: "arithmetic",
    s.Sign: "a sign before anything but a number",
    s.Call: "a function here",
}
_LEAVES: Final = (s.Literal, s.Column, s.Param)


def refuse_extensions(statement: s.Statement, fault: Fault) -> None:
    """Raise `SqlError` for the first thing in `statement` that only the default dialect has."""
    match statement:
        case s.Select():
            _refuse_in_select(statement, fault)
        case s.Explain():
            raise fault("unsupported: EXPLAIN", statement.position)
        case s.Insert(rows=rows):
            for row in rows:
                for value in row:
                    _need_literal(value, fault)
        case s.Update(assignments=assignments, where=where):
            for assignment in assignments:
                _need_literal(assignment.value, fault)
            _refuse_in(where, fault, qualified=False)
            _refuse_depth(where, fault)
        case s.Delete(where=where):
            _refuse_in(where, fault, qualified=False)
            _refuse_depth(where, fault)


def _need_literal(expr: s.Expr, fault: Fault) -> None:
    if not isinstance(expr, s.Literal):
        raise fault("unsupported: only literals can be written", expr.position)


def _refuse_in_select(select: s.Select, fault: Fault) -> None:
    offset = select.offset.position if select.offset is not None else None
    having = select.having.position if select.having is not None else None
    for name, position in (
        ("DISTINCT", select.distinct),
        ("GROUP BY", select.group_position),
        ("HAVING", having),
        ("ORDER BY", select.order_position),
        ("OFFSET", offset),
    ):
        if position is not None:
            raise fault(f"unsupported: {name}", position)
    qualified = bool(select.joins)
    for item in select.items:
        if isinstance(item, s.Item):
            _refuse_item(item, fault, alone=len(select.items) == 1)
            if isinstance(item.expr, s.Column):
                _refuse_in(item.expr, fault, qualified=qualified)
    for join in select.joins:
        if join.kind == "left":
            raise fault("only inner joins are there, no LEFT JOIN", join.position)
        _refuse_on(join.on, fault)
    _refuse_in(select.where, fault, qualified=qualified)
    _refuse_depth(select.where, fault)
    if select.limit is not None and not _is_plain_number(select.limit):
        raise fault("unsupported: LIMIT takes a plain number", select.limit.position)


def _refuse_item(item: s.Item, fault: Fault, *, alone: bool) -> None:
    expr = item.expr
    if isinstance(expr, s.Call):
        if item.alias is None and alone:
            raise fault(f"{expr.name}(…) needs an alias: AS name", item.position)
        counts = expr.name.lower() == "count" and expr.arguments is None
        if not (counts and alone and not expr.distinct):
            raise fault(f"unsupported: {expr.name}(…) here", item.position)
    elif not isinstance(expr, s.Column):
        raise fault("unsupported: only columns stand in a column list", item.position)


def _refuse_on(on: s.Expr | None, fault: Fault) -> None:
    if on is None:
        return
    is_equation = (
        isinstance(on, s.Compare)
        and on.operator == "="
        and isinstance(on.left, s.Column)
        and isinstance(on.right, s.Column)
    )
    if not is_equation:
        raise fault("an inner join is ON one equality of two columns: a.x = b.y", on.position)
    _refuse_in(on, fault, qualified=True)


def _refuse_in(expr: s.Expr | None, fault: Fault, *, qualified: bool) -> None:
    """Walk an expression, no deeper than it is nested."""
    match expr:
        case None:
            return
        case s.Paren(inner=inner):
            _refuse_in(inner, fault, qualified=qualified)
        case s.And(terms=terms) | s.Or(terms=terms):
            for term in terms:
                _refuse_in(term, fault, qualified=qualified)
        case s.Compare(left=left, right=right):
            _refuse_in(left, fault, qualified=qualified)
            _refuse_in(right, fault, qualified=qualified)
        case s.Column(table=None, name=name) if qualified:
            raise fault(f"column {name!r} must be qualified in a join", expr.position)
        case s.Param(name=name) if name != "sender":
            raise fault("unsupported: the only parameter is :sender", expr.position)
        case _ if type(expr) in _EXTENSIONS:
            raise fault(f"unsupported: {_EXTENSIONS[type(expr)]}", expr.position)


def _refuse_depth(where: s.Expr | None, fault: Fault) -> None:
    depth = 0 if where is None else _depth(where)
    if where is not None and depth > DEPTH_MAX:
        raise fault(
            f"a condition {depth} operators deep exceeds the recursion limit of {DEPTH_MAX}: each "
            "AND or OR of a chain is one deeper",
            where.position,
        )


def _depth(expr: s.Expr) -> int:
    """Return how deep a condition is in a tree whose every operator has two sides."""
    match expr:
        case s.Paren(inner=inner):
            return _depth(inner)
        case s.Compare(left=left, right=right):
            sides = [_depth(side) for side in (left, right) if not isinstance(side, _LEAVES)]
            return 1 + max(sides, default=0)
        case s.And(terms=terms) | s.Or(terms=terms):
            count = len(terms)
            later = [_depth(term) + count - i for i, term in enumerate(terms[1:], 1)]
            return max(_depth(terms[0]) + count - 1, *later)
    return 1


def _is_plain_number(expr: s.Expr) -> bool:
    return isinstance(expr, s.Literal) and expr.kind == "number" and expr.text[0] not in "+-"
