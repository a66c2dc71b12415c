"""A clock that ticks for wasmtime outside Python.

A module that loops without calling anything holds the interpreter's lock, so no Python thread can
stop it. Compiled code looks at a counter of the engine (its epoch) in every loop and function, and
calls back when that has moved on. What moves it is a timer of the operating system whose expiry
calls ``wasmtime_engine_increment_epoch`` by itself, on a thread without Python.

On Linux the C library serves such timers with a thread and a lock of its own. A process that forks
while that thread holds the lock leaves a child in which nobody will ever give it back. So a fork
finds no timer at all: before it, the timer is deleted, and it is made sure that the thread is done
with it (`_wait_for_helper`); the parent makes another one afterwards, the child when it first needs
one.
"""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from typing import Any, Final

#: How long a module runs before it first looks whether it is to end, in seconds.
TICK_S: Final = 0.02

_CLOCK_MONOTONIC: Final = 1
_CLOCK_REALTIME: Final = 0
_SIGEV_THREAD: Final = 2
_CREATE_ALWAYS: Final = 0
_PATIENCE_S: Final = 1

_tickers: weakref.WeakSet[Ticker] = weakref.WeakSet()


class Ticker:
    """Calls a native function with an address every tick, while this process lives.

    Parameters
    ----------
    engine, increment : int
        Addresses: what the function is called with, and the function.

    Attributes
    ----------
    works : bool
        Whether there are such timers here.
    """

    def __init__(self, engine: int, increment: int) -> None:
        self._engine = engine
        self._increment = increment
        self._timer: Any = None
        self.works = True
        self.ensure()
        _tickers.add(self)

    def ensure(self) -> None:
        """Tick, if it does not already: it does not in a process that was forked."""
        if self._timer is not None or not self.works:
            return
        starters = {"linux": _start_posix, "darwin": _start_darwin, "win32": _start_windows}
        starter = starters.get(sys.platform)
        try:
            self._timer = starter and starter(self._engine, self._increment)
        except (OSError, AttributeError):  # a C library without such timers
            self._timer = None
        self.works = self._timer is not None

    def pause(self) -> None:
        """Tick no more, until `ensure`."""
        if self._timer is not None and sys.platform == "linux":
            _libc().timer_delete(self._timer)
            self._timer = None

    def forget(self) -> None:
        """Know of no timer: it is the parent's."""
        self._timer = None
        # Elsewhere than on Linux, what serves the timers does not outlive a fork.
        self.works = self.works and sys.platform == "linux"


def _before_fork() -> None:
    for ticker in _tickers:
        ticker.pause()
    if _tickers and sys.platform == "linux":
        _wait_for_helper()


def _in_parent() -> None:
    for ticker in _tickers:
        ticker.ensure()


def _in_child() -> None:
    for ticker in _tickers:
        ticker.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)


class _SigEvent(ctypes.Structure):
    """``struct sigevent`` of Linux; `padding` makes up its 64 bytes."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("function", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("padding", ctypes.c_char * 32),
    )


class _TimerSpec(ctypes.Structure):
    """``struct itimerspec``: interval and first expiry, each in seconds and nanoseconds."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _start_posix(engine: int, increment: int) -> Any:
    """Return a timer that expires every tick, or None."""
    nanoseconds = int(TICK_S * 1e9)
    return _make_posix_timer(engine, increment, _TimerSpec(0, nanoseconds, 0, nanoseconds))


def _make_posix_timer(argument: int, function: int, spec: _TimerSpec) -> Any:
    libc = _libc()
    event = _SigEvent(value=argument, notify=_SIGEV_THREAD, function=function)
    timer = ctypes.c_void_p()
    if libc.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)):
        return None
    if libc.timer_settime(timer, 0, ctypes.byref(spec), None):
        return None
    return timer


class _TimeSpec(ctypes.Structure):
    """``struct timespec``."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def _wait_for_helper() -> None:
    """Return when the thread that serves timers has nothing to do and holds no lock.

    It takes expiries in their order. So when it has come to that of one more timer, made here, it
    has dealt with all before; and deleting that timer takes the lock, once the thread has given it
    back.
    """
    libc = _libc()
    semaphore = ctypes.create_string_buffer(64)  # a sem_t has 32 bytes
    address = ctypes.addressof(semaphore)
    libc.sem_init(semaphore, 0, 0)
    post = ctypes.cast(libc.sem_post, ctypes.c_void_p).value or 0
    timer = _make_posix_timer(address, post, _TimerSpec(0, 0, 0, 1))
    if timer is None:
        return
    until = _TimeSpec()
    libc.clock_gettime(_CLOCK_REALTIME, ctypes.byref(until))
    until.seconds += _PATIENCE_S
    libc.sem_timedwait(semaphore, ctypes.byref(until))
    libc.timer_delete(timer)


def _start_darwin(engine: int, increment: int) -> Any:
    lib: Any = ctypes.CDLL("/usr/lib/libSystem.dylib")
    lib.dispatch_source_create.restype = ctypes.c_void_p
    lib.dispatch_get_global_queue.restype = ctypes.c_void_p
    lib.dispatch_time.restype = ctypes.c_uint64
    queue = ctypes.c_void_p(lib.dispatch_get_global_queue(ctypes.c_long(0), ctypes.c_ulong(0)))
    kind = ctypes.byref(ctypes.c_char.in_dll(lib, "_dispatch_source_type_timer"))
    source = ctypes.c_void_p(lib.dispatch_source_create(kind, 0, 0, queue))
    nanoseconds = int(TICK_S * 1e9)
    begin = lib.dispatch_time(ctypes.c_uint64(0), ctypes.c_int64(nanoseconds))
    lib.dispatch_source_set_timer(
        source, ctypes.c_uint64(begin), ctypes.c_uint64(nanoseconds), ctypes.c_uint64(0)
    )
    lib.dispatch_set_context(source, ctypes.c_void_p(engine))
    lib.dispatch_source_set_event_handler_f(source, ctypes.c_void_p(increment))
    lib.dispatch_resume(source)
    return source


def _start_windows(engine: int, increment: int) -> Any:
    kernel: Any = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    timer = ctypes.c_void_p()
    milliseconds = int(TICK_S * 1000)
    made = kernel.CreateTimerQueueTimer(
        ctypes.byref(timer), None, ctypes.c_void_p(increment), ctypes.c_void_p(engine),
        milliseconds, milliseconds, _CREATE_ALWAYS,
    )  # fmt: skip
    return timer if made else None
