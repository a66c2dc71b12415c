"""Indexes that only subscriptions need: on a join column that its table has no index on.

SpacetimeDB's rule asks for an index on one side of a join only. A change of that side has to find
the rows of the other, and looking through them all at each commit is out of the question.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..schema import IndexDef
from ..storage.index import Index
from ..types.compose import Composer
from ..types.keys import key_expression

if TYPE_CHECKING:
    from ..storage.table import Table
    from .sink import Pair


class Auxiliary:
    """An index that is kept up to date while a query uses it.

    Attributes
    ----------
    index : Index
    users : set of object
        The live queries that need it; without one it is empty and nobody keeps it.
    """

    def __init__(self, table: Table, columns: tuple[int, ...]) -> None:
        self.table = table
        c = Composer()
        fields = [table.shape.fields[position] for position in columns]
        keys = [key_expression(c, field.shape, f"row.{field.attribute}") for field in fields]
        key = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
        c.add(["def key_of(row):", f"    return {key}"])
        names = "_".join(str(field.name) for field in fields)
        self.index = Index(
            IndexDef(f"{table.name}_{names}_subscribed", None, None, "hash", columns),
            unique=False,
            is_main=False,
            map_={},
            key_of=c.run(f"auxiliary index {table.name}")["key_of"],
            main_key_of=table.main_key_of,
        )
        self.users: set[object] = set()

    def use(self, query: object) -> None:
        """Let a query need it. O(rows) for the first."""
        if not self.users:
            self.index.rebuild(self.table.rows.values())
        self.users.add(query)

    def leave(self, query: object) -> None:
        """Let a query need it no more."""
        self.users.discard(query)
        if not self.users:
            self.index.rebuild(())

    def take(self, pairs: list[Pair]) -> None:
        """Follow the changes of a commit; taking them again does no harm."""
        index = self.index
        for _, new, old in pairs:
            if old is not None:
                index.discard(old)
            if new is not None:
                index.add(new)


FindAuxiliary = Callable[["Table", "tuple[int, ...]"], Auxiliary]

__all__ = ["Auxiliary", "FindAuxiliary"]
