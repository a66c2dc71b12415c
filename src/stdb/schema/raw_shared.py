"""What the raw formats have in common. See `layout` for how a class says its layout."""

from __future__ import annotations

from typing import Annotated, Literal

from .layout import U16, RawStruct, SumOf, Variant

TableType = Literal["System", "User"]
TableAccess = Literal["Public", "Private"]
RawLifecycle = Literal["Init", "OnConnect", "OnDisconnect"]

#: The column at a position, and a list of such.
Column = U16
Columns = tuple[U16, ...]

#: ``BTree`` and ``Hash`` of columns, ``Direct`` of one column.
RawIndexAlgorithm = Annotated[
    Variant, SumOf("RawIndexAlgorithm", BTree=Columns, Hash=Columns, Direct=Column)
]


class RawUnique(RawStruct, frozen=True):
    """No two rows agree in these columns."""

    columns: Columns


RawConstraintData = Annotated[Variant, SumOf("RawConstraintData", Unique=RawUnique)]


class RawRowLevelSecurity(RawStruct, frozen=True):
    """Which rows clients may see."""

    sql: str


def unique(*columns: int) -> Variant:
    """Return the constraint data for these columns."""
    return Variant("Unique", RawUnique(columns))


def btree(*columns: int) -> Variant:
    """Return the algorithm of a btree over these columns."""
    return Variant("BTree", columns)
