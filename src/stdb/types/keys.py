"""Keys: what an index makes of a column's value, so that Python orders it as SATS does.

Most values are their own key. A float's NaN is equal to itself and comes last; ``None`` comes
after every present value; enums and sums go by the number of their variant, identities, moments
and UUIDs by their number.

Source: SpacetimeDB documentation, "SATS" (order and equality of values).
"""

from __future__ import annotations

import math
from functools import total_ordering
from typing import TYPE_CHECKING, Any, Final

from .compose import Composer
from .shapes import (
    TAG_ATTRIBUTE,
    Blob,
    Bool,
    Float,
    Int,
    Option,
    PlainEnum,
    Record,
    Result,
    Schedule,
    Sequence,
    Shape,
    Tagged,
    Text,
    Unit,
    Wrapped,
)  # fmt: skip
from .sums import Ok

if TYPE_CHECKING:
    from collections.abc import Callable


@total_ordering
class Last:
    """A key that comes after every ordinary one; among its kind, by rank."""

    __slots__ = ("rank",)

    def __init__(self, rank: float) -> None:
        self.rank = rank

    def __lt__(self, other: object) -> bool:
        return isinstance(other, Last) and self.rank < other.rank

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Last) and self.rank == other.rank

    def __gt__(self, other: object) -> bool:
        return not isinstance(other, Last) or self.rank > other.rank

    def __hash__(self) -> int:
        return hash(self.rank)

    def __repr__(self) -> str:
        return "<the end>" if self.rank == math.inf else f"<last {self.rank}>"


NAN_KEY: Final = Last(0)
#: After every key, NaN and None included: the open end of a range.
END: Final = Last(math.inf)


def _depth(shape: Shape) -> int:
    depth = 0
    while isinstance(shape, Option):
        depth += 1
        shape = shape.some
    return depth


def is_own_key(shape: Shape) -> bool:
    """Whether a value of `shape` is its own key."""
    match shape:
        case Bool() | Int() | Text() | Blob():
            return True
        case Sequence(element=element):
            return is_own_key(element)
    return False


def key_expression(c: Composer, shape: Shape, var: str) -> str:
    """Return source for the key of the value named `var` (an expression without side effects)."""
    if is_own_key(shape):
        return var
    match shape:
        case Float():
            return f"({var} if {var} == {var} else {c.name(NAN_KEY, 'NAN_KEY')})"
        case Wrapped(attribute=attribute):
            return f"{var}.{attribute}"
        case PlainEnum():
            return f"{var}.{TAG_ATTRIBUTE}"
        case Unit():
            return "0"
        case Schedule():
            return f"{var}.sort_key()"
        case Option(some=some):
            none = c.name(Last(_depth(shape)), "NONE_KEY")
            inner = f"{var}.value" if shape.wraps else var
            return f"({none} if {var} is None else {key_expression(c, some, inner)})"
    return f"{c.function('key', shape, lambda name: _key_function(c, shape, name))}({var})"


def _key_function(c: Composer, shape: Shape, name: str) -> list[str]:
    lines = [f"def {name}(v):"]
    match shape:
        case Sequence(element=element):
            lines.append(f"    return tuple([{key_expression(c, element, 'x')} for x in v])")
        case Record(fields=fields):
            parts = [f"{key_expression(c, f.shape, f'v.{f.attribute}')}, " for f in fields]
            lines.append(f"    return ({''.join(parts)})")
        case Result(ok=ok, err=err):
            lines += [
                f"    if v.__class__ is {c.name(Ok, 'Ok')}:",
                f"        return (0, {key_expression(c, ok, 'v.value')})",
                f"    return (1, {key_expression(c, err, 'v.value')})",
            ]
        case Tagged(variants=variants):
            lines.append("    tag = v.__stdb_tag__")
            for tag, (_, payload) in enumerate(variants):
                inner = "0" if isinstance(payload, Unit) else key_expression(c, payload, "v.value")
                lines += [f"    if tag == {tag}:", f"        return ({tag}, {inner})"]
        case _:
            raise TypeError(f"no key for {shape!r}")
    return lines


def key_function(shape: Shape) -> Callable[[Any], Any]:
    """Return the function ``value -> key`` of `shape`."""
    c = Composer()
    expression = key_expression(c, shape, "v")
    c.add(["def key(v):", f"    return {expression}"])
    function: Callable[[Any], Any] = c.run(f"key {shape}")["key"]
    return function


__all__ = ["END", "NAN_KEY", "Last", "is_own_key", "key_expression", "key_function"]
