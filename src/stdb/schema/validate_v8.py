"""Brings definitions of format 8 into format 9.

In format 8 a table lists indexes, constraints and sequences, and each may imply others: a unique
index a constraint, an auto-increment constraint a sequence, an indexed constraint an index. What
is implied and not there is made up here.

Source: SpacetimeDB documentation, 2.8.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..errors import DefinitionError
from ..types.algebraic import AlgebraicType, Product, Typespace, display
from .layout import Variant
from .raw_shared import RawLifecycle, unique
from .raw_v8 import (
    AUTO_INC,
    INDEXED,
    PRIMARY_KEY,
    UNIQUE,
    RawConstraintV8,
    RawIndexV8,
    RawModuleDefV8,
    RawSequenceV8,
    RawTableDescV8,
    RawTableV8,
)
from .raw_v9 import (
    RawConstraintV9,
    RawIndexV9,
    RawModuleDefV9,
    RawReducerV9,
    RawScheduleV9,
    RawScopedTypeNameV9,
    RawSequenceV9,
    RawTableV9,
    RawTypeV9,
)

if TYPE_CHECKING:
    from .reasons import Reasons

#: The column that holds the time of a call, in a table that has a scheduled reducer.
SCHEDULED_AT: Final = "scheduled_at"
_LIFECYCLES: Final[dict[str, RawLifecycle]] = {
    "__init__": "Init",
    "__identity_connected__": "OnConnect",
    "__identity_disconnected__": "OnDisconnect",
}


def upgrade_v8(raw: RawModuleDefV8, reasons: Reasons) -> RawModuleDefV9:
    """Return the definition in format 9; what format 9 cannot say goes to `reasons`."""
    return RawModuleDefV9(
        typespace=raw.typespace,
        tables=tuple(_table(table, raw.typespace, reasons) for table in raw.tables),
        reducers=tuple(
            RawReducerV9(reducer.name, reducer.args, _LIFECYCLES.get(reducer.name))
            for reducer in raw.reducers
        ),
        types=tuple(
            RawTypeV9(_scoped_name(alias.value.name), alias.value.ty, custom_ordering=True)
            for alias in raw.misc_exports
        ),
    )


def _scoped_name(name: str) -> RawScopedTypeNameV9:
    *scope, last = re.split(r"::|\.", name)
    return RawScopedTypeNameV9(tuple(scope), last)


def _table(raw: RawTableDescV8, typespace: Typespace, reasons: Reasons) -> RawTableV9:
    schema = raw.schema
    name = schema.table_name
    _check_columns(raw, typespace, reasons)
    constraints = [*schema.constraints, *_implied_constraints(schema)]
    sequences = [*schema.sequences, *_implied_sequences(schema, constraints)]
    indexes = [*schema.indexes, *_implied_indexes(schema, constraints)]
    schedule = None
    columns = [column.col_name for column in schema.columns]
    if schema.scheduled is not None and SCHEDULED_AT in columns:
        schedule = RawScheduleV9(None, schema.scheduled, columns.index(SCHEDULED_AT))
    return RawTableV9(
        name=name,
        product_type_ref=raw.data,
        primary_key=_primary_key(name, constraints, reasons),
        indexes=tuple(
            RawIndexV9(index.index_name, index.index_name, Variant(index.index_type, index.columns))
            for index in indexes
        ),
        constraints=tuple(
            RawConstraintV9(constraint.constraint_name, unique(*constraint.columns))
            for constraint in constraints
            if _has(constraint, UNIQUE)
        ),
        sequences=tuple(
            RawSequenceV9(
                sequence.sequence_name,
                sequence.col_pos,
                sequence.start,
                sequence.min_value,
                sequence.max_value,
                sequence.increment,
            )
            for sequence in sequences
        ),
        schedule=schedule,
        table_type="System" if schema.table_type == "system" else "User",
        table_access="Public" if schema.table_access == "public" else "Private",
    )


def _has(constraint: RawConstraintV8, bits: int) -> bool:
    return constraint.constraints & bits == bits


def _implied_constraints(schema: RawTableV8) -> list[RawConstraintV8]:
    known = {c.columns for c in schema.constraints if c.constraints}
    implied = []
    for index in schema.indexes:
        if index.columns in known:
            continue
        known.add(index.columns)
        columns = "_".join(_column_name(schema, position) for position in index.columns)
        bits, kind = (UNIQUE, "unique") if index.is_unique else (INDEXED, "indexed")
        implied.append(
            RawConstraintV8(f"ct_{schema.table_name}_{columns}_{kind}", bits, index.columns)
        )
    return implied


def _implied_sequences(
    schema: RawTableV8, constraints: list[RawConstraintV8]
) -> list[RawSequenceV8]:
    columns = {(sequence.col_pos,) for sequence in schema.sequences}
    names = {sequence.sequence_name for sequence in schema.sequences}
    implied = []
    for constraint in constraints:
        if not _has(constraint, AUTO_INC) or constraint.columns in columns:
            continue
        name = f"seq_{schema.table_name}_{_short_name(schema, constraint)}"
        if constraint.columns and name not in names:
            names.add(name)
            implied.append(RawSequenceV8(name, constraint.columns[0]))
    return implied


def _implied_indexes(schema: RawTableV8, constraints: list[RawConstraintV8]) -> list[RawIndexV8]:
    names = {index.index_name for index in schema.indexes}
    implied = []
    for constraint in constraints:
        if not _has(constraint, INDEXED):
            continue
        is_unique = _has(constraint, UNIQUE)
        name = f"idx_{schema.table_name}_{_short_name(schema, constraint)}"
        if not name.endswith(suffix := "_unique" if is_unique else "_non_unique"):
            name += suffix
        if name not in names:
            names.add(name)
            implied.append(RawIndexV8(name, is_unique, "BTree", constraint.columns))
    return implied


def _short_name(schema: RawTableV8, constraint: RawConstraintV8) -> str:
    return constraint.constraint_name.removeprefix(f"ct_{schema.table_name}_")


def _column_name(schema: RawTableV8, position: int) -> str:
    if position < len(schema.columns):
        return schema.columns[position].col_name
    return f"col_{position}"


def _primary_key(
    table: str, constraints: list[RawConstraintV8], reasons: Reasons
) -> tuple[int, ...]:
    keys = [constraint.columns for constraint in constraints if _has(constraint, PRIMARY_KEY)]
    if any(len(columns) != 1 for columns in keys) or len(keys) > 1:
        reasons.add(
            "RepeatedPrimaryKey",
            f"table `{table}` has multiple primary key annotations; it can have one",
            table,
        )
    return next((columns for columns in keys if len(columns) == 1), ())


def _check_columns(raw: RawTableDescV8, typespace: Typespace, reasons: Reasons) -> None:
    """Check that the columns are the elements of the row type."""
    table = raw.schema.table_name
    types = typespace.types
    product = types[raw.data] if raw.data < len(types) else None
    if not isinstance(product, Product):
        return  # Reported for format 9.
    columns = raw.schema.columns
    for position in range(max(len(columns), len(product.elements))):
        column = columns[position] if position < len(columns) else None
        element = product.elements[position] if position < len(product.elements) else None
        if (
            column is not None
            and element is not None
            and column.col_name == element.name
            and _same_type(column.col_type, element.type, typespace)
        ):
            continue
        name = str(position) if column is None else column.col_name
        type_ = "no type" if column is None else f"type `{display(column.col_type)}`"
        reasons.add(
            "ColumnDefMalformed",
            f"table `{table}` column `{name}` of {type_} at position {position} does not match "
            f"the product type `{display(product)}`",
            table,
            name,
        )


def _same_type(one: AlgebraicType, other: AlgebraicType, typespace: Typespace) -> bool:
    if one == other:
        return True
    try:
        return typespace.resolve(one) == typespace.resolve(other)
    except DefinitionError:
        return True  # The row type cannot be resolved, which is reported for format 9.
