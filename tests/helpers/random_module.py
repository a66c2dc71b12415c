"""A whole schema as data: tables, views, rules of row-level security and queries; and its module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from hypothesis import strategies as st
from tests.helpers.random_queries import Query, queries
from tests.helpers.random_schema import KINDS, OWNER, TABLES_MAX, Table, tables
from tests.helpers.random_views import View, function_of, views

from stdb import Identity, Module, ReducerContext, Row, index, primary_key, unique


@dataclass(frozen=True)
class Schema:
    """What a database has, and queries about it."""

    tables: list[Table]
    views: list[View]
    rules: list[Query]
    queries: list[Query]
    _by_name: dict[str, View] = field(init=False, default_factory=dict)
    _rules: dict[str, list[Query]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_name.update((view.name, view) for view in self.views)
        for rule in self.rules:
            self._rules.setdefault(rule.table.name, []).append(rule)

    def view(self, name: str) -> View | None:
        """Return the view of that name, if it is one."""
        return self._by_name.get(name)

    def rules_of(self, name: str) -> list[Query]:
        """Return the rules that guard a table."""
        return self._rules.get(name, [])

    def may_ask(self, query: Query, caller: Identity) -> bool:
        """Whether somebody may read what a query is about."""
        return caller == OWNER or all(source.is_public for source in query.sources)

    def may_subscribe(self, query: Query, caller: Identity) -> bool | None:
        """Whether a query can be subscribed to; None where it hangs on finer rules."""
        if not self.may_ask(query, caller):
            return False
        rules = [] if caller == OWNER else self._all_rules(query)
        joins = [each for each in (query, *rules) if each.on is not None]
        if not joins:
            return True
        if len(joins) > 1 or any(source.is_event for source in joins[0].sources):
            return None
        on = joins[0].on or ()
        indexed = [t.is_indexed(c) for t, c in zip(joins[0].sources, on, strict=True)]
        return True if all(indexed) else None

    def _all_rules(self, query: Query) -> list[Query]:
        """Return the rules that a query meets, and those that these meet."""
        found: list[Query] = []
        for source in query.sources:
            for rule in self.rules_of(source.name):
                found += [rule, *self._all_rules_within(rule)]
        return found

    def _all_rules_within(self, rule: Query) -> list[Query]:
        others = [source for source in rule.sources if source.name != rule.table.name]
        return [each for other in others for each in self._all_rules(Query((other,)))]

    def __str__(self) -> str:
        lines = [f"table {table}" for table in self.tables]
        lines += [str(view) for view in self.views]
        lines += [f"rule {rule}" for rule in self.rules]
        lines += [f"query {number}: {query}" for number, query in enumerate(self.queries)]
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Be short among the steps that Hypothesis prints: `__str__` is noted before them."""
        printer.text(f"<schema of {len(self.tables)} tables, {len(self.views)} views>")


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """Draw a schema."""
    link = draw(st.sampled_from(["u8", "i32", "u64", "str", "identity"]))
    made = [
        draw(tables(f"t{number}", link, may_be_event=number > 1))
        for number in range(draw(st.integers(2, TABLES_MAX)))
    ]
    lasting = [table for table in made if not table.is_event]
    shown: list[View] = []
    for number in range(draw(st.integers(1, 3))):
        shown.append(draw(views(f"v{number}", lasting, shown)))
    rules = []
    for number, table in enumerate(made):
        # A rule joins tables that come later, so that no two need each other.
        later = [each for each in made[number:] if each.is_public and not each.is_event]
        if table.is_public and draw(st.booleans()):
            size = draw(st.integers(1, 2))
            rules += [draw(queries(later or [table], table)) for _ in range(size)]
    known = made + [view.shown for view in shown]
    asked = draw(st.lists(queries(known), min_size=4, max_size=8))
    return Schema(made, shown, _distinct(rules), _distinct(asked))


def _distinct(found: list[Query]) -> list[Query]:
    """Return queries without those of the same text: a rule holds once."""
    return list({query.sql: query for query in found}.values())


# -- the module -------------------------------------------------------------------------------


def make_module(schema: Schema, work: Callable[[Any], None]) -> Module:
    """Return a module of that schema; its reducer ``run`` does `work` on ``ctx.db``."""
    module = Module("model")
    classes: dict[str, Any] = {}
    for table in schema.tables:
        declare = module.table(table.name, public=table.is_public, event=table.is_event)
        classes[table.name] = declare(_row_class(table))
    functions: dict[str, Callable[[Any], Any]] = {}
    for view in schema.views:
        function = function_of(view, classes[view.table.name], functions)
        functions[view.name] = function
        primary = view.shown.primary_key
        name = None if primary is None or view.returns_query else view.shown.columns[primary].name
        module.view(public=view.shown.is_public, primary_key=name)(function)
    for rule in schema.rules:
        module.client_visibility_filter(rule.sql)

    @module.reducer
    def run(ctx: ReducerContext) -> None:
        work(ctx.db)

    return module


def _row_class(table: Table) -> type[Row]:
    annotations: dict[str, Any] = {}
    body: dict[str, Any] = {"__module__": __name__, "__annotations__": annotations}
    for position, column in enumerate(table.columns):
        annotation = KINDS[column.kind][0]
        if position == table.unique_column:
            marker = primary_key() if table.key == "primary" else unique()
            annotation = Annotated[annotation, marker]
        elif column.index:
            annotation = Annotated[annotation, index(column.index)]
        annotations[column.name] = annotation
    if table.key == "pair":
        body["pair"] = unique(*(table.columns[p].name for p in table.key_columns))
    if table.together:
        body["together"] = index(*(table.columns[p].name for p in table.together))
    return type(table.name.capitalize(), (Row,), body)


__all__ = ["Schema", "make_module", "schemas"]
