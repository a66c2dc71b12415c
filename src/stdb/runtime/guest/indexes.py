"""An index as a module asks it: keys and bounds come as bytes.

A range is given as the values of some leading columns (the prefix) and two bounds of the next one.
A bound is one byte, 0 for a value that belongs to the range, 1 for one that does not, 2 for none,
and then the value.

A point is the values of all columns. A range whose bounds are the same value of the last column is
a point too; that matters to hash indexes, which know no ranges, and to views, whose results depend
on a point or a range alone and not on the whole table.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from ...errors import DecodeError
from ...storage.index import Bag
from ...storage.ranges import ABSENT, Range, keys_between
from ...types.bsatn_decode import make_decoder
from ...types.bsatn_encode import INT_FORMATS
from ...types.compose import Composer
from ...types.keys import key_expression, key_function
from ...types.shapes import Field, Int, Record
from .errno import BSATN_DECODE_ERROR, Refused, Trap
from .in_place import make_find, make_update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .in_place import Find, Write
    from .tables import GuestTable

INCLUDED: Final = 0
EXCLUDED: Final = 1
UNBOUNDED: Final = 2
_HASH: Final = "hash"


class GuestIndex:
    """The operations of one index on encoded keys.

    Attributes
    ----------
    of : GuestTable
        The table.
    position : int
        Which of its indexes it is.
    key : callable
        ``bytes -> key``, of all columns.
    get : callable
        ``key -> entry``: a row, a `Bag` of rows, or None.
    find_in_place, update_in_place : callable
        See `in_place`.
    """

    __slots__ = (
        "_has_parts", "_readers", "find_in_place", "get", "index", "key", "of", "position",
        "update_in_place",
    )  # fmt: skip

    def __init__(self, of: GuestTable, position: int) -> None:
        table = of.table
        self.of = of
        self.position = position
        self.index = table.indexes[position]
        self.key: Callable[[bytes], Any] = _make_key(table.shape, self.index.definition.columns)
        # A dict's `get`: what `__missing__` of a unique index does is for Python's values.
        self.get: Callable[[Any], Any] = self.index.map.get
        fields = [table.shape.fields[p] for p in self.index.definition.columns]
        # An index over one column of a product type is one over the parts of the product.
        self._has_parts = len(fields) == 1 and isinstance(fields[0].shape, Record)
        if isinstance(fields[0].shape, Record) and self._has_parts:
            fields = list(fields[0].shape.fields)
        self._readers = [(make_decoder(f.shape), key_function(f.shape)) for f in fields]
        self.find_in_place: Find = self._make_find
        self.update_in_place: Write = self._make_update

    # These two are replaced by the generated functions at the first call.

    def _make_find(self, memory: memoryview, at: int, size: int) -> int:
        self.find_in_place = make_find(self)
        return self.find_in_place(memory, at, size)

    def _make_update(
        self, memory: memoryview, at: int, size: int, words: memoryview, which: int
    ) -> int:
        self.update_in_place = make_update(self)
        return self.update_in_place(memory, at, size, words, which)

    def point(self, data: bytes) -> tuple[Any, Any]:
        """Return ``(key, entry)``: a row, a `Bag` of rows, or None."""
        try:
            key = self.key(data)
        except (DecodeError, struct.error):
            raise Refused(BSATN_DECODE_ERROR) from None
        return key, self.get(key)

    def range(
        self, prefix: bytes, prefix_columns: int, start: bytes, end: bytes
    ) -> tuple[Any, Iterable[Any]]:
        """Return ``(key, rows)`` of a range: the key of a point, or a `Range` of several keys.

        The key is None where anything in the table may have been asked for.

        Raises
        ------
        Refused
            The bytes are no values or bounds of these columns.
        Trap
            The index is a hash index, and the range no point.
        """
        readers = self._readers
        if prefix_columns >= len(readers):
            raise Refused(BSATN_DECODE_ERROR)
        offset = 0
        keys: list[Any] = []
        for decode, key_of in readers[:prefix_columns]:
            value, offset = _decode(decode, prefix, offset)
            keys.append(key_of(value))
        low_kind, low = self._bound(prefix_columns, start)
        high_kind, high = self._bound(prefix_columns, end)
        is_point = (
            low_kind == high_kind == INCLUDED and low == high and prefix_columns == len(readers) - 1
        )
        if is_point:
            key = low if len(readers) == 1 and not self._has_parts else (*keys, low)
            return key, rows_of(self.get(key))
        if self.index.definition.algorithm == _HASH:
            raise Trap(
                f"index {self.index.definition.name!r} is a hash index: it finds whole keys, not "
                "ranges"
            )
        width = 2 if self._has_parts else len(readers)
        asked = Range(tuple(keys), low, high, low_kind != EXCLUDED, high_kind != EXCLUDED)
        entries = map(self.index.map.__getitem__, keys_between(self.index, width, asked))
        rows = [row for entry in entries for row in rows_of(entry)]
        return None if self._has_parts or asked.is_all else asked, rows

    def delete(self, rows: Iterable[Any]) -> int:
        """Delete rows that were found; return how many."""
        table = self.of.table
        if table.definition.is_system:
            raise Trap(f"table {table.name!r} is a system table: modules cannot write it")
        table.state.check_writer(table.name)
        doomed = list(rows)
        table.remove_each(doomed)
        return len(doomed)

    def _bound(self, column: int, data: bytes) -> tuple[int, Any]:
        kind = data[0] if data else 255
        if kind == UNBOUNDED:
            return kind, ABSENT
        if kind > UNBOUNDED:
            raise Refused(BSATN_DECODE_ERROR)
        decode, key_of = self._readers[column]
        return kind, key_of(_decode(decode, data, 1)[0])


def rows_of(entry: Any) -> Iterable[Any]:
    """Return the rows of an entry of an index's map."""
    if entry is None:
        return ()
    return list(entry.values()) if entry.__class__ is Bag else (entry,)


def _decode(decode: Callable[[bytes, int], tuple[Any, int]], data: bytes, offset: int) -> Any:
    try:
        return decode(data, offset)
    except DecodeError:
        raise Refused(BSATN_DECODE_ERROR) from None


def _make_key(shape: Record, columns: tuple[int, ...]) -> Callable[[bytes], Any]:
    """Return the function ``encoded columns -> key``."""
    fields = [shape.fields[p] for p in columns]
    first = fields[0].shape
    if len(fields) == 1 and isinstance(first, Int) and (first.bits, first.signed) in INT_FORMATS:
        unpack = struct.Struct("<" + INT_FORMATS[first.bits, first.signed]).unpack_from
        return lambda data: unpack(data)[0]
    c = Composer()
    names = [f"v{i}" for i in range(len(fields))]
    keys = [key_expression(c, f.shape, name) for f, name in zip(fields, names, strict=True)]
    key = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
    c.add([f"def key_of_values(*, {', '.join(names)}):", f"    return {key}"])
    make: Any = c.run("key of an index")["key_of_values"]
    # To a decoder, the key is what the columns are put together to.
    of_columns = Record(
        make, "key", tuple(Field(n, n, f.shape) for f, n in zip(fields, names, strict=True))
    )
    decode = make_decoder(of_columns)
    return lambda data: decode(data, 0)[0]
