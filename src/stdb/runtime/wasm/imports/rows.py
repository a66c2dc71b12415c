"""Rows that a module goes through, chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...guest.errno import BUFFER_TOO_SMALL, NO_SUCH_ITER

if TYPE_CHECKING:
    from ..lane import Lane

_EXHAUSTED: Final = 0xFFFF_FFFF


def make(lane: Lane) -> dict[str, Any]:
    """Return the functions of this file for a lane, by name."""
    null = lane.api.ffi.NULL
    memory = lane.memory
    iterators = lane.iterators
    held = iterators.values
    read_u32, write_u32 = memory.read_u32, memory.write_u32

    def row_iter_bsatn_advance(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        handle, pointer, size_pointer = a[0], a[4], a[8]
        rows = held.get(handle)
        if rows is None:
            a[0] = NO_SUCH_ITER
            return null
        size_max = read_u32(size_pointer)
        memory.check(pointer, size_max)
        if rows.__class__ is bytes:
            size = len(rows)
            if size > size_max:
                write_u32(size_pointer, size)
                a[0] = BUFFER_TOO_SMALL
                return null
            memory.view[pointer : pointer + size] = rows
            write_u32(size_pointer, size)
            iterators.remove(handle)
            a[0] = _EXHAUSTED
            return null
        data = rows.take(size_max)  # type: ignore[union-attr]
        if not data and not rows.is_at_end:  # type: ignore[union-attr]
            write_u32(size_pointer, rows.chunk_size)  # type: ignore[union-attr]
            a[0] = BUFFER_TOO_SMALL
            return null
        memory.write(pointer, data)
        write_u32(size_pointer, len(data))
        if rows.is_at_end:  # type: ignore[union-attr]
            iterators.remove(handle)
            a[0] = _EXHAUSTED
        else:
            a[0] = 0
        return null

    def row_iter_bsatn_close(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        a[0] = NO_SUCH_ITER if iterators.remove(a[0]) is None else 0
        return null

    return {
        "row_iter_bsatn_advance": row_iter_bsatn_advance,
        "row_iter_bsatn_close": row_iter_bsatn_close,
    }
