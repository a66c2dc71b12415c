"""SATS, the algebraic type system: what a column, a parameter or a row can be.

A type is one of twenty kinds: `Ref`, `Sum`, `Product`, `Array` and sixteen primitives. Types are
values: frozen, hashable, compared by structure (names of elements and variants included).

Some products and sums have a meaning of their own, recognised by their exact structure
(`IDENTITY`, `TIMESTAMP`, `option(T)`, …); one more field, or another name, makes them ordinary.

Source: SpacetimeDB documentation, "SATS" and "BSATN" (internals), version 2.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ..errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Sequence


class AlgebraicType(msgspec.Struct, frozen=True):
    """The base of every type."""

    def __str__(self) -> str:
        return display(self)


class Primitive(AlgebraicType, frozen=True):
    """A type without parts. `tag` is its number when a type is itself written as data."""

    tag: int
    name: str

    def __repr__(self) -> str:
        return self.name


class Ref(AlgebraicType, frozen=True):
    """The type at a position of a `Typespace`; says nothing without it."""

    index: int


class Array(AlgebraicType, frozen=True):
    """Any number of values of one type."""

    element: AlgebraicType


class Element(msgspec.Struct, frozen=True):
    """A field of a product, or a variant of a sum: the name may be absent."""

    name: str | None
    type: AlgebraicType


class Product(AlgebraicType, frozen=True):
    """A value of each element, in order: a row, a struct, a tuple; without elements, the unit."""

    elements: tuple[Element, ...] = ()


class Sum(AlgebraicType, frozen=True):
    """A value of one variant; the variant's position is its tag. At most 256 can be used."""

    variants: tuple[Element, ...] = ()


TAG_REF: Final = 0
TAG_SUM: Final = 1
TAG_PRODUCT: Final = 2
TAG_ARRAY: Final = 3

STRING: Final = Primitive(4, "String")
BOOL: Final = Primitive(5, "Bool")
I8: Final = Primitive(6, "I8")
U8: Final = Primitive(7, "U8")
I16: Final = Primitive(8, "I16")
U16: Final = Primitive(9, "U16")
I32: Final = Primitive(10, "I32")
U32: Final = Primitive(11, "U32")
I64: Final = Primitive(12, "I64")
U64: Final = Primitive(13, "U64")
I128: Final = Primitive(14, "I128")
U128: Final = Primitive(15, "U128")
I256: Final = Primitive(16, "I256")
U256: Final = Primitive(17, "U256")
F32: Final = Primitive(18, "F32")
F64: Final = Primitive(19, "F64")

PRIMITIVES: Final = (
    STRING, BOOL, I8, U8, I16, U16, I32, U32, I64, U64, I128, U128, I256, U256, F32, F64,
)  # fmt: skip
#: Integer type -> (bits, signed).
INTEGERS: Final[dict[AlgebraicType, tuple[int, bool]]] = {
    type_: (int(type_.name[1:]), type_.name[0] == "I") for type_ in PRIMITIVES[2:14]
}

UNIT: Final = Product()
NEVER: Final = Sum()
BYTES: Final = Array(U8)


def product(**elements: AlgebraicType) -> Product:
    """Return the product with these named elements."""
    return Product(tuple(Element(name, type_) for name, type_ in elements.items()))


def sum_of(**variants: AlgebraicType) -> Sum:
    """Return the sum with these named variants."""
    return Sum(tuple(Element(name, type_) for name, type_ in variants.items()))


def option(some: AlgebraicType) -> Sum:
    """Return the type of a value that may be absent: ``(some: T | none: ())``."""
    return sum_of(some=some, none=UNIT)


def result(ok: AlgebraicType, err: AlgebraicType) -> Sum:
    """Return the type of an outcome: ``(ok: T | err: E)``."""
    return sum_of(ok=ok, err=err)


IDENTITY: Final = product(__identity__=U256)
CONNECTION_ID: Final = product(__connection_id__=U128)
TIMESTAMP: Final = product(__timestamp_micros_since_unix_epoch__=I64)
TIME_DURATION: Final = product(__time_duration_micros__=I64)
UUID: Final = product(__uuid__=U128)
SCHEDULE_AT: Final = sum_of(Interval=TIME_DURATION, Time=TIMESTAMP)

