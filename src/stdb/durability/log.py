"""`Log`: takes the records of commits at once, and brings them to the disk in its mode.

A commit hands its record over with `Log.keep`, which only puts it into a queue in memory. What
happens then depends on the mode:

=========  ==========================================================================
 mode       the queue is written
=========  ==========================================================================
``async``  by a thread of the log's own: one write and one sync for all that waits;
           commits do not wait, unless more than `PENDING_BYTES_MAX` are waiting
``sync``   by the thread that committed, after it let go of the database: it takes all
           that waits along, so that threads which commit together share a sync (see
           `sharing`)
``None``   likewise, but nothing is synced: the system writes it when it likes
=========  ==========================================================================

The order of records is that of their numbers. A record may be handed over twice, and writing may
be interrupted and begun again: both do the same thing to the same bytes.
"""

from __future__ import annotations

import atexit
import os
import queue
import sys
import threading
import time
import weakref
from _thread import allocate_lock
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from ..errors import DatabaseClosed, DurabilityError, TypeMismatch
from .sharing import Company, Gates, leave

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lock import DirectoryLock
    from .snapshotting import Snapshots
    from .writer import LogWriter

Mode = Literal["async", "sync"]
MODES: Final = ("async", "sync", None)
#: How many bytes may wait for the disk before commits do.
PENDING_BYTES_MAX: Final = 256 << 20
#: How long the thread rests between two batches while more and more is committed.
_PAUSE_SECONDS: Final = 0.01
#: How long a thread waits for another one's sync before it looks again, in case that one was
#: interrupted before it could tell.
_FOLLOW_SECONDS: Final = 0.1
#: How many transactions may pass between two checks.
_CHECK_EVERY: Final = 256


#: A transaction, ready to be written: its number, its bytes, and how many bytes there are up to it.
Record = tuple[int, bytes, int]


