"""Queries that views return: in the language of subscriptions, run with the rights of the owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .names import OWNER, Fault
from .run import views_of
from .subscription import check_subscription

if TYPE_CHECKING:
    from ..module.views import ViewDeclaration
    from . import typed as t
    from .names import Schema


def view_query(text: str, view: ViewDeclaration, schema: Schema) -> t.Query:
    """Return the query that a view returned, checked.

    Raises
    ------
    SqlError
        It is no query for rows of the view, or reads other views.
    """
    fault = Fault(text)
    queries = check_subscription(text, schema, OWNER)
    query = queries[0]
    if len(queries) != 1:
        raise fault("a view returns the rows of one table: SELECT * FROM <table>", 0)
    others = views_of(query)
    if others:
        raise fault(
            f"a query that a view returns reads tables, and {others[0].name!r} is a view; call its "
            "function and return the rows",
            0,
        )
    if query.uses_sender:
        raise fault(
            "a query that a view returns has no parameters: write the value, as in "
            "ctx.from_.message.where(lambda m: m.sender == ctx.sender)",
            0,
        )
    source = query.fragments[0].sources[query.whole or 0]
    if source.table.shape.algebraic() != view.row.algebraic():
        raise fault(
            f"it returns rows of table {source.table.name!r}, and the view declares those of "
            f"{view.row.name}",
            source.position,
        )
    return query


__all__ = ["view_query"]
