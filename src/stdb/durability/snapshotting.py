"""Takes snapshots of a database while it runs, and lets go of what they make superfluous.

A snapshot is taken right after a transaction, by whoever made it: the process is forked, which
takes milliseconds, and the child writes at leisure what it sees, while the database goes on. Where
processes do not fork, the rows are noted under the lock (they never change), and a thread writes.

A child outlives its parent by moments only, and then leaves nothing: its files are locked before
it begins, whoever opens the database next deletes what is locked, and the child looks whether its
parent is there before it finishes.
"""

from __future__ import annotations

import gc
import itertools
import os
import select
import signal
import sys
import threading
import time
import warnings
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from ..errors import Error
from ..schema import system_tables as st
from .sealing import compress_snapshot, seal
from .segments import list_segments
from .snapshot import TableRows, discard, list_snapshots, prepare, write_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..storage.store import Store
    from .log import Log, Record

#: Whether a child process writes; on macOS many system libraries do not bear a fork.
CAN_FORK: bool = hasattr(os, "fork") and sys.platform != "darwin"
_ERROR_BYTES_MAX: Final = 2000
#: How long a child may take, and how long its end when it was killed; a disk that does not answer
#: keeps a process from ending.
CHILD_SECONDS_MAX: float = 1800
_END_SECONDS_MAX: Final = 10
_NEVER: Final = 1 << 64
#: After how many transactions a snapshot is tried again that was due while another was written.
_RETRY_AFTER: Final = 100


class SnapshotOptions(NamedTuple):
    """When snapshots are taken, and what is kept.

    Attributes
    ----------
    every : int or None
        After how many transactions the next one is taken; None: only when asked for.
    retain : int or None
        How many snapshots are kept, with the log that they need; None: everything.
    log_bytes_max : int or None
        How large the log may become: a snapshot is taken, and what it makes superfluous deleted,
        in time for that.
    """

    every: int | None = None
    retain: int | None = None
    log_bytes_max: int | None = None


