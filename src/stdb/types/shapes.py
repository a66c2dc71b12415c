"""Shapes: an algebraic type together with the Python values that stand for it.

A type says ``(x: I32, y: I32)``; a shape adds that it is a ``Point``. Everything that touches
values is made from shapes: codecs, checks, keys, JSON. A shape comes from a Python annotation
(`annotations.shape_of`) or from a type alone (`generated.shape_of_type`).

``str(shape)`` is what one writes in a module to mean it, and what error messages show.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

import msgspec

from . import algebraic as at
from .values import ConnectionId, Identity, TimeDuration, Timestamp

if TYPE_CHECKING:
    from enum import Enum


class Shape(msgspec.Struct, eq=False):
    """The base of every shape. Compared by identity: two classes are two shapes."""

    def algebraic(self) -> at.AlgebraicType:
        """Return the type, with nothing left to look up."""
        return self._algebraic()

    def _algebraic(self) -> at.AlgebraicType:
        raise NotImplementedError(type(self).__name__)


class Bool(Shape, eq=False):
    """``bool``."""

    def _algebraic(self) -> at.AlgebraicType:
        return at.BOOL

    def __str__(self) -> str:
        return "bool"


class Int(Shape, eq=False):
    """An integer of a fixed width: a Python ``int`` within its range."""

    bits: int
    signed: bool

    @property
    def low(self) -> int:
        """The least value."""
        return -(1 << self.bits - 1) if self.signed else 0

    @property
    def high(self) -> int:
        """The greatest value."""
        return (1 << (self.bits - self.signed)) - 1

    def _algebraic(self) -> at.AlgebraicType:
        return _INTEGER_TYPES[self.bits, self.signed]

    def __str__(self) -> str:
        return f"{'i' if self.signed else 'u'}{self.bits}"


class Float(Shape, eq=False):
    """``float``; of 32 bits: one that 32 bits hold exactly. All NaNs are one object."""

    bits: int

    def _algebraic(self) -> at.AlgebraicType:
        return at.F32 if self.bits == 32 else at.F64

    def __str__(self) -> str:
        return f"f{self.bits}"


class Text(Shape, eq=False):
    """``str`` that UTF-8 can write (no lone surrogates)."""

    def _algebraic(self) -> at.AlgebraicType:
        return at.STRING

    def __str__(self) -> str:
        return "str"


class Blob(Shape, eq=False):
    """``bytes``, for an array of U8."""

    def _algebraic(self) -> at.AlgebraicType:
        return at.BYTES

    def __str__(self) -> str:
        return "bytes"


class Sequence(Shape, eq=False):
    """A ``tuple`` of any length, for any other array."""

    element: Shape

    def _algebraic(self) -> at.AlgebraicType:
        return at.Array(self.element.algebraic())

    def __str__(self) -> str:
        return f"list[{self.element}]"


class Option(Shape, eq=False):
    """The value or ``None``; a value that is itself an option is wrapped in `Some`."""

    some: Shape

    @property
    def wraps(self) -> bool:
        """Whether a present value is wrapped."""
        return isinstance(self.some, Option | Unit)

    def _algebraic(self) -> at.AlgebraicType:
        return at.option(self.some.algebraic())

    def __str__(self) -> str:
        return f"Some[{self.some}] | None" if self.wraps else f"{self.some} | None"


class Result(Shape, eq=False):
    """`Ok` or `Err`."""

    ok: Shape
    err: Shape

    def _algebraic(self) -> at.AlgebraicType:
        return at.result(self.ok.algebraic(), self.err.algebraic())

    def __str__(self) -> str:
        return f"Ok[{self.ok}] | Err[{self.err}]"


class Unit(Shape, eq=False):
    """Nothing: ``None`` for the empty product."""

    def _algebraic(self) -> at.AlgebraicType:
        return at.UNIT

    def __str__(self) -> str:
        return "None"


class Wrapped(Shape, eq=False):
    """A special value around one integer: an identity, a moment, a span, a UUID."""

    cls: type[Any]
    attribute: str
    type: at.AlgebraicType
    bits: int
    signed: bool

    def _algebraic(self) -> at.AlgebraicType:
        return self.type

    def __str__(self) -> str:
        return self.cls.__name__


class Schedule(Shape, eq=False):
    """`ScheduleAt`."""

    def _algebraic(self) -> at.AlgebraicType:
        return at.SCHEDULE_AT

    def __str__(self) -> str:
        return "ScheduleAt"


class Field(msgspec.Struct, eq=False):
    """A part of a record: the name in the type, the attribute in Python, and its shape."""

    name: str | None
    attribute: str
    shape: Shape


class Record(Shape, eq=False):
    """An instance of a class with named parts: a row, a frozen dataclass, a NamedTuple.

    `name` is the type's name in the module; the class is called with keywords.
    """

    cls: type[Any]
    name: str
    fields: tuple[Field, ...] = ()

    def _algebraic(self) -> at.AlgebraicType:
        return at.Product(tuple(at.Element(f.name, f.shape.algebraic()) for f in self.fields))

    def __str__(self) -> str:
        return self.name


class PlainEnum(Shape, eq=False):
    """A member of an `enum.Enum`; its number is in its attribute `TAG_ATTRIBUTE`."""

    cls: type[Enum]
    name: str
    members: tuple[Any, ...]
    names: tuple[str | None, ...]

    def _algebraic(self) -> at.AlgebraicType:
        return at.Sum(tuple(at.Element(name, at.UNIT) for name in self.names))

    def __str__(self) -> str:
        return self.name


class Tagged(Shape, eq=False):
    """An instance of a variant of a class made by `sum_type`; a unit variant has one value."""

    cls: type[Any]
    name: str
    variants: tuple[tuple[str | None, Shape], ...] = ()
    classes: tuple[type[Any], ...] = ()

    def _algebraic(self) -> at.AlgebraicType:
        return at.Sum(tuple(at.Element(name, shape.algebraic()) for name, shape in self.variants))

    def __str__(self) -> str:
        return self.name


#: How many values without bytes (units) an array may hold: nothing else bounds their number.
EMPTY_ITEMS_MAX: Final = 65_536
#: Where a member of an enum keeps its number: an attribute is read faster than a dict by member.
TAG_ATTRIBUTE: Final = "_stdb_tag"

_INTEGER_TYPES: Final = {key: type_ for type_, key in at.INTEGERS.items()}

BOOL: Final = Bool()
TEXT: Final = Text()
BLOB: Final = Blob()
UNIT: Final = Unit()
SCHEDULE: Final = Schedule()
F32: Final = Float(32)
F64: Final = Float(64)
INTS: Final = {(bits, signed): Int(bits, signed) for bits, signed in at.INTEGERS.values()}
U64: Final = INTS[64, False]
I64: Final = INTS[64, True]
IDENTITY: Final = Wrapped(Identity, "value", at.IDENTITY, 256, signed=False)
CONNECTION_ID: Final = Wrapped(ConnectionId, "value", at.CONNECTION_ID, 128, signed=False)
TIMESTAMP: Final = Wrapped(Timestamp, "micros", at.TIMESTAMP, 64, signed=True)
TIME_DURATION: Final = Wrapped(TimeDuration, "micros", at.TIME_DURATION, 64, signed=True)
UUID: Final = Wrapped(uuid.UUID, "int", at.UUID, 128, signed=False)

#: Types that have one shape each -> that shape.
BY_TYPE: Final[dict[at.AlgebraicType, Shape]] = {
    shape.algebraic(): shape
    for shape in (
        BOOL, TEXT, BLOB, UNIT, SCHEDULE, F32, F64, *INTS.values(),
        IDENTITY, CONNECTION_ID, TIMESTAMP, TIME_DURATION, UUID,
    )
}  # fmt: skip


def has_bytes(shape: Shape, inside: tuple[Shape, ...] = ()) -> bool:
    """Whether values of `shape` have any bytes: units have none."""
    if isinstance(shape, Record) and shape not in inside:
        return any(has_bytes(field.shape, (*inside, shape)) for field in shape.fields)
    return not isinstance(shape, Unit)


def tag_members(members: tuple[Any, ...]) -> None:
    """Note on each member of an enum its number."""
    for tag, member in enumerate(members):
        setattr(member, TAG_ATTRIBUTE, tag)
