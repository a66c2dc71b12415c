"""Source maps: which line of the author's files a place in a bundle comes from.

Source: ECMA-426, "Source map format specification", 1st edition.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from bisect import bisect_right
from typing import Any, Final, NamedTuple

_INLINE: Final = re.compile(
    r"//[#@] sourceMappingURL=data:application/json(?:;charset=[^;,\s]*)?;base64,"
    r"([A-Za-z0-9+/=]+)\s*\Z"
)
_DIGITS: Final = {
    character: value
    for value, character in enumerate(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    )
}


class Place(NamedTuple):
    """A place in a file; lines and columns from 1."""

    file: str
    line: int
    column: int


class SourceMap:
    """The places of a bundle's text in the files that it was made of.

    Attributes
    ----------
    sources : list of str
        The files.
    """

    def __init__(self, mappings: str, sources: list[str]) -> None:
        self.sources = sources
        self._lines = _decode(mappings)

    @classmethod
    def of(cls, bundle: str) -> SourceMap | None:
        """Return the map at the end of a bundle; None where there is none that can be read."""
        found = _INLINE.search(bundle, max(0, bundle.rfind("\n//")))
        if found is None:
            return None
        try:
            data: Any = json.loads(base64.b64decode(found[1], validate=True))
            root = data.get("sourceRoot") or ""
            return cls(data["mappings"], [f"{root}{source}" for source in data["sources"]])
        except (binascii.Error, ValueError, KeyError, TypeError, AttributeError):
            return None

    def place(self, line: int, column: int) -> Place | None:
        """Return where a place of the bundle comes from; O(log n) of the line's segments."""
        if not 0 < line <= len(self._lines):
            return None
        segments = self._lines[line - 1]
        found = bisect_right(segments, (column - 1, len(self.sources))) - 1
        if found < 0:
            return None
        _, source, source_line, source_column = segments[found]
        if not 0 <= source < len(self.sources):
            return None
        return Place(self.sources[source], source_line + 1, source_column + 1)


def _decode(mappings: str) -> list[list[tuple[int, int, int, int]]]:
    """Return, line by line, ``(column, source, line, column there)`` in the order of columns.

    Raises
    ------
    ValueError
        It is no list of mappings.
    """
    lines = []
    source = line = column = 0
    for text in mappings.split(";"):
        segments = []
        start = 0
        for segment in filter(None, text.split(",")):
            fields = _numbers(segment)
            start += fields[0]
            if len(fields) >= 4:
                source += fields[1]
                line += fields[2]
                column += fields[3]
                segments.append((start, source, line, column))
        segments.sort()
        lines.append(segments)
    return lines


def _numbers(segment: str) -> list[int]:
    """Decode numbers in base 64: five bits a digit, lowest first, the sign lowest of all."""
    numbers = []
    value = shift = 0
    for character in segment:
        if character not in _DIGITS:
            raise ValueError(f"{character!r} is no digit of a source map")
        digit = _DIGITS[character]
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            numbers.append(-(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    if shift or not numbers:
        raise ValueError("a number of the source map does not end")
    return numbers
