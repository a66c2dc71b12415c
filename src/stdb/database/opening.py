"""Opening a durable database: recovery, the module that goes on with it, and the log at its side.

`open_durable` is what ``Database(module, path=…)`` and ``Database.open`` do.
"""

from __future__ import annotations

import os
import weakref
from functools import partial
from threading import Condition, RLock
from typing import TYPE_CHECKING, Any, NamedTuple

from ..clock import SystemClock
from ..errors import (
    CorruptLogError,
    DatabaseNotFound,
    PublishError,
    TransactionError,
    UsageError,
    shorten,
)
from ..runtime import Services
from ..runtime.log_files import DIRECTORY as LOG_FILES
from ..runtime.log_files import LogFiles
from ..types.values import ConnectionId, Identity
from .creation import create
from .migrating import migrate
from .stored_program import fits, source_program, stored_program
from .view_changes import own_views

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..clock import Clock
    from ..durability import Log, Mode, Recovered
    from ..module import Program
    from ..storage.table import Table
    from .database import Database


class Options(NamedTuple):
    """How to open a durable database."""

    path: Any
    mode: Any
    name: str | None
    clock: Clock | None
    owner: Identity | None
    snapshots: tuple[int | None, int | None, int | None]
    readonly: bool = False
    must_exist: bool = False
    at: int | None = None
    progress: Callable[[int, int], object] | bool | None = None
    identity: Identity | None = None
    run_stored: bool = False
    follow: bool = False


class StaleClient(NamedTuple):
    """A client that was connected when the process ended: its subscriptions ended with it."""

    identity: Identity
    connection_id: ConnectionId
    handles: tuple[()] = ()


_open_databases: weakref.WeakSet[Database] = weakref.WeakSet()


def open_durable(database: Database, program: Program | None, options: Options) -> None:
    """Let `database`, not set up yet, be the one at a path; make it if there is none."""
    from ..durability import DirectoryLock, as_path, check_mode, log_directory, recover
    from ..durability.files import Disk
    from ..storage.store import Store

    mode = check_mode(options.mode)
    path = as_path(options.path)
    directory = log_directory(path, must_exist=options.must_exist)
    progress = _progress(options.progress, path)
    if options.readonly:
        recovered = recover(directory, Store, until=options.at, progress=progress)
        _set_up(database, program, options, path, recovered)
        _complete_system_tables(database)
        database._store.recorder = refuse_write
        database._callable = {}
        database._is_readonly = True
        if options.follow:
            from .following import Follower

            database._follower = Follower(database, directory, recovered.tail)
            database._follower.start()
        return
    Disk.files.make_directory(path)
    lock = DirectoryLock(path)
    log = None
    try:
        recovered = recover(directory, Store, progress=progress, is_owner=True)
        is_new = recovered.program is None
        if not is_new:
            _check_owner(recovered.program, options, path)
        if program is None and options.run_stored:
            program = source_program(recovered, path)
        _set_up(database, program, options, path, recovered)
        log = _attach(database, directory, recovered, lock, mode, options)
        _complete_system_tables(database)
        if is_new:
            create(database)
        elif program is not None or database._program.start is not None:
            _go_on(database, program or database._program, recovered)
        log.settle()
    except BaseException:
        if log is not None:
            log.close()
        lock.release()
        raise
    _open_databases.add(database)
    database._start_schedules()


def _progress(wanted: Any, path: Path) -> Any:
    """Return what is told of the progress of a recovery, or None."""
    from ..durability import ProgressBar

    if wanted is True:
        return ProgressBar(path.name)
    if wanted is False or wanted is None:
        return None
    if not callable(wanted):
        raise UsageError(
            f"progress is True for a bar, or a function of two numbers (bytes read, bytes in all), "
            f"not {shorten(wanted)}"
        )
    return wanted


def _check_owner(row: Any, options: Options, path: Path) -> None:
    owner = Identity(row.owner_identity)
    if options.owner not in (None, owner):
        raise UsageError(
            f"{path} belongs to {owner.hex()}, not to the owner that was given; leave it out"
        )


def _complete_system_tables(database: Database) -> None:
    """Describe the system tables that came after the version which wrote the snapshot.

    In a transaction that is logged, as the reference does; without a log, in memory only.
    """
    store = database._store
    missing = store.missing_system_tables()
    if missing:
        with store.writing():
            store.describe_system_tables(missing)


