"""The inert parts of WASI that compilers link in: no files, no arguments, no environment.

A module that was compiled against WASI's C library asks for these and seldom uses them. What it
prints goes to the log; the rest answers that there is nothing, or that it cannot be done.

Source: WASI, snapshot preview 1.
"""

from __future__ import annotations

import os
import struct
import time
from typing import TYPE_CHECKING, Any, Final

from ...guest.errno import Trap

if TYPE_CHECKING:
    from ..lane import Lane

MODULE: Final = "wasi_snapshot_preview1"
#: Name -> type, as in `abi.IMPORTS`.
IMPORTS: Final = {
    "args_get": "ii:i",
    "args_sizes_get": "ii:i",
    "environ_get": "ii:i",
    "environ_sizes_get": "ii:i",
    "clock_time_get": "iIi:i",
    "random_get": "ii:i",
    "fd_write": "iiii:i",
    "fd_close": "i:i",
    "fd_seek": "iIii:i",
    "fd_read": "iiii:i",
    "fd_fdstat_get": "ii:i",
    "fd_prestat_get": "ii:i",
    "fd_prestat_dir_name": "iii:i",
    "sched_yield": ":i",
    "proc_exit": "i:",
}
_BAD_FILE: Final = 8
_WARN, _INFO = 1, 2


def make(lane: Lane) -> dict[str, Any]:
    """Return the functions of this file for a lane, by name."""
    null = lane.api.ffi.NULL
    memory = lane.memory

    def nothing(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        a[0] = 0
        return null

    def no_file(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        a[0] = _BAD_FILE
        return null

    def no_sizes(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        memory.write_u32(a[0], 0)
        memory.write_u32(a[4], 0)
        a[0] = 0
        return null

    def clock_time_get(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        now = time.time_ns() if lane.host is None else lane.host.now() * 1000
        memory.write_u64(a[8], now)
        a[0] = 0
        return null

    def random_get(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        pointer, size = a[0], a[4]
        memory.check(pointer, size)
        memory.write(pointer, os.urandom(size))
        a[0] = 0
        return null

    def fd_write(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        file, pointer, count, out = a[0], a[4], a[8], a[12]
        pieces = [
            memory.read(*struct.unpack("<II", memory.read(pointer + 8 * i, 8)))
            for i in range(count)
        ]
        written = b"".join(pieces)
        lane.log(_WARN if file == 2 else _INFO, written.decode(errors="replace").rstrip("\n"))
        memory.write_u32(out, len(written))
        a[0] = 0
        return null

    def proc_exit(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        raise Trap(f"it ended itself (exit code {a[0]})")

    return {
        "args_get": nothing,
        "args_sizes_get": no_sizes,
        "environ_get": nothing,
        "environ_sizes_get": no_sizes,
        "clock_time_get": clock_time_get,
        "random_get": random_get,
        "fd_write": fd_write,
        "fd_close": no_file,
        "fd_seek": no_file,
        "fd_read": no_file,
        "fd_fdstat_get": no_file,
        "fd_prestat_get": no_file,
        "fd_prestat_dir_name": no_file,
        "sched_yield": nothing,
        "proc_exit": proc_exit,
    }
