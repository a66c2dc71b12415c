"""Running procedures: their transactions, their limits, and what comes of their failures.

`ProcedureTransactions` is the one place where a running procedure begins, commits and undoes
transactions, whatever language it is written in.
"""

from __future__ import annotations

from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, NoReturn

from ..clock import ManualClock
from ..errors import (
    Error,
    ModuleError,
    ProcedureTimeout,
    TransactionError,
    shorten,
)
from ..runtime import log_panic
from ..runtime.procedure_context import AsyncProcedureContext, ProcedureContext, refuse_nested
from ..runtime.waiting import Deadline, Waits
from ..types.exact import Inexact, exact

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..module.procedures import ProcedureDeclaration
    from ..runtime.http import AsyncHttpClient, HttpClient
    from ..storage import Tables
    from ..types.values import ConnectionId, Identity
    from .core import Core


class ProcedureTransactions:
    """A running procedure, or HTTP handler, as its database serves it.

    It has one transaction at a time. `begin` belongs to the thread that calls it, which also ends
    the transaction; `end` undoes what is left open.
    """

    def __init__(
        self,
        database: Core,
        function: str,
        sender: Identity,
        connection_id: ConnectionId | None,
        deadline: Deadline,
    ) -> None:
        self._database = database
        self._waits = database._waits or _make_waits(database)
        self._state = database._store.state
        self.services = database._services
        self.function = function
        self.sender = sender
        self.connection_id = connection_id
        self.deadline = deadline
        self.is_open = False
        self.thread = 0

    @property
    def tables(self) -> Tables:
        """The tables of the database, to read and write inside a transaction."""
        return self._database._tables

    def now(self) -> int:
        """Return the time by the clock of the database, in microseconds."""
        return self._database._micros()

    # -- transactions ------------------------------------------------------------------------------

    def begin(self) -> int:
        """Begin a transaction and return its time, in microseconds.

        Raises
        ------
        TransactionError
            This thread or this procedure has one already.
        ProcedureTimeout
            The procedure has run too long.
        DatabaseClosed
            The database is closed.
        """
        if self.is_open:
            refuse_nested()
        self.deadline.left()
        self._state.check_not_nested()
        micros = self._database._micros()
        try:
            self.thread = get_ident()
            self._state.begin(micros)
            self.is_open = True
            self._database._check_not_closed()
        except BaseException:
            self._end()
            raise
        return micros

    def commit(self) -> None:
        """Commit the transaction. When that fails, everything is undone.

        Raises
        ------
        TransactionError
            There is none, or it was torn by an interrupt.
        """
        self._check_open()
        try:
            try:
                self.deadline.left()
                self._database._store.commit()
            finally:
                self._end()
        finally:
            # An interrupt may have struck inside the first end: it can be called again.
            self.end()
        self._database._settle()

    def rollback(self) -> None:
        """Undo the transaction and end it."""
        self._check_open()
        self._end()

    def _end(self) -> None:
        self._state.end()
        self.is_open = False

    def end(self) -> bool:
        """Undo what was left open by this thread, and return whether there was something."""
        if not self.is_open or self.thread != get_ident():
            return False
        self._end()
        return True

    def sql(self, text: str, params: tuple[Any, ...], named: dict[str, Any], strict: bool) -> Any:
        """Run a statement in the open transaction, as the owner."""
        self._check_open()
        database = self._database
        queries = database._queries or database._make_queries()
        return queries.run_in(self, text, params, named, None, strict=strict)

    #: What `Queries` asks of a transaction.
    readonly = False

    def _check_open(self) -> None:
        if not self.is_open:
            raise TransactionError("this transaction is over; begin another: ctx.transaction()")
        if self.thread != get_ident():
            raise TransactionError("this transaction belongs to the thread that began it")

    # -- waiting -----------------------------------------------------------------------------------

    def wait_until(self, micros: int) -> int:
        """Return when the clock of the database shows `micros`, with what it shows then."""
        clock = self._database._clock
        waits = self._waits
        waits.check()
        if isinstance(clock, ManualClock):
            self.deadline.left()
            clock.sleep_until(micros)
            return clock.micros()
        while True:
            left = self.deadline.left()
            missing = (micros - clock.micros()) / 1_000_000
            if missing <= 0:
                return clock.micros()
            waits.wait(min(missing, 3600.0) if left is None else min(missing, left))

    async def wait_until_async(self, micros: int) -> int:
        """Return when the clock of the database shows `micros`; the event loop goes on."""
        clock = self._database._clock
        waits = self._waits
        if isinstance(clock, ManualClock):
            await waits.wait_async(0)
            clock.sleep_until(micros)
            return clock.micros()
        while True:
            missing = (micros - clock.micros()) / 1_000_000
            await waits.wait_async(min(missing, 3600.0))
            if missing <= 0:
                return clock.micros()

    def check_may_wait(self, what: str) -> None:
        """Raise `TransactionError` when a transaction is open; `what` would wait."""
        if self.is_open:
            raise TransactionError(
                f"ctx.{what} would hold up everybody while the transaction is open; end it first "
                "(leave its `with`)"
            )

    def http(self) -> HttpClient:
        """Return what sends its requests."""
        from ..runtime.http import HttpClient
        from ..runtime.http_policy import as_policy

        policy = as_policy(self._database._http)
        return HttpClient(policy, self._waits, self.deadline, partial(self.check_may_wait, "http"))

    def async_http(self) -> AsyncHttpClient:
        """Return what sends its requests beside an event loop."""
        from ..runtime.http import AsyncHttpClient

        return AsyncHttpClient(self.http())


