"""SATN: values as text for people, as messages, logs and the command line show them.

``(id = 1, tags = ["a", "b"], owner = (none = ()))``. It is not meant to be read back: strings
stand between quotes as they are. Special values are shown the way one writes them elsewhere:
identities as ``0x`` and hex digits, moments as RFC 3339, spans in seconds.

Source: SpacetimeDB documentation and the output of its command line tools, version 2.8.
"""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

from . import shapes as sh
from .float_text import f32_text, f64_text
from .sums import Ok
from .values import ConnectionId, Identity


def satn(shape: sh.Shape, value: Any) -> str:
    """Return the text of an exact value of `shape`.

    Examples
    --------
    >>> from stdb.types.shapes import BLOB, TEXT, U64, Option, Sequence
    >>> satn(Sequence(Option(U64)), (7, None))
    '[(some = 7), (none = ())]'
    >>> satn(TEXT, "Ann"), satn(BLOB, b"hi")
    ('"Ann"', '0x6869')
    """
    match shape:
        case sh.Bool():
            return "true" if value else "false"
        case sh.Float(bits=bits):
            return _float(bits, value)
        case sh.Text():
            return f'"{value}"'
        case sh.Blob():
            return f"0x{value.hex()}"
        case sh.Sequence(element=element):
            return f"[{', '.join([satn(element, item) for item in value])}]"
        case sh.Unit():
            return "()"
        case sh.Wrapped():
            return _wrapped(value)
        case sh.Schedule():
            return _variant("Interval" if value.time is None else "Time", str(value.moment))
        case sh.Record(fields=fields):
            parts = [
                f"{position if field.name is None else field.name} = "
                f"{satn(field.shape, getattr(value, field.attribute))}"
                for position, field in enumerate(fields)
            ]
            return f"({', '.join(parts)})"
        case sh.Option(some=some):
            if value is None:
                return _variant("none", "()")
            return _variant("some", satn(some, value.value if shape.wraps else value))
        case sh.Result(ok=ok, err=err):
            if value.__class__ is Ok:
                return _variant("ok", satn(ok, value.value))
            return _variant("err", satn(err, value.value))
        case sh.PlainEnum(names=names):
            return _variant(names[getattr(value, sh.TAG_ATTRIBUTE)], "()")
        case sh.Tagged(variants=variants):
            name, payload = variants[value.__stdb_tag__]
            inner = None if isinstance(payload, sh.Unit) else value.value
            return _variant(name, satn(payload, inner))
    return str(value)


def _float(bits: int, value: float) -> str:
    if math.isfinite(value):
        return f32_text(value) if bits == 32 else f64_text(value)
    return "NaN" if value != value else "inf" if value > 0 else "-inf"


def _wrapped(value: Any) -> str:
    if isinstance(value, Identity | ConnectionId):
        return f"0x{value}"
    return f'"{value}"' if isinstance(value, UUID) else str(value)


def _variant(name: str | None, payload: str) -> str:
    return f"({name or ''} = {payload})"
