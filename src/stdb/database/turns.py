"""Calls of a `call_many` that a module takes in a row, on a thread of its own.

The thread that called holds the database for all of them and waits; for each, the module begins a
transaction here and ends it here. What a call does otherwise is in `calling`; the two must agree.
"""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import Error

if TYPE_CHECKING:
    from ..module import ReducerDeclaration
    from ..module.functions import Several
    from ..types.values import ConnectionId, Identity
    from .calling import Calls
    from .prepared import PreparedCalls

#: After this time others get a turn: as long as the interpreter lets one thread run, about.
_NANOS_MAX: Final = 2_000_000


class _Begun(NamedTuple):
    """A call that has begun and not ended."""

    args: tuple[Any, ...]
    micros: int
    started: int


class Turn:
    """Runs calls of one reducer in a row."""

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
        self._begun: _Begun | None = None
        self._until = 0

    def take(self, several: Several) -> bool:
        """Have the module run some calls; false where one alone must be run next."""
        before = len(self._outcomes)
        state = self._database._state
        try:
            try:
                state.begin()
                if self._is_possible():
                    self._until = time_ns() + _NANOS_MAX
                    state.lend()
                    try:
                        several.run(self._sender, self._connection, self)
                    except Exception as error:  # noqa: BLE001 - told as that of the call
                        state.take_back()
                        self.end(error)
                    if self._begun is not None:
                        self._calls.put_back()
            finally:
                self._begun = None
                state.take_back()
                state.end()
        finally:
            # As for a single call.
            state.end_if_begun()
        if self._database._due:
            self._database._dispatcher.deliver()
        return len(self._outcomes) > before

    def _is_possible(self) -> bool:
        """Whether nobody has to be told of a transaction on the thread that called.

        And no view has to be computed, for which the module would have to be called meanwhile.
        """
        database, store = self._database, self._database._store
        return (
            database._callable.get(self._declared.name) is self._declared
            and not database._closed
            and not (database._log is not None and database._log.waits)
            and not (store.watched or store.evaluated)
            and store.refresh is None
        )

    # -- on the thread of the module -------------------------------------------------------------

    def begin(self) -> tuple[int, bytes] | None:
        """Open the next transaction; return its time and the encoded arguments, None at the end."""
        started = time_ns()
        if started > self._until or not self._is_possible():
            return None
        ready = self._calls.take_ready()
        if ready is None:
            return None
        args, encoded = ready
        database = self._database
        micros = started // 1000 if database._by_machine else database._micros()
        self._begun = _Begun(args, micros, started)
        database._state.begin_lent(micros)
        return micros, encoded

    def end(self, error: Exception | None) -> None:
        """Commit it, or undo it for this error."""
        if self._begun is None:
            # Nothing had begun.
            assert error is not None
            raise error
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
        except Error as failed:
            database._meter.failed(name, self._sender, micros, started, failed)
            self._outcomes.append(failed)
            return
        database._counts[name] += 1
        if not started & database._untimed:
            database._meter.took(name, self._sender, micros, started)
        self._outcomes.append(None)
