"""A module's memory as host functions read and write it.

Every access is checked: a pointer of 0 is a null pointer, and nothing outside the memory is
touched. The memory grows and never moves (`engine`), so the view that is kept may only be too
short; it is looked up again where an access goes past its end.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from ..guest.errno import Trap
from .capi import CApi

#: ``(view, pointer) -> (number,)`` and ``(view, pointer, number)`` for 32 bits, without checks.
unpack_u32: Final = struct.Struct("<I").unpack_from
pack_u32: Final = struct.Struct("<I").pack_into
_U64: Final = struct.Struct("<Q")


class Memory:
    """The memory of the instance that runs now.

    Attributes
    ----------
    view : buffer
        What was last seen of it; slicing gives ``bytes``.
    """

    __slots__ = ("_api", "_context", "_memory", "view")

    def __init__(self, api: CApi) -> None:
        self._api = api
        self._context: Any = None
        self._memory: Any = None
        self.view: Any = b""

    def attach(self, context: Any, memory: Any) -> None:
        """Be the memory of another instance."""
        self._context, self._memory = context, memory
        self._look()

    def detach(self) -> None:
        """Be no memory: the instance is going."""
        self._context = self._memory = None
        self.view = b""

    def _look(self) -> None:
        ffi, lib = self._api.ffi, self._api.lib
        if self._memory is None:
            self.view = b""
            return
        size = lib.wasmtime_memory_data_size(self._context, self._memory)
        self.view = ffi.buffer(lib.wasmtime_memory_data(self._context, self._memory), size)

    # -- the whole of each has a fast way for what is there, and a slow one that says what is not --

    def read(self, pointer: int, size: int) -> bytes:
        """Return `size` bytes at `pointer`."""
        end = pointer + size
        if not pointer or end > len(self.view):
            self.check(pointer, size)
        data: bytes = self.view[pointer:end]
        return data

    def write(self, pointer: int, data: bytes | memoryview) -> None:
        """Write `data` at `pointer`."""
        end = pointer + len(data)
        if not pointer or end > len(self.view):
            self.check(pointer, len(data))
        self.view[pointer:end] = data

    def read_u32(self, pointer: int) -> int:
        """Return the number of 32 bits at `pointer`."""
        if not pointer or pointer + 4 > len(self.view):
            self.check(pointer, 4)
        value: int = unpack_u32(self.view, pointer)[0]
        return value

    def write_u32(self, pointer: int, value: int) -> None:
        """Write a number of 32 bits at `pointer`."""
        if not pointer or pointer + 4 > len(self.view):
            self.check(pointer, 4)
        pack_u32(self.view, pointer, value)

    def write_u64(self, pointer: int, value: int) -> None:
        """Write a number of 64 bits at `pointer`."""
        if not pointer or pointer + 8 > len(self.view):
            self.check(pointer, 8)
        _U64.pack_into(self.view, pointer, value)

    def text(self, pointer: int, size: int) -> str:
        """Return text; what is no UTF-8 is a mistake of the module."""
        try:
            return self.read(pointer, size).decode()
        except UnicodeDecodeError as error:
            raise Trap(f"text at {pointer} is no UTF-8: {error.reason}") from None

    def check(self, pointer: int, size: int) -> None:
        """Raise `Trap` unless there are `size` bytes at `pointer`."""
        if not pointer:
            raise Trap("null pointer")
        if pointer + size > len(self.view):
            self._look()
            if pointer + size > len(self.view):
                raise Trap(
                    f"out of bounds: {size} bytes at {pointer} of a memory of {len(self.view)}"
                )

    def check_columns(self, count: int) -> None:
        """Raise `Trap` for more columns than a table can have."""
        if count > 65_535:
            raise Trap(f"a prefix of {count} columns")
