"""Timers: which scheduled row is due next, and the thread that waits for it.

`Timers` is a heap with an entry for each time that a row was armed. An entry that was cancelled or
armed anew stays in the heap and is passed over later, so that all of it is O(log n). Only who holds
the store's lock changes it; a thread that waits only looks at its top.

`TimerThread` waits by the machine's clock. It starts with the first timer, holds its owner weakly,
and is gone when it is stopped.
"""

from __future__ import annotations

import weakref
from _thread import allocate_lock
from contextlib import suppress
from heapq import heapify, heappop, heappush
from threading import Thread, current_thread
from typing import Any, Final, Protocol

from .waiting import Stopped

#: How long the thread sleeps at most, in seconds: a wall clock may be set, without a word.
_NAP_S_MAX: Final = 10.0
#: How many entries may be out of date before the heap is cleaned, beside as many as are valid.
_STALE_MAX: Final = 1000


class Timer:
    """One armed row.

    Attributes
    ----------
    key : (str, int)
        Which row: its table and its id.
    due : int
        When it fires, in microseconds; known when it is the first.
    interval : int or None
        How often it fires, in microseconds; None for once.
    number : int
        Of its valid entry in the heap; 0 when it is cancelled.
    has_run : bool
        Whether it fired already and only its row is left to be deleted.
    """

    __slots__ = ("due", "has_run", "interval", "key", "number", "work")

    def __init__(self, key: tuple[str, int], work: Any, interval: int | None) -> None:
        self.key = key
        self.work = work
        self.due = 0
        self.interval = interval
        self.number = 0
        self.has_run = False


class Timers:
    """All timers of one database."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timer]] = []
        self._by_key: dict[tuple[str, int], Timer] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._by_key)

    def get(self, key: tuple[str, int]) -> Timer | None:
        """Return the armed timer of a row."""
        timer = self._by_key.get(key)
        return timer if timer is not None and timer.number else None

    def arm(self, timer: Timer, due: int) -> None:
        """Let a timer fire at `due`; another one of the same key is cancelled. O(log n).

        After an interrupt it fires at the old or at the new time, never at none.
        """
        before = self._by_key.get(timer.key)
        if before is not None and before is not timer:
            before.number = 0
        self._count += 1
        number = self._count
        heappush(self._heap, (due, number, timer))
        timer.number = number
        self._by_key[timer.key] = timer
        if len(self._heap) > 2 * len(self._by_key) + _STALE_MAX:
            self._clean()

    def cancel(self, key: tuple[str, int]) -> None:
        """Let the timer of a row not fire, if there is one. O(1)."""
        timer = self._by_key.get(key)
        if timer is not None:
            timer.number = 0
            self._by_key.pop(key, None)

    def clear(self) -> None:
        """Cancel all timers."""
        for key in list(self._by_key):
            self.cancel(key)
        self._heap.clear()

    def first(self) -> Timer | None:
        """Return the timer that is due first, of equal ones the one that was armed first."""
        heap = self._heap
        while heap:
            due, number, timer = heap[0]
            if timer.number == number:
                timer.due = due
                return timer
            heappop(heap)
        return None

    def next_due(self) -> int | None:
        """Return when to look at `first`: when it is due, or earlier. Needs no lock."""
        try:
            return self._heap[0][0]
        except IndexError:
            return None

    def _clean(self) -> None:
        self._heap = [entry for entry in self._heap if entry[2].number == entry[1]]
        heapify(self._heap)


class Alarm(Protocol):
    """What the thread does its waiting for."""

    def next_due(self) -> int | None:
        """Return when the next timer is due, in microseconds; None when there is none."""

    def now(self) -> int:
        """Return the present time, in microseconds."""

    def fire(self, until: int) -> None:
        """Fire the first timer, which is due."""


class TimerThread:
    """A thread that fires the timers of an `Alarm` when they are due.

    Parameters
    ----------
    alarm : Alarm
        Whose timers they are; the thread ends when nobody else holds it.
    name : str
        Of the thread.
    """

    def __init__(self, alarm: Alarm, name: str) -> None:
        self._alarm = weakref.ref(alarm, lambda _: self.stop())
        self._name = name
        # Acquired by the sleeper, released to wake it: neither can be interrupted half way.
        self._bell = allocate_lock()
        self._stopped = False
        self.thread: Thread | None = None
        self._sleeps_until: int | None = 0

    def ring(self, due: int) -> None:
        """Let the thread look again: a timer is due at `due`."""
        if self.thread is None or not self.thread.is_alive():
            # Not alive: this process was forked from the one whose thread it was.
            self._start()
        sleeps_until = self._sleeps_until
        if sleeps_until is None or due < sleeps_until:
            self._wake()

    def _start(self) -> None:
        self._sleeps_until = 0
        self.thread = Thread(target=_run, args=(self,), name=self._name, daemon=True)
        self.thread.start()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # it is awake
            self._bell.release()

    def stop(self) -> None:
        """Let the thread end as soon as what it fires at this moment is done."""
        self._stopped = True
        self._wake()

    def join(self, seconds: float) -> bool:
        """Wait for the end of the thread, and return whether it came; True for itself."""
        thread = self.thread
        if thread is None or thread is current_thread():
            return True
        thread.join(seconds)
        return not thread.is_alive()

    def sleep(self) -> Alarm | None:
        """Return the alarm when a timer of it is due, or None when it is time to end."""
        while not self._stopped:
            alarm = self._alarm()
            if alarm is None:
                return None
            # From here on whoever arms a timer rings, so none can come between look and sleep.
            self._sleeps_until = None
            due, now = alarm.next_due(), alarm.now()
            if due is not None and due <= now:
                self._sleeps_until = 0
                return alarm
            del alarm
            self._sleeps_until = due
            nap = _NAP_S_MAX if due is None else min((due - now) / 1_000_000, _NAP_S_MAX)
            self._bell.acquire(timeout=nap)
            self._sleeps_until = 0
        return None


def _run(thread: TimerThread) -> None:
    while True:
        alarm = thread.sleep()
        if alarm is None:
            return
        try:
            alarm.fire(alarm.now())
        except Stopped:  # the database is closing, and did not want to wait any longer
            return
        del alarm


__all__ = ["Alarm", "Timer", "TimerThread", "Timers"]
