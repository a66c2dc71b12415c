"""BSATN decoders: a generated one for speed, and its slow twin that says what is wrong.

Bytes may come from anywhere. The generated decoder stops at the first thing that does not fit;
the slow one then reads the same bytes again and raises a `DecodeError` with the offset and the
reason. No length in the bytes is believed before the bytes are there, so nothing is allocated or
looped over that the input does not pay for, and nesting is bounded by `DEPTH_MAX`.

Source: SpacetimeDB documentation, "BSATN" (internals), version 2.8.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import DecodeError, InternalError
from .bsatn_encode import INT_FORMATS, children, fixed_format, is_recursive
from .compose import Composer
from .exact import NAN
from .reader import DEPTH_MAX
from .shapes import (
    EMPTY_ITEMS_MAX,
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
from .sums import Err, Ok, Some, unit_variant
from .values import ScheduleAt, TimeDuration, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable


class Malformed(Exception):  # noqa: N818 - never leaves the library
    """The generated decoder met bytes that do not fit."""


def size_min(shape: Shape, inside: tuple[int, ...] = ()) -> int:
    """Return the least number of bytes that a value of `shape` can have."""
    match shape:
        case Bool() | PlainEnum():
            return 1
        case Int(bits=bits) | Float(bits=bits) | Wrapped(bits=bits):
            return bits // 8
        case Text() | Blob() | Sequence():
            return 4
        case Unit():
            return 0
        case Schedule():
            return 9
    if id(shape) in inside:
        return 0
    sizes = [size_min(child, (*inside, id(shape))) for child in children(shape)]
    if isinstance(shape, Record):
        return sum(sizes)
    return 1 + (0 if isinstance(shape, Option) else min(sizes, default=0))


def make_decoder(shape: Shape) -> Callable[[Any, int], tuple[Any, int]]:
    """Return the function ``(data, offset) -> (value, offset behind it)`` of `shape`.

    It raises `DecodeError` where the bytes do not hold a value; bytes behind it do not matter.
    """
    if is_recursive(shape):
        # Only arguments can be such. The slow decoder counts how deep they go; how far the fast
        # one came would depend on who calls.
        return partial(_decode_recursive, shape)
    c = Composer()
    function = decode_function(c, shape)
    fast: Callable[[Any, int, int], tuple[Any, int]] = c.run(f"decode {shape}")[function]

    def decode(data: Any, offset: int = 0) -> tuple[Any, int]:
        try:
            return fast(data, offset, len(data))
        except Exception as error:
            # Not only the bytes can be at fault: a dataclass may refuse what it is made with.
            decode_slowly(shape, bytes(data), offset)
            message = f"the two decoders of {shape} disagree at byte {offset}"
            raise InternalError(message) from error

    return decode


def decode_function(c: Composer, shape: Shape) -> str:
    """Return the name of a function ``(data, offset, end) -> (value, offset behind it)`` in `c`.

    For shapes that do not contain themselves. It raises an exception of whatever kind where the
    bytes do not hold a value, but where `data` goes on behind `end` it may read on: compare what it
    returns.
    """
    return c.function("decode", shape, lambda name: _decode_function(c, shape, name))


def _decode_recursive(shape: Shape, data: Any, offset: int = 0) -> tuple[Any, int]:
    return decode_slowly(shape, bytes(data), offset)


def _decode_into(c: Composer, shape: Shape, target: str) -> list[str]:
    """Return lines that read a value of `shape` at ``i`` into `target` and move ``i`` on."""
    letter = fixed_format(shape)
    if letter:
        unpack = c.name(struct.Struct("<" + letter).unpack_from, "unpack")
        lines = [f"{target}, = {unpack}(data, i)"]
        if isinstance(shape, Float):
            lines.append(f"if {target} != {target}: {target} = {c.name(NAN, 'NAN')}")
        if isinstance(shape, Bool):
            lines.insert(0, f"if i >= end or data[i] > 1: raise {_malformed(c)}")
        return [*lines, f"i += {size_min(shape)}"]
    match shape:
        case Int(bits=bits, signed=signed):
            return _wide_int(c, bits, signed, target)
        case Wrapped(cls=cls, attribute=attribute, bits=bits, signed=signed):
            lines = (
                _decode_into(c, Int(bits, signed), target)
                if (bits, signed) in INT_FORMATS
                else _wide_int(c, bits, signed, target)
            )
            return [*lines, f"{target} = {c.name(cls, cls.__name__)}({attribute}={target})"]
        case Text() | Blob():
            return _counted_bytes(c, target, ".decode()" if isinstance(shape, Text) else "")
        case Unit():
            return [f"{target} = None"]
    return [f"{target}, i = {decode_function(c, shape)}(data, i, end)"]


def _malformed(c: Composer) -> str:
    return c.name(Malformed, "Malformed")


def _wide_int(c: Composer, bits: int, signed: bool, target: str) -> list[str]:
    size = bits // 8
    sign = ", signed=True" if signed else ""
    return [
        f"j = i + {size}",
        f"if j > end: raise {_malformed(c)}",
        f"{target} = int.from_bytes(data[i:j], 'little'{sign})",
        "i = j",
    ]


def _counted_bytes(c: Composer, target: str, convert: str) -> list[str]:
    unpack = c.name(struct.Struct("<I").unpack_from, "unpack")
    return [
        f"n, = {unpack}(data, i)",
        "j = i + 4 + n",
        f"if j > end: raise {_malformed(c)}",
        f"{target} = bytes(data[i + 4:j]){convert}",
        "i = j",
    ]


def _decode_function(c: Composer, shape: Shape, name: str) -> list[str]:
    lines = [f"def {name}(data, i, end):"]
    body: list[str]
    match shape:
        case Record(cls=cls, fields=fields):
            body = _record_lines(c, fields, c.name(cls, "Record"))
        case Sequence(element=element):
            body = _sequence_lines(c, element)
        case Option() | Result() | PlainEnum() | Tagged() | Schedule():
            body = _sum_lines(c, shape)
        case _:
            body = [*_decode_into(c, shape, "v"), "return v, i"]
    return lines + ["    " + line for line in body]


def _record_lines(c: Composer, fields: Any, cls: str) -> list[str]:
    lines: list[str] = []
    run: list[tuple[str, Shape]] = []

    def close_run() -> None:
        if not run:
            return
        layout = struct.Struct("<" + "".join(fixed_format(shape) for _, shape in run))
        targets = "".join(f"{target}, " for target, _ in run)
        lines.append(f"{targets}= {c.name(layout.unpack_from, 'unpack')}(data, i)")
        lines.extend(
            f"if {target} != {target}: {target} = {c.name(NAN, 'NAN')}"
            for target, shape in run
            if isinstance(shape, Float)
        )
        lines.append(f"i += {layout.size}")
        run.clear()

    for position, field in enumerate(fields):
        target = f"f{position}"
        if fixed_format(field.shape) and not isinstance(field.shape, Bool):
            run.append((target, field.shape))
        else:
            close_run()
            lines += _decode_into(c, field.shape, target)
    close_run()
    arguments = ", ".join(f"{f.attribute}=f{position}" for position, f in enumerate(fields))
    return [*lines, f"return {cls}({arguments}), i"]


def _sequence_lines(c: Composer, element: Shape) -> list[str]:
    unpack = c.name(struct.Struct("<I").unpack_from, "unpack")
    size = size_min(element)
    enough = f"n * {size} > end - i" if size else f"n > {EMPTY_ITEMS_MAX}"
    lines = [f"n, = {unpack}(data, i)", "i += 4", f"if {enough}: raise {_malformed(c)}"]
    letter = fixed_format(element)
    if letter and not isinstance(element, Bool):
        any_unpack = c.name(struct.unpack_from, "unpack_any")
        lines += [f"v = {any_unpack}(f'<{{n}}{letter}', data, i)", f"i += n * {size}"]
        if isinstance(element, Float):
            nan = c.name(NAN, "NAN")
            lines.append(f"v = tuple([x if x == x else {nan} for x in v])")
        return [*lines, "return v, i"]
    items = [f"    {line}" for line in _decode_into(c, element, "v")]
    return [*lines, "items = []", "for _ in range(n):", *items, "    items.append(v)",
            "return tuple(items), i"]  # fmt: skip


def _sum_lines(c: Composer, shape: Shape) -> list[str]:
    lines = [f"if i >= end: raise {_malformed(c)}", "tag = data[i]", "i += 1"]
    if isinstance(shape, PlainEnum):
        lines.append(
            f"if tag < {len(shape.members)}: return {c.name(shape.members, 'ENUM')}[tag], i"
        )
        return [*lines, f"raise {_malformed(c)}"]
    for tag, (payload, construct) in enumerate(_cases(c, shape)):
        inner = _decode_into(c, payload, "v") if "$" in construct else []
        lines += [
            f"if tag == {tag}:",
            *("    " + line for line in inner),
            f"    return {construct.replace('$', 'v')}, i",
        ]
    return [*lines, f"raise {_malformed(c)}"]


def _cases(c: Composer, shape: Shape) -> list[tuple[Shape, str]]:
    """Return (payload, source that makes the value of the payload ``$``) of each variant."""
    match shape:
        case Option(some=some):
            return [(some, f"{c.name(Some, 'Some')}($)" if shape.wraps else "$"), (Unit(), "None")]
        case Result(ok=ok, err=err):
            return [(ok, f"{c.name(Ok, 'Ok')}($)"), (err, f"{c.name(Err, 'Err')}($)")]
        case Schedule():
            make = c.name(ScheduleAt, "ScheduleAt")
            span, moment = c.name(TimeDuration, "TimeDuration"), c.name(Timestamp, "Timestamp")
            micros = Int(64, signed=True)
            return [(micros, f"{make}({span}($))"), (micros, f"{make}({moment}($))")]
        case Tagged(variants=variants, classes=classes):
            return [
                (payload, c.name(unit_variant(cls), "variant"))
                if isinstance(payload, Unit)
                else (payload, f"{c.name(cls, 'Variant')}($)")
                for (_, payload), cls in zip(variants, classes, strict=True)
            ]
    raise TypeError(f"not a sum: {shape!r}")


class _SlowReader:
    """The slow twin: reads a value part by part and knows the offset of each."""

    def __init__(self, data: bytes, offset: int) -> None:
        self.data = data
        self.offset = offset
        self.depth = 0

    def fail(self, message: str, offset: int | None = None) -> NoReturn:
        at = self.offset if offset is None else offset
        raise DecodeError(f"at byte {at}: {message}", offset=at)

    def take(self, size: int, what: str) -> bytes:
        given = len(self.data) - self.offset
        if size > given:
            self.fail(f"data too short for {what}: expected {size} bytes, given {given}")
        taken = self.data[self.offset : self.offset + size]
        self.offset += size
        return taken

    def integer(self, bits: int, *, signed: bool, what: str = "") -> int:
        name = what or f"{'i' if signed else 'u'}{bits}"
        return int.from_bytes(self.take(bits // 8, name), "little", signed=signed)

    def value(self, shape: Shape) -> Any:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            self.fail(f"values nested more than {DEPTH_MAX} deep")
        try:
            return self._value(shape)
        finally:
            self.depth -= 1

    def _value(self, shape: Shape) -> Any:
        match shape:
            case Bool():
                byte = self.integer(8, signed=False)
                if byte > 1:
                    self.fail(f"a bool is 0 or 1, not {byte}", self.offset - 1)
                return byte == 1
            case Int(bits=bits, signed=signed):
                return self.integer(bits, signed=signed)
            case Float(bits=bits):
                raw = self.take(bits // 8, f"u{bits}")
                number: float = struct.unpack("<f" if bits == 32 else "<d", raw)[0]
                return number if number == number else NAN
            case Text():
                start = self.offset + 4
                raw = self.counted_bytes()
                try:
                    return raw.decode()
                except UnicodeDecodeError as error:
                    self.fail(f"invalid utf8: {error.reason}", start + error.start)
            case Blob():
                return self.counted_bytes()
            case Unit():
                return None
            case Wrapped(cls=cls, attribute=attribute, bits=bits, signed=signed):
                return cls(**{attribute: self.integer(bits, signed=signed)})
            case Record(cls=cls, fields=fields):
                start = self.offset
                parts = {field.attribute: self.value(field.shape) for field in fields}
                try:
                    return cls(**parts)
                except Exception as error:
                    message = f"{shape} refuses these values: {error}"
                    raise DecodeError(f"at byte {start}: {message}", offset=start) from error
            case Sequence(element=element):
                return self.sequence(element)
        return self.sum_value(shape)

    def counted_bytes(self) -> bytes:
        return self.take(self.integer(32, signed=False), "[u8]")

    def sequence(self, element: Shape) -> tuple[Any, ...]:
        start = self.offset
        count = self.integer(32, signed=False)
        size = size_min(element)
        given = len(self.data) - self.offset
        if size and count * size > given:
            self.fail(
                f"data too short for {count} items of at least {size} bytes: "
                f"expected {count * size} bytes, given {given}"
            )
        if not size and count > EMPTY_ITEMS_MAX:
            self.fail(f"{count} items without bytes; at most {EMPTY_ITEMS_MAX} are read", start)
        return tuple([self.value(element) for _ in range(count)])

    def sum_value(self, shape: Shape) -> Any:
        start = self.offset
        tag = self.integer(8, signed=False)
        match shape:
            case Option(some=some) if tag < 2:
                value = None if tag else self.value(some)
                return Some(value) if shape.wraps and not tag else value
            case Result(ok=ok, err=err) if tag < 2:
                return Err(self.value(err)) if tag else Ok(self.value(ok))
            case Schedule() if tag < 2:
                micros = self.integer(64, signed=True)
                return ScheduleAt(Timestamp(micros) if tag else TimeDuration(micros))
            case PlainEnum(members=members) if tag < len(members):
                return members[tag]
            case Tagged(variants=variants, classes=classes) if tag < len(variants):
                payload = variants[tag][1]
                if isinstance(payload, Unit):
                    return unit_variant(classes[tag])
                return classes[tag](self.value(payload))
        name = {Option: "option", Result: "result"}.get(type(shape), str(shape))
        return self.fail(f"unknown tag {tag:#x} for sum type {name}", start)


def decode_slowly(shape: Shape, data: bytes, offset: int = 0) -> tuple[Any, int]:
    """Return what the generated decoder returns, or raise the `DecodeError` that says why not."""
    reader = _SlowReader(data, offset)
    try:
        return reader.value(shape), reader.offset
    except RecursionError:
        message = f"at byte {reader.offset}: values nested too deep for Python's stack here"
        raise DecodeError(message, offset=reader.offset) from None
