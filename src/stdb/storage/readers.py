"""Who has read what: finds, for the changes of a transaction, those who read something of it.

Readers are kept by what they read, as `stdb.storage.read_set` notes it. So each changed row is
looked up once for each index that somebody has looked into, however many readers there are, and a
table that nobody has read costs one look-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .read_set import WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .read_set import Entry
    from .table import Table

T = TypeVar("T")


class _OfTable(Generic[T]):
    """The readers of one table: of all of it, and by position and key of its indexes."""

    __slots__ = ("by_position", "positions", "whole")

    def __init__(self) -> None:
        self.whole: dict[T, None] = {}
        self.by_position: dict[int, dict[Any, dict[T, None]]] = {}
        #: The items of `by_position`, to be walked through quickly.
        self.positions: tuple[tuple[int, dict[Any, dict[T, None]]], ...] = ()


class Readers(Generic[T]):
    """Readers, by what they read.

    Adding and removing can be done again where an interrupt has cut them short.
    """

    __slots__ = ("_tables",)

    def __init__(self) -> None:
        self._tables: dict[int, _OfTable[T]] = {}

    def add(self, reader: T, entry: Entry) -> None:
        """Note that `reader` has read `entry`."""
        table_id, position, key = entry
        found = self._tables.get(table_id)
        if found is None:
            found = self._tables[table_id] = _OfTable()
        if position == WHOLE:
            found.whole[reader] = None
            return
        found.by_position.setdefault(position, {}).setdefault(key, {})[reader] = None
        if len(found.positions) != len(found.by_position):
            found.positions = tuple(found.by_position.items())

    def remove(self, reader: T, entry: Entry) -> None:
        """Take back that `reader` has read `entry`."""
        table_id, position, key = entry
        found = self._tables.get(table_id)
        if found is None:
            return
        if position == WHOLE:
            found.whole.pop(reader, None)
        else:
            by_key = found.by_position.get(position, {})
            readers = by_key.get(key, {})
            readers.pop(reader, None)
            if not readers:
                by_key.pop(key, None)
            if not by_key:
                found.by_position.pop(position, None)
            found.positions = tuple(found.by_position.items())
        if not found.whole and not found.by_position:
            del self._tables[table_id]

    def affected(self, touched: Iterable[Table]) -> dict[T, None]:
        """Return those who have read something that the open transaction has changed."""
        affected: dict[T, None] = {}
        for table in touched:
            found = self._tables.get(table.table_id)
            if found is not None:
                _collect(table, found, affected)
        return affected

    def __iter__(self) -> Iterator[tuple[T, Entry]]:
        """Yield each reader with each thing that it has read."""
        for table_id, found in self._tables.items():
            for reader in found.whole:
                yield reader, (table_id, WHOLE, None)
            for position, by_key in found.by_position.items():
                for key, readers in by_key.items():
                    for reader in readers:
                        yield reader, (table_id, position, key)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _collect(table: Table, found: _OfTable[T], affected: dict[T, None]) -> None:
    """Add those to `affected` who have read something that has changed in `table`."""
    present = table.rows.get
    indexes, positions, whole = table.indexes, found.positions, found.whole
    for main_key, old in table.before.items():
        new = present(main_key)
        if new is old or new == old:
            continue
        if whole:
            affected.update(whole)
            whole = {}
        if not positions:
            return
        for position, by_key in positions:
            key_of = indexes[position].key_of
            before = None if old is None else key_of(old)
            if old is not None and before in by_key:
                affected.update(by_key[before])
            if new is not None:
                after = key_of(new)
                if (old is None or after != before) and after in by_key:
                    affected.update(by_key[after])


__all__ = ["Readers"]
