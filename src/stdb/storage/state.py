"""Who may read and write a store now: one writer, or any number of readers.

One lock serves both. The writer holds it for its transaction; readers only count themselves in
and out under it, and a writer waits until the count is 0. Nothing nests: a thread that already
has a transaction gets an error instead of waiting for itself.

A transaction ends in `State.end`, which can be interrupted anywhere and simply be called again:
whoever opens one calls it from two nested ``finally`` blocks.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from threading import Condition, RLock, get_ident
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import TransactionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .changes import Changes
    from .table import Table


class Undoable(Protocol):
    """What a transaction changed beside rows."""

    def rolled_back(self) -> None:
        """Be as before the transaction; told again when the end of it was interrupted."""


def _keep_nothing(_record: object) -> None:
    """Take a record where there is no log."""


def _tell_nobody(_changes: object) -> None:
    """Take changes where nothing is watched or subscribed to."""


def _new_before(_table: Table) -> dict[Any, Any]:
    """Return the notes of a table where memory is not limited."""
    return {}


class State:
    """The present transaction of one store.

    Attributes
    ----------
    thread : int or None
        The thread whose read-write transaction is open.
    touched : list of Table
        The tables it changed, each once (or more often, harmlessly, after an interrupt).
    torn : Table or None
        The table that is being changed at this moment: its indexes may not agree.
    on_undo : list of Undoable
        What is told when the transaction is undone: sequences whose stored end it moved, and
        whatever else it changed beside rows.
    committed : bool
        Whether it has passed the point from which it is finished, not undone.
    borrower : int or None
        The thread that the holder of the lock lets run one transaction after the other; see `lend`.
    readers : set of int
        The threads with read-only transactions.
    offset : int
        The number of the last transaction that the log or a listener was told of.
    record, keep : object, callable
        What a log is to have of the transaction, and the function that takes it. The record is
        set before the commit point and handed over in `end`, by whoever gets that far; an
        interrupted `end` may hand it over again.
    now : callable or None
        The clock of the database, in microseconds.
    changes, tell : Changes or None, callable
        What those who watch tables are to hear of the transaction, and the function that tells
        them: likewise set before the commit point, and told in `end`, perhaps again.
    serial, evaluate : int, callable
        The number under which `end` lets subscriptions see the transaction, perhaps again, and
        how; 0 when they need not.
    micros : int
        When the transaction began, for those who are told of it; 0 when nobody said.
    new_before : callable
        Makes what a table keeps its ``before`` in.
    """

    __slots__ = (
        "_idle", "_next_offset", "_waiting", "borrower", "changes", "committed", "evaluate", "keep",
        "lock", "micros", "new_before", "now", "offset", "on_undo", "readers", "record", "serial",
        "tell", "thread", "torn", "touched",
    )  # fmt: skip

    def __init__(self) -> None:
        self.lock = RLock()
        self._idle = Condition(self.lock)
        self._waiting: set[int] = set()
        self.thread: int | None = None
        self.touched: list[Table] = []
        self.torn: Table | None = None
        self.on_undo: list[Undoable] = []
        self.committed = False
        self.borrower: int | None = None
        self.readers: set[int] = set()
        self.offset = 0
        self._next_offset = 0
        self.record: Any = None
        self.keep: Callable[[Any], None] = _keep_nothing
        self.changes: Changes | None = None
        self.now: Callable[[], int] | None = None
        self.tell: Callable[[Changes], None] = _tell_nobody
        self.serial = 0
        self.evaluate: Callable[[int], None] = _tell_nobody
        self.micros = 0
        self.new_before: Callable[[Table], dict[Any, Any]] = _new_before

    def begin_at(self, offset: int) -> None:
        """Number transactions from `offset` on."""
        self.offset = self._next_offset = offset

    # -- writing ------------------------------------------------------------------------------

    def begin(self, micros: int = 0) -> None:
        """Open a read-write transaction of this thread; others wait here for their turn.

        Parameters
        ----------
        micros : int
            When it began, by the clock of the database.

        Notes
        -----
        Ask `check_not_nested` first: this does not, so that `end` may follow whatever it does.
        """
        self.lock.acquire()
        if self.readers:
            self._wait_for_readers()
        self.micros = micros
        self.committed = False
        self.thread = get_ident()

    def _wait_for_readers(self) -> None:
        # Readers that come now wait for this writer, until its `end`.
        self._waiting.add(get_ident())
        while self.readers:
            self._idle.wait()

    def check_not_nested(self) -> None:
        """Raise `TransactionError` when this thread already has a transaction."""
        me = get_ident()
        if self.thread != me and me not in self.readers:
            return
        raise TransactionError(
            "this thread is already in a transaction of this database, and transactions do not "
            "nest: use the open one (ctx.db in a reducer, tx.db in `with db.transaction()`), call "
            "the other reducer as a plain function with the same ctx, or wait until it is over "
            "(another task of the same event loop counts as the same thread)"
        )

    def check_writer(self, table: str) -> None:
        """Raise `TransactionError` unless this thread has the open read-write transaction."""
        if self.thread != get_ident():
            self.refuse_write(table)

    def refuse_write(self, table: str) -> None:
        """Raise the error for a write outside a transaction, or into that of another thread."""
        where = f"table {table!r}: "
        if self.thread is None:
            raise TransactionError(
                f"{where}a write needs an open transaction, and this one is over; handles are good "
                "inside the call or the `with db.transaction()` that gave them"
            )
        raise TransactionError(
            f"{where}the open transaction belongs to another thread; a transaction is used by the "
            "thread that began it"
        )

    def tear(self, table: Table) -> None:
        """Note that `table` was left in the middle of a change: only undoing it is possible now."""
        if self.torn is None:
            self.torn = table

    def refuse_torn(self) -> None:
        """Raise the error for a write after one that was interrupted half way."""
        raise TransactionError(
            "an earlier change of this transaction was interrupted half way and the interrupt was "
            "caught; the transaction can only be rolled back: let the exception leave the reducer"
        )

    def commit(self, *, changed: bool) -> None:
        """Pass the point from which the transaction is finished, not undone."""
        self._next_offset = self.offset + changed
        self.committed = True

    def end(self) -> None:
        """Finish the transaction of this thread, if it has one: undo it unless it is committed."""
        if self.thread == get_ident():
            if self.committed:
                if self.record is not None:
                    self.keep(self.record)
                    self.record = None
                self.offset = self._next_offset
                if self.changes is not None:
                    self.tell(self.changes)
                    self.changes = None
                if self.serial:
                    self.evaluate(self.serial)
                    self.serial = 0
                for table in self.touched:
                    if table.finish is not None:
                        table.finish()
                    table.before.clear()
            else:
                for table in self.touched:
                    table.undo()
                # Backwards: what came second was noted in the state that the first had made.
                for told in reversed(self.on_undo):
                    told.rolled_back()
                self.torn = None
                self.changes = None
                self.serial = 0
                self._next_offset = self.offset
            self.on_undo.clear()
            self.touched.clear()
            self.thread = self.borrower
        if self.borrower is None:
            if self._waiting:
                self._wait_no_longer()
            if self.lock._is_owned():  # type: ignore[attr-defined]
                self.lock.release()

    def _wait_no_longer(self) -> None:
        """Let the readers go on that waited for this thread, if it is the last to wait for."""
        if not self.lock._is_owned():  # type: ignore[attr-defined]
            self.lock.acquire()
        # Told before it is noted, so that an interrupt in between has them told again.
        if self._waiting <= {get_ident()}:
            self._idle.notify_all()
        self._waiting.discard(get_ident())

    def end_if_begun(self) -> None:
        """Do what an interrupted `end` left undone."""
        if self.lock._is_owned():  # type: ignore[attr-defined]
            self.take_back()
            self.end()

    def alone(self) -> AbstractContextManager[object]:
        """Return what keeps writers and new readers out for a moment, also within a transaction.

        A thread that acts for the one that began it does not have the lock, but needs none.
        """
        return nullcontext() if self.thread == get_ident() else self.lock

    # -- lending ------------------------------------------------------------------------------

    def lend(self) -> None:
        """Let some thread run transactions, one after the other, until `take_back`.

        This thread has begun one, and keeps everybody else out meanwhile. The borrower, which may
        be this thread too, says so by `borrow`; then it opens each by `begin_lent` and finishes it
        by `end`. Nothing nests in it, between two either, nor in this thread, which counts as a
        reader.
        """
        self.readers.add(get_ident())
        self.thread = None

    def borrow(self) -> None:
        """Be the borrower of the turn that was lent."""
        self.borrower = self.thread = get_ident()

    def begin_lent(self, micros: int) -> None:
        """Open a read-write transaction of the borrower, which is this thread."""
        self.micros = micros
        self.committed = False

    def take_back(self) -> None:
        """Have the turn again, to `end` it; without need, and again, it does nothing.

        The borrower does nothing any more. What it left open is this thread's transaction.
        """
        if self.lock._is_owned():  # type: ignore[attr-defined]
            self.borrower = None
            self.readers.discard(get_ident())
            if self.thread is not None:
                self.thread = get_ident()

    # -- reading ------------------------------------------------------------------------------

    def begin_reading(self) -> None:
        """Open a read-only transaction of this thread, beside those of others.

        Ask `check_not_nested` first: this does not, so that `end_reading` may follow whatever it
        does.
        """
        with self.lock:
            while self._waiting:
                self._idle.wait()
            self.readers.add(get_ident())

    def end_reading(self, thread: int) -> None:
        """Close the read-only transaction of `thread`, if it has one. Can be called again."""
        with self.lock:
            self.readers.discard(thread)
            if not self.readers:
                self._idle.notify_all()
