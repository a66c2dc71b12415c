"""A table as a module works on it: rows come and go as bytes.

The rows themselves are structs, as in any table. They are encoded when they are read, and a whole
scan is kept encoded until the table changes: the note of that is an open scan of the table, which
every change lets go first (`stdb.storage.scan`).
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import ConstraintViolation, DecodeError, RowNotFound, ScheduleTooLong
from ...types.bsatn_decode import make_decoder
from ...types.bsatn_encode import make_encoder
from ...types.shapes import (
    Bool,
    Float,
    Int,
    PlainEnum,
    Record,
    Schedule,
    Sequence,
    Shape,
    Unit,
    Wrapped,
)  # fmt: skip
from .errno import (
    BSATN_DECODE_ERROR,
    INDEX_NOT_UNIQUE,
    NO_SUCH_ROW,
    SCHEDULE_AT_DELAY_TOO_LONG,
    UNIQUE_ALREADY_EXISTS,
    Refused,
    Trap,
)
from .in_place import make_insert
from .iterators import Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...storage.table import Table
    from .in_place import Write


class _KeptScan:
    """Stands among the open scans of a table and drops what is kept when the table changes."""

    __slots__ = ("_of",)

    def __init__(self, of: GuestTable) -> None:
        self._of = of

    def __call__(self) -> None:
        self._of.kept = None


class GuestTable:
    """The operations of one table on encoded rows.

    Attributes
    ----------
    table : Table
    encode : callable
        ``row -> bytes``.
    kept : Rows or None
        All rows encoded, while the table has not changed since.
    updates : list
        For each index the function ``row -> row as it is stored``; None if it is not unique.
    insert_in_place : callable
        See `in_place.make_insert`.
    refusals : tuple of exception classes
        With which a row is refused, and the module goes on; see `refusal`.
    """

    __slots__ = (
        "_decode", "_fixed_size", "_generated", "_insert", "_is_system", "encode",
        "insert_in_place", "kept", "table", "updates",
    )  # fmt: skip

    refusals: ClassVar = (ScheduleTooLong, ConstraintViolation, RowNotFound)

    def __init__(self, table: Table) -> None:
        self.table = table
        self.encode: Callable[[Any], bytes] = make_encoder(table.shape)
        self.kept: Rows | None = None
        self._decode = make_decoder(table.shape)
        self._fixed_size = fixed_size(table.shape)
        self._generated = _generated_columns(table)
        self._is_system = table.definition.is_system
        self._insert = table.insert
        self.updates = [table.functions.get(f"update_{i}") for i in range(len(table.indexes))]
        self.insert_in_place: Write = self._make_insert

    def _make_insert(
        self, memory: memoryview, at: int, size: int, words: memoryview, which: int
    ) -> int:
        """Be replaced by the generated function at the first call."""
        self.insert_in_place = make_insert(self)
        return self.insert_in_place(memory, at, size, words, which)

    # -- reading ---------------------------------------------------------------------------------

    def count(self) -> int:
        """Return the number of rows."""
        return len(self.table.rows)

    def scan(self) -> Rows:
        """Return all rows. O(rows) when the table changed since the last time, else O(1)."""
        kept = self.kept
        if kept is None:
            table = self.table
            kept = Rows([self.encode(row) for row in table.rows.values()])
            self.kept = kept
            table.scans.add(_KeptScan(self))
        return kept

    # -- writing ---------------------------------------------------------------------------------

    def insert(self, data: bytes) -> bytes:
        """Insert an encoded row; return the encoded columns that the database filled in.

        Raises
        ------
        Refused
            Another row has a unique value of it, or it is a call for too late a time.
        Trap
            It is no row of this table.
        """
        row = self._row(data)
        try:
            stored = self._insert(row)
        except self.refusals as error:
            raise self.refusal(error, None, row) from None
        return b"" if stored is row else self.filled_in(row, stored)

    def update(self, position: int, data: bytes) -> bytes:
        """Replace the row that has this one's key in the index at `position`; as `insert`.

        Raises
        ------
        Refused
            No row has that key, another has a unique value of it, or the index is not unique.
        """
        row = self._row(data)
        update = self.updates[position]
        if update is None:
            raise Refused(INDEX_NOT_UNIQUE)
        try:
            stored = update(row)
        except self.refusals as error:
            raise self.refusal(error, position, row) from None
        return b"" if stored is row else self.filled_in(row, stored)

    def refusal(self, error: Exception, position: int | None, row: Any) -> Refused:
        """Return what a module is told when a row is refused.

        `position` is that of the index through which it was to take the place of another.
        """
        if isinstance(error, ScheduleTooLong):
            return Refused(SCHEDULE_AT_DELAY_TOO_LONG)
        if (
            position is not None
            and isinstance(error, RowNotFound)
            and not self._clashes_with_committed(position, row)
        ):
            return Refused(NO_SUCH_ROW)
        return Refused(UNIQUE_ALREADY_EXISTS)

    def delete_each(self, data: bytes) -> int:
        """Delete the rows of an encoded array of rows; return how many there were."""
        if len(data) < 4:
            raise Refused(BSATN_DECODE_ERROR)
        count = int.from_bytes(data[:4], "little")
        rows = []
        offset = 4
        try:
            for _ in range(count):
                if offset >= len(data) and self._fixed_size != 0:
                    raise Refused(BSATN_DECODE_ERROR)
                row, offset = self._decode(data, offset)
                rows.append(row)
        except DecodeError:
            raise Refused(BSATN_DECODE_ERROR) from None
        self._check_writable()
        return sum(map(self.table.delete, rows))

    def clear(self) -> int:
        """Delete every row; return how many there were."""
        self._check_writable()
        return self.table.clear()

    def _row(self, data: bytes) -> Any:
        if self._is_system:
            self._check_writable()
        try:
            row, end = self._decode(data, 0)
        except DecodeError as error:
            raise Trap(f"table {self.table.name!r}: this is no row of it: {error}") from None
        if end != len(data) and self._fixed_size is not None:
            raise Trap(
                f"table {self.table.name!r}: a row of it has {end} bytes, and {len(data)} were "
                "given"
            )
        return row

    def _check_writable(self) -> None:
        if self._is_system:
            raise Trap(f"table {self.table.name!r} is a system table: modules cannot write it")

    def filled_in(self, row: Any, stored: Any) -> bytes:
        """Return the encoded columns of a row that the database filled in when it stored it."""
        return b"".join(
            [encode(read(stored)) for read, encode in self._generated if read(row) == 0]
        )

    def _clashes_with_committed(self, position: int, row: Any) -> bool:
        """Whether a row that was committed has another unique value of this one."""
        table = self.table
        for at, index in enumerate(table.indexes):
            if at == position or not index.unique:
                continue
            held = index.map.get(index.key_of(row))
            if held is not None:
                key = table.main_key_of(held)
                return key not in table.before or table.before[key] == held
        return False


def _generated_columns(table: Table) -> list[tuple[Callable[[Any], int], Callable[[int], bytes]]]:
    """Return (column of a row, its encoder) for each auto-increment column, in order."""
    fields = [table.shape.fields[p] for p in sorted(table.definition.auto_inc_columns)]
    return [(attrgetter(field.attribute), make_encoder(field.shape)) for field in fields]


def fixed_size(shape: Shape) -> int | None:
    """Return the number of bytes of every value of `shape`, if they all have the same."""
    match shape:
        case Bool() | PlainEnum():
            return 1
        case Int(bits=bits) | Float(bits=bits) | Wrapped(bits=bits):
            return bits // 8
        case Schedule():
            return 9
        case Unit():
            return 0
        case Record(fields=fields):
            sizes = [fixed_size(field.shape) for field in fields]
            return None if None in sizes else sum(size for size in sizes if size is not None)
        case Sequence():
            return None
    return None
