"""Calls of a `call_many` that a module takes in a row.

The thread that called holds the database for all of them. For each, the module begins a transaction
here and ends it here: on that thread, or on one of its own while that one waits. What a call does
otherwise is in `calling`; the two must agree.
"""

from __future__ import annotations

from threading import get_ident
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..errors import Error

if TYPE_CHECKING:
    from ..module import ReducerDeclaration
    from ..module.functions import TakeTurn
    from ..types.values import ConnectionId, Identity
    from .calling import Calls
    from .prepared import PreparedCalls

#: After this time others get a turn: less than the 5 ms for which Python lets a thread run.
_NANOS_MAX: Final = 2_000_000


#: Arguments, time and start of a call, the time in microseconds, the start in nanoseconds.
_Call: TypeAlias = tuple[tuple[Any, ...], int, int]


class CallTurn:
    """Runs calls of one reducer in a row; a `Turn` to the module."""

    def __init__(
        self,
        database: Calls,
        declared: ReducerDeclaration,
        calls: PreparedCalls,
        sender: Identity,
        connection: ConnectionId | None,
        outcomes: list[Error | None],
    ) -> None:
        self._database = database
        self._declared = declared
        self._calls = calls
        self._sender = sender
        self._connection = connection
        self._outcomes = outcomes
        #: The call whose transaction is open, and the one that comes after it.
        self._begun: _Call | None = None
        self._next: _Call | None = None
        self._until = 0

    def run(self, take_turn: TakeTurn) -> bool:
        """Have the module run some calls; false where one alone must be run next.

        Raises what no call may raise, as a single call does: an error that is none of ours.
        """
        before = len(self._outcomes)
        state = self._database._state
        if state.thread == get_ident() or get_ident() in state.readers:
            # Each call will say so.
            return False
        try:
            try:
                state.begin()
                if self._is_possible():
                    state.lend()
                    self._let_run(take_turn)
            finally:
                self._begun = self._next = None
                state.take_back()
                state.end()
        finally:
            # As for a single call.
            state.end_if_begun()
        return len(self._outcomes) > before

    def _let_run(self, take_turn: TakeTurn) -> None:
        self._until = monotonic_ns() + _NANOS_MAX
        try:
            take_turn(self._sender, self._connection, self)
        except Error as error:
            # Where no call has begun, the module was ended between two, and has hurt none.
            if self._begun is not None:
                self.end(error)
        for unfinished in (self._begun, self._next):
            if unfinished is not None:
                self._calls.put_back()

    def _is_possible(self) -> bool:
        """Whether nothing has to happen between two calls without the lock.

        Subscribers and those who watch for slow calls are told there, and the disk is waited for.
        And where views are kept, a commit has the module compute them, which it cannot do in the
        middle of a turn.
        """
        database, store = self._database, self._database._store
        return (
            database._callable.get(self._declared.name) is self._declared
            and not database._closed
            and not (database._log is not None and database._log.waits)
            and not store.evaluated
            and store.refresh is None
            and database._slow_ms is None
        )

    # -- what the module calls -------------------------------------------------------------------

    def next(self) -> tuple[int, bytes] | None:
        """Return the time and the encoded arguments of the next call; None when there is none."""
        database = self._database
        if database._state.borrower is None:
            database._state.borrow()
        ready = self._calls.take_ready() if monotonic_ns() < self._until else None
        if ready is None:
            return None
        args, encoded = ready
        started = time_ns()
        micros = started // 1000 if database._by_machine else database._micros()
        self._next = args, micros, started
        return micros, encoded

    def begin(self) -> None:
        """Open the transaction of that call."""
        begun = self._begun = self._next
        assert begun is not None
        self._next = None
        self._database._state.begin_lent(begun[1])

    def end(self, error: Exception | None) -> None:
        """Commit the transaction, or undo it for this error."""
        assert self._begun is not None
        (args, micros, started), self._begun = self._begun, None
        database, declared = self._database, self._declared
        name, log = declared.name, database._log
        try:
            try:
                if error is not None:
                    database._reducer_failed(name, error, micros)
                if log is None:
                    database._store.commit()
                else:
                    parameters = declared.parameters
                    call = (name, parameters, self._sender, self._connection, micros, args)
                    database._store.commit(call)
            finally:
                database._state.end()
        except Exception as failed:
            database._meter.failed(name, self._sender, micros, started, failed)
            if not isinstance(failed, Error):
                raise
            self._outcomes.append(failed)
            return
        database._counts[name] += 1
        if not started & database._untimed:
            database._meter.took(name, self._sender, micros, started)
        self._outcomes.append(None)
