"""The log, timers for it, and who the database and the caller are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ...guest.errno import NO_SUCH_CONSOLE_TIMER, NOT_IN_TRANSACTION, Trap
from ...guest.host import timing_message

if TYPE_CHECKING:
    from ..lane import Lane
    from ..memory import Memory

_NO_LINE: Final = 0xFFFF_FFFF
_INFO: Final = 2


def make(lane: Lane) -> dict[str, Any]:
    """Return the functions of this file for a lane, by name."""
    null = lane.api.ffi.NULL
    memory = lane.memory
    timers = lane.timers

    def console_log(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        level, target, target_size, filename, filename_size = a[0], a[4], a[8], a[12], a[16]
        line, message, message_size = a[20], a[24], a[28]
        try:
            text = _lossy(memory, message, message_size)
            target_text = _lossy(memory, target, target_size)
            file = _lossy(memory, filename, filename_size)
        except Trap:
            return null  # by the ABI: a record that cannot be read is no record
        if text is not None:
            lane.log(
                level,
                text,
                target=target_text,
                filename=file,
                line_number=None if line == _NO_LINE else line,
            )
        return null

    def console_timer_start(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        name = memory.read(a[0], a[4])
        lane.count_written(len(name))
        a[0] = timers.add((name.decode(errors="replace"), time.perf_counter()))
        return null

    def console_timer_end(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        timer = timers.remove(a[0])
        if timer is None:
            a[0] = NO_SUCH_CONSOLE_TIMER
            return null
        name, started = timer
        lane.log(_INFO, timing_message(name, time.perf_counter() - started))
        a[0] = 0
        return null

    def identity(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        memory.write(a[0], lane.identity)
        return null

    def get_jwt(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        connection_id = int.from_bytes(memory.read(a[0], 16), "little")
        out = a[4]
        if not lane.in_transaction or lane.host is None:
            a[0] = NOT_IN_TRANSACTION
            return null
        claims = lane.host.jwt(connection_id)
        memory.write_u32(out, 0 if claims is None else lane.open_source(claims.encode()))
        a[0] = 0
        return null

    return {
        "console_log": console_log,
        "console_timer_start": console_timer_start,
        "console_timer_end": console_timer_end,
        "identity": identity,
        "get_jwt": get_jwt,
    }


def _lossy(memory: Memory, pointer: int, size: int) -> str | None:
    return memory.read(pointer, size).decode(errors="replace") if pointer else None
