"""Who has read what: finds, for the changes of a transaction, those who read something of it.

Readers are kept by what they read, as `stdb.storage.read_set` notes it. So each changed row is
looked up once for each index that somebody has looked into, however many readers there are, and a
table that nobody has read costs one look-up. Ranges are found by the columns that they fix, and
those that fix the same are looked at one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .ranges import Range
from .read_set import COUNT, WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .index import Index
    from .read_set import Entry
    from .table import Table

T = TypeVar("T")


class _OfTable(Generic[T]):
    """The readers of one table, by what they read of it.

    Attributes
    ----------
    whole, count : dict
        Those who read all of it, and how many rows it has.
    by_position : dict
        Position of an index -> key -> those who read what is there.
    ranges : dict
        Position of an index -> length of a prefix -> prefix -> range -> those who read it.
    positions : tuple
        The items of `by_position`, to be walked through quickly.
    """

    __slots__ = ("by_position", "count", "positions", "ranges", "whole")

    def __init__(self) -> None:
        self.whole: dict[T, None] = {}
        self.count: dict[T, None] = {}
        self.by_position: dict[int, dict[Any, dict[T, None]]] = {}
        self.ranges: dict[int, dict[int, dict[Any, dict[Range, dict[T, None]]]]] = {}
        self.positions: tuple[tuple[int, dict[Any, dict[T, None]]], ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.whole or self.count or self.by_position or self.ranges)

    def path(self, entry: Entry) -> tuple[dict[Any, Any], tuple[Any, ...]]:
        """Return where the readers of an entry are: a dict, and the keys that lead on from it."""
        _, position, key = entry
        if key.__class__ is Range:
            return self.ranges, (position, len(key.prefix), key.prefix, key)
        return self.by_position, (position, key)


class Readers(Generic[T]):
    """Readers, by what they read.

    Adding and removing can be done again where an interrupt has cut them short.
    """

    __slots__ = ("_tables",)

    def __init__(self) -> None:
        self._tables: dict[int, _OfTable[T]] = {}

    def add(self, reader: T, entry: Entry) -> None:
        """Note that `reader` has read `entry`."""
        table_id, position, _ = entry
        found = self._tables.get(table_id)
        if found is None:
            found = self._tables[table_id] = _OfTable()
        if position < 0:
            (found.whole if position == WHOLE else found.count)[reader] = None
            return
        at, path = found.path(entry)
        for step in path:
            at = at.setdefault(step, {})
        at[reader] = None
        if len(found.positions) != len(found.by_position):
            found.positions = tuple(found.by_position.items())

    def remove(self, reader: T, entry: Entry) -> None:
        """Take back that `reader` has read `entry`."""
        table_id, position, _ = entry
        found = self._tables.get(table_id)
        if found is None:
            return
        if position < 0:
            (found.whole if position == WHOLE else found.count).pop(reader, None)
        else:
            _remove(*found.path(entry), reader)
            found.positions = tuple(found.by_position.items())
        if found.is_empty:
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
            for position, at_once in ((WHOLE, found.whole), (COUNT, found.count)):
                for reader in at_once:
                    yield reader, (table_id, position, None)
            for position, by_key in found.by_position.items():
                for key, readers in by_key.items():
                    for reader in readers:
                        yield reader, (table_id, position, key)
            for position, by_length in found.ranges.items():
                for by_prefix in by_length.values():
                    for by_range in by_prefix.values():
                        for each, readers in by_range.items():
                            for reader in readers:
                                yield reader, (table_id, position, each)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _remove(at: dict[Any, Any], path: tuple[Any, ...], reader: object) -> None:
    """Take a reader out of nested dicts, and those out that are empty then."""
    step, *rest = path
    inner = at.get(step, {})
    if rest:
        _remove(inner, tuple(rest), reader)
    else:
        inner.pop(reader, None)
    if not inner:
        at.pop(step, None)


def _collect(table: Table, found: _OfTable[T], affected: dict[T, None]) -> None:
    """Add those to `affected` who have read something that has changed in `table`."""
    present = table.rows.get
    indexes, positions, whole = table.indexes, found.positions, found.whole
    growth = 0
    for main_key, old in table.before.items():
        new = present(main_key)
        if new is old or new == old:
            continue
        if whole:
            affected.update(whole)
            whole = {}
        growth += (new is not None) - (old is not None)
        for position, by_key in positions:
            key_of = indexes[position].key_of
            before = None if old is None else key_of(old)
            if old is not None and before in by_key:
                affected.update(by_key[before])
            if new is not None:
                after = key_of(new)
                if (old is None or after != before) and after in by_key:
                    affected.update(by_key[after])
        for position, by_length in found.ranges.items():
            for row in (old, new):
                if row is not None:
                    _collect_ranges(indexes[position], row, by_length, affected)
    if growth:
        affected.update(found.count)


def _collect_ranges(
    index: Index,
    row: Any,
    by_length: dict[int, dict[Any, dict[Range, dict[T, None]]]],
    affected: dict[T, None],
) -> None:
    """Add those who have read a range of the index that holds the row."""
    key = index.key_of(row)
    is_single = len(index.definition.columns) == 1
    for length, by_prefix in by_length.items():
        prefix, value = ((), key) if is_single else (key[:length], key[length])
        for each, readers in by_prefix.get(prefix, {}).items():
            if each.holds(value):
                affected.update(readers)


__all__ = ["Readers"]
