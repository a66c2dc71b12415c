"""Validates raw module definitions and makes `ModuleDef` of them.

Everything that is wrong is found in one go and reported together. A part that refers to another
part which is wrong itself is left alone: only what would remain after that other part is mended
counts as wrong.

Source: SpacetimeDB documentation, 2.8.
"""

from __future__ import annotations

from .definition import ModuleDef, TableDef
from .draft import draft_v9, draft_v10
from .layout import NESTING_MAX
from .names import NAMESPACE_BYTES_MAX
from .raw import RawModuleDef
from .raw_v8 import RawModuleDefV8
from .raw_v9 import RawModuleDefV9
from .raw_v10 import RawModuleDefV10
from .reasons import Reasons
from .scope import Scope
from .validate_functions import Functions
from .validate_http import validate_handlers, validate_routes
from .validate_tables import validate_table
from .validate_types import validate_types
from .validate_v8 import upgrade_v8


def validate(raw: RawModuleDef) -> ModuleDef:
    """Return the definition that a raw one stands for.

    Raises
    ------
    DefinitionError
        Something is wrong with it; ``reasons`` holds a `Reason` for each thing.
    """
    reasons = Reasons()
    match raw:
        case RawModuleDefV8():
            draft = draft_v9(upgrade_v8(raw, reasons), reasons, version=8)
        case RawModuleDefV9():
            draft = draft_v9(raw, reasons)
        case RawModuleDefV10():
            draft = draft_v10(raw)
    module = _module(Scope(draft, reasons), 1)
    if reasons:
        raise reasons.error()
    return module


def _module(scope: Scope, depth: int) -> ModuleDef:
    """Return the module of `scope`. It is good only if nothing was noted there."""
    draft = scope.draft
    types = validate_types(scope)
    tables: dict[str, TableDef] = {}
    for table_draft in draft.tables:
        table = validate_table(scope, table_draft)
        if table is not None:
            tables[table.name] = table
    functions = Functions(scope)
    functions.lifecycles()
    functions.schedules(tables)
    functions.view_primary_keys(tables)
    handlers = validate_handlers(scope)
    return ModuleDef(
        raw_version=draft.version,
        typespace=scope.types.converted,
        source_typespace=draft.typespace,
        types=types,
        tables=tables,
        reducers=functions.reducers,
        procedures=functions.procedures,
        views=functions.views,
        http_handlers=handlers,
        # Only the root's routes are served; those of a submodule are ignored.
        http_routes=() if scope.namespace else validate_routes(scope, handlers),
        row_level_security=tuple(dict.fromkeys(rule.sql for rule in draft.row_level_security)),
        submodules=_submodules(scope, depth),
    )


def _submodules(scope: Scope, depth: int) -> dict[str, ModuleDef]:
    modules: dict[str, ModuleDef] = {}
    for raw in scope.draft.submodules:
        namespace = raw.namespace
        scope.identifier(namespace)
        size = len(namespace.encode(errors="surrogatepass"))
        if size > NAMESPACE_BYTES_MAX:
            scope.fail(
                "NamespaceTooLong",
                f"the namespace `{namespace}` has {size} bytes, "
                f"which exceeds the limit of {NAMESPACE_BYTES_MAX}",
            )
        if namespace in modules:
            scope.fail("DuplicateName", f"the name `{namespace}` is used for multiple entities")
        if depth >= NESTING_MAX:
            scope.fail("SubmodulesTooDeep", f"submodules are mounted more than {NESTING_MAX} deep")
            continue
        path = f"{scope.namespace}.{namespace}" if scope.namespace else namespace
        inner = Scope(draft_v10(raw.module), scope.reasons, path)
        modules[namespace] = _module(inner, depth + 1)
    return modules
