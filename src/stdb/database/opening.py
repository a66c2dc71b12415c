"""Opening a durable database: recovery, the module that goes on with it, and the log at its side.

`open_durable` is what ``Database(module, path=…)`` does, `open_stored` what ``Database.open`` does
without a module. Everything that a database has only because it is durable is in `Durable`.
"""

from __future__ import annotations

import os
import weakref
from functools import partial
from threading import Condition, RLock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, cast

from ..clock import SystemClock
from ..errors import (
    CorruptLogError,
    DurabilityError,
    Error,
    PublishError,
    TransactionError,
    TypeMismatch,
    UsageError,
)
from ..module import PYTHON, Module
from ..runtime import Services
from ..types.values import ConnectionId, Identity
from .core import Core
from .creation import create, module_row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..clock import Clock
    from ..durability import Log, Mode, Recovered, Recovery, Usage
    from ..durability.repair import Repair
    from ..module import Program
    from ..schema import TableDef
    from ..storage.table import Table
    from ..types.shapes import Record
    from .database import Database

#: How often a snapshot is written unless something else is asked for, in transactions.
SNAPSHOT_EVERY: Final = 1_000_000


class Durable(Core):
    """What a `Database` with a path can do beside the rest."""

    _recovery: Recovery | None = None
    _path: Path | None = None

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        module: Module | None = None,
        *,
        readonly: bool = False,
        name: str | None = None,
        clock: Clock | None = None,
        durability: Mode | None = "async",
        snapshot_every: int | None = SNAPSHOT_EVERY,
        retain: int | None = None,
        at: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Self:
        """Open the database that is at `path`, to explore it or to go on with it.

        Parameters
        ----------
        path : str or Path
            Its directory.
        module : Module, optional
            Its module. Without it no Python of the database runs: there are tables, with row
            classes made for the occasion, but no reducers, and clients that a crash left behind
            stay noted until the module comes.
        readonly : bool
            Whether only to read: nothing is written, no reducer runs, and another process may
            have it open meanwhile. What is read is the state when it was opened.
        name, clock, durability, snapshot_every, retain
            As for `Database`.
        at : int, optional
            A transaction: the database is as it was after it, and only to be read.
        progress : callable, optional
            Called with the number of bytes of the log that were read, and how many there are.

        Raises
        ------
        DatabaseNotFound
            There is none.
        DatabaseLocked
            Another process has it open (not with `readonly`).
        CorruptLogError
            Its files are damaged.
        """
        database: Any = cls.__new__(cls)
        if module is not None and not isinstance(module, Module):
            raise UsageError(f"module is a stdb.Module or None, not {module!r}")
        program = None if module is None else module.freeze()
        if at is not None and (at.__class__ is not int or at < 0):
            raise UsageError(f"at is the number of a transaction, 0 or more, not {at!r}")
        options = Options(
            path,
            durability,
            name,
            clock,
            None,
            check_snapshots(snapshot_every, retain),
            readonly=readonly or at is not None,
            must_exist=True,
            at=at,
            progress=progress,
        )
        open_durable(database, program, options)
        return cast("Self", database)

    @property
    def path(self) -> Path | None:
        """Its directory; None in memory."""
        return self._path

    @property
    def recovery(self) -> Recovery | None:
        """What was found when it was opened; None in memory."""
        return self._recovery

    @property
    def durable_offset(self) -> int | None:
        """The number of the last transaction that is on the disk; None before there is one."""
        return None if self._log is None else self._log.durable_offset

    def flush(self) -> None:
        """Return when everything that was committed so far is on the disk.

        In memory, and with ``readonly=True``, there is nothing to wait for.

        Raises
        ------
        DurabilityError
            The disk failed; ``safe_offset`` says what is safe.
        """
        if self._log is not None:
            self._log.flush()

    def snapshot(self) -> int:
        """Write a snapshot of the present state, and return the last transaction in it.

        Recovery then begins with it. Snapshots are also written automatically (``snapshot_every``).

        Raises
        ------
        UsageError
            The database is in memory, or only read.
        DurabilityError
            It could not be written.
        """
        log = self._log
        if log is None or log.snapshots is None:
            raise UsageError(
                f"database {self._name!r} has no files to write a snapshot to: it is in memory, or "
                "was opened with readonly=True"
            )
        with self.transaction(readonly=True):
            self._check_not_closed()
            offset = self._state.offset
            log.snapshots.take(offset)
        log.snapshots.wait()
        if log.snapshots.failure:
            raise DurabilityError(log.snapshots.failure, safe_offset=log.durable_offset)
        return offset

    def disk_usage(self) -> Usage | None:
        """Return what the database has on the disk: the log and snapshots; None in memory."""
        if self._log is None or self._path is None:
            return None
        from ..durability import usage

        return usage(self._path, self._log)

    @property
    def module_bytes(self) -> bytes | None:
        """The module as it was published, if it is wasm or JavaScript; None for Python."""
        rows = list(self._store["st_module"].rows.values())
        if not rows or rows[-1].program_kind == PYTHON:
            return None
        module: bytes = rows[-1].program_bytes
        return module


