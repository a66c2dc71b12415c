"""Writes expressions as Python source.

Values are compared by their keys (`types.keys`), so that equality and order are SATS's. Where a
value may be missing the source asks first; a condition is only asked whether it is true, so
"unknown" may be any false value there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..errors import SqlError
from ..types import shapes as sh
from ..types.exact import NAN
from ..types.keys import NAN_KEY, is_own_key, key_expression, key_function
from . import typed as t
from .like import like_matcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..types.compose import Composer

_PYTHON = {"=": "==", "<>": "!=", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "<>": "<>"}
_OPPOSITE = {">": "<=", ">=": "<"}


class ExpressionWriter:
    """Writes the expressions of one function; ``r0``, ``r1`` are the rows of the sources."""

    def __init__(self, c: Composer, params: dict[str | int, sh.Shape]) -> None:
        self.c = c
        self.params = {name: f"p{i}" for i, name in enumerate(params)}
        self.left: set[int] = set()
        self._key_functions: dict[int, Callable[[Any], Any]] = {}

    # -- values ----------------------------------------------------------------------------------

    def value(self, expr: t.Expr) -> str:
        """Return source for the value, which is None where there is none."""
        match expr:
            case t.Column(source=source, field=field):
                read = f"r{source}.{field.attribute}"
                return f"(None if r{source} is None else {read})" if source in self.left else read
            case t.Const(value=value):
                return self.constant(value)
            case t.Param(name=name):
                return self.params[name]
            case t.Sender(shape=shape):
                return "sender.to_bytes()" if isinstance(shape, sh.Blob) else "sender"
            case t.GroupKey(index=index):
                return f"k{index}"
            case t.Aggregate(index=index):
                return f"a{index}"
            case t.Arithmetic():
                return self.arithmetic(expr)
        if not expr.nullable:
            return self.test(expr)
        return self.ternary(expr)

    def constant(self, value: Any) -> str:
        if value is None or value.__class__ is bool:
            return repr(value)
        if value.__class__ is int:
            return repr(value) if value >= 0 else f"({value!r})"
        return self.c.name(value, "V")

    def arithmetic(self, expr: t.Arithmetic) -> str:
        guards, (left, right) = self.present([expr.left, expr.right])
        floats = isinstance(expr.shape, sh.Float)
        if expr.operator in "+-*":
            source = f"({left} {expr.operator} {right})"
        else:
            function = _DIVISIONS[expr.operator, floats]
            place = "" if floats else f", {expr.place}"
            source = f"{self.c.name(function, function.__name__)}({left}, {right}{place})"
        if floats:
            # Python makes a new NaN each time, and they differ; rows and groups know one.
            name = self.c.temporary()
            source = f"({name} if ({name} := {source}) == {name} else {self.c.name(NAN, 'NAN')})"
        return f"({source} if {' and '.join(guards)} else None)" if guards else source

    def present(self, parts: list[t.Expr]) -> tuple[list[str], list[str]]:
        """Return tests that the parts have values, and sources of the values after them."""
        guards, sources = [], []
        for part in parts:
            source = self.value(part)
            if part.nullable:
                name = self.c.temporary()
                guards.append(f"({name} := {source}) is not None")
                source = name
            sources.append(source)
        return guards, sources

    def ternary(self, expr: t.Expr) -> str:
        """Return source for a condition as a value: True, False or None."""
        if isinstance(expr, t.Logic):
            terms = ", ".join(self.value(term) for term in expr.terms)
            function = all_true if expr.word == "and" else any_true
            return f"{self.c.name(function, function.__name__)}(({terms},))"
        operands = [child for child in t.children(expr) if child.nullable]
        missing = " or ".join(f"{self.value(child)} is None" for child in operands)
        return f"(None if {missing} else {self.test(expr)})"

    def key_function(self, shape: sh.Shape) -> Callable[[Any], Any]:
        """Return the function that makes the keys of a shape, made once for a statement."""
        made = self._key_functions.get(id(shape))
        if made is None:
            made = self._key_functions[id(shape)] = key_function(shape)
        return made

    # -- keys ------------------------------------------------------------------------------------

    def key(self, expr: t.Expr, value: str) -> str:
        """Return source for the key of a present value."""
        if isinstance(expr, t.Const):
            if is_own_key(expr.shape):
                return self.constant(expr.value)
            return self.constant(self.key_function(expr.shape)(expr.value))
        if is_own_key(expr.shape):
            return value
        if value.isidentifier() or isinstance(expr.shape, sh.Wrapped | sh.PlainEnum):
            return key_expression(self.c, expr.shape, value)
        name = self.c.temporary()
        if isinstance(expr.shape, sh.Float):
            return (
                f"({name} if ({name} := {value}) == {name} else {self.c.name(NAN_KEY, 'NAN_KEY')})"
            )
        return f"(({name} := {value}), {key_expression(self.c, expr.shape, name)})[1]"

    def present_keys(self, parts: list[t.Expr]) -> tuple[list[str], list[str]]:
        """Return tests that the parts have values, and their keys after them."""
        guards, values = self.present(parts)
        return guards, [self.key(p, v) for p, v in zip(parts, values, strict=True)]

    # -- conditions ------------------------------------------------------------------------------

    def test(self, expr: t.Expr) -> str:
        """Return source that is true where the condition is."""
        match expr:
            case t.Compare():
                return self.compare(expr)
            case t.Logic(word=word, terms=terms):
                return f"({f' {word} '.join(self.test(term) for term in terms)})"
            case t.In():
                return self.in_list(expr)
            case t.InRows():
                return self.in_rows(expr)
            case t.IsNull(operand=operand, negated=negated):
                if not operand.nullable:
                    return "True" if negated else "False"
                return f"({self.value(operand)} is {'not ' if negated else ''}None)"
            case t.Like():
                return self.like(expr)
        return self.value(expr)

    def tests(self, conditions: list[t.Expr]) -> str:
        """Return source that is true where all conditions are; nothing for no conditions."""
        return " and ".join(self.test(condition) for condition in conditions)

    def compare(self, expr: t.Compare) -> str:
        left, right, operator = expr.left, expr.right, expr.operator
        if isinstance(left, t.Const) and not isinstance(right, t.Const):
            left, right, operator = right, left, _FLIPPED[operator]
        guards, values = self.present([left, right])
        floats = isinstance(left.shape, sh.Float) or isinstance(right.shape, sh.Float)
        if floats and isinstance(right, t.Const) and not math.isnan(right.value):
            # NaN comes last: it is greater than every number, which Python denies.
            python = _PYTHON[_OPPOSITE.get(operator, operator)]
            test = f"{values[0]} {python} {values[1]}"
            if operator in _OPPOSITE:
                test = f"not {test}"
        else:
            keys = [self.key(p, v) for p, v in zip((left, right), values, strict=True)]
            if floats:
                keys = [f"({keys[0]})", f"({keys[1]})"]
            test = f"{keys[0]} {_PYTHON[operator]} {keys[1]}"
        return _all_of(guards, test)

    def in_list(self, expr: t.In) -> str:
        word = "not in" if expr.negated else "in"
        if all(isinstance(item, t.Const) for item in expr.items):
            key_of = self.key_function(expr.operand.shape)
            values = frozenset(
                key_of(item.value) for item in expr.items if isinstance(item, t.Const)
            )
            guards, (key,) = self.present_keys([expr.operand])
            return _all_of(guards, f"{key} {word} {self.c.name(values, 'SET')}")
        guards, keys = self.present_keys([expr.operand, *expr.items])
        if len(guards) > (1 if expr.operand.nullable else 0):
            compared = [
                t.Compare(sh.BOOL, True, "<>" if expr.negated else "=", expr.operand, item)
                for item in expr.items
            ]
            return self.test(
                t.Logic(sh.BOOL, True, "and" if expr.negated else "or", list(compared))
            )
        return _all_of(guards, f"{keys[0]} {word} ({', '.join(keys[1:])},)")

    def in_rows(self, expr: t.InRows) -> str:
        makers = [self.key_function(column.shape) for column in expr.columns]
        rows = frozenset(
            tuple(key_of(value) for key_of, value in zip(makers, row, strict=True))
            for row in expr.rows
        )
        keys = [self.key(column, self.value(column)) for column in expr.columns]
        word = "not in" if expr.negated else "in"
        return f"(({', '.join(keys)}) {word} {self.c.name(rows, 'SET')})"

    def like(self, expr: t.Like) -> str:
        negation = "not " if expr.negated else ""
        if isinstance(expr.pattern, t.Const):
            guards, (value,) = self.present([expr.operand])
            matcher = self.c.name(like_matcher(expr.pattern.value), "like")
            return _all_of(guards, f"{negation}{matcher}({value})")
        guards, (value, pattern) = self.present([expr.operand, expr.pattern])
        make = self.c.name(like_matcher, "like_matcher")
        return _all_of(guards, f"{negation}{make}({pattern})({value})")


def _all_of(guards: list[str], test: str) -> str:
    return f"({' and '.join([*guards, test])})"


def all_true(terms: tuple[bool | None, ...]) -> bool | None:
    """AND of values that may be unknown."""
    return False if False in terms else None if None in terms else True


def any_true(terms: tuple[bool | None, ...]) -> bool | None:
    """OR of values that may be unknown."""
    return True if True in terms else None if None in terms else False


def divide(left: int, right: int, place: int) -> int:
    """Divide integers, towards 0; `place` is where the statement does."""
    if right == 0:
        raise SqlError("division by zero", position=place)
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def remainder(left: int, right: int, place: int) -> int:
    """Return what `divide` leaves; it has the sign of `left`."""
    return left - right * divide(left, right, place)


def divide_floats(left: float, right: float) -> float:
    """Divide floats; by 0 gives an infinity or NaN."""
    if right == 0:
        if left == 0 or left != left:
            return math.nan
        return math.copysign(math.inf, left) * math.copysign(1.0, right)
    return left / right


def remainder_of_floats(left: float, right: float) -> float:
    """Return the remainder of a division of floats; it has the sign of `left`."""
    return math.nan if right == 0 or math.isinf(left) else math.fmod(left, right)


_DIVISIONS = {
    ("/", False): divide,
    ("%", False): remainder,
    ("/", True): divide_floats,
    ("%", True): remainder_of_floats,
}

__all__ = ["ExpressionWriter"]
