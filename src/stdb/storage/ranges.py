"""Range scans: the keys of an index between two bounds, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import UsageError
from ..types.keys import END, key_function

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .table import Table


class _Absent:
    def __repr__(self) -> str:
        return "…"


#: The default of a bound: None is a value.
ABSENT: Final = _Absent()


def range_keys(
    table: Table, position: int, values: tuple[Any, ...], ge: Any, gt: Any, le: Any, lt: Any
) -> Iterator[Any]:
    """Return the keys of an index whose leading columns equal `values` and whose next is in range.

    Raises
    ------
    UsageError
        The index has no order, there are too many values, or two bounds of the same side.
    TypeMismatch
        A value or bound is not of its column's type.
    """
    index = table.indexes[position]
    columns = index.definition.columns
    bounded = any(bound is not ABSENT for bound in (ge, gt, le, lt))
    if len(values) > len(columns) - bounded:
        names = ", ".join(table.shape.fields[p].attribute for p in columns)
        raise UsageError(
            f"table {table.name!r}: index over ({names}) takes at most {len(columns)} values in "
            f"all, got {len(values)}{' and a range' if bounded else ''}"
        )
    if index.definition.algorithm == "hash":
        raise UsageError(
            f"table {table.name!r}: the hash index {index.definition.name!r} finds whole keys "
            "only; give every column a value, or make it a btree index for ranges"
        )
    if (ge is not ABSENT and gt is not ABSENT) or (le is not ABSENT and lt is not ABSENT):
        raise UsageError("give one lower bound (ge or gt) and one upper bound (le or lt)")
    low = ge if gt is ABSENT else gt
    high = le if lt is ABSENT else lt
    prefix = tuple(_key(table, position, i, value) for i, value in enumerate(values))
    at = len(values)
    low_key = None if low is ABSENT else _key(table, position, at, low)
    high_key = None if high is ABSENT else _key(table, position, at, high)
    order = index.order()
    keys: Iterator[Any]
    if len(columns) == 1:
        keys = order.irange(low_key, high_key, (gt is ABSENT, lt is ABSENT))
        return keys
    lower: tuple[Any, ...] = prefix
    if low is not ABSENT:
        lower = (*prefix, low_key) if gt is ABSENT else (*prefix, low_key, END)
    upper: tuple[Any, ...] = (*prefix, END)
    if high is not ABSENT:
        upper = (*prefix, high_key, END) if lt is ABSENT else (*prefix, high_key)
    keys = order.irange(lower, upper, (True, False))
    return keys


def _key(table: Table, position: int, column: int, value: Any) -> Any:
    """Return the key of one look-up value, checked."""
    index = table.indexes[position]
    field = table.shape.fields[index.definition.columns[column]]
    exact_value = table.mend_value(field, value)
    function = table.column_keys.get(field.attribute)
    if function is None:
        function = table.column_keys[field.attribute] = key_function(field.shape)
    return function(exact_value)
