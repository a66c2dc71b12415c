"""Where the parts of a row lie in a page, and functions that carry rows in and out.

In a page a row has a fixed size: parts are aligned, the variants of a sum share one place, and a
text or array is a reference of 4 bytes (length, first granule) to an object elsewhere in the page
(see `types.page_layout`).

What the functions take and give are the bytes that a log has of the row (its BSATN).

Source: SpacetimeDB documentation, snapshots, 2.8.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from ..codegen import make_function
from ..types import algebraic as at
from ..types.page_layout import SIZES, layout, round_up, row_size
from .skip import Overrun, fixed_size, make_skipper

if TYPE_CHECKING:
    from collections.abc import Callable

_U32: Final = Struct("<I").unpack_from


def is_flat(row_type: at.Product) -> bool:
    """Whether a row has the same bytes in a page as in a log."""
    return (
        fixed_size(row_type) == row_size(row_type)
        and not _has_sum(row_type)
        and layout(row_type)[0] == sum(_leaves(row_type))
    )


def _has_sum(type_: at.AlgebraicType) -> bool:
    if isinstance(type_, at.Product):
        return any(_has_sum(element.type) for element in type_.elements)
    return isinstance(type_, at.Sum)


def _leaves(type_: at.AlgebraicType) -> list[int]:
    if isinstance(type_, at.Product):
        return [size for element in type_.elements for size in _leaves(element.type)]
    return [SIZES[type_]]


def offsets(row_type: at.Product) -> list[int]:
    """Return where each column begins in a page's row."""
    found, at_ = [], 0
    for element in row_type.elements:
        size, alignment = layout(element.type)
        at_ = round_up(at_, alignment)
        found.append(at_)
        at_ += size
    return found


def copied_runs(row_type: at.Product) -> list[tuple[int, int]] | None:
    """Return which bytes of a page's row are the bytes that a log has of it: ``(start, end)``.

    None where that differs from row to row: in sums, and where a row refers to objects.
    """
    runs: list[tuple[int, int]] = []

    def walk(type_: at.AlgebraicType, start: int) -> bool:
        if isinstance(type_, at.Product):
            parts = zip(type_.elements, offsets(type_), strict=True)
            return all(walk(element.type, start + offset) for element, offset in parts)
        if type_ not in SIZES:
            return False
        end = start + SIZES[type_]
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
        return True

    return runs if walk(row_type, 0) else None


class _Writer:
    """What both generators share: lines, and names for functions."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"u32": _U32, "Overrun": Overrun}

    def put(self, depth: int, *lines: str) -> None:
        self.lines += ["    " * depth + line for line in lines]


class _IntoPage(_Writer):
    """Generates the function that takes a row's bytes apart."""

    def __init__(self) -> None:
        super().__init__()
        self._run = 0
        self._padding = 0

    def close(self, depth: int) -> None:
        """Write what was gathered: a run of bytes to copy, or padding."""
        if self._run:
            self.put(depth, f"add(data[i:i + {self._run}])", f"i += {self._run}")
            self._run = 0
        if self._padding:
            self.put(depth, f"add({bytes(self._padding)!r})")
            self._padding = 0

    def pad(self, size: int, depth: int) -> None:
        if size:
            if self._run:
                self.close(depth)
            self._padding += size

    def value(self, type_: at.AlgebraicType, depth: int) -> None:
        if type_ in SIZES:
            if self._padding:
                self.close(depth)
            self._run += SIZES[type_]
        elif isinstance(type_, at.Product):
            end = 0
            for element, start in zip(type_.elements, offsets(type_), strict=True):
                self.pad(start - end, depth)
                self.value(element.type, depth)
                end = start + layout(element.type)[0]
            self.pad(layout(type_)[0] - end, depth)
        elif isinstance(type_, at.Sum):
            self.sum_value(type_, depth)
        else:
            self.close(depth)
            if type_ == at.STRING:
                self.put(depth, "j = i + 4 + u32(data, i)[0]", "object_ = data[i + 4:j]")
            else:
                name = f"skip_{len(self.names)}"
                self.names[name] = make_skipper(type_)
                self.put(depth, f"j = {name}(data, i, len(data))", "object_ = data[i:j]")
            self.put(depth, "refs.append((len(out), object_))", "add(b'')", "i = j")

    def sum_value(self, type_: at.Sum, depth: int) -> None:
        size, alignment = layout(type_)
        self.close(depth)
        self.put(depth, "tag = data[i]", "i += 1")
        for tag, variant in enumerate(type_.variants):
            self.put(depth, f"{'if' if not tag else 'elif'} tag == {tag}:")
            head = bytes([tag]) + bytes(alignment - 1)
            self.put(depth + 1, f"add({head!r})")
            self.value(variant.type, depth + 1)
            self.pad(size - alignment - layout(variant.type)[0], depth + 1)
            self.close(depth + 1)
        self.put(depth, "else:", "    raise Overrun")


def make_into_page(row_type: at.Product) -> Any:
    """Return the function ``row's bytes -> (pieces of its fixed part, [(piece, object)])``."""
    writer = _IntoPage()
    writer.put(0, "def into(data):")
    writer.put(1, "i = 0", "out = []", "refs = []", "add = out.append")
    writer.value(row_type, 1)
    writer.pad(row_size(row_type) - layout(row_type)[0], 1)
    writer.close(1)
    writer.put(1, "if i != len(data):", "    raise Overrun", "return out, refs")
    return make_function("into page", "into", writer.lines, writer.names)


class _OutOfPage(_Writer):
    """Generates the function that puts a row's bytes together."""

    def __init__(self) -> None:
        super().__init__()
        self._run: tuple[int, int] | None = None

    def close(self, depth: int) -> None:
        if self._run is not None:
            start, end = self._run
            self.put(depth, f"add(data[at + {start}:at + {end}])")
            self._run = None

    def value(self, type_: at.AlgebraicType, start: int, depth: int) -> None:
        if type_ in SIZES:
            end = start + SIZES[type_]
            if self._run is not None and self._run[1] == start:
                self._run = (self._run[0], end)
                return
            self.close(depth)
            self._run = (start, end)
        elif isinstance(type_, at.Product):
            for element, offset in zip(type_.elements, offsets(type_), strict=True):
                self.value(element.type, start + offset, depth)
        elif isinstance(type_, at.Sum):
            self.close(depth)
            alignment = layout(type_)[1]
            self.put(depth, f"tag = data[at + {start}]")
            for tag, variant in enumerate(type_.variants):
                self.put(depth, f"{'if' if not tag else 'elif'} tag == {tag}:")
                self.put(depth + 1, f"add({bytes([tag])!r})")
                self.value(variant.type, start + alignment, depth + 1)
                self.close(depth + 1)
            self.put(depth, "else:", "    raise Overrun")
        else:
            self.close(depth)
            self.put(depth, f"v = fetch(data, at + {start})")
            if type_ == at.STRING:
                self.put(depth, "add(len(v).to_bytes(4, 'little'))")
            self.put(depth, "add(v)")


def make_out_of_page(row_type: at.Product) -> Callable[[bytes, int, Any], bytes]:
    """Return the function ``(row data, where the row begins, fetch) -> the row's bytes``.

    ``fetch(data, where)`` gives the object of the reference there.
    """
    writer = _OutOfPage()
    writer.put(0, "def out(data, at, fetch):")
    writer.put(1, "parts = []", "add = parts.append")
    writer.value(row_type, 0, 1)
    writer.close(1)
    writer.put(1, "return b''.join(parts)")
    function: Callable[[bytes, int, Any], bytes]
    function = make_function("out of page", "out", writer.lines, writer.names)
    return function
