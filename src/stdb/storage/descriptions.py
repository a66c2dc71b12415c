"""The sums inside system tables: how an index and a constraint are described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InternalError
from ..types.shapes import Record, Tagged

if TYPE_CHECKING:
    from ..schema import IndexDef

_VARIANTS = {"btree": "BTree", "hash": "Hash", "direct": "Direct"}


def index_algorithm(st_index: Record, index: IndexDef) -> Any:
    """Return the value of ``st_index.index_algorithm`` for `index`."""
    columns: Any = index.columns
    if index.algorithm == "direct":
        columns = index.columns[0]
    return _variant(_column(st_index, "index_algorithm"), _VARIANTS[index.algorithm], columns)


def unique_constraint(st_constraint: Record, columns: tuple[int, ...]) -> Any:
    """Return the value of ``st_constraint.constraint_data`` for a unique constraint."""
    return _variant(_column(st_constraint, "constraint_data"), "Unique", columns)


def _column(record: Record, name: str) -> Tagged:
    shape = next(field.shape for field in record.fields if field.name == name)
    if not isinstance(shape, Tagged):
        raise InternalError(f"{record.name}.{name} is {shape}, not a sum")
    return shape


def _variant(shape: Tagged, name: str, payload: Any) -> Any:
    """Return a variant around a record of one field that holds `payload`."""
    for (variant, inner), cls in zip(shape.variants, shape.classes, strict=True):
        if variant == name and isinstance(inner, Record):
            return cls(inner.cls(payload))
    raise InternalError(f"{shape.name} has no variant {name!r}")
