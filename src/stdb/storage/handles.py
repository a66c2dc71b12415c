"""A table as a reducer sees it: ``ctx.db.message``.

A store makes the handles of each table once per kind: read-write and read-only. Their functions
are the table's own generated ones, set on the instance; the methods of the classes here describe
them to readers and type checkers, and do the work that needs no speed.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

from ..errors import unknown_name
from ..module.query import Query
from .index_handle import IndexHandle, refuse_read_only

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .index import Index
    from .table import Table

R = TypeVar("R")


class TableHandle(Generic[R]):
    """A table as a reducer or transaction uses it: ``ctx.db.message``, ``ctx.db[Message]``.

    Its indexes are attributes, called like their column or as the module named them; one whose
    name a method already has is ``handle["count"]``.

    Examples
    --------
    >>> import stdb
    >>> shop = stdb.Module("shop")
    >>> @shop.table()
    ... class Item(stdb.Row):
    ...     id: stdb.u64 = stdb.primary_key(auto_inc=True)
    ...     name: str
    >>> with stdb.Database(shop).transaction() as tx:
    ...     tx.db[Item].insert(name="tea")
    ...     tx.db[Item].insert_many([Item(name="milk"), Item(name="salt")])
    ...     tx.db[Item].delete(Item(id=1, name="tea")), tx.db[Item].count()
    Item(id=1, name='tea')
    2
    (True, 2)
    """

    def __init__(self, table: Table, *, writable: bool) -> None:
        self._table = table
        self._writable = writable
        self._handles: dict[str, IndexHandle[R]] = {}
        by_column: dict[str, IndexHandle[R]] = {}
        for position, index in enumerate(table.indexes):
            name = _index_name(table, index)
            self._handles[name] = handle = self._index_handle(position, name)
            if len(index.definition.columns) == 1:
                column = table.shape.fields[index.definition.columns[0]].attribute
                by_column.setdefault(column, handle)
        # A compiled module may call the index of a column otherwise than the column.
        self._handles = {**by_column, **self._handles}
        for name, handle in self._handles.items():
            if name not in self.__dict__ and not hasattr(TableHandle, name):
                self.__dict__[name] = handle
        if writable:
            self.__dict__.update(
                insert=table.insert, insert_many=table.insert_many, delete=table.delete
            )

    def _index_handle(self, position: int, name: str) -> IndexHandle[R]:
        table = self._table
        handle: IndexHandle[R] = IndexHandle(table, position, writable=self._writable)
        if table.indexes[position].unique:
            for method in ("find", "update") if self._writable else ("find",):
                function = table.functions[f"{method}_{position}"]
                # Python names it so when it is called with the wrong number of arguments.
                if isinstance(function, FunctionType):
                    function.__qualname__ = f"{table.name}.{name}.{method}"
                handle.__dict__[method] = function
        return handle

    @overload
    def insert(self, row: R, /) -> R: ...
    @overload
    def insert(self, row: None = None, /, **columns: Any) -> R: ...
    def insert(self, row: Any = None, /, **columns: Any) -> R:
        """Insert a row, given whole or by its columns, and return it as it is stored.

        Auto-increment columns that are 0 get their value. A row that equals one of the table is
        no error: nothing changes.

        Raises
        ------
        UniqueConstraintViolation
            Another row has one of its unique values.
        TypeMismatch
            A value does not fit its column.

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
        ...     houses.insert(House(number=1, rooms=3))
        ...     houses.insert(number=2, rooms=4)
        ...     try:
        ...         _ = houses.insert(number=2, rooms=5)
        ...     except stdb.UniqueConstraintViolation as error:
        ...         print(error)
        House(number=1, rooms=3)
        House(number=2, rooms=4)
        unique constraint 'house_number_key' of table 'house' violated: there is already ...
        """
        self._need_writable()
        stored: R = self._table.insert(row, **columns)
        return stored

    def insert_many(self, rows: Iterable[R]) -> int:
        """Insert all of `rows`, or none when one is refused; return how many are new.

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
        ...     houses.insert_many(House(number=n, rooms=1) for n in range(1_000))
        1000
        """
        self._need_writable()
        return self._table.insert_many(rows)

    def delete(self, row: R) -> bool:
        """Delete the row that equals `row`; return whether there was one.

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
        ...     houses.delete(house.replace(rooms=4)), houses.delete(house), houses.delete(house)
        (False, True, False)
        """
        self._need_writable()
        return self._table.delete(row)

    def clear(self) -> int:
        """Delete every row, and return how many there were.

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
        ...     houses.clear(), houses.count()
        (1, 0)
        """
        self._need_writable()
        return self._table.clear()

    def iter(self) -> Iterator[R]:
        """Return all rows as they are now, whatever changes while they are read.

        A handle is iterable itself: ``for house in houses``.

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
        ...     houses.insert_many(House(number=n, rooms=n) for n in (1, 2))
        ...     for house in houses.iter():
        ...         _ = houses.delete(house)
        ...     len(houses)
        2
        0
        """
        return self._table.scan()

    def __iter__(self) -> Iterator[R]:
        return self._table.scan()

    def count(self) -> int:
        """Return the number of rows, as ``len`` does.

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
        ...     houses.insert_many(House(number=n, rooms=n) for n in (1, 2))
        ...     houses.count(), len(houses)
        2
        (2, 2)
        """
        return len(self._table.rows)

    def __len__(self) -> int:
        return len(self._table.rows)

    def __bool__(self) -> bool:
        """Return True: an empty table is a table (ask ``len``)."""
        return True

    def where(self, predicate: Callable[[R], object]) -> Query[R]:
        """Return a query for the rows that `predicate` picks, as ``lambda r: r.online == True``.

        Examples
        --------
        >>> import stdb
        >>> town = stdb.Module("town")
        >>> @town.table()
        ... class House(stdb.Row):
        ...     number: stdb.u32 = stdb.primary_key()
        ...     rooms: stdb.u32 = stdb.index()
        >>> with stdb.Database(town).transaction() as tx:
        ...     print(tx.db[House].where(lambda house: house.rooms > 3))
        SELECT * FROM "house" WHERE ("house"."rooms" > 3)
        """
        names = [field.attribute for field in self._table.shape.fields]
        return Query.of(self._table.name, self._table.shape, names, predicate)

    def all_rows(self) -> Query[R]:
        """Return a query for all rows; narrow it with its ``where``.

        Examples
        --------
        >>> import stdb
        >>> town = stdb.Module("town")
        >>> @town.table()
        ... class House(stdb.Row):
        ...     number: stdb.u32 = stdb.primary_key()
        >>> with stdb.Database(town).transaction() as tx:
        ...     print(tx.db[House].all_rows())
        SELECT * FROM "house"
        """
        shape = self._table.shape
        return Query(self._table.name, {f.attribute: f for f in shape.fields}, None)

    def __getitem__(self, name: str) -> IndexHandle[R]:
        try:
            return self._handles[name]
        except KeyError:
            raise self._unknown(name) from None

    def __getattr__(self, name: str) -> IndexHandle[R]:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self._unknown(name)

    def _unknown(self, name: str) -> AttributeError:
        table = self.__dict__["_table"]
        columns = [field.attribute for field in table.shape.fields]
        if name in columns:
            return unknown_name(
                "index", name, self._handles, f" on table {table.name!r}: column {name!r} has none "
                "(mark it with index(), unique() or primary_key())"
            )  # fmt: skip
        known = sorted({*self._handles, *_METHODS})
        return unknown_name("index or method", name, known, f" on table {table.name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*_METHODS, *self._handles})

    def __repr__(self) -> str:
        columns = ", ".join(f"{f.attribute}: {f.shape}" for f in self._table.shape.fields)
        return f"<table {self._table.name!r} ({columns}), {len(self._table.rows)} rows>"

    def _need_writable(self) -> None:
        if not self._writable:
            refuse_read_only(self._table)
        self._table.state.check_writer(self._table.name)


_METHODS: Final = frozenset(name for name in vars(TableHandle) if not name.startswith("_"))


def _index_name(table: Table, index: Index) -> str:
    definition = index.definition
    if definition.accessor_name:
        return definition.accessor_name
    if len(definition.columns) == 1:
        return table.shape.fields[definition.columns[0]].attribute
    return definition.name


__all__ = ["TableHandle"]
