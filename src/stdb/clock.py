"""Where time comes from: the machine's clock, or one that a test turns by hand.

Times are microseconds since 1970-01-01 UTC, as plain integers: this is the lowest layer.
"""

from __future__ import annotations

import weakref
from datetime import UTC, datetime, timedelta
from threading import RLock
from time import time_ns
from typing import Final, Protocol

from .errors import shorten


class Clock(Protocol):
    """What a database asks for the time."""

    def micros(self) -> int:
        """Return the microseconds since 1970-01-01 UTC."""


class SystemClock:
    """The machine's clock."""

    __slots__ = ()

    @staticmethod
    def micros() -> int:
        """Return the microseconds since 1970-01-01 UTC."""
        return time_ns() // 1000


class HasMicros(Protocol):
    """A `Timestamp`, or anything else that knows its microseconds."""

    @property
    def micros(self) -> int:
        """Microseconds since 1970-01-01 UTC."""


class Alarm(Protocol):
    """What has timers that a `ManualClock` fires: a database with scheduled tables."""

    def next_due(self) -> int | None:
        """Return when it has to be looked at next, in microseconds; None for never."""

    def fire(self, until: int) -> None:
        """Fire one timer that is due, if there is one; the clock is being turned to `until`."""

    def check(self) -> None:
        """Raise an error if this thread cannot fire timers now."""


_DEFAULT_START: Final = datetime(2025, 1, 1, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)


class ManualClock:
    """A clock that stands still until `advance` turns it: for tests and for replaying.

    Parameters
    ----------
    start : Timestamp, datetime or int
        Where it stands at first: a moment (a datetime must be aware), or microseconds since 1970.
        2025-01-01 UTC when not given.

    Examples
    --------
    >>> import stdb
    >>> clock = stdb.ManualClock(0)
    >>> clock.advance(1.5)
    >>> clock.micros()
    1500000
    """

    __slots__ = ("_alarms", "_micros", "_turning")

    def __init__(self, start: HasMicros | datetime | int = _DEFAULT_START) -> None:
        self._alarms: list[weakref.ref[Alarm]] = []
        #: Held by the thread that turns the clock and fires what is due.
        self._turning = RLock()
        if isinstance(start, datetime):
            if start.tzinfo is None:
                raise TypeError(f"{shorten(start)} has no time zone: use .replace(tzinfo=UTC)")
            self._micros = (start - _EPOCH) // _MICRO
        elif isinstance(start, int):
            self._micros = int(start)
        elif isinstance(getattr(start, "micros", None), int):
            self._micros = start.micros
        else:
            raise TypeError(
                "a clock starts at a Timestamp, an aware datetime or microseconds since 1970, not "
                f"{shorten(start)}"
            )

    def micros(self) -> int:
        """Return the microseconds since 1970-01-01 UTC that the clock shows."""
        return self._micros

    def advance(self, by: float | timedelta = 0) -> None:
        """Turn the clock forward by `by` seconds or by a timedelta; it never goes back.

        The schedules of the databases that have this clock fire on the way, each at its time, in
        order. They do nothing else: without `advance` nothing fires.

        Raises
        ------
        TransactionError
            This thread is in a transaction of such a database (and no schedule made that: what
            a schedule calls may turn the clock, to take time).
        """
        given: object = by
        if not isinstance(given, timedelta | int | float):
            raise TypeError(f"advance takes seconds or a timedelta, not {shorten(by)}")
        step = by // _MICRO if isinstance(by, timedelta) else round(by * 1_000_000)
        if step < 0:
            raise ValueError(f"a clock does not go back: {by!r}")
        self.sleep_until(self._micros + step)

    def sleep_until(self, micros: int) -> None:
        """Turn the clock forward to `micros`, if it is not past it, as `advance` does.

        While it is being turned already, by what a schedule calls or by another thread, this moves
        the time alone, and whoever turns it fires what has become due.
        """
        turning = self._turning
        if turning._is_owned():  # type: ignore[attr-defined]
            self._micros = max(self._micros, micros)
            return
        try:
            try:
                if not turning.acquire(blocking=False):
                    self._micros = max(self._micros, micros)
                    return
                for alarm in self._present():
                    alarm.check()
                self._turn(micros)
            finally:
                self._turn_no_longer()
        finally:
            # An interrupt may have struck inside the first: it can be called again.
            self._turn_no_longer()

    def _turn_no_longer(self) -> None:
        if self._turning._is_owned():  # type: ignore[attr-defined]
            self._turning.release()

    def _turn(self, target: int) -> None:
        known, alarms = self._alarms, self._present()
        while True:
            if known is not self._alarms:  # a database has come or gone
                known, alarms = self._alarms, self._present()
            first: Alarm | None = None
            first_due = 0
            for alarm in alarms:
                due = alarm.next_due()
                if due is not None and (first is None or due < first_due):
                    first, first_due = alarm, due
            target = max(target, self._micros)
            if first is None or first_due > target:
                break
            self._micros = max(self._micros, first_due)
            first.fire(target)
        self._micros = target

    def attach(self, alarm: Alarm) -> None:
        """Fire the timers of `alarm` from now on; it is held weakly."""
        self._alarms = [*(ref for ref in self._alarms if ref() is not None), weakref.ref(alarm)]

    def detach(self, alarm: Alarm) -> None:
        """Fire the timers of `alarm` no more."""
        self._alarms = [ref for ref in self._alarms if ref() not in (None, alarm)]

    def _present(self) -> list[Alarm]:
        return [alarm for ref in self._alarms if (alarm := ref()) is not None]
