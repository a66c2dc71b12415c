"""Reads a statement: `grammar.lark` by Lark's LALR table, with words that depend on the place.

SQL reserves few words, and which ones depends on the place: ``from`` is a fine name of a column.
So before each word the table is asked whether a name can stand there, and the word is taken for a
keyword only where it is reserved. Reading is iterative and linear: neither long nor deep
text overflows the stack.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import lark
from lark.lexer import Lexer
from lark.parsers.lalr_analysis import Shift

from ..errors import InternalError, SqlError
from . import tokens as t
from .build import Builder, Mark, Refused
from .refusals import Unexpected, explain_unexpected
from .tokens import RawToken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .syntax import Statement

#: After which ANY begins a comparison with several values, and is no column.
_OPERATORS: Final = frozenset("EQ EQEQ NE LT GT LE GE PLUS MINUS STAR SLASH PERCENT AND OR".split())
_CLAUSES: Final = frozenset("SELECT FROM WHERE GROUP HAVING ORDER ON LIMIT OFFSET SET".split())
#: Terminals that are not words.
_NOT_WORDS: Final = frozenset(
    "STAR DOT ANY_NAME STRING COLUMN_ALIAS TABLE_NAME TABLE_ALIAS INSERT_TABLE LPAR RPAR COMMA EQ "
    "EQEQ NE LT GT LE GE PLUS MINUS SLASH PERCENT PARAM FUNC NUMBER HEX COLUMN_NAME".split()
)


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


class _NoLexer(Lexer):
    """The terminals come from `_Reading`: Lark only makes the table."""

    __future_interface__ = 2

    def __init__(self, lexer_conf: Any) -> None:
        pass

    def lex(self, lexer_state: Any, parser_state: Any) -> Iterator[Any]:
        """Raise: nothing asks for it."""
        raise InternalError(f"Lark's own parser is not used: {lexer_state}, {parser_state}")


class _Table(NamedTuple):
    """Lark's parse table, made ready: state -> terminal or rule -> action.

    An action is the state to go to, or a triple: how many parts are made into something, by which
    method of the builder (None where the one part stands for itself), by which rule.
    """

    states: dict[int, dict[str, Any]]
    start: int
    end: int


@cache
def _table() -> _Table:
    grammar = files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8")
    builder: Any = Builder()
    made: Any = lark.Lark(grammar, parser="lalr", lexer=_NoLexer, transformer=builder)
    inner = made.parser.parser.parser  # Lark has no public way to its table
    table, callbacks = inner.parse_table, inner.callbacks

    def ready(action: Any, goal: Any) -> int | tuple[int, Callable[..., Any] | None, str]:
        if action is Shift:
            return int(goal)
        plain = goal.options.expand1 and goal.alias is None and len(goal.expansion) == 1
        return len(goal.expansion), None if plain else callbacks[goal], str(goal.origin.name)

    states = {
        state: {str(name): ready(*action) for name, action in actions.items()}
        for state, actions in table.states.items()
    }
    return _Table(states, table.start_states["start"], table.end_states["start"])


class _Reading:
    """Gives each word the terminal that it is in its place."""

    def __init__(self) -> None:
        self.clause = self.previous = ""

    def terminal(self, token: RawToken, follower: RawToken, accepted: dict[str, Any]) -> str:
        """Return the terminal that a word, quoted or not, is where `accepted` may stand."""
        if token.kind == "QUOTED":
            terminal = _name_terminal(accepted, self.clause) or "OTHER"
        else:
            word = token.text.upper()
            terminal = _word_terminal(word, accepted, self.clause, self.previous, follower)
            if terminal in _CLAUSES:
                self.clause = terminal
            elif terminal == "JOIN":
                self.clause = "FROM"
        self.previous = terminal
        return terminal


def _read(raw: list[RawToken]) -> Statement:
    """Run the table over the tokens, as Lark does, which hashes a rule for each reduction."""
    table, reading = _table(), _Reading()
    states, stack = table.states, [table.start]
    values: list[Any] = []
    end = RawToken("$END", "", 0)
    for index, token in enumerate([*raw, end]):
        if token is end:
            terminal = "$END"
        elif token.kind in {"WORD", "QUOTED"}:
            follower = raw[index + 1] if index + 1 < len(raw) else end
            terminal = reading.terminal(token, follower, states[stack[-1]])
        else:
            terminal = reading.previous = token.kind
        while True:
            action: Any = states[stack[-1]].get(terminal)
            if action is None:
                raise Unexpected(index, stack, values)
            if action.__class__ is int:
                stack.append(action)
                values.append(Mark(terminal, token.text, token.position))
                break
            size, make, origin = action
            if make is None:
                stack[-1] = states[stack[-2]][origin]
                continue
            parts = values[-size:] if size else []
            if size:
                del values[-size:], stack[-size:]
            values.append(make(parts))
            stack.append(states[stack[-1]][origin])
            if token is end and stack[-1] == table.end:
                statement: Statement = values[-1]
                return statement
    raise InternalError("the parser stopped before the end")


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
        return _read(raw)
    except Refused as refused:
        raise SqlError(refused.message, sql=sql, position=refused.position) from None
    except Unexpected as error:
        table = _table()
        raise explain_unexpected(sql, raw, error, table.states, table.end) from None


__all__ = ["parse"]
