"""How much memory tables hold, and a limit to it.

Sizes are estimates: of the objects that Python has for rows, their values, and the dicts they lie
in. Values that several rows share are counted for each.
"""

from __future__ import annotations

from itertools import islice
from sys import getsizeof
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..errors import MemoryLimitError
from .index import Bag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .index import Index
    from .store import Store
    from .table import Table

#: What an entry of a dict takes, with what it keeps free to grow.
_ENTRY: Final = 100
#: How many rows are looked at, at each end of a table, to estimate all.
_SAMPLE: Final = 64


def value_bytes(value: Any) -> int:
    """Return what a value holds, with everything inside it."""
    size = getsizeof(value)
    if isinstance(value, tuple):
        return size + sum(map(value_bytes, value))
    if isinstance(value, msgspec.Struct):
        return size + sum(map(value_bytes, msgspec.structs.astuple(value)))
    return size


def row_bytes(row: Any, indexes: int) -> int:
    """Return what a row holds, with its entries in so many indexes."""
    return value_bytes(row) + _ENTRY * max(1, indexes)


def rows_bytes(table: Table) -> int:
    """Return an estimate of what the rows of a table hold, without indexes, in constant time."""
    rows = table.rows
    if len(rows) <= 2 * _SAMPLE:
        sample: list[Any] = list(rows.values())
    else:
        sample = [*islice(rows.values(), _SAMPLE), *islice(reversed(rows.values()), _SAMPLE)]
    held = sum(map(value_bytes, sample))
    return (held * len(rows) // len(sample) if sample else 0) + getsizeof(rows)


def index_bytes(index: Index) -> int:
    """Return an estimate of what an index holds beside its keys, in constant time."""
    if index.is_main:
        return 0  # the dict of the rows themselves
    held = index.map
    sample = list(islice(held.values(), 2 * _SAMPLE))
    bags = sum(getsizeof(each) for each in sample if each.__class__ is Bag)
    return getsizeof(held) + (bags * len(held) // len(sample) if sample else 0)


class NotedRows(dict[Any, Any]):
    """What a transaction notes of a table, where memory is limited: it looks while it notes."""

    __slots__ = ("_limit", "_table")

    def __init__(self, limit: MemoryLimit, table: Table) -> None:
        super().__init__()
        self._limit = limit
        self._table = table

    def __setitem__(self, key: Any, old: Any) -> None:
        super().__setitem__(key, old)
        self._limit.noted(self._table, key, old)


class MemoryLimit:
    """Lets no transaction commit after which the tables hold more than `limit` bytes.

    A transaction that only lets them hold less may commit, even above the limit. While one runs, it
    is stopped at the first row that is too much, so that a loop that never ends does.
    """

    def __init__(self, name: str, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self._name = name
        self._before = 0
        self._running = 0
        self._last: tuple[Table, Any, Any] | None = None

    def watch(self, store: Store) -> None:
        """Hold the tables that the store will have to the limit."""
        store.state.new_before = self._notes_of
        store.limit = self

    def copy(self) -> MemoryLimit:
        """Return the same limit, for a store that begins with the same rows."""
        other = MemoryLimit(self._name, self.limit)
        other.held = self.held
        return other

    def _notes_of(self, table: Table) -> dict[Any, Any]:
        return NotedRows(self, table)

    def measure(self, store: Store) -> None:
        """Find out what all tables hold: O(rows)."""
        self.held = sum(
            row_bytes(row, len(table.indexes))
            for table in store
            if _counts(table)
            for row in table.rows.values()
        )

    # -- while a transaction runs -----------------------------------------------------------------

    def noted(self, table: Table, key: Any, old: Any) -> None:
        """Count the row that was changed before this one, which lies in its table by now."""
        last, self._last = self._last, (table, key, old)
        if last is None:
            self._before = self.held
            table.state.on_undo.append(self)
        else:
            self._running += _growth(*last)
            if self._running > 0 and self.held + self._running > self.limit:
                self._refuse(self.held + self._running)

    def check(self, touched: Iterable[Table]) -> None:
        """Refuse the open transaction, if the tables would hold too much after it."""
        growth = 0
        for table in set(touched):
            if _counts(table):
                for key, old in table.before.items():
                    growth += _growth(table, key, old)
                table.state.on_undo.append(self)
        self._forget()
        if growth > 0 and self.held + growth > self.limit:
            self._refuse(self.held + growth)
        self._before = self.held
        self.held += growth

    def rolled_back(self) -> None:
        """Be as before the transaction."""
        self.held = self._before
        self._forget()

    def _forget(self) -> None:
        self._running = 0
        self._last = None

    def _refuse(self, wanted: int) -> None:
        raise MemoryLimitError(
            f"the tables of {self._name!r} would hold some {wanted:,} bytes, and its memory_limit "
            f"is {self.limit:,}: delete rows first, or open it with a higher limit",
            limit=self.limit,
            wanted=wanted,
        )


def _counts(table: Table) -> bool:
    return not (table.definition.is_system or table.is_ephemeral or table.is_event)


def _growth(table: Table, key: Any, old: Any) -> int:
    """Return how much more a table holds for what lies under `key` now, in the place of `old`."""
    row = table.rows.get(key)
    indexes = len(table.indexes)
    new = 0 if row is None else row_bytes(row, indexes)
    return new - (0 if old is None else row_bytes(old, indexes))
