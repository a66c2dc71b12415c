"""Generates the BSATN encoder of a shape.

Runs of fixed-size parts become one `struct.Struct.pack`; the length of a text or array joins the
run before it. The value must be exact (`exact.check_expression`): nothing is checked again here.

Source: SpacetimeDB documentation, "BSATN" (internals), version 2.8.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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
from .values import Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: (bits, signed) -> letter of the struct module.
INT_FORMATS: Final = {
    (8, False): "B", (8, True): "b", (16, False): "H", (16, True): "h",
    (32, False): "I", (32, True): "i", (64, False): "Q", (64, True): "q",
}  # fmt: skip


class Part(NamedTuple):
    """A piece of an encoding: values for a struct format, or (`format` empty) ready bytes."""

    format: str
    expression: str


def fixed_format(shape: Shape) -> str:
    """Return the struct format of one fixed-size scalar, or ``""``."""
    match shape:
        case Bool():
            return "?"
        case Int(bits=bits, signed=signed):
            return INT_FORMATS.get((bits, signed), "")
        case Float(bits=bits):
            return "f" if bits == 32 else "d"
    return ""


def encode_parts(c: Composer, shape: Shape, var: str) -> list[Part]:
    """Return the parts that encode the value which the expression `var` names."""
    match shape:
        case Bool() | Float():
            return [Part(fixed_format(shape), var)]
        case Int(bits=bits, signed=signed):
            return [_integer_part(bits, signed, var)]
        case Wrapped(attribute=attribute, bits=bits, signed=signed):
            return [_integer_part(bits, signed, f"{var}.{attribute}")]
        case PlainEnum():
            return [Part("B", f"{var}.{TAG_ATTRIBUTE}")]
        case Text():
            text = c.temporary()
            return [Part("I", f"len({text} := {var}.encode())"), Part("", text)]
        case Blob():
            return [Part("I", f"len({var})"), Part("", var)]
        case Unit():
            return []
        case Schedule():
            timestamp = c.name(Timestamp, "Timestamp")
            is_time = f"{var}.moment.__class__ is {timestamp}"
            return [Part("?", is_time), Part("q", f"{var}.moment.micros")]
        case Record(fields=fields) if not contains_itself(shape):
            return [
                part
                for field in fields
                for part in encode_parts(c, field.shape, f"{var}.{field.attribute}")
            ]
    function = c.function("encode", shape, lambda name: _encode_function(c, shape, name))
    return [Part("", f"{function}({var})")]


def _integer_part(bits: int, signed: bool, var: str) -> Part:
    letter = INT_FORMATS.get((bits, signed))
    if letter:
        return Part(letter, var)
    sign = ", signed=True" if signed else ""
    return Part(f"{bits // 8}s", f"({var}).to_bytes({bits // 8}, 'little'{sign})")


def contains_itself(shape: Shape) -> bool:
    """Whether a value of `shape` can hold another one: only types of arguments can."""
    return any(inner is shape for inner in _inner_shapes(shape))


def is_recursive(shape: Shape) -> bool:
    """Whether `shape`, or one that it is made of, contains itself."""
    return any(contains_itself(inner) for inner in (shape, *_inner_shapes(shape)))


def _inner_shapes(shape: Shape) -> list[Shape]:
    """Return all that `shape` is made of, each once; `shape` only if it contains itself."""
    found: dict[int, Shape] = {}
    pending = list(children(shape))
    while pending:
        inner = pending.pop()
        if id(inner) not in found:
            found[id(inner)] = inner
            pending.extend(children(inner))
    return list(found.values())


def children(shape: Shape) -> Iterable[Shape]:
    """Return the shapes that `shape` is directly made of."""
    match shape:
        case Sequence(element=element):
            return (element,)
        case Option(some=some):
            return (some,)
        case Result(ok=ok, err=err):
            return (ok, err)
        case Record(fields=fields):
            return tuple(field.shape for field in fields)
        case Tagged(variants=variants):
            return tuple(payload for _, payload in variants)
    return ()


def join_parts(c: Composer, parts: list[Part]) -> str:
    """Return one expression for the bytes of all `parts`, evaluated from left to right."""
    pieces: list[str] = []
    formats: list[str] = []
    values: list[str] = []

    def close_run() -> None:
        if formats:
            pack = c.name(struct.Struct("<" + "".join(formats)).pack, "pack")
            pieces.append(f"{pack}({', '.join(values)})")
            formats.clear()
            values.clear()

    for part in parts:
        if part.format:
            formats.append(part.format)
            values.append(part.expression)
        else:
            close_run()
            pieces.append(part.expression)
    close_run()
    if len(pieces) > 3:
        return f"b''.join(({', '.join(pieces)}))"
    return " + ".join(pieces) or "b''"


def _encode_expression(c: Composer, shape: Shape, var: str) -> str:
    return join_parts(c, encode_parts(c, shape, var))


def _tagged_expression(c: Composer, tag: int, payload: Shape, var: str) -> str:
    return join_parts(c, [Part("B", str(tag)), *encode_parts(c, payload, var)])


def _encode_function(c: Composer, shape: Shape, name: str) -> list[str]:
    lines = [f"def {name}(v):"]
    match shape:
        case Option(some=some):
            inner = "v.value" if shape.wraps else "v"
            lines += [
                "    if v is None:",
                "        return b'\\x01'",
                f"    return {_tagged_expression(c, 0, some, inner)}",
            ]
        case Result(ok=ok, err=err):
            lines += [
                f"    if v.__class__ is {c.name(Ok, 'Ok')}:",
                f"        return {_tagged_expression(c, 0, ok, 'v.value')}",
                f"    return {_tagged_expression(c, 1, err, 'v.value')}",
            ]
        case Tagged(variants=variants):
            lines.append("    tag = v.__stdb_tag__")
            for tag, (_, payload) in enumerate(variants):
                lines += [
                    f"    if tag == {tag}:",
                    f"        return {_tagged_expression(c, tag, payload, 'v.value')}",
                ]
        case Record(fields=fields):
            parts = [part for f in fields for part in encode_parts(c, f.shape, f"v.{f.attribute}")]
            lines.append(f"    return {join_parts(c, parts)}")
        case Sequence(element=element):
            letter = fixed_format(element)
            pack = c.name(struct.pack, "pack_any")
            if letter:
                return [*lines, f"    return {pack}(f'<I{{len(v)}}{letter}', len(v), *v)"]
            item = _encode_expression(c, element, "x")
            lines += [
                f"    items = [{pack}('<I', len(v))]",
                "    for x in v:",
                f"        items.append({item})",
                "    return b''.join(items)",
            ]
        case _:
            raise TypeError(f"no encoder for {shape!r}")
    return lines


def make_encoder(shape: Shape) -> Callable[[Any], bytes]:
    """Return the function ``value -> BSATN bytes`` of `shape`."""
    c = Composer()
    expression = _encode_expression(c, shape, "v")
    c.add(["def encode(v):", f"    return {expression}"])
    function: Callable[[Any], bytes] = c.run(f"encode {shape}")["encode"]
    return function
