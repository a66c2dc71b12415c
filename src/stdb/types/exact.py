"""Which Python values a shape holds exactly, and how near misses are mended.

Two twins that must agree: `check_expression` generates the test that every insert runs, and
`exact` is the slow, obvious form, which converts what is meant well (numpy scalars, an int in a
float column, a list for a tuple, an aware datetime) and refuses the rest with the place.
"""

from __future__ import annotations

import struct
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from ..errors import TypeMismatch, shorten
from .shapes import (
    EMPTY_ITEMS_MAX,
    INTS,
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
    has_bytes,
)  # fmt: skip
from .sums import Err, Ok, Some
from .values import ScheduleAt, TimeDuration, Timestamp

if TYPE_CHECKING:
    from .compose import Composer

#: The one NaN that rows hold: two NaN objects are neither equal nor of one hash.
NAN: Final = float("nan")
_NAIVE: Final = "it has no time zone: use datetime.now(UTC) or .replace(tzinfo=…)"
_MADE_WITH: Final = {
    Timestamp: "give an aware datetime, or Timestamp.from_micros(…)",
    TimeDuration: "give a timedelta, or TimeDuration.from_micros(…)",
}
_F32: Final = struct.Struct("<f")
_BYTE: Final = INTS[8, False]


def round_to_f32(value: float) -> float:
    """Return the nearest float that 32 bits hold; OverflowError when none is near."""
    if value != value:
        return NAN
    rounded: float = _F32.unpack(_F32.pack(value))[0]
    return rounded


class Inexact(Exception):  # noqa: N818 - never leaves the library
    """A value that a shape cannot hold: where in it, what was expected, why not."""

    def __init__(self, path: str, expected: str, got: object, hint: str = "") -> None:
        super().__init__(path, expected, got, hint)
        self.path = path
        self.expected = expected
        self.got = got
        self.hint = hint


def mismatch(
    error: Inexact, table: str, column: str, what: str = "column", *, owner: str = ""
) -> TypeMismatch:
    """Return the error to raise for `error` in that place; `owner` is what to call the table."""
    place = f"{column}{error.path}"
    owner = owner or (f"table {table!r}" if what == "column" else table)
    got = f"{type(error.got).__name__} {shorten(error.got)}"
    message = f"{owner}, {what} {place!r}: expected {error.expected}, got {got}"
    if error.hint:
        message += f" ({error.hint})"
    return TypeMismatch(message, table=table, column=place, expected=error.expected, got=error.got)


def exact(shape: Shape, value: Any, path: str = "") -> Any:
    """Return `value` as `shape` holds it: unchanged where it already fits.

    Raises
    ------
    Inexact
        It does not fit, and is not meant well.
    """
    if _numpy_dimensions(value) == 0:
        value = value.item()
    return _EXACT[type(shape)](shape, value, path)


def _numpy_dimensions(value: Any) -> int:
    """Return 0 for a scalar of numpy, the number of dimensions of an array, else -1."""
    if type(value).__module__ != "numpy" or not hasattr(value, "item"):
        return -1
    dimensions: int = getattr(value, "ndim", -1)
    return dimensions


def _exact_bool(shape: Bool, value: Any, path: str) -> bool:
    if value.__class__ is bool:
        return bool(value)
    raise Inexact(path, str(shape), value)


