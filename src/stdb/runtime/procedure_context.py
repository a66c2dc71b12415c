"""The contexts of procedures and HTTP handlers: what runs outside of any transaction.

A context reaches its database through a `ProcedureCall`: the one place where the transactions of
a procedure begin, commit and are undone, whatever language the procedure is written in.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, Self, TypeVar

from ..errors import TransactionError, TypeMismatch, UnknownName, shorten
from ..storage.sure_exit import SureExit
from ..types.sums import Err
from ..types.values import TimeDuration, Timestamp
from .context import CallContext, ReducerContext

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from types import TracebackType

    from ..sql.result import Result
    from ..storage import Tables
    from ..types.values import ConnectionId, Identity
    from .context import Services
    from .http import AsyncHttpClient, HttpClient

    class ProcedureCall(Protocol):
        """One running procedure, as its database serves it.

        Attributes
        ----------
        is_open : bool
            Whether it has a transaction.
        thread : int
            The thread that began that transaction.
        """

        sender: Identity
        connection_id: ConnectionId | None
        services: Services
        function: str
        is_open: bool
        thread: int

        @property
        def tables(self) -> Tables:
            """The tables of the database."""

        def now(self) -> int:
            """Return the time by the clock of the database, in microseconds."""

        def begin(self) -> int:
            """Begin a transaction and return its time, in microseconds.

            Raises
            ------
            TransactionError
                This thread or this procedure has one already.
            """

        def commit(self) -> None:
            """Commit the transaction. When that fails, everything is undone."""

        def rollback(self) -> None:
            """Undo the transaction and end it."""

        def end(self) -> bool:
            """Undo what this thread left open, and return whether there was something."""

        def check_may_wait(self, what: str) -> None:
            """Raise `TransactionError` when a transaction is open; `what` would wait."""

        def sql(
            self, text: str, params: tuple[Any, ...], named: dict[str, Any], strict: bool
        ) -> Any:
            """Run a statement in the open transaction, as the owner."""

        def wait_until(self, micros: int) -> int:
            """Return when the clock of the database shows `micros`, with what it shows then."""

        async def wait_until_async(self, micros: int) -> int:
            """Return when the clock of the database shows `micros`; the event loop goes on."""

        def http(self) -> HttpClient:
            """Return what sends its requests."""

        def async_http(self) -> AsyncHttpClient:
            """Return what sends its requests beside an event loop."""


T = TypeVar("T")


class TransactionContext(ReducerContext):
    """What ``with ctx.transaction() as tx`` gives a procedure: the context of a reducer.

    It may be passed to a reducer as its ``ctx``. Its `timestamp` is when the transaction began.
    """

    _call: Any = None

    def sql(self, text: str, /, *params: Any, strict: bool = False, **named: Any) -> Result:
        """Run one SQL statement in this transaction, as the owner; see `Database.sql`."""
        call: ProcedureCall = self._call
        result: Result = call.sql(text, params, named, strict)
        return result

    def rollback(self) -> None:
        """Undo everything and end the transaction; the ``with`` goes on without it."""
        call: ProcedureCall = self._call
        call.rollback()


class ProcedureTransaction:
    """What ``ctx.transaction()`` returns, for one ``with``."""

    __slots__ = ("__weakref__", "_begun", "_call", "_guard", "_tables")

    def __init__(self, call: ProcedureCall, tables: Tables) -> None:
        self._call = call
        self._tables = tables
        self._begun = False
        self._guard: object = None

    def __enter__(self) -> TransactionContext:
        if self._begun:
            raise TransactionError("a transaction is used once; ask ctx.transaction() for another")
        call = self._call
        if call.is_open:
            refuse_nested()
        self._begun = True
        micros = call.begin()
        return TransactionContext(
            self._tables,
            call.sender,
            call.connection_id,
            micros,
            call.services,
            call.function,
            None,
            0,
            call,
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        call = self._call
        if call.is_open:
            try:
                if kind is None:
                    call.commit()
            finally:
                self._abandon()
        self._guard = None

    def _abandon(self, _: object = None) -> None:
        """End the transaction if nothing else did: an interrupt came between."""
        self._call.end()


if not TYPE_CHECKING:
    ProcedureTransaction.__exit__ = SureExit(ProcedureTransaction.__exit__)


class _Procedure(CallContext):
    """What both sorts of context share."""

    __slots__ = (
        "_call", "_function", "_http", "_micros", "_random", "_services", "_tables", "_uuid_count",
        "connection_id", "sender",
    )  # fmt: skip

    def __init__(self, call: ProcedureCall, micros: int) -> None:
        self.sender: Identity = call.sender
        self.connection_id: ConnectionId | None = call.connection_id
        self._call = call
        self._tables = call.tables
        self._micros = micros
        self._services = call.services
        self._function = call.function
        self._random: random.Random | None = None
        self._uuid_count = 0
        self._http: Any = None

    @property
    def call(self) -> ProcedureCall:
        """Its transactions one by one, for those that cannot use a ``with``."""
        return self._call

    def transaction(self) -> ProcedureTransaction:
        """Return a transaction to use in a ``with``; one at a time, as many as it takes.

        It commits at the end and is undone on an exception. Other calls come before and after it,
        never between its parts.

        Raises
        ------
        TransactionError
            There is one already.
        """
        return ProcedureTransaction(self._call, self._tables)

    def with_tx(self, body: Callable[[TransactionContext], T]) -> T:
        """Run `body` in a transaction and return what it returns.

        When the transaction cannot be committed (a view that depends on it failed), `body` runs
        once more: it must be fit for that.
        """
        return self._run(body, undo_err=False)

    def try_with_tx(self, body: Callable[[TransactionContext], T]) -> T:
        """Run `body` in a transaction, as `with_tx`; an `Err` that it returns undoes everything."""
        return self._run(body, undo_err=True)

    def _run(self, body: Callable[[TransactionContext], T], *, undo_err: bool) -> T:
        try:
            return self._attempt(body, undo_err=undo_err)
        except _CommitFailed:
            try:
                return self._attempt(body, undo_err=undo_err)
            except _CommitFailed as failed:
                raise failed.error from None

    def _attempt(self, body: Callable[[TransactionContext], T], *, undo_err: bool) -> T:
        returned = False
        try:
            with self.transaction() as tx:
                value = body(tx)
                if undo_err and isinstance(value, Err) and self._call.is_open:
                    tx.rollback()
                returned = True
        except Exception as error:
            if returned:
                raise _CommitFailed(error) from error
            raise
        return value

    def in_namespace(self, namespace: str) -> Self:
        """Return this context for a function of an included module: for its tables alone."""
        inner = type(self)(self._call, self._micros)
        inner._tables = self._tables._namespace(namespace)
        return inner

    if not TYPE_CHECKING:  # to checkers the attribute is simply not there

        def __getattr__(self, name: str) -> NoReturn:
            if name == "db":
                raise UnknownName(
                    "a procedure runs outside of transactions, so it has no ctx.db: write "
                    "`with ctx.transaction() as tx` and use tx.db",
                    unknown=name,
                )
            raise AttributeError(f"the context of a procedure has no attribute {name!r}")

    def _moment_after(self, duration: float | timedelta | TimeDuration) -> int:
        self._call.check_may_wait("sleep")
        return self._call.now() + _span_micros(duration)

    def __repr__(self) -> str:
        return f"<context of {self._function!r} for {self.sender.hex()[:16]}… at {self.timestamp}>"


class ProcedureContext(_Procedure):
    """The first argument of a procedure or an HTTP handler. It has no ``db``: see `transaction`.

    Attributes
    ----------
    sender : Identity
        Who calls: the database itself for a schedule, nobody (all zeros) for an HTTP handler.
    connection_id : ConnectionId or None
        Through which connection; None for schedules and HTTP handlers.

    Examples
    --------
    >>> import stdb
    >>> weather = stdb.Module("weather")
    >>> @weather.table()
    ... class Report(stdb.Row):
    ...     text: str
    >>> @weather.procedure
    ... def measure(ctx: stdb.ProcedureContext, seconds: stdb.f64) -> str:
    ...     ctx.sleep(seconds)  # nobody waits for this one
    ...     with ctx.transaction() as tx:
    ...         tx.db[Report].insert(text="sunny")
    ...     return "sunny"
    >>> stdb.Database(weather).procedures.measure(0.001)
    'sunny'
    """

    __slots__ = ()

    @property
    def http(self) -> HttpClient:
        """What sends HTTP requests: ``ctx.http.get("https://…")``. Not inside a transaction."""
        if self._http is None:
            self._http = self._call.http()
        client: HttpClient = self._http
        return client

    def sleep(self, duration: float | timedelta | TimeDuration) -> None:
        """Wait, for seconds or a span of time; `timestamp` is the present time afterwards.

        A span that is not positive is over at once. With a `ManualClock`, sleeping turns the
        clock.

        Raises
        ------
        TransactionError
            A transaction is open: everybody would wait.
        DatabaseClosed
            The database was closed meanwhile.
        """
        self._micros = self._call.wait_until(self._moment_after(duration))

    def sleep_until(self, moment: Timestamp | datetime) -> None:
        """Wait until a moment (a datetime must be aware), as `sleep`."""
        self._call.check_may_wait("sleep_until")
        self._micros = self._call.wait_until(_moment_micros(moment))


class AsyncProcedureContext(_Procedure):
    """The first argument of an ``async def`` procedure: what may wait is awaited.

    ``await ctx.http.get(…)``, ``await ctx.sleep(…)``; transactions are plain ``with`` blocks, in
    which nothing is awaited.
    """

    __slots__ = ()

    @property
    def http(self) -> AsyncHttpClient:
        """What sends HTTP requests: ``await ctx.http.get("https://…")``."""
        if self._http is None:
            self._http = self._call.async_http()
        client: AsyncHttpClient = self._http
        return client

    async def sleep(self, duration: float | timedelta | TimeDuration) -> None:
        """Wait, as `ProcedureContext.sleep`; other tasks go on."""
        self._micros = await self._call.wait_until_async(self._moment_after(duration))

    async def sleep_until(self, moment: Timestamp | datetime) -> None:
        """Wait until a moment, as `sleep`."""
        self._call.check_may_wait("sleep_until")
        self._micros = await self._call.wait_until_async(_moment_micros(moment))


class _CommitFailed(Exception):  # noqa: N818 - never leaves this file
    """The body was fine; its transaction could not be committed."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def refuse_nested() -> NoReturn:
    """Raise the error for a second transaction of a procedure."""
    raise TransactionError(
        "this procedure has a transaction open already, and transactions do not nest: use the one "
        "that is open, or end it first"
    )


def _span_micros(duration: Any) -> int:
    if isinstance(duration, TimeDuration):
        return duration.micros
    if isinstance(duration, timedelta):
        return TimeDuration.from_timedelta(duration).micros
    if isinstance(duration, int | float) and not isinstance(duration, bool):
        return round(duration * 1_000_000)
    raise TypeMismatch(
        f"sleep takes seconds, a timedelta or a TimeDuration, not {shorten(duration)}", got=duration
    )


def _moment_micros(moment: Any) -> int:
    if isinstance(moment, datetime):
        moment = Timestamp.from_datetime(moment)
    if not isinstance(moment, Timestamp):
        raise TypeMismatch(
            f"sleep_until takes a Timestamp or an aware datetime, not {shorten(moment)}", got=moment
        )
    return moment.micros
