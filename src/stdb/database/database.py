"""`Database`: a running instance of a module, in this process.

The class is put together of parts, a subject each: `Calls` (reducers), `Querying` (SQL), `Durable`
(what a path adds), on what they share, `Core`.
"""

from __future__ import annotations

from contextlib import suppress
from os import PathLike
from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal, overload

from ..clock import SystemClock
from ..errors import DurabilityError, TypeMismatch, UsageError, shorten
from ..module import Module
from ..runtime import Services, level_number
from ..types.values import Identity
from .calling import Calls
from .core import refuse_identity
from .durable import SNAPSHOT_EVERY, Durable, check_snapshots
from .ids import ISSUER
from .procedures import Procedures
from .publishing import Publishing, as_module
from .querying import Querying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from ..client import Connection, Dispatch
    from ..clock import Clock
    from ..durability import Mode
    from ..module.file_module import FileModule
    from ..runtime import LogRecord
    from ..runtime.guest.limits import Limits
    from ..runtime.http_policy import HttpPolicy
    from .clients import ClientPort
    from .metrics import Metrics
    from .tokens import TokenKeys


class Database(Calls, Procedures, Querying, Publishing, Durable):
    """A module with its data, in this process: in memory and, with a `path`, on the disk too.

    Parameters
    ----------
    module : Module, str or Path
        What runs in it: a module in Python as it is now, or the file of a compiled one
        (``"game.wasm"``).
    name : str, optional
        For logs and messages; the module's name when not given.
    clock : Clock, optional
        Where timestamps come from. With a `ManualClock`, time and identities are the same at
        every run.
    limits : Limits, optional
        What a call of a compiled module may use.
    owner : Identity, optional
        Who owns the database and is the sender of calls that name none; a fresh one otherwise.
    identity : Identity, optional
        The identity of the database itself, when it is made; a fresh one otherwise.
    path : str or Path, optional
        Its directory. What is there is recovered; what is committed is written there.
    durability : {"async", "sync", None}
        When a commit is on the disk: soon, and nobody waits (see `flush`, `durable_offset`);
        before the call returns; or when the operating system likes. Only with a `path`.
    snapshot_every : int or None
        After how many transactions a snapshot is written, which makes the next opening faster;
        None for never.
    retain : int or None
        How many snapshots are kept, with the part of the log behind the oldest of them; None
        keeps all of the log.
    keys : TokenKeys or iterable of TokenKeys, optional
        By which it knows the tokens of other issuers: see `connect`.
    slow_ms : float, optional
        From how many milliseconds on a call or a statement is slow, and kept: see `slow_log`.
    memory_limit : int, optional
        How many bytes its tables may hold, as `metrics` estimates them. A transaction that would
        go beyond raises `MemoryLimitError` and is undone.
    http : HttpPolicy or bool
        Which hosts its procedures may ask: by default any that is not in a private network.
    log_bytes_max : int or None
        How large the log may become: snapshots are written, and what is older deleted, in time for
        that. `retain` is 1 then unless something else is said.
    progress : bool or callable
        True shows a bar on stderr while a long log is read at the opening; a function is called
        with the number of bytes that were read, and how many there are.

    Raises
    ------
    DatabaseLocked, CorruptLogError
        What is at `path` is open elsewhere, or damaged.
    PublishError
        What is at `path` has other tables than the module.
    DefinitionError
        The module is wrong; ``reasons`` lists everything.
    ReducerError
        Its ``init`` reducer failed.

    Notes
    -----
    Safe to use from many threads: one transaction that writes runs at a time, others wait.

    Examples
    --------
    >>> import stdb
    >>> counter = stdb.Module("counter")
    >>> @counter.table()
    ... class Count(stdb.Row):
    ...     name: str = stdb.primary_key()
    ...     value: stdb.u64
    >>> @counter.reducer
    ... def increment(ctx: stdb.ReducerContext, name: str) -> None:
    ...     count = ctx.db[Count].name.find(name) or Count(name=name, value=0)
    ...     ctx.db[Count].name.insert_or_update(count.replace(value=count.value + 1))
    >>> db = stdb.Database(counter)
    >>> db.call("increment", "visits")
    >>> db.reducers.increment("visits")
    >>> with db.transaction(readonly=True) as tx:
    ...     list(tx.db[Count])
    [Count(name='visits', value=2)]
    """

    def __init__(
        self,
        module: Module | FileModule | str | PathLike[str],
        path: str | PathLike[str] | None = None,
        *,
        name: str | None = None,
        clock: Clock | None = None,
        owner: Identity | None = None,
        durability: Mode | None = "async",
        snapshot_every: int | None = SNAPSHOT_EVERY,
        retain: int | None = None,
        keys: TokenKeys | Iterable[TokenKeys] | None = None,
        http: HttpPolicy | bool = True,
        limits: Limits | None = None,
        identity: Identity | None = None,
        log_bytes_max: int | None = None,
        progress: Callable[[int, int], object] | bool | None = None,
        slow_ms: float | None = None,
        memory_limit: int | None = None,
    ) -> None:
        given = as_module(module)
        program = given.freeze()
        if limits is not None:
            self._take_limits(limits)
        if owner is not None and owner.__class__ is not Identity:
            refuse_identity("owner", owner)
        if identity is not None and identity.__class__ is not Identity:
            refuse_identity("identity", identity)
        if clock is not None and not callable(getattr(clock, "micros", None)):
            raise TypeMismatch(
                f"clock is a stdb.ManualClock or stdb.SystemClock, not {shorten(clock)}"
            )
        if name is not None and not isinstance(name, str):
            raise TypeMismatch(f"a database's name is a str, not {shorten(name)}")
        if keys is not None:
            self._take_keys(keys)
        self._take_http(http)
        self._take_bounds(slow_ms, memory_limit, name or given.name)
        if path is not None:
            from .opening import Options, open_durable  # databases in memory need none of it

            snapshots = check_snapshots(snapshot_every, retain, log_bytes_max)
            options = Options(
                path, durability, name or given.name, clock, owner, snapshots,
                identity=identity, progress=progress,
            )  # fmt: skip
            open_durable(self, program, options)
            return
        from ..storage.store import Store  # compiles the system tables: not at import

        store = Store()
        if self._memory is not None:
            self._memory.watch(store)
        self._set_up(program, name or given.name, clock or SystemClock(), owner, store)
        if identity is not None:
            self._identity = identity
            self._services = Services(identity, self._logs)
        from .creation import create

        create(self)
        self._start_schedules()

    # -- clients ---------------------------------------------------------------------------------

    def connect(
        self,
        *,
        identity: Identity | None = None,
        token: str | None = None,
        dispatch: Dispatch = "immediate",
        confirmed_reads: bool = False,
    ) -> Connection:
        """Connect a client; its ``client_connected`` reducer runs first.

        Without arguments it is somebody new. The connection's `token` lets it come back as the
        same one; tokens need ``pip install "stdb[auth]"``. Where an event loop runs, write
        ``async with db.connect() as conn`` and nothing that waits blocks the loop.

        Parameters
        ----------
        identity : Identity, optional
            Who it is: the caller vouches for that.
        token : str, optional
            A token that proves who it is, of this database or of an issuer whose `keys` the
            database has. Its claims are ``ctx.sender_auth.jwt`` in functions.
        dispatch : {"immediate", "manual"}
            When its callbacks run: on the thread that committed, before its call returns; or at
            ``conn.tick()``.
        confirmed_reads : bool
            Whether it is told of a commit, and sees its rows, only once that is on the disk: what
            it has seen survives a power loss in the mode ``"async"`` too. Such a client's
            callbacks wait for the disk, on the thread of the commit.

        Raises
        ------
        InvalidToken
            The token proves nothing.
        ReducerError
            ``client_connected`` refused it: there is no connection.

        Examples
        --------
        >>> import stdb
        >>> notes = stdb.Module("notes")
        >>> @notes.table(public=True)
        ... class Note(stdb.Row):
        ...     text: str
        >>> @notes.reducer
        ... def write(ctx: stdb.ReducerContext, text: str) -> None:
        ...     ctx.log.info(f"a note of {len(text)} characters")
        ...     ctx.db[Note].insert(text=text)
        >>> db = stdb.Database(notes)
        >>> with db.connect() as ann:
        ...     _ = ann.subscribe(Note)
        ...     ann.reducers.write("hello")
        ...     [note.text for note in ann.db[Note]]
        ['hello']
        """
        from ..client import Client, Connection, loop_runs  # not at import

        claims = None
        if token is not None:
            if identity is not None:
                raise UsageError("connect takes an identity or a token, which has one; not both")
            claims, identity = self._who_vouches().verify(token)
        elif identity is None:
            claims, identity = self._who_vouches().anonymous(self._ids.subject("client"))
        elif identity.__class__ is not Identity:
            refuse_identity("identity", identity)
        client = Client(
            self._port(),
            identity,
            self._ids.connection_id(),
            claims,
            token,
            dispatch=dispatch,
            confirmed_reads=confirmed_reads,
        )
        return Connection(client, later=loop_runs())

    def issue_token(
        self,
        subject: str | None = None,
        *,
        issuer: str = ISSUER,
        expires_in_s: float | None = None,
        **claims: Any,
    ) -> str:
        """Return a token that this database accepts: of somebody new, or of `subject`.

        Signed with the database's own key, which may sign for any issuer; needs
        ``pip install "stdb[auth]"``. A durable database keeps the key in its directory.

        Parameters
        ----------
        subject, issuer : str, optional
            Whose token it is: the two make the identity.
        expires_in_s : float, optional
            After how many seconds it is no longer accepted; it is good for ever when not given.
        **claims
            Further claims, as JSON has them.

        Examples
        --------
        >>> import stdb
        >>> db = stdb.Database(stdb.Module("club"))
        >>> token = db.issue_token("ann", issuer="https://example.com", role="admin")
        >>> with db.connect(token=token) as conn:
        ...     conn.identity == stdb.Identity.from_claims("https://example.com", "ann")
        True
        """
        chosen = self._ids.subject("client") if subject is None else subject
        return self._who_vouches().issue(issuer, chosen, expires_in_s, claims)

    def _port(self) -> ClientPort:
        if self._clients is None:
            from .clients import ClientPort

            self._clients = ClientPort(self)
        return self._clients

    async def run_schedules(self) -> None:
        """Fire the timers of scheduled rows on this event loop, until the database is closed.

        They fire on a thread of their own otherwise, and again when this is cancelled. ``async
        def`` procedures run on this loop; everything else keeps it waiting meanwhile.

        Examples
        --------
        ``task = asyncio.create_task(db.run_schedules())``
        """
        while self._schedules is not None:  # another one after each `publish`
            await self._schedules.serve()

    # -- the rest --------------------------------------------------------------------------------

    @overload
    def logs(
        self,
        num_lines: int | None = 100,
        *,
        follow: Literal[False] = False,
        level: str = "trace",
    ) -> list[LogRecord]: ...
    @overload
    def logs(
        self, num_lines: int | None = 100, *, follow: Literal[True], level: str = "trace"
    ) -> Iterator[LogRecord]: ...
    @overload
    def logs(
        self, num_lines: int | None = 100, *, follow: bool, level: str = "trace"
    ) -> list[LogRecord] | Iterator[LogRecord]: ...
    def logs(
        self, num_lines: int | None = 100, *, follow: bool = False, level: str = "trace"
    ) -> list[LogRecord] | Iterator[LogRecord]:
        """Return the last records of the log, oldest first.

        A durable database keeps them in its directory, a file a day (``module_logs/``); one in
        memory keeps the newest 8 MB.

        Parameters
        ----------
        num_lines : int or None
            How many; None for all that are kept.
        follow : bool
            Whether to go on with new records: then an iterator, until the database is closed. Of a
            database that was opened with ``readonly=True``, those that its owner writes.
        level : str
            How severe at least: trace, debug, info, warn, error or panic.

        Returns
        -------
        list of LogRecord, or iterator of LogRecord

        Examples
        --------
        >>> import stdb
        >>> notes = stdb.Module("notes")
        >>> @notes.table(public=True)
        ... class Note(stdb.Row):
        ...     text: str
        >>> @notes.reducer
        ... def write(ctx: stdb.ReducerContext, text: str) -> None:
        ...     ctx.log.info(f"a note of {len(text)} characters")
        ...     ctx.db[Note].insert(text=text)
        >>> db = stdb.Database(notes)
        >>> db.call("write", "hello")
        >>> [(record.level, record.message) for record in db.logs(1)]
        [('Info', 'a note of 5 characters')]
        """
        severity = level_number(level)
        if follow:
            return self._logs.follow(num_lines, severity)
        return self._logs.tail(num_lines, severity)

    def fork(self, *, schedules: bool = False, clock: Clock | None = None) -> Database:
        """Return an independent copy in memory: rows are shared, indexes are copied.

        Both go on alone from here. The copy has the same identity, owner, module, limits and,
        unless it is given another one, clock.

        Parameters
        ----------
        schedules : bool
            Whether scheduled rows call their functions in the copy, too. As after a restart,
            intervals begin anew.
        clock : Clock, optional
            Where the copy's timestamps come from.

        Examples
        --------
        >>> import stdb
        >>> notes = stdb.Module("notes")
        >>> @notes.table(public=True)
        ... class Note(stdb.Row):
        ...     text: str
        >>> @notes.reducer
        ... def write(ctx: stdb.ReducerContext, text: str) -> None:
        ...     ctx.log.info(f"a note of {len(text)} characters")
        ...     ctx.db[Note].insert(text=text)
        >>> db = stdb.Database(notes)
        >>> db.call("write", "hello")
        >>> attempt = db.fork()
        >>> attempt.call("write", "what if?")
        >>> len(attempt.tables.note), len(db.tables.note)
        (2, 1)
        """
        with self.transaction(readonly=True):
            store = self._store.copy()
        forked = Database.__new__(Database)
        forked._limits = self._limits
        forked._slow_ms, forked._memory = self._slow_ms, store.limit
        forked._set_up(self._program, self._name, clock or self._clock, self._owner, store)
        forked._identity = self._identity
        forked._ids = self._ids.copy()
        forked._keys, forked._authority = self._keys, self._who_vouches()
        forked._services = Services(self._identity, forked._logs)
        forked._http = self._http
        if schedules:
            forked._start_schedules()
        return forked

    def metrics(self) -> Metrics:
        """Return what is to be known of how it is doing: calls, tables, connections, files.

        Examples
        --------
        >>> import stdb
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     text: str
        >>> @notes.reducer
        ... def write(ctx: stdb.ReducerContext, text: str) -> None:
        ...     ctx.db[Note].insert(text=text)
        >>> db = stdb.Database(notes)
        >>> db.call_many("write", [("one",), ("two",), (3,)])
        [None, None, TypeMismatch(...)]
        >>> metrics = db.metrics()
        >>> metrics.calls["write"].calls, metrics.calls["write"].failures
        (2, 0)
        >>> metrics.tables["note"].rows
        2
        """
        from .metrics import measure  # only who looks needs it

        return measure(self)

    def prometheus_collector(self) -> Any:
        """Return its metrics for a registry of prometheus_client, to be read whenever it is asked.

        ``prometheus_client.REGISTRY.register(db.prometheus_collector())`` has them among the
        metrics of an application. Needs ``pip install "stdb[prometheus]"``.

        Examples
        --------
        >>> import prometheus_client, stdb
        >>> db = stdb.Database(stdb.Module("notes"))
        >>> registry = prometheus_client.CollectorRegistry()
        >>> registry.register(db.prometheus_collector())
        >>> print(prometheus_client.generate_latest(registry).decode())
        # HELP ...
        """
        from .prometheus import DatabaseCollector

        return DatabaseCollector(self)

    @property
    def slow_log(self) -> Database:
        """The calls and statements that were slow (`slow_ms`), in a database of their own.

        Its tables ``slow_call`` and ``slow_query`` keep the last thousand each:
        ``db.slow_log.sql("SELECT * FROM slow_call ORDER BY duration DESC")``.

        Examples
        --------
        >>> import stdb, time
        >>> naps = stdb.Module("naps")
        >>> @naps.reducer
        ... def nap(ctx: stdb.ReducerContext) -> None:
        ...     time.sleep(0.01)
        >>> db = stdb.Database(naps, slow_ms=5)
        >>> db.call("nap")
        >>> [call.function for call in db.slow_log.tables.slow_call]
        ['nap']
        """
        return self._meter.slow()

    def check(self) -> None:
        """Check every structural invariant; O(rows).

        Raises
        ------
        InternalError
            One does not hold: a bug of stdb.

        Examples
        --------
        >>> import stdb
        >>> stdb.Database(stdb.Module("notes")).check()
        """
        with self.transaction(readonly=True):
            self._store.check()

    def close(self) -> None:
        """Disconnect every client and end; what was committed is on the disk then, if there is one.

        Closing again does nothing.

        Examples
        --------
        >>> import stdb
        >>> db = stdb.Database(stdb.Module("notes"))
        >>> db.close()
        >>> db.sql("SELECT * FROM st_table")
        Traceback (most recent call last):
        stdb.DatabaseClosed: ...
        """
        if self._closed:
            return
        if self._follower is not None:
            self._follower.stop()
        state = self._state
        if state.thread == get_ident() or state.readers:
            state.check_not_nested()
        if self._waits is not None:
            self._waits.close()
        self._stop_schedules()
        for connection in list(self._connections):
            # On a disk that has failed a client stays noted, as after a crash.
            with suppress(DurabilityError):
                connection.leave()
        with state.lock:
            self._closed = True
        self._program.close()
        self._logs.close()
        if self._log is not None:
            if self._log.snapshots is not None:
                self._log.snapshots.wait()
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
