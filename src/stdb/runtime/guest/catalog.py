"""The tables and indexes of a store under the names and numbers that modules know them by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .indexes import GuestIndex
from .tables import GuestTable

if TYPE_CHECKING:
    from ...storage.store import Store


class Catalog:
    """Finds tables and indexes for a module; what it knows is renewed when the schema changes.

    A thing is known by its name in the database and by the one that the module's source gave it.
    Its number is that of the system tables.

    Parameters
    ----------
    store : Store or None
        None for a module that is only to describe itself: it has no tables.
    """

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._version = -1
        self._table_ids: dict[bytes, int] = {}
        self._index_ids: dict[bytes, int] = {}
        self._index_places: dict[int, tuple[int, int]] = {}
        self._names: dict[int, str] = {}
        #: What was asked for already. A number that is not here may still exist: ask the methods.
        self.tables: dict[int, GuestTable] = {}
        self.indexes: dict[int, GuestIndex] = {}

    def table_id(self, name: bytes) -> int | None:
        """Return the number of the table of this name, in UTF-8."""
        self._renew()
        return self._table_ids.get(name)

    def index_id(self, name: bytes) -> int | None:
        """Return the number of the index of this name, in UTF-8."""
        self._renew()
        return self._index_ids.get(name)

    def table(self, table_id: int) -> GuestTable | None:
        """Return a table by its number."""
        self._renew()
        known = self.tables.get(table_id)
        if known is None and self._store is not None and table_id in self._names:
            known = GuestTable(self._store.by_name[self._names[table_id]])
            self.tables[table_id] = known
        return known

    def index(self, index_id: int) -> GuestIndex | None:
        """Return an index by its number."""
        self._renew()
        known = self.indexes.get(index_id)
        if known is None and index_id in self._index_places:
            table_id, position = self._index_places[index_id]
            table = self.table(table_id)
            if table is not None:
                known = self.indexes[index_id] = GuestIndex(table, position)
        return known

    def _renew(self) -> None:
        store = self._store
        if store is None or self._version == store.schema_version:
            return
        for known in (self.tables, self.indexes, self._table_ids, self._index_ids):
            known.clear()
        self._names.clear()
        self._index_places.clear()
        positions: dict[str, tuple[int, int]] = {}
        aliases: dict[str, list[str]] = {}
        for table in store:
            self._names[table.table_id] = table.name
            for name in (table.definition.accessor_name, table.name):
                self._table_ids[name.encode()] = table.table_id
            for position, index in enumerate(table.definition.indexes):
                positions[index.name] = table.table_id, position
                aliases[index.name] = [index.source_name] if index.source_name else []
        for row in store["st_index"].rows.values():
            if row.index_name in positions:
                self._index_places[row.index_id] = positions[row.index_name]
                for name in (*aliases[row.index_name], row.index_name):
                    self._index_ids[name.encode()] = row.index_id
        self._version = store.schema_version
