"""Types expressions: a literal has no type of its own but takes that of what it stands beside.

So of two sides of a comparison the one that is no literal is typed first, and its type is pushed
to the other. A column met with an expected type must have exactly that type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..types import shapes as sh
from . import syntax as s
from . import typed as t
from .check_extensions import ExtensionChecks, are_numbers, unwrap
from .literals import NotThat, hex_number, parse_literal, type_name
from .typed import base

if TYPE_CHECKING:
    from .names import Fault, Scope

_BARE: Final = (s.Literal, s.Param, s.Null)


def is_sender(expr: s.Expr) -> bool:
    """Whether `expr` is ``:sender``."""
    return isinstance(expr, s.Param) and expr.name == "sender"


def is_comparable(shape: sh.Shape) -> bool:
    """Whether the strict dialect compares values of this type."""
    match shape:
        case sh.Bool() | sh.Int() | sh.Float() | sh.Text() | sh.Blob():
            return True
        case sh.Wrapped():
            return shape is not sh.TIME_DURATION
    return False


class Checker(ExtensionChecks):
    """Types the expressions of one statement."""

    def __init__(self, scope: Scope, fault: Fault, *, strict: bool) -> None:
        self.scope = scope
        self.fault = fault
        self.strict = strict
        self.params: dict[str | int, sh.Shape] = {}
        self.uses_sender = False

    def condition(self, expr: s.Expr) -> t.Expr:
        """Return a checked condition: something that is true or not."""
        return self.expr(expr, sh.BOOL)

    def expr(self, expr: s.Expr, expected: sh.Shape | None = None) -> t.Expr:
        """Return `expr` checked; with an expected type, it has that type."""
        match expr:
            case s.Paren(inner=inner):
                return self.expr(inner, expected)
            case s.Literal():
                return self.literal(expr, expected)
            case s.Param():
                return self.param(expr, expected)
            case s.Column():
                return self.column(expr, expected)
            case s.Compare():
                self.need_bool(expr, expected, f"a comparison ({expr.operator})")
                return self.compare(expr.operator, expr.left, expr.right, expr.position)
            case s.And(terms=terms):
                return self.logic("and", terms, expr, expected)
            case s.Or(terms=terms):
                return self.logic("or", terms, expr, expected)
        return self.extension(expr, expected)

    def need_bool(self, expr: s.Expr, expected: sh.Shape | None, what: str) -> None:
        if expected is not None and not isinstance(expected, sh.Bool):
            raise self.unexpected(what, "Bool", expected, expr.position)

    def unexpected(
        self, what: str, found: str, expected: sh.Shape | str, position: int
    ) -> Exception:
        due = expected if isinstance(expected, str) else type_name(expected)
        return self.fault(f"unexpected type: {what} is {found}, expected {due}", position)

    # -- leaves ----------------------------------------------------------------------------------

    def literal(self, expr: s.Literal, expected: sh.Shape | None) -> t.Expr:
        if expr.kind == "bool":
            if expected is not None and not isinstance(expected, sh.Bool):
                raise self.unexpected(f"literal {expr.text}", "Bool", expected, expr.position)
            return t.Const(sh.BOOL, False, expr.text == "TRUE")
        if expected is None:
            raise self.fault(
                f"cannot resolve the type of literal {expr.text!r}: compare it with a column",
                expr.position,
            )
        return t.Const(expected, False, self.value(expr, expected))

    def value(self, expr: s.Literal, expected: sh.Shape) -> object:
        """Return the value of a literal as the expected type."""
        try:
            if isinstance(expected, sh.PlainEnum) and expr.kind == "string" and not self.strict:
                return self.variant(expected, expr.text)
            if expr.kind == "hex" and isinstance(expected, sh.Int | sh.Float) and not self.strict:
                # Differs: in SpacetimeDB the digits are those of a decimal number.
                return parse_literal(expected, str(hex_number(expr.text)))
            return parse_literal(expected, expr.text)
        except NotThat as reason:
            why = f" ({reason})" if str(reason) else ""
            shown = expr.text if len(expr.text) < 60 else expr.text[:59] + "…"
            raise self.fault(
                f"literal {shown!r} cannot be read as {type_name(expected)}{why}", expr.position
            ) from None

    def param(self, expr: s.Param, expected: sh.Shape | None) -> t.Expr:
        if expr.name == "sender":
            self.uses_sender = True
            if expected is None or expected is sh.IDENTITY:
                return t.Sender(sh.IDENTITY, False)
            if isinstance(expected, sh.Blob):
                return t.Sender(expected, False)
            raise self.unexpected(":sender", "Identity", expected, expr.position)
        if expected is None:
            raise self.fault(
                "cannot resolve the type of this parameter: compare it with a column",
                expr.position,
            )
        known = self.params.setdefault(expr.name, expected)
        if known.algebraic() != expected.algebraic():
            raise self.unexpected("the parameter", type_name(known), expected, expr.position)
        return t.Param(expected, False, expr.name)

    def column(self, expr: s.Column, expected: sh.Shape | None) -> t.Expr:
        number, position, field = self.scope.column(expr.table, expr.name, expr.position)
        shape, nullable = field.shape, self.scope.sources[number].on is not None
        if not self.strict:
            shape, optional = base(shape)
            nullable = nullable or optional
        fits = expected is None or shape.algebraic() == expected.algebraic()
        if not fits and (self.strict or not are_numbers(shape, expected)):
            raise self.unexpected(
                f"column {expr.name!r}", type_name(shape), expected or "another", expr.position
            )
        return t.Column(shape, nullable, number, field, position, field.shape)

    # -- comparisons -----------------------------------------------------------------------------

    def compare(self, operator: str, left: s.Expr, right: s.Expr, position: int) -> t.Expr:
        bare_left, bare_right = unwrap(left), unwrap(right)
        if isinstance(bare_left, s.Null) or isinstance(bare_right, s.Null):
            raise self.fault(
                "unsupported: a comparison with NULL; x IS NULL asks whether there is no value",
                position,
            )
        is_true = self._is_bool(bare_left) and isinstance(bare_right, s.Literal)
        if (is_true or self.bare(bare_left)) and self.bare(bare_right):
            raise self.fault(
                "cannot resolve the type of a comparison between two literals", position
            )
        if isinstance(bare_left, _BARE) and not self._is_bool(bare_left):
            typed_right = self.expr(right)
            typed_left = self.beside(left, typed_right)
        else:
            typed_left = self.expr(left)
            typed_right = self.beside(right, typed_left)
        if self.strict and not is_comparable(typed_left.shape):
            raise self.fault(
                f"operator {operator} does not compare values of type "
                f"{type_name(typed_left.shape)}",
                position,
            )
        nullable = typed_left.nullable or typed_right.nullable
        return t.Compare(sh.BOOL, nullable, operator, typed_left, typed_right)

    def _is_bool(self, expr: s.Expr) -> bool:
        return isinstance(expr, s.Literal) and expr.kind == "bool"

    def bare(self, expr: s.Expr) -> bool:
        """Whether `expr` has no type of its own."""
        if isinstance(expr, s.Literal):
            return expr.kind != "bool"
        return isinstance(expr, s.Param) and expr.name != "sender"

    def beside(self, expr: s.Expr, other: t.Expr) -> t.Expr:
        """Return the expression that is compared with `other`."""
        computed = self.computed(unwrap(expr), other)
        return computed if computed is not None else self.expr(expr, other.shape)

    # -- AND and OR ------------------------------------------------------------------------------

    def logic(
        self, word: str, terms: tuple[s.Expr, ...], expr: s.Expr, expected: sh.Shape | None
    ) -> t.Expr:
        self.need_bool(expr, expected, word.upper())
        checked = [self.condition(term) for term in terms]
        if word == "or":
            checked = _merge_equalities(checked)
            if len(checked) == 1:
                return checked[0]
        nullable = any(term.nullable for term in checked)
        return t.Logic(sh.BOOL, nullable, word, checked)


def _merge_equalities(terms: list[t.Expr]) -> list[t.Expr]:
    """Make ``a = 1 OR a = 2`` one look-up in a set, and ``(a = 1 AND b = 2) OR …`` likewise."""
    merged: list[t.Expr | None] = []
    groups: dict[tuple[tuple[int, int], ...], tuple[int, list[list[_Equation]]]] = {}
    for term in terms:
        equations = _equations(term)
        key = tuple((column.source, column.position) for column, _ in equations)
        if not equations:
            merged.append(term)
        elif key in groups:
            place, rows = groups[key]
            rows.append(equations)
            merged[place] = None
        else:
            groups[key] = len(merged), [equations]
            merged.append(term)
    for place, rows in groups.values():
        if len(rows) > 1:
            merged[place] = _one_of(rows)
    return [term for term in merged if term is not None]


_Equation = tuple[t.Column, t.Const]


def _equations(term: t.Expr) -> list[_Equation]:
    """Return the equations of columns and constants that make up `term`; none for another term.

    Where there are several, no value may be missing: then "unknown" needs no thought.
    """
    parts = term.terms if isinstance(term, t.Logic) and term.word == "and" else [term]
    found: dict[tuple[int, int], _Equation] = {}
    for part in parts:
        match part:
            case t.Compare(operator="=", left=t.Column() as column, right=t.Const() as value):
                pass
            case t.Compare(operator="=", left=t.Const() as value, right=t.Column() as column):
                pass
            case _:
                return []
        if column.nullable and len(parts) > 1:
            return []
        found[column.source, column.position] = (column, value)
    return [found[key] for key in sorted(found)] if len(found) == len(parts) else []


def _one_of(rows: list[list[_Equation]]) -> t.Expr:
    """Return the condition that the equations of one of `rows` hold."""
    columns = [column for column, _ in rows[0]]
    if len(columns) == 1:
        items: list[t.Expr] = [value for ((_, value),) in rows]
        return t.In(sh.BOOL, columns[0].nullable, columns[0], items, negated=False)
    values = [tuple(value.value for _, value in equations) for equations in rows]
    return t.InRows(sh.BOOL, False, columns, values, negated=False)


__all__ = ["Checker", "is_comparable", "is_sender", "unwrap"]