class Log:
    """The log of one open database.

    Parameters
    ----------
    writer : LogWriter
        The end of the files.
    lock : DirectoryLock
        The directory's lock, which the log holds until it is closed.
    mode : {"async", "sync", None}
        When what was committed is on the disk.

    Attributes
    ----------
    epoch : int
        The term under which commits are written.
    next_offset : int
        The number of the next transaction.
    check_at : int
        The transaction before which `check` is to be asked; -1 when it refuses every one.
    snapshots : Snapshots or None
        What takes snapshots of the database.
    waits : bool
        Whether a call has something to do in `settle`.
    total : int
        The bytes handed over so far.
    """

    def __init__(self, writer: LogWriter, lock: DirectoryLock, mode: Mode | None) -> None:
        self._writer = writer
        self._lock = lock
        self._mode = mode
        self._records: deque[Record] = deque()
        self._flushing = threading.Lock()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._is_idle = False
        self._failure: Exception | None = None
        self._closed = False
        self.check_at = 0
        self.snapshots: Snapshots | None = None
        self.waits = mode != "async"
        self._closing = False
        self._written = self._written_total = 0
        self._gates = Gates()
        self._company = Company()
        self._sync_seconds = 0.0
        self._awaited: list[tuple[int, Callable[[], object]]] = []
        self.epoch = writer.epoch
        self.next_offset = writer.place.next_offset
        self.total = 0
        #: The number behind the last transaction that is on the disk: one assignment moves it.
        self._durable = self.next_offset
        self._thread: threading.Thread | None = None
        _open_logs.add(self)
        if mode == "async":
            self._thread = threading.Thread(
                target=_write_behind, args=(self,), name="stdb log", daemon=True
            )
            self._thread.start()

    @property
    def mode(self) -> Mode | None:
        """When what was committed is on the disk."""
        return self._mode

    @property
    def end(self) -> tuple[int, int]:
        """The number of the first transaction in the newest segment, and how long that is."""
        place = self._writer.place
        return place.start, place.position

    @property
    def durable_offset(self) -> int | None:
        """The number of the last transaction that is known to be on the disk, or None."""
        return self._durable - 1 if self._durable else None

    # -- committing ---------------------------------------------------------------------------

    def check(self) -> None:
        """Raise the error that keeps the log from taking another record, if there is one.

        Asked by the transaction that is to be the next one; it may have to leave a snapshot.
        """
        self.check_at = self.next_offset + _CHECK_EVERY  # before the test, so that -1 stays
        if self._failure is not None or self._closed:
            self.check_at = -1
            self._refuse()
        snapshots = self.snapshots
        if snapshots is not None:
            if self.next_offset >= snapshots.due or self.total >= snapshots.due_total:
                snapshots.arm()
            elif snapshots.due < self.check_at:
                self.check_at = snapshots.due
        if self.total - self._written_total > PENDING_BYTES_MAX:
            self.flush()

    def keep(self, record: Record) -> None:
        """Take a record. It may be given again, as long as no other one was given since."""
        offset = record[0]
        if offset >= self.next_offset:
            self._records.append(record)
            self.total = record[2]
            self.next_offset = offset + 1
        if self._is_idle:
            # In this order: an interrupt between the two wakes the thread once too often.
            self._wake.put(None)
            self._is_idle = False

    def settle(self) -> None:
        """Do what a call must wait for after its commit, in this mode."""
        target = self.next_offset
        if not self.waits or self._durable >= target:
            return
        if self._mode == "sync":
            self._share(target)
        elif self._written < target:
            with self._flushing:
                self._bring(sync=False)

    def flush(self) -> None:
        """Return when everything that was handed over so far is on the disk.

        Raises
        ------
        DurabilityError
            The disk failed.
        """
        self._share(self.next_offset)

    def _share(self, target: int) -> None:
        """Return when all before transaction `target` is on the disk, by a sync of many threads.

        How they share it, and who waits for whom, is said in `sharing`.
        """
        flushing, gates, company = self._flushing, self._gates, self._company
        is_patient = True
        gate = None
        try:
            while self._durable < target:
                is_led = flushing.locked()
                if not is_led and (len(self._records) >= company.size or not is_patient):
                    company.noted(is_there=is_patient)
                    self._lead(target)
                    continue
                gate = allocate_lock()
                gate.acquire()
                gates.closed.append((target, gate))
                # Whoever leads opens the gate, unless it had finished before it could see it.
                if self._durable < target and (not is_led or flushing.locked()):
                    if gate.acquire(True, _FOLLOW_SECONDS if is_led else company.patience):
                        continue
                    # While some are still to be woken, company may yet come.
                    is_patient = flushing.locked() or bool(gates.opening)
                leave(gate)
        except BaseException:
            if gate is not None:
                leave(gate)
            raise
        finally:
            if gates.opening:
                gates.pass_on()

    def _lead(self, target: int) -> None:
        """Write and sync for all, unless another thread just did."""
        try:
            with self._flushing:
                if self._durable < target:
                    self._bring(sync=True)
        finally:
            self._tell()  # after an interrupt, somebody else leads

    def _tell(self) -> None:
        """Let those go on whose records are on the disk, and one more: to lead the next sync."""
        self._gates.open(self._durable)
        if self._awaited:
            self._tell_awaited()

    def when_durable(self, offset: int, call: Callable[[], object]) -> None:
        """Call something when transaction `offset` is on the disk, or will not get there any more.

        It is called once, by any thread, perhaps at once; it must not wait and must not raise.
        `durable_offset` then tells which of the two it was. In the modes in which nobody writes
        behind, that is when somebody flushes.
        """
        self._awaited.append((offset, call))
        self._tell_awaited()

    def _tell_awaited(self) -> None:
        is_over = self._failure is not None or self._closed
        for waiter in self._awaited.copy():
            if is_over or waiter[0] < self._durable:
                try:
                    self._awaited.remove(waiter)
                except ValueError:
                    continue  # another thread was faster
                try:
                    waiter[1]()
                except Exception:  # noqa: BLE001 - the log's own thread must go on
                    sys.excepthook(*sys.exc_info())

    # -- writing ------------------------------------------------------------------------------

    def _bring(self, *, sync: bool) -> None:
        """Write what waits. Its caller holds ``_flushing``; doing it again does no harm."""
        if self._failure is not None or self._closed:
            self._refuse()
        # The records stay in the queue until they are written: an interrupt loses none.
        waiting = list(self._records)
        try:
            if self._mode != "sync":
                if waiting:
                    self._write(waiting)
                if sync:
                    self._writer.sync()
                    self._durable = max(self._durable, self._written)
            elif waiting:
                self._write_through(waiting)
        except Exception as error:  # noqa: BLE001 - whatever it is, the files are in doubt
            self._failure = error
            self.check_at = -1
            self._writer.give_up()
            self._tell_all()
            self._refuse()
        records = self._records
        take = records.popleft
        while records and records[0][0] < self._written:
            take()
        if waiting and self._mode == "sync":
            self._company.synced(len(waiting) + len(records), self._sync_seconds)

    def _write(self, waiting: list[Record]) -> None:
        start, fulls = self._writer.place.start, self._writer.rotations
        self._writer.append(waiting)
        self._wrote(waiting, start, fulls)

    def _write_through(self, waiting: list[Record]) -> None:
        """Write, and let each commit be on the disk before the next one begins."""
        writer = self._writer
        while True:
            start, fulls = writer.place.start, writer.rotations
            began = time.perf_counter()
            writer.append_through(waiting)
            self._sync_seconds = time.perf_counter() - began
            self._wrote(waiting, start, fulls)
            self._durable = self._written
            if self._written > waiting[-1][0]:
                break

    def _wrote(self, waiting: list[Record], start: int, fulls: int) -> None:
        """Note how far the log is written, which was in the segment from `start` on before."""
        snapshots, place = self.snapshots, self._writer.place
        if place.start != start and snapshots is not None:
            self._segment_began(snapshots, was_full=self._writer.rotations != fulls)
        self._written = place.next_offset
        last = waiting[-1]
        if last[0] >= self._written:  # not all went into this commit
            last = next(record for record in reversed(waiting) if record[0] < self._written)
        self._written_total = last[2]
        if snapshots is not None and self._written_total >= snapshots.due_total:
            self.check_at = min(0, self.check_at)

    def _segment_began(self, snapshots: Snapshots, *, was_full: bool) -> None:
        """Have a snapshot taken soon, as the reference does when a segment is full."""
        if was_full and snapshots.is_automatic:
            snapshots.due = self.next_offset
            self.check_at = min(0, self.check_at)
        snapshots.tidy()

    def _tell_all(self) -> None:
        """Let everybody go on: what they wait for does not come any more."""
        self._gates.open_all()
        self._tell_awaited()

    def check_before(self, offset: int) -> None:
        """Have `check` asked before transaction `offset` at the latest."""
        if offset < self.check_at:
            self.check_at = offset
            if self._failure is not None or self._closed:
                self.check_at = -1

    def rotate_at(self, offset: int) -> None:
        """Begin a new segment with transaction `offset`."""
        self._writer.rotate_at.append(offset)

    def part_at(self, offset: int) -> None:
        """Begin a new commit with transaction `offset`, which is still to come."""
        self._writer.part_at.append(offset)

    def wait(self, offset: int, timeout: float | None = None) -> bool:
        """Return whether transaction `offset` is on the disk, after waiting for it.

        Raises
        ------
        DurabilityError
            The disk failed before.
        """
        gate = threading.Event()
        self.when_durable(offset, gate.set)
        gate.wait(timeout)
        if self._durable > offset:
            return True
        if self._failure is not None or self._closed:
            self._refuse()
        return False

    def _refuse(self) -> NoReturn:
        if self._failure is None:
            raise DatabaseClosed("the database was closed, or belongs to the process it forked off")
        safe = self.durable_offset
        up_to = "nothing" if safe is None else f"transactions up to {safe}"
        raise DurabilityError(
            f"the disk failed: {self._failure}. {up_to[0].upper()}{up_to[1:]} are safe; later ones "
            "are in memory only, and no more are taken. The database can still be read; free or "
            "mend the disk, close the database and open it again",
            safe_offset=safe,
        ) from self._failure

    # -- the end ------------------------------------------------------------------------------

    def close(self) -> None:
        """Write what is left, sync it, and give the directory back; again does nothing.

        Raises
        ------
        DurabilityError
            The disk failed, now or before. The log is closed all the same.
        """
        if self._closed:
            return
        if self.snapshots is not None:
            self.snapshots.stop()
        with self._flushing:
            if self._failure is None and not self._closed:
                with suppress(DurabilityError):
                    self._bring(sync=self._mode is not None)
            # Not in a finally: after an interrupt the rest is still there to be written.
            self._release()
        if self._failure is not None and self._durable < self.next_offset:
            self._refuse()

    def _release(self) -> None:
        self._closed = True
        self.check_at = -1
        self._wake.put(None)
        self._writer.close()
        self._lock.release()
        _open_logs.discard(self)
        self._tell_all()

    def abandon(self) -> None:
        """Close the log of a database that nobody holds any more, from wherever that shows.

        The garbage collector may call this in the middle of anything, the log's own thread
        included, so with a thread it only asks that one to close.
        """
        if self._thread is None:
            self.close()
        else:
            self._closing = True
            self._wake.put(None)

    def forked(self) -> None:
        """Let go of everything in a child process; the parent goes on."""
        self._closed = True
        self.check_at = -1
        self._flushing = threading.Lock()
        self._gates = Gates()
        self._awaited.clear()
        self._writer.forget()
        self._lock.forget()
        self._records.clear()
        if self.snapshots is not None:
            self.snapshots.forked()


