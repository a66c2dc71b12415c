"""Bytes that come to a module (sources) and from it (sinks)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...guest.errno import NO_SUCH_BYTES

if TYPE_CHECKING:
    from ..lane import Lane


def make(lane: Lane) -> dict[str, Any]:
    """Return the functions of this file for a lane, by name."""
    null = lane.api.ffi.NULL
    memory = lane.memory
    sources, sinks = lane.sources, lane.sinks
    read_u32, write_u32 = memory.read_u32, memory.write_u32

    def bytes_source_read(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        source, pointer, size_pointer = a[0], a[4], a[8]
        data = sources.get(source)
        if data is None:
            a[0] = NO_SUCH_BYTES
            return null
        size_max = read_u32(size_pointer)
        memory.check(pointer, size_max)
        if len(data) <= size_max:
            memory.write(pointer, data)
            write_u32(size_pointer, len(data))
            del sources[source]
            a[0] = 0xFFFF_FFFF
            return null
        # A view of the rest, not a copy: a module may read a byte at a time.
        memory.write(pointer, data[:size_max])
        write_u32(size_pointer, size_max)
        sources[source] = memoryview(data)[size_max:]
        a[0] = 0
        return null

    def bytes_source_remaining_length(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        data = sources.get(a[0])
        if data is None:
            a[0] = NO_SUCH_BYTES
            return null
        write_u32(a[4], len(data))
        a[0] = 0
        return null

    def bytes_sink_write(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        written = sinks.get(a[0])
        if written is None:
            a[0] = NO_SUCH_BYTES
            return null
        data = memory.read(a[4], read_u32(a[8]))
        lane.count_written(len(data))
        written.append(data)
        a[0] = 0
        return null

    return {
        "bytes_source_read": bytes_source_read,
        "bytes_source_remaining_length": bytes_source_remaining_length,
        "bytes_sink_write": bytes_sink_write,
    }