def check_snapshots(every: Any, retain: Any) -> tuple[int | None, int | None]:
    """Return the settings of snapshots as they were given, or raise `TypeMismatch`."""
    for name, value in (("snapshot_every", every), ("retain", retain)):
        if value is not None and (value.__class__ is not int or value < 1):
            raise TypeMismatch(
                f"{name} is a number of {'transactions' if value is every else 'snapshots'}, 1 or "
                f"more, or None, not {value!r}",
                expected="int or None",
                got=value,
            )
    return every, retain


def repair(path: str | os.PathLike[str], *, discard: bool = False) -> Repair:
    """Look for damage in the files of a database and, when told to, cut off what cannot be read.

    Parameters
    ----------
    path : str or Path
        The database's directory. Nobody may have it open.
    discard : bool
        Whether to cut off the damaged transaction and all behind it. Without, nothing is changed.
        What is cut off is kept beside the rest, in files whose names end in ``.damaged``.

    Returns
    -------
    Repair
        ``damage`` says what is (or was) wrong and what is lost, and is empty when all is well;
        ``transactions`` how many can be read; ``set_aside`` the files with what was cut off.

    Raises
    ------
    DatabaseLocked, DatabaseNotFound
        It is open, or not there.
    CorruptLogError
        The damage cannot be cut off.
    """
    from ..durability.repair import repair as repair_files

    return repair_files(path, discard=discard)


class Options(NamedTuple):
    """How to open a durable database."""

    path: Any
    mode: Any
    name: str | None
    clock: Clock | None
    owner: Identity | None
    snapshots: tuple[int | None, int | None]
    readonly: bool = False
    must_exist: bool = False
    at: int | None = None
    progress: Callable[[int, int], object] | None = None


class StaleClient(NamedTuple):
    """A client that was connected when the process ended."""

    identity: Identity
    connection_id: ConnectionId


_open_databases: weakref.WeakSet[Database] = weakref.WeakSet()