def _exact_int(shape: Int, value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        hint = "a bool is not a number here; use int(…)" if isinstance(value, bool) else ""
        raise Inexact(path, str(shape), value, hint)
    number = int(value)
    if not shape.low <= number <= shape.high:
        raise Inexact(path, str(shape), value, f"it holds {shape.low} to {shape.high}")
    return number


def _exact_float(shape: Float, value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Inexact(path, str(shape), value)
    try:
        number = float(value)
        if number != number:
            return NAN
        return round_to_f32(number) if shape.bits == 32 else number
    except OverflowError:
        raise Inexact(path, str(shape), value, "too large for it") from None


def _exact_text(shape: Text, value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise Inexact(path, str(shape), value)
    text = str.__str__(value)
    if not encodable(text):
        raise Inexact(path, str(shape), value, "it has lone surrogates, which UTF-8 cannot write")
    return text


def encodable(text: str) -> bool:
    """Whether UTF-8 can write `text`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _exact_blob(shape: Blob, value: Any, path: str) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if not isinstance(value, list | tuple) and _numpy_dimensions(value) != 1:
        raise Inexact(path, str(shape), value)
    # A column annotated list[u8] holds bytes, too.
    return bytes([exact(_BYTE, item, f"{path}[{i}]") for i, item in enumerate(value)])


def _exact_sequence(shape: Sequence, value: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple) and _numpy_dimensions(value) < 1:
        raise Inexact(path, str(shape), value)
    if not has_bytes(shape.element) and len(value) > EMPTY_ITEMS_MAX:
        raise Inexact(path, str(shape), value, f"it holds up to {EMPTY_ITEMS_MAX} empty items")
    return tuple(exact(shape.element, item, f"{path}[{i}]") for i, item in enumerate(value))


def _exact_option(shape: Option, value: Any, path: str) -> Any:
    if value is None:
        return None
    if not shape.wraps:
        return exact(shape.some, value, path)
    if not isinstance(value, Some):
        raise Inexact(path, str(shape), value, "wrap a present value in Some(…)")
    return Some(exact(shape.some, value.value, f"{path}.value"))


def _exact_result(shape: Result, value: Any, path: str) -> Any:
    if isinstance(value, Ok):
        return Ok(exact(shape.ok, value.value, f"{path}.value"))
    if isinstance(value, Err):
        return Err(exact(shape.err, value.value, f"{path}.value"))
    raise Inexact(path, str(shape), value, "make it with Ok(…) or Err(…)")


def _exact_unit(shape: Unit, value: Any, path: str) -> None:
    if value is not None:
        raise Inexact(path, str(shape), value)


def _exact_wrapped(shape: Wrapped, value: Any, path: str) -> Any:
    if value.__class__ is shape.cls:
        return value
    hint = ""
    try:
        if isinstance(value, shape.cls):
            # Drivers bring subclasses of their own, as of uuid.UUID.
            return shape.cls(**{shape.attribute: getattr(value, shape.attribute)})
        if shape.cls is Timestamp and isinstance(value, datetime):
            if value.utcoffset() is None:
                raise Inexact(path, str(shape), value, _NAIVE)
            return Timestamp.from_datetime(value)
        if shape.cls is TimeDuration and isinstance(value, timedelta):
            return TimeDuration.from_timedelta(value)
    except (TypeError, OverflowError) as error:
        hint = str(error)
    if isinstance(value, str) and hasattr(shape.cls, "from_hex"):
        hint = f"{shape.cls.__name__}.from_hex(…) makes one of hex digits"
    hint = hint or _MADE_WITH.get(shape.cls, "")
    raise Inexact(path, str(shape), value, hint)


def _exact_schedule(shape: Schedule, value: Any, path: str) -> ScheduleAt:
    if value.__class__ is ScheduleAt:
        return value
    hint = "make it with ScheduleAt.at(…) or ScheduleAt.every(…)"
    try:
        if isinstance(value, datetime) and value.utcoffset() is None:
            raise Inexact(path, str(shape), value, _NAIVE)
        if isinstance(value, Timestamp | datetime):
            return ScheduleAt.at(value)
        if isinstance(value, TimeDuration | timedelta):
            return ScheduleAt.every(value)
    except (TypeError, OverflowError) as error:
        hint = str(error)
    raise Inexact(path, str(shape), value, hint)


def _exact_record(shape: Record, value: Any, path: str) -> Any:
    if value.__class__ is not shape.cls:
        hint = other_class_hint(shape, value) or f"make it with {shape.cls.__name__}(…)"
        raise Inexact(path, str(shape), value, hint)
    parts = {f.attribute: getattr(value, f.attribute) for f in shape.fields}
    mended = {
        f.attribute: exact(f.shape, parts[f.attribute], f"{path}.{f.attribute}")
        for f in shape.fields
    }
    if all(mended[name] is part for name, part in parts.items()):
        return value
    return shape.cls(**mended)


def other_class_hint(shape: Record | PlainEnum | Tagged, value: object) -> str:
    """Say why an object of another class of the same name does not fit."""
    if any(base.__name__ == shape.cls.__name__ for base in type(value).__mro__):
        return (
            "its class was declared again or elsewhere since; make it with the class that the "
            "module holds now"
        )
    return ""


def _exact_enum(shape: PlainEnum, value: Any, path: str) -> Enum:
    if value.__class__ is shape.cls:
        return value
    hint = other_class_hint(shape, value)
    if isinstance(value, str) and value in shape.cls.__members__:
        hint = f"{shape.cls.__name__}.{value} is meant?"
    raise Inexact(path, str(shape), value, hint)


def _exact_tagged(shape: Tagged, value: Any, path: str) -> Any:
    if value.__class__ not in shape.classes:
        made_with = f"make it with {shape.cls.__name__}.{shape.variants[0][0]} or another variant"
        raise Inexact(path, str(shape), value, other_class_hint(shape, value) or made_with)
    payload = shape.variants[value.__stdb_tag__][1]
    if isinstance(payload, Unit):
        return value
    mended = exact(payload, value.value, f"{path}.value")
    return value if mended is value.value else type(value)(mended)


_EXACT: Final[dict[type[Shape], Any]] = {
    Bool: _exact_bool,
    Int: _exact_int,
    Float: _exact_float,
    Text: _exact_text,
    Blob: _exact_blob,
    Sequence: _exact_sequence,
    Option: _exact_option,
    Result: _exact_result,
    Unit: _exact_unit,
    Wrapped: _exact_wrapped,
    Schedule: _exact_schedule,
    Record: _exact_record,
    PlainEnum: _exact_enum,
    Tagged: _exact_tagged,
}


def check_expression(c: Composer, shape: Shape, var: str) -> str:
    """Return source that is true when the value named `var` is exactly what `shape` holds."""
    match shape:
        case Bool():
            return f"{var}.__class__ is bool"
        case Int(low=low, high=high):
            return f"{var}.__class__ is int and {low} <= {var} <= {high}"
        case Float(bits=64):
            return f"{var}.__class__ is float and ({var} == {var} or {var} is {c.name(NAN, 'NAN')})"
        case Float():
            return f"{var}.__class__ is float and {c.name(_is_f32, 'is_f32')}({var})"
        case Text():
            return (
                f"{var}.__class__ is str and ({var}.isascii() or "
                f"{c.name(encodable, 'encodable')}({var}))"
            )
        case Blob():
            return f"{var}.__class__ is bytes"
        case Unit():
            return f"{var} is None"
        case Wrapped(cls=cls):
            return f"{var}.__class__ is {c.name(cls, cls.__name__)}"
        case PlainEnum(cls=cls):
            return f"{var}.__class__ is {c.name(cls, 'Enum')}"
        case Schedule():
            return f"{var}.__class__ is {c.name(ScheduleAt, 'ScheduleAt')}"
        case Option(some=some) if not shape.wraps:
            return f"({var} is None or {check_expression(c, some, var)})"
        case Sequence(element=element):
            function = c.function("check_items", shape, lambda name: _check_items(c, shape, name))
            short = "" if has_bytes(element) else f" and len({var}) <= {EMPTY_ITEMS_MAX}"
            return f"{var}.__class__ is tuple{short} and {function}({var})"
    return f"{c.function('check', shape, lambda name: _check_function(c, shape, name))}({var})"


def _is_f32(value: float) -> bool:
    if value != value:
        return value is NAN
    try:
        return bool(_F32.unpack(_F32.pack(value))[0] == value)
    except OverflowError:
        return False


def _check_items(c: Composer, shape: Sequence, name: str) -> list[str]:
    return [
        f"def {name}(values):",
        "    for v in values:",
        f"        if not ({check_expression(c, shape.element, 'v')}):",
        "            return False",
        "    return True",
    ]


def _check_function(c: Composer, shape: Shape, name: str) -> list[str]:
    lines = [f"def {name}(v):"]
    match shape:
        case Option(some=some):
            wrapper = c.name(Some, "Some")
            lines += [
                "    if v is None:",
                "        return True",
                f"    if v.__class__ is not {wrapper}:",
                "        return False",
                "    v = v.value",
                f"    return {check_expression(c, some, 'v')}",
            ]
        case Result(ok=ok, err=err):
            for cls, inner in ((Ok, ok), (Err, err)):
                lines += [
                    f"    if v.__class__ is {c.name(cls, cls.__name__)}:",
                    "        v = v.value",
                    f"        return {check_expression(c, inner, 'v')}",
                ]
            lines.append("    return False")
        case Record(cls=cls, fields=fields):
            lines += [f"    if v.__class__ is not {c.name(cls, 'Record')}:", "        return False"]
            for field in fields:
                lines += [
                    f"    p = v.{field.attribute}",
                    f"    if not ({check_expression(c, field.shape, 'p')}):",
                    "        return False",
                ]
            lines.append("    return True")
        case Tagged(variants=variants, classes=classes):
            for (_, payload), cls in zip(variants, classes, strict=True):
                lines.append(f"    if v.__class__ is {c.name(cls, 'Variant')}:")
                if isinstance(payload, Unit):
                    lines.append("        return True")
                else:
                    lines += [
                        "        v = v.value",
                        f"        return {check_expression(c, payload, 'v')}",
                    ]
            lines.append("    return False")
        case _:
            raise TypeError(f"no check for {shape!r}")
    return lines
