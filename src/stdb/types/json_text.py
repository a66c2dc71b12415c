"""Parses JSON text into Python, with nothing lost that a reader of values must know.

Beyond what ``json.loads`` does: fields of one name are noticed, ``NaN`` and ``Infinity`` are no
JSON, ``-0`` keeps its sign, and nesting and length are bounded, so that a text from anywhere can
cost no more than time and memory in proportion to its length.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple, NoReturn

from ..errors import DecodeError

#: How deep arrays and objects may lie in each other.
JSON_DEPTH_MAX: Final = 128
#: How many characters (or bytes) a text may have: as many as a message of a client.
JSON_SIZE_MAX: Final = 32 * 1024 * 1024


class Repeated(NamedTuple):
    """What an object with two fields of one name is parsed to."""

    pairs: tuple[tuple[str, object], ...]


def parse_json(text: str | bytes) -> object:
    """Return what a JSON text says.

    An object is a dict, or `Repeated` if it has two fields of one name; ``-0`` is a float, since
    no integer is that.

    Raises
    ------
    DecodeError
        It is no JSON (``NaN`` and ``Infinity`` are none), is nested too deep or too long, or
        something follows the value.
    """
    if len(text) > JSON_SIZE_MAX:
        raise unreadable(f"{len(text)} characters of JSON; at most {JSON_SIZE_MAX} are read")
    if not isinstance(text, str):
        try:
            text = str(text, "utf-8")
        except UnicodeDecodeError as error:
            raise unreadable(f"invalid utf8 at byte {error.start}") from None
    if text.count("[") + text.count("{") > JSON_DEPTH_MAX and _depth(text) > JSON_DEPTH_MAX:
        raise unreadable("recursion limit exceeded")
    decoder = _DECODER if "-0" not in text else _DECODER_OF_ZEROS
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        what = "trailing characters" if error.msg == "Extra data" else error.msg
        raise unreadable(f"{what} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise unreadable("recursion limit exceeded") from None
    except DecodeError:
        raise
    except ValueError:
        # Python bounds the digits of an integer, since its time to read them is quadratic.
        raise unreadable("number out of range") from None


def unreadable(cause: str) -> DecodeError:
    """Return the error for a text that is no JSON, or too much of it."""
    return DecodeError(f"at $: {cause}", path="$")


# One character class after the other, without alternatives to go back to: a text can be long.
_STRING: Final = re.compile(r'"[^"]*"')
_NO_BRACKET: Final = re.compile(r"[^\[\]{}]+")
_BRACES: Final = str.maketrans("{}", "[]")


def _depth(text: str) -> int:
    """Return how deep arrays and objects lie in each other, but at most `JSON_DEPTH_MAX` + 1.

    Each step takes away the innermost level, in one call. What is no JSON has any depth: the
    parser will refuse it.
    """
    plain = _STRING.sub("", text.replace("\\\\", "").replace('\\"', ""))
    brackets = _NO_BRACKET.sub("", plain).translate(_BRACES)
    depth = 0
    while brackets and depth <= JSON_DEPTH_MAX:
        outer = brackets.replace("[]", "")
        if len(outer) == len(brackets):
            break
        brackets = outer
        depth += 1
    return depth


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Repeated:
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else Repeated(tuple(pairs))


def _no_constant(text: str) -> NoReturn:
    raise unreadable(f"expected a value, not {text}")


def _integer_or_minus_zero(text: str) -> int | float:
    return -0.0 if text == "-0" else int(text)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)
_DECODER_OF_ZEROS: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_no_constant, parse_int=_integer_or_minus_zero
)
