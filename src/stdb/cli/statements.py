"""Several SQL statements in one text, one after the other."""

from __future__ import annotations

import re
from typing import Final

#: What a semicolon may stand in without ending a statement: texts, names and comments.
_PARTS: Final = re.compile(
    r"""(?P<end>;) | '(?:[^']|'')*'? | "(?:[^"]|"")*"? | --[^\n]* | /\*.*?(?:\*/|\Z)
    | [^;'"/-]+ | .""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT: Final = re.compile(r"\s+|--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)


def split(text: str) -> list[str]:
    """Return the statements of a text, without the semicolons between them.

    Examples
    --------
    >>> split("SELECT ';' AS a; DELETE FROM b -- ;")
    ["SELECT ';' AS a", 'DELETE FROM b -- ;']
    """
    found, begin = [], 0
    for part in _PARTS.finditer(text):
        if part["end"]:
            found.append(text[begin : part.start()])
            begin = part.end()
    found.append(text[begin:])
    return [statement.strip() for statement in found if first_word(statement)]


def is_whole(text: str) -> bool:
    """Whether a statement that is being typed has come to its semicolon."""
    end = None
    for part in _PARTS.finditer(text):
        if part["end"]:
            end = part.end()
    return end is not None and not first_word(text[end:])


def first_word(text: str) -> str:
    """Return the word that says what a statement does, in capitals; "" where there is none."""
    at = 0
    while (skipped := _COMMENT.match(text, at)) is not None:
        at = skipped.end()
    word = re.match(r"\w+|\S", text[at:].lstrip("( \t\n"))
    return word[0].upper() if word else ""


def only_reads(statement: str) -> bool:
    """Whether a statement changes nothing."""
    return first_word(statement) in ("SELECT", "EXPLAIN", "SHOW")
