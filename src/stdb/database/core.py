"""What every part of the face `Database` stands on: the state that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from ..clock import ManualClock, SystemClock
from ..errors import DatabaseClosed, TransactionError, TypeMismatch, shorten
from ..runtime import Logs, Services
from .ids import Ids
from .metering import SAMPLED, Meter, check_slow_ms
from .tables import DatabaseTables
from .transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ..client import Client
    from ..client.taking import Taking
    from ..clock import Clock
    from ..durability import Log
    from ..module import Program, ReducerDeclaration
    from ..runtime.guest.limits import Limits
    from ..runtime.http_policy import HttpPolicy
    from ..runtime.waiting import Waits
    from ..storage.memory import MemoryLimit
    from ..storage.store import Store
    from ..types.values import Identity
    from .clients import ClientPort
    from .following import Follower
    from .queries import Queries
    from .schedules import Schedules
    from .tokens import Authority, TokenKeys
    from .views import Views


class Core:
    """A store, the module that runs on it, and who it belongs to."""

    _log: Log | None
    #: What wakes its procedures when it closes, made with the first of them.
    _waits: Waits | None = None
    #: Which requests its procedures may send.
    _http: HttpPolicy | bool = True
    _path: Path | None = None
    #: The keys it was given for tokens of other issuers.
    _keys: tuple[TokenKeys, ...] = ()
    _authority: Authority | None = None
    _limits: Limits | None = None
    #: Whether another module than its first one may have taken over.
    _was_published = False
    #: How much its tables may hold.
    _memory: MemoryLimit | None = None
    _meter: Meter
    #: What is slow, in milliseconds.
    _slow_ms: float | None = None
    #: Lets it follow a log that another process writes.
    _follower: Follower | None = None

    def _set_up(
        self, program: Program, name: str, clock: Clock, owner: Identity | None, store: Store
    ) -> None:
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
        self._connections: set[Client] = set()
        self._clients: ClientPort | None = None
        #: Thread -> the clients that its commits concern; empty while nobody subscribes.
        self._due: dict[int, list[Taking]] = {}
        self._dispatcher: Any = None
        self._meter = Meter(self, self._slow_ms)
        self._counts = self._meter.counts
        self._untimed = SAMPLED if self._slow_ms is None else 0
        self._by_machine = clock.__class__ is SystemClock
        self._closed = False
        self._is_readonly = False
        self._log = None
        self._queries: Queries | None = None
        self._made_views: Views | None = None
        self._schedules: Schedules | None = None
        self._take_program(program)

    def _take_http(self, http: HttpPolicy | bool) -> None:
        """Let procedures send the requests that `http` allows."""
        if http is not True:
            from ..runtime.http_policy import as_policy

            self._http = as_policy(http)

    def _take_bounds(self, slow_ms: float | None, memory_limit: int | None, name: str) -> None:
        """Note what is slow, and how much the tables may hold."""
        if slow_ms is not None:
            check_slow_ms(slow_ms)
            self._slow_ms = slow_ms
        if memory_limit is None:
            return
        if memory_limit.__class__ is not int or memory_limit < 1:
            raise TypeMismatch(
                "memory_limit is a number of bytes, 1 or more, or None, not "
                f"{shorten(memory_limit)}"
            )
        from ..storage.memory import MemoryLimit as Class

        self._memory = Class(name, memory_limit)

    def _take_limits(self, limits: Limits) -> None:
        """Hold a compiled module to `limits`."""
        from ..runtime.guest.limits import Limits as Class  # only who has limits needs them

        if limits.__class__ is not Class:
            raise TypeMismatch(f"limits is a stdb.Limits, not {shorten(limits)}")
        self._limits = limits

    def _take_program(self, program: Program) -> None:
        """Run `program` from here on."""
        self._use_program(program.bind(self))

    def _use_program(self, bound: Program) -> None:
        """Run a program that runs on this database already."""
        self._program = bound
        self._reducers: dict[str, ReducerDeclaration] = dict(self._program.reducers)
        self._callable = {n: r for n, r in self._reducers.items() if r.lifecycle is None}
        for name in self._callable:
            self._counts.setdefault(name, 0)

    @property
    def _views(self) -> Views:
        """The views at work, made when the first is wanted."""
        if self._made_views is None:
            from .views import Views

            self._made_views = Views(self)
        return self._made_views

    def _start_schedules(self) -> None:
        """Arm the timers of all scheduled rows, anew if the program has changed."""
        self._stop_schedules()
        if any(t.schedule is not None for t in self._program.definition.all_tables().values()):
            from .schedules import Schedules, scheduled_tables

            schedules = Schedules(self, scheduled_tables(self))
            self._schedules = schedules
            schedules.start()

    def _call_soon(self, name: str, args: tuple[Any, ...]) -> None:
        """Call a function as the database itself when no transaction is open; see `Schedules`."""
        if self._schedules is None:
            from .schedules import Schedules

            schedules = Schedules(self, [])
            self._schedules = schedules
            schedules.start()
        self._schedules.call_soon(name, args)

    def _stop_schedules(self) -> None:
        """Fire nothing any more; no thread is left."""
        if self._schedules is not None:
            self._schedules.close()
            self._schedules = None

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

    def describe(self) -> dict[str, Any]:
        """Return what the module has, as plain data: tables with columns and keys, reducers."""
        from .creation import describe

        return describe(self._name, self._identity, self._program.definition)

    def __repr__(self) -> str:
        tables = len(self._store.user_table_names())
        state = "closed" if self._closed else f"{tables} table{'s' * (tables != 1)}"
        return f"<Database {self._name!r}, {state}>"

    def transaction(self, *, readonly: bool = False) -> Transaction:
        """Return a transaction to use in a ``with``: a piece of work without a reducer.

        It commits at the end and is undone on an exception. It ignores rights, like the owner.

        Parameters
        ----------
        readonly : bool
            Whether it only reads: then it runs beside other readers, and writers wait for it.
        """
        return Transaction(self, readonly=readonly)

    def _settle(self) -> None:
        """After a commit: wait for the disk, where the mode asks for that; then tell clients."""
        if self._log is not None:
            self._log.settle()
        if self._due:
            self._dispatcher.deliver()

    def _make_queries(self) -> Queries:
        from .queries import Queries  # the grammar is heavy: read at the first statement

        self._queries = made = Queries(self)
        return made

    def _take_keys(self, keys: TokenKeys | Iterable[TokenKeys]) -> None:
        from .tokens import as_keys  # the machinery of tokens is heavy, and seldom needed

        self._keys = as_keys(keys)

    def _who_vouches(self) -> Authority:
        """Return what verifies and signs its tokens."""
        if self._authority is None:
            from .tokens import Authority

            directory = None if self._path is None else self._path / "keys"
            self._authority = Authority(self._clock, self._keys, directory)
        return self._authority

    def _check_writable(self) -> None:
        self._check_not_closed()
        if self._is_readonly:
            raise TransactionError(
                f"database {self._name!r} was opened with readonly=True; open it without, to "
                "change something"
            )

    def _check_not_closed(self) -> None:
        if self._closed:
            self._refuse_closed()

    def _refuse_closed(self) -> NoReturn:
        raise DatabaseClosed(f"database {self._name!r} is closed")


def refuse_identity(parameter: str, value: object) -> NoReturn:
    """Raise the error for something that is not an identity."""
    hint = "; Identity.from_hex(…) makes one of hex digits" if isinstance(value, str) else ""
    raise TypeMismatch(
        f"{parameter} is an Identity, not {type(value).__name__} {shorten(value)}{hint}",
        expected="Identity",
        got=value,
    )
