"""Checks bytes against a type without making a value of them.

For what must be right but is not needed yet, such as the default of a column in a module that is
being published. References are followed as they are met, so that types may contain themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .algebraic import (
    BOOL,
    F32,
    F64,
    INTEGERS,
    STRING,
    U8,
    AlgebraicType,
    Array,
    Product,
    Sum,
    Typespace,
    is_option,
    is_result,
)
from .reader import EMPTY_ITEMS_MAX

if TYPE_CHECKING:
    from .reader import Reader

#: How many values may be looked at that have no bytes of their own: more than any sane type has.
_EMPTY_VALUES_MAX: Final = 1_000_000
_FLOATS: Final[dict[AlgebraicType, int]] = {F32: 32, F64: 64}


def check_bsatn(type_: AlgebraicType, typespace: Typespace, reader: Reader) -> None:
    """Move `reader` behind the value of `type_` that it is at.

    Raises
    ------
    DecodeError
        There is none, or it nests too deep, or consists of too many values without bytes.
    DefinitionError
        `type_` holds a reference that leads nowhere.
    """
    _Checker(typespace, reader).value(type_)


class _Checker:
    def __init__(self, typespace: Typespace, reader: Reader) -> None:
        self.typespace = typespace
        self.reader = reader
        self.budget = _EMPTY_VALUES_MAX + 16 * reader.remaining

    def value(self, type_: AlgebraicType) -> None:
        reader = self.reader
        self.budget -= 1
        if self.budget < 0:
            reader.fail("too many values without bytes")
        reader.enter()
        type_ = self.typespace.follow(type_)
        match type_:
            case Product(elements=elements):
                for element in elements:
                    self.value(element.type)
            case Sum(variants=variants):
                tag = reader.tag(len(variants), _sum_name(type_))
                self.value(variants[tag].type)
            case Array(element=element):
                self.array(element)
            case _:
                self.primitive(type_)
        reader.leave()

    def array(self, element: AlgebraicType) -> None:
        reader = self.reader
        if self.typespace.follow(element) == U8:
            reader.bytes()
            return
        start = reader.offset
        count = reader.u32()
        first = reader.offset
        for position in range(count):
            self.value(element)
            if position == 0 and reader.offset == first:
                # Nothing was read, so nothing will be for the others either.
                if count > EMPTY_ITEMS_MAX:
                    reader.fail(
                        f"{count} items without bytes; at most {EMPTY_ITEMS_MAX} are read", start
                    )
                break

    def primitive(self, type_: AlgebraicType) -> None:
        reader = self.reader
        if type_ in INTEGERS:
            bits, signed = INTEGERS[type_]
            reader.take(bits // 8, f"{'i' if signed else 'u'}{bits}")
        elif type_ in _FLOATS:
            reader.take(_FLOATS[type_] // 8, f"u{_FLOATS[type_]}")
        elif type_ == BOOL:
            reader.bool()
        elif type_ == STRING:
            reader.str()
        else:
            raise TypeError(f"not an algebraic type: {type_!r}")


def _sum_name(type_: Sum) -> str:
    if is_option(type_):
        return "option"
    return "result" if is_result(type_) else "<unknown>"
