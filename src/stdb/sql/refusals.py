"""Says what is wrong with a statement that does not parse: constructs that are not there by name.

The parser knows only which token came where another was due. What the writer meant follows from
the token, its neighbours and the kind of statement.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

from ..errors import SqlError
from .syntax import TableRef

if TYPE_CHECKING:
    from .tokens import RawToken

_STATEMENTS: Final = frozenset("SELECT EXPLAIN INSERT UPDATE DELETE SET SHOW".split())
_KEYWORDS: Final = sorted(
    _STATEMENTS
    | set(
        "AND BETWEEN DISTINCT FROM GROUP HAVING INTO JOIN LIMIT OFFSET ORDER VALUES WHERE".split()
    )
)
_OTHER_STATEMENTS: Final = frozenset(
    "ALTER ANALYZE ATTACH BEGIN CALL CLOSE COMMENT COMMIT COPY CREATE DEALLOCATE DECLARE DESCRIBE "
    "DETACH DROP EXECUTE FETCH FLUSH GRANT KILL LOAD LOCK MERGE OPTIMIZE PRAGMA PREPARE RELEASE "
    "RENAME REPLACE REVOKE ROLLBACK SAVEPOINT START TABLE TRUNCATE UNLOCK USE VACUUM VALUES "
    "WITH".split()
)
_TRANSACTION: Final = "a transaction is `with db.transaction() as tx:`, with tx.sql(…) inside"
_TABLES: Final = (
    "what tables there are is declared in the module, and db.publish(module) changes it"
)
LISTED: Final = "SELECT * FROM st_table lists the tables, st_column their columns"
#: What to do instead, by the first word of a statement.
_INSTEAD: Final = {
    "BEGIN": _TRANSACTION, "START": _TRANSACTION, "COMMIT": _TRANSACTION,
    "ROLLBACK": _TRANSACTION, "SAVEPOINT": _TRANSACTION, "CREATE": _TABLES, "ALTER": _TABLES,
    "DROP": _TABLES, "RENAME": _TABLES, "TRUNCATE": "DELETE FROM empties a table",
    "DESCRIBE": LISTED, "PRAGMA": LISTED, "USE": LISTED,
    "REPLACE": "UPDATE what is there, or DELETE it first",
}  # fmt: skip
_UNSUPPORTED_WORDS: Final = frozenset(
    "ALL ANY ARRAY AT BETWEEN CASE CAST CEIL COLLATE CONFLICT CURRENT_DATE CURRENT_TIME "
    "CURRENT_TIMESTAMP CURRENT_USER DEFAULT DIV DUPLICATE EXCEPT EXISTS EXTRACT FALSE FETCH FLOOR "
    "FOR GLOB ILIKE INTERSECT INTERVAL INTO ISNULL LATERAL LOCALTIME NOTNULL NULL OVERLAPS OVERLAY "
    "POSITION QUALIFY REGEXP RETURNING RLIKE SAFE_CAST SELECT SESSION_USER SIMILAR SUBSTRING TABLE "
    "TOP TRIM TRUE TRY_CAST UNION UNNEST USER WINDOW WITH XOR DISTINCT IS NOT FROM ON USING".split()
)
_UNSUPPORTED_OPERATORS: Final = frozenset(
    ["||", "::", "<=>", "~", "~*", "!~", "!~*", "~~", "!~~", "~~*", "!~~*", "&", "|", "^", "#",
     "@", "$", ":", "{", "}"]
)  # fmt: skip
_SHOWN: Final = {
    "COLUMN_NAME": "a column", "TABLE_NAME": "a table", "INSERT_TABLE": "a table",
    "ANY_NAME": "a name", "COLUMN_ALIAS": "an alias", "TABLE_ALIAS": "an alias",
    "STRING": "a string", "NUMBER": "a number", "HEX": "a hex literal", "FUNC": "a function",
    "PARAM": "a parameter", "LPAR": "(", "RPAR": ")", "COMMA": ",", "DOT": ".", "STAR": "*",
    "EQ": "=", "PLUS": "+", "MINUS": "-", "SLASH": "/", "PERCENT": "%", "$END": "the end",
}  # fmt: skip
_COMPARISONS: Final = frozenset(["EQ", "EQEQ", "NE", "LT", "GT", "LE", "GE"])


class Unexpected(Exception):  # noqa: N818 - never leaves the layer
    """A token that the parser could not use: its number, and what the parser had by then."""

    def __init__(self, index: int, stack: list[int], values: list[Any]) -> None:
        super().__init__(index)
        self.index = index
        self.stack = stack
        self.values = values


def explain_unexpected(
    sql: str, raw: list[RawToken], error: Unexpected, states: dict[int, dict[str, Any]], end: int
) -> SqlError:
    """Return the error for the token that came where the parser could not use it."""
    due = _due(error.stack, states, end)
    has_from = any(
        getattr(value, "type", None) == "FROM"
        or (isinstance(value, list) and any(isinstance(v, TableRef) for v in value))
        for value in error.values
    )
    index = error.index
    if index > 1 and raw[index - 1].text.upper() == "SELECT":
        index -= 1  # a query inside an expression, which began as the name of a column
    if index == len(raw):
        position, found = len(sql), "the end"
    else:
        position, text = raw[index].position, raw[index].text
        text = "?" if raw[index].kind == "PARAM" and text[0] == "?" else text
        found = repr(text if len(text) < 40 else text[:39] + "…")
    statement = raw[0].text.upper()
    if statement == "EXPLAIN" and len(raw) > 1:
        statement = raw[1].text.upper()
    kind = (
        _by_statement(statement, raw, index, due)
        or _by_token(raw, index)
        or ("from" if "FROM" in due and not has_from and statement == "SELECT" else "")
    )
    match kind:
        case "unsupported":
            message = f"unsupported: {found} here"
        case "from":
            message = f"from which table? FROM is missing: found {found} instead"
        case "multi-table":
            message = "a multi-table DELETE is not there: delete from one table at a time"
        case "inner":
            message = f"only inner joins (and LEFT JOIN) are there; found {found}"
        case _:
            message = f"parser: unexpected {found}"
    if kind == "unsupported" and index == 0 and statement in _INSTEAD:
        message = f"unsupported: {statement}; {_INSTEAD[statement]}"
    elif kind not in {"from", "multi-table"}:
        message += f"; expected {_expected(due)}"
    meant = _misspelt(raw, index)
    if meant:
        message += f"; did you mean {meant}?"
    return SqlError(message, sql=sql, position=position, nearest=[meant] if meant else [])


def _misspelt(raw: list[RawToken], index: int) -> str:
    """Return the keyword that was perhaps meant by what stands here, or before: as an alias."""
    for token in raw[max(index - 1, 0) : index + 1][::-1]:
        word = token.text.upper()
        if token.kind == "WORD" and word not in _KEYWORDS:
            meant = difflib.get_close_matches(word, _KEYWORDS, n=1, cutoff=0.75)
            if meant:
                return meant[0]
    return ""


def _due(entered: list[int], states: dict[int, dict[str, Any]], end: int) -> set[str]:
    """Return the terminals that the parser could go on with; its table alone promises too many."""
    due = set()
    for terminal in states[entered[-1]]:
        if not terminal.isupper():
            continue
        stack = list(entered)
        while terminal in states[stack[-1]]:
            action = states[stack[-1]][terminal]
            if isinstance(action, int):
                due.add(terminal)
                break
            size, _, rule = action
            if size:
                del stack[-size:]
            if rule not in states[stack[-1]]:
                break
            stack.append(states[stack[-1]][rule])
            if stack[-1] == end:
                due.add(terminal)
                break
    return due


def _by_statement(statement: str, raw: list[RawToken], index: int, due: set[str]) -> str:
    word = raw[index].text.upper() if index < len(raw) else ""
    if statement not in _STATEMENTS:
        return "unsupported" if statement in _OTHER_STATEMENTS else "parser"
    if index == len(raw):
        return ""
    if statement == "DELETE":
        if index == 1 or word in {"LIMIT", "RETURNING"}:
            return "parser"
        if word == "," and "WHERE" in due:
            return "multi-table"
        return "unsupported" if "WHERE" in due else ""
    if statement == "UPDATE":
        if word in {"LIMIT", "ORDER"}:
            return "parser"
        return "unsupported" if "SET" in due or word in {"FROM", "RETURNING"} else ""
    if statement == "INSERT" and raw[index - 1].text.upper() == "VALUES":
        return "parser"
    if statement == "SET":
        return "unsupported"
    if statement == "SELECT" and (
        "OUTER" in due or "USING" in {token.text.upper() for token in raw[index - 2 : index]}
    ):
        return "inner"
    return ""


def _by_token(raw: list[RawToken], index: int) -> str:
    if index == len(raw):
        return ""
    kind, text = raw[index].kind, raw[index].text
    before = raw[index - 1] if index else None
    word = text.upper()
    if (kind == "WORD" and word in _UNSUPPORTED_WORDS) or text in _UNSUPPORTED_OPERATORS:
        return "unsupported"
    if before is None:
        return ""
    if text == "[":
        after_value = before.kind in {"WORD", "QUOTED", "RPAR"}
        joined = before.position + len(before.text) == raw[index].position
        return "unsupported" if after_value and joined else "parser"
    if kind == "LPAR" and before.text.upper() in {"FROM", "JOIN"}:
        return "unsupported"
    if kind == "LPAR" and before.kind in {"WORD", "QUOTED"} and index > 1:
        return "unsupported"
    if kind == "STRING" and before.kind == "WORD" and before.text.upper() != "LIMIT":
        return "unsupported"
    if kind in {"DOT", "COMMA"} and _inside_parentheses(raw, index):
        return "unsupported"
    if kind in {"STAR", "SLASH", "PERCENT", "PLUS"} and before.kind in {"WORD", *_COMPARISONS}:
        return "unsupported"
    return ""


def _inside_parentheses(raw: list[RawToken], index: int) -> bool:
    if raw[index].kind == "DOT":
        return raw[index - 1].kind == "RPAR"
    nesting = 0
    for token in raw[:index]:
        nesting += (token.kind == "LPAR") - (token.kind == "RPAR")
    return nesting > 0


def _expected(due: set[str]) -> str:
    """Return what may stand there, for people: the first few of what matters."""
    words = sorted({_SHOWN.get(terminal, terminal) for terminal in due - _COMPARISONS})
    if due & _COMPARISONS:
        words.append("a comparison")
    if len(words) > 8:
        words = [*words[:8], "…"]
    return ", ".join(words)
