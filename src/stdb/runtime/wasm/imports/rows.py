"""Rows that a module goes through, chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...guest.errno import BUFFER_TOO_SMALL, NO_SUCH_ITER
from ..memory import pack_u32, unpack_u32

if TYPE_CHECKING:
    from ..lane import Lane

_EXHAUSTED: Final = 0xFFFF_FFFF


def make(lane: Lane) -> dict[str, Any]:
    """Return the functions of this file for a lane, by name."""
    null = lane.api.ffi.NULL
    memory = lane.memory
    iterators = lane.iterators
    held, free = iterators.values, iterators.free
    write_u32 = memory.write_u32

    def row_iter_bsatn_advance(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        handle, pointer, size_pointer = a[0], a[4], a[8]
        rows = held.get(handle)
        if rows is None:
            a[0] = NO_SUCH_ITER
            return null
        view = memory.view
        if not size_pointer or size_pointer + 4 > len(view):
            memory.check(size_pointer, 4)
            view = memory.view
        (size_max,) = unpack_u32(view, size_pointer)
        if not pointer or pointer + size_max > len(view):
            memory.check(pointer, size_max)
            view = memory.view
        if rows.__class__ is bytes:
            size = len(rows)
            if size > size_max:
                pack_u32(view, size_pointer, size)
                a[0] = BUFFER_TOO_SMALL
                return null
            view[pointer : pointer + size] = rows
            pack_u32(view, size_pointer, size)
            del held[handle]
            free.append(handle)
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
