"""Find the import and export statements of an ES module.

A bundle is one ES module. V8 is asked to run it as a function, so its imports and exports have to
be found; everything else stays as it is, on its line. This is a scanner, not a parser: it knows
strings, templates, comments and regular expressions well enough to tell which ``import`` and
``export`` stand outside of all brackets.

Source: ECMAScript 2025 language specification, 12 "Lexical Grammar" and 16.2 "Modules".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ...errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Token(NamedTuple):
    """A piece of source outside of comments and white space."""

    kind: str
    text: str
    start: int
    end: int


_TOKEN: Final = re.compile(
    r"""
    (?P<space>[\s\ufeff]+|//[^\n\r\u2028\u2029]*|/\*.*?\*/)
  | (?P<name>[#@]?[\w$\\]+)
  | (?P<string>"(?:[^"\\\n]|\\.|\\\r\n)*"|'(?:[^'\\\n]|\\.|\\\r\n)*')
  | (?P<template>`)
  | (?P<slash>/)
  | (?P<open>[([{])
  | (?P<close>[)\]}])
  | (?P<operator>=>|\+\+|--|\.\.\.|[^\s\w"'`])
    """,
    re.VERBOSE | re.DOTALL,
)
_TEMPLATE_PART: Final = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(?P<end>`|\$\{)", re.DOTALL)
_REGEX: Final = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[\w$]*")
#: After these words a slash begins a regular expression; after any other word it divides.
_BEFORE_REGEX: Final = frozenset(
    {
        "await", "case", "delete", "do", "else", "extends", "in", "instanceof", "new", "of",
        "return", "throw", "typeof", "void", "yield",
    }
)  # fmt: skip


def tokens(source: str) -> Iterator[Token]:
    """Return the tokens of `source`; a template comes in one piece with all that is inside it.

    Raises
    ------
    DefinitionError
        A string, template, comment or regular expression does not end.
    """
    position, last = 0, None
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:
            raise _unfinished(source, position)
        kind = match.lastgroup or ""
        end = match.end()
        if kind == "space":
            position = end
            continue
        if kind == "template":
            end = _end_of_template(source, end)
        elif source.startswith("/*", position):
            raise _unfinished(source, position)
        elif kind == "slash" and _begins_regex(last):
            regex = _REGEX.match(source, position)
            if regex is None:
                raise _unfinished(source, position)
            kind, end = "regex", regex.end()
        last = Token(kind, source[position:end], position, end)
        yield last
        position = end


def _begins_regex(last: Token | None) -> bool:
    """Whether a slash after `last` begins a regular expression; a guess behind ``)`` and ``}``."""
    if last is None:
        return True
    if last.kind == "name":
        return last.text in _BEFORE_REGEX
    if last.kind == "close":
        return last.text == "}"
    return last.kind in ("operator", "open", "slash") and last.text not in ("++", "--")


def _end_of_template(source: str, position: int) -> int:
    """Return where the template ends whose first character stands before `position`."""
    while True:
        part = _TEMPLATE_PART.match(source, position)
        if part is None:
            raise _unfinished(source, position - 1)
        if part["end"] == "`":
            return part.end()
        position = _end_of_braces(source, part.end())


def _end_of_braces(source: str, position: int) -> int:
    depth = 1
    for token in tokens(source[position:]):
        if token.kind == "open":
            depth += token.text == "{"
        elif token.text == "}":
            depth -= 1
            if not depth:
                return position + token.end
    raise _unfinished(source, position)


def line_of(source: str, position: int) -> int:
    """Return the line of a position, from 1."""
    return source.count("\n", 0, position) + 1


def _unfinished(source: str, position: int) -> DefinitionError:
    shown = source[position : position + 20].split("\n", maxsplit=1)[0]
    return DefinitionError(
        f"the bundle is not JavaScript: line {line_of(source, position)} has something unfinished "
        f"at {shown!r}"
    )
