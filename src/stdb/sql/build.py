"""Builds the syntax tree: what the parser calls for each rule of the grammar, from the inside out.

The methods are called by the names of the rules, with the parts of the rule in a list.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from . import syntax as s
from .refusals import LISTED
from .tokens import param_name

#: How deep expressions may be nested; chains of AND and OR do not count.
DEPTH_MAX: Final = 80
_NOT_SHOWN: Final = frozenset({"TABLES", "COLUMNS", "CREATE", "FUNCTIONS", "DATABASES", "SCHEMAS"})
_OPERATORS: Final[dict[str, s.CompareOperator]] = {
    "EQ": "=", "EQEQ": "=", "NE": "<>", "LT": "<", "GT": ">", "LE": "<=", "GE": ">=",
}  # fmt: skip


class Mark(msgspec.Struct, gc=False):
    """A terminal as the parser read it."""

    type: str
    value: str
    start_pos: int


class Refused(Exception):  # noqa: N818 - never leaves the layer
    """Something that parses and is refused; the parser adds the text."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


def _name(token: Any) -> str:
    text: str = token.value
    if text[0] == '"':
        return text[1:-1].replace('""', '"')
    return text


def _only(parts: list[Any], *types: type) -> list[Any]:
    return [part for part in parts if isinstance(part, types)]


def _is(part: Any, *terminals: str) -> bool:
    return getattr(part, "type", None) in terminals


def _depth(position: int, *parts: s.Expr) -> int:
    depth = 1 + max([part.depth for part in parts], default=0)
    if depth > DEPTH_MAX:
        raise Refused(f"nested too deeply: the recursion limit is {DEPTH_MAX}", position)
    return depth


