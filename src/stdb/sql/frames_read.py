"""Values out of Arrow columns, as `frames.to_arrow` put them in."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from ..types import shapes as sh
from ..types.sums import Err, Ok, Some
from ..types.values import ScheduleAt
from .frames import _library, variant_field, variants_of

if TYPE_CHECKING:
    from collections.abc import Callable


def from_arrow(shape: sh.Shape, column: Any) -> list[Any]:
    """Return the values of a column (a `pyarrow.ChunkedArray`) as a row of `shape` has them.

    Raises
    ------
    ValueError, TypeError, KeyError, AttributeError
        The column holds something else.
    """
    numbers = _numbers_for_moments(column.type)
    if numbers != column.type:
        # Python's own dates end in the year 9999.
        column = column.cast(numbers)
    read = _reader(shape)
    values = column.to_pylist()
    return values if read is None else list(map(read, values))


def _numbers_for_moments(type_: Any) -> Any:
    """Return an Arrow type with 64-bit integers where it has moments and spans of time."""
    pa = _library("pyarrow", "arrow")

    if pa.types.is_timestamp(type_) or pa.types.is_duration(type_):
        return pa.int64()
    if pa.types.is_struct(type_):
        fields = [type_.field(i) for i in range(type_.num_fields)]
        return pa.struct([field.with_type(_numbers_for_moments(field.type)) for field in fields])
    if pa.types.is_list(type_):
        field = type_.value_field
        return pa.list_(field.with_type(_numbers_for_moments(field.type)))
    return type_


def _reader(shape: sh.Shape) -> Callable[[Any], Any] | None:
    """Return the function from what Arrow gives to a value; None where that is the value."""
    match shape:
        case sh.Int():
            return int  # decimals and texts stand in for the widest ones
        case sh.Wrapped():
            return _wrapped(shape)
        case sh.PlainEnum(members=members):
            return {member.name: member for member in members}.__getitem__
        case sh.Option(some=some):
            return _option(shape, _reader(some))
        case sh.Sequence(element=element):
            inner = _reader(element)
            return tuple if inner is None else lambda items: tuple(map(inner, items))
        case sh.Record(cls=cls, fields=fields):
            parts = [(f.attribute, _reader(f.shape)) for f in fields]
            return lambda value: cls(**{n: _apply(read, value[n]) for n, read in parts})
        case sh.Schedule() | sh.Result() | sh.Tagged():
            return _sum(shape)
    return None


def _wrapped(shape: sh.Wrapped) -> Callable[[Any], Any]:
    cls: Any = shape.cls
    if shape.attribute != "micros":
        read: Callable[[Any], Any] = cls if cls is uuid.UUID else cls.from_hex
        return read
    convert = getattr(cls, "from_datetime", None) or cls.from_timedelta
    return lambda value: cls(value) if value.__class__ is int else convert(value)


def _option(shape: sh.Option, inner: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    if shape.wraps:
        return lambda v: None if v is None else Some(_apply(inner, v["value"]))
    if inner is None:
        return None
    return lambda v: None if v is None else inner(v)


def _sum(shape: sh.Shape) -> Callable[[Any], Any]:
    variants = variants_of(shape)
    field = variant_field(variants)
    tags = {name: tag for tag, (name, _) in enumerate(variants)}
    readers = [_reader(inner) for _, inner in variants]

    def read(value: Any) -> Any:
        name = value[field]
        tag = tags[name]
        has_payload = not isinstance(variants[tag][1], sh.Unit)
        payload: Any = _apply(readers[tag], value[name]) if has_payload else None
        match shape:
            case sh.Schedule():
                return ScheduleAt(payload)
            case sh.Result():
                return Err(payload) if tag else Ok(payload)
            case sh.Tagged(cls=cls):
                made = getattr(cls, name)
                return made(payload) if has_payload else made
        return payload

    return read


def _apply(function: Callable[[Any], Any] | None, value: Any) -> Any:
    return value if function is None else function(value)
