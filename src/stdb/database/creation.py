"""Making a database: its tables, its entry in ``st_module``, its ``init`` reducer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .filters import install_filters
from .view_changes import own_views

if TYPE_CHECKING:
    from ..schema import ModuleDef, TableDef, ViewDef
    from ..types.algebraic import Product
    from ..types.values import Identity
    from .database import Database

_MODULE_VERSION = "0.0.1"


def create(database: Database) -> None:
    """Create the tables, note the module and run ``init``, all in one transaction."""
    from ..storage.view_schema import create_view

    program = database._program
    with database._store.writing() as store:
        store.create_tables(
            (table, program.shapes[name]) for name, table in program.definition.all_tables().items()
        )
        for _, (view, shown) in sorted(own_views(program).items()):
            create_view(store, view, shown)
        install_filters(database)
        store["st_module"].insert(**module_row(database))
        init = next((r for r in program.reducers.values() if r.lifecycle == "init"), None)
        if init is not None:
            database._invoke(init, (), database.owner, None)


def module_row(database: Database) -> dict[str, Any]:
    """Return the row of ``st_module`` for the module that a database runs."""
    program = database._program
    return {
        "database_identity": database.identity.value,
        "owner_identity": database.owner.value,
        "program_kind": program.kind,
        "program_hash": int.from_bytes(program_hash(program.program_bytes), "little"),
        "program_bytes": program.program_bytes,
        "module_version": _MODULE_VERSION,
    }


def program_hash(program: bytes) -> bytes:
    """Return the Keccak-256 hash of a program; ``st_module`` has it as a little-endian number."""
    from Crypto.Hash import keccak

    return keccak.new(digest_bits=256, data=program).digest()


def describe(name: str, identity: Identity, definition: ModuleDef) -> dict[str, Any]:
    """Return a definition as plain data, for people and programs to read."""
    modules = list(definition.walk())
    return {
        "name": name,
        "identity": identity.hex(),
        "tables": [
            describe_table(table.with_prefix(prefix), module)
            for prefix, module in modules
            for table in module.tables.values()
        ],
        "reducers": [
            {
                "name": full_name,
                "params": describe_params(reducer.params, module),
                "lifecycle": reducer.lifecycle,
                "public": not reducer.is_private,
            }
            for full_name, module, reducer in definition.all_reducers()
        ],
        "procedures": [
            {
                "name": full_name,
                "params": describe_params(procedure.params, module),
                "returns": type_name(procedure.return_type, module),
                "public": not procedure.is_private,
            }
            for full_name, module, procedure in definition.all_procedures()
        ],
        "views": [
            describe_view(view.with_prefix(prefix), module)
            for prefix, module in modules
            for view in module.views.values()
        ],
        "http_routes": [
            {"method": route.method or "ANY", "path": route.path, "handler": route.handler_name}
            for route in definition.http_routes
        ],
        "row_level_security": list(definition.row_level_security),
    }


def describe_params(params: Product, definition: ModuleDef) -> list[dict[str, Any]]:
    """Return parameters as plain data."""
    return [
        {"name": element.name, "type": type_name(element.type, definition)}
        for element in params.elements
    ]


def describe_view(view: ViewDef, definition: ModuleDef) -> dict[str, Any]:
    """Return a view as plain data."""
    key = view.primary_key
    return {
        "name": view.name,
        "public": view.is_public,
        "anonymous": view.is_anonymous,
        "columns": [
            {"name": column.name, "type": type_name(column.raw_type, definition)}
            for column in view.columns
        ],
        "primary_key": None if key is None else view.columns[key].name,
    }


def describe_table(table: TableDef, definition: ModuleDef) -> dict[str, Any]:
    """Return a table as plain data."""
    names = [column.name for column in table.columns]
    return {
        "name": table.name,
        "public": table.is_public,
        "event": table.is_event,
        "scheduled": None if table.schedule is None else table.schedule.function_name,
        "columns": [
            {
                "name": column.name,
                "type": type_name(column.raw_type, definition),
                "auto_inc": column.position in table.auto_inc_columns,
                "has_default": column.default is not None,
            }
            for column in table.columns
        ],
        "primary_key": None if table.primary_key is None else names[table.primary_key],
        "unique": [[names[p] for p in constraint.columns] for constraint in table.constraints],
        "indexes": [
            {
                "name": index.accessor_name or index.name,
                "algorithm": index.algorithm,
                "columns": [names[p] for p in index.columns],
            }
            for index in table.indexes
        ],
    }


def type_name(type_: Any, definition: ModuleDef) -> str:
    """Return a type as text; a named type by its name."""
    from ..types import algebraic as at

    by_ref = {type_def.ref: type_def.scoped_name for type_def in definition.types.values()}
    match type_:
        case at.Ref(index=index) if index in by_ref:
            return by_ref[index]
        case at.Array(element=element) if element != at.U8:
            return f"list[{type_name(element, definition)}]"
    if type_ in at.SPECIAL:
        return at.SPECIAL[type_]
    if at.is_option(type_):
        return f"{type_name(type_.variants[0].type, definition)} | None"
    if at.is_result(type_):
        ok, err = (type_name(v.type, definition) for v in type_.variants)
        return f"Ok[{ok}] | Err[{err}]"
    return _PYTHON_NAMES.get(type_) or at.display(type_)


def _python_names() -> dict[Any, str]:
    from ..types import shapes as sh

    return {type_: str(shape) for type_, shape in sh.BY_TYPE.items()}


_PYTHON_NAMES = _python_names()
