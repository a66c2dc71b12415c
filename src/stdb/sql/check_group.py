"""Types what a grouped query gives: expressions over its keys and its aggregates."""

from __future__ import annotations

from typing import Any

from ..types import shapes as sh
from . import syntax as s
from . import typed as t
from .check_expression import Checker
from .check_extensions import sum_shape
from .literals import type_name


class GroupedChecker(Checker):
    """Checks expressions whose columns are GROUP BY expressions or inside aggregates."""

    def __init__(self, rows: Checker, group: tuple[s.Expr, ...]) -> None:
        super().__init__(rows.scope, rows.fault, strict=rows.strict)
        self.rows = rows
        self.params = rows.params
        #: What HAVING and ORDER BY may call by its alias.
        self.aliases: dict[str, s.Expr] = {}
        self.keys = [rows.expr(expr) for expr in group]
        self._places: dict[Any, int] = {}
        for place, expr in enumerate(group):
            self._places.setdefault(self.fingerprint(expr), place)
        self.aggregates: list[t.AggregateCall] = []
        self._known: dict[Any, t.Expr] = {}
        self.aggregate = self._aggregate

    def expr(self, expr: s.Expr, expected: sh.Shape | None = None) -> t.Expr:
        """Return `expr` checked, with the key that it is in place of a column."""
        expr = self.meant(expr)
        if not isinstance(expr, s.Literal | s.Param | s.Null | s.Call):
            fingerprint = self.fingerprint(expr)
            if fingerprint in self._places:
                index = self._places[fingerprint]
                key = self.keys[index]
                made = t.GroupKey(key.shape, key.nullable, index)
                return self.fit(made, expected, expr.position)
            if isinstance(expr, s.Column):
                raise self.fault(
                    f"column {expr.name!r} is neither in GROUP BY nor inside an aggregate",
                    expr.position,
                )
        if isinstance(expr, s.Call):
            return self.fit(self.call(expr), expected, expr.position)
        return super().expr(expr, expected)

    def meant(self, expr: s.Expr) -> s.Expr:
        """Return what an alias stands for, or `expr` if it is none."""
        if isinstance(expr, s.Column) and not self.scope.has(expr):
            return self.aliases.get(expr.name, expr)
        return expr

    def fingerprint(self, node: Any) -> Any:
        """Return what is equal for expressions that mean the same."""
        if isinstance(node, s.Expr):
            node = self.meant(node)
        if isinstance(node, s.Column):
            return self.scope.column(node.table, node.name, node.position)[:2]
        if isinstance(node, s.Paren):
            return self.fingerprint(node.inner)
        if isinstance(node, tuple):
            return tuple(self.fingerprint(part) for part in node)
        if isinstance(node, s.Expr):
            fields = [f for f in node.__struct_fields__ if f not in {"position", "depth"}]
            return (type(node), *(self.fingerprint(getattr(node, field)) for field in fields))
        return node

    def _aggregate(self, call: s.Call) -> t.Expr:
        fingerprint = self.fingerprint(call)
        if fingerprint not in self._known:
            self._known[fingerprint] = self._new_aggregate(call)
        return self._known[fingerprint]

    def _new_aggregate(self, call: s.Call) -> t.Expr:
        function = call.name.lower()
        if call.arguments is None:
            if function != "count":
                raise self.fault(f"{function.upper()} needs a column", call.position)
            return self._add("count", None, sh.U64, call, nullable=False)
        if len(call.arguments) != 1:
            raise self.fault(f"{function.upper()} takes one argument", call.position)
        argument = self.rows.expr(call.arguments[0])
        if function == "count":
            return self._add("count", argument, sh.U64, call, nullable=False)
        if function in {"sum", "avg"} and not isinstance(argument.shape, sh.Int | sh.Float):
            raise self.unexpected(
                f"the argument of {function.upper()}",
                type_name(argument.shape),
                "a number",
                call.position,
            )
        shape = argument.shape
        if function == "sum":
            shape = sum_shape(shape)
        elif function == "avg":
            shape = sh.F64
        nullable = argument.nullable or not self.keys
        return self._add(function, argument, shape, call, nullable=nullable)

    def _add(
        self,
        function: str,
        argument: t.Expr | None,
        shape: sh.Shape,
        call: s.Call,
        *,
        nullable: bool,
    ) -> t.Expr:
        distinct = call.distinct and argument is not None and function not in {"min", "max"}
        self.aggregates.append(t.AggregateCall(function, argument, distinct))
        return t.Aggregate(shape, nullable, len(self.aggregates) - 1)
