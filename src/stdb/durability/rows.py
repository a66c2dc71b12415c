"""From the rows of pages and logs, which are bytes, to values: many at a time where that can be.

A row whose columns all have a fixed size is taken apart by one format for all rows, in the place of
a function call for each.
"""

from __future__ import annotations

import struct
from itertools import chain
from struct import Struct
from typing import TYPE_CHECKING, Any

from ..types.bsatn_encode import fixed_format
from ..types.compose import Composer
from ..types.exact import NAN
from ..types.page_layout import row_size
from ..types.shapes import Float, Int, PlainEnum, Wrapped
from .layout import copied_runs, is_flat, make_out_of_page, offsets
from .pages import make_fetch, packed_rows, starts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..types import algebraic as at
    from ..types.shapes import Record, Shape
    from .pages import Page


def rows_of_pages(
    pages: Iterable[Page], row_type: at.Product, blobs: dict[bytes, bytes]
) -> list[bytes]:
    """Return the rows of a table in a snapshot, as the log has them."""
    size = row_size(row_type)
    if is_flat(row_type):
        return [page.data[place : place + size] for page in pages for place in starts(page, size)]
    runs = copied_runs(row_type)
    if runs:
        unpack = Struct(_format_of(runs, size)).iter_unpack
        join = b"".join
        return [join(parts) for page in pages for parts in unpack(packed_rows(page, size))]
    out, fetch = make_out_of_page(row_type), make_fetch(blobs)
    return [out(page.data, place, fetch) for page in pages for place in starts(page, size)]


def _format_of(runs: list[tuple[int, int]], size: int) -> str:
    """Return the struct format of rows of `size` bytes that takes these parts of each."""
    letters, at_ = ["<"], 0
    for start, end in runs:
        letters.append(f"{start - at_}x{end - start}s")
        at_ = end
    return "".join(letters) + f"{size - at_}x"


def decode_pages(pages: Iterable[Page], row_type: at.Product, shape: Record) -> list[Any] | None:
    """Return the rows of a table in a snapshot as values, or None if not all sizes are fixed."""
    size = row_size(row_type)
    batch = make_batch(shape, offsets(row_type), size)
    if batch is None:
        return None
    return list(chain.from_iterable(batch(packed_rows(page, size)) for page in pages))


def decode_rows(rows: dict[bytes, None], shape: Record) -> list[Any] | None:
    """Return the rows of a log as values, or None if not all sizes are fixed."""
    batch = make_batch(shape, None, None)
    if batch is None:
        return None
    return batch(b"".join(rows))


def make_batch(
    shape: Record, places: list[int] | None, size: int | None
) -> Callable[[bytes], list[Any]] | None:
    """Return the generated function ``rows one after another -> values``.

    Parameters
    ----------
    shape : Record
        The rows.
    places, size : list of int, int
        Where each column begins and how long a row is; None where nothing lies between.
    """
    c = Composer()
    letters: list[str] = []
    at_ = 0
    values: list[str] = []
    for position, field in enumerate(shape.fields):
        found = _column(c, field.shape, f"f{position}")
        if found is None:
            return None
        letter, value = found
        gap = 0 if places is None else places[position] - at_
        letters.append("x" * gap + letter)
        at_ += gap + struct.calcsize("<" + letter)
        values.append(f"{field.attribute}={value}")
    if not letters or not at_:
        return None
    letters.append("x" * (0 if size is None else size - at_))
    unpack = c.name(struct.Struct("<" + "".join(letters)).iter_unpack, "unpack")
    names = "".join(f"f{position}, " for position in range(len(shape.fields)))
    made = f"{c.name(shape.cls, 'Row')}({', '.join(values)})"
    c.add(["def batch(data):", f"    return [{made} for {names}in {unpack}(data)]"])
    function: Callable[[bytes], list[Any]] = c.run(f"rows of {shape}")["batch"]
    return function


def _column(c: Composer, shape: Shape, name: str) -> tuple[str, str] | None:
    """Return the letter of a column's format, and source that makes its value of `name`."""
    letter = fixed_format(shape)
    if isinstance(shape, Float):
        return letter, f"({name} if {name} == {name} else {c.name(NAN, 'NAN')})"
    if letter and not isinstance(shape, Wrapped):
        return letter, name
    if isinstance(shape, PlainEnum):
        return "B", f"{c.name(shape.members, 'ENUM')}[{name}]"
    if isinstance(shape, Wrapped | Int):
        kept = {64: "q" if shape.signed else "Q"}.get(shape.bits)
        sign = ", signed=True" if shape.signed else ""
        value = name if kept else f"int.from_bytes({name}, 'little'{sign})"
        if isinstance(shape, Wrapped):
            value = f"{c.name(shape.cls, shape.cls.__name__)}({shape.attribute}={value})"
        return kept or f"{shape.bits // 8}s", value
    return None