def _set_up(
    database: Database,
    program: Program | None,
    options: Options,
    path: Path,
    recovered: Recovered,
) -> None:
    """Fill the store with what was recovered, and set the database up around it."""
    from ..durability import fill
    from ..storage.view_schema import adopt_views

    row, store = recovered.program, recovered.store
    if database._memory is not None:
        database._memory.watch(store)
    if row is None and options.readonly and not recovered.report.transactions:
        raise DatabaseNotFound(f"the database at {path} is only being made, and holds nothing yet")
    if row is None and (program is None or recovered.report.transactions):
        log = recovered.replay.last_commit
        raise CorruptLogError(
            f"{path}: the log holds {recovered.report.transactions} transactions, but no module",
            file=str(path) if log is None else log.file,
            lost="nothing: no module was ever published here",
        )
    owner = options.owner
    if row is not None:
        stored, chosen = stored_program(recovered, runs=not options.readonly)
        if program is not None and fits(program, stored):
            tables = program.definition.all_tables()
            chosen = {name: (table, program.shapes[name]) for name, table in tables.items()}
        elif program is not None and options.readonly:
            raise PublishError(
                f"the database at {path} holds other tables than this module has, and nothing is "
                "migrated where it is only read: leave the module out"
            )
        else:
            program = stored
        fill(recovered, chosen)
        if database._memory is not None:
            database._memory.measure(store)
        owner = Identity(row.owner_identity)
    else:
        store.state.begin_at(-1)
    assert program is not None
    database._set_up(
        program, options.name or path.stem, options.clock or SystemClock(), owner, store
    )
    adopt_views(store, own_views(database._program))
    identity = options.identity if row is None else Identity(row.database_identity)
    if identity is not None:
        database._identity = identity
        database._services = Services(identity, database._logs)
    database._path = path
    database._recovery = recovered.report
    database._logs.keep_in(LogFiles(path / LOG_FILES), only_read=options.readonly)
    if recovered.report.torn:
        database._logs.system("Warn", f"recovered from a crash: {recovered.report.torn}")
    for reason in recovered.report.skipped:
        database._logs.system("Warn", reason)


def _attach(
    database: Database,
    directory: Path,
    recovered: Recovered,
    lock: Any,
    mode: Mode | None,
    options: Options,
) -> Log:
    """Give the database its log: from here on, what it commits is written."""
    from ..durability import Log, LogWriter, Recorder, SnapshotOptions, Snapshots

    log = Log(LogWriter(directory, recovered.tail), lock, mode)
    database._log = log
    database._state.keep = log.keep
    log.snapshots = Snapshots(
        directory.parent / "snapshots",
        directory,
        database._store,
        database._identity.value,
        log,
        SnapshotOptions(*options.snapshots),
        partial(database._logs.system, "Warn"),
    )
    recorder = Recorder(log)
    database._store.recorder = recorder.record
    database._store.schema_listeners.append(recorder.forget_tables)
    weakref.finalize(database, log.abandon).atexit = False
    return log


def _go_on(database: Database, program: Program, recovered: Recovered) -> None:
    """Migrate to the module's new version, if it is one, and let the clients go that are left."""
    if recovered.program.program_bytes != program.program_bytes:
        migrate(database, program)
    from .clients import ClientPort

    port = ClientPort(database)
    for row in list(database._store["st_client"].rows.values()):
        client: Any = StaleClient(Identity(row.identity), ConnectionId(row.connection_id))
        port.disconnected(client)


def refuse_write(touched: list[Table], _call: object) -> None:
    """Refuse a transaction that changed something."""
    if any(not table.is_ephemeral and table.net_changes() is not None for table in touched):
        raise TransactionError(
            "the database was opened with readonly=True; open it without, to change something"
        )


def _close_in_child() -> None:
    """Close every durable database in a forked process: it goes on in the parent."""
    for database in list(_open_databases):
        database._closed = True
        state = database._state
        # Whoever held the lock when the process forked is not here to give it back.
        state.lock = RLock()
        state._idle = Condition(state.lock)
        state.thread = None
        state.readers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
