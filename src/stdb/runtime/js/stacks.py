"""What an exception in JavaScript says of itself, as an author wants to read it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from .source_map import SourceMap

#: The names of the scripts: the module, and the part of this library that runs it.
MODULE: Final = "spacetimedb_module"
_SHIM: Final = "stdb_shim"
#: SpacetimeDB's library calls the author's functions through one of this name; what lies below it
#: is of no interest to the author.
_LAST_FRAME: Final = "__spacetimedb_end_short_backtrace"
_FRAME: Final = re.compile(
    r"^    at (?:(?P<function>.+?) \()?(?P<file>[^()\s]+?):(?P<line>\d+):(?P<column>\d+)\)?$"
)


class Frame(NamedTuple):
    """A call on the stack: the function, and the place in a file."""

    function: str
    file: str
    line: int
    column: int

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        return f"at {self.function} ({place})" if self.function else f"at {place}"


class Thrown(NamedTuple):
    """What was thrown.

    Attributes
    ----------
    message : str
        As V8 says it: ``Uncaught RangeError: not so much``.
    frames : list of Frame
        The innermost first; those of the host are left out.
    """

    message: str
    frames: list[Frame]

    def __str__(self) -> str:
        return "".join([self.message, *(f"\n\t{frame}" for frame in self.frames)])


def thrown(report: str, first_column: int, source_map: SourceMap | None) -> Thrown:
    """Return what was thrown, from the ``name NUL message NUL stack`` that the host gets.

    Parameters
    ----------
    report : str
    first_column : int
        How far the module's first line was moved to the right.
    source_map : SourceMap or None
        Where the module's text comes from.
    """
    name, message, stack = [*report.split("\0", 2), "", ""][:3]
    text = f"{name}: {message}" if name and message else name or message
    return Thrown(f"Uncaught {text}", frames_of(stack, first_column, source_map))


def frames_of(stack: str, first_column: int, source_map: SourceMap | None) -> list[Frame]:
    """Return the frames of a stack as V8 writes it, without those of the host."""
    frames = []
    for line in stack.splitlines():
        found = _FRAME.match(line)
        if found is None or found["file"] == _SHIM:
            continue
        function = found["function"] or ""
        if function.split(".")[-1] == _LAST_FRAME:
            break
        row, column = int(found["line"]), int(found["column"])
        if row == 1:
            column = max(1, column - first_column)
        place = source_map.place(row, column) if source_map and found["file"] == MODULE else None
        frames.append(Frame(function, *(place or (found["file"], row, column))))
    return frames
