"""Who runs procedures: each call has a worker for itself, and some are kept for the next ones."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

#: How many are kept when nothing runs on them.
_IDLE_MAX: Final = os.cpu_count() or 1
W = TypeVar("W")


class Pool(Generic[W]):
    """Workers for one call at a time; any thread may take one.

    Parameters
    ----------
    make, end : callable
        Make a worker, and end one.
    """

    def __init__(self, make: Callable[[], W], end: Callable[[W], None]) -> None:
        self._make = make
        self._end = end
        self._idle: list[W] = []
        self._is_closed = False

    def take(self) -> W:
        """Return a worker that nobody else has."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def give_back(self, worker: W) -> None:
        """Keep a worker for the next call, or end it if there are enough of them."""
        if len(self._idle) < _IDLE_MAX and not self._is_closed:
            self._idle.append(worker)
        else:
            self._end(worker)

    def close(self) -> None:
        """End those that are idle; who still has one gives it back, and it is ended then."""
        self._is_closed = True
        with suppress(IndexError):
            while True:
                self._end(self._idle.pop())