#: Types with a meaning of their own -> the name one writes in a module.
SPECIAL: Final[dict[AlgebraicType, str]] = {
    IDENTITY: "Identity",
    CONNECTION_ID: "ConnectionId",
    TIMESTAMP: "Timestamp",
    TIME_DURATION: "TimeDuration",
    UUID: "Uuid",
    SCHEDULE_AT: "ScheduleAt",
}


def is_option(type_: AlgebraicType) -> bool:
    """Whether `type_` is exactly ``(some: T | none: ())``."""
    if not isinstance(type_, Sum) or len(type_.variants) != 2:
        return False
    some, none = type_.variants
    return some.name == "some" and none.name == "none" and none.type == UNIT


def is_result(type_: AlgebraicType) -> bool:
    """Whether `type_` is exactly ``(ok: T | err: E)``."""
    return isinstance(type_, Sum) and [v.name for v in type_.variants] == ["ok", "err"]


def is_special(type_: AlgebraicType) -> bool:
    """Whether `type_` is a special product or sum, an option or a result."""
    return type_ in SPECIAL or is_option(type_) or is_result(type_)


def is_plain_enum(type_: AlgebraicType) -> bool:
    """Whether `type_` is a sum whose variants all carry nothing (also true of the empty sum)."""
    return isinstance(type_, Sum) and all(variant.type == UNIT for variant in type_.variants)


def display(type_: AlgebraicType) -> str:
    """Return the compact form that error messages use, as in ``(id: U64, tags: Array<String>)``."""
    match type_:
        case Primitive(name=name):
            return name
        case Ref(index=index):
            return f"&{index}"
        case Array(element=element):
            return f"Array<{display(element)}>"
        case Product(elements=elements):
            shown = (
                f"{i if e.name is None else e.name}: {display(e.type)}"
                for i, e in enumerate(elements)
            )
            return f"({', '.join(shown)})"
        case Sum(variants=()):
            return "(|)"
        case Sum(variants=variants):
            shown = (
                display(v.type) if v.name is None else f"{v.name}: {display(v.type)}"
                for v in variants
            )
            return f"({' | '.join(shown)})"
    raise TypeError(f"not an algebraic type: {type_!r}")


class Typespace(msgspec.Struct, frozen=True):
    """The types that `Ref` points to, by position. Entries may refer forward and to themselves."""

    types: tuple[AlgebraicType, ...] = ()

    def __getitem__(self, ref: int) -> AlgebraicType:
        if 0 <= ref < len(self.types):
            return self.types[ref]
        raise DefinitionError(f"type reference &{ref} is out of bounds: {len(self.types)} types")

    def follow(self, type_: AlgebraicType) -> AlgebraicType:
        """Return what a chain of references ends in; other types as they are."""
        seen: set[int] = set()
        while isinstance(type_, Ref):
            if type_.index in seen:
                raise DefinitionError(f"type reference &{type_.index} refers to itself")
            seen.add(type_.index)
            type_ = self[type_.index]
        return type_

    def resolve(self, type_: AlgebraicType) -> AlgebraicType:
        """Return `type_` with every reference replaced by what it stands for.

        Raises
        ------
        DefinitionError
            A reference is out of bounds, or stands (however deep) for something that contains it:
            such a type cannot be a column.
        """
        return self._resolve(type_, ())

    def _resolve(self, type_: AlgebraicType, inside: Sequence[int]) -> AlgebraicType:
        match type_:
            case Ref(index=index):
                if index in inside:
                    raise DefinitionError(f"recursive type reference &{index}")
                return self._resolve(self[index], (*inside, index))
            case Array(element=element):
                return Array(self._resolve(element, inside))
            case Product(elements=elements):
                return Product(
                    tuple(Element(e.name, self._resolve(e.type, inside)) for e in elements)
                )
            case Sum(variants=variants):
                return Sum(tuple(Element(v.name, self._resolve(v.type, inside)) for v in variants))
        return type_
