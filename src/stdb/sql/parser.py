"""Reads a statement: `grammar.lark` by Lark's LALR parser, with a lexer that knows the place.

SQL reserves few words, and which ones depends on the place: ``from`` is a fine name of a column.
So the lexer asks the parser, before each word, whether a name can stand there, and takes the word
for a keyword only where it is reserved. Reading is iterative and linear: neither long nor deep
text overflows the stack.
"""

from __future__ import annotations

import itertools
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import lark
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer, Token

from ..errors import SqlError
from . import tokens as t
from .build import Builder, Refused
from .refusals import explain_unexpected
from .tokens import RawToken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .syntax import Statement

#: After which ANY begins a comparison with several values, and is no column.
_OPERATORS: Final = frozenset("EQ EQEQ NE LT GT LE GE PLUS MINUS STAR SLASH PERCENT AND OR".split())
_CLAUSES: Final = frozenset("SELECT FROM WHERE GROUP HAVING ORDER ON LIMIT OFFSET SET".split())
#: Terminals that are not words.
_NOT_WORDS: Final = frozenset(
    "STAR DOT ANY_NAME STRING COLUMN_ALIAS TABLE_NAME TABLE_ALIAS INSERT_TABLE LPAR RPAR COMMA EQ "
    "EQEQ NE LT GT LE GE PLUS MINUS SLASH PERCENT PARAM FUNC NUMBER HEX COLUMN_NAME".split()
)


class _PlacedLexer(Lexer):
    """Gives each word the terminal that it is in its place."""

    __future_interface__ = 2

    def __init__(self, lexer_conf: Any) -> None:
        pass

    def lex(self, lexer_state: Any, parser_state: Any) -> Iterator[Token]:
        raw: list[RawToken] = lexer_state.text
        states = parser_state.parse_conf.states
        clause = previous = ""
        followers = [*raw[1:], RawToken("", "", 0)]
        marks = itertools.count()
        for token, follower in zip(raw, followers, strict=True):
            kind, text, position = token
            terminal, shown = kind, text
            if kind == "QUOTED":
                accepted = states[parser_state.position]
                terminal = _name_terminal(accepted, clause) or "OTHER"
            elif kind == "WORD":
                accepted = states[parser_state.position]
                terminal = _word_terminal(text.upper(), accepted, clause, previous, follower)
                if terminal in _CLAUSES:
                    clause = terminal
                elif terminal == "JOIN":
                    clause = "FROM"
            elif text == "?":
                shown = f"?{next(marks)}"
            previous = terminal
            yield Token(terminal, shown, position)


def _name_terminal(accepted: dict[str, Any], clause: str) -> str:
    """Return the terminal for a name here, or nothing where no name can stand."""
    for terminal in ("COLUMN_NAME", "TABLE_NAME", "INSERT_TABLE", "ANY_NAME"):
        if terminal in accepted:
            return terminal
    if clause == "SELECT" and "COLUMN_ALIAS" in accepted:
        return "COLUMN_ALIAS"
    if clause == "FROM" and "TABLE_ALIAS" in accepted:
        return "TABLE_ALIAS"
    return ""


def _word_terminal(
    word: str, accepted: dict[str, Any], clause: str, previous: str, follower: RawToken
) -> str:
    match _name_terminal(accepted, clause):
        case "COLUMN_NAME":
            first = previous in {"SELECT", "ALL"}
            in_call = word == "DISTINCT" and previous == "LPAR" and word in accepted
            reserved = t.FIRST_IN_SELECT if first else t.IN_EXPRESSIONS
            if in_call or word in reserved or (word == "ANY" and previous in _OPERATORS):
                return _keyword(word)
            return "FUNC" if follower.kind == "LPAR" else "COLUMN_NAME"
        case "TABLE_NAME":
            return _keyword(word) if word in t.AS_TABLE else "TABLE_NAME"
        case "INSERT_TABLE":
            is_into = word == "INTO" and previous == "INSERT"
            return _keyword(word) if is_into or word in t.AS_INSERT_TABLE else "INSERT_TABLE"
        case "ANY_NAME":
            before_name = follower.kind in {"WORD", "QUOTED"}
            is_session = word == "SESSION" and word in accepted and before_name
            return "SESSION" if is_session else "ANY_NAME"
        case "COLUMN_ALIAS":
            negates = word == "NOT" and follower.text.upper() in t.AFTER_NOT
            return _keyword(word) if negates or word in t.AS_COLUMN_ALIAS else "COLUMN_ALIAS"
        case "TABLE_ALIAS":
            return _keyword(word) if word in t.AS_TABLE_ALIAS else "TABLE_ALIAS"
    return _keyword(word)


def _keyword(word: str) -> str:
    return "OTHER" if word in _NOT_WORDS else word


@cache
def _parser() -> lark.Lark:
    grammar = files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8")
    builder: Any = Builder()
    return lark.Lark(grammar, parser="lalr", lexer=_PlacedLexer, transformer=builder)


def parse(sql: str) -> Statement:
    """Return the syntax tree of one statement.

    Raises
    ------
    SqlError
        It is none, with the place and what was expected there.

    Notes
    -----
    O(length).
    """
    raw = t.tokenize(sql)
    try:
        thread: Any = raw
        statement: Statement = _parser().parse(thread)  # type: ignore[assignment]
    except Refused as refused:
        raise SqlError(refused.message, sql=sql, position=refused.position) from None
    except UnexpectedToken as error:
        raise explain_unexpected(sql, raw, error.token, error.state) from None
    return statement


__all__ = ["parse"]
