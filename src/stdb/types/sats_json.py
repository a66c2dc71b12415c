"""Generates the JSON writer of a shape, in one of the three forms that JSON has.

=========  ==============  ======================  ====  ==================================
mode       product         sum                     unit  used for
=========  ==============  ======================  ====  ==================================
`NAMED`    ``{"x":1}``     ``{"some":7}``          []    messages, schemas
`UNTYPED`  ``[1]``         ``[0,7]``               []    rows of SQL results, return values
`ROW`      ``{"x":1}``     ``[0,7]``               {}    initial rows of a text subscription
=========  ==============  ======================  ====  ==================================

Elements of arrays in a `ROW` are `UNTYPED`. Scalars are the same in each: integers are numbers in
full precision up to 128 bits and ``"0x…"`` beyond, bytes are hex digits, NaN and the infinities
are ``null`` (so they do not come back). The value must be exact (`exact.check_expression`).

Reading is the matter of `sats_json_read`; its functions can be had from here.

Source: SpacetimeDB documentation, "SATS-JSON" (internals), version 2.8, and the output of its
server where that differs.
"""

from __future__ import annotations

import math
from enum import Enum
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import DefinitionError
from . import shapes as sh
from .bsatn_encode import contains_itself
from .compose import Composer
from .float_text import f32_text, f64_text
from .json_text import parse_json
from .sats_json_read import (
    make_arguments_reader,
    make_json_converter,
    make_json_reader,
    wrapped_name,
)
from .sums import Ok
from .values import Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable


class JsonMode(Enum):
    """Which of the forms of JSON is written."""

    NAMED = "named"
    UNTYPED = "untyped"
    ROW = "row"


NAMED: Final = JsonMode.NAMED
UNTYPED: Final = JsonMode.UNTYPED
ROW: Final = JsonMode.ROW


class Piece(NamedTuple):
    """A piece of the text: ready, or (`is_ready` false) an expression for it."""

    text: str
    is_ready: bool = False


def make_json_writer(shape: sh.Shape, mode: JsonMode = NAMED) -> Callable[[Any], str]:
    """Return the function ``value -> JSON text`` of `shape`.

    Raises
    ------
    DefinitionError
        The mode writes names, and an element of a product has none.
    """
    c = Composer()
    text = _join(c, _pieces(c, shape, "v", mode))
    c.add(["def write(v):", f"    return {text}"])
    function: Callable[[Any], str] = c.run(f"write {mode.value} JSON {shape}")["write"]
    return function


def _ready(text: str) -> Piece:
    return Piece(text, is_ready=True)


def _join(c: Composer, pieces: list[Piece]) -> str:
    """Return an expression for the text of all `pieces`: an f-string over names.

    No expression has quotes or backslashes in it, which an f-string could not hold.
    """
    joined = [""]
    ready = ""
    for piece in pieces:
        if piece.is_ready:
            ready += piece.text
            continue
        if ready:
            joined.append(f"{{{c.name(ready, 'TEXT')}}}")
            ready = ""
        joined.append(f"{{{piece.text}}}")
    if ready:
        joined.append(f"{{{c.name(ready, 'TEXT')}}}")
    return f'f"{"".join(joined)}"'


def _pieces(c: Composer, shape: sh.Shape, var: str, mode: JsonMode) -> list[Piece]:
    """Return the pieces of the value which the expression `var` names."""
    match shape:
        case sh.Bool():
            return [Piece(f"({c.name('true', 'TRUE')} if {var} else {c.name('false', 'FALSE')})")]
        case sh.Int(bits=bits):
            return _integer(bits, var)
        case sh.Float(bits=bits):
            return [Piece(f"{c.name(_f32 if bits == 32 else _f64, f'f{bits}')}({var})")]
        case sh.Text():
            return [Piece(f"{c.name(encode_basestring, 'quote')}({var})")]
        case sh.Blob():
            return [_ready('"'), Piece(f"{var}.hex()"), _ready('"')]
        case sh.Unit():
            return [_ready(_unit(mode))]
        case sh.Wrapped():
            return _wrapped(shape, var, mode)
        case sh.PlainEnum(names=names):
            texts = tuple(
                "".join(piece.text for piece in _variant(tag, name, [_ready(_unit(mode))], mode))
                for tag, name in enumerate(names)
            )
            return [Piece(f"{c.name(texts, 'ENUM')}[{var}.{sh.TAG_ATTRIBUTE}]")]
        case sh.Record(fields=fields) if not contains_itself(shape):
            return _record(c, fields, var, mode)
    kind = f"json_{mode.value}"
    function = c.function(kind, shape, lambda name: _function(c, shape, name, mode))
    return [Piece(f"{function}({var})")]


