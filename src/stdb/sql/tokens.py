"""Splits SQL into tokens. What a word means is decided later, where it stands (`parser`).

One regular expression does the work, in time linear in the text. What SpacetimeDB's lexer refuses
is refused here, with the place.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from typing import Final

import msgspec

from ..errors import SqlError

#: Parentheses inside each other.
NESTING_MAX: Final = 47


class RawToken(msgspec.Struct, gc=False):
    """A token: its kind (``WORD``, ``QUOTED``, a terminal of the grammar), its text, its place.

    The text of a ``?`` has its number from 0 behind it.
    """

    kind: str
    text: str
    position: int


_PATTERN: Final = re.compile(
    r"""
      (?P<SPACE>\s+)
    | (?P<COMMENT>--[^\n]*)
    | (?P<BLOCK>/\*)
    | (?P<XSTRING>[xX]'[^']*(?:''[^']*)*')
    | (?P<ODD>[eEnN]'[^']*(?:''[^']*)*'|\$\$)
    | (?P<BINARY>[bB]')
    | (?P<HEX>0x[0-9a-fA-F]*)
    | (?P<NUMBER>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<WORD>[^\W\d][\w$]*)
    | (?P<STRING>'[^']*(?:''[^']*)*')
    | (?P<QUOTED>"[^"]*(?:""[^"]*)*")
    | (?P<PARAM>(?<!:):\s*[^\W\d][\w$]*|\?)
    | (?P<OP><=>|\|\||::|==|<>|!=|<=|>=|!?~~?\*?|[-+*/%=<>(),.;\[\]{}&|^#@$:!?\\])
    """,
    re.VERBOSE,
)

OPERATORS: Final = {
    "=": "EQ", "==": "EQEQ", "<>": "NE", "!=": "NE", "<": "LT", ">": "GT", "<=": "LE",
    ">=": "GE", "(": "LPAR", ")": "RPAR", ",": "COMMA", ".": "DOT", "*": "STAR", "+": "PLUS",
    "-": "MINUS", "/": "SLASH", "%": "PERCENT", ";": "SEMICOLON",
}  # fmt: skip


def tokenize(sql: str) -> list[RawToken]:
    """Return the tokens of one statement, without what ends it.

    Raises
    ------
    SqlError
        There is something that is no token, no statement, or more than one.
    """
    tokens: list[RawToken] = []
    position, end, nesting, marks = 0, len(sql), 0, 0
    simple = sql.isascii()
    match_at = _PATTERN.match
    while position < end:
        match = match_at(sql, position)
        if match is None:
            raise _stray(sql, position)
        kind = match.lastgroup or ""
        text = match.group()
        if kind == "WORD" and not simple:
            _check_letters(sql, text, position)
        if kind == "OP":
            kind = OPERATORS.get(text, "OTHER")
            if kind == "LPAR":
                nesting += 1
                if nesting > NESTING_MAX:
                    raise SqlError(
                        f"too many parentheses inside each other: the recursion limit is "
                        f"{NESTING_MAX}",
                        sql=sql,
                        position=position,
                    )
            elif kind == "RPAR":
                nesting -= 1
        if kind == "BLOCK":
            position = _end_of_comment(sql, position)
            continue
        if kind in {"ODD", "BINARY"}:
            raise _odd_string(sql, kind, text, position)
        if kind == "XSTRING":
            tokens.append(RawToken("HEX", text, position))
        elif text == "?":
            tokens.append(RawToken(kind, f"?{marks}", position))
            marks += 1
        elif kind not in {"SPACE", "COMMENT"}:
            tokens.append(RawToken(kind, text, position))
        position = match.end()
        if kind == "NUMBER" and sql[position : position + 1] == "L":
            position += 1  # 10L is 10
    return _one_statement(sql, tokens)


def place_of_param(sql: str, name: str | int) -> int | None:
    """Return where a statement that parses has the parameter: its number from 0, or its name."""
    for token in tokenize(sql):
        if token.kind == "PARAM" and param_name(token.text) == name:
            return token.position
    return None


def param_name(text: str) -> str | int:
    """Return the name of a parameter, or its number from 0, of the text of its token."""
    return int(text[1:]) if text[0] == "?" else text[1:].strip()


def _one_statement(sql: str, tokens: list[RawToken]) -> list[RawToken]:
    while tokens and tokens[-1].kind == "SEMICOLON":
        tokens.pop()
    if not tokens:
        raise SqlError("the statement is empty; write one, such as SELECT * FROM t", sql=sql)
    first = next(i for i, token in enumerate(tokens) if token.kind != "SEMICOLON")
    del tokens[:first]
    for before, token in itertools.pairwise(tokens):
        if before.kind == "SEMICOLON" and token.kind != "SEMICOLON":
            raise SqlError(
                "multiple statements in one call; give them one by one",
                sql=sql,
                position=token.position,
            )
    return tokens


def _check_letters(sql: str, word: str, position: int) -> None:
    """Refuse what the regular expression takes for a letter or digit and SQL does not."""
    for offset, char in enumerate(word):
        if not (char.isalpha() or char.isascii() or unicodedata.category(char) == "Nl"):
            raise _stray(sql, position + offset)


def _end_of_comment(sql: str, start: int) -> int:
    """Return where the comment that begins at `start` ends; comments nest."""
    depth = 0
    for match in re.compile(r"/\*|\*/").finditer(sql, start):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    raise SqlError("unterminated comment: no */ ends it", sql=sql, position=start)


def _odd_string(sql: str, kind: str, text: str, position: int) -> SqlError:
    if kind == "BINARY":
        return SqlError(
            "parser: B'…' is no literal; write bytes as 0x and hex digits",
            sql=sql,
            position=position,
        )
    return SqlError(
        f"unsupported kind of string {text[:2]}…; write text between single quotes",
        sql=sql,
        position=position,
    )


def _stray(sql: str, position: int) -> SqlError:
    found = sql[position]
    if found == "'":
        return SqlError("unterminated string: no ' ends it", sql=sql, position=position)
    if found == '"':
        return SqlError("unterminated name: no double quote ends it", sql=sql, position=position)
    hint = '; names are quoted "like this"' if found == "`" else ""
    return SqlError(f"parser: unexpected character {found!r}{hint}", sql=sql, position=position)


# Words that are no names where they stand, unless quoted.
IN_EXPRESSIONS: Final = frozenset(
    "ALL ARRAY_AGG CASE CAST CEIL FLOOR CURRENT_CATALOG CURRENT_DATE CURRENT_TIME "
    "CURRENT_TIMESTAMP CURRENT_USER SESSION_USER USER EXISTS EXTRACT FALSE TRUE INTERVAL LISTAGG "
    "LOCALTIME LOCALTIMESTAMP NOT NULL OVERLAY POSITION SAFE_CAST TRY_CAST SUBSTRING TRIM".split()
)
FIRST_IN_SELECT: Final = IN_EXPRESSIONS | {"DISTINCT", "TOP"}
AS_TABLE: Final = frozenset({"LATERAL", "TABLE", "UNNEST"})
AS_INSERT_TABLE: Final = frozenset({"DIRECTORY", "LOCAL", "TABLE"})
AS_TABLE_ALIAS: Final = frozenset(
    "ANALYZE AS CLUSTER CROSS DISTRIBUTE END EXCEPT EXPLAIN FETCH FULL GROUP HAVING INNER "
    "INTERSECT JOIN LATERAL LEFT LIMIT NATURAL OFFSET ON ORDER OUTER PARTITION PIVOT QUALIFY RIGHT "
    "SELECT SET SORT TOP UNION USING VIEW WHERE WINDOW WITH".split()
)
AS_COLUMN_ALIAS: Final = frozenset(
    "ANALYZE AND AS BETWEEN CLUSTER COLLATE DISTRIBUTE DIV END EXCEPT EXPLAIN FETCH FROM GROUP "
    "HAVING ILIKE IN INTERSECT INTO IS LATERAL LIKE LIMIT OFFSET OPERATOR OR ORDER SELECT SIMILAR "
    "SORT TOP UNION VIEW WHERE WITH XOR".split()
)
#: What makes a NOT after an expression an operator, and no alias.
AFTER_NOT: Final = frozenset("BETWEEN ILIKE IN LIKE REGEXP RLIKE SIMILAR".split())

__all__ = ["NESTING_MAX", "RawToken", "param_name", "place_of_param", "tokenize"]
