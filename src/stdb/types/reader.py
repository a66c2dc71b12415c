"""Reads and writes BSATN that is laid out by hand: formats whose shape the code itself knows.

`Reader` takes values off the front of some bytes, `Writer` puts them together. Rows go through the
generated codecs instead.

Bytes may come from anywhere, so no count is believed: a list is refused when the rest of the input
could not hold it, before anything is allocated or looped over.

========  =====================================================================
 value     bytes
========  =====================================================================
 integer   its width, little-endian, two's complement
 bool      one byte, 0 or 1
 string    u32 length in bytes, UTF-8
 bytes     u32 length, the bytes
 list      u32 count, the items one after another
 option    ``00`` and the value, or ``01``
 sum       one byte, the tag, and what the variant holds
========  =====================================================================

Source: SpacetimeDB documentation, "BSATN" (internals), version 2.8.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from ..errors import DecodeError, TypeMismatch, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_T = TypeVar("_T")

#: How deep types or values may lie in each other.
DEPTH_MAX: Final = 128
#: How many values without bytes (units) a list may hold.
EMPTY_ITEMS_MAX: Final = 65_536


class Reader:
    """Takes values off the front of `data`, from `offset` on.

    Every method raises `DecodeError`, with the offset of what it could not read, when the bytes do
    not hold what it should return. Bytes that nobody asks for are not looked at.

    Attributes
    ----------
    data : bytes
    offset : int
        Where the next value starts.
    depth : int
        How many `enter` are open.
    """

    __slots__ = ("data", "depth", "offset")

    def __init__(self, data: builtins.bytes | bytearray | memoryview, offset: int = 0) -> None:
        self.data = bytes(data)
        self.offset = offset
        self.depth = 0

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return len(self.data) - self.offset

    def fail(self, message: builtins.str, offset: int | None = None) -> NoReturn:
        """Raise the `DecodeError` for what is at `offset`, by default the present one."""
        at = self.offset if offset is None else offset
        raise DecodeError(f"at byte {at}: {message}", offset=at)

    def take(self, size: int, what: builtins.str = "[u8]") -> builtins.bytes:
        """Return the next `size` bytes; `what` is what they are to be, for the error."""
        given = len(self.data) - self.offset
        if size > given:
            self.fail(f"data too short for {what}: expected {size} bytes, given {given}")
        taken = self.data[self.offset : self.offset + size]
        self.offset += size
        return taken

    def u8(self) -> int:
        """Return an unsigned integer of one byte."""
        return self.take(1, "u8")[0]

    def u16(self) -> int:
        """Return an unsigned integer of two bytes."""
        return int.from_bytes(self.take(2, "u16"), "little")

    def u32(self) -> int:
        """Return an unsigned integer of four bytes."""
        return int.from_bytes(self.take(4, "u32"), "little")

    def u64(self) -> int:
        """Return an unsigned integer of eight bytes."""
        return int.from_bytes(self.take(8, "u64"), "little")

    def i128(self) -> int:
        """Return a signed integer of sixteen bytes."""
        return int.from_bytes(self.take(16, "i128"), "little", signed=True)

    def bool(self) -> builtins.bool:
        """Return a truth value."""
        byte = self.u8()
        if byte > 1:
            self.fail(f"a bool is 0 or 1, not {byte}", self.offset - 1)
        return byte == 1

    def bytes(self) -> builtins.bytes:
        """Return a list of bytes."""
        return self.take(self.u32())

    def str(self) -> builtins.str:
        """Return a string."""
        start = self.offset
        raw = self.bytes()
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            self.fail(f"invalid utf8: {error.reason}", start + 4 + error.start)

    def vec(self, item: Callable[[], _T], item_size_min: int = 1) -> tuple[_T, ...]:
        """Return a list, each item as `item` returns it.

        `item_size_min` is the least number of bytes that an item can have. If it is 0, at most
        `EMPTY_ITEMS_MAX` items are read.
        """
        start = self.offset
        count = self.u32()
        if item_size_min and count * item_size_min > self.remaining:
            self.fail(
                f"data too short for {count} items of at least {item_size_min} bytes: "
                f"expected {count * item_size_min} bytes, given {self.remaining}"
            )
        if not item_size_min and count > EMPTY_ITEMS_MAX:
            self.fail(f"{count} items without bytes; at most {EMPTY_ITEMS_MAX} are read", start)
        return tuple([item() for _ in range(count)])

    def opt(self, item: Callable[[], _T]) -> _T | None:
        """Return what `item` returns, or None where the option is empty."""
        return None if self.tag(2, "option") else item()

    def tag(self, count: int, name: builtins.str = "<unknown>") -> int:
        """Return the tag of a sum called `name` that has `count` variants."""
        tag = self.u8()
        if tag >= count:
            self.fail(f"unknown tag {tag:#x} for sum type {name}", self.offset - 1)
        return tag

    def enter(self, depth_max: int = DEPTH_MAX) -> None:
        """Go one level deeper; `leave` comes back. Fails below `depth_max` levels."""
        self.depth += 1
        if self.depth > depth_max:
            self.fail(f"nested more than {depth_max} deep")

    def leave(self) -> None:
        """Come back from `enter`."""
        self.depth -= 1


class Writer:
    """Puts values together; `finish` returns the bytes.

    A value that its place cannot hold is a `TypeMismatch`.
    """

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = bytearray()

    def finish(self) -> builtins.bytes:
        """Return what was written."""
        return bytes(self.data)

    def _integer(
        self, value: int, size: int, what: builtins.str, *, signed: builtins.bool = False
    ) -> None:
        try:
            self.data += value.to_bytes(size, "little", signed=signed)
        except (AttributeError, OverflowError, TypeError):
            raise TypeMismatch(
                f"{shorten(value)} is not a {what}", expected=what, got=value
            ) from None

    def u8(self, value: int) -> None:
        """Write an unsigned integer of one byte."""
        self._integer(value, 1, "u8")

    def u16(self, value: int) -> None:
        """Write an unsigned integer of two bytes."""
        self._integer(value, 2, "u16")

    def u32(self, value: int) -> None:
        """Write an unsigned integer of four bytes."""
        self._integer(value, 4, "u32")

    def u64(self, value: int) -> None:
        """Write an unsigned integer of eight bytes."""
        self._integer(value, 8, "u64")

    def i128(self, value: int) -> None:
        """Write a signed integer of sixteen bytes."""
        self._integer(value, 16, "i128", signed=True)

    def bool(self, value: builtins.bool) -> None:
        """Write a truth value."""
        if value is not True and value is not False:
            raise TypeMismatch(f"{shorten(value)} is not a bool", expected="bool", got=value)
        self.data.append(value)

    def bytes(self, value: builtins.bytes) -> None:
        """Write a list of bytes."""
        if not isinstance(value, bytes):
            raise TypeMismatch(f"{shorten(value)} is not bytes", expected="bytes", got=value)
        self.u32(len(value))
        self.data += value

    def str(self, value: builtins.str) -> None:
        """Write a string."""
        try:
            raw = value.encode()
        except (AttributeError, UnicodeEncodeError):
            raise TypeMismatch(
                f"{shorten(value)} is not a str of Unicode characters", expected="str", got=value
            ) from None
        self.bytes(raw)

    def vec(self, values: Iterable[_T], write: Callable[[_T], object]) -> None:
        """Write a list, each item with `write`."""
        items = tuple(values)
        self.u32(len(items))
        for item in items:
            write(item)

    def opt(self, value: _T | None, write: Callable[[_T], object]) -> None:
        """Write an option: the value with `write`, or nothing for None."""
        if value is None:
            self.data.append(1)
        else:
            self.data.append(0)
            write(value)

    def tag(self, tag: int) -> None:
        """Write the tag of a sum."""
        self.u8(tag)
