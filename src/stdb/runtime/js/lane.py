"""A lane: one isolate with a module in it, and the calls that go in and out.

A call is written into the shared memory (see `channel`), and the thread that made it stays at the
memory and does what the module asks, until it has ended. The loop in JavaScript that takes calls
ends when none came for a while; the next call starts it again.

Where the two sides cannot run at the same time, on one processor, calls go by callback (see
`by_callback`).
"""

from __future__ import annotations

import time
from functools import cache
from importlib.resources import files
from threading import get_ident
from typing import TYPE_CHECKING, Final

from . import channel as ch
from .by_callback import CallbackSide
from .machine import can_run_beside, give_way, resident_memory, want_short_naps
from .v8 import Isolate, ScriptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..guest.limits import Limits
    from .bundle import Bundle

    #: Does what JavaScript asks; true if it has answered already, and JavaScript may be on its way.
    Operation = Callable[[], object]

DESCRIBE, REDUCER, VIEW, ANONYMOUS_VIEW, PROCEDURE, HANDLER, NOTHING = range(7)
OK, USER_ERROR, EXCEPTION = range(3)
_WELL: Final = (OK, b"")
_ENDED: Final = ch.ENDED
_pack_header = ch.HEADER.pack_into

#: The parts of the JavaScript side, which make one function.
_SHIM: Final = ("crossing", "text", "arguments", "syscalls", "calls", "globals")
#: A call is slow from here on. After so many in a row some empty ones are tried, both ways: calls
#: go by callback for a while if that is quicker.
_SLOW_S: Final = 0.001
_SLOW_MAX: Final = 32
_PROBES: Final = 8
_CALLBACKS_S: Final = 10.0
#: How long V8 may take to begin a call.
_START_S: Final = 2.0
#: How often the memory is looked at before the processor is given away, and then for how long.
_LOOKS_MAX: Final = 20_000
_YIELDS_MAX: Final = 200
_NAP_S: Final = 1e-6
#: How many naps lie between two looks at the clock.
_NAPS_PER_CHECK: Final = 16
_STEPS_PER_CHECK: Final = 1 << 16
#: The threads whose naps are short.
_prepared: set[int] = set()
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
        Whether the isolate is no more: another must take its place.
    callbacks : CallbackSide
        The calls that go by callback.
    """

    def __init__(self, limits: Limits) -> None:
        self.is_lost = False
        self._limits = limits
        self._isolate = Isolate()
        self._isolate.limit_memory(limits.memory_bytes)
        self._operations: list[Operation] = [self._push] * 64
        self._operations[ch.PUSH] = self._push
        self._operations[ch.FETCH] = self._fetch
        self._operations[ch.GIVE_UP] = self._give_up
        self.callbacks = CallbackSide(
            self._isolate, self._operations, self._check, self._check_start
        )
        shim = self._isolate.evaluate(_shim())
        sizes = [self._isolate.number(size) for size in (ch.DATA_SIZE, ch.JOB_SIZE)]
        made = self._isolate.call(shim, *sizes, self._isolate.function(self.callbacks.answer))
        memory = self._isolate.memory(self._isolate.item(made, "buffer"))
        self._isolate.call(self._isolate.function(want_short_naps))
        self._functions = {
            name: self._isolate.item(made, name)
            for name in ("loop", "parked", "begin", "loaded", "failed")
        }
        self.callbacks.parked = self._functions["parked"]
        self.words = self.callbacks.words = memory.cast("i")
        self.wide = memory.cast("Q")
        self.memory = memory
        self._number = 0
        self._slow_in_a_row = 0
        self._last_slow = -1
        self._callbacks_until = 0.0
        self._next_probe = 0.0
        self._senders: dict[int, int] = {}
        self._connections: dict[int, int] = {}
        # Those of the last call, and their numbers.
        self._sender = self._connection = -1
        self._sender_number = self._connection_number = 0
        self._pushed = bytearray()
        self._long = b""

    # -- loading -----------------------------------------------------------------------------------

    def load(self, bundle: Bundle, operations: dict[int, Operation]) -> str | None:
        """Evaluate a module; return what it threw, if it did.

        The text is ``name NUL message NUL stack``.
        """
        self.words[ch.SETTLES] = bundle.has_promises
        for number, operation in operations.items():
            self._operations[number] = operation
        isolate = self._isolate
        self.words[ch.BY_CALLBACK] = 1
        isolate.patience_s = self._limits.time_s
        try:
            module = isolate.evaluate(bundle.function)
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
        meanwhile: Callable[[], None] | None = None,
    ) -> tuple[int, bytes]:
        """Run a function of the module; return how it ended, and its result or its error's text.

        What `meanwhile` does is done while JavaScript finds the function and begins it.

        Raises
        ------
        NotStarted
            It did not begin: the isolate was lost before, or something else keeps it busy.
        LaneError
            It was ended by force.
        """
        if self.is_lost:
            raise NotStarted("the isolate is no more")
        words = self.words
        try:
            self._write_call(kind, id, sender, connection, micros, args, split)
            if words[ch.BY_CALLBACK] and self.goes_by_callback():
                self.callbacks.run(meanwhile)
                ended = ch.ENDED
            else:
                self._hand_over()
                if meanwhile is not None:
                    meanwhile()
                ended = self._serve()
        except BaseException:
            # Only the end of the isolate ends what runs in it, whatever that is; and what it was
            # told half is not told again.
            self.close()
            raise
        outcome = _WELL if ended == ch.DONE else self._outcome()
        if self._slow_in_a_row >= _SLOW_MAX and time.monotonic() > self._next_probe:
            self._probe()
        return outcome

    def take_turn(
        self,
        kind: int,
        id: int,
        sender: int,
        connection: int,
        following: Callable[[], tuple[int, bytes] | None],
        begin: Callable[[], None],
        end: Callable[[int, bytes], None],
    ) -> None:
        """Run a function of the module for each time and arguments that `following` gives.

        Before a call runs, `begin` is called; `end` is told how it ended, as `call` returns it.
        All three are called on one thread, which may be V8's. Raises as `call`, and what they
        raise.
        """
        if self.is_lost:
            raise NotStarted("the isolate is no more")

        def write_next() -> bool:
            next_call = following()
            if next_call is not None:
                self._write_call(kind, id, sender, connection, *next_call)
            return next_call is not None

        def go_on(has_ended: bool) -> bool:
            if has_ended:
                end(*self._outcome())
            if not write_next():
                return False
            begin()
            return True

        try:
            if self.words[ch.BY_CALLBACK] and self.goes_by_callback():
                self.callbacks.take_turn(go_on)
            else:
                self._take_turn(write_next, begin, end)
        except BaseException:
            self.close()
            raise

    def _take_turn(
        self,
        write_next: Callable[[], bool],
        begin: Callable[[], None],
        end: Callable[[int, bytes], None],
    ) -> None:
        """Do what `take_turn` does, through shared memory."""
        is_more = write_next()
        if is_more:
            self._hand_over()
        while is_more:
            begin()
            outcome = _WELL if self._serve() == ch.DONE else self._outcome()
            # JavaScript finds the next call and begins it while this one is committed.
            is_more = write_next()
            if is_more:
                self._hand_over()
            end(*outcome)

    def _hand_over(self) -> None:
        """Let JavaScript have the call that was written."""
        number = self._number = (self._number + 1) & 0x7FFF_FFFF
        self.words[ch.JOB_NUMBER] = number
        if not self.words[ch.RUNNING]:
            self._start_loop(number - 1)

    def _write_call(
        self,
        kind: int,
        id: int,
        sender: int,
        connection: int,
        micros: int,
        args: bytes,
        split: int = 0,
    ) -> None:
        memory, size = self.memory, len(args)
        # The same number, most of the time: numbers of 256 bits are not quick to compare.
        if sender is not self._sender:
            self._know_sender(sender)
        if connection is not self._connection:
            self._know_connection(connection)
        _pack_header(
            memory, ch.JOB, kind, id, self._sender_number, self._connection_number, size, split,
            micros,
        )  # fmt: skip
        if size <= ch.ARGS_MAX:
            memory[ch.ARGS : ch.ARGS + size] = args
        else:
            self._long = args

    def _outcome(self) -> tuple[int, bytes]:
        words = self.words
        return words[ch.A1], self.given() if words[ch.LENGTH] else b""

    def _know_sender(self, sender: int) -> None:
        """Have the number under which JavaScript knows a sender, or is to know it from now on."""
        number = self._senders.get(sender)
        if number is None:
            if len(self._senders) == _REMEMBERED_MAX:
                self._senders.clear()
            number = self._senders[sender] = len(self._senders)
            at = ch.SENDER_BYTES
            self.memory[at : at + 32] = sender.to_bytes(32, "little")
            self.words[ch.NEW_SENDER] = 1
        self._sender, self._sender_number = sender, number

    def _know_connection(self, connection: int) -> None:
        """Have the number under which JavaScript knows a connection, likewise."""
        number = self._connections.get(connection)
        if number is None:
            if len(self._connections) == _REMEMBERED_MAX:
                self._connections.clear()
            number = self._connections[connection] = len(self._connections)
            at = ch.CONNECTION_BYTES
            self.memory[at : at + 16] = connection.to_bytes(16, "little")
            self.words[ch.NEW_CONNECTION] = 1
        self._connection, self._connection_number = connection, number

    # -- waiting at the memory ---------------------------------------------------------------------

    def _serve(self) -> int:
        """Do what JavaScript asks until the call has ended; return with which request it did."""
        words, operations = self.words, self._operations
        request = ch.REQUEST
        began = 0.0
        while True:
            looks = 0
            for _ in range(_STEPS_PER_CHECK):
                asked = words[request]
                if asked:
                    if asked <= _ENDED:
                        words[request] = 0
                        if began:
                            self._count_slow(began)
                        return asked
                    if not operations[asked]():
                        words[request] = 0
                    looks = 0
                elif looks < _LOOKS_MAX:
                    looks += 1
                else:
                    began = began or time.monotonic()
                    self._serve_slowly(began)
                    looks = 0
            began = began or time.monotonic()
            self._check(began, resident_memory())

    def _serve_slowly(self, began: float) -> None:
        """Wait for the next request without keeping the processor."""
        words = self.words
        if get_ident() not in _prepared:
            want_short_naps()
            _prepared.add(get_ident())
        memory = 0
        for naps in range(1 << 62):
            if words[ch.REQUEST]:
                return
            if naps < _YIELDS_MAX:
                give_way()
                continue
            time.sleep(_NAP_S)
            if naps % _NAPS_PER_CHECK:
                continue
            if not words[ch.RUNNING]:
                # The loop ended before it saw this call, or ended the call before it ended itself.
                if words[ch.REQUEST]:
                    return
                self._start_loop(self._number - 1)
            elif words[ch.RUNNING] == ch.ASKED_TO_RUN:
                self._check_start(began)
            memory = memory or resident_memory()
            self._check(began, memory)

    def _check(self, began: float, memory: int) -> None:
        """Refuse to wait longer for a call that uses more than it may."""
        limits = self._limits
        if limits.time_s is not None and time.monotonic() - began > limits.time_s:
            raise LaneError(f"it took longer than {limits.time_s:g} s and was ended")
        # The heap has a limit that V8 keeps; the memory of buffers is not in it.
        grown = resident_memory() - memory
        if self._isolate.is_out_of_memory or grown > limits.memory_bytes:
            raise LaneError(
                f"it wanted more than {limits.memory_bytes:,} bytes of memory and was ended"
            )

    def _count_slow(self, began: float) -> None:
        """Count the calls in a row that took long."""
        if time.monotonic() - began > _SLOW_S:
            is_next = self._number == self._last_slow + 1
            self._slow_in_a_row = self._slow_in_a_row + 1 if is_next else 1
            self._last_slow = self._number

    def _probe(self) -> None:
        """Go over to callbacks for a while, if calls that do nothing are quicker that way.

        They are where processors are short. Where another thread of Python is busy they are not:
        each callback waits for the interpreter's lock.
        """
        by_memory = self._time_of_nothing()
        self._next_probe = time.monotonic() + _CALLBACKS_S
        if by_memory > _SLOW_S:
            self._callbacks_until = self._next_probe
            self.words[ch.BY_CALLBACK] = 1
            if self._time_of_nothing() * 2 > by_memory:
                self.words[ch.BY_CALLBACK] = 0
        self._slow_in_a_row = 0

    def _time_of_nothing(self) -> float:
        """Return the median time of some calls that do nothing, in seconds."""
        times = []
        for _ in range(_PROBES):
            self._slow_in_a_row = 0
            began = time.monotonic()
            self.call(NOTHING)
            times.append(time.monotonic() - began)
        return sorted(times)[_PROBES // 2]

    def goes_by_callback(self) -> bool:
        """Whether the next call goes by callback; looks now and then whether it still must."""
        now = time.monotonic()
        if now < self._callbacks_until:
            return True
        self._callbacks_until = now + _CALLBACKS_S
        self.words[ch.BY_CALLBACK] = not can_run_beside()
        return bool(self.words[ch.BY_CALLBACK])

    def _check_start(self, began: float) -> None:
        if time.monotonic() - began > _START_S:
            raise NotStarted("promises that an earlier call left behind keep V8 busy")

    # -- the loop ----------------------------------------------------------------------------------

    def _start_loop(self, after: int) -> None:
        """Let the loop run; it takes a call whose number is not `after`."""
        self._isolate.forget_results()
        self.words[ch.AFTER] = after
        self.words[ch.RUNNING] = ch.ASKED_TO_RUN
        self._isolate.start(self._functions["loop"])

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
        self.words[ch.ANSWER_LENGTH] = length
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
        self.words[ch.ANSWER_LENGTH] = len(piece)

    def _give_up(self) -> None:
        """End a call that fails and does not take note of it."""
        raise LaneError(self.given().decode(errors="replace"))

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """End the isolate, and whatever runs in it. Closing again does nothing."""
        if not self.is_lost:
            self.is_lost = True
            self.callbacks.close()
            self._isolate.close()
            # What they show is no longer there.
            for view in (self.words, self.wide, self.memory):
                view.release()


@cache
def _shim() -> str:
    """Return the JavaScript side: a function ``(data size, job size, ask) -> its parts``."""
    folder = files(__package__) / "shim"
    parts = [folder.joinpath(f"{name}.js").read_text("utf-8") for name in _SHIM]
    return (
        '((DATA_SIZE, JOB_SIZE, host) => { "use strict";\n'
        + "".join(parts)
        + "return { buffer, loop, parked, begin, loaded, failed };\n})\n//# sourceURL=stdb_shim"
    )
