"""`Database`: a running instance of a module, in this process.

The path of one reducer call is `Database.call`: the arguments are checked, the transaction begins,
the reducer runs, the transaction commits, or is undone when anything was raised.
"""

from __future__ import annotations

from contextlib import suppress
from threading import get_ident
from typing import TYPE_CHECKING, Any, NoReturn

from ..client import Connection
from ..clock import ManualClock, SystemClock
from ..errors import (
    DatabaseClosed,
    DurabilityError,
    Error,
    ModuleError,
    PermissionDenied,
    TypeMismatch,
    UsageError,
    shorten,
    unknown_name,
)  # fmt: skip
from ..module import Module
from ..runtime import Logs, ReducerContext, Services
from ..types.values import ConnectionId, Identity
from .ids import Ids
from .opening import Durable, Options, open_durable
from .reducers import Reducers
from .tables import DatabaseTables
from .transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike
    from types import TracebackType
    from typing import Self

    from ..clock import Clock
    from ..durability import Log, Mode
    from ..module import ReducerDeclaration
    from ..runtime import LogRecord
    from ..sql.result import Result
    from ..storage.store import Store
    from .queries import Queries, RowStream


class Database(Durable):
    """A module with its data, in this process: in memory and, with a `path`, on the disk too.

    Parameters
    ----------
    module : Module
        What runs in it: the module as it is now.
    name : str, optional
        For logs and messages; the module's name when not given.
    clock : Clock, optional
        Where timestamps come from. With a `ManualClock`, time and identities are the same at
        every run.
    owner : Identity, optional
        Who owns the database and is the sender of calls that name none; a fresh one otherwise.
    path : str or Path, optional
        Its directory. What is there is recovered; what is committed is written there.
    durability : {"async", "sync", None}
        When a commit is on the disk: soon, and nobody waits (see `flush`, `durable_offset`);
        before the call returns; or when the operating system likes. Only with a `path`.

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
        module: Module,
        *,
        name: str | None = None,
        clock: Clock | None = None,
        owner: Identity | None = None,
        path: str | PathLike[str] | None = None,
        durability: Mode | None = "async",
    ) -> None:
        if not isinstance(module, Module):
            raise TypeMismatch(
                f"Database takes a stdb.Module, got {type(module).__name__} {shorten(module)}"
            )
        if owner is not None and owner.__class__ is not Identity:
            refuse_identity("owner", owner)
        if clock is not None and not callable(getattr(clock, "micros", None)):
            raise TypeMismatch(
                f"clock is a stdb.ManualClock or stdb.SystemClock, not {shorten(clock)}"
            )
        if name is not None and not isinstance(name, str):
            raise TypeMismatch(f"a database's name is a str, not {shorten(name)}")
        if path is not None:
            options = Options(path, durability, name or module.name, clock, owner)
            open_durable(self, module.freeze(), options)
            return
        from ..storage.store import Store  # compiles the system tables: not at import

        self._set_up(module.freeze(), name or module.name, clock or SystemClock(), owner, Store())
        from .creation import create

        create(self)

    def _set_up(
        self, program: Any, name: str, clock: Clock, owner: Identity | None, store: Store
    ) -> None:
        self._program = program
        self._name = name
        self._clock = clock
        self._micros = clock.micros
        self._ids = Ids(name, reproducible=isinstance(clock, ManualClock))
        self._identity = self._ids.identity("database")
        self._owner = owner or self._ids.identity("owner")
        self._host_connection = self._ids.connection_id()
        self._store = store
        self._state = store.state
        self._tables = store.writable
        self._logs = Logs(name, clock.micros)
        self._services = Services(self._identity, self._logs)
        self._reducers: dict[str, ReducerDeclaration] = dict(program.reducers)
        self._callable = {n: r for n, r in self._reducers.items() if r.lifecycle is None}
        self._connections: set[Connection] = set()
        self._closed = False
        self._log: Log | None = None
        self._queries: Queries | None = None

    # -- what it is ------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name it was given, or its module's."""
        return self._name

    @property
    def identity(self) -> Identity:
        """Its own identity."""
        return self._identity

    @property
    def owner(self) -> Identity:
        """Whose it is: the sender of calls that name none."""
        return self._owner

    @property
    def tables(self) -> DatabaseTables:
        """Its tables, to look at outside a transaction: ``db.tables.message``."""
        return DatabaseTables(self._store)

    @property
    def reducers(self) -> Reducers:
        """Its reducers as functions: ``db.reducers.send_message("hello")``, called as the owner."""
        return Reducers(self._callable, self._call_declared)

    def describe(self) -> dict[str, Any]:
        """Return what the module has, as plain data: tables with columns and keys, reducers."""
        from .creation import describe

        return describe(self._name, self._identity, self._program.definition)

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._store.user_table_names())} tables"
        return f"<Database {self._name!r}, {state}>"

    # -- calls -----------------------------------------------------------------------------------

    def call(self, reducer: str, /, *args: Any, sender: Identity | None = None) -> None:
        """Run a reducer in a transaction of its own.

        Parameters
        ----------
        reducer : str
            Its name.
        *args
            Its arguments, by position.
        sender : Identity, optional
            Who calls; the owner when not given. No lifecycle reducer runs for it.

        Raises
        ------
        ReducerError
            The reducer raised it; nothing changed. A `ModuleError` when its code broke.
        TypeMismatch, UsageError
            Arguments of the wrong type or number.
        UnknownName
            There is no such reducer, or `sender` may not know of it.
        TransactionError
            This thread is already in a transaction of this database.
        """
        declared = self._callable.get(reducer)
        if declared is None or not (declared.public or sender is None or sender == self._owner):
            self._refuse_reducer(reducer)
        if sender is None:
            sender = self._owner
        elif sender.__class__ is not Identity:
            refuse_identity("sender", sender)
        self._run(declared, args, sender, self._host_connection)

    def _call_declared(self, declared: ReducerDeclaration, args: tuple[Any, ...]) -> None:
        self._run(declared, args, self._owner, self._host_connection)

    def _run(
        self,
        declared: ReducerDeclaration,
        args: tuple[Any, ...],
        sender: Identity,
        connection: ConnectionId | None,
    ) -> None:
        """Check the arguments, and run the reducer in a transaction."""
        args = declared.take(args)
        state = self._state
        if state.thread == get_ident() or state.readers:
            state.check_not_nested()
        micros = self._micros()
        log = self._log
        try:
            try:
                state.begin()
                if self._closed:
                    self._refuse_closed()
                try:
                    declared.function(
                        ReducerContext(
                            self._tables, sender, connection, micros, self._services, declared.name
                        ),
                        *args,
                    )
                except Exception as error:  # noqa: BLE001 - every failure is reported to the caller
                    self._reducer_failed(declared.name, error)
                if log is None:
                    self._store.commit()
                else:
                    call = (declared.name, declared.parameters, sender, connection, micros, args)
                    self._store.commit(call)
            finally:
                state.end()
        finally:
            # An interrupt may have struck inside the first end: it can be called again.
            state.end_if_begun()
        if log is not None and log.waits:
            log.settle()

    def _invoke(
        self,
        declared: ReducerDeclaration,
        args: tuple[Any, ...],
        sender: Identity,
        connection: ConnectionId | None,
    ) -> None:
        """Run a reducer in the open transaction."""
        micros = self._micros()
        try:
            declared.function(
                ReducerContext(
                    self._tables, sender, connection, micros, self._services, declared.name
                ),
                *args,
            )
        except Exception as error:  # noqa: BLE001 - every failure is reported to the caller
            self._reducer_failed(declared.name, error)

    def _reducer_failed(self, name: str, error: Exception) -> NoReturn:
        """Log what a reducer raised, and raise what the caller gets."""
        if isinstance(error, Error):
            self._logs.write("Error", str(error), function=name)
            raise error
        import traceback

        trace = "".join(traceback.format_exception(error))
        self._logs.write("Panic", trace, function=name)
        raise ModuleError(f"reducer {name!r} broke: {type(error).__name__}: {error}") from error

    def call_many(
        self,
        reducer: str,
        calls: Iterable[tuple[Any, ...]],
        *,
        sender: Identity | None = None,
    ) -> list[Error | None]:
        """Call a reducer once for each tuple of arguments, each in a transaction of its own.

        Returns
        -------
        list
            For each call None, or the error it failed with; the others are done all the same.

        Raises
        ------
        UnknownName
            There is no such reducer.
        UsageError
            A call whose arguments are not a tuple. The calls before it are done.
        """
        if reducer not in self._callable:
            self._refuse_reducer(reducer)
        self._state.check_not_nested()
        self._check_not_closed()
        outcomes: list[Error | None] = []
        for args in calls:
            if not isinstance(args, tuple | list):
                shown = shorten(args)
                raise UsageError(
                    f"call_many takes a tuple of arguments for each call, [({shown},)], not {shown}"
                )
            try:
                self.call(reducer, *args, sender=sender)
            except Error as error:
                outcomes.append(error)
            else:
                outcomes.append(None)
        return outcomes

    def transaction(self, *, readonly: bool = False) -> Transaction:
        """Return a transaction to use in a ``with``: a piece of work without a reducer.

        It commits at the end and is undone on an exception. It ignores rights, like the owner.

        Parameters
        ----------
        readonly : bool
            Whether it only reads: then it runs beside other readers, and writers wait for it.
        """
        return Transaction(self, readonly=readonly)

    # -- SQL -------------------------------------------------------------------------------------

    def sql(
        self,
        text: str,
        /,
        *params: Any,
        sender: Identity | None = None,
        strict: bool = False,
        **named: Any,
    ) -> Result:
        """Run one SQL statement in a transaction of its own.

        Parameters
        ----------
        text : str
            The statement.
        *params
            Values for its ``?``, in order.
        sender : Identity, optional
            Who asks: a client sees public tables and what row-level security lets through, and
            may not write. The owner when not given.
        strict : bool
            Whether to refuse what SpacetimeDB would refuse, and keep its exact meanings.
        **named
            Values for its ``:name``.

        Returns
        -------
        Result
            The rows of a query, or how many rows were inserted, updated and deleted.

        Raises
        ------
        SqlError
            The statement is wrong, with the place; or the caller may not run it.
        UniqueConstraintViolation
            It would break a unique constraint; nothing has changed.
        TransactionError
            This thread is already in a transaction of this database.

        Examples
        --------
        >>> import stdb
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     id: stdb.u64 = stdb.primary_key(auto_inc=True)
        ...     text: str
        >>> db = stdb.Database(notes)
        >>> db.sql("INSERT INTO note (text) VALUES (?), (?)", "tea", "milk").inserted
        2
        >>> db.sql("SELECT text FROM note WHERE id = 2").scalar()
        'milk'
        """
        queries = self._queries or self._make_queries()
        return queries.run(text, params, named, sender, strict=strict)

    def sql_stream(
        self,
        text: str,
        /,
        *params: Any,
        sender: Identity | None = None,
        strict: bool = False,
        **named: Any,
    ) -> RowStream:
        """Return the rows of a SELECT as they are found: ``with db.sql_stream(…) as rows``.

        The arguments are those of `sql`. Until the ``with`` ends, this is a read-only transaction:
        writers wait.
        """
        from .queries import RowStream

        queries = self._queries or self._make_queries()
        return RowStream(self, queries, text, params, named, sender, strict=strict)

    def explain(self, text: str, *, sender: Identity | None = None, strict: bool = False) -> str:
        """Return how a statement would be run: its tables in order, and the index of each access.

        Nothing runs. The numbers of rows are estimates.
        """
        queries = self._queries or self._make_queries()
        return queries.explain(text, sender, strict=strict)

    def _make_queries(self) -> Queries:
        from .queries import Queries  # the grammar is heavy: read at the first statement

        self._queries = Queries(self)
        return self._queries

    # -- clients ---------------------------------------------------------------------------------

    def connect(self, *, identity: Identity | None = None) -> Connection:
        """Connect a client; its ``client_connected`` reducer runs first.

        Parameters
        ----------
        identity : Identity, optional
            Who it is; a fresh identity otherwise.

        Raises
        ------
        ReducerError
            ``client_connected`` refused it: there is no connection.
        """
        if identity is not None and identity.__class__ is not Identity:
            refuse_identity("identity", identity)
        chosen = identity or self._ids.identity("client")
        return Connection(self._port(), chosen, self._ids.connection_id())

    def _port(self) -> Any:
        from .clients import ClientPort

        return ClientPort(self)

    # -- the rest --------------------------------------------------------------------------------

    def logs(self, num_lines: int | None = 100, *, follow: bool = False) -> Any:
        """Return the last records of the log, oldest first.

        Parameters
        ----------
        num_lines : int or None
            How many; None for all that are kept.
        follow : bool
            Whether to go on with new records: then an iterator, until the database is closed.

        Returns
        -------
        list of LogRecord, or iterator of LogRecord
        """
        if follow:
            followed: Iterator[LogRecord] = self._logs.follow(num_lines)
            return followed
        return self._logs.tail(num_lines)

    def fork(self) -> Database:
        """Return an independent copy in memory: rows are shared, indexes are copied.

        Both go on alone from here. The copy has the same identity, owner, module and clock.
        """
        with self.transaction(readonly=True):
            store = self._store.copy()
        forked = Database.__new__(Database)
        forked._set_up(self._program, self._name, self._clock, self._owner, store)
        forked._identity = self._identity
        forked._services = Services(self._identity, forked._logs)
        return forked

    def check(self) -> None:
        """Check every structural invariant; O(rows).

        Raises
        ------
        InternalError
            One does not hold: a bug of stdb.
        """
        with self.transaction(readonly=True):
            self._store.check()

    def close(self) -> None:
        """Disconnect every client and end. Closing again does nothing."""
        if self._closed:
            return
        for connection in list(self._connections):
            # On a disk that has failed a client stays noted, as after a crash.
            with suppress(DurabilityError):
                connection.close()
        state = self._state
        if state.thread == get_ident() or state.readers:
            state.check_not_nested()
        with state.lock:
            self._closed = True
        self._logs.close()
        if self._log is not None:
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

    def _check_not_closed(self) -> None:
        if self._closed:
            self._refuse_closed()

    def _refuse_closed(self) -> NoReturn:
        raise DatabaseClosed(f"database {self._name!r} is closed")

    def _refuse_reducer(self, name: str) -> NoReturn:
        if not isinstance(name, str):
            hint = getattr(name, "__name__", "…")
            raise UsageError(
                f"a reducer is called by its name, as in db.call({hint!r}, …), not {shorten(name)}"
            )
        declared = self._reducers.get(name)
        if declared is not None and declared.lifecycle is not None:
            error: Error = PermissionDenied(
                f"reducer {name!r} is the {declared.lifecycle} reducer: the database calls it "
                "itself, nobody else can"
            )
        else:
            public = [n for n, r in self._callable.items() if r.public]
            error = unknown_name("reducer", name, public)
        self._logs.write("Error", str(error), function=str(name))
        raise error


def refuse_identity(parameter: str, value: object) -> NoReturn:
    """Raise the error for something that is not an identity."""
    hint = "; Identity.from_hex(…) makes one of hex digits" if isinstance(value, str) else ""
    raise TypeMismatch(
        f"{parameter} is an Identity, not {type(value).__name__} {shorten(value)}{hint}",
        expected="Identity",
        got=value,
    )
