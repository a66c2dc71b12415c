"""Checks a SELECT: names, then ON from left to right, then WHERE, the columns, the limit."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ..types import shapes as sh
from . import syntax as s
from . import typed as t
from .check_expression import Checker, unwrap
from .check_group import GroupedChecker
from .literals import NotThat, parse_literal, type_name
from .names import Scope, find_table
from .result import ResultColumn

if TYPE_CHECKING:
    from ..errors import SqlError
    from ..storage.table import Table
    from .names import Fault, Rights, Schema


def check_select(
    select: s.Select, schema: Schema, rights: Rights, fault: Fault, *, strict: bool
) -> t.Query:
    """Return the checked query of a SELECT, before row-level security."""
    return _SelectChecker(schema, rights, fault, strict=strict).check(select)


class _SelectChecker:
    def __init__(self, schema: Schema, rights: Rights, fault: Fault, *, strict: bool) -> None:
        self.schema = schema
        self.rights = rights
        self.fault = fault
        self.strict = strict
        self.scope = Scope(fault)
        self.checker = Checker(self.scope, fault, strict=strict)
        self.late: SqlError | None = None

    def check(self, select: s.Select) -> t.Query:
        refs = [select.first, *(join.ref for join in select.joins)]
        tables = [self.table(ref) for ref in refs]
        conjuncts = self.joins(select, refs, tables)
        if select.where is not None:
            conjuncts += t.conjuncts_of(self.checker.condition(select.where))
        query = t.Query([t.Fragment(self.scope.sources, conjuncts)], ())
        query.distinct = select.distinct is not None
        self.outputs(select, query)
        self.bounds(select, query)
        query.params = self.checker.params
        query.uses_sender = self.checker.uses_sender
        query.unplannable = self.late
        return query

    # -- FROM ------------------------------------------------------------------------------------

    def table(self, ref: s.TableRef) -> Table:
        return find_table(self.schema, self.rights, ref.table, ref.position, self.fault)

    def joins(self, select: s.Select, refs: list[s.TableRef], tables: list[Table]) -> list[t.Expr]:
        conjuncts: list[t.Expr] = []
        aliases = [ref.alias or ref.table for ref in refs]
        for ref, alias in zip(refs, aliases, strict=True):
            first = next(i for i, other in enumerate(aliases) if other == alias)
            if refs[first] is not ref:
                raise self.fault(
                    f"duplicate name {alias!r}: give one of the tables another alias", ref.position
                )
        self.scope.add(aliases[0], tables[0], refs[0].position)
        conjuncts += self.own_rows(0)
        for join, alias, table in zip(select.joins, aliases[1:], tables[1:], strict=True):
            source = self.scope.add(alias, table, join.ref.position)
            if join.on is None:
                if join.kind == "left":
                    raise self.fault("LEFT JOIN needs ON", join.position)
                conjuncts += self.own_rows(len(self.scope.sources) - 1)
                continue
            on = self.on(join.on) + self.own_rows(len(self.scope.sources) - 1)
            if join.kind == "left":
                source.on = on
            else:
                conjuncts += on
        return conjuncts

    def own_rows(self, source: int) -> list[t.Expr]:
        """Return the condition that the rows of a view be those of who asks, if it needs one."""
        table = self.scope.sources[source].table
        if not table.hidden:
            return []
        field = table.shape.fields[0]
        self.checker.uses_sender = True
        whose = t.Column(field.shape, False, source, field, 0, field.shape)
        return [t.Compare(sh.BOOL, False, "=", whose, t.Sender(sh.IDENTITY, False))]

    def on(self, expr: s.Expr) -> list[t.Expr]:
        """Return the terms of ON: in the strict dialect, one equation of two columns."""
        made = self.checker.condition(expr)
        terms = t.conjuncts_of(made)
        for term in terms:
            if isinstance(term, t.Compare):
                term.is_on = True
        if not self.strict:
            return terms
        newest = len(self.scope.sources) - 1
        used = t.sources_of(made)
        if not (newest in used and len(used) == 2):
            self.late = self.late or self.fault(
                "ON must relate the joined table to one in an earlier position", expr.position
            )
        return terms

    # -- the column list -------------------------------------------------------------------------

    def outputs(self, select: s.Select, query: t.Query) -> None:
        first = select.items[0]
        if isinstance(first, s.Star):
            self.star(first, query)
            if select.group or select.having is not None:
                raise self.fault("a wildcard does not go with GROUP BY", first.position)
            self.order(select, query, self.checker)
            return
        items = [item for item in select.items if isinstance(item, s.Item)]
        grouped = bool(select.group) or select.having is not None
        grouped = grouped or any(_has_call(item.expr) for item in items)
        checker = self.checker
        if grouped:
            group = tuple(self.group_term(expr, items) for expr in select.group)
            checker = GroupedChecker(self.checker, group)
            query.grouped = True
            query.keys = checker.keys
            query.aggregates = checker.aggregates
        bare = [unwrap(item.expr) for item in items]
        called = Counter(expr.name.lower() for expr in bare if isinstance(expr, s.Call))
        names = [self._item_name(item, i, called) for i, item in enumerate(items)]
        given = Counter(names)
        for item, name in zip(items, names, strict=True):
            if given[name] > 1:
                raise self.fault(
                    f"duplicate name {name!r} in the column list: give one an alias", item.position
                )
            query.outputs.append(self.output(checker, item))
        query.columns = tuple(
            ResultColumn(name, _whole(output))
            for name, output in zip(names, query.outputs, strict=True)
        )
        if isinstance(checker, GroupedChecker):
            checker.aliases = {item.alias: item.expr for item in items if item.alias is not None}
        if select.having is not None:
            query.having = checker.condition(select.having)
        self.order(select, query, checker)

    def group_term(self, expr: s.Expr, items: list[s.Item]) -> s.Expr:
        """Return what GROUP BY means: it may name an item of the list, or say its number."""
        if isinstance(expr, s.Literal) and expr.kind == "number":
            if expr.text.isdecimal() and 1 <= int(expr.text[:9]) <= len(items):
                return items[int(expr.text) - 1].expr
            raise self.fault(f"there is no column {expr.text} to group by", expr.position)
        if isinstance(expr, s.Column) and not self.scope.has(expr):
            return next((item.expr for item in items if item.alias == expr.name), expr)
        return expr

    def output(self, checker: Checker, item: s.Item) -> t.Expr:
        expr = unwrap(item.expr)
        if isinstance(expr, s.Literal) and expr.kind in {"number", "string"}:
            if expr.kind == "number":
                return checker.number_literal(expr, None)
            return t.Const(sh.TEXT, False, expr.text)
        return checker.expr(expr)

    def _item_name(self, item: s.Item, position: int, called: Counter[str]) -> str:
        if item.alias is not None:
            return item.alias
        expr = unwrap(item.expr)
        if isinstance(expr, s.Column):
            return expr.name
        if isinstance(expr, s.Call):
            name = expr.name.lower()
            return name if called[name] == 1 else f"{name}_{position}"
        return f"column_{position}"

    def star(self, star: s.Star, query: t.Query) -> None:
        if star.table is None:
            if len(self.scope.sources) > 1:
                raise self.fault(
                    "* does not go with a join: say whose columns, as in "
                    f"{self.scope.sources[0].alias}.*",
                    star.position,
                )
            query.whole = 0
        else:
            query.whole = self.scope.table(star.table, star.position)
        source = self.scope.sources[query.whole]
        if source.on is not None:
            raise self.fault(
                f"{source.alias}.* may have no row, being LEFT JOINed: name its columns",
                star.position,
            )
        query.columns = tuple(
            ResultColumn(str(field.name), field.shape) for field in source.table.shown.fields
        )

    # -- ORDER BY, LIMIT -------------------------------------------------------------------------

    def order(self, select: s.Select, query: t.Query, checker: Checker) -> None:
        for item in select.order:
            made = self.output_named(item.expr, query) or checker.expr(item.expr)
            if query.distinct and query.whole is None and made not in query.outputs:
                raise self.fault(
                    "with DISTINCT, ORDER BY goes by columns of the list: name one, or its alias",
                    item.position,
                )
            query.order.append(t.Order(made, item.descending))

    def output_named(self, expr: s.Expr, query: t.Query) -> t.Expr | None:
        """Return the output column that ORDER BY means: by its name, or by its number from 1."""
        names = [column.name for column in query.columns]
        if query.outputs and isinstance(expr, s.Column) and expr.table is None:
            return query.outputs[names.index(expr.name)] if expr.name in names else None
        if query.outputs and isinstance(expr, s.Literal) and expr.kind == "number":
            if expr.text.isdecimal() and 1 <= int(expr.text[:9]) <= len(names):
                return query.outputs[int(expr.text) - 1]
            raise self.fault(f"there is no column {expr.text} to order by", expr.position)
        for output in query.outputs:
            if isinstance(expr, s.Column) and isinstance(output, t.Column):
                source, position, _ = self.scope.column(expr.table, expr.name, expr.position)
                if (output.source, output.position) == (source, position):
                    return output
        return None

    def bounds(self, select: s.Select, query: t.Query) -> None:
        query.limit = self.bound(select.limit)
        query.offset = self.bound(select.offset)

    def bound(self, expr: s.Expr | None) -> t.Expr | None:
        if expr is None:
            return None
        if isinstance(expr, s.Literal) and expr.kind == "number":
            try:
                return t.Const(sh.U64, False, parse_literal(sh.U64, expr.text))
            except NotThat:
                raise self.fault(
                    f"literal {expr.text} is no number of rows ({type_name(sh.U64)})",
                    expr.position,
                ) from None
        if isinstance(expr, s.Param) and expr.name != "sender":
            return self.checker.param(expr, sh.U64)
        raise self.fault("unsupported: LIMIT and OFFSET take a number", expr.position)


def _whole(expr: t.Expr) -> sh.Shape:
    """Return the type of an output column, with the option that `nullable` means."""
    if isinstance(expr, t.Column) and isinstance(expr.whole, sh.Option):
        return expr.whole
    return sh.Option(expr.shape) if expr.nullable else expr.shape


def _has_call(node: Any) -> bool:
    if isinstance(node, s.Call):
        return True
    if isinstance(node, tuple):
        return any(_has_call(part) for part in node)
    if isinstance(node, s.Expr):
        return any(_has_call(getattr(node, field)) for field in node.__struct_fields__)
    return False
