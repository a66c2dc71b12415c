"""Generates functions that find where an encoded row ends, without making its values.

Replaying a log meets each row at least twice, and most rows only to forget them; all that matters
of those is their bytes. Values are checked when the rows that are left are decoded.

Source: SpacetimeDB documentation, "BSATN" (internals), version 2.8.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from ..codegen import make_function
from ..errors import InternalError
from ..types import algebraic as at

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZES = {type_: bits // 8 for type_, (bits, _) in at.INTEGERS.items()} | {
    at.BOOL: 1, at.F32: 4, at.F64: 8,
}  # fmt: skip
#: How many values without bytes an array may hold: nothing else bounds their number.
_EMPTY_ITEMS_MAX = 65_536


class Overrun(Exception):  # noqa: N818 - never leaves the layer
    """The bytes end, or an array claims more than they could hold."""


def fixed_size(type_: at.AlgebraicType) -> int | None:
    """Return the size of every value of `type_`, or None when they differ."""
    if type_ in _SIZES:
        return _SIZES[type_]
    match type_:
        case at.Product(elements=elements):
            sizes = [fixed_size(element.type) for element in elements]
        case at.Sum(variants=variants) if variants:
            sizes = [fixed_size(variant.type) for variant in variants]
            if len(set(sizes)) == 1 and sizes[0] is not None:
                return 1 + sizes[0]
            return None
        case _:
            return None
    return None if None in sizes else sum(size or 0 for size in sizes)


def least_size(type_: at.AlgebraicType) -> int:
    """Return the least number of bytes that a value of `type_` has."""
    if type_ in _SIZES:
        return _SIZES[type_]
    match type_:
        case at.Product(elements=elements):
            return sum(least_size(element.type) for element in elements)
        case at.Sum(variants=variants):
            return 1 + min((least_size(variant.type) for variant in variants), default=0)
    return 4


def make_skipper(type_: at.AlgebraicType) -> Callable[[bytes, int, int], int]:
    """Return the function ``(data, start of a value, end of data) -> end of the value``.

    It raises `Overrun`, `IndexError` or ``struct.error`` where the bytes hold no such value.
    """
    writer = _Writer()
    name = writer.function(type_)
    names = {"u32": Struct("<I").unpack_from, "Overrun": Overrun}
    function: Callable[[bytes, int, int], int] = make_function("skip", name, writer.lines, names)
    return function


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self._count = 0

    def function(self, type_: at.AlgebraicType) -> str:
        self._count += 1
        name = f"skip_{self._count}"
        body = self.body(type_)
        self.lines += [
            f"def {name}(data, i, end):",
            *(f"    {line}" for line in body),
            "    if i > end:",
            "        raise Overrun",
            "    return i",
        ]
        return name

    def body(self, type_: at.AlgebraicType) -> list[str]:
        """Return lines that move ``i`` behind a value."""
        size = fixed_size(type_)
        if size is not None:
            return [f"i += {size}"]
        if type_ == at.STRING:
            return ["i += 4 + u32(data, i)[0]"]
        match type_:
            case at.Product(elements=elements):
                return self.product([element.type for element in elements])
            case at.Array(element=element):
                return self.array(element)
            case at.Sum(variants=variants):
                lines = ["tag = data[i]", "i += 1"]
                for tag, variant in enumerate(variants):
                    lines.append(f"{'if' if not tag else 'elif'} tag == {tag}:")
                    lines += [f"    {line}" for line in self.body(variant.type)]
                return [*lines, "else:", "    raise Overrun"] if variants else ["raise Overrun"]
        raise InternalError(f"a column of type {type_}")

    def product(self, types: list[at.AlgebraicType]) -> list[str]:
        lines: list[str] = []
        run = 0
        for type_ in types:
            size = fixed_size(type_)
            if size is not None:
                run += size
                continue
            if run:
                lines.append(f"i += {run}")
                run = 0
            lines += self.body(type_)
        if run:
            lines.append(f"i += {run}")
        return lines or ["pass"]

    def array(self, element: at.AlgebraicType) -> list[str]:
        size = fixed_size(element)
        if size:
            return [f"i += 4 + {size} * u32(data, i)[0]"]
        least = least_size(element)
        enough = f"n * {least} > end - i" if least else f"n > {_EMPTY_ITEMS_MAX}"
        inner = self.function(element)
        return [
            "n = u32(data, i)[0]",
            "i += 4",
            f"if {enough}:",
            "    raise Overrun",
            "for _ in range(n):",
            f"    i = {inner}(data, i, end)",
        ]


def skip_value(type_: at.AlgebraicType, data: bytes, at_: int) -> int:
    """Return where the value at `at_` ends, in plain code: the slow twin for tests."""
    if type_ in _SIZES:
        return at_ + _SIZES[type_]
    match type_:
        case at.Product(elements=elements):
            for each in elements:
                at_ = skip_value(each.type, data, at_)
            return at_
        case at.Sum(variants=variants):
            return skip_value(variants[data[at_]].type, data, at_ + 1)
    count: int = int.from_bytes(data[at_ : at_ + 4], "little")
    at_ += 4
    if isinstance(type_, at.Array):
        for _ in range(count):
            at_ = skip_value(type_.element, data, at_)
        return at_
    return at_ + count
