"""What the text of a literal means for a column's type.

The kind of a literal hardly matters: the text of a number, a string or a hex literal is read as
the column's type, so that ``'10'`` is a fine number. What writes values is stricter than what
compares them.
"""

from __future__ import annotations

import re
import uuid
from typing import Any, Final

from ..types import shapes as sh
from ..types.algebraic import SPECIAL
from ..types.exact import round_to_f32
from ..types.values import ConnectionId, Identity, Timestamp

_NUMBER: Final = re.compile(r"([+-]?)([0-9_]*)(?:(\.)([0-9_]*))?(?:[eE]([+-]?[0-9_]+))?")
_UUID: Final = re.compile(
    r"[0-9a-fA-F]{32}|(?:urn:uuid:)?[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|\{[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\}"
)
_HEX: Final = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})*)")
#: More digits than any integer column holds.
_DIGITS_MAX: Final = 100


class NotThat(Exception):  # noqa: N818 - never leaves the layer
    """The text means nothing for the type; the argument is why, or empty."""


def type_name(shape: sh.Shape) -> str:
    """Return how messages name a type: ``U8``, ``Identity``, ``(some: String | none: ())``."""
    type_ = shape.algebraic()
    return SPECIAL.get(type_) or str(type_)


def parse_literal(shape: sh.Shape, text: str) -> Any:
    """Return the value of `shape` that the text of a number, string or hex literal means.

    Raises
    ------
    NotThat
        It means none.
    """
    match shape:
        case sh.Int():
            return _integer(shape, text)
        case sh.Float(bits=bits):
            return _float(bits, text)
        case sh.Text():
            return text
        case sh.Blob():
            digits = _HEX.fullmatch(text)
            if digits is None:
                raise NotThat("an even number of hex digits is one")
            return bytes.fromhex(digits[1])
        case sh.Wrapped():
            return _wrapped(shape, text)
    raise NotThat


def hex_number(digits: str) -> int:
    """Return the number that the digits of a hex literal write."""
    if re.fullmatch("[0-9a-fA-F]{1,80}", digits) is None:
        raise NotThat("one to 80 hex digits make a number")
    return int(digits, 16)


def _integer(shape: sh.Int, text: str) -> int:
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[4]):
        raise NotThat
    sign, whole, _, fraction, exponent = match.groups()
    try:
        power = int(exponent or 0)
    except ValueError:
        raise NotThat from None
    fraction = (fraction or "").replace("_", "")
    digits = (whole.replace("_", "") + fraction).lstrip("0")
    kept = digits.rstrip("0")
    shift = power - len(fraction) + len(digits) - len(kept)
    if shape.bits == 256 and power < len(fraction):
        raise NotThat("a decimal point remains")
    if kept and shift < 0:
        raise NotThat("it is no whole number")
    if kept and len(kept) + shift > _DIGITS_MAX:
        raise NotThat("out of range")
    number: int = int(kept + "0" * shift) if kept else 0
    number = -number if sign == "-" else number
    if not shape.low <= number <= shape.high:
        raise NotThat(f"out of range: it holds {shape.low} to {shape.high}")
    return number


def _float(bits: int, text: str) -> float:
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[4]):
        raise NotThat
    try:
        number = float(text.replace("_", ""))
    except ValueError:
        raise NotThat from None
    if bits == 32:
        try:
            return round_to_f32(number)
        except OverflowError:
            return float("inf") if number > 0 else float("-inf")
    return number


def _wrapped(shape: sh.Wrapped, text: str) -> Any:
    try:
        if shape.cls is Identity and re.fullmatch("(?:0x)?[0-9a-fA-F]{64}", text):
            return Identity.from_hex(text[-64:])
        if shape.cls is ConnectionId and re.fullmatch("(?:0x)?[0-9a-fA-F]{32}", text):
            return ConnectionId.from_hex(text[-32:])
        if shape.cls is Timestamp:
            return Timestamp.from_rfc3339(text)
        if shape.cls is uuid.UUID and _UUID.fullmatch(text):
            return uuid.UUID(text)
    except (ValueError, OverflowError) as error:
        raise NotThat(str(error)) from None
    if shape.cls is Identity:
        raise NotThat("exactly 64 hex digits make one")
    if shape.cls is ConnectionId:
        raise NotThat("exactly 32 hex digits make one")
    raise NotThat


__all__ = ["NotThat", "hex_number", "parse_literal", "type_name"]
