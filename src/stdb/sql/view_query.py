"""Queries that views return: in the language of subscriptions, run with the rights of the owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import typed as t
from .names import OWNER, Fault
from .run import PreparedQuery, views_of
from .subscription import check_subscription

if TYPE_CHECKING:
    from ..module.views import ViewDeclaration
    from ..storage.read_set import ReadSet
    from .names import Schema
    from .plan import Access, Plan


def view_query(sql: str, view: ViewDeclaration, schema: Schema) -> PreparedQuery | None:
    """Return the query that a view returned, ready to run; None for an empty text.

    Raises
    ------
    SqlError
        It is no query for rows of the view, or reads other views.
    """
    text = sql.strip()
    if not text:
        return None
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
    return PreparedQuery(text, query)


def note_reads(plans: list[Plan], reads: ReadSet) -> None:
    """Note what a query reads: a key where it looks one up by constants, else the whole table."""
    for plan in plans:
        for step in plan.steps:
            access = step.access
            values = _constants(access)
            if access.index is None or values is None:
                reads.whole(step.table)
            else:
                key_from = step.table.functions[f"key_from_{access.index}"]
                reads.key(step.table, access.index, key_from(*values))


def _constants(access: Access) -> list[object] | None:
    if access.kind not in ("unique", "point"):
        return None
    if not all(isinstance(key, t.Const) for key in access.keys):
        return None
    return [key.value for key in access.keys if isinstance(key, t.Const)]


__all__ = ["note_reads", "view_query"]
