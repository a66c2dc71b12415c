"""The form that all raw formats are brought into before they are validated.

It is format 10, read section by section, with room for what only format 9 can say: names of
indexes, constraints and schedules. Format 9 becomes a draft whose names stand as written.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ..types.algebraic import Typespace
from .layout import Variant
from .names import CASE_POLICIES, CasePolicy
from .raw_shared import RawRowLevelSecurity
from .raw_v9 import RawModuleDefV9, RawTableV9
from .raw_v10 import (
    RawHttpHandlerV10,
    RawHttpRouteV10,
    RawLifecycleReducerV10,
    RawModuleDefV10,
    RawProcedureV10,
    RawReducerV10,
    RawScopedTypeNameV10,
    RawSequenceV10,
    RawSubmoduleV10,
    RawTableV10,
    RawTypeV10,
    RawViewPrimaryKeyV10,
    RawViewV10,
)
from .reasons import Reasons


class IndexDraft(msgspec.Struct, frozen=True):
    """An index; `name` is the one that is used verbatim, if there is one."""

    name: str | None
    source_name: str | None
    accessor_name: str | None
    algorithm: Literal["btree", "hash", "direct"]
    columns: tuple[int, ...]


class ConstraintDraft(msgspec.Struct, frozen=True):
    """A unique constraint; `name` as for indexes."""

    name: str | None
    columns: tuple[int, ...]


class ScheduleDraft(msgspec.Struct, frozen=True):
    """A schedule; `name` as for indexes."""

    name: str | None
    table: str
    column: int
    function: str


class TableDraft(msgspec.Struct, frozen=True):
    """A table. `defaults` are (column, bytes), for each column at most one."""

    source_name: str
    type_ref: int
    primary_key: tuple[int, ...]
    indexes: tuple[IndexDraft, ...]
    constraints: tuple[ConstraintDraft, ...]
    sequences: tuple[RawSequenceV10, ...]
    defaults: tuple[tuple[int, bytes], ...]
    is_system: bool
    is_public: bool
    is_event: bool


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A module. `explicit_names` are (what, source name) -> canonical name."""

    version: int
    policy: CasePolicy
    explicit_names: dict[tuple[str, str], str]
    typespace: Typespace
    types: tuple[RawTypeV10, ...]
    tables: tuple[TableDraft, ...]
    reducers: tuple[RawReducerV10, ...]
    procedures: tuple[RawProcedureV10, ...]
    views: tuple[RawViewV10, ...]
    schedules: tuple[ScheduleDraft, ...]
    lifecycles: tuple[RawLifecycleReducerV10, ...]
    row_level_security: tuple[RawRowLevelSecurity, ...]
    handlers: tuple[RawHttpHandlerV10, ...] = ()
    routes: tuple[RawHttpRouteV10, ...] = ()
    view_primary_keys: tuple[RawViewPrimaryKeyV10, ...] = ()
    submodules: tuple[RawSubmoduleV10, ...] = ()


def _algorithm(raw: Variant) -> tuple[Literal["btree", "hash", "direct"], tuple[int, ...]]:
    if raw.kind == "Direct":
        return "direct", (raw.value,)
    return ("btree" if raw.kind == "BTree" else "hash"), tuple(raw.value)


# ----------------------------------------------------------------------------------- format 10


def draft_v10(raw: RawModuleDefV10) -> Draft:
    """Return the draft of a definition in format 10."""
    return Draft(
        version=10,
        policy=CASE_POLICIES[raw.policy],
        explicit_names={
            (entry.kind, entry.value.source_name): entry.value.canonical_name
            for entry in raw.explicit_names
        },
        typespace=raw.typespace,
        types=raw.section("Types"),
        tables=tuple(_table_v10(table) for table in raw.tables),
        reducers=raw.section("Reducers"),
        procedures=raw.section("Procedures"),
        views=raw.section("Views"),
        schedules=tuple(
            # The name that it has in the source is not used.
            ScheduleDraft(
                None, schedule.table_name, schedule.schedule_at_col, schedule.function_name
            )
            for schedule in raw.section("Schedules")
        ),
        lifecycles=raw.section("LifeCycleReducers"),
        row_level_security=raw.section("RowLevelSecurity"),
        handlers=raw.section("HttpHandlers"),
        routes=raw.section("HttpRoutes"),
        view_primary_keys=raw.section("ViewPrimaryKeys"),
        submodules=raw.section("Submodules"),
    )


