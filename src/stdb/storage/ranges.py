"""Range scans: the keys of an index between two bounds, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import UsageError
from ..types.keys import END, key_function

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .index import Index
    from .table import Table


class _Absent:
    def __repr__(self) -> str:
        return "…"


#: The default of a bound: None is a value.
ABSENT: Final = _Absent()


class Range(NamedTuple):
    """Some keys of an index: those that begin with `prefix` and go on between two bounds.

    Attributes
    ----------
    prefix : tuple
        Keys of its first columns; not of all.
    low, high : object
        Keys of the column after them; `ABSENT` for no bound.
    low_included, high_included : bool
        Whether the bounds themselves belong to the range.
    """

    prefix: tuple[Any, ...]
    low: Any
    high: Any
    low_included: bool = True
    high_included: bool = True

    @property
    def is_all(self) -> bool:
        """Whether every key is in it."""
        return not self.prefix and self.low is ABSENT and self.high is ABSENT

    def holds(self, value: Any) -> bool:
        """Whether a key that begins with the prefix is in it; `value` is what comes after that."""
        low, high = self.low, self.high
        if low is not ABSENT and not (low < value or (self.low_included and low == value)):
            return False
        return high is ABSENT or value < high or (self.high_included and high == value)


def range_keys(
    table: Table, position: int, values: tuple[Any, ...], ge: Any, gt: Any, le: Any, lt: Any
) -> Iterator[Any]:
    """Return the keys of an index that are in a range: see `range_of`."""
    index = table.indexes[position]
    asked = range_of(table, position, values, ge, gt, le, lt)
    return keys_between(index, len(index.definition.columns), asked)


def range_of(
    table: Table, position: int, values: tuple[Any, ...], ge: Any, gt: Any, le: Any, lt: Any
) -> Range:
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
    low_key: Any = ABSENT if low is ABSENT else _key(table, position, at, low)
    high_key: Any = ABSENT if high is ABSENT else _key(table, position, at, high)
    return Range(prefix, low_key, high_key, gt is ABSENT, lt is ABSENT)


def keys_between(index: Index, width: int, asked: Range) -> Iterator[Any]:
    """Return the keys of an index that are in a range, in order.

    Parameters
    ----------
    index : Index
        Its keys are tuples, unless `width` is 1.
    width : int
        How many columns it has.
    asked : Range
    """
    prefix, low, high, low_included, high_included = asked
    order = index.order()
    keys: Iterator[Any]
    if width == 1:
        keys = order.irange(
            None if low is ABSENT else low,
            None if high is ABSENT else high,
            (low_included, high_included),
        )
        return keys
    lower: tuple[Any, ...] = prefix
    if low is not ABSENT:
        lower = (*prefix, low) if low_included else (*prefix, low, END)
    upper: tuple[Any, ...] = (*prefix, END)
    if high is not ABSENT:
        upper = (*prefix, high, END) if high_included else (*prefix, high)
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
