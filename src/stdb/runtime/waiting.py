"""Where procedures wait: for a time, at most as long as they may, and never past the database."""

from __future__ import annotations

from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

from ..errors import DatabaseClosed, ProcedureTimeout

if TYPE_CHECKING:
    from collections.abc import Callable


class Waits:
    """What waits in one database, to be woken when it closes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._closing = Event()
        # Without a lock, which an interrupt could leave held: each access is one step of Python.
        self._wakers: set[Callable[[], object]] = set()

    def close(self) -> None:
        """Wake everything that waits: it raises `DatabaseClosed`."""
        self._closing.set()
        for wake in list(self._wakers):
            wake()

    def check(self) -> None:
        """Raise `DatabaseClosed` when the database is closing."""
        if self._closing.is_set():
            raise DatabaseClosed(f"database {self._name!r} was closed while a procedure ran")

    def add(self, wake: Callable[[], object]) -> None:
        """Let `wake` be called when the database closes."""
        self._wakers.add(wake)
        self.check()

    def discard(self, wake: Callable[[], object]) -> None:
        """Forget what `add` was told."""
        self._wakers.discard(wake)

    def wait(self, seconds: float) -> None:
        """Return after `seconds`."""
        self.check()
        if seconds > 0:
            self._closing.wait(seconds)
            self.check()

    async def wait_async(self, seconds: float) -> None:
        """Return after `seconds`; the event loop goes on meanwhile."""
        import asyncio

        self.check()
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        closing = asyncio.Event()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(closing.set)

        self.add(wake)
        try:
            async with asyncio.timeout(seconds):
                await closing.wait()
        except TimeoutError:
            pass
        finally:
            self.discard(wake)
        self.check()


class Deadline:
    """Until when a procedure may run, if it has a limit at all."""

    __slots__ = ("_expired", "_until", "message")

    def __init__(self, seconds: float | None, message: str) -> None:
        self._until = None if seconds is None else monotonic() + seconds
        self._expired = False
        self.message = message

    def left(self) -> float | None:
        """Return how many seconds are left, or None without a limit.

        Raises
        ------
        ProcedureTimeout
            None are left.
        """
        if self._expired:
            raise ProcedureTimeout(self.message)
        if self._until is None:
            return None
        left = self._until - monotonic()
        if left <= 0:
            raise ProcedureTimeout(self.message)
        return left

    def expire(self) -> None:
        """Let the time be over now."""
        self._expired = True


class Stopped(BaseException):
    """Raised in a thread that was told to stop."""


def stop_thread(thread: Thread) -> None:
    """Let `thread` raise `Stopped` at its next instruction of Python."""
    import ctypes  # heavy

    if thread.is_alive() and thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(Stopped)
        )
