"""Opening a durable database: recovery, the module that goes on with it, and the log at its side.

`open_durable` is what ``Database(module, path=…)`` does, `open_stored` what ``Database.open`` does
without a module. Everything that a database has only because it is durable is in `Durable`.
"""

from __future__ import annotations

import os
import weakref
from threading import Condition, RLock
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

from ..clock import SystemClock
from ..errors import CorruptLogError, Error, PublishError, TransactionError, UsageError
from ..module import Module
from ..runtime import Services
from ..types.values import ConnectionId, Identity
from .core import Core
from .creation import PYTHON_PROGRAM, create, module_row

if TYPE_CHECKING:
    from pathlib import Path

    from ..clock import Clock
    from ..durability import Log, Mode, Recovered, Recovery
    from ..durability.repair import Repair
    from ..module.module import Program
    from ..schema import TableDef
    from ..storage.store import Store
    from ..storage.table import Table
    from ..types.shapes import Record
    from .database import Database


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
        name, clock, durability
            As for `Database`.

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
        options = Options(path, durability, name, clock, None, readonly, must_exist=True)
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
    readonly: bool = False
    must_exist: bool = False


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
    store = Store()
    if options.readonly:
        recovered = recover(directory, store)
        _set_up(database, program, options, path, store, recovered)
        store.recorder = _refuse_write
        database._callable = {}
        return
    Disk.files.make_directory(path)
    lock = DirectoryLock(path)
    log = None
    try:
        recovered = recover(directory, store)
        is_new = recovered.program is None
        _set_up(database, program, options, path, store, recovered)
        log = _attach(database, directory, recovered, lock, mode)
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


def _set_up(
    database: Database,
    program: Program | None,
    options: Options,
    path: Path,
    store: Store,
    recovered: Recovered,
) -> None:
    """Fill the store with what was recovered, and set the database up around it."""
    from ..durability import fill

    row = recovered.program
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
        fill(store, recovered, chosen)
        owner = Identity(row.owner_identity)
        if options.owner not in (None, owner):
            raise UsageError(
                f"{path} belongs to {owner.hex()}, not to the owner that was given; leave it out"
            )
    else:
        store.state.offset = -1
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


def _attach(
    database: Database, directory: Path, recovered: Recovered, lock: Any, mode: Mode | None
) -> Log:
    """Give the database its log: from here on, what it commits is written."""
    from ..durability import Log, LogWriter, Recorder

    log = Log(LogWriter(directory, recovered.tail), lock, mode)
    database._log = log
    database._state.keep = log.keep
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
    """Return the module's own tables, if they are those of the files; else say how they differ."""
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
    from ..module.module import Program
    from ..schema import ModuleDef, decode_module_def, validate
    from ..types import algebraic as at
    from ..types.generated import ShapeMaker, shape_of_type

    row = recovered.program
    definition = ModuleDef(tables={n: t.definition for n, t in recovered.tables.items()})
    shapes: dict[str, Record] = {}
    if row.program_kind == PYTHON_PROGRAM:
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
    program = Program(definition, shapes, {}, row.program_bytes)
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
