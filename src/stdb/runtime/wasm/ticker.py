"""A clock that ticks for wasmtime outside Python.

A module that loops without calling anything holds the interpreter's lock, so no Python thread can
stop it. Compiled code looks at a counter of the engine (its epoch) in every loop and function, and
calls back when that has moved on. What moves it is a timer of the operating system whose expiry
calls ``wasmtime_engine_increment_epoch`` by itself, on a thread without Python.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any, Final

#: How long a module runs before it first looks whether it is to end, in seconds.
TICK_S: Final = 0.02

_CLOCK_MONOTONIC: Final = 1
_SIGEV_THREAD: Final = 2
_CREATE_ALWAYS: Final = 0


def start(engine: int, increment: int) -> bool:
    """Let the function at `increment` be called with `engine` every tick; whether that works here.

    Parameters
    ----------
    engine, increment : int
        Addresses.
    """
    starters = {"linux": _start_posix, "darwin": _start_darwin, "win32": _start_windows}
    starter = starters.get(sys.platform)
    try:
        if starter is None or not starter(engine, increment):
            return False
    except (OSError, AttributeError):  # a C library without such timers
        return False
    if hasattr(os, "register_at_fork"):
        # Timers do not go to a forked process: it needs one of its own.
        os.register_at_fork(after_in_child=lambda: starter(engine, increment))
    return True


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


def _start_posix(engine: int, increment: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    event = _SigEvent(value=engine, notify=_SIGEV_THREAD, function=increment)
    timer = ctypes.c_void_p()
    if libc.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)):
        return False
    nanoseconds = int(TICK_S * 1e9)
    spec = _TimerSpec(0, nanoseconds, 0, nanoseconds)
    return not libc.timer_settime(timer, 0, ctypes.byref(spec), None)


def _start_darwin(engine: int, increment: int) -> bool:
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
    return bool(source.value)


def _start_windows(engine: int, increment: int) -> bool:
    kernel: Any = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    timer = ctypes.c_void_p()
    milliseconds = int(TICK_S * 1000)
    made = kernel.CreateTimerQueueTimer(
        ctypes.byref(timer), None, ctypes.c_void_p(increment), ctypes.c_void_p(engine),
        milliseconds, milliseconds, _CREATE_ALWAYS,
    )  # fmt: skip
    return bool(made)
