"""Views as data, and the functions that compute them in a module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from hypothesis import strategies as st
from tests.helpers.random_oracle import holds, meets
from tests.helpers.random_queries import Ref, Term, links, terms
from tests.helpers.random_schema import KINDS, SENDER, Table

from stdb import AnonymousViewContext, Query, ViewContext

#: The ways of views that return a query.
_QUERIES: Final = {"query", "semijoin", "choice"}


@dataclass(frozen=True)
class View:
    """A view of the rows of one table that fulfil all terms. `how` says in which way it is read.

    Attributes
    ----------
    shown : Table
        What queries see of it.
    other, on : Table, tuple of int
        Of a semijoin: the other table, and the columns that are equal.
    base : str or None
        The view whose function it calls.
    choice : tuple or None
        Another table, a unique column of it, the value to find there, and the column whose value
        the last term takes; where nothing is found, the term stays as it is.
    """

    shown: Table
    table: Table
    how: str
    is_anonymous: bool
    terms: tuple[Term, ...]
    other: Table | None = None
    on: tuple[int, int] = (0, 0)
    base: str | None = None
    choice: tuple[Table, int, Any, int] | None = None

    @property
    def name(self) -> str:
        return self.shown.name

    @property
    def returns_query(self) -> bool:
        return self.how in _QUERIES

    def __str__(self) -> str:
        query = f"{self.table.name} where {[self._term(term) for term in self.terms]}"
        if self.other is not None:
            mine, theirs = self.on
            query += (
                f" semijoin {self.other.name} on {self.table.columns[mine].name} = "
                f"{self.other.columns[theirs].name}"
            )
        if self.base is not None:
            query += f" of view {self.base}"
        if self.choice is not None:
            table, unique, value, column = self.choice
            names = table.columns[column].name, table.columns[unique].name
            query += f", the last of {table.name}.{names[0]} where {names[1]} = {value}"
        who = "all" if self.is_anonymous else "sender"
        return f"view {self.shown} for {who}, {self.how}: {query}"

    def _term(self, term: Term) -> str:
        return f"{self.table.columns[term.left.column].name} {term.operator} {term.right}"


@st.composite
def views(draw: st.DrawFn, name: str, tables: list[Table], others: list[View]) -> View:
    """Draw a view of some of `tables`, which are not event tables, or of another view."""
    table = draw(st.sampled_from(tables))
    is_anonymous = draw(st.booleans())
    found = draw(st.lists(terms((table,), with_sender=not is_anonymous), max_size=2))
    view = View(table, table, "scan", is_anonymous, tuple(found))
    unique = table.unique_column
    indexed = [p for p, column in enumerate(table.columns) if column.index or p == unique]
    bases = [
        other
        for other in others
        if not other.returns_query and (other.is_anonymous or not is_anonymous)
    ]
    joins = [
        (other, (mine, theirs))
        for other in tables
        if other is not table
        for mine, theirs in links(table, other)
        if table.is_indexed(mine) and other.is_indexed(theirs)
    ]
    chosen = [other for other in tables if other.unique_column is not None]
    ways = ["scan", "query"]
    ways += ["filter"] * bool(indexed) + ["find"] * (unique is not None)
    ways += ["calls"] * bool(bases) + ["semijoin"] * bool(joins) + ["choice"] * bool(chosen)
    how = draw(st.sampled_from(ways))
    if how in {"filter", "find"}:
        column = draw(st.sampled_from(indexed if how == "filter" else [unique]))
        found.insert(0, draw(_equality(table, column, with_sender=not is_anonymous)))
        view = replace(view, terms=tuple(found))
    elif how == "calls":
        base = draw(st.sampled_from(bases))
        kept = draw(st.lists(terms((base.table,), with_sender=not is_anonymous), max_size=1))
        view = View(base.table, base.table, "calls", is_anonymous, tuple(kept), base=base.name)
    elif how == "semijoin":
        other, on = draw(st.sampled_from(joins))
        view = replace(view, other=other, on=on)
    elif how == "choice":
        view = _with_choice(draw, view, draw(st.sampled_from(chosen)))
    return replace(view, how=how, shown=_shown(draw, name, view.table, how))


def _equality(table: Table, column: int, *, with_sender: bool) -> st.SearchStrategy[Term]:
    values = [value for value in KINDS[table.columns[column].kind][1] if value == value]
    if table.columns[column].kind == "identity" and with_sender:
        values += [SENDER] * 3
    return st.sampled_from(values).map(lambda value: Term(Ref(0, column), "=", value))


def _with_choice(draw: st.DrawFn, view: View, other: Table) -> View:
    unique = other.unique_column
    assert unique is not None
    value = draw(_equality(other, unique, with_sender=not view.is_anonymous)).right
    # The first columns are of one kind.
    last = draw(_equality(view.table, 0, with_sender=False))
    return replace(view, terms=(*view.terms, last), choice=(other, unique, value, 0))


def _shown(draw: st.DrawFn, name: str, table: Table, how: str) -> Table:
    """Return the view as a table: it has a primary key where that of its table is one, or said."""
    columns = tuple(replace(column, index=None) for column in table.columns)
    is_query = how in _QUERIES
    keeps = table.primary_key is not None if is_query else table.unique_column is not None
    if keeps and (is_query or draw(st.booleans())):
        return Table(name, columns, "primary", table.key_columns, (), True, False)
    return Table(name, columns, "none", (), (), draw(st.integers(0, 5)) < 5, False)


# -- in a module ------------------------------------------------------------------------------


def function_of(view: View, row_class: Any, functions: dict[str, Callable[[Any], Any]]) -> Any:
    """Return the function of a view, annotated; `functions` has those of the other views."""

    def compute(ctx: Any) -> Any:
        sender = None if view.is_anonymous else ctx.sender
        if view.returns_query:
            return _query(view, ctx, sender)
        rest = view.terms
        if view.how == "calls":
            rows = functions[str(view.base)](ctx)
            rows = rows if isinstance(rows, list) else [] if rows is None else [rows]
        elif view.how in {"filter", "find"}:
            first, *rest = view.terms
            value = sender if first.right is SENDER else first.right
            index = ctx.db[view.table.name][view.table.columns[first.left.column].name]
            if view.how == "find":
                row = index.find(value)
                return row if row and holds(rest, row, sender) else None
            rows = index.filter(value)
        else:
            rows = ctx.db[view.table.name]
        return [row for row in rows if holds(rest, row, sender)]

    returned: Any = list[row_class]
    if view.how == "find":
        returned = row_class | None
    elif view.returns_query:
        returned = Query[row_class]
    compute.__name__ = compute.__qualname__ = view.name
    compute.__annotations__ = {
        "ctx": AnonymousViewContext if view.is_anonymous else ViewContext,
        "return": returned,
    }
    return compute


def _query(view: View, ctx: Any, sender: Any) -> Any:
    query = ctx.from_[view.table.name]
    wanted = list(view.terms)
    if view.choice is not None:
        other, unique, value, column = view.choice
        found = ctx.db[other.name][other.columns[unique].name].find(
            sender if value is SENDER else value
        )
        if found is not None:
            wanted[-1] = replace(wanted[-1], right=tuple(found)[column])
    for term in wanted:
        name = view.table.columns[term.left.column].name
        value = sender if term.right is SENDER else term.right
        query = query.where(
            lambda row, name=name, term=term, value=value: meets(
                getattr(row, name), term.operator, value
            )
        )
    if view.other is not None:
        mine, theirs = (view.table.columns[view.on[0]].name, view.other.columns[view.on[1]].name)
        query = query.left_semijoin(
            ctx.from_[view.other.name], lambda a, b: getattr(a, mine) == getattr(b, theirs)
        )
    return query


__all__ = ["View", "function_of", "views"]
