"""Writes a validated definition as a raw one again, in format 9 or 10.

Neither is the definition that was validated: names are canonical in most places, whatever was
implied is spelled out, and format 9 has no room for some things. In particular format 10 is written
without a case policy, so whoever reads it converts names once more: what was declared to stand as
written does not survive that.

Source: SpacetimeDB documentation, 2.8.
"""

from __future__ import annotations

from typing import Any, Final

from .definition import IndexDef, ModuleDef, TableDef
from .layout import RawStruct, Variant
from .raw_shared import RawLifecycle, RawRowLevelSecurity, TableAccess, TableType, unique
from .raw_v9 import (
    RawColumnDefaultV9,
    RawConstraintV9,
    RawIndexV9,
    RawModuleDefV9,
    RawProcedureV9,
    RawReducerV9,
    RawScheduleV9,
    RawScopedTypeNameV9,
    RawSequenceV9,
    RawTableV9,
    RawTypeV9,
    RawViewV9,
)
from .raw_v10 import (
    HTTP_METHODS,
    RawColumnDefaultV10,
    RawConstraintV10,
    RawExplicitNames,
    RawHttpHandlerV10,
    RawHttpRouteV10,
    RawIndexV10,
    RawLifecycleReducerV10,
    RawModuleDefV10,
    RawNameMapping,
    RawProcedureV10,
    RawReducerV10,
    RawScheduleV10,
    RawScopedTypeNameV10,
    RawSequenceV10,
    RawSubmoduleV10,
    RawTableV10,
    RawTypeV10,
    RawViewPrimaryKeyV10,
    RawViewV10,
    Visibility,
)

_LIFECYCLES: Final[dict[str, RawLifecycle]] = {
    "init": "Init",
    "client_connected": "OnConnect",
    "client_disconnected": "OnDisconnect",
}


def _algorithm(index: IndexDef) -> Variant:
    if index.algorithm == "direct":
        return Variant("Direct", index.columns[0])
    return Variant("BTree" if index.algorithm == "btree" else "Hash", index.columns)


def _table_type(table: TableDef) -> TableType:
    return "System" if table.is_system else "User"


def _table_access(table: TableDef) -> TableAccess:
    return "Public" if table.is_public else "Private"


def _rules(module: ModuleDef) -> tuple[RawRowLevelSecurity, ...]:
    return tuple(RawRowLevelSecurity(sql) for sql in module.row_level_security)


def _primary_key(table: TableDef) -> tuple[int, ...]:
    return () if table.primary_key is None else (table.primary_key,)


# ------------------------------------------------------------------------------------ format 9


def to_raw_v9(module: ModuleDef) -> RawModuleDefV9:
    """Return a module in format 9, under canonical names, with every optional name."""
    return RawModuleDefV9(
        typespace=module.typespace,
        tables=tuple(_table_v9(table) for table in module.tables.values()),
        reducers=tuple(
            RawReducerV9(
                reducer.name,
                reducer.params,
                None if reducer.lifecycle is None else _LIFECYCLES[reducer.lifecycle],
            )
            for reducer in module.reducers.values()
        ),
        types=tuple(
            RawTypeV9(
                RawScopedTypeNameV9(type_.scope, type_.name), type_.ref, type_.custom_ordering
            )
            for type_ in module.types.values()
        ),
        misc_exports=tuple(Variant(kind, value) for kind, value in _misc_v9(module)),
        row_level_security=_rules(module),
    )


def _misc_v9(module: ModuleDef) -> list[tuple[str, RawStruct]]:
    misc: list[tuple[str, RawStruct]] = [
        ("ColumnDefaultValue", RawColumnDefaultV9(table.name, column.position, column.default))
        for table in module.tables.values()
        for column in table.columns
        if column.default is not None
    ]
    misc += [
        ("Procedure", RawProcedureV9(p.name, p.params, p.return_type))
        for p in module.procedures.values()
    ]
    misc += [
        ("View", RawViewV9(v.name, v.index, v.is_public, v.is_anonymous, v.params, v.return_type))
        for v in module.views.values()
    ]
    return misc


def _table_v9(table: TableDef) -> RawTableV9:
    schedule = table.schedule
    return RawTableV9(
        name=table.name,
        product_type_ref=table.product_type_ref,
        primary_key=_primary_key(table),
        indexes=tuple(
            RawIndexV9(index.name, index.accessor_name, _algorithm(index))
            for index in table.indexes
        ),
        constraints=tuple(RawConstraintV9(c.name, unique(*c.columns)) for c in table.constraints),
        sequences=tuple(
            RawSequenceV9(s.name, s.column, s.start, s.min_value, s.max_value, s.increment)
            for s in table.sequences
        ),
        schedule=None
        if schedule is None
        else RawScheduleV9(schedule.name, schedule.function_name, schedule.at_column),
        table_type=_table_type(table),
        table_access=_table_access(table),
    )


