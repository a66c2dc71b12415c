"""What a `Database` with a path can do beside the rest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Self, cast

from ..errors import DurabilityError, TypeMismatch, UsageError
from ..module import PYTHON, Module
from .core import Core
from .publishing import as_program

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from ..clock import Clock
    from ..durability import LoggedTransaction, Mode, Recovery, Usage
    from ..durability.repair import Repair
    from ..module.file_module import FileModule
    from ..runtime.guest.limits import Limits
    from ..runtime.http_policy import HttpPolicy
    from ..types.values import Identity
    from .tokens import TokenKeys

#: How often a snapshot is written unless something else is asked for, in transactions.
SNAPSHOT_EVERY: Final = 1_000_000


class Durable(Core):
    """What a `Database` with a path can do beside the rest."""

    _recovery: Recovery | None = None

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        module: Module | FileModule | str | os.PathLike[str] | None = None,
        *,
        readonly: bool = False,
        name: str | None = None,
        clock: Clock | None = None,
        durability: Mode | None = "async",
        snapshot_every: int | None = SNAPSHOT_EVERY,
        retain: int | None = None,
        log_bytes_max: int | None = None,
        at: int | None = None,
        progress: Callable[[int, int], object] | bool | None = None,
        keys: TokenKeys | Iterable[TokenKeys] | None = None,
        limits: Limits | None = None,
        http: HttpPolicy | bool = True,
        owner: Identity | None = None,
        run_stored: bool = False,
        follow: bool = False,
        slow_ms: float | None = None,
        memory_limit: int | None = None,
    ) -> Self:
        """Open the database that is at `path`, to explore it or to go on with it.

        Parameters
        ----------
        path : str or Path
            Its directory.
        module : Module, str or Path, optional
            Its module. Without it no Python of the database runs: there are tables, with row
            classes made for the occasion, but no reducers, and clients that a crash left behind
            stay noted until the module comes. A compiled module comes out of the database and
            lives again.
        readonly : bool
            Whether only to read: nothing is written, no reducer runs, and another process may
            have it open meanwhile. What is read is the state when it was opened.
        name, clock, durability, snapshot_every, retain, log_bytes_max, keys, limits, http
            As for `Database`.
        at : int, optional
            A transaction: the database is as it was after it, and only to be read.
        owner : Identity, optional
            Whose it has to be; it is not opened when it is somebody else's.
        run_stored : bool
            Whether to import and run the Python source that was published with it
            (`Module.from_file`), where no module is given. Only for databases whose source you
            would run yourself.
        follow : bool
            With `readonly`: what another process goes on to commit appears here, a few
            milliseconds later, a publish too. See `catch_up`.
        progress : bool or callable
            True shows a bar on stderr while a long log is read. A function is called with the
            number of bytes that were read, and how many there are.

        Raises
        ------
        DatabaseNotFound
            There is none.
        DatabaseLocked
            Another process has it open (not with `readonly`).
        CorruptLogError
            Its files are damaged.
        UsageError
            It belongs to somebody else than `owner`.
        PublishError
            The stored source cannot be imported here.
        """
        from .opening import Options, open_durable  # databases in memory need none of it

        database: Any = cls.__new__(cls)
        if keys is not None:
            database._take_keys(keys)
        database._take_http(http)
        database._take_bounds(slow_ms, memory_limit, name or str(path))
        if limits is not None:
            database._take_limits(limits)
        program = None if module is None else as_program(module)
        if at is not None and (at.__class__ is not int or at < 0):
            raise UsageError(f"at is the number of a transaction, 0 or more, not {at!r}")
        if run_stored and (readonly or at is not None):
            raise UsageError("run_stored=True is for a database that is not only read")
        if follow and (at is not None or not readonly):
            raise UsageError("follow=True goes with readonly=True, and not with at")
        options = Options(
            path,
            durability,
            name,
            clock,
            owner,
            check_snapshots(snapshot_every, retain, log_bytes_max),
            readonly=readonly or at is not None,
            must_exist=True,
            at=at,
            progress=progress,
            run_stored=run_stored,
            follow=follow,
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

    def catch_up(self) -> int | None:
        """Take in what the other process has written by now, where this database follows it.

        That happens by itself, a few milliseconds later; this is for who does not want to wait.

        Returns
        -------
        int or None
            The number of the last transaction that is here; None before there is one.

        Raises
        ------
        UsageError
            The database was not opened with ``follow=True``.
        DatabaseClosed
            It was closed.
        CorruptLogError
            The files are damaged.
        """
        self._check_not_closed()
        if self._follower is None:
            raise UsageError(f"database {self._name!r} was not opened with follow=True")
        self._follower.catch_up()
        return self._state.offset if self._state.offset >= 0 else None

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
        is_begun = False
        while not is_begun:
            log.snapshots.wait()
            with self.transaction(readonly=True):
                self._check_not_closed()
                offset = self._state.offset
                is_begun = log.snapshots.take(offset)
        log.snapshots.wait()
        if log.snapshots.failure:
            raise DurabilityError(log.snapshots.failure, safe_offset=log.durable_offset)
        return offset

    def history(self, from_offset: int | None = None) -> Iterator[LoggedTransaction]:
        """Return what happened, transaction by transaction, up to now.

        It is read from the log, which is replayed from its beginning (or the snapshot before) to
        know how to read it; that takes as long as opening the database, and as much memory. A
        database that was opened with ``readonly=True`` has it as well, up to when it was opened.

        Parameters
        ----------
        from_offset : int, optional
            The first transaction; without it, the first one that can still be told.

        Returns
        -------
        iterator of LoggedTransaction
            Each with ``offset``, ``timestamp``, ``caller``, ``reducer``, ``arguments`` and the
            ``changes`` of each table: ``changes["message"].inserted``.

        Raises
        ------
        UsageError
            The database is in memory; or what leads to `from_offset` was deleted (``retain``).

        Examples
        --------
        >>> import stdb, tempfile
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     text: str
        >>> @notes.reducer
        ... def add(ctx: stdb.ReducerContext, text: str) -> None:
        ...     ctx.db.note.insert(text=text)
        >>> with tempfile.TemporaryDirectory() as path, stdb.Database(notes, path=path) as db:
        ...     db.call("add", "hello")
        ...     for transaction in db.history(from_offset=1):
        ...         print(transaction.offset, transaction.reducer, transaction.arguments)
        ...         print(transaction.changes["note"].inserted)
        1 add ('hello',)
        (Note(text='hello'),)
        """
        from .past import history

        return history(self, from_offset)

    def backup(self, path: str | os.PathLike[str]) -> int:
        """Copy the database to another directory while it runs; return the last transaction in it.

        Nobody has to wait: what is committed meanwhile is not in the copy, except for transactions
        that share a commit with the last one (``durability="sync"``). The copy is a database like
        any other, with the same identity; it appears whole or not at all.

        Parameters
        ----------
        path : str or Path
            A directory that is not there yet.

        Raises
        ------
        UsageError
            The database is in memory, or something is at `path`.
        CorruptLogError
            The log that was to be copied is damaged.
        """
        from .past import backup

        return backup(self, path)

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


def check_snapshots(
    every: Any, retain: Any, log_bytes_max: Any
) -> tuple[int | None, int | None, int | None]:
    """Return the settings of snapshots as they were given, or raise `TypeMismatch`."""
    settings = (
        ("snapshot_every", every, "transactions"),
        ("retain", retain, "snapshots"),
        ("log_bytes_max", log_bytes_max, "bytes"),
    )
    for name, value, what in settings:
        if value is not None and (value.__class__ is not int or value < 1):
            raise TypeMismatch(
                f"{name} is a number of {what}, 1 or more, or None, not {value!r}",
                expected="int or None",
                got=value,
            )
    return every, retain, log_bytes_max


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
