"""How much room a type takes in a page of a table, and how it is aligned there.

Rows of SpacetimeDB lie in pages in this form, and so do those of snapshots; a sum may get more
variants while its room stays the same.

========================  =================================================================
 type                      size, alignment
========================  =================================================================
 bool, number              its own, its own
 text, array               4, 2 (a reference to an object elsewhere)
 product                   parts in order, each aligned; rounded up to the largest alignment
 sum                       tag at 0; every payload at A, the largest alignment of a payload;
                           A and the largest payload, rounded up to A
 row                       a product, rounded up to an even size, at least 2
========================  =================================================================

Source: SpacetimeDB documentation, snapshots, 2.8.
"""

from __future__ import annotations

from typing import Final

from ..errors import InternalError
from . import algebraic as at

#: Type -> its size in bytes, for those without parts.
SIZES: Final = {type_: bits // 8 for type_, (bits, _) in at.INTEGERS.items()} | {
    at.BOOL: 1, at.F32: 4, at.F64: 8,
}  # fmt: skip


def layout(type_: at.AlgebraicType) -> tuple[int, int]:
    """Return the size and the alignment of a type without references to others."""
    if type_ in SIZES:
        return SIZES[type_], SIZES[type_]
    if type_ == at.STRING or isinstance(type_, at.Array):
        return 4, 2
    if isinstance(type_, at.Product):
        size, largest = 0, 1
        for element in type_.elements:
            inner, alignment = layout(element.type)
            size = round_up(size, alignment) + inner
            largest = max(largest, alignment)
        return round_up(size, largest), largest
    if isinstance(type_, at.Sum):
        payloads = [layout(variant.type) for variant in type_.variants]
        largest = max((alignment for _, alignment in payloads), default=1)
        return largest + round_up(max((size for size, _ in payloads), default=0), largest), largest
    raise InternalError(f"a column of type {type_}")


def row_size(row_type: at.Product) -> int:
    """Return how many bytes of a page a row takes, its objects not counted."""
    return max(2, round_up(layout(row_type)[0], 2))


def round_up(size: int, alignment: int) -> int:
    """Return the next multiple of `alignment`."""
    return -(-size // alignment) * alignment
