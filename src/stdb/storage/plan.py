"""What the generator of a table's functions knows: which index is the main one, and every key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..types.bsatn_encode import children
from ..types.keys import is_own_key, key_expression
from ..types.shapes import Float, Option, Record, Result, Sequence, Shape, Tagged

if TYPE_CHECKING:
    from ..schema import TableDef
    from ..types.compose import Composer


class Plan:
    """What the generator knows of a table: columns, which index is the main one, which are unique.

    Parameters
    ----------
    definition : TableDef
        The table.
    shape : Record
        Its rows.
    """

    def __init__(self, definition: TableDef, shape: Record) -> None:
        self.definition = definition
        self.shape = shape
        constraints = {c.columns for c in definition.constraints}
        self.unique = [tuple(sorted(i.columns)) in constraints for i in definition.indexes]
        self.main = self._choose_main()
        self.has_float = contains_float(shape)

    def _choose_main(self) -> int | None:
        """Return the position of the index whose dict holds the rows; None: rows by themselves."""
        unique = [i for i, is_unique in enumerate(self.unique) if is_unique]
        for i in unique:
            if self.definition.indexes[i].columns == (self.definition.primary_key,):
                return i
        return unique[0] if unique else None

    def finds_by_value(self, index: int) -> bool:
        """Whether a unique index is over one column whose values are their own keys.

        Not when they are tuples: people look those up by lists, which no dict takes.
        """
        columns = self.definition.indexes[index].columns
        shape = self.shape.fields[columns[0]].shape
        return (
            self.unique[index]
            and len(columns) == 1
            and is_own_key(shape)
            and not isinstance(shape, Sequence)
        )

    @property
    def others(self) -> list[int]:
        """The positions of the indexes that have a dict of their own."""
        return [i for i in range(len(self.unique)) if i != self.main]

    def key(self, c: Composer, index: int, read: str = "c") -> str:
        """Return source for the key of an index from local variables ``c0``, ``c1``."""
        columns = self.definition.indexes[index].columns
        keys = [key_expression(c, self.shape.fields[p].shape, f"{read}{p}") for p in columns]
        return keys[0] if len(keys) == 1 else f"({', '.join(keys)})"

    def key_of_row(self, c: Composer, index: int, row: str) -> str:
        """Return source for the key of an index from a row."""
        columns = self.definition.indexes[index].columns
        fields = self.shape.fields
        keys = [key_expression(c, fields[p].shape, f"{row}.{fields[p].attribute}") for p in columns]
        return keys[0] if len(keys) == 1 else f"({', '.join(keys)})"


def contains_float(shape: Shape, seen: frozenset[int] = frozenset()) -> bool:
    """Whether two equal values of `shape` may differ in their bytes: 0.0 and -0.0."""
    if isinstance(shape, Float):
        return True
    if id(shape) in seen or not isinstance(shape, Record | Sequence | Option | Result | Tagged):
        return False
    return any(contains_float(child, seen | {id(shape)}) for child in children(shape))