def _table_v10(raw: RawTableV10) -> TableDraft:
    return TableDraft(
        source_name=raw.source_name,
        type_ref=raw.product_type_ref,
        primary_key=tuple(raw.primary_key),
        indexes=tuple(
            IndexDraft(None, index.source_name, index.accessor_name, *_algorithm(index.algorithm))
            for index in raw.indexes
        ),
        # The name that a constraint has in the source is not used; that of a sequence is.
        constraints=tuple(ConstraintDraft(None, c.data.value.columns) for c in raw.constraints),
        sequences=tuple(raw.sequences),
        # The last default of a column wins.
        defaults=tuple({d.col_id: d.value for d in raw.default_values}.items()),
        is_system=raw.table_type == "System",
        is_public=raw.table_access == "Public",
        is_event=raw.is_event,
    )


# ------------------------------------------------------------------------------------ format 9


def draft_v9(raw: RawModuleDefV9, reasons: Reasons, version: int = 9) -> Draft:
    """Return the draft of a definition in format 9.

    Defaults of tables that are not there, and second defaults of a column, go to `reasons`.
    """
    defaults = _defaults_v9(raw, reasons)
    return Draft(
        version=version,
        policy=CASE_POLICIES["None"],
        explicit_names={},
        typespace=raw.typespace,
        types=tuple(
            RawTypeV10(
                RawScopedTypeNameV10(type_.name.scope, type_.name.name),
                type_.ty,
                type_.custom_ordering,
            )
            for type_ in raw.types
        ),
        tables=tuple(_table_v9(table, defaults[table.name]) for table in raw.tables),
        reducers=tuple(RawReducerV10(reducer.name, reducer.params) for reducer in raw.reducers),
        procedures=tuple(
            RawProcedureV10(m.value.name, m.value.params, m.value.return_type)
            for m in raw.misc_exports
            if m.kind == "Procedure"
        ),
        views=tuple(
            RawViewV10(
                m.value.name,
                m.value.index,
                m.value.is_public,
                m.value.is_anonymous,
                m.value.params,
                m.value.return_type,
            )
            for m in raw.misc_exports
            if m.kind == "View"
        ),
        schedules=tuple(
            ScheduleDraft(
                table.schedule.name,
                table.name,
                table.schedule.scheduled_at_column,
                table.schedule.reducer_name,
            )
            for table in raw.tables
            if table.schedule is not None
        ),
        lifecycles=tuple(
            RawLifecycleReducerV10(reducer.lifecycle, reducer.name)
            for reducer in raw.reducers
            if reducer.lifecycle is not None
        ),
        row_level_security=raw.row_level_security,
    )


def _table_v9(raw: RawTableV9, defaults: dict[int, bytes]) -> TableDraft:
    return TableDraft(
        source_name=raw.name,
        type_ref=raw.product_type_ref,
        primary_key=tuple(raw.primary_key),
        indexes=tuple(
            IndexDraft(index.name, None, index.accessor_name, *_algorithm(index.algorithm))
            for index in raw.indexes
        ),
        constraints=tuple(ConstraintDraft(c.name, c.data.value.columns) for c in raw.constraints),
        sequences=tuple(
            RawSequenceV10(s.name, s.column, s.start, s.min_value, s.max_value, s.increment)
            for s in raw.sequences
        ),
        defaults=tuple(defaults.items()),
        is_system=raw.table_type == "System",
        is_public=raw.table_access == "Public",
        is_event=False,
    )


def _defaults_v9(raw: RawModuleDefV9, reasons: Reasons) -> dict[str, dict[int, bytes]]:
    """Return table name -> column -> default."""
    defaults: dict[str, dict[int, bytes]] = {table.name: {} for table in raw.tables}
    for misc in raw.misc_exports:
        if misc.kind != "ColumnDefaultValue":
            continue
        default = misc.value
        if default.table not in defaults:
            reasons.add(
                "TableNotFound",
                f"table `{default.table}`, which has a default value, was not found",
                default.table,
            )
        elif default.col_id in defaults[default.table]:
            reasons.add(
                "MultipleColumnDefaultValues",
                f"table `{default.table}` has several default values for column {default.col_id}",
                default.table,
                str(default.col_id),
            )
        else:
            defaults[default.table][default.col_id] = default.value
    return defaults
