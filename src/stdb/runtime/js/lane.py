"""A lane: one isolate with a module in it, and the calls that go in and out.

A call is written into the shared memory (see `channel`), and the thread that made it stays at the
memory and does what the module asks, until it has ended. The loop in JavaScript that takes calls
ends when none came for a while; the next call starts it again.

Where the two sides cannot run at the same time, on one processor, they would only wait for each
other's turn: there a call is a plain call of a function, and what the module asks comes by callback
on V8's thread, which acts for the one that waits.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import time
from contextlib import suppress
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import get_ident
from typing import TYPE_CHECKING, Final

from . import channel as ch
from .v8 import Isolate, ScriptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..guest.limits import Limits

DESCRIBE, REDUCER, VIEW, ANONYMOUS_VIEW, PROCEDURE, HANDLER, NOTHING = range(7)
OK, USER_ERROR, EXCEPTION = range(3)

#: The parts of the JavaScript side, which make one function.
_SHIM: Final = ("crossing", "text", "arguments", "syscalls", "calls", "globals")
#: After which time the caller looks whether a call by callback may go on.
_GLANCE_S: Final = 0.02
#: A call is slow from here on. After so many in a row some empty ones are tried, and if those are
#: slow too, calls go by callback for a while.
_SLOW_S: Final = 0.001
_SLOW_MAX: Final = 32
_PROBES: Final = 8
_CALLBACKS_S: Final = 10.0
#: How long V8 may take to begin a call.
_START_S: Final = 2.0
_NOT_BEGUN: Final = -2
#: How long the end of a call by force may take.
_END_S: Final = 2.0
#: How often the memory is looked at before the processor is given away, and then for how long.
_LOOKS_MAX: Final = 3000
_YIELDS_MAX: Final = 200
_NAP_S: Final = 1e-6
#: How many naps lie between two looks at the clock.
_NAPS_PER_CHECK: Final = 16
_STEPS_PER_CHECK: Final = 1 << 16
_PR_SET_TIMERSLACK: Final = 29
_give_way = getattr(os, "sched_yield", partial(time.sleep, 0))
#: Senders and connections that JavaScript remembers by number; beyond that, numbers begin again.
_REMEMBERED_MAX: Final = 65_536


class LaneError(Exception):
    """A call that was ended by force."""


class NotStarted(LaneError):  # noqa: N818 - never leaves this package
    """A call did not begin: promises without end, which an earlier one left, keep V8 busy."""


class Lane:
    """One isolate, ready to run calls of a module; for one thread at a time.

    Attributes
    ----------
    words : memoryview
        The words of the shared memory.
    memory : memoryview
        All of it, in bytes.
    is_lost : bool
        Whether V8 cannot go on in this isolate: another must take its place.
    """

    def __init__(self, limits: Limits) -> None:
        self.is_lost = False
        self.act_for: Callable[[Callable[[], None]], None] = _run
        self._limits = limits
        self._isolate = Isolate()
        self._isolate.limit_memory(limits.memory_bytes)
        shim = self._isolate.evaluate(_shim())
        sizes = [self._isolate.number(size) for size in (ch.DATA_SIZE, ch.JOB_SIZE)]
        made = self._isolate.call(shim, *sizes, self._isolate.function(self._answer))
        memory = self._isolate.memory(self._isolate.item(made, "buffer"))
        self._isolate.call(self._isolate.function(_want_short_naps))
        self._functions = {
            name: self._isolate.item(made, name)
            for name in ("loop", "single", "begin", "loaded", "failed")
        }
        self.words = memory.cast("i")
        self.wide = memory[: ch.WORDS_SIZE].cast("Q")
        self.memory = memory
        self._times = memory.cast("q")
        self._task: int | None = None
        self._failure: BaseException | None = None
        self._finished: SimpleQueue[None] = SimpleQueue()
        self._number = 0
        self._slow_in_a_row = 0
        self._last_slow = -1
        self._callbacks_until = 0.0
        self._senders: dict[int, int] = {}
        self._connections: dict[int, int] = {}
        self._pushed = bytearray()
        self._long = b""
        self._operations: list[Callable[[], None]] = [self._push] * 64
        self._operations[2] = self._push
        self._operations[3] = self._fetch

    # -- loading -----------------------------------------------------------------------------------

    def load(self, function: str, operations: dict[int, Callable[[], None]]) -> str | None:
        """Evaluate a module, given as a function; return what it threw, if it did.

        The text is ``name NUL message NUL stack``.
        """
        for number, operation in operations.items():
            self._operations[number] = operation
        isolate = self._isolate
        self.words[ch.BY_CALLBACK] = 1
        self._failure = None
        try:
            module = isolate.evaluate(function)
            isolate.call(self._functions["begin"], module)
            state = isolate.call(self._functions["loaded"])
            if state == 2:
                return str(isolate.call(self._functions["failed"]))
        except ScriptError as error:
            return f"SyntaxError\0{error}\0"
        finally:
            self.words[ch.BY_CALLBACK] = not can_run_beside()
        if state == 0:
            return "TypeError\0module has top-level await and is pending\0"
        return None

    # -- calls -------------------------------------------------------------------------------------

    def call(
        self,
        kind: int,
        id: int = 0,
        sender: int = 0,
        connection: int = 0,
        micros: int = 0,
        args: bytes = b"",
        split: int = 0,
    ) -> tuple[int, bytes]:
        """Run a function of the module; return how it ended, and its result or its error's text.

        Raises
        ------
        LaneError
            It was ended by force.
        """
        words = self.words
        words[ch.KIND] = kind
        words[ch.ID] = id
        number = self._senders.get(sender)
        if number is None:
            self._send_sender(sender)
        else:
            words[ch.SENDER] = number
            words[ch.NEW_SENDER] = 0
        number = self._connections.get(connection)
        if number is None:
            self._send_connection(connection)
        else:
            words[ch.CONNECTION] = number
            words[ch.NEW_CONNECTION] = 0
        self._times[ch.TIME] = micros
        size = len(args)
        words[ch.SIZE] = size
        words[ch.SPLIT] = split
        if size <= ch.ARGS_MAX:
            self.memory[ch.ARGS : ch.ARGS + size] = args
        else:
            self._long = args
        try:
            if words[ch.BY_CALLBACK] and self._goes_by_callback():
                self._run_by_callback()
            else:
                number = self._number = (self._number + 1) & 0x7FFF_FFFF
                words[ch.JOB_NUMBER] = number
                if not words[ch.RUNNING]:
                    self._start_loop(number - 1)
                self._serve()
        except BaseException:
            self._break()
            raise
        outcome = words[ch.A1], self.given() if words[ch.LENGTH] else b""
        if self._slow_in_a_row >= _SLOW_MAX:
            self._probe()
        return outcome

    def _send_sender(self, sender: int) -> None:
        if len(self._senders) == _REMEMBERED_MAX:
            self._senders.clear()
        words = self.words
        words[ch.SENDER] = self._senders[sender] = len(self._senders)
        words[ch.NEW_SENDER] = 1
        self.memory[ch.SENDER_BYTES : ch.SENDER_BYTES + 32] = sender.to_bytes(32, "little")

    def _send_connection(self, connection: int) -> None:
        if len(self._connections) == _REMEMBERED_MAX:
            self._connections.clear()
        words = self.words
        words[ch.CONNECTION] = self._connections[connection] = len(self._connections)
        words[ch.NEW_CONNECTION] = 1
        at = ch.CONNECTION_BYTES
        self.memory[at : at + 16] = connection.to_bytes(16, "little")

    # -- waiting at the memory ---------------------------------------------------------------------

    def _serve(self) -> None:
        """Do what JavaScript asks until the call has ended."""
        words, operations = self.words, self._operations
        began = 0.0
        while True:
            looks = 0
            for _ in range(_STEPS_PER_CHECK):
                asked = words[0]
                if asked:
                    if asked == 1:
                        words[0] = 0
                        if began:
                            self._count_slow(began)
                        return
                    operations[asked]()
                    words[0] = 0
                    looks = 0
                elif looks < _LOOKS_MAX:
                    looks += 1
                else:
                    began = began or time.monotonic()
                    self._serve_slowly(began)
                    looks = 0
            began = began or time.monotonic()
            self._check_time(began)

    def _serve_slowly(self, began: float) -> None:
        """Wait for the next request without keeping the processor."""
        words = self.words
        if get_ident() not in _prepared:
            _want_short_naps()
            _prepared.add(get_ident())
        memory = 0
        for naps in range(1 << 62):
            if words[0]:
                return
            if naps < _YIELDS_MAX:
                _give_way()
                continue
            time.sleep(_NAP_S)
            if naps % _NAPS_PER_CHECK == 0:
                if not words[ch.RUNNING] or self._isolate.has_ended:
                    self._resume_loop()
                elif words[ch.RUNNING] == ch.ASKED_TO_RUN:
                    self._check_start(began)
                self._check_time(began)
                memory = memory or _resident_memory()
                self._check_memory(memory)

    def _count_slow(self, began: float) -> None:
        """Count the calls in a row that took long."""
        if time.monotonic() - began > _SLOW_S:
            is_next = self._number == self._last_slow + 1
            self._slow_in_a_row = self._slow_in_a_row + 1 if is_next else 1
            self._last_slow = self._number

    def _probe(self) -> None:
        """Go over to callbacks for a while, if empty calls are slow: they wait for the processor."""
        start = time.monotonic()
        for _ in range(_PROBES):
            self._slow_in_a_row = 0
            self.call(NOTHING)
        if time.monotonic() - start > _PROBES * _SLOW_S:
            self.words[ch.BY_CALLBACK] = 1
            self._callbacks_until = time.monotonic() + _CALLBACKS_S
        self._slow_in_a_row = 0

    def _goes_by_callback(self) -> bool:
        """Whether the next call goes by callback; looks now and then whether it still must."""
        now = time.monotonic()
        if now < self._callbacks_until:
            return True
        self._callbacks_until = now + _CALLBACKS_S
        self.words[ch.BY_CALLBACK] = not can_run_beside()
        return bool(self.words[ch.BY_CALLBACK])

    def _check_start(self, began: float) -> None:
        if time.monotonic() - began > _START_S:
            self.is_lost = True
            self._isolate.strangle()
            raise NotStarted("promises that an earlier call left behind keep V8 busy")

    def _check_time(self, began: float) -> None:
        seconds = self._limits.time_s
        if seconds is not None and time.monotonic() - began > seconds:
            raise LaneError(f"it took longer than {seconds:g} s and was ended")

    def _check_memory(self, before: int) -> None:
        """Refuse what the heap's limit does not count: the memory of buffers."""
        if _resident_memory() - before > self._limits.memory_bytes:
            self.is_lost = True
            raise LaneError(_too_large(self._limits.memory_bytes))

    # -- the loop ----------------------------------------------------------------------------------

    def _start_loop(self, after: int) -> None:
        """Let the loop run; it takes a call whose number is not `after`."""
        self._end_task()
        self.words[ch.AFTER] = after
        self.words[ch.RUNNING] = ch.ASKED_TO_RUN
        self._task = self._isolate.start(self._functions["loop"])

    def _resume_loop(self) -> None:
        """Start the loop again if it ended before it saw the present call; tell why it broke."""
        try:
            self._end_task(timeout=0.001)
        except TimeoutError:
            return
        self._start_loop(self._number - 1)

    def _end_task(self, timeout: float | None = None) -> None:
        """Take the result of the loop, or of a call by callback, that has ended."""
        if self._task is None:
            return
        try:
            self._isolate.wait_and_forget(timeout)
        except ScriptError as error:
            self._task = None
            self.is_lost = True
            if error.kind == "memory" or self._isolate.is_out_of_memory:
                raise LaneError(_too_large(self._limits.memory_bytes)) from None
            raise LaneError(str(error)) from None
        self._task = None

    def _break(self) -> None:
        """End by force what runs, so that the next call finds the isolate at rest."""
        if self._task is not None:
            self._isolate.cancel(self._task)
            lost = self.is_lost
            with suppress(LaneError):
                try:
                    self._end_task(timeout=_END_S)
                except TimeoutError:
                    lost = True
                    self._isolate.strangle()
                    self._end_task()
            # That it was ended is no reason to give the isolate up; that it does not rest is one.
            self.is_lost = lost or not self._isolate.settle()
            while not self._finished.empty():
                self._finished.get()
        self.words[ch.REQUEST] = self.words[ch.RUNNING] = 0

    # -- calls by callback -------------------------------------------------------------------------

    def _run_by_callback(self) -> None:
        """Run a call as a plain call of a function, and wait for it."""
        self._end_task()
        self._failure = None
        self.words[ch.A1] = _NOT_BEGUN
        self._task = self._isolate.start(self._functions["single"])
        began, memory = time.monotonic(), 0
        while True:
            with suppress(Empty):
                self._finished.get(timeout=_GLANCE_S)
                return
            if self._failure is not None:
                raise self._failure
            if self.words[ch.A1] == _NOT_BEGUN:
                self._check_start(began)
            else:
                # Only an end by force keeps it from telling that it has finished.
                with suppress(TimeoutError):
                    self._end_task(timeout=0)
            self._check_time(began)
            memory = memory or _resident_memory()
            self._check_memory(memory)

    def _answer(self) -> None:
        """Do what JavaScript asks, on its own thread, for the one that waits."""
        words = self.words
        if words[ch.REQUEST] == ch.DONE:
            words[ch.REQUEST] = 0
            self._finished.put(None)
            return
        try:
            self.act_for(self._operations[words[ch.REQUEST]])
        except BaseException as error:  # noqa: BLE001 - raised on the thread that waits
            self._failure = error
            words[ch.STATUS] = ch.TERMINATE
        words[ch.REQUEST] = 0

    # -- what syscalls get and give ----------------------------------------------------------------

    def given(self) -> bytes:
        """Return the bytes that came with the request."""
        length = self.words[ch.LENGTH]
        if length >= 0:
            return bytes(self.memory[ch.DATA : ch.DATA + length])
        pushed, self._pushed = bytes(self._pushed), bytearray()
        return pushed

    def give(self, data: bytes) -> None:
        """Let `data` be the answer to the request."""
        length = len(data)
        self.words[ch.LENGTH] = length
        if length <= ch.DATA_SIZE:
            self.memory[ch.DATA : ch.DATA + length] = data
        else:
            self._long = data

    def _push(self) -> None:
        """Take a piece of what is too long to come at once."""
        del self._pushed[self.words[ch.A0] :]
        self._pushed += self.memory[ch.DATA : ch.DATA + self.words[ch.LENGTH]]

    def _fetch(self) -> None:
        """Give a piece of what is too long to go at once."""
        at = self.words[ch.A0]
        piece = self._long[at : at + ch.DATA_SIZE]
        self.memory[ch.DATA : ch.DATA + len(piece)] = piece
        self.words[ch.LENGTH] = len(piece)

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """End the isolate."""
        if not self.is_lost:
            self._break()
        for view in (self.words, self.wide, self._times, self.memory):
            view.release()
        self._isolate.close()


def _run(operation: Callable[[], None]) -> None:
    operation()


def can_run_beside() -> bool:
    """Whether V8's thread and the one that calls can run at the same time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) > 1
    return (os.cpu_count() or 1) > 1


#: The threads whose naps are short.
_prepared: set[int] = set()


def _want_short_naps() -> None:
    """Ask the system to end the naps of this thread when they are over: Linux likes 50 µs more."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)


def _resident_memory() -> int:
    """Return the memory of the process in bytes; where nobody tells, the most it ever had."""
    with suppress(OSError), Path("/proc/self/statm").open("rb") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _too_large(size: int) -> str:
    return f"it wanted more than {size:,} bytes of memory and was ended"


@cache
def _shim() -> str:
    """Return the JavaScript side: a function ``(data size, job size, ask) -> its parts``."""
    folder = files(__package__) / "shim"
    parts = [folder.joinpath(f"{name}.js").read_text("utf-8") for name in _SHIM]
    return (
        '((DATA_SIZE, JOB_SIZE, host) => { "use strict";\n'
        + "".join(parts)
        + "return { buffer, loop, single, begin, loaded, failed };\n})\n//# sourceURL=stdb_shim"
    )
