"""The syscalls that read and write tables.

Each is a function without arguments: what it is given lies in the shared memory, and so does what
it gives back (see `channel`). An error number in the status word becomes an exception in
JavaScript.

Source: SpacetimeDB's ABI for modules in JavaScript, ``spacetime:sys`` 1.0 to 2.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..guest import errno
from ..guest.in_place import ANSWERED, SLOWLY
from ..guest.indexes import rows_of
from ..guest.iterators import RowIterator, Rows
from . import channel as ch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..guest.catalog import Catalog
    from ..guest.indexes import GuestIndex
    from ..guest.tables import GuestTable
    from .lane import Lane, Operation


class DatastoreOperations:
    """The syscalls of one lane on the tables of one store.

    Attributes
    ----------
    is_open : bool
        Whether there is a transaction for them: without one each is refused.
    is_writable : bool
        Whether it may write.
    reads : ReadSet or None
        Takes note of what a view reads.
    """

    def __init__(self, lane: Lane, catalog: Catalog | None) -> None:
        self._lane = lane
        self._words = lane.words
        self._wide = lane.wide
        self._memory = lane.memory
        # Without one there is no transaction either: nothing asks for it.
        self._catalog: Catalog = catalog  # type: ignore[assignment]
        self._find_slowly = self._reading(self._scan_point)
        self._insert_slowly = self._writing(self._insert_row)
        self._update_slowly = self._writing(self._update_row)
        self.iterators: dict[int, RowIterator] = {}
        self._last_iterator = 0
        self.is_open = False
        self.is_writable = False
        self.reads: Any = None

    def by_number(self) -> dict[int, Operation]:
        """Return the operations under the numbers that ``syscalls.js`` gives them."""
        read, write = self._reading, self._writing
        return {
            5: read(self._table_id),
            6: read(self._index_id),
            7: read(self._row_count),
            8: read(self._scan),
            9: self._find,
            10: read(self._scan_range),
            11: read(self._advance),
            12: read(self._close),
            13: self._insert,
            14: self._update,
            15: write(self._delete_point),
            16: write(self._delete_range),
            17: write(self._delete_each),
            18: write(self._clear),
        }

    def begin(self, *, writable: bool, reads: Any = None) -> None:
        """Take note of a transaction that the syscalls may use."""
        self.is_open = True
        self.is_writable = writable
        self.reads = reads

    def end(self) -> int:
        """Take note that it is over; return how many iterators were left open."""
        self.is_open = self.is_writable = False
        self.reads = None
        left = len(self.iterators)
        if left:
            self.iterators.clear()
        return left

    # -- errors --------------------------------------------------------------------------------

    def refuse(self, number: int, text: str | None = None) -> None:
        """Answer with an error number and its text."""
        self._lane.give((text or errno.MESSAGES.get(number, f"error {number}")).encode())
        self._words[ch.STATUS] = number

    def _reading(self, operation: Callable[[], None]) -> Callable[[], None]:
        """Return an operation that is refused without a transaction, and may refuse by itself."""

        def run() -> None:
            if not self.is_open:
                self.refuse(errno.NOT_IN_TRANSACTION)
                return
            try:
                operation()
            except errno.Refused as error:
                self.refuse(error.errno)
            except errno.Trap as error:
                self.refuse(ch.DOOMED, str(error))

        return run

    def _writing(self, operation: Callable[[], None]) -> Callable[[], None]:
        """Return an operation that is refused in a view, too."""
        run = self._reading(operation)

        def check_and_run() -> None:
            if self.is_open and not self.is_writable:
                self.refuse(errno.TRANSACTION_IS_READ_ONLY)
            else:
                run()

        return check_and_run

    # -- finding what is meant ---------------------------------------------------------------------

    def _table(self, number: int) -> GuestTable:
        known = self._catalog.tables.get(number) or self._catalog.table(number)
        if known is None:
            raise errno.Refused(errno.NO_SUCH_TABLE)
        return known

    def _index(self, number: int) -> GuestIndex:
        known = self._catalog.indexes.get(number) or self._catalog.index(number)
        if known is None:
            raise errno.Refused(errno.NO_SUCH_INDEX)
        return known

    def _table_id(self) -> None:
        self._give_id(self._catalog.table_id(self._lane.given()), errno.NO_SUCH_TABLE)

    def _index_id(self) -> None:
        self._give_id(self._catalog.index_id(self._lane.given()), errno.NO_SUCH_INDEX)

    def _give_id(self, number: int | None, missing: int) -> None:
        if number is None:
            raise errno.Refused(missing)
        self._words[ch.R0] = number

    # -- reading -----------------------------------------------------------------------------------

    def _row_count(self) -> None:
        table = self._table(self._words[ch.A0])
        if self.reads is not None:
            self.reads.count(table.table)
        self._wide[ch.WIDE] = table.count()

    def _scan(self) -> None:
        table = self._table(self._words[ch.A0])
        if self.reads is not None:
            self.reads.whole(table.table)
        self._give_rows(table.scan())

    def _find(self) -> None:
        """Find by a whole key. The commonest syscall of all: its usual way is straight."""
        words = self._words
        index = self._catalog.indexes.get(words[ch.A0])
        if index is None or not self.is_open or self.reads is not None:
            self._find_slowly()
            return
        size = index.find_in_place(self._memory, ch.DATA, words[ch.LENGTH])
        if size > 0:
            words[ch.ANSWER_LENGTH] = size
        elif size < 0:
            self._find_slowly()

    def _scan_point(self) -> None:
        index = self._index(self._words[ch.A0])
        key, entry = index.point(self._lane.given())
        if self.reads is not None:
            self.reads.key(index.of.table, index.position, key)
        if entry is not None and index.index.unique:
            row = index.of.encode(entry)
            if len(row) <= ch.DATA_SIZE:
                self._lane.give(row)
                return
        self._give_encoded(index, rows_of(entry))

    def _scan_range(self) -> None:
        words = self._words
        index = self._index(words[ch.A0])
        key, rows = self._range(index)
        if self.reads is not None:
            if key is None:
                self.reads.whole(index.of.table)
            else:
                self.reads.key(index.of.table, index.position, key)
        self._give_encoded(index, rows)

    def _range(self, index: GuestIndex) -> tuple[Any, Iterable[Any]]:
        words = self._words
        prefix_length, columns = words[ch.A1], words[ch.A2]
        start_length, end_length = words[ch.A3], words[ch.A4]
        data = self._lane.given()
        prefix = data[:prefix_length]
        start = data[prefix_length : prefix_length + start_length]
        end = data[prefix_length + start_length :] if end_length else start
        return index.range(prefix, columns, start, end)

    def _give_encoded(self, index: GuestIndex, rows: Iterable[Any]) -> None:
        self._give_rows(Rows([*map(index.of.encode, rows)]))

    def _give_rows(self, rows: Rows) -> None:
        """Give rows: at once when there are few, else under the number of an iterator."""
        words = self._words
        if len(rows.ends) <= 1 and len(rows.data) <= ch.DATA_SIZE:
            self._lane.give(rows.data)
            return
        self._last_iterator += 1
        self.iterators[self._last_iterator] = RowIterator(rows)
        words[ch.R1] = self._last_iterator

    def _advance(self) -> None:
        words = self._words
        rows = self.iterators.get(words[ch.A0])
        if rows is None:
            raise errno.Refused(errno.NO_SUCH_ITER)
        room = words[ch.A1] & 0xFFFF_FFFF
        data = rows.take(room)
        if not data and not rows.is_at_end:
            words[ch.R0] = rows.chunk_size
            words[ch.STATUS] = ch.TOO_SMALL
            return
        self._lane.give(data)
        words[ch.R0] = rows.is_at_end
        if rows.is_at_end:
            del self.iterators[words[ch.A0]]

    def _close(self) -> None:
        if self.iterators.pop(self._words[ch.A0], None) is None:
            raise errno.Refused(errno.NO_SUCH_ITER)

    # -- writing -----------------------------------------------------------------------------------

    def _insert(self) -> bool:
        words = self._words
        table = self._catalog.tables.get(words[ch.A0])
        if table is None or not self.is_writable:
            self._insert_slowly()
            return False
        try:
            size = table.insert_in_place(self._memory, ch.DATA, words[ch.LENGTH], words, ch.REQUEST)
        except errno.Refused as error:
            self.refuse(error.errno)
            return False
        if size > 0:
            words[ch.ANSWER_LENGTH] = size
        elif size == SLOWLY:
            self._insert_slowly()
        return size == ANSWERED

    def _insert_row(self) -> None:
        table = self._table(self._words[ch.A0])
        self._lane.give(table.insert(self._lane.given()))

    def _update(self) -> bool:
        words = self._words
        index = self._catalog.indexes.get(words[ch.A1])
        if (
            index is None
            or self._catalog.tables.get(words[ch.A0]) is not index.of
            or not self.is_writable
        ):
            self._update_slowly()
            return False
        try:
            size = index.update_in_place(self._memory, ch.DATA, words[ch.LENGTH], words, ch.REQUEST)
        except errno.Refused as error:
            self.refuse(error.errno)
            return False
        if size > 0:
            words[ch.ANSWER_LENGTH] = size
        elif size == SLOWLY:
            self._update_slowly()
        return size == ANSWERED

    def _update_row(self) -> None:
        words = self._words
        table = self._table(words[ch.A0])
        index = self._index(words[ch.A1])
        if index.of is not table:
            raise errno.Refused(errno.NO_SUCH_INDEX)
        self._lane.give(table.update(index.position, self._lane.given()))

    def _delete_point(self) -> None:
        index = self._index(self._words[ch.A0])
        _, entry = index.point(self._lane.given())
        self._words[ch.R0] = index.delete(rows_of(entry))

    def _delete_range(self) -> None:
        words = self._words
        index = self._index(words[ch.A0])
        if words[ch.A1] and not words[ch.A2]:
            raise errno.Refused(errno.BSATN_DECODE_ERROR)
        words[ch.R0] = index.delete(self._range(index)[1])

    def _delete_each(self) -> None:
        table = self._table(self._words[ch.A0])
        self._words[ch.R0] = table.delete_each(self._lane.given())

    def _clear(self) -> None:
        self._wide[ch.WIDE] = self._table(self._words[ch.A0]).clear()
