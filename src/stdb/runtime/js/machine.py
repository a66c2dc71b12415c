"""What the machine offers to two threads that wait for each other."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
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
    with suppress(OSError), Path("/proc/self/statm").open("rb") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
