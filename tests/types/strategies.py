"""Hypothesis strategies for shapes and their values, and the slow models that tests check against.

`shapes` makes shapes of every kind, with Python classes made on the fly; `values_of` makes exact
values of a shape. A new kind of shape belongs in both, so that old properties meet it.
"""

from __future__ import annotations

import dataclasses
import itertools
import struct
import uuid
from collections import namedtuple
from enum import Enum
from typing import Annotated, Any, Final

from hypothesis import strategies as st

from stdb.types import shapes as sh
from stdb.types.annotations import shape_of
from stdb.types.exact import NAN
from stdb.types.generated import struct_class
from stdb.types.sums import Err, Ok, Some, sum_type
from stdb.types.values import ConnectionId, Identity, ScheduleAt, TimeDuration, Timestamp

_numbers = itertools.count(1)

SCALARS: Final = (sh.BOOL, *sh.INTS.values(), sh.F32, sh.F64, sh.TEXT, sh.BLOB)
SPECIALS: Final = (
    sh.IDENTITY, sh.CONNECTION_ID, sh.TIMESTAMP, sh.TIME_DURATION, sh.UUID, sh.SCHEDULE,
)  # fmt: skip


# --------------------------------------------------------------------- shapes from classes


def sequence(element: sh.Shape) -> sh.Shape:
    """The shape of an array: bytes, or a tuple."""
    if isinstance(element, sh.Int) and element.algebraic() is sh.INTS[8, False].algebraic():
        return sh.BLOB
    return sh.Sequence(element)


def dataclass_of(*parts: sh.Shape) -> sh.Record:
    """The shape of a frozen dataclass with the fields ``a0``, ``a1``, …."""
    fields = [(f"a{i}", Annotated[Any, part]) for i, part in enumerate(parts)]
    made = shape_of(dataclasses.make_dataclass(f"Data{next(_numbers)}", fields, frozen=True))
    assert isinstance(made, sh.Record)
    return made


def named_tuple_of(*parts: sh.Shape) -> sh.Record:
    """The shape of a NamedTuple with the fields ``a0``, ``a1``, …."""
    names = [f"a{i}" for i in range(len(parts))]
    make: Any = namedtuple  # noqa: PYI024 - made on the fly
    cls = make(f"Tuple{next(_numbers)}", names)
    return _record(cls, names, parts)


def struct_of(*parts: sh.Shape) -> sh.Record:
    """The shape of a class as stdb makes it for a module that comes as a file."""
    names = [f"a{i}" for i in range(len(parts))]
    return _record(struct_class(f"Struct{next(_numbers)}", names), names, parts)


def _record(cls: type[Any], names: list[str], parts: tuple[sh.Shape, ...]) -> sh.Record:
    fields = tuple(sh.Field(n, n, part) for n, part in zip(names, parts, strict=True))
    return sh.Record(cls, cls.__name__, fields)


def enum_of(count: int) -> sh.PlainEnum:
    """The shape of an Enum whose members are not in the order of their names."""
    names = tuple(f"m{count - i}" for i in range(count))
    cls: Any = Enum(f"Enum{next(_numbers)}", list(names))  # type: ignore[misc]
    members = tuple(cls)
    sh.tag_members(members)
    return sh.PlainEnum(cls, cls.__name__, members, names)


def tagged_of(*payloads: sh.Shape) -> sh.Tagged:
    """The shape of a `sum_type` with the variants ``v0``, ``v1``, …."""
    annotations = {
        f"v{i}": None if isinstance(payload, sh.Unit) else Any for i, payload in enumerate(payloads)
    }
    cls: Any = sum_type(type(f"Sum{next(_numbers)}", (), {"__annotations__": annotations}))
    variants = tuple(zip(annotations, payloads, strict=True))
    return sh.Tagged(cls, cls.__name__, variants, cls.__stdb_variant_classes__)


def _compound(inner: st.SearchStrategy[sh.Shape]) -> st.SearchStrategy[sh.Shape]:
    several = st.lists(inner, max_size=4)
    return st.one_of(
        inner.map(sequence),
        inner.map(sh.Option),
        st.builds(sh.Result, inner, inner),
        several.map(lambda parts: dataclass_of(*parts)),
        several.map(lambda parts: named_tuple_of(*parts)),
        several.map(lambda parts: struct_of(*parts)),
        st.lists(inner, min_size=1, max_size=4).map(lambda parts: tagged_of(*parts)),
    )


def shapes(leaves_max: int = 6) -> st.SearchStrategy[sh.Shape]:
    """Shapes of every kind, in each other."""
    leaves: st.SearchStrategy[sh.Shape] = st.one_of(
        st.sampled_from([*SCALARS, *SPECIALS, sh.UNIT]), st.integers(1, 5).map(enum_of)
    )
    return st.recursive(leaves, _compound, max_leaves=leaves_max)


# ---------------------------------------------------------------------------------- values

#: Text with everything that a codec could stumble over, but no lone surrogates.
TEXTS: Final = st.text(max_size=8) | st.sampled_from(
    ["", "\0", '"\\\b\f\n\r\t\x1f\x7f/', "é☃", "😀\U0010ffff", "\u2028\ue000\uffff"]
)


def floats(bits: int) -> st.SearchStrategy[float]:
    """Floats that so many bits hold, with the one NaN that rows hold."""
    return st.floats(width=32 if bits == 32 else 64).map(lambda x: x if x == x else NAN)


def _integers(shape: sh.Int) -> st.SearchStrategy[int]:
    return st.integers(shape.low, shape.high) | st.sampled_from([shape.low, 0, 1, shape.high])


