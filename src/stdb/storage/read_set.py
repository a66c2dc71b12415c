"""What a view read: so that it is computed again only when some of that has changed.

A view reads through handles that note. A look-up of a whole key of an index is noted as that key:
only a row that comes, goes or changes under it matters; likewise a range of keys. A count is noted
as one: it matters how many rows there are. Everything else is noted as the whole table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from ..errors import TransactionError, UsageError
from .handles import TableHandle
from .index_handle import IndexHandle
from .ranges import ABSENT, range_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .table import Table

R = TypeVar("R")

#: Stands in an entry where the position of an index would: all of the table was read.
WHOLE: Final = -1

#: Stands there too: how many rows the table has was read, and no more.
COUNT: Final = -2

#: Number of the table, position of the index (or `WHOLE`, `COUNT`), key of the index or a `Range`
#: of keys (or None).
Entry = tuple[int, int, Any]


class ReadSet:
    """What was read since `begin`.

    Attributes
    ----------
    entries : set of (int, int, object)
        Number of a table, position of an index in it (or `WHOLE`, `COUNT`), key as the index has
        it or `Range` of such keys.
    """

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: set[Entry] = set()

    def begin(self) -> None:
        """Begin anew; what `entries` was until now stays with whoever took it."""
        self.entries = set()

    def whole(self, table: Table) -> None:
        """Note that anything in `table` may have been read."""
        self.entries.add((table.table_id, WHOLE, None))

    def count(self, table: Table) -> None:
        """Note that the number of rows of `table` was read."""
        self.entries.add((table.table_id, COUNT, None))

    def key(self, table: Table, index: int, key: object) -> None:
        """Note that the rows were read which have `key` in the index at position `index`.

        `key` may be a `Range` of keys.
        """
        self.entries.add((table.table_id, index, key))


class NotingIndexHandle(IndexHandle[R]):
    """An index, read by a view."""

    def __init__(self, table: Table, position: int, reads: ReadSet) -> None:
        super().__init__(table, position, writable=False)
        self._reads = reads

    def filter(
        self,
        *values: Any,
        ge: Any = ABSENT,
        gt: Any = ABSENT,
        le: Any = ABSENT,
        lt: Any = ABSENT,
    ) -> Iterator[R]:
        """Return rows as `IndexHandle.filter` does."""
        _check_kept(self._table)
        bounded = not (ge is ABSENT and gt is ABSENT and le is ABSENT and lt is ABSENT)
        key: Any
        if bounded or len(values) != len(self._index.definition.columns):
            key = range_of(self._table, self._position, values, ge, gt, le, lt)
        else:
            key = self._key_from(*values)
        self._reads.key(self._table, self._position, key)
        return super().filter(*values, ge=ge, gt=gt, le=le, lt=lt)

    def find(self, *values: Any) -> R | None:
        """Return the row that has this value in the unique column (or columns), or None."""
        self._need_unique("find")
        _check_kept(self._table)
        key = self._key_from(*values)
        self._reads.key(self._table, self._position, key)
        row: R | None = self._index.map.get(key)
        return row

    def _need_writable(self) -> None:
        _refuse_write(self._table)


class NotingTableHandle(TableHandle[R]):
    """A table, read by a view."""

    def __init__(self, table: Table, reads: ReadSet) -> None:
        self._reads = reads
        super().__init__(table, writable=False)

    def _index_handle(self, position: int, name: str) -> IndexHandle[R]:
        handle: NotingIndexHandle[R] = NotingIndexHandle(self._table, position, self._reads)
        # Python names it so when `find` is called with the wrong number of arguments.
        handle._key_from.__qualname__ = f"{self._table.name}.{name}.find"
        return handle

    def iter(self) -> Iterator[R]:
        """Return all rows."""
        _check_kept(self._table)
        self._reads.whole(self._table)
        return self._table.scan()

    def __iter__(self) -> Iterator[R]:
        return self.iter()

    def count(self) -> int:
        """Return the number of rows."""
        _check_kept(self._table)
        self._reads.count(self._table)
        return len(self._table.rows)

    def __len__(self) -> int:
        return self.count()

    def _need_writable(self) -> None:
        _refuse_write(self._table)


def _check_kept(table: Table) -> None:
    """Refuse a table whose rows are gone when the view is read."""
    if table.is_event:
        raise UsageError(
            f"a view cannot read the event table {table.name!r}: its rows are gone after the "
            "transaction that inserted them"
        )


def _refuse_write(table: Table) -> NoReturn:
    raise TransactionError(
        f"table {table.name!r}: a view only reads; what changes tables is a reducer"
    )


__all__ = ["COUNT", "WHOLE", "Entry", "NotingIndexHandle", "NotingTableHandle", "ReadSet"]
