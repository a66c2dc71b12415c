"""What a module consists of: definitions, raw and validated, and the rules between the two.

``decode_module_def(bytes)`` reads what a module hands over, ``validate(raw)`` checks it and makes
the `ModuleDef` that every other layer uses. `system_tables` has the tables that every database
has of its own.
"""

from . import names, system_tables
from .definition import (
    Algorithm,
    ColumnDef,
    ConstraintDef,
    FunctionDef,
    HttpHandlerDef,
    HttpRouteDef,
    IndexDef,
    Lifecycle,
    ModuleDef,
    ProcedureDef,
    ReducerDef,
    ScheduleDef,
    SequenceDef,
    TableDef,
    TypeDef,
    ViewDef,
)
from .layout import Variant
from .migration import (
    MigrationPlan,
    Step,
    StepKind,
    all_views,
    compare,
    migration_error,
    plan_migration,
    row_level_security,
)
from .raw import (
    RawModuleDef,
    decode_module_def,
    encode_module_def,
    module_def_from_json,
    module_def_to_json,
)
from .raw_v8 import RawModuleDefV8
from .raw_v9 import RawModuleDefV9
from .raw_v10 import RawModuleDefV10
from .reasons import Reason
from .system_tables import SystemTable
from .validate import validate

__all__ = [
    "Algorithm",
    "ColumnDef",
    "ConstraintDef",
    "FunctionDef",
    "HttpHandlerDef",
    "HttpRouteDef",
    "IndexDef",
    "Lifecycle",
    "MigrationPlan",
    "ModuleDef",
    "ProcedureDef",
    "RawModuleDef",
    "RawModuleDefV8",
    "RawModuleDefV9",
    "RawModuleDefV10",
    "Reason",
    "ReducerDef",
    "ScheduleDef",
    "SequenceDef",
    "Step",
    "StepKind",
    "SystemTable",
    "TableDef",
    "TypeDef",
    "Variant",
    "ViewDef",
    "all_views",
    "compare",
    "decode_module_def",
    "encode_module_def",
    "migration_error",
    "module_def_from_json",
    "module_def_to_json",
    "names",
    "plan_migration",
    "row_level_security",
    "system_tables",
    "validate",
]
