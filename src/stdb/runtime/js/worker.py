"""A worker: a lane with a module loaded into it and a database behind its syscalls."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING

from ...errors import ModuleError, PublishError, ReducerError
from .host_calls import HostCalls
from .lane import DESCRIBE, EXCEPTION, OK, REDUCER, USER_ERROR, Lane, LaneError, NotStarted
from .operations import DatastoreOperations
from .stacks import Thrown, thrown

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..guest.host import Host
    from ..guest.limits import Limits
    from .bundle import Bundle


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
        lane.act_for = self._act_for
        operations = {**self._datastore.by_number(), **self._calls.by_number()}
        report = lane.load(bundle.function, operations)
        if report is not None:
            lane.close()
            raise PublishError(f"the module breaks when it is loaded: {self._thrown(report)}")

    def _act_for(self, operation: Callable[[], None]) -> None:
        """Run a syscall on V8's thread, for the thread whose transaction it belongs to."""
        if self._host is None or not self._datastore.is_writable or self._calls.procedure is not None:
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
        self, number: int, name: str, sender: int, connection: int, micros: int, args: bytes
    ) -> None:
        """Run a reducer in the open transaction.

        Raises
        ------
        ReducerError
            It refused; a `ModuleError` when it broke.
        """
        datastore, calls = self._datastore, self._calls
        calls.function = name
        datastore.begin(writable=True)
        try:
            status, result = self._lane.call(REDUCER, number, sender, connection, micros, args)
        except NotStarted:
            raise
        except LaneError as error:
            raise self._ended(f"reducer {name!r}", error) from None
        finally:
            self._finish(name)
        if status == USER_ERROR:
            raise ReducerError(result.decode(errors="replace"))
        if status == EXCEPTION:
            raise self._broke(f"reducer {name!r}", result)

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

    def _ended(self, what: str, error: LaneError) -> ModuleError:
        """Return the error for a call that was ended by force."""
        return ModuleError(f"{what} broke: {error}")

    def close(self) -> None:
        """End the isolate."""
        self._lane.close()
