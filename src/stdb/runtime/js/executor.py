"""A bundle at work on one database: which worker runs what.

Reducers and views run inside transactions, one after the other, in one isolate, whose globals last.
A procedure may wait, and others may run meanwhile: each has an isolate for itself, out of a pool.
Nothing that a module keeps in its globals goes from one to the other.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import DecodeError, ModuleError, TypeMismatch
from ..guest.host import Host
from ..guest.limits import Limits
from ..guest.messages import decode_response, encode_request
from ..guest.pool import Pool
from .lane import NotStarted
from .worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...module.functions import TakeTurn, Turn
    from ...module.messages import Request, Response
    from ...storage.read_set import ReadSet
    from ...types.values import ConnectionId, Identity
    from ..procedure_context import ProcedureContext
    from .bundle import Bundle

T = TypeVar("T")


class JavaScriptExecutor:
    """A bundle at work on one database; see `Executor` for its methods."""

    def __init__(self, bundle: Bundle, database: Any) -> None:
        self._bundle = bundle
        self._host = Host(database)
        self._limits: Limits = database._limits or Limits()
        self._main: Worker | None = self._new_worker()
        # Statements of several threads may compute views at the same time.
        self._views = Lock()
        self._pool = Pool(self._new_worker, Worker.close)

    def call_reducer(
        self,
        number: int,
        name: str,
        sender: Identity,
        connection: ConnectionId | None,
        micros: int,
        args: bytes,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Run a reducer in the open transaction."""
        caller = 0 if connection is None else connection.value
        worker = self._main or self._main_worker()
        try:
            worker.reducer(number, name, sender.value, caller, micros, args, meanwhile)
        except NotStarted:
            worker = self._main_worker()
            worker.reducer(number, name, sender.value, caller, micros, args, meanwhile)

    def turn_taker(self, number: int, name: str) -> TakeTurn:
        """Return what runs the calls of a turn."""
        return partial(self._take_turn, number, name)

    def _take_turn(
        self, number: int, name: str, sender: Identity, connection: ConnectionId | None, turn: Turn
    ) -> None:
        """Run a reducer for each call of a turn."""
        caller = 0 if connection is None else connection.value
        # It goes back to the turn where nothing begins: to be run alone, in another worker.
        with suppress(NotStarted):
            self._main_worker().take_turn(number, name, sender.value, caller, turn)

    def call_view(
        self, number: int, name: str, sender: Identity | None, reads: ReadSet | None
    ) -> tuple[bytes, bool]:
        """Run a view in the open transaction."""
        asker = None if sender is None else sender.value
        with self._views:
            try:
                return self._main_worker().view(number, name, asker, reads)
            except NotStarted:
                return self._main_worker().view(number, name, asker, reads)

    def call_procedure(self, number: int, name: str, ctx: ProcedureContext, args: bytes) -> bytes:
        """Run a procedure, outside of any transaction."""
        return self._apart(ctx, name, lambda worker: worker.procedure(number, name, ctx, args))

    def call_handler(
        self, number: int, name: str, ctx: ProcedureContext, request: Request
    ) -> Response:
        """Answer an HTTP request, outside of any transaction."""
        asked = encode_request(request)
        head, body = self._apart(
            ctx, name, lambda worker: worker.handler(number, name, ctx, asked, request.body)
        )
        try:
            return decode_response(head, body)
        except (DecodeError, TypeMismatch) as error:
            raise ModuleError(
                f"HTTP handler {name!r} answered what is no response: {error}"
            ) from error

    # -- workers ---------------------------------------------------------------------------------

    def _new_worker(self) -> Worker:
        return Worker(self._bundle, self._host, self._limits)

    def _main_worker(self) -> Worker:
        """Return the worker of reducers and views; anew, if V8 could not go on in the last one."""
        worker = self._main
        if worker is not None and worker.is_lost:
            worker.close()
            worker = None
        if worker is None:
            worker = self._main = self._new_worker()
        return worker

    def _apart(self, ctx: ProcedureContext, name: str, run: Callable[[Worker], T]) -> T:
        """Run a procedure or handler in a worker of its own; one that failed is not used again."""
        worker = self._pool.take()
        try:
            try:
                result = run(worker)
            except NotStarted:
                worker.close()
                worker = self._new_worker()
                result = run(worker)
        except BaseException:
            self._host.end_transaction(ctx, name)
            worker.close()
            raise
        self._host.end_transaction(ctx, name)
        self._pool.give_back(worker)
        return result

    def close(self) -> None:
        """End it. A procedure that still runs ends its own worker."""
        worker, self._main = self._main, None
        if worker is not None:
            worker.close()
        self._pool.close()