def _f32(value: float) -> str:
    return f32_text(value) if math.isfinite(value) else "null"


def _f64(value: float) -> str:
    return f64_text(value) if math.isfinite(value) else "null"


def _unit(mode: JsonMode) -> str:
    return "{}" if mode is ROW else "[]"


def _integer(bits: int, var: str) -> list[Piece]:
    if bits <= 128:
        return [Piece(var)]
    return [_ready('"'), Piece(f"hex({var})"), _ready('"')]


def _wrapped(shape: sh.Wrapped, var: str, mode: JsonMode) -> list[Piece]:
    inner = _integer(shape.bits, f"{var}.{shape.attribute}")
    if mode is UNTYPED:
        return [_ready("["), *inner, _ready("]")]
    return [_ready(f'{{"{wrapped_name(shape)}":'), *inner, _ready("}")]


def _record(c: Composer, fields: tuple[sh.Field, ...], var: str, mode: JsonMode) -> list[Piece]:
    if not fields:
        return [_ready(_unit(mode))]
    pieces: list[Piece] = []
    for field in fields:
        pieces.append(_ready("," if pieces else "[" if mode is UNTYPED else "{"))
        if mode is not UNTYPED:
            if field.name is None:
                raise DefinitionError("tuple element has no name, so JSON cannot name it")
            pieces.append(_ready(f"{encode_basestring(field.name)}:"))
        pieces += _pieces(c, field.shape, f"{var}.{field.attribute}", mode)
    return [*pieces, _ready("]" if mode is UNTYPED else "}")]


def _variant(tag: int, name: str | None, payload: list[Piece], mode: JsonMode) -> list[Piece]:
    # A variant without a name has only its number, in every mode.
    if mode is NAMED and name is not None:
        return [_ready(f"{{{encode_basestring(name)}:"), *payload, _ready("}")]
    return [_ready(f"[{tag},"), *payload, _ready("]")]


def _function(c: Composer, shape: sh.Shape, name: str, mode: JsonMode) -> list[str]:
    """Return the lines of the function that writes a value of `shape`."""

    def case(tag: int, variant: str | None, payload: sh.Shape, var: str) -> str:
        return _join(c, _variant(tag, variant, _pieces(c, payload, var, mode), mode))

    lines = [f"def {name}(v):"]
    match shape:
        case sh.Sequence(element=element):
            lines.append(f"    return {_sequence(c, element, mode)}")
        case sh.Record(fields=fields):
            lines.append(f"    return {_join(c, _record(c, fields, 'v', mode))}")
        case sh.Option(some=some):
            lines += [
                "    if v is None:",
                f"        return {case(1, 'none', sh.UNIT, 'v')}",
                f"    return {case(0, 'some', some, 'v.value' if shape.wraps else 'v')}",
            ]
        case sh.Result(ok=ok, err=err):
            lines += [
                f"    if v.__class__ is {c.name(Ok, 'Ok')}:",
                f"        return {case(0, 'ok', ok, 'v.value')}",
                f"    return {case(1, 'err', err, 'v.value')}",
            ]
        case sh.Schedule():
            lines += [
                "    v = v.moment",
                f"    if v.__class__ is {c.name(Timestamp, 'Timestamp')}:",
                f"        return {case(1, 'Time', sh.TIMESTAMP, 'v')}",
                f"    return {case(0, 'Interval', sh.TIME_DURATION, 'v')}",
            ]
        case sh.Tagged(variants=variants):
            lines.append("    tag = v.__stdb_tag__")
            for tag, (variant, payload) in enumerate(variants):
                lines += [
                    f"    if tag == {tag}:",
                    f"        return {case(tag, variant, payload, 'v.value')}",
                ]
        case _:
            raise TypeError(f"no JSON for {shape!r}")
    return lines


def _sequence(c: Composer, element: sh.Shape, mode: JsonMode) -> str:
    """Return an expression for the text of the items of ``v``."""
    match element:
        case sh.Int(bits=bits) if bits <= 128:
            # One call writes all of them.
            return "repr(list(v)).replace(' ', '')"
        case sh.Text():
            items = f"map({c.name(encode_basestring, 'quote')}, v)"
        case _:
            inner = UNTYPED if mode is ROW else mode
            items = f"[{_join(c, _pieces(c, element, 'x', inner))} for x in v]"
    return f"'[' + ','.join({items}) + ']'"


__all__ = [
    "NAMED", "ROW", "UNTYPED", "JsonMode", "make_arguments_reader", "make_json_converter",
    "make_json_reader", "make_json_writer", "parse_json",
]  # fmt: skip