# ----------------------------------------------------------------------------------- format 10


def to_raw_v10(module: ModuleDef) -> RawModuleDefV10:
    """Return a module in format 10, empty sections left out.

    Tables and functions have their source names, and their canonical ones as explicit names.
    Schedules, lifecycles, routes and primary keys of views refer to canonical names.
    """
    sections: dict[str, Any] = {
        "Typespace": module.typespace,
        "Types": tuple(
            RawTypeV10(
                RawScopedTypeNameV10(type_.source_scope, type_.source_name),
                type_.ref,
                type_.custom_ordering,
            )
            for type_ in module.types.values()
        ),
        "Tables": tuple(_table_v10(table) for table in module.tables.values()),
        **_functions_v10(module),
        "Schedules": tuple(
            RawScheduleV10(
                table.schedule.name,
                table.name,
                table.schedule.at_column,
                table.schedule.function_name,
            )
            for table in module.tables.values()
            if table.schedule is not None
        ),
        "LifeCycleReducers": tuple(
            RawLifecycleReducerV10(_LIFECYCLES[reducer.lifecycle], reducer.name)
            for reducer in module.reducers.values()
            if reducer.lifecycle is not None
        ),
        "RowLevelSecurity": _rules(module),
        "ExplicitNames": RawExplicitNames(_explicit_names(module)),
        "Submodules": tuple(
            RawSubmoduleV10(namespace, to_raw_v10(inner))
            for namespace, inner in module.submodules.items()
        ),
    }
    return RawModuleDefV10.of(
        **{kind: content for kind, content in sections.items() if content != ()}
    )


def _functions_v10(module: ModuleDef) -> dict[str, Any]:
    return {
        "Reducers": tuple(
            RawReducerV10(r.accessor_name, r.params, _visibility(r.is_private))
            for r in module.reducers.values()
        ),
        "Procedures": tuple(
            RawProcedureV10(p.accessor_name, p.params, p.return_type, _visibility(p.is_private))
            for p in module.procedures.values()
        ),
        "HttpHandlers": tuple(
            RawHttpHandlerV10(handler.accessor_name) for handler in module.http_handlers.values()
        ),
        "HttpRoutes": tuple(
            RawHttpRouteV10(route.handler_name, _method(route.method), route.path)
            for route in module.http_routes
        ),
        "Views": tuple(
            RawViewV10(
                v.accessor_name, v.index, v.is_public, v.is_anonymous, v.params, v.return_type
            )
            for v in module.views.values()
        ),
        "ViewPrimaryKeys": tuple(
            # A query may have its key from a table, and finds it there again.
            RawViewPrimaryKeyV10(v.accessor_name, (v.columns[v.primary_key].name,))
            for v in module.views.values()
            if v.primary_key is not None and v.returns != "query"
        ),
    }


def _visibility(is_private: bool) -> Visibility:
    return "Private" if is_private else "ClientCallable"


def _method(method: str | None) -> Variant:
    if method is None:
        return Variant("Any")
    if method in HTTP_METHODS:
        return Variant("Method", Variant(HTTP_METHODS[method]))
    return Variant("Method", Variant("Extension", method))


def _table_v10(table: TableDef) -> RawTableV10:
    return RawTableV10(
        source_name=table.accessor_name,
        product_type_ref=table.product_type_ref,
        primary_key=_primary_key(table),
        indexes=tuple(
            RawIndexV10(index.source_name or index.name, index.accessor_name, _algorithm(index))
            for index in table.indexes
        ),
        constraints=tuple(RawConstraintV10(c.name, unique(*c.columns)) for c in table.constraints),
        sequences=tuple(
            RawSequenceV10(s.name, s.column, s.start, s.min_value, s.max_value, s.increment)
            for s in table.sequences
        ),
        table_type=_table_type(table),
        table_access=_table_access(table),
        default_values=tuple(
            RawColumnDefaultV10(column.position, column.default)
            for column in table.columns
            if column.default is not None
        ),
        is_event=table.is_event,
    )


def _explicit_names(module: ModuleDef) -> tuple[Variant, ...]:
    named = [("Table", t.accessor_name, t.name) for t in module.tables.values()]
    named += [("Function", r.accessor_name, r.name) for r in module.reducers.values()]
    named += [("Function", p.accessor_name, p.name) for p in module.procedures.values()]
    named += [("Function", v.accessor_name, v.name) for v in module.views.values()]
    return tuple(Variant(kind, RawNameMapping(source, name)) for kind, source, name in named)
