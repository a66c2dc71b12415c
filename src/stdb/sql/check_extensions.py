"""Types what SpacetimeDB's SQL does not have: NOT, IN, LIKE, NULL, arithmetic, aggregates.

NOT is pushed down to the comparisons, so that afterwards a condition is only ever asked whether it
is true: a comparison with no value is not, and neither is its opposite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..types import shapes as sh
from . import syntax as s
from . import typed as t
from .literals import NotThat, hex_number, type_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from .names import Fault, Scope

_OPPOSITE: Final = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
AGGREGATES: Final = frozenset({"count", "sum", "min", "max", "avg"})
_NUMERIC = (sh.Int, sh.Float)


def unwrap(expr: s.Expr) -> s.Expr:
    """Return what stands in parentheses."""
    while isinstance(expr, s.Paren):
        expr = expr.inner
    return expr


def are_numbers(*shapes: sh.Shape | None) -> bool:
    """Whether all of these are types of numbers, which compare with each other."""
    return all(isinstance(shape, _NUMERIC) for shape in shapes)


def wider(left: sh.Shape, right: sh.Shape) -> sh.Shape:
    """Return the type of what is computed from two numbers."""
    if isinstance(left, sh.Float) or isinstance(right, sh.Float):
        return sh.F64
    bits = max(each.bits for each in (left, right) if isinstance(each, sh.Int))
    return sh.I64 if bits <= 64 else sh.INTS[256, True]


class ExtensionChecks:
    """The part of the checker that the strict dialect never reaches."""

    scope: Scope
    fault: Fault
    #: Where aggregates may stand: takes a call and returns its value.
    aggregate: Callable[[s.Call], t.Expr] | None = None

    if TYPE_CHECKING:

        def expr(self, expr: s.Expr, expected: sh.Shape | None = None) -> t.Expr: ...
        def condition(self, expr: s.Expr) -> t.Expr: ...
        def need_bool(self, expr: s.Expr, expected: sh.Shape | None, what: str) -> None: ...
        def bare(self, expr: s.Expr) -> bool: ...
        def unexpected(
            self, what: str, found: str, expected: sh.Shape | str, position: int
        ) -> Exception: ...
        def compare(self, operator: str, left: s.Expr, right: s.Expr, position: int) -> t.Expr: ...
        def beside(self, expr: s.Expr, other: t.Expr) -> t.Expr: ...

    def extension(self, expr: s.Expr, expected: sh.Shape | None) -> t.Expr:
        """Return an expression of the extensions, checked."""
        match expr:
            case s.Not(term=term):
                self.need_bool(expr, expected, "NOT")
                return negate(self.condition(term))
            case s.IsNull(operand=operand, negated=negated):
                self.need_bool(expr, expected, "IS NULL")
                return t.IsNull(sh.BOOL, False, self.expr(operand), negated)
            case s.In(operand=operand, items=items, negated=negated):
                self.need_bool(expr, expected, "IN")
                return self.in_list(operand, items, negated=negated)
            case s.Between():
                self.need_bool(expr, expected, "BETWEEN")
                return self.between(expr)
            case s.Like():
                self.need_bool(expr, expected, "LIKE")
                return self.like(expr)
            case s.Null():
                raise self.fault(
                    "unsupported: NULL here; x IS NULL asks whether there is no value",
                    expr.position,
                )
            case s.Call():
                return self.fit(self.call(expr), expected, expr.position)
        return self.fit(self.number(expr, expected), expected, expr.position)

    def fit(self, made: t.Expr, expected: sh.Shape | None, position: int) -> t.Expr:
        """Return `made`, which must go with what was expected: numbers go with numbers."""
        if expected is None or made.shape.algebraic() == expected.algebraic():
            return made
        if are_numbers(made.shape, expected):
            return made
        raise self.unexpected("this", type_name(made.shape), expected, position)

    def computed(self, expr: s.Expr, other: t.Expr) -> t.Expr | None:
        """Return the other side of a comparison where one side is computed: any numbers go."""
        plain = isinstance(other, t.Column | t.Const | t.Param | t.Sender)
        if plain or not isinstance(other.shape, _NUMERIC):
            return None
        if isinstance(expr, s.Literal) and expr.kind in {"number", "hex"}:
            return self.number_literal(expr, other.shape)
        if isinstance(expr, s.Column | s.Arithmetic | s.Call | s.Sign):
            return self.fit(self.expr(expr), other.shape, expr.position)
        return None

    def variant(self, shape: sh.PlainEnum, text: str) -> object:
        """Return the variant of that name."""
        for name, member in zip(shape.names, shape.members, strict=True):
            if text == name:
                return member
        raise NotThat(f"its variants are {', '.join(str(name) for name in shape.names)}")

    # -- conditions ------------------------------------------------------------------------------

    def in_list(self, operand: s.Expr, items: tuple[s.Expr, ...], *, negated: bool) -> t.Expr:
        if self.bare(operand):
            raise self.fault("cannot resolve the type of the left side of IN", operand.position)
        left = self.expr(operand)
        checked = [self.beside(item, left) for item in items]
        nullable = left.nullable or any(item.nullable for item in checked)
        return t.In(sh.BOOL, nullable, left, checked, negated)

    def between(self, expr: s.Between) -> t.Expr:
        low = self.compare(">=", expr.operand, expr.low, expr.position)
        high = self.compare("<=", expr.operand, expr.high, expr.position)
        both = t.Logic(sh.BOOL, low.nullable or high.nullable, "and", [low, high])
        return negate(both) if expr.negated else both

    def like(self, expr: s.Like) -> t.Expr:
        operand = self.expr(expr.operand, sh.TEXT)
        pattern = self.expr(expr.pattern, sh.TEXT)
        nullable = operand.nullable or pattern.nullable
        return t.Like(sh.BOOL, nullable, operand, pattern, expr.negated)

    # -- numbers ---------------------------------------------------------------------------------

    def number(self, expr: s.Expr, expected: sh.Shape | None) -> t.Expr:
        """Return arithmetic, checked: its literals are integers or floats as they are written."""
        if isinstance(expr, s.Paren):
            return self.number(expr.inner, expected)
        if isinstance(expr, s.Literal) and expr.kind in {"number", "hex"}:
            return self.number_literal(expr, expected)
        if isinstance(expr, s.Param) and expr.name != "sender":
            if not isinstance(expected, _NUMERIC):
                return self.expr(expr, expected or sh.I64)
            return self.expr(expr, wider(expected, expected))
        if isinstance(expr, s.Sign):
            operand = self.number(expr.operand, expected)
            self._need_number(operand, expr.position)
            if expr.operator == "+":
                return operand
            shape = wider(operand.shape, operand.shape)
            zero = t.Const(shape, False, 0)
            return t.Arithmetic(shape, operand.nullable, "-", zero, operand, expr.position)
        if not isinstance(expr, s.Arithmetic):
            return self.expr(expr)
        left, right = unwrap(expr.left), unwrap(expr.right)
        if isinstance(left, s.Param) or (self.bare(left) and not self.bare(right)):
            # What is beside a parameter gives it its type.
            typed_right = self.number(right, None)
            typed_left = self.number(left, typed_right.shape)
        else:
            typed_left = self.number(left, None)
            typed_right = self.number(right, typed_left.shape)
        self._need_number(typed_left, left.position)
        self._need_number(typed_right, right.position)
        shape = wider(typed_left.shape, typed_right.shape)
        nullable = typed_left.nullable or typed_right.nullable
        return t.Arithmetic(shape, nullable, expr.operator, typed_left, typed_right, expr.position)

    def _need_number(self, expr: t.Expr, position: int) -> None:
        if not isinstance(expr.shape, _NUMERIC):
            raise self.unexpected("this", type_name(expr.shape), "a number", position)

    def number_literal(self, expr: s.Literal, beside: sh.Shape | None) -> t.Expr:
        if expr.kind == "hex":
            try:
                number = hex_number(expr.text)
            except NotThat as reason:
                raise self.fault(
                    f"literal {expr.text!r} is no number ({reason})", expr.position
                ) from None
            expr = s.Literal(expr.position, "number", str(number))
        if isinstance(beside, sh.Float) or any(c in expr.text for c in ".eE"):
            return t.Const(sh.F64, False, float(expr.text))
        if len(expr.text) > 80:
            raise self.fault("literal out of range: it has too many digits", expr.position)
        value = int(expr.text)
        small = -(2**63) <= value < 2**64
        return t.Const(sh.I64 if small else sh.INTS[256, True], False, value)

    # -- functions -------------------------------------------------------------------------------

    def call(self, expr: s.Call) -> t.Expr:
        if expr.name.lower() not in AGGREGATES:
            raise self.fault(
                f"unsupported: function {expr.name}; there are COUNT, SUM, MIN, MAX and AVG",
                expr.position,
            )
        if self.aggregate is None:
            raise self.fault(
                f"unsupported: {expr.name.upper()} here; aggregates stand in the column list, in "
                "HAVING and in ORDER BY",
                expr.position,
            )
        return self.aggregate(expr)


def negate(expr: t.Expr) -> t.Expr:
    """Return the condition that is true where `expr` is false."""
    match expr:
        case t.Compare():
            operator = _OPPOSITE[expr.operator]
            return t.Compare(sh.BOOL, expr.nullable, operator, expr.left, expr.right)
        case t.Logic():
            word = "or" if expr.word == "and" else "and"
            return t.Logic(sh.BOOL, expr.nullable, word, [negate(term) for term in expr.terms])
        case t.In():
            return t.In(sh.BOOL, expr.nullable, expr.operand, expr.items, not expr.negated)
        case t.InRows():
            return t.InRows(sh.BOOL, False, expr.columns, expr.rows, not expr.negated)
        case t.IsNull():
            return t.IsNull(sh.BOOL, False, expr.operand, not expr.negated)
        case t.Like():
            return t.Like(sh.BOOL, expr.nullable, expr.operand, expr.pattern, not expr.negated)
        case t.Const():
            return t.Const(sh.BOOL, False, not expr.value)
    return t.Compare(sh.BOOL, expr.nullable, "=", expr, t.Const(sh.BOOL, False, False))


def sum_shape(shape: sh.Shape) -> sh.Shape:
    """Return the type of a sum of such values."""
    if isinstance(shape, sh.Float):
        return sh.F64
    if isinstance(shape, sh.Int) and shape.bits > 64:
        return sh.INTS[256, shape.signed]
    return sh.INTS[64, isinstance(shape, sh.Int) and shape.signed]


__all__ = ["AGGREGATES", "ExtensionChecks", "are_numbers", "negate", "sum_shape", "unwrap", "wider"]
