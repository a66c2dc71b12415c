"""A worker: a lane with a module loaded into it and a database behind its syscalls."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any

from ...errors import ModuleError, PublishError, ReducerError
from . import channel as ch
from .host_calls import HostCalls
from .lane import (
    ANONYMOUS_VIEW,
    DESCRIBE,
    EXCEPTION,
    HANDLER,
    OK,
    PROCEDURE,
    REDUCER,
    USER_ERROR,
    VIEW,
    Lane,
    LaneError,
    NotStarted,
)  # fmt: skip
from .operations import DatastoreOperations
from .stacks import Thrown, thrown

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...errors import Error
    from ...module.functions import Turn
    from ...storage.read_set import ReadSet
    from ..guest.host import Host
    from ..guest.limits import Limits
    from ..procedure_context import ProcedureContext
    from .bundle import Bundle
    from .lane import Operation


class Worker:
    """A module in an isolate of its own, that runs one function at a time.

    Raises
    ------
    PublishError
        The module breaks when it is loaded.
    """

    def __init__(self, bundle: Bundle, host: Host | None, limits: Limits) -> None:
        self._bundle = bundle
        self._host = host
        self._lane = lane = Lane(limits)
        self._datastore = DatastoreOperations(lane, None if host is None else host.catalog)
        self._calls = HostCalls(lane, host, bundle, self._datastore)
        lane.callbacks.act_for = self._act_for
        operations = {**self._datastore.by_number(), **self._calls.by_number()}
        report = lane.load(bundle, operations)
        if report is not None:
            lane.close()
            raise PublishError(f"the module breaks when it is loaded: {self._thrown(report)}")

    def _act_for(self, operation: Operation) -> None:
        """Run a syscall on V8's thread, for the thread whose transaction it belongs to."""
        if (
            self._host is None
            or not self._datastore.is_writable
            or self._calls.procedure is not None
        ):
            operation()
            return
        state = self._host.state
        waiting = state.thread
        state.thread = get_ident()
        try:
            operation()
        finally:
            state.thread = waiting

    @property
    def is_lost(self) -> bool:
        """Whether V8 cannot go on here: another worker must take its place."""
        return self._lane.is_lost

    def describe(self) -> bytes:
        """Return the module's definition, as it gives it."""
        status, result = self._lane.call(DESCRIBE)
        if status != OK:
            shown = self._thrown(result.decode(errors="replace"))
            raise PublishError(f"the module cannot describe itself: {shown}")
        return result

    def reducer(
        self,
        number: int,
        name: str,
        sender: int,
        connection: int,
        micros: int,
        args: bytes,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Run a reducer in the open transaction; `meanwhile` as in `Lane.call`.

        Raises
        ------
        ReducerError
            It refused; a `ModuleError` when it broke.
        NotStarted
            It did not run: another worker must take it.
        """
        datastore = self._datastore
        self._calls.function = name
        datastore.is_open = datastore.is_writable = True
        try:
            status, result = self._lane.call(
                REDUCER, number, sender, connection, micros, args, 0, meanwhile
            )
        except NotStarted:
            raise
        except LaneError as error:
            raise ModuleError(f"reducer {name!r} broke: {error}") from None
        finally:
            self._calls.function = None
            datastore.is_open = datastore.is_writable = False
            if datastore.iterators or self._calls.timers:
                self._finish(name)
        if status != OK:
            raise self._reducer_error(name, status, result)

    def take_turn(self, number: int, name: str, sender: int, connection: int, turn: Turn) -> None:
        """Run a reducer for each call of a turn.

        Raises
        ------
        ModuleError
            It broke in the call that was begun last, and that did not end.
        NotStarted
            The call that was begun last did not run.
        """
        datastore, calls = self._datastore, self._calls

        def end(status: int, result: bytes) -> None:
            if datastore.iterators or calls.timers:
                self._finish(name)
                open_up()
            turn.end(None if status == OK else self._reducer_error(name, status, result))

        def open_up() -> None:
            calls.function = name
            datastore.is_open = datastore.is_writable = True

        open_up()
        try:
            self._lane.take_turn(REDUCER, number, sender, connection, turn.next, turn.begin, end)
        except NotStarted:
            raise
        except LaneError as error:
            raise ModuleError(f"reducer {name!r} broke: {error}") from None
        finally:
            self._finish(name)

    def _reducer_error(self, name: str, status: int, result: bytes) -> Error:
        """Return what the caller of a reducer gets that failed."""
        if status == USER_ERROR:
            return ReducerError(result.decode(errors="replace"))
        return self._broke(f"reducer {name!r}", result)

    def view(
        self, number: int, name: str, sender: int | None, reads: ReadSet | None
    ) -> tuple[bytes, bool]:
        """Run a view in the open transaction; return its result, and whether a header begins it.

        Raises
        ------
        ModuleError
            It failed.
        NotStarted
            It did not run: another worker must take it.
        """
        kind = ANONYMOUS_VIEW if sender is None else VIEW
        self._datastore.begin(writable=False, reads=reads)
        result = self._run(kind, f"view {name!r}", name, number, sender or 0)
        return result, bool(self._lane.words[ch.R0])

    def procedure(self, number: int, name: str, ctx: ProcedureContext, args: bytes) -> bytes:
        """Run a procedure outside of any transaction, and return its encoded value.

        Raises
        ------
        ModuleError
            It failed.
        """
        self._calls.procedure = ctx.call
        connection = 0 if ctx.connection_id is None else ctx.connection_id.value
        return self._run(
            PROCEDURE, f"procedure {name!r}", name, number,
            ctx.sender.value, connection, ctx.timestamp.micros, args,
        )  # fmt: skip

    def handler(
        self, number: int, name: str, ctx: ProcedureContext, request: bytes, body: bytes
    ) -> tuple[bytes, bytes]:
        """Answer an HTTP request outside of any transaction; return the response and its body.

        Raises
        ------
        ModuleError
            It failed.
        """
        self._calls.procedure = ctx.call
        result = self._run(
            HANDLER, f"HTTP handler {name!r}", name, number,
            0, 0, ctx.timestamp.micros, request + body, len(request),
        )  # fmt: skip
        size = self._lane.words[ch.R0]
        return result[:size], result[size:]

    def _run(self, kind: int, what: str, name: str, number: int, *rest: Any) -> bytes:
        """Run a function whose failures are all alike, and return its result."""
        self._calls.function = name
        try:
            status, result = self._lane.call(kind, number, *rest)
        except NotStarted:
            raise
        except LaneError as error:
            raise ModuleError(f"{what} broke: {error}") from None
        finally:
            self._finish(name)
        if status == USER_ERROR:
            raise ModuleError(f"{what} failed: {result.decode(errors='replace')}")
        if status == EXCEPTION:
            raise self._broke(what, result)
        return result

    def _finish(self, name: str) -> None:
        """Let go of what a call left open."""
        left = self._datastore.end() + self._calls.end()
        if left and self._host is not None:
            self._host.log(
                1, f"{left} iterators or timers were left open and are closed", function=name
            )

    # -- what went wrong -----------------------------------------------------------------------

    def _thrown(self, report: str) -> Thrown:
        return thrown(report, self._bundle.first_column, self._bundle.source_map)

    def _broke(self, what: str, result: bytes) -> ModuleError:
        """Return the error for an exception that the module did not mean for its caller."""
        return ModuleError(f"{what} broke: {self._thrown(result.decode(errors='replace'))}")

    def close(self) -> None:
        """End the isolate."""
        self._lane.close()