def _make_waits(database: Core) -> Waits:
    """Make what wakes the procedures of a database; of two threads that do, one is first."""
    waits: Waits = database.__dict__.setdefault("_waits", Waits(database.name))
    return waits


def run_procedure(
    database: Core,
    declared: ProcedureDeclaration,
    args: tuple[Any, ...],
    sender: Identity,
    connection: ConnectionId | None,
    micros: int | None = None,
) -> Any:
    """Check the arguments and run the procedure; in an event loop, return what to await."""
    args = declared.take(args)
    if not declared.is_async:
        return _perform(database, declared, args, sender, connection, micros)
    import asyncio

    work = _perform_async(database, declared, args, sender, connection, micros)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    return work


def _begin(
    database: Core,
    declared: ProcedureDeclaration,
    sender: Identity,
    connection: ConnectionId | None,
) -> ProcedureTransactions:
    database._check_not_closed()
    database._check_writable()
    database._state.check_not_nested()
    timeout = declared.timeout
    message = f"procedure {declared.name!r} did not return within its timeout of {timeout} s"
    return ProcedureTransactions(
        database, declared.name, sender, connection, Deadline(timeout, message)
    )


def _perform(
    database: Core,
    declared: ProcedureDeclaration,
    args: tuple[Any, ...],
    sender: Identity,
    connection: ConnectionId | None,
    micros: int | None,
) -> Any:
    call = _begin(database, declared, sender, connection)
    micros = database._micros() if micros is None else micros
    ctx = ProcedureContext(call, micros)

    def work() -> Any:
        return _exact(declared, run_alone(call, declared.function, ctx, args))

    with database._meter.measured(declared.name, sender, micros):
        try:
            if declared.timeout is None:
                return work()
            from .limits import run_limited

            return run_limited(work, call.deadline)
        except Exception as error:  # noqa: BLE001 - every failure is reported to the caller
            _failed(database, declared, error)


async def _perform_async(
    database: Core,
    declared: ProcedureDeclaration,
    args: tuple[Any, ...],
    sender: Identity,
    connection: ConnectionId | None,
    micros: int | None,
) -> Any:
    import asyncio

    call = _begin(database, declared, sender, connection)
    micros = database._micros() if micros is None else micros
    ctx = AsyncProcedureContext(call, micros)
    with database._meter.measured(declared.name, sender, micros):
        try:
            async with asyncio.timeout(declared.timeout) as limit:
                value = await run_alone_async(call, declared.function, ctx, args)
            return _exact(declared, value)
        except Exception as error:  # noqa: BLE001 - every failure is reported to the caller
            if isinstance(error, TimeoutError) and limit.expired():
                error = ProcedureTimeout(call.deadline.message)
            _failed(database, declared, error)


def run_alone(
    call: ProcedureTransactions, function: Callable[..., Any], ctx: Any, args: tuple[Any, ...]
) -> Any:
    """Return what a function returns that runs outside of transactions.

    Raises
    ------
    ModuleError
        It left a transaction open, which is undone.
    """
    try:
        try:
            value = function(ctx, *args)
        finally:
            is_dangling = call.end()
    finally:
        # An interrupt may have struck inside the first end: it can be called again.
        call.end()
    if is_dangling:
        _refuse_dangling(call)
    return value


async def run_alone_async(
    call: ProcedureTransactions, function: Callable[..., Any], ctx: Any, args: tuple[Any, ...]
) -> Any:
    """Return what an ``async def`` function returns; as `run_alone`."""
    try:
        try:
            value = await function(ctx, *args)
        finally:
            is_dangling = call.end()
    finally:
        call.end()
    if is_dangling:
        _refuse_dangling(call)
    return value


def _refuse_dangling(call: ProcedureTransactions) -> NoReturn:
    raise ModuleError(
        f"{call.function!r} returned with an open transaction, which was undone; "
        "use `with ctx.transaction() as tx`"
    )


def _exact(declared: ProcedureDeclaration, value: Any) -> Any:
    """Return what the caller gets, exactly of the declared type."""
    try:
        return exact(declared.returns, value)
    except Inexact as error:
        where = f" (at {error.path.lstrip('.')})" if error.path else ""
        said = f"and its annotation says `-> {declared.returns}`"
        if "return" not in getattr(declared.function, "__annotations__", {}):
            said = f"and nothing says that it does; annotate it, as in `-> {_annotation_of(value)}`"
        raise ModuleError(
            f"procedure {declared.name!r} returned {shorten(value)}{where}, {said}"
        ) from None


def _annotation_of(value: Any) -> str:
    """Return the name of a class that is likely meant for a value."""
    return "list[…]" if isinstance(value, list | tuple) else type(value).__name__


def _failed(database: Core, declared: ProcedureDeclaration, error: Exception) -> NoReturn:
    """Log what a procedure raised, and raise what the caller gets."""
    name = declared.name
    if isinstance(error, Error):
        database._logs.system("Error", str(error), function=name)
        raise error
    log_panic(database._logs, name, error)
    raise ModuleError(f"procedure {name!r} broke: {type(error).__name__}: {error}") from error
