"""Calls by callback: V8's thread takes a call, and asks by calling functions of this process.

This is the way where the two sides cannot run at the same time, on one processor: they would only
wait for each other's turn at the shared memory. V8's thread is kept until a call comes, or until
none came for a while. While JavaScript runs, this process is only asked on that thread, so the one
that made the call sleeps until it has ended.

To change threads twice costs several times as much as a call. So several calls that are known can
be given at once: V8's thread ends each and begins the next.
"""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from . import channel as ch
from .machine import resident_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lane import Operation
    from .v8 import Isolate

#: How long V8's thread waits for the next call.
_PARKED_S: Final = 0.02
#: After which time the caller looks whether a call may go on.
_GLANCE_S: Final = 0.02
NOT_BEGUN: Final = -2


class CallbackSide:
    """The calls of one lane by callback.

    Attributes
    ----------
    act_for : callable
        Runs an operation on V8's thread, for the thread that waits.
    parked : handle
        The function in JavaScript that asks for calls until there are none.
    """

    def __init__(
        self,
        isolate: Isolate,
        operations: list[Operation],
        check: Callable[[float, int], None],
        check_start: Callable[[float], None],
    ) -> None:
        self.act_for: Callable[[Operation], None] = _run
        self.words: memoryview = memoryview(b"")
        self.parked: object = None
        self._isolate = isolate
        self._operations = operations
        self._check = check
        self._check_start = check_start
        self._failure: BaseException | None = None
        self._jobs: SimpleQueue[bool] = SimpleQueue()
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._is_parked = False
        # In a turn: ends a call, if one has run, and begins the next; false when there is none.
        self._go_on: Callable[[bool], bool] | None = None
        self._is_between = False

    def run(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Run the call that lies in the shared memory, and wait until it has ended.

        What `meanwhile` does is done while it begins. Raises what an operation raised, and what the
        two checks raise.
        """
        self._hand_over()
        if meanwhile is not None:
            meanwhile()
        self._wait()

    def take_turn(self, go_on: Callable[[bool], bool]) -> None:
        """Run one call after the other, and wait until the last has ended; raises as `run`.

        `go_on` is called on V8's thread: it puts the next call into the shared memory and says
        whether there is one. It is told whether one has ended.
        """
        self._go_on = go_on
        try:
            self._hand_over()
            self._wait()
        finally:
            self._go_on = None

    def close(self) -> None:
        """Let V8's thread go."""
        self._jobs.put(False)

    # -- the thread that calls ---------------------------------------------------------------------

    def _hand_over(self) -> None:
        self._failure = None
        self.words[ch.A1] = NOT_BEGUN
        self._jobs.put(True)
        if not self._is_parked:
            self._isolate.forget_results()
            self._is_parked = True
            self._isolate.start(self.parked)

    def _wait(self) -> None:
        began, memory = time.monotonic(), 0
        while True:
            try:
                self._ended.get(timeout=_GLANCE_S)
            except Empty:
                has_ended = False
            else:
                has_ended = True
            if self._failure is not None:
                raise self._failure
            if has_ended:
                return
            if self._is_between:
                # The next call may take its time after that.
                began, memory = time.monotonic(), 0
                continue
            if self.words[ch.A1] == NOT_BEGUN:
                self._check_start(began)
            memory = memory or resident_memory()
            self._check(began, memory)

    # -- V8's thread -------------------------------------------------------------------------------

    def answer(self) -> None:
        """Do what JavaScript asks, on its own thread, for the one that waits."""
        words = self.words
        asked = words[ch.REQUEST]
        # Before anything else: the next call may go through shared memory and wait for a request.
        words[ch.REQUEST] = 0
        try:
            if asked == ch.DONE:
                words[ch.JOB_STATE] = self._next_call(has_ended=bool(words[ch.JOB_STATE]))
            elif self._go_on is not None:
                # The transaction is this thread's own.
                self._operations[asked]()
            else:
                self.act_for(self._operations[asked])
        except BaseException as error:  # noqa: BLE001 - raised on the thread that waits
            self._failure = error
            # Nothing more happens in this isolate: who waits ends it.
            words[ch.STATUS] = ch.STOP
            if asked == ch.DONE:
                words[ch.JOB_STATE] = False

    def _next_call(self, *, has_ended: bool) -> bool:
        """Wait for a call; False when none came for a while, or none will."""
        if has_ended:
            if self._has_next(has_ended=True):
                return True
            self._ended.put(None)
        while self._take_job():
            if self._go_on is None or self._has_next(has_ended=False):
                return True
            self._ended.put(None)
        return False

    def _has_next(self, *, has_ended: bool) -> bool:
        """Whether the turn goes on with another call."""
        go_on = self._go_on
        if go_on is None:
            return False
        self._is_between = True
        try:
            return go_on(has_ended)
        finally:
            self._is_between = False

    def _take_job(self) -> bool:
        try:
            return self._jobs.get(timeout=_PARKED_S)
        except Empty:
            self._is_parked = False
        # One may have come between the two lines above, and found this thread parked.
        try:
            job = self._jobs.get_nowait()
        except Empty:
            return False
        self._is_parked = True
        return job


def _run(operation: Operation) -> None:
    operation()