_WRAP: Final[dict[sh.Shape, Any]] = {
    sh.IDENTITY: Identity,
    sh.CONNECTION_ID: ConnectionId,
    sh.TIMESTAMP: Timestamp,
    sh.TIME_DURATION: TimeDuration,
    sh.UUID: lambda number: uuid.UUID(int=number),
}


def values_of(shape: sh.Shape) -> st.SearchStrategy[Any]:
    """Exact values of `shape`."""
    match shape:
        case sh.Bool():
            return st.booleans()
        case sh.Int():
            return _integers(shape)
        case sh.Float(bits=bits):
            return floats(bits)
        case sh.Text():
            return TEXTS
        case sh.Blob():
            return st.binary(max_size=8)
        case sh.Unit():
            return st.none()
        case sh.Wrapped(bits=bits, signed=signed):
            return _integers(sh.INTS[bits, signed]).map(_WRAP[shape])
        case sh.Schedule():
            moments = values_of(sh.TIME_DURATION) | values_of(sh.TIMESTAMP)
            return moments.map(ScheduleAt)
        case sh.Sequence(element=element):
            return st.lists(values_of(element), max_size=4).map(tuple)
        case sh.Option(some=some):
            present = values_of(some)
            return st.none() | (present.map(Some) if shape.wraps else present)
        case sh.Result(ok=ok, err=err):
            return values_of(ok).map(Ok) | values_of(err).map(Err)
        case sh.Record(cls=cls, fields=fields):
            return st.builds(cls, **{f.attribute: values_of(f.shape) for f in fields})
        case sh.PlainEnum(members=members):
            return st.sampled_from(members)
        case sh.Tagged():
            return st.one_of([_variant(shape, tag) for tag in range(len(shape.variants))])
    raise TypeError(f"no values of {shape!r}")


def _variant(shape: sh.Tagged, tag: int) -> st.SearchStrategy[Any]:
    name, payload = shape.variants[tag]
    assert name is not None
    if isinstance(payload, sh.Unit):
        return st.just(getattr(shape.cls, name))
    return values_of(payload).map(shape.classes[tag])


@st.composite
def shapes_with_values(
    draw: st.DrawFn, count: int = 1, kinds: st.SearchStrategy[sh.Shape] | None = None
) -> tuple[Any, ...]:
    """A shape and so many exact values of it: ``(shape, value, …)``."""
    shape = draw(kinds or shapes())
    return (shape, *(draw(values_of(shape)) for _ in range(count)))


# ---------------------------------------------------------------------------------- models


def fingerprint(shape: sh.Shape, value: Any) -> Any:
    """Everything of a value that must survive: classes, parts, and the bits of floats.

    Of NaN only that it is the one that rows hold.
    """
    cls = type(value)
    match shape:
        case sh.Float():
            return (cls, "NAN" if value is NAN else struct.pack("<d", value))
        case sh.Sequence(element=element):
            return (cls, [fingerprint(element, item) for item in value])
        case sh.Option(some=some) if value is not None:
            return (cls, fingerprint(some, value.value if shape.wraps else value))
        case sh.Result(ok=ok, err=err):
            return (cls, fingerprint(ok if cls is Ok else err, value.value))
        case sh.Record(fields=fields):
            return (cls, [fingerprint(f.shape, getattr(value, f.attribute)) for f in fields])
        case sh.Tagged():
            payload = shape.variants[shape.classes.index(cls)][1]
            return (
                cls,
                None if isinstance(payload, sh.Unit) else fingerprint(payload, value.value),
            )
    return (cls, value)


def compare(shape: sh.Shape, a: Any, b: Any) -> int:
    """-1, 0 or 1, as SATS orders two values: a plain walk over both, without any keys."""
    match shape:
        case sh.Float():
            return _order(*((x != x, 0.0 if x != x else x) for x in (a, b)))
        case sh.Text():
            return _order(a.encode(), b.encode())
        case sh.Unit():
            return 0
        case sh.Wrapped(attribute=attribute):
            return _order(getattr(a, attribute), getattr(b, attribute))
        case sh.Sequence(element=element):
            for x, y in zip(a, b, strict=False):
                if ordered := compare(element, x, y):
                    return ordered
            return _order(len(a), len(b))
        case sh.Record(fields=fields):
            for field in fields:
                x, y = getattr(a, field.attribute), getattr(b, field.attribute)
                if ordered := compare(field.shape, x, y):
                    return ordered
            return 0
        case sh.Bool() | sh.Int() | sh.Blob():
            return _order(a, b)
    (tag_a, payload, inner_a), (tag_b, _, inner_b) = _open(shape, a), _open(shape, b)
    return _order(tag_a, tag_b) or compare(payload, inner_a, inner_b)


def _order(a: Any, b: Any) -> int:
    return int(a > b) - int(a < b)


def _open(shape: sh.Shape, value: Any) -> tuple[int, sh.Shape, Any]:
    """The tag of a value of a sum, the shape of its payload, and the payload."""
    match shape:
        case sh.Option(some=some):
            if value is None:
                return 1, sh.UNIT, None
            return 0, some, value.value if shape.wraps else value
        case sh.Result(ok=ok, err=err):
            return (0, ok, value.value) if isinstance(value, Ok) else (1, err, value.value)
        case sh.Schedule():
            if value.time is None:
                return 0, sh.TIME_DURATION, value.interval
            return 1, sh.TIMESTAMP, value.time
        case sh.PlainEnum(members=members):
            return members.index(value), sh.UNIT, None
        case sh.Tagged(variants=variants, classes=classes):
            tag = classes.index(type(value))
            payload = variants[tag][1]
            inner = None if isinstance(payload, sh.Unit) else value.value
            return tag, payload, inner
    raise TypeError(f"not a sum: {shape!r}")
