"""The syscalls that are not about tables: console, time, who calls, procedures.

Source: SpacetimeDB's ABI for modules in JavaScript, ``spacetime:sys`` 1.0 to 2.1.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ...errors import DecodeError, Error, HttpError, TypeMismatch
from ..guest import errno
from ..guest.host import timing_message
from ..guest.messages import decode_request, encode_response
from . import channel as ch
from .stacks import frames_of

if TYPE_CHECKING:
    from ..guest.host import Host
    from ..procedure_context import ProcedureCall
    from .bundle import Bundle
    from .lane import Lane, Operation
    from .operations import DatastoreOperations


class HostCalls:
    """The syscalls of one lane on its database and the world.

    Attributes
    ----------
    function : str or None
        What runs, for the log.
    procedure : ProcedureCall or None
        The procedure that runs, which opens and ends transactions; None in other functions.
    """

    def __init__(
        self, lane: Lane, host: Host | None, bundle: Bundle, datastore: DatastoreOperations
    ) -> None:
        self._lane = lane
        self._words = lane.words
        self._wide = lane.wide
        self._host = host
        self._bundle = bundle
        self._datastore = datastore
        self.timers: dict[int, tuple[str, float]] = {}
        self._last_timer = 0
        self.function: str | None = None
        self.procedure: ProcedureCall | None = None

    def by_number(self) -> dict[int, Operation]:
        """Return the operations under the numbers that ``syscalls.js`` gives them."""
        return {
            4: self._explain,
            19: self._schedule,
            20: self._log,
            21: self._start_timer,
            22: self._end_timer,
            23: self._identity,
            24: self._claims,
            25: self._start_transaction,
            26: self._commit,
            27: self._abort,
            28: self._request,
        }

    def end(self) -> int:
        """Take note that the call is over; return how many timers were left."""
        self.function = self.procedure = None
        left = len(self.timers)
        if left:
            self.timers.clear()
        return left

    # -- small things --------------------------------------------------------------------------

    def _explain(self) -> None:
        """Refuse with a number that JavaScript itself found."""
        self._datastore.refuse(self._words[ch.A0])

    def _schedule(self) -> None:
        words = self._words
        given, length = self._lane.given(), words[ch.A1]
        if self._host is not None:
            self._host.schedule(given[:length].decode(), given[length:])

    def _identity(self) -> None:
        number = bytes(32) if self._host is None else self._host.identity
        for lane in range(4):
            part = number[8 * lane : 8 * lane + 8]
            self._wide[ch.WIDE + lane] = int.from_bytes(part, "little")

    def _claims(self) -> None:
        if self._host is None or not self._datastore.is_open:
            self._datastore.refuse(errno.NOT_IN_TRANSACTION)
            return
        low, high = self._wide[ch.WIDE], self._wide[ch.WIDE + 1]
        self._lane.give((self._host.jwt(high << 64 | low) or "").encode())

    # -- the console ---------------------------------------------------------------------------

    def _log(self) -> None:
        """Write a record; its place is the line that called the console, not the console's own."""
        words = self._words
        level, length = words[ch.A1], words[ch.A2]
        given = self._lane.given()
        frames = frames_of(given[length:].decode(errors="replace"), self._bundle.first_column, None)
        caller = frames[1] if len(frames) > 1 else frames[0] if frames else None
        self._write(
            level,
            given[:length].decode(errors="replace"),
            filename=None if caller is None else caller.file,
            line_number=None if caller is None else caller.line,
        )

    def _write(self, level: int, message: str, **place: Any) -> None:
        if self._host is not None:
            self._host.log(level, message, function=self.function, **place)

    def _start_timer(self) -> None:
        self._last_timer += 1
        self.timers[self._last_timer] = (self._lane.given().decode(), time.perf_counter())
        self._words[ch.R0] = self._last_timer

    def _end_timer(self) -> None:
        timer = self.timers.pop(self._words[ch.A1], None)
        if timer is None:
            self._datastore.refuse(errno.NO_SUCH_CONSOLE_TIMER)
            return
        name, began = timer
        self._write(2, timing_message(name, time.perf_counter() - began))

    # -- procedures ------------------------------------------------------------------------------

    def _start_transaction(self) -> None:
        if self.procedure is None or self.procedure.is_open:
            self._datastore.refuse(errno.WOULD_BLOCK_TRANSACTION)
            return
        self._wide[ch.WIDE] = self.procedure.begin()
        self._datastore.begin(writable=True)

    def _commit(self) -> None:
        if self.procedure is None or not self.procedure.is_open:
            self._datastore.refuse(errno.TRANSACTION_NOT_ANONYMOUS)
            return
        self._datastore.end()
        try:
            self.procedure.commit()
        except Error as error:
            # A view that reads what changed has failed: the module may try again.
            self._datastore.refuse(ch.FAILED, str(error))

    def _abort(self) -> None:
        if self.procedure is None or not self.procedure.is_open:
            self._datastore.refuse(errno.TRANSACTION_NOT_ANONYMOUS)
            return
        self._datastore.end()
        self.procedure.rollback()

    def _request(self) -> None:
        words = self._words
        given, length = self._lane.given(), words[ch.A1]
        try:
            wanted = decode_request(given[:length], given[length:])
        except DecodeError as error:
            self._datastore.refuse(ch.TYPE_ERROR, f"failed to decode http request: {error}")
            return
        except TypeMismatch as error:
            self._datastore.refuse(errno.HTTP_ERROR, str(error))
            return
        if self.procedure is None or self.procedure.is_open:
            self._datastore.refuse(errno.WOULD_BLOCK_TRANSACTION)
            return
        try:
            response = self.procedure.http().send(wanted.request, wanted.timeout_s)
        except HttpError as error:
            self._datastore.refuse(errno.HTTP_ERROR, str(error))
            return
        head = encode_response(response)
        self._lane.give(head + response.body)
        words[ch.R0] = len(head)
