"""What the machine offers to two threads that wait for each other."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import time
from functools import cache, partial
from typing import Final

_PR_SET_TIMERSLACK: Final = 29
#: Lets another thread have the processor, if one wants it.
give_way = getattr(os, "sched_yield", partial(time.sleep, 0))


def can_run_beside() -> bool:
    """Whether V8's thread and the one that calls can run at the same time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) > 1
    return (os.cpu_count() or 1) > 1


def want_short_naps() -> None:
    """Ask the system to end the naps of this thread when they are over: Linux likes 50 µs more."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)


def resident_memory() -> int:
    """Return the memory of the process in bytes; where nobody tells, the most it ever had."""
    statm = _open_statm(os.getpid())
    if statm is not None:
        return int(os.pread(statm, 128, 0).split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@cache
def _open_statm(process: int) -> int | None:
    """Open what Linux tells of the memory of this process, for good.

    A file opened at each look could be left open by a Ctrl-C that comes before its `with` begins.
    """
    try:
        return os.open(f"/proc/{process}/statm", os.O_RDONLY)
    except OSError:
        return None