class Snapshots:
    """The snapshots of one open database.

    Parameters
    ----------
    directory, log_directory : Path
        Where they go, and where the log is.
    store : Store
        What they are of.
    identity : int
        The identity of the database.
    log : Log
        Its log.
    options : SnapshotOptions
        When, and what is kept.
    warn : callable
        Told when one could not be written.

    Attributes
    ----------
    due : int
        The transaction after which the next one is taken.
    due_total : int
        How many bytes may be handed to the log before the next one is taken.
    failure : str
        Why the last one was not written; empty when it was.
    """

    def __init__(
        self,
        directory: Path,
        log_directory: Path,
        store: Store,
        identity: int,
        log: Log,
        options: SnapshotOptions,
        warn: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._log_directory = log_directory
        # Weakly: the log's thread must not keep a database that nobody holds any more.
        self._store = weakref.ref(store)
        self._identity = identity
        self._log = weakref.ref(log)
        self._options = options
        self._retain = options.retain or (None if options.log_bytes_max is None else 1)
        self._warn = warn
        self._thread: threading.Thread | None = None
        self._tidying: threading.Thread | None = None
        self._child: int | None = None
        self._is_stopped = False
        self._holders: set[object] = set()
        self.failure = ""
        self.due = _NEVER
        self._set_due(log.next_offset)
        self.due_total = self._share() - log_bytes(log_directory, log)

    @property
    def is_automatic(self) -> bool:
        """Whether any are taken without being asked for."""
        return self._options.every is not None or self._options.log_bytes_max is not None

    @property
    def is_running(self) -> bool:
        """Whether one is being written, or anything deleted or compressed.

        Never two of these at a time: a compressed file takes the place of one that must not have
        been deleted meanwhile.
        """
        return any(t is not None and t.is_alive() for t in (self._thread, self._tidying))

    def _set_due(self, offset: int) -> None:
        every = self._options.every
        if every is not None:
            self.due = offset - offset % -every if offset else every

    def _share(self) -> int:
        """Return how many bytes of log may come between two snapshots.

        Beside what came behind each of those that are kept, there is what comes while the next one
        is being written.
        """
        most = self._options.log_bytes_max
        return _NEVER if most is None or self._retain is None else most // (self._retain + 1)

    # -- taking one -------------------------------------------------------------------------------

    def arm(self) -> None:
        """Have a snapshot taken when the transaction that is open now has committed."""
        store = self._store()
        if store is not None:
            store.state.keep = self._keep

    def _keep(self, record: Record) -> None:
        """Take a record in the place of the log's own `keep`, and then a snapshot."""
        log, store = self._log(), self._store()
        assert log is not None
        assert store is not None
        log.keep(record)
        store.state.keep = log.keep
        if self.is_running:
            # Later: as soon as may be, but not each time.
            self.due = record[0] + min(self._options.every or _RETRY_AFTER, _RETRY_AFTER)
        else:
            self._set_due(record[0] + 1)
            self.due_total = log.total + self._share()
            if not self._is_stopped:
                self._begin(store, record[0])
        log.check_before(self.due)

    def take(self, offset: int) -> bool:
        """Begin a snapshot of the state after transaction `offset`, which is the present one.

        The caller keeps writers out meanwhile. Returns False, and does nothing, while another one
        is being written: wait for that with writers let in, and try again.
        """
        if self.is_running:
            return False
        self.failure = ""
        store = self._store()
        places = list_snapshots(self._directory)
        if store is not None and not (places and places[-1].offset == offset):
            self._begin(store, offset)
        return True

    def _begin(self, store: Store, offset: int) -> None:
        path = None
        try:
            import zstandard  # noqa: F401 - here, since the child had better not import

            path = prepare(self._directory, offset)
            log = self._log()
            assert log is not None
            # So that what is behind the snapshot can be read from there, and deleted up to there.
            if self._retain is None:
                log.part_at(offset + 1)
            else:
                log.rotate_at(offset + 1)
            run = self._fork(store, path) if CAN_FORK else self._note(store, path)
        except Exception as error:  # noqa: BLE001 - the transaction is committed, come what may
            if path is not None:
                discard(path)
            self._failed(offset, str(error))
            return
        self._thread = threading.Thread(
            target=self._finish, args=(path, offset, run), name="stdb snapshot", daemon=True
        )
        self._thread.start()

    def _fork(self, store: Store, path: Path) -> Callable[[], str]:
        """Begin a child process that writes; return what waits for it and says what went wrong."""
        reading, writing = os.pipe()
        parent = os.getpid()
        with warnings.catch_warnings():
            # Python 3.12 warns of forks beside threads. The child uses nothing that they may hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                pid = os.fork()
                if not pid:
                    self._be_child(store, path, parent, writing)
            finally:
                if os.getpid() != parent:
                    os._exit(1)
        self._child = pid
        os.close(writing)

        return lambda: self._wait_for(pid, reading)

    def _wait_for(self, pid: int, reading: int) -> str:
        """Wait until a child has ended, or kill it in the end; return what went wrong."""
        message, has_ended, is_late = b"", False, False
        until = time.monotonic() + CHILD_SECONDS_MAX
        pipe = select.poll()
        pipe.register(reading)
        while not has_ended:
            left = until - time.monotonic()
            if left <= 0 and is_late:
                break
            if left <= 0 or (self._is_stopped and not is_late):
                is_late = True
                until = time.monotonic() + _END_SECONDS_MAX
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            elif pipe.poll(min(left, 1) * 1000):
                data = os.read(reading, _ERROR_BYTES_MAX)
                message += data
                has_ended = not data
        os.close(reading)
        with suppress(ChildProcessError):  # somebody else waited for it
            os.waitpid(pid, 0 if has_ended else os.WNOHANG)
        self._child = None
        if message == _DONE.encode():
            return ""
        if is_late and not message:
            return f"the process that wrote it did not end within {CHILD_SECONDS_MAX:g} seconds"
        return message.decode(errors="replace") or "the process that wrote it was killed"

    def _be_child(self, store: Store, path: Path, parent: int, writing: int) -> None:
        """Write the snapshot, and end."""
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            gc.disable()

            def go_on() -> bool:
                return os.getppid() == parent

            write_snapshot(path, self._identity, table_rows(store), go_on=go_on)
            self._compress(go_on)
            os.write(writing, _DONE.encode())
            code = 0
        except BaseException as error:  # noqa: BLE001 - told to the parent
            with suppress(OSError):
                os.write(writing, (str(error) or repr(error)).encode()[:_ERROR_BYTES_MAX])
        finally:
            os._exit(code)

    def _note(self, store: Store, path: Path) -> Callable[[], str]:
        """Note all rows; return what writes them and says what went wrong."""
        tables = [table._replace(rows=list(table.rows)) for table in table_rows(store)]

        def go_on() -> bool:
            return not self._is_stopped

        def write() -> str:
            try:
                write_snapshot(path, self._identity, tables, go_on=go_on)
                self._compress(go_on)
            except Exception as error:  # noqa: BLE001 - told to the user
                return str(error)
            return ""

        return write

    def _compress(self, go_on: Callable[[], bool]) -> None:
        """Compress the log before the newest snapshot, and the snapshots before it.

        Not what is to be deleted now that this snapshot is there.
        """
        places = list_snapshots(self._directory)
        kept = places if self._retain is None else places[-self._retain :]
        needed = 0 if self._retain is None or len(places) < self._retain else kept[0].offset + 1
        seal(self._log_directory, needed, places[-1].offset, go_on)
        for place in kept[:-1]:
            compress_snapshot(place, go_on)

    # -- when it is written -----------------------------------------------------------------------

    def _finish(self, path: Path, offset: int, run: Callable[[], str]) -> None:
        """Wait for a snapshot, and clean up behind it: the body of a thread."""
        problem = run()
        if problem:
            # It may have been complete, and what failed was to compress older ones.
            if path.with_suffix(".lock").exists():
                discard(path)
            if not self._is_stopped:
                self._failed(offset, problem)
            return
        self.failure = ""
        self._drop()

    def _drop(self) -> None:
        """Delete what newer snapshots make superfluous."""
        log = self._log()
        if self._retain is None or log is None:
            return
        try:
            # Not before the log is on the disk: its newest segment must never be the only one and
            # empty, since that would look like a log without transactions.
            log.flush()
            if not self._holders:  # else the next snapshot will do it
                drop_superfluous(self._directory, self._log_directory, self._retain)
        except OSError as error:
            self.failure = f"what snapshots make superfluous cannot be deleted: {error}"
            self._warn(self.failure)
        except Error:
            return  # The disk failed, or the database was closed: whoever commits is told.

    def tidy(self) -> None:
        """Delete what is superfluous, now that a segment has begun: the one before may be that.

        While a snapshot is being written, this waits for its end.
        """
        if self._retain is not None and not self._is_stopped and not self.is_running:
            thread = threading.Thread(target=self._drop, name="stdb tidying", daemon=True)
            with suppress(RuntimeError):  # at the end of the interpreter no threads begin
                thread.start()
                self._tidying = thread

    def _failed(self, offset: int, reason: str) -> None:
        self.failure = f"the snapshot after transaction {offset} was not written: {reason}"
        self._warn(self.failure)

    def wait(self) -> None:
        """Return when none is being written, and nothing deleted."""
        for thread in (self._thread, self._tidying):
            if thread is not None and thread is not threading.current_thread():
                thread.join()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Have nothing deleted for as long as somebody reads the files."""
        holder = object()
        self._holders.add(holder)
        try:
            yield
        finally:
            self._holders.discard(holder)

    def stop(self) -> None:
        """Give up the one that is being written."""
        self._is_stopped = True
        child = self._child
        if child is not None:
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
        self.wait()

    def forked(self) -> None:
        """Forget everything, in a child process."""
        self._thread = self._tidying = None
        self._child = None
        self._is_stopped = True


_DONE: Final = "done"


def table_rows(store: Store) -> list[TableRows]:
    """Return what a snapshot has of each table; the caller keeps writers out."""
    views = {row.table_id for row in store["st_view"].rows.values()}
    ephemeral = views | {s.table_id for s in st.SYSTEM_TABLES if s.is_ephemeral}
    return [
        TableRows(
            table.table_id,
            table.definition.row_type,
            () if table.is_event else table.rows.values(),
            table.encode,
        )
        for table in sorted(store, key=lambda table: table.table_id)
        if table.table_id not in ephemeral
    ]


def drop_superfluous(directory: Path, log_directory: Path, retain: int) -> None:
    """Delete all but the last `retain` snapshots, and the segments that none of these needs."""
    places = list_snapshots(directory)
    for place in places[:-retain]:
        discard(place.path)
    if len(places) < retain:
        return
    oldest = places[-retain:][0].offset
    segments = list_segments(log_directory)
    for segment, following in itertools.pairwise(segments):
        if following.start > oldest + 1:
            break
        segment.path.with_suffix(".ofs").unlink(missing_ok=True)
        segment.path.unlink(missing_ok=True)


def log_bytes(directory: Path, log: Log) -> int:
    """Return how long all segments of an open log are, without the room for commits to come."""
    total, newest, end = 0, *log.end
    for segment in list_segments(directory):
        if segment.start == newest:
            total += end
            continue
        with suppress(OSError):  # deleted meanwhile
            total += segment.path.stat().st_size
    return total


def file_bytes(directory: Path) -> int:
    """Return how much all files in a directory hold."""
    total = 0
    for root, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):  # deleted meanwhile
                total += os.stat(os.path.join(root, name)).st_size  # noqa: PTH116, PTH118
    return total


class Usage(NamedTuple):
    """What a durable database has on the disk: for ``db.metrics()``.

    Attributes
    ----------
    next_offset : int
        The number of the next transaction.
    durable_offset : int or None
        The last transaction that is on the disk.
    first_offset : int
        The first transaction that the log still has.
    segments, log_bytes : int
        How many files the log has, and how long they are.
    snapshots, snapshot_bytes : int
        How many snapshots there are, and how much their files hold (those they share twice).
    last_snapshot : int or None
        The last transaction in the newest one.
    snapshot_failure : str
        Why the last one was not written; empty when it was.
    """

    next_offset: int
    durable_offset: int | None
    first_offset: int
    segments: int
    log_bytes: int
    snapshots: int
    snapshot_bytes: int
    last_snapshot: int | None
    snapshot_failure: str


def usage(path: Path, log: Log) -> Usage:
    """Return what the database at `path` has on the disk; `log` is its log, while it is open."""
    segments = list_segments(path / "clog")
    places = list_snapshots(path / "snapshots")
    return Usage(
        log.next_offset,
        log.durable_offset,
        segments[0].start if segments else 0,
        len(segments),
        log_bytes(path / "clog", log),
        len(places),
        file_bytes(path / "snapshots"),
        places[-1].offset if places else None,
        log.snapshots.failure if log.snapshots is not None else "",
    )