def _write_behind(log: Log) -> None:
    """Write whatever a log is given, until it is closed: the body of its thread."""
    wake = log._wake
    while not log._closed:
        log._is_idle = True
        if not log._records and not log._closing:
            wake.get()
            while not wake.empty():
                wake.get_nowait()
        log._is_idle = False
        try:
            if log._closing:
                log.close()
            elif log._records:
                with log._flushing:
                    log._bring(sync=True)
                log._tell()
                if len(log._records) > 1:
                    # Busy: larger batches cost those who commit less.
                    time.sleep(_PAUSE_SECONDS)
        except (DurabilityError, DatabaseClosed):
            return  # Whoever commits next is told.


_open_logs: weakref.WeakSet[Log] = weakref.WeakSet()


def _close_all() -> None:
    """Write what is left when the interpreter ends."""
    for log in list(_open_logs):
        try:
            log.close()
        except DurabilityError as error:
            print(f"stdb: {error}", file=sys.stderr)  # noqa: T201 - nobody is left to raise it to


def _forget_all() -> None:
    for log in list(_open_logs):
        log.forked()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def check_mode(mode: Any) -> Mode | None:
    """Return a durability mode, or raise `TypeMismatch` for what is none."""
    if mode not in MODES:
        raise TypeMismatch(
            f'durability is "async", "sync" or None, not {mode!r}',
            expected='"async", "sync" or None',
            got=mode,
        )
    chosen: Mode | None = mode
    return chosen
