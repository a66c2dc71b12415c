"""Validates what a module does: reducers, procedures, views, schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeVar

import msgspec

from ..types.algebraic import (
    SCHEDULE_AT,
    STRING,
    U64,
    UNIT,
    AlgebraicType,
    Array,
    Element,
    Product,
    Ref,
    Sum,
    display,
    is_option,
)
from .definition import (
    ColumnDef,
    Lifecycle,
    ProcedureDef,
    ReducerDef,
    ScheduleDef,
    TableDef,
    ViewDef,
)
from .names import schedule_name
from .type_rules import Resolved
from .validate_tables import column_label, validate_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .draft import ScheduleDraft
    from .raw_v10 import RawProcedureV10, RawReducerV10, RawViewV10
    from .scope import Scope

_Named = TypeVar("_Named", ReducerDef, ProcedureDef, ViewDef)

LIFECYCLES: Final[dict[str, Lifecycle]] = {
    "Init": "init",
    "OnConnect": "client_connected",
    "OnDisconnect": "client_disconnected",
}


class Functions:
    """The reducers, procedures and views of a module, by canonical name.

    `declared` has the source and canonical names of all, also of those that are too wrong to be
    in the dictionaries: what refers to one of those is not wrong itself.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.reducers: dict[str, ReducerDef] = {}
        self.procedures: dict[str, ProcedureDef] = {}
        self.views: dict[str, ViewDef] = {}
        self.declared: set[str] = set()
        self._taken: set[str] = set()
        draft = scope.draft
        for reducer in draft.reducers:
            self._reducer(reducer)
        for procedure in draft.procedures:
            self._procedure(procedure)
        for view in draft.views:
            self._view(view)

    def _name(self, source_name: str) -> str | None:
        """Return the canonical name of a function, unless it is no identifier."""
        scope = self.scope
        name = scope.canonical("Function", source_name)
        self.declared |= {source_name, name}
        if not scope.identifier(name, source_name):
            return None
        if name in self._taken:
            scope.fail(
                "DuplicateFunctionName",
                f"the name `{name}` is used for multiple reducers, procedures and/or views",
            )
        self._taken.add(name)
        return name

    def _params(self, location: str, params: Product) -> tuple[str, ...] | None:
        """Return the canonical names of parameters, or None if one is wrong."""
        scope = self.scope
        names = []
        for position, param in enumerate(params.elements):
            here = f"{location} argument {position}"
            if param.name is None:
                scope.codegen_error(here, "parameters require names")
                continue
            here += f" (`{param.name}`)"
            name = scope.draft.policy.snake(param.name)
            fine = scope.identifier(name, param.name)
            if fine & self._fits(here, param.type):
                names.append(name)
        return tuple(names) if len(names) == len(params.elements) else None

    def _fits(self, location: str, type_: AlgebraicType) -> bool:
        """Check the type of a parameter or return value. It may contain itself."""
        scope = self.scope
        fine = scope.check_use(location, type_)
        resolved = scope.types.resolve(type_)
        if not isinstance(resolved, Resolved) and resolved.kind == "TypeTooLarge":
            scope.fail("TypeTooLarge", f"error at {location}: {resolved.message}")
            return False
        return fine

    def _reducer(self, raw: RawReducerV10) -> None:
        scope = self.scope
        name = self._name(raw.source_name)
        param_names = self._params(f"reducer `{raw.source_name}`", raw.params)
        if raw.ok_return_type != UNIT or raw.err_return_type != STRING:
            shown = f"Result<{display(raw.ok_return_type)}, {display(raw.err_return_type)}>"
            scope.fail(
                "InvalidReducerReturnType",
                f"reducer `{raw.source_name}` has the invalid return type {shown}; "
                "a reducer returns Result<(), String>",
            )
        if name is not None and param_names is not None:
            self.reducers[name] = ReducerDef(
                name=name,
                accessor_name=raw.source_name,
                params=raw.params,
                is_private=raw.visibility == "Private",
                param_names=param_names,
            )

    def _procedure(self, raw: RawProcedureV10) -> None:
        name = self._name(raw.source_name)
        location = f"procedure `{raw.source_name}`"
        param_names = self._params(location, raw.params)
        fine = self._fits(f"{location} return value", raw.return_type)
        if name is not None and param_names is not None and fine:
            self.procedures[name] = ProcedureDef(
                name=name,
                accessor_name=raw.source_name,
                params=raw.params,
                return_type=raw.return_type,
                is_private=raw.visibility == "Private",
                param_names=param_names,
            )

    # ------------------------------------------------------------------------------------ views

    def _view(self, raw: RawViewV10) -> None:
        scope = self.scope
        label = raw.source_name
        name = self._name(label)
        if name is not None:
            scope.take(name, label)
        returned = view_return(raw.return_type)
        if returned is None:
            scope.fail(
                "InvalidViewReturnType",
                f"view `{label}` has the invalid return type `{display(raw.return_type)}`; "
                "a view returns an option, an array or a query of a named product type",
                label,
            )
            return
        returns, ref = returned
        if scope.row_product(ref) is None:
            scope.fail(
                "InvalidProductTypeRef",
                f"view `{label}` has the invalid product_type_ref &{ref}: there is no product type",
                label,
            )
            return
        columns = validate_columns(scope, label, ref, {})
        param_names = self._params(f"view `{label}`", raw.params)
        # A query is used by clients as the rows that it stands for.
        as_used = Array(Ref(ref)) if returns == "query" else raw.return_type
        scope.check_use(f"view `{label}` return value", as_used, label)
        params = self._view_params(raw, param_names)
        if name is not None and columns is not None and params is not None:
            self.views[name] = ViewDef(
                name=name,
                accessor_name=label,
                index=raw.index,
                is_public=raw.is_public,
                is_anonymous=raw.is_anonymous,
                params=raw.params,
                return_type=raw.return_type,
                returns=returns,
                product_type_ref=ref,
                columns=columns,
                param_columns=params,
            )

    def _view_params(
        self, raw: RawViewV10, names: tuple[str, ...] | None
    ) -> tuple[ColumnDef, ...] | None:
        scope = self.scope
        if names is None:
            return None
        columns = []
        for position, (name, param) in enumerate(zip(names, raw.params.elements, strict=True)):
            resolved = scope.types.resolve(param.type)
            if isinstance(resolved, Resolved):
                columns.append(
                    ColumnDef(name, param.name or "", position, resolved.type, param.type)
                )
            else:
                where = f"view `{raw.source_name}` argument {position} (`{param.name}`)"
                scope.fail(resolved.kind, f"error at {where}: {resolved.message}")
        return tuple(columns) if len(columns) == len(names) else None

    def view_primary_keys(self, tables: Mapping[str, TableDef]) -> None:
        """Give the views their primary keys: the declared ones, and those of queries."""
        scope = self.scope
        if scope.draft.version < 10:
            return
        keyed: dict[str, int] = {}
        seen: set[str] = set()
        for raw in scope.draft.view_primary_keys:
            label = raw.view_source_name
            view = self._find(self.views, label)
            if view is None:
                if label not in self.declared:
                    scope.fail(
                        "ViewPrimaryKeyViewNotFound",
                        f"view `{label}`, which has a primary key, was not found",
                        label,
                    )
                continue
            if view.name in seen:
                scope.fail(
                    "RepeatedViewPrimaryKey",
                    f"view `{label}` has multiple primary key definitions",
                    label,
                )
            seen.add(view.name)
            position = self._view_key_column(label, view, raw.columns)
            if position is not None:
                keyed[view.name] = position
        for name, view in self.views.items():
            key = keyed.get(name)
            if key is None and view.returns == "query":
                key = _inherited_key(view, tables)
            self.views[name] = msgspec.structs.replace(view, primary_key=key)

    def _view_key_column(self, label: str, view: ViewDef, columns: tuple[str, ...]) -> int | None:
        if len(columns) > 1:
            self.scope.fail(
                "MultipleViewPrimaryKeyColumns",
                f"view `{label}` has multiple primary key columns: {', '.join(columns)}",
                label,
            )
            return None
        for name in columns:
            for column in view.columns:
                if column.accessor_name == name:
                    return column.position
            self.scope.fail(
                "ViewPrimaryKeyColumnNotFound",
                f"column `{name}`, the primary key of view `{label}`, was not found",
                label,
                name,
            )
        return None

    # ----------------------------------------------------------------- lifecycles, schedules

    def lifecycles(self) -> None:
        """Give the reducers their lifecycle events."""
        scope = self.scope
        seen: set[str] = set()
        for raw in scope.draft.lifecycles:
            event = raw.lifecycle_spec
            if scope.namespace:
                scope.fail(
                    "LifecycleInSubmodule",
                    f"lifecycle {event} in namespace `{scope.namespace}`: "
                    "only the root module may have lifecycle reducers",
                )
                continue
            repeated = event in seen
            seen.add(event)
            reducer = self._find(self.reducers, raw.function_name)
            if reducer is None:
                if raw.function_name not in self.declared or self._is_other(raw.function_name):
                    scope.fail(
                        "LifecycleWithoutReducer",
                        f"lifecycle event {event} without reducer: "
                        f"there is no reducer `{raw.function_name}`",
                    )
                continue
            if repeated or reducer.lifecycle is not None:
                scope.fail("DuplicateLifecycle", f"multiple reducers for lifecycle event {event}")
                continue
            self.reducers[reducer.name] = msgspec.structs.replace(
                reducer,
                lifecycle=LIFECYCLES[event],
                is_private=reducer.is_private or scope.draft.version >= 10,
            )

    def _is_other(self, name: str) -> bool:
        others = self._find(self.procedures, name), self._find(self.views, name)
        return others != (None, None)

    def _find(self, things: Mapping[str, _Named], name: str) -> _Named | None:
        """Return what a definition calls `name`: a source name, or else a canonical one.

        Definitions written by `stdb.schema.emit` have canonical names there, which need not be
        what the policy would make of themselves.
        """
        return things.get(self.scope.canonical("Function", name)) or things.get(name)

    def schedules(self, tables: dict[str, TableDef]) -> None:
        """Give the tables their schedules."""
        scope = self.scope
        declared = {table.source_name for table in scope.draft.tables}
        declared |= {scope.canonical("Table", name) for name in declared}
        for draft in scope.draft.schedules:
            table = tables.get(scope.canonical("Table", draft.table)) or tables.get(draft.table)
            if table is not None:
                self._schedule(draft, table, tables)
            elif draft.table not in declared:
                scope.fail(
                    "TableNotFound",
                    f"table `{draft.table}`, which has a schedule, was not found",
                    draft.table,
                )

    def _schedule(self, draft: ScheduleDraft, table: TableDef, tables: dict[str, TableDef]) -> None:
        scope = self.scope
        label = table.accessor_name
        name = draft.name or schedule_name(table.name)
        if draft.name is not None:
            scope.identifier(draft.name, table=label)
        if table.schedule is not None:
            scope.fail(
                "DuplicateSchedule", f"table `{label}` is assigned in several schedules", label
            )
            return
        scope.take(name, label)
        at = draft.column
        key = table.primary_key
        key_is_u64 = key is not None and table.columns[key].raw_type == U64
        at_is_fine = at < len(table.columns) and table.columns[at].raw_type == SCHEDULE_AT
        if not key_is_u64 or not at_is_fine:
            product = scope.row_product(table.product_type_ref)
            assert product is not None
            scope.fail(
                "ScheduledIncorrectColumns",
                f"scheduled table `{label}` needs a primary key of type U64 and a column of type "
                f"ScheduleAt at position {at}; its columns are {display(product)}",
                label,
                column_label(product, at),
            )
        kind, function = self._scheduled_function(draft.function, name, table)
        tables[table.name] = msgspec.structs.replace(
            table, schedule=ScheduleDef(name, at, function, kind)
        )

    def _scheduled_function(
        self, source_name: str, schedule: str, table: TableDef
    ) -> tuple[Literal["reducer", "procedure"], str]:
        """Return the kind and canonical name of a scheduled function, which becomes private."""
        scope = self.scope
        force_private = scope.draft.version >= 10
        params: Product
        kind: Literal["reducer", "procedure"] = "reducer"
        reducer = self._find(self.reducers, source_name)
        procedure = self._find(self.procedures, source_name)
        if reducer is not None:
            name, params = reducer.name, reducer.params
            if force_private:
                self.reducers[name] = msgspec.structs.replace(reducer, is_private=True)
        elif procedure is not None:
            kind = "procedure"
            name, params = procedure.name, procedure.params
            if force_private:
                self.procedures[name] = msgspec.structs.replace(procedure, is_private=True)
        else:
            if source_name not in self.declared or self._find(self.views, source_name) is not None:
                scope.fail(
                    "MissingScheduledFunction",
                    f"schedule `{schedule}`: the function `{source_name}` does not exist",
                    table.accessor_name,
                )
            return kind, source_name
        row = Ref(table.product_type_ref)
        if [param.type for param in params.elements] != [row]:
            scope.fail(
                "IncorrectScheduledFunctionParams",
                f"scheduled reducer `{source_name}` has the wrong parameters: "
                f"expected ({display(row)}), got {display(params)}",
                table.accessor_name,
            )
        return kind, name


def view_return(
    type_: AlgebraicType,
) -> tuple[Literal["option", "array", "query"], int] | None:
    """Return what a view returns of which row type, or None if no view can return that."""
    match type_:
        case Array(element=Ref(index=index)):
            return "array", index
        case Product(elements=(Element(name="__query__", type=Ref(index=index)),)):
            return "query", index
        case Sum(variants=(Element(type=Ref(index=index)), _)) if is_option(type_):
            return "option", index
    return None


def _inherited_key(view: ViewDef, tables: Mapping[str, TableDef]) -> int | None:
    """Return the primary key on which all tables with the rows of a query agree."""
    keys = {
        table.primary_key
        for table in tables.values()
        if table.product_type_ref == view.product_type_ref and table.primary_key is not None
    }
    return keys.pop() if len(keys) == 1 else None
