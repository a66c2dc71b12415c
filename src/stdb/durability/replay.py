"""Replays the transactions of a log into rows, kept as the bytes that the log has of them.

A log does not hold the rows that describe the system tables themselves: `Replay` begins with them.
From then on it is all in the log, the tables of the module included: a row of ``st_table`` brings
a table into being, rows of ``st_column`` say how its rows are read from that moment on, within the
same transaction too. That works because a transaction lists what it changed by ascending table,
and the system tables have the low numbers.

Each transaction is applied as all inserts, then all deletes, then all truncates. A row that is
inserted must not be there, a row that is deleted must be: anything else means that the log and
these rules have parted, and nothing behind it can be believed.

Source: SpacetimeDB documentation, commit log format and system tables, 2.8.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ..errors import CorruptLogError, DecodeError
from ..schema import system_tables as st
from ..types import algebraic as at
from ..types.metatype import decode_type
from .format import INPUTS, MUTATIONS, OUTPUTS, read_varint
from .pages import BadPage
from .patterns import Patterns
from .rows import rows_of_pages
from .skip import Overrun, fixed_size, make_skipper

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..storage.store import Store
    from .format import Commit
    from .pages import Page
    from .snapshot import Snapshot

_U32: Final = Struct("<I").unpack_from
#: Tables whose rows matter while the log is replayed.
_WATCHED: Final = frozenset({st.ST_TABLE_ID, st.ST_COLUMN_ID, st.ST_EVENT_TABLE_ID})
#: Tables that describe tables; the position of the table's number in their rows, in bytes.
_DESCRIBING: Final = {
    st.ST_TABLE_ID: 0,
    st.ST_COLUMN_ID: 0,
    st.ST_SEQUENCE_ID: None,
    st.ST_INDEX_ID: 4,
    st.ST_CONSTRAINT_ID: None,
    st.ST_SCHEDULED_ID: 4,
    st.ST_EVENT_TABLE_ID: 0,
}
_RESERVED_ID_MAX: Final = 4096


class Mismatch(Exception):  # noqa: N818 - becomes a CorruptLogError
    """A transaction that does not fit what was replayed before it."""


#: What replaying a transaction raises that does not fit.
UNFIT: Final = (
    Mismatch, Overrun, IndexError, KeyError, StructError, DecodeError, ValueError, BadPage,
)  # fmt: skip


def refuse_end(at_: int, end: int) -> None:
    """Raise the error for a commit that goes on behind its transactions."""
    raise Mismatch(f"{end - at_} bytes are left over")


def refuse_commit(commit: Commit, error: Exception) -> NoReturn:
    """Raise the error for a commit that could not be replayed."""
    reason = str(error) if isinstance(error, Mismatch | DecodeError) else "its rows overrun"
    raise CorruptLogError(
        f"{commit.file}, byte {commit.position}: transaction {commit.offset} is whole but cannot "
        f"be replayed: {reason}",
        file=commit.file,
        offset=commit.position,
        lost=f"transactions from {commit.offset} on",
        first_lost=commit.offset,
    ) from error


class ReplayTable:
    """The rows of one table: their bytes, in the order in which they came.

    A table of a snapshot that the log has not touched yet has `pages` instead of rows.
    """

    __slots__ = (
        "decode", "is_event", "is_plain", "is_stale", "pages", "rows", "size", "skip", "table_id",
        "watched",
    )  # fmt: skip

    def __init__(self, table_id: int) -> None:
        self.table_id = table_id
        self.rows: dict[bytes, None] = {}
        self.pages: list[Page] | None = None
        self.size: int | None = None
        self.skip: Callable[[bytes, int, int], int] | None = None
        self.decode: Callable[[bytes, int], tuple[Any, int]] | None = None
        self.is_event = False
        self.is_stale = True
        self.watched = table_id in _DESCRIBING
        self.is_plain = not self.watched


class Replay:
    """The state that a log describes, transaction by transaction.

    Parameters
    ----------
    store : Store
        A fresh store: its system tables are where every log begins.

    Attributes
    ----------
    tables : dict of int to ReplayTable
    columns : dict
        Table number -> column position -> row of ``st_column``.
    last_commit : Commit or None
    """

    def __init__(self, store: Store) -> None:
        self.tables: dict[int, ReplayTable] = {}
        self.columns: dict[int, dict[int, Any]] = {}
        self.events: set[int] = set()
        self.last_commit: Commit | None = None
        self._system = {table.table_id: table for table in store}
        self._superseded: set[bytes] = set()
        self._updated: set[int] = set()
        self._dropped: set[int] = set()
        self.blobs: dict[bytes, bytes] = {}
        self._patterns = Patterns()
        #: ``(commit, where its only transaction begins) -> whether it was applied``, at once: what
        #: it does not know is for `apply`.
        self.take = self._patterns.replay
        for table in store:
            replayed = self.tables[table.table_id] = ReplayTable(table.table_id)
            replayed.size = fixed_size(table.definition.row_type)
            if replayed.size is None:
                replayed.skip = make_skipper(table.definition.row_type)
            replayed.is_stale = False
            replayed.decode = table.decode
            replayed.rows = {table.encode(row): None for row in table.rows.values()}

    def restore(self, snapshot: Snapshot) -> None:
        """Begin with a snapshot in the place of the system tables of a new database.

        System tables that the snapshot does not know, since an older version wrote it, are empty.

        Raises
        ------
        DamagedSnapshot
            Its rows cannot be read.
        """
        self.blobs = snapshot.blobs
        for table_id, system in self._system.items():
            pages = snapshot.tables.get(table_id, [])
            rows = rows_of_pages(pages, system.definition.row_type, snapshot.blobs)
            self.tables[table_id].rows = dict.fromkeys(rows)
        for row in self.decoded(st.ST_COLUMN_ID):
            if row.table_id not in self._system:
                self.columns.setdefault(row.table_id, {})[row.col_pos] = row
        self.events = {row.table_id for row in self.decoded(st.ST_EVENT_TABLE_ID)}
        for table_id in snapshot.tables.keys() - self._system.keys():
            table = self.tables[table_id] = ReplayTable(table_id)
            table.pages = snapshot.tables[table_id]

    #: Whether `note` and `note_truncate` are to be told what transactions change.
    notes = False

    def note(
        self, table: ReplayTable, data: bytes, at_: int, number: int, *, is_insert: bool
    ) -> None:
        """Hear of rows that a transaction is about to insert or delete."""

    def note_truncate(self, table: ReplayTable) -> None:
        """Hear of a table that a transaction is about to empty."""

    def transactions(self, commit: Commit, count: int) -> None:
        """Apply the first `count` transactions of a commit, or raise as `apply` does."""
        self.apply(commit._replace(size=count), partly=True)

    def apply(self, commit: Commit, *, partly: bool = False) -> None:
        """Apply the transactions of a commit.

        Raises
        ------
        CorruptLogError
            They do not fit. The replay is of no more use.
        """
        _, _, size, data, _, _, _ = commit
        self.last_commit = commit
        at_ = 0
        try:
            for _ in range(size):
                at_ = self.transaction(data, at_)
            if at_ != len(data) and not partly:
                refuse_end(at_, len(data))
            if size == 1:
                self._patterns.learn(data, self.tables)
        except UNFIT as error:
            refuse_commit(commit, error)

    def transaction(self, data: bytes, at_: int) -> int:
        """Apply the transaction that begins at `at_`, and return where it ends."""
        flags = data[at_]
        at_ += 1
        if flags & INPUTS:
            at_ += 4 + _U32(data, at_)[0]
        if flags & OUTPUTS:
            at_ += 1 + data[at_]
        if flags & MUTATIONS:
            at_ = self._rows(data, at_, is_insert=True)
            at_ = self._rows(data, at_, is_insert=False)
            if data[at_]:
                at_ = self._truncates(data, at_)
            else:
                at_ += 1
            if self._superseded or self._updated:
                raise Mismatch("a table or column was changed and its old row was not deleted")
            if self._dropped:
                self._patterns.forget()
                for table_id in self._dropped:
                    self.tables.pop(table_id, None)
                    self.columns.pop(table_id, None)
                self._dropped.clear()
        return at_

    def _rows(self, data: bytes, at_: int, *, is_insert: bool) -> int:
        """Apply the inserts or the deletes of a transaction, and return where they end."""
        end = len(data)
        apply = self._insert if is_insert else self._delete_each
        count = data[at_]
        at_ += 1
        if count > 0x7F:
            count, at_ = read_varint(data, at_ - 1)
        for _ in range(count):
            table_id = _U32(data, at_)[0]
            number = data[at_ + 4]
            at_ += 5
            if number > 0x7F:
                number, at_ = read_varint(data, at_ - 1)
            table = self.tables.get(table_id)
            if table is None or table.is_stale:
                table = self._make(table_id)
            if table.size is not None and at_ + number * table.size > end:
                raise Overrun
            if self.notes:
                self.note(table, data, at_, number, is_insert=is_insert)
            at_ = apply(table, data, at_, number)
        return at_

    def _insert(self, table: ReplayTable, data: bytes, at_: int, number: int) -> int:
        size = table.size
        if not table.is_plain or not size:
            return self._insert_each(table, data, at_, number)
        rows = table.rows
        present = len(rows) + number
        after = at_ + number * size
        for start in range(at_, after, size):
            rows[data[start : start + size]] = None
        if len(rows) != present:
            raise Mismatch(f"a row is inserted into {self.name(table.table_id)} a second time")
        return after

    def _insert_each(self, table: ReplayTable, data: bytes, at_: int, number: int) -> int:
        end = len(data)
        rows, size, skip = table.rows, table.size, table.skip
        for _ in range(number):
            after = at_ + size if size is not None else skip(data, at_, end)  # type: ignore[misc]
            row = data[at_:after]
            at_ = after
            if table.watched:
                self._insert_watched(table, row)
            elif table.is_event:
                continue
            elif row in rows:
                raise Mismatch(f"a row is inserted into {self.name(table.table_id)} a second time")
            else:
                rows[row] = None
        return at_

    def _delete_each(self, table: ReplayTable, data: bytes, at_: int, number: int) -> int:
        end = len(data)
        rows, size, skip = table.rows, table.size, table.skip
        is_plain = table.is_plain and table.table_id not in self._dropped
        for _ in range(number):
            after = at_ + size if size is not None else skip(data, at_, end)  # type: ignore[misc]
            row = data[at_:after]
            at_ = after
            if is_plain and row in rows:
                del rows[row]
            else:
                self._delete(table, row)
        return at_

    def _delete(self, table: ReplayTable, row: bytes) -> None:
        if table.table_id in self._dropped:
            return
        if row not in table.rows:
            row = self._equal_row(table, row)
        del table.rows[row]
        if table.watched:
            self._delete_watched(table, row)

    def _truncates(self, data: bytes, at_: int) -> int:
        count, at_ = read_varint(data, at_)
        for _ in range(count):
            table_id = _U32(data, at_)[0]
            at_ += 4
            table = self.tables.get(table_id)
            if table_id in self._dropped:
                if self.notes and table is not None:
                    self.note_truncate(table)
                continue
            if table is None:
                raise Mismatch(f"{self.name(table_id)} is emptied before it has had a row")
            if self.notes:
                self.note_truncate(table)
            table.pages = None
            for row in list(table.rows):
                del table.rows[row]
                if table.watched:
                    self._delete_watched(table, row)
        return at_

    # -- tables that come and go ----------------------------------------------------------------

    def name(self, table_id: int) -> str:
        """Return a table's name, for messages."""
        for row in self.decoded(st.ST_TABLE_ID):
            if row.table_id == table_id:
                return f"table {row.table_name!r}"
        return f"table {table_id}, which does not exist"

    def decoded(self, table_id: int) -> list[Any]:
        """Return the rows of a system table."""
        table = self.tables[table_id]
        decode = table.decode
        assert decode is not None
        return [decode(row, 0)[0] for row in table.rows]

    def row_type(self, table_id: int) -> at.Product:
        """Return the type of a table's rows as it is now."""
        columns = self.columns.get(table_id)
        if not columns:
            raise Mismatch(f"rows of {self.name(table_id)}, which has no columns")
        return at.Product(
            tuple(
                at.Element(columns[position].col_name, decode_type(columns[position].col_type))
                for position in sorted(columns)
            )
        )

    def _make(self, table_id: int) -> ReplayTable:
        """Return the table, made or with its row type brought up to date."""
        row_type = self.row_type(table_id)
        table = self.tables.setdefault(table_id, ReplayTable(table_id))
        self._patterns.forget()
        if table.pages is not None:
            table.rows = dict.fromkeys(rows_of_pages(table.pages, row_type, self.blobs))
            table.pages = None
        table.size = fixed_size(row_type)
        table.skip = None if table.size is not None else make_skipper(row_type)
        table.is_event = table_id in self.events
        table.is_plain = not (table.watched or table.is_event)
        table.is_stale = False
        return table

    def _insert_watched(self, table: ReplayTable, row: bytes) -> None:
        if row in table.rows:
            if self._described_id(table, row) <= _RESERVED_ID_MAX:
                return  # An older version logged the making of what every log now begins with.
            raise Mismatch(f"a row is inserted into {self.name(table.table_id)} a second time")
        if table.table_id in _WATCHED:
            assert table.decode is not None
            decoded = table.decode(row, 0)[0]
            described: int = decoded.table_id
            if table.table_id == st.ST_TABLE_ID:
                if any(_U32(other, 0)[0] == described for other in table.rows):
                    self._updated.add(described)
            elif table.table_id == st.ST_EVENT_TABLE_ID:
                self.events.add(described)
                self._expire(described)
            elif described not in self._system:
                held = self.tables.get(described)
                if held is not None and held.pages is not None:
                    self._make(described)  # The pages are laid out as the columns were.
                columns = self.columns.setdefault(described, {})
                before = columns.get(decoded.col_pos)
                if before is not None:
                    self._superseded.add(self._system[st.ST_COLUMN_ID].encode(before))
                columns[decoded.col_pos] = decoded
                self._expire(described)
        table.rows[row] = None

    def _delete_watched(self, table: ReplayTable, row: bytes) -> None:
        described = _U32(row, 0)[0]
        if table.table_id == st.ST_COLUMN_ID:
            self._superseded.discard(row)
        elif table.table_id == st.ST_EVENT_TABLE_ID:
            self.events.discard(described)
        elif table.table_id == st.ST_TABLE_ID:
            if described in self._updated:
                self._updated.discard(described)
            else:
                self._dropped.add(described)

    def _expire(self, table_id: int) -> None:
        table = self.tables.get(table_id)
        if table is not None:
            table.is_stale = True

    def _described_id(self, table: ReplayTable, row: bytes) -> int:
        place = _DESCRIBING[table.table_id]
        if place is not None:
            return int(_U32(row, place)[0])
        assert table.decode is not None
        described: int = table.decode(row, 0)[0].table_id
        return described

    def _equal_row(self, table: ReplayTable, row: bytes) -> bytes:
        """Return the row that equals `row` in other bytes: only NaN has more than one form."""
        decode = table.decode
        if decode is None:
            from ..types.bsatn_decode import make_decoder
            from ..types.generated import shape_of_type

            decode = table.decode = make_decoder(shape_of_type(self.row_type(table.table_id)))
        wanted = decode(row, 0)[0]
        for other in table.rows:
            if len(other) == len(row) and decode(other, 0)[0] == wanted:
                return other
        raise Mismatch(f"a row is deleted from {self.name(table.table_id)} that is not there")