class Builder:
    """The callbacks of the grammar."""

    def start(self, parts: list[Any]) -> Any:
        return parts[0]

    def explain(self, parts: list[Any]) -> s.Explain:
        return s.Explain(parts[0].start_pos, parts[1])

    # -- SELECT ----------------------------------------------------------------------------------

    def select(self, parts: list[Any]) -> s.Select:
        return self._select(parts)

    def select_swapped(self, parts: list[Any]) -> s.Select:
        parts[-1], parts[-2] = parts[-2], parts[-1]
        return self._select(parts)

    def _select(self, parts: list[Any]) -> s.Select:
        start, distinct, items, sources, where, group, having, order, limit, offset = parts
        first, *joins = sources
        _check_stars(items)
        return s.Select(
            start.start_pos,
            distinct=distinct,
            items=tuple(items),
            first=first,
            joins=tuple(joins),
            where=where,
            group=group[1] if group else (),
            group_position=group[0] if group else None,
            having=having,
            order=order[1] if order else (),
            order_position=order[0] if order else None,
            limit=limit[1] if limit else None,
            limit_position=limit[0] if limit else None,
            offset=offset,
        )

    def quantifier(self, parts: list[Any]) -> int | None:
        return parts[0].start_pos if _is(parts[0], "DISTINCT") else None

    def items(self, parts: list[Any]) -> list[Any]:
        return _only(parts, s.Item, s.Star)

    def item_star(self, parts: list[Any]) -> s.Star:
        return s.Star(parts[0].start_pos, None)

    def item_table_star(self, parts: list[Any]) -> s.Star:
        names, position = parts[0]
        return s.Star(position, ".".join(names))

    def item_expr(self, parts: list[Any]) -> s.Item:
        return s.Item(parts[0].position, parts[0], parts[1])

    def alias_word(self, parts: list[Any]) -> str:
        return _name(parts[-1])

    def alias_string(self, parts: list[Any]) -> str:
        text: str = parts[1].value
        return text[1:-1].replace("''", "'")

    def from_(self, parts: list[Any]) -> list[Any]:
        return parts[1:]

    def rel(self, parts: list[Any]) -> s.TableRef:
        names, position = parts[0]
        alias = next((_name(p) for p in parts[1:] if _is(p, "ANY_NAME", "TABLE_ALIAS")), None)
        return s.TableRef(position, ".".join(names), alias)

    def table_name(self, parts: list[Any]) -> tuple[list[str], int]:
        return [_name(p) for p in parts if not _is(p, "DOT")], parts[0].start_pos

    insert_table = table_name

    def dotted(self, parts: list[Any]) -> tuple[list[str], int]:
        if len(parts) == 1:
            return [_name(parts[0])], parts[0].start_pos
        (names, position), _, name = parts
        return [*names, _name(name)], position

    def target(self, parts: list[Any]) -> tuple[list[str], int]:
        return self.table_name(parts)

    def comma_join(self, parts: list[Any]) -> None:
        raise Refused("implicit join: write JOIN … ON … instead of a comma", parts[0].start_pos)

    def join_inner(self, parts: list[Any]) -> s.Join:
        ref = _only(parts, s.TableRef)[0]
        on = parts[-1]
        return s.Join(ref.position, "inner", ref, on if isinstance(on, s.Expr) else None)

    def join_cross(self, parts: list[Any]) -> s.Join:
        return s.Join(parts[0].start_pos, "cross", parts[-1], None)

    def join_left(self, parts: list[Any]) -> s.Join:
        ref = _only(parts, s.TableRef)[0]
        on = parts[-1]
        return s.Join(parts[0].start_pos, "left", ref, on if isinstance(on, s.Expr) else None)

    def join_other(self, parts: list[Any]) -> None:
        raise Refused(
            f"{parts[0].value.upper()} JOIN is not there; only inner joins (and LEFT JOIN)",
            parts[0].start_pos,
        )

    def on_expr(self, parts: list[Any]) -> s.Expr:
        expr: s.Expr = parts[1]
        return expr

    def on_using(self, parts: list[Any]) -> None:
        raise Refused("USING is not there; an inner join says ON a.x = b.x", parts[0].start_pos)

    def where(self, parts: list[Any]) -> s.Expr:
        expr: s.Expr = parts[1]
        return expr

    having = where

    def group(self, parts: list[Any]) -> tuple[int, tuple[s.Expr, ...]]:
        return parts[0].start_pos, tuple(_only(parts, s.Expr))

    def order(self, parts: list[Any]) -> tuple[int, tuple[s.OrderItem, ...]]:
        return parts[0].start_pos, tuple(_only(parts, s.OrderItem))

    def order_item(self, parts: list[Any]) -> s.OrderItem:
        return s.OrderItem(parts[0].position, parts[0], _is(parts[1], "DESC"))

    def limit(self, parts: list[Any]) -> tuple[int, s.Expr]:
        return parts[0].start_pos, parts[1]

    def limit_all(self, parts: list[Any]) -> tuple[int, None]:
        return parts[0].start_pos, None

    def offset(self, parts: list[Any]) -> s.Expr:
        expr: s.Expr = parts[1]
        return expr

    # -- changes ---------------------------------------------------------------------------------

    def insert(self, parts: list[Any]) -> s.Insert:
        names, position = parts[2]
        rows = tuple(p for p in parts[4:] if isinstance(p, tuple))
        return s.Insert(position, ".".join(names), parts[3], rows)

    def columns(self, parts: list[Any]) -> tuple[tuple[str, int], ...]:
        return tuple((_name(p), p.start_pos) for p in parts if _is(p, "ANY_NAME"))

    def row(self, parts: list[Any]) -> tuple[s.Expr, ...]:
        return tuple(_only(parts, s.Expr))

    def update(self, parts: list[Any]) -> s.Update:
        names, position = parts[1]
        assignments = tuple(_only(parts, s.Assignment))
        return s.Update(position, ".".join(names), assignments, parts[-1])

    def assignment(self, parts: list[Any]) -> s.Assignment:
        names, position = parts[0]
        return s.Assignment(position, ".".join(names), parts[2])

    def delete(self, parts: list[Any]) -> s.Delete:
        names, position = parts[2]
        return s.Delete(position, ".".join(names), parts[3])

    def set(self, parts: list[Any]) -> s.SetVariable:
        names, position = parts[2]
        return s.SetVariable(position, ".".join(names), parts[4])

    def show(self, parts: list[Any]) -> s.Show:
        words = [_name(p) for p in parts[1:]]
        if words[0].upper() in _NOT_SHOWN:
            raise Refused(f"unsupported: SHOW {' '.join(words)}; {LISTED}", parts[0].start_pos)
        return s.Show(parts[1].start_pos, ".".join(words))

    # -- expressions -----------------------------------------------------------------------------

    def or_(self, parts: list[Any]) -> s.Expr:
        if len(parts) == 1:
            single: s.Expr = parts[0]
            return single
        terms = parts[::2]
        return s.Or(terms[0].position, tuple(terms), depth=_depth(terms[0].position, *terms))

    def and_(self, parts: list[Any]) -> s.Expr:
        if len(parts) == 1:
            single: s.Expr = parts[0]
            return single
        terms = parts[::2]
        return s.And(terms[0].position, tuple(terms), depth=_depth(terms[0].position, *terms))

    def not_(self, parts: list[Any]) -> s.Not:
        position = parts[0].start_pos
        return s.Not(position, parts[1], depth=_depth(position, parts[1]))

    def compare(self, parts: list[Any]) -> s.Compare:
        left, operator, right = parts
        position = operator.start_pos
        depth = _depth(position, left, right)
        return s.Compare(position, _OPERATORS[operator.type], left, right, depth=depth)

    def is_null(self, parts: list[Any]) -> s.IsNull:
        position = parts[1].start_pos
        return s.IsNull(position, parts[0], parts[2] is not None, depth=_depth(position, parts[0]))

    def in_(self, parts: list[Any]) -> s.In:
        operand, negation, keyword = parts[:3]
        items = tuple(_only(parts[3:], s.Expr))
        position = keyword.start_pos
        depth = _depth(position, operand, *items)
        return s.In(position, operand, items, negation is not None, depth=depth)

    def between(self, parts: list[Any]) -> s.Between:
        operand, negation, keyword, low, _, high = parts
        position = keyword.start_pos
        depth = _depth(position, operand, low, high) + 1
        return s.Between(position, operand, low, high, negation is not None, depth=depth)

    def like(self, parts: list[Any]) -> s.Like:
        operand, negation, keyword, pattern = parts
        position = keyword.start_pos
        depth = _depth(position, operand, pattern)
        return s.Like(position, operand, pattern, negation is not None, depth=depth)

    def arithmetic(self, parts: list[Any]) -> s.Arithmetic:
        left, operator, right = parts
        position = operator.start_pos
        depth = _depth(position, left, right)
        return s.Arithmetic(position, operator.value, left, right, depth=depth)

    def sign(self, parts: list[Any]) -> s.Expr:
        operator, operand = parts
        position = operator.start_pos
        if (
            isinstance(operand, s.Literal)
            and operand.kind == "number"
            and operand.text[0] not in "+-"
        ):
            return s.Literal(position, "number", operator.value + operand.text)
        return s.Sign(position, operator.value, operand, depth=_depth(position, operand))

    def literal(self, parts: list[Any]) -> s.Literal:
        token = parts[0]
        text: str = token.value
        position: int = token.start_pos
        if token.type == "NUMBER":
            return s.Literal(position, "number", text)
        if token.type == "STRING":
            return s.Literal(position, "string", text[1:-1].replace("''", "'"))
        if token.type == "HEX":
            digits = text[2:] if text[0] == "0" else text[2:-1].replace("''", "'")
            return s.Literal(position, "hex", digits)
        return s.Literal(position, "bool", text.upper())

    def null(self, parts: list[Any]) -> s.Null:
        return s.Null(parts[0].start_pos)

    def param(self, parts: list[Any]) -> s.Param:
        token = parts[0]
        return s.Param(token.start_pos, param_name(token.value))

    def column(self, parts: list[Any]) -> s.Column:
        names, position = parts[0]
        return s.Column(position, ".".join(names[:-1]) or None, names[-1])

    def call(self, parts: list[Any]) -> s.Call:
        name, _, distinct, arguments, _ = parts
        position = name.start_pos
        depth = _depth(position, *(arguments or ()))
        return s.Call(position, name.value, arguments, distinct is not None, depth=depth)

    def arguments(self, parts: list[Any]) -> tuple[s.Expr, ...] | None:
        if _is(parts[0], "STAR"):
            return None
        return tuple(_only(parts, s.Expr))

    def paren(self, parts: list[Any]) -> s.Paren:
        position = parts[0].start_pos
        return s.Paren(position, parts[1], depth=_depth(position, parts[1]))


# ``from`` is a word of Python, so the method needs another way to its name.
setattr(Builder, "from", Builder.from_)


def _check_stars(items: list[Any]) -> None:
    if len(items) > 1:
        for item in items:
            if isinstance(item, s.Star):
                raise Refused("a wildcard stands alone in a column list", item.position)
