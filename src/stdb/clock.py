"""Where time comes from: the machine's clock, or one that a test turns by hand.

Times are microseconds since 1970-01-01 UTC, as plain integers: this is the lowest layer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
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

    __slots__ = ("_micros",)

    def __init__(self, start: HasMicros | datetime | int = _DEFAULT_START) -> None:
        if isinstance(start, datetime):
            if start.tzinfo is None:
                raise TypeError(f"{shorten(start)} has no time zone: use .replace(tzinfo=UTC)")
            self._micros = (start - _EPOCH) // _MICRO
        elif isinstance(start, int):
            self._micros = int(start)
        else:
            self._micros = start.micros

    def micros(self) -> int:
        """Return the microseconds since 1970-01-01 UTC that the clock shows."""
        return self._micros

    def sleep_until(self, micros: int) -> None:
        """Turn the clock forward to `micros`, if it is not past it."""
        self._micros = max(self._micros, micros)

    def advance(self, by: float | timedelta) -> None:
        """Turn the clock forward by `by` seconds or by a timedelta; it never goes back."""
        step = by // _MICRO if isinstance(by, timedelta) else round(by * 1_000_000)
        if step < 0:
            raise ValueError(f"a clock does not go back: {by!r}")
        self._micros += step