def open_durable(database: Database, program: Program | None, options: Options) -> None:
    """Let `database`, not set up yet, be the one at a path; make it if there is none."""
    from ..durability import DirectoryLock, as_path, check_mode, log_directory, recover
    from ..durability.files import Disk
    from ..storage.store import Store

    mode = check_mode(options.mode)
    path = as_path(options.path)
    directory = log_directory(path, must_exist=options.must_exist)
    if options.readonly:
        recovered = recover(directory, Store, until=options.at, progress=options.progress)
        _set_up(database, program, options, path, recovered)
        _complete_system_tables(database)
        database._store.recorder = _refuse_write
        database._callable = {}
        return
    Disk.files.make_directory(path)
    lock = DirectoryLock(path)
    log = None
    try:
        recovered = recover(directory, Store, progress=options.progress, is_owner=True)
        is_new = recovered.program is None
        _set_up(database, program, options, path, recovered)
        log = _attach(database, directory, recovered, lock, mode, options)
        _complete_system_tables(database)
        if is_new:
            create(database)
        elif program is not None:
            _go_on(database, recovered)
        log.settle()
    except BaseException:
        if log is not None:
            log.close()
        lock.release()
        raise
    _open_databases.add(database)


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

    row, store = recovered.program, recovered.store
    if row is None and (program is None or recovered.report.transactions):
        log = recovered.replay.last_commit
        raise CorruptLogError(
            f"{path}: the log holds {recovered.report.transactions} transactions, but no module",
            file=str(path) if log is None else log.file,
            lost="nothing: no module was ever published here",
        )
    owner = options.owner
    if row is not None:
        if program is None:
            program, chosen = _stored_program(recovered)
        else:
            chosen = _same_tables(program, recovered, path)
        fill(recovered, chosen)
        owner = Identity(row.owner_identity)
        if options.owner not in (None, owner):
            raise UsageError(
                f"{path} belongs to {owner.hex()}, not to the owner that was given; leave it out"
            )
    else:
        store.state.begin_at(-1)
    assert program is not None
    database._set_up(
        program, options.name or path.stem, options.clock or SystemClock(), owner, store
    )
    if row is not None:
        database._identity = Identity(row.database_identity)
        database._services = Services(database._identity, database._logs)
    database._path = path
    database._recovery = recovered.report
    if recovered.report.torn:
        database._logs.write("Warn", f"recovered from a crash: {recovered.report.torn}")
    for reason in recovered.report.skipped:
        database._logs.write("Warn", reason)


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
        partial(database._logs.write, "Warn"),
    )
    database._store.recorder = Recorder(log).record
    weakref.finalize(database, log.abandon).atexit = False
    return log


def _go_on(database: Database, recovered: Recovered) -> None:
    """Note the module's new version, if it has one, and let the clients go that are left over."""
    program = database._program
    if recovered.program.program_bytes != program.program_bytes:
        with database.transaction():
            table = database._store["st_module"]
            table.clear()
            table.insert(**module_row(database))
    from .clients import ClientPort

    port = ClientPort(database)
    for row in list(database._store["st_client"].rows.values()):
        client: Any = StaleClient(Identity(row.identity), ConnectionId(row.connection_id))
        port.disconnected(client)


def _same_tables(
    program: Program, recovered: Recovered, path: Path
) -> dict[str, tuple[TableDef, Record]]:
    """Return the module's own tables, if they are those of the files; else say how they differ.

    A migration begins here: `_stored_program` gives what to fill the store with, so that the
    database can then be migrated like one that is open.
    """
    from ..durability import differences

    tables = program.definition.tables
    lines = differences(recovered.tables, tables)
    if lines:
        raise PublishError(
            f"the database at {path} holds other tables than this module has, and migrating them "
            "is not possible yet; open it with the module as it was, or without any "
            f"(stdb.Database.open({str(path)!r})):\n  " + "\n  ".join(lines)
        )
    return {name: (table, program.shapes[name]) for name, table in tables.items()}


def _stored_program(recovered: Recovered) -> tuple[Program, dict[str, tuple[TableDef, Record]]]:
    """Return a program without functions, made of what is stored."""
    from ..durability import differences
    from ..module import Program
    from ..schema import ModuleDef, decode_module_def, validate
    from ..types import algebraic as at
    from ..types.generated import ShapeMaker, shape_of_type

    row = recovered.program
    definition = ModuleDef(tables={n: t.definition for n, t in recovered.tables.items()})
    shapes: dict[str, Record] = {}
    if row.program_kind == PYTHON:
        try:
            declared = validate(decode_module_def(row.program_bytes))
        except Error:
            declared = None
        if declared is not None and not differences(recovered.tables, declared.tables):
            definition = declared
            names = {type_.ref: type_.name for type_ in declared.types.values()}
            maker = ShapeMaker(declared.typespace, names)
            for name, table in declared.tables.items():
                shapes[name] = cast("Record", maker.shape(at.Ref(table.product_type_ref)))
    for name, table in definition.tables.items():
        if name not in shapes:
            shapes[name] = cast("Record", shape_of_type(table.row_type, name))
    program = Program(
        definition, shapes, {}, program_bytes=row.program_bytes, kind=row.program_kind
    )
    return program, {name: (table, shapes[name]) for name, table in definition.tables.items()}


def _refuse_write(touched: list[Table], _call: object) -> None:
    """Refuse a transaction that changed something."""
    if any(table.net_changes() is not None for table in touched):
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
