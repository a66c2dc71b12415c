"""The raw module definition, format 9.

Names are canonical as they are written. Optional names are made up when they are absent.

Source: SpacetimeDB documentation, 2.8.
"""

from __future__ import annotations

from typing import Annotated

from ..types.algebraic import AlgebraicType, Product, Typespace
from .layout import I128, U16, U32, RawStruct, SumOf, Variant
from .raw_shared import (
    Columns,
    RawConstraintData,
    RawIndexAlgorithm,
    RawLifecycle,
    RawRowLevelSecurity,
    TableAccess,
    TableType,
)


class RawIndexV9(RawStruct, frozen=True):
    """An index."""

    name: str | None
    accessor_name: str | None
    algorithm: RawIndexAlgorithm


class RawConstraintV9(RawStruct, frozen=True):
    """A constraint."""

    name: str | None
    data: RawConstraintData


class RawSequenceV9(RawStruct, frozen=True):
    """Where an auto-increment column gets its values."""

    name: str | None
    column: U16
    start: I128 | None = None
    min_value: I128 | None = None
    max_value: I128 | None = None
    increment: I128 = 1


class RawScheduleV9(RawStruct, frozen=True):
    """The rows of a table are calls of `reducer_name`, a reducer or a procedure."""

    name: str | None
    reducer_name: str
    scheduled_at_column: U16


class RawTableV9(RawStruct, frozen=True):
    """A table."""

    name: str
    product_type_ref: U32
    primary_key: Columns = ()
    indexes: tuple[RawIndexV9, ...] = ()
    constraints: tuple[RawConstraintV9, ...] = ()
    sequences: tuple[RawSequenceV9, ...] = ()
    schedule: RawScheduleV9 | None = None
    table_type: TableType = "User"
    table_access: TableAccess = "Public"


class RawReducerV9(RawStruct, frozen=True):
    """A reducer."""

    name: str
    params: Product = Product()
    lifecycle: RawLifecycle | None = None


class RawScopedTypeNameV9(RawStruct, frozen=True):
    """The name of a type in a scope, as in ``A::B::Name``."""

    scope: tuple[str, ...]
    name: str


class RawTypeV9(RawStruct, frozen=True):
    """A name for the type at `ty`."""

    name: RawScopedTypeNameV9
    ty: U32
    custom_ordering: bool


class RawColumnDefaultV9(RawStruct, frozen=True):
    """The default of a column: `value` is its BSATN."""

    table: str
    col_id: U16
    value: bytes


class RawProcedureV9(RawStruct, frozen=True):
    """A procedure."""

    name: str
    params: Product
    return_type: AlgebraicType


class RawViewV9(RawStruct, frozen=True):
    """A view."""

    name: str
    index: U32
    is_public: bool
    is_anonymous: bool
    params: Product
    return_type: AlgebraicType


RawMiscV9 = Annotated[
    Variant,
    SumOf(
        "RawMiscModuleExportV9",
        ColumnDefaultValue=RawColumnDefaultV9,
        Procedure=RawProcedureV9,
        View=RawViewV9,
    ),
]


class RawModuleDefV9(RawStruct, frozen=True):
    """A module."""

    typespace: Typespace = Typespace()
    tables: tuple[RawTableV9, ...] = ()
    reducers: tuple[RawReducerV9, ...] = ()
    types: tuple[RawTypeV9, ...] = ()
    misc_exports: tuple[RawMiscV9, ...] = ()
    row_level_security: tuple[RawRowLevelSecurity, ...] = ()
