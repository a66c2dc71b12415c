"""What a transaction changed in the end: the net inserts and deletes of each table.

A row that was inserted and deleted again is in neither list; a row that was deleted and inserted
again as it was is in neither list; an updated row is a delete and an insert.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .table import Table


class TableChanges(msgspec.Struct, frozen=True):
    """The net changes of one table, in the order in which its rows were first touched.

    `truncated` says that the table lost all of its rows and got no new ones.
    """

    table: Table
    inserts: tuple[Any, ...]
    deletes: tuple[Any, ...]
    truncated: bool = False


class Changes(msgspec.Struct, frozen=True):
    """The net changes of one transaction, by table; truth says whether there are any."""

    offset: int
    tables: tuple[TableChanges, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tables)

    def __iter__(self) -> Iterator[TableChanges]:
        return iter(self.tables)

    def of(self, table_name: str) -> TableChanges | None:
        """Return the changes of the table of that name, or None."""
        return next((t for t in self.tables if t.table.name == table_name), None)


class SchemaChanges(Changes, frozen=True):
    """Stands for a transaction that changed which tables there are, or what they are like.

    Who watches rows is not told of it: a table that got another class has other rows all the same,
    and those who hold some of them take them anew (see `Store.schema_listeners`).
    """
