"""The syntax tree: what a statement says, before anybody asked whether it makes sense.

Every node knows its place in the text. Chains of AND and OR are flat, however long, so that no
walk over a tree goes deeper than the text is nested.
"""

from __future__ import annotations

from typing import Literal as OneOf

import msgspec

CompareOperator = OneOf["=", "<>", "<", ">", "<=", ">="]
LiteralKind = OneOf["number", "string", "hex", "bool"]


class Node(msgspec.Struct, frozen=True, gc=False):
    """The base: `position` is an offset in characters. Trees have no cycles to collect."""

    position: int


class Expr(Node, frozen=True, kw_only=True):
    """An expression; `depth` is how deep it is nested."""

    depth: int = 1


class Literal(Expr, frozen=True):
    """A literal; `text` is its text, without quotes, ``0x`` or doubled quotes."""

    kind: LiteralKind
    text: str


class Null(Expr, frozen=True):
    """``NULL``."""


class Param(Expr, frozen=True):
    """``?`` (`name` is its number from 0) or ``:name``."""

    name: str | int


class Column(Expr, frozen=True):
    """``name`` or ``table.name``."""

    table: str | None
    name: str


class Compare(Expr, frozen=True):
    """A comparison; several in a row lean to the left."""

    operator: CompareOperator
    left: Expr
    right: Expr


class And(Expr, frozen=True):
    """All of `terms`."""

    terms: tuple[Expr, ...]


class Or(Expr, frozen=True):
    """Any of `terms`."""

    terms: tuple[Expr, ...]


class Not(Expr, frozen=True):
    """``NOT``."""

    term: Expr


class Paren(Expr, frozen=True):
    """Parentheses, which some places do not allow."""

    inner: Expr


class IsNull(Expr, frozen=True):
    """``IS [NOT] NULL``."""

    operand: Expr
    negated: bool


class In(Expr, frozen=True):
    """``[NOT] IN (…)``."""

    operand: Expr
    items: tuple[Expr, ...]
    negated: bool


class Between(Expr, frozen=True):
    """``[NOT] BETWEEN low AND high``."""

    operand: Expr
    low: Expr
    high: Expr
    negated: bool


class Like(Expr, frozen=True):
    """``[NOT] LIKE pattern``."""

    operand: Expr
    pattern: Expr
    negated: bool


class Arithmetic(Expr, frozen=True):
    """``+ - * / %``."""

    operator: str
    left: Expr
    right: Expr


class Sign(Expr, frozen=True):
    """A sign before anything but a number."""

    operator: str
    operand: Expr


class Call(Expr, frozen=True):
    """A function; `arguments` is None for ``(*)``."""

    name: str
    arguments: tuple[Expr, ...] | None
    distinct: bool


class Star(Node, frozen=True):
    """``*`` or ``table.*``."""

    table: str | None


class Item(Node, frozen=True):
    """An item of a column list; `alias` is None when none is written."""

    expr: Expr
    alias: str | None


class TableRef(Node, frozen=True):
    """A table in FROM."""

    table: str
    alias: str | None


class Join(Node, frozen=True):
    """A joined table."""

    kind: OneOf["inner", "cross", "left"]
    ref: TableRef
    on: Expr | None


class OrderItem(Node, frozen=True):
    """One key of ORDER BY."""

    expr: Expr
    descending: bool


class Select(Node, frozen=True, kw_only=True):
    """``SELECT``. `limit` of "ALL" is no limit, but was written."""

    items: tuple[Item | Star, ...]
    first: TableRef
    joins: tuple[Join, ...] = ()
    distinct: int | None = None
    where: Expr | None = None
    group: tuple[Expr, ...] = ()
    group_position: int | None = None
    having: Expr | None = None
    order: tuple[OrderItem, ...] = ()
    order_position: int | None = None
    limit: Expr | None = None
    limit_position: int | None = None
    offset: Expr | None = None


class Explain(Node, frozen=True):
    """``EXPLAIN SELECT``."""

    select: Select


class Insert(Node, frozen=True):
    """``INSERT``; `columns` is None without a list."""

    table: str
    columns: tuple[tuple[str, int], ...] | None
    rows: tuple[tuple[Expr, ...], ...]


class Assignment(Node, frozen=True):
    """``column = value``."""

    column: str
    value: Expr


class Update(Node, frozen=True):
    """``UPDATE``."""

    table: str
    assignments: tuple[Assignment, ...]
    where: Expr | None


class Delete(Node, frozen=True):
    """``DELETE``."""

    table: str
    where: Expr | None


class SetVariable(Node, frozen=True):
    """``SET name = value``."""

    name: str
    value: Expr


class Show(Node, frozen=True):
    """``SHOW name``."""

    name: str


Statement = Select | Explain | Insert | Update | Delete | SetVariable | Show
