"""Indexes of a client's cache: finding its rows by the values of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import UsageError
from ..schema import IndexDef
from ..storage.index import Index
from ..storage.ranges import ABSENT, range_keys
from ..types.compose import Composer
from ..types.exact import Inexact, exact, mismatch
from ..types.keys import key_expression, key_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..types.shapes import Field
    from .cache import IndexInfo, TableCache, TableInfo


R = TypeVar("R")


class CacheIndex(Generic[R]):
    """An index of a client's cache: ``conn.db.user.name``."""

    __slots__ = ("_kept",)

    def __init__(self, kept: KeptIndex) -> None:
        self._kept = kept

    def find(self, *values: Any) -> R | None:
        """Return the row that has this value in the unique column (or columns), or None."""
        found: R | None = self._kept.find(values)
        return found

    def filter(
        self,
        *values: Any,
        ge: Any = ABSENT,
        gt: Any = ABSENT,
        le: Any = ABSENT,
        lt: Any = ABSENT,
    ) -> Iterator[R]:
        """Return the rows whose leading columns equal `values` and whose next lies in a range.

        The arguments are those of `stdb.IndexHandle.filter`.
        """
        return self._kept.filter(values, ge, gt, le, lt)

    def __repr__(self) -> str:
        return repr(self._kept)


class KeptIndex:
    """An index of a cache, kept up to date from its first use on.

    Attributes
    ----------
    is_key : bool
        Whether the cache itself serves as the index: it is over the column of the cache's keys.
    face : CacheIndex
        What the user of the client sees of it.
    """

    def __init__(self, cache: TableCache, info: IndexInfo) -> None:
        self.face: CacheIndex[Any] = CacheIndex(self)
        self._cache = cache
        self._info = info
        self._columns = _Columns(cache.info)
        self.is_key: bool = info.is_unique and info.columns == (cache.info.key_column,)
        self._index = Index(
            IndexDef(info.name, None, None, info.algorithm, info.columns),
            unique=info.is_unique,
            is_main=False,
            map_={},
            key_of=self._columns.key_function(info.columns),
            main_key_of=_itself,
        )
        self._columns.indexes.append(self._index)
        if not self.is_key:
            self.rebuild(cache.rows.values())

    def find(self, values: tuple[Any, ...]) -> Any:
        """Return the row that has these values in the columns, or None."""
        if not self._info.is_unique:
            raise UsageError(f"{self!r} is not unique, so it has no find(); use filter()")
        rows = self._cache.rows if self.is_key else self._index.map
        return rows.get(self._columns.key(self._info.columns, values))

    def filter(self, values: tuple[Any, ...], ge: Any, gt: Any, le: Any, lt: Any) -> Iterator[Any]:
        """Return the rows whose leading columns equal `values` and whose next lies in a range."""
        unbounded = ge is ABSENT and gt is ABSENT and le is ABSENT and lt is ABSENT
        index = self._index
        if unbounded and len(values) == len(self._info.columns):
            if self.is_key:
                row = self.find(values)
                return iter(() if row is None else (row,))
            held = index.map.get(self._columns.key(self._info.columns, values))
            return iter(()) if held is None else iter(list(index.rows_of(held)))
        if self.is_key:
            self.rebuild(list(self._cache.rows.values()))  # the cache itself keeps no order
        keys = list(range_keys(self._columns, 0, values, ge, gt, le, lt))  # type: ignore[arg-type]
        return iter([row for key in keys for row in index.rows_of(index.map[key])])

    def add(self, row: Any) -> None:
        """Let the index have a row."""
        self._index.add(row)

    def discard(self, row: Any) -> None:
        """Let it not have the row."""
        self._index.discard(row)

    def rebuild(self, rows: Iterable[Any]) -> None:
        """Let it have exactly these rows."""
        self._index.rebuild(rows)

    def __repr__(self) -> str:
        columns = ", ".join(self._columns.shape.fields[p].attribute for p in self._info.columns)
        kind = "unique index" if self._info.is_unique else "index"
        return f"<{kind} ({columns}) of the cache of table {self._cache.name!r}>"


class _Columns:
    """The columns of a cache, and keys of values that are looked up."""

    def __init__(self, info: TableInfo) -> None:
        self.name = info.name
        self.shape = info.shape
        self.indexes: list[Index] = []
        self.column_keys: dict[str, Callable[[Any], Any]] = {}
        self._functions = info.functions

    def mend_value(self, field: Field, value: Any) -> Any:
        try:
            return exact(field.shape, value)
        except Inexact as error:
            raise mismatch(error, self.name, field.attribute) from None

    def key_function(self, columns: tuple[int, ...]) -> Callable[[Any], Any]:
        function = self._functions.get(columns)
        if function is None:
            c = Composer()
            fields = [self.shape.fields[position] for position in columns]
            keys = [key_expression(c, field.shape, f"row.{field.attribute}") for field in fields]
            key = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
            c.add(["def key_of(row):", f"    return {key}"])
            function = self._functions[columns] = c.run(f"cache index {self.name}")["key_of"]
        return function

    def value_key(self, field: Field) -> Callable[[Any], Any]:
        function = self._functions.get(field.attribute)
        if function is None:
            function = self._functions[field.attribute] = key_function(field.shape)
        return function

    def key(self, columns: tuple[int, ...], values: tuple[Any, ...]) -> Any:
        fields = [self.shape.fields[position] for position in columns]
        if len(values) != len(fields):
            names = ", ".join(field.attribute for field in fields)
            raise UsageError(
                f"table {self.name!r}: this index takes {len(fields)} values ({names}), got "
                f"{len(values)}"
            )
        keys = []
        for field, value in zip(fields, values, strict=True):
            keys.append(self.value_key(field)(self.mend_value(field, value)))
        return keys[0] if len(keys) == 1 else tuple(keys)


def _itself(row: Any) -> Any:
    return row


__all__ = ["CacheIndex", "KeptIndex"]
