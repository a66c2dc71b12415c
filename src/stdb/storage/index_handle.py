"""An index of a table as a reducer sees it: ``ctx.db.message.sender``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ..errors import PermissionDenied, TransactionError, UsageError
from .index import Bag
from .ranges import ABSENT, range_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .index import Index
    from .table import Table

R = TypeVar("R")

#: A bag of up to so many rows is copied at once; a larger one is scanned where it lies.
_COPY_MAX: Final = 64


class IndexHandle(Generic[R]):
    """An index of a table: ``ctx.db.message.sender``, or one over several columns by its name.

    A unique one also finds, updates and deletes the one row that a value has.

    Examples
    --------
    >>> import stdb
    >>> town = stdb.Module("town")
    >>> @town.table()
    ... class House(stdb.Row):
    ...     number: stdb.u32 = stdb.primary_key()
    ...     rooms: stdb.u32 = stdb.index()
    >>> with stdb.Database(town).transaction() as tx:
    ...     houses = tx.db[House]
    ...     houses.insert_many([House(number=n, rooms=n % 3) for n in range(1, 7)])
    ...     houses.number.update(House(number=2, rooms=9)).rooms
    ...     sorted(house.number for house in houses.rooms.filter(ge=1, lt=5))
    ...     houses.number.find(2), houses.rooms.delete(0)
    6
    9
    [1, 4, 5]
    (House(number=2, rooms=9), 2)
    """

    def __init__(self, table: Table, position: int, *, writable: bool) -> None:
        self._table = table
        self._index: Index = table.indexes[position]
        self._position = position
        self._key_from: Callable[..., Any] = table.functions[f"key_from_{position}"]
        self._writable = writable

    def filter(
        self,
        *values: Any,
        ge: Any = ABSENT,
        gt: Any = ABSENT,
        le: Any = ABSENT,
        lt: Any = ABSENT,
    ) -> Iterator[R]:
        """Return the rows whose leading columns equal `values` and whose next lies in a range.

        Parameters
        ----------
        *values
            A value for each leading column that is to be equal; at most one per column.
        ge, gt, le, lt
            Bounds of the column after them (B-tree and direct indexes only).

        Returns
        -------
        iterator of rows
            As they are now, whatever changes while they are read. The order is not promised.

        Raises
        ------
        TypeMismatch
            A value of the wrong type.
        UsageError
            Too many values, or a range or prefix of a hash index.

        Examples
        --------
        >>> import stdb
        >>> town = stdb.Module("town")
        >>> @town.table()
        ... class House(stdb.Row):
        ...     number: stdb.u32 = stdb.primary_key()
        ...     rooms: stdb.u32 = stdb.index()
        >>> with stdb.Database(town).transaction() as tx:
        ...     houses = tx.db[House]
        ...     houses.insert_many([House(number=n, rooms=n % 3) for n in range(1, 7)])
        ...     [house.number for house in houses.rooms.filter(2)]
        ...     sorted(house.number for house in houses.rooms.filter(gt=0))
        6
        [2, 5]
        [1, 2, 4, 5]
        """
        index = self._index
        bounded = not (ge is ABSENT and gt is ABSENT and le is ABSENT and lt is ABSENT)
        if bounded or len(values) != len(index.definition.columns):
            keys = range_keys(self._table, self._position, values, ge, gt, le, lt)
            held = map(index.map.__getitem__, keys)
            if index.unique:
                return self._table.scans.begin(held)
            return self._table.scans.begin(row for each in held for row in index.rows_of(each))
        entry = index.map.get(self._key_from(*values))
        if entry is None:
            return iter(())
        if entry.__class__ is not Bag:
            return iter((entry,))
        if len(entry) <= _COPY_MAX:
            return iter(tuple(entry.values()))
        return self._table.scans.begin(iter(entry.values()))

    def find(self, *values: Any) -> R | None:
        """Return the row that has this value in the unique column (or columns), or None.

        Examples
        --------
        >>> import stdb
        >>> town = stdb.Module("town")
        >>> @town.table()
        ... class House(stdb.Row):
        ...     number: stdb.u32 = stdb.primary_key()
        ...     rooms: stdb.u32 = stdb.index()
        >>> with stdb.Database(town).transaction() as tx:
        ...     houses = tx.db[House]
        ...     houses.insert(number=1, rooms=3)
        ...     houses.number.find(1), houses.number.find(2)
        House(number=1, rooms=3)
        (House(number=1, rooms=3), None)
        """
        self._need_unique("find")
        row: R | None = self._table.functions[f"find_{self._position}"](*values)
        return row

    def delete(
        self,
        *values: Any,
        ge: Any = ABSENT,
        gt: Any = ABSENT,
        le: Any = ABSENT,
        lt: Any = ABSENT,
    ) -> int:
        """Delete the rows that `filter` gives for the same arguments, and return how many.

        For a unique index and a value, that is True or False.

        Raises
        ------
        UsageError
            Neither a value nor a range, which would be every row: `TableHandle.clear` says so.

        Examples
        --------
        >>> import stdb
        >>> town = stdb.Module("town")
        >>> @town.table()
        ... class House(stdb.Row):
        ...     number: stdb.u32 = stdb.primary_key()
        ...     rooms: stdb.u32 = stdb.index()
        >>> with stdb.Database(town).transaction() as tx:
        ...     houses = tx.db[House]
        ...     houses.insert_many([House(number=n, rooms=n % 3) for n in range(1, 7)])
        ...     houses.number.delete(1), houses.rooms.delete(2), houses.number.delete(ge=4)
        6
        (True, 2, 2)
        """
        self._need_writable()
        bounded = not (ge is ABSENT and gt is ABSENT and le is ABSENT and lt is ABSENT)
        if not values and not bounded:
            raise UsageError(
                f"{self!r}: delete() takes a value or a range; to delete every row, use clear() of "
                "the table"
            )
        doomed = list(self.filter(*values, ge=ge, gt=gt, le=le, lt=lt))
        self._table.remove_each(doomed)
        if (
            self._index.unique
            and not bounded
            and len(values) == len(self._index.definition.columns)
        ):
            return bool(doomed)
        return len(doomed)

    def update(self, row: R) -> R:
        """Replace the row that has `row`'s value in this unique column, and return the new one.

        Raises
        ------
        RowNotFound
            There is no such row.
        UniqueConstraintViolation
            Another row has one of its other unique values.

        Examples
        --------
        >>> import stdb
        >>> town = stdb.Module("town")
        >>> @town.table()
        ... class House(stdb.Row):
        ...     number: stdb.u32 = stdb.primary_key()
        ...     rooms: stdb.u32 = stdb.index()
        >>> with stdb.Database(town).transaction() as tx:
        ...     houses = tx.db[House]
        ...     house = houses.insert(number=1, rooms=3)
        ...     houses.number.update(house.replace(rooms=4))
        House(number=1, rooms=4)
        """
        self._need_unique("update")
        self._need_writable()
        updated: R = self._table.functions[f"update_{self._position}"](row)
        return updated

    def insert_or_update(self, row: R) -> R:
        """Replace the row that has `row`'s value in this unique column, or insert `row`.

        Raises
        ------
        UniqueConstraintViolation
            Another row has one of its other unique values.

        Examples
        --------
        >>> import stdb
        >>> town = stdb.Module("town")
        >>> @town.table()
        ... class House(stdb.Row):
        ...     number: stdb.u32 = stdb.primary_key()
        ...     rooms: stdb.u32 = stdb.index()
        >>> with stdb.Database(town).transaction() as tx:
        ...     houses = tx.db[House]
        ...     houses.number.insert_or_update(House(number=1, rooms=3))
        ...     houses.number.insert_or_update(House(number=1, rooms=5))
        ...     len(houses)
        House(number=1, rooms=3)
        House(number=1, rooms=5)
        1
        """
        self._need_unique("insert_or_update")
        self._need_writable()
        table = self._table
        given: Any = row
        if given.__class__ is not table.shape.cls:
            given = table.take(given, {})
        try:
            key = self._index.key_of(given)
            present = key in self._index.map
        except (TypeError, AttributeError):
            given = table.mend(given)
            present = self._index.key_of(given) in self._index.map
        stored: R = self.update(given) if present else table.insert(given)
        return stored

    def __repr__(self) -> str:
        definition = self._index.definition
        columns = ", ".join(self._table.shape.fields[p].attribute for p in definition.columns)
        kind = "unique index" if self._index.unique else "index"
        return f"<{kind} {definition.algorithm} ({columns}) of table {self._table.name!r}>"

    def _need_unique(self, method: str) -> None:
        if not self._index.unique:
            raise UsageError(f"{self!r} is not unique, so it has no {method}(); use filter()")

    def _need_writable(self) -> None:
        if not self._writable:
            refuse_read_only(self._table)
        self._table.state.check_writer(self._table.name)


def refuse_read_only(table: Table) -> None:
    """Raise the error for a write through a read-only handle."""
    if table.definition.is_system:
        raise PermissionDenied(
            f"table {table.name!r} is a system table: the database itself writes it"
        )
    raise TransactionError(
        f"table {table.name!r}: this transaction is read-only; open one with db.transaction()"
    )


__all__ = ["IndexHandle", "refuse_read_only"]
