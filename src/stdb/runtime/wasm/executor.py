"""A module at work on one database: which lane runs what.

Reducers and views run inside transactions, one after the other, on one instance. A procedure may
wait, and others may run meanwhile: each has a lane for itself, out of a pool. Nothing that a module
keeps in its memory goes from one to the other.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from ...errors import DecodeError, ModuleError, ReducerError, TypeMismatch
from ..guest.host import Host
from ..guest.limits import Limits
from ..guest.messages import decode_response, encode_request
from ..guest.pool import Pool
from . import abi
from .engine import engine
from .lane import Lane
from .module import CompiledModule

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...module.messages import Request, Response
    from ...storage.read_set import ReadSet
    from ...types.values import ConnectionId, Identity
    from ..procedure_context import ProcedureContext

_WITH_HEADER: Final = 2


class Compiled:
    """The bytes of a module, compiled for each kind of engine that is asked for, once."""

    def __init__(self, program: bytes) -> None:
        self._program = program
        self._modules: dict[bool, CompiledModule] = {}

    def module(self, limits: Limits) -> CompiledModule:
        """Return the module, compiled so that these limits can be kept."""
        ticks = engine(has_fuel=False).ticks
        # It was asked for, or time cannot be told.
        has_fuel = limits.fuel is not None or (not ticks and limits.time_s is not None)
        if has_fuel not in self._modules:
            self._modules[has_fuel] = CompiledModule(engine(has_fuel=has_fuel), self._program)
        return self._modules[has_fuel]


class WasmExecutor:
    """A WebAssembly module at work on one database; see `Executor` for its methods."""

    def __init__(self, compiled: Compiled, database: Any) -> None:
        self._limits: Limits = database._limits or Limits()
        self._module = compiled.module(self._limits)
        self._host = Host(database)
        self._main = Lane(self._module, self._host, self._limits)
        # Statements of several threads may compute views at the same time.
        self._views = Lock()
        self._pool = Pool(self._new_lane, Lane.stop)

    def call_reducer(
        self,
        number: int,
        name: str,
        sender: Identity,
        connection: ConnectionId | None,
        micros: int,
        args: bytes,
        meanwhile: Callable[[], None] | None = None,  # noqa: ARG002 - nobody waits here
    ) -> None:
        """Run a reducer in the open transaction."""
        code, written = self._main.call_reducer(number, name, sender, connection, micros, args)
        if code:
            message = b"".join(written).decode(errors="replace")
            if code == 1:
                raise ReducerError(message)
            raise ModuleError(_code_message(f"reducer {name!r}", code, message))

    def turn_taker(self, _number: int, _name: str) -> None:
        """Return nothing: one call after the other is as quick."""

    def call_view(
        self, number: int, name: str, sender: Identity | None, reads: ReadSet | None
    ) -> tuple[bytes, bool]:
        """Run a view in the open transaction."""
        self._check_export(abi.ANONYMOUS_VIEW if sender is None else abi.VIEW, f"view {name!r}")
        with self._views:
            code, written = self._main.call_view(number, name, sender, reads)
        if code not in (0, _WITH_HEADER):
            raise ModuleError(
                _code_message(f"view {name!r}", code, written.decode(errors="replace"))
            )
        return written, code == _WITH_HEADER

    def call_procedure(self, number: int, name: str, ctx: ProcedureContext, args: bytes) -> bytes:
        """Run a procedure, outside of any transaction."""
        self._check_export(abi.PROCEDURE, f"procedure {name!r}")
        lane = self._pool.take()
        code, written = lane.call_procedure(number, name, ctx, args)
        self._host.end_transaction(ctx, name)
        if code:
            lane.stop()
            message = written.decode(errors="replace")
            raise ModuleError(_code_message(f"procedure {name!r}", code, message))
        self._pool.give_back(lane)
        return written

    def call_handler(
        self, number: int, name: str, ctx: ProcedureContext, request: Request
    ) -> Response:
        """Answer an HTTP request, outside of any transaction."""
        what = f"HTTP handler {name!r}"
        self._check_export(abi.HTTP_HANDLER, what)
        lane = self._pool.take()
        code, written, body = lane.call_handler(
            number, name, ctx, encode_request(request), request.body
        )
        self._host.end_transaction(ctx, name)
        if code:
            lane.stop()
            raise ModuleError(_code_message(what, code, written.decode(errors="replace")))
        self._pool.give_back(lane)
        try:
            return decode_response(written, body)
        except (DecodeError, TypeMismatch) as error:
            raise ModuleError(f"{what} answered what is no response: {error}") from error

    def _new_lane(self) -> Lane:
        return Lane(self._module, self._host, self._limits, gives_way=True)

    def _check_export(self, export: str, what: str) -> None:
        if export not in self._module.exports:
            raise ModuleError(f"the module defines {what}, but does not export {export}")

    def close(self) -> None:
        """End it. A procedure that still runs ends its own lane."""
        self._main.stop()
        self._pool.close()


def _code_message(what: str, code: int, message: str) -> str:
    return f"{what} broke: it returned the code {code}" + (f": {message}" if message else "")
