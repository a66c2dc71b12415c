"""SpacetimeDB's kind of database in a Python process.

Tables in memory with ACID transactions, and the application's own logic inside the database, as a
`Module` of reducers. A `Database` runs a module; a `Transaction` is an atomic piece of work on it.
"""

from .client import Connection
from .clock import ManualClock, SystemClock
from .database import Database, Transaction, repair
from .errors import (
    ConstraintViolation,
    CorruptLogError,
    DatabaseClosed,
    DatabaseLocked,
    DatabaseNotFound,
    DecodeError,
    DefinitionError,
    Disconnected,
    DurabilityError,
    Error,
    InternalError,
    ModuleError,
    PermissionDenied,
    PublishError,
    ReducerError,
    RowNotFound,
    SqlError,
    TransactionError,
    TypeMismatch,
    UniqueConstraintViolation,
    UnknownName,
    UsageError,
)  # fmt: skip
from .module import Module, Query, Row, column, index, primary_key, unique
from .runtime import LogRecord, ReducerContext
from .storage import IndexHandle, TableHandle, Tables
from .types.annotations import (
    f32,
    f64,
    i8,
    i16,
    i32,
    i64,
    i128,
    i256,
    u8,
    u16,
    u32,
    u64,
    u128,
    u256,
)  # fmt: skip
from .types.sums import Err, Ok, Some, Variant, sum_type
from .types.values import ConnectionId, Identity, ScheduleAt, TimeDuration, Timestamp

__all__ = [
    "Connection",
    "ConnectionId",
    "ConstraintViolation",
    "CorruptLogError",
    "Database",
    "DatabaseClosed",
    "DatabaseLocked",
    "DatabaseNotFound",
    "DecodeError",
    "DefinitionError",
    "Disconnected",
    "DurabilityError",
    "Err",
    "Error",
    "Identity",
    "IndexHandle",
    "InternalError",
    "LogRecord",
    "ManualClock",
    "Module",
    "ModuleError",
    "Ok",
    "PermissionDenied",
    "PublishError",
    "Query",
    "ReducerContext",
    "ReducerError",
    "Row",
    "RowNotFound",
    "ScheduleAt",
    "Some",
    "SqlError",
    "SystemClock",
    "TableHandle",
    "Tables",
    "TimeDuration",
    "Timestamp",
    "Transaction",
    "TransactionError",
    "TypeMismatch",
    "UniqueConstraintViolation",
    "UnknownName",
    "UsageError",
    "Variant",
    "column",
    "f32",
    "f64",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "i256",
    "index",
    "primary_key",
    "repair",
    "sum_type",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "u256",
    "unique",
]


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version

        return version("stdb")
    raise AttributeError(f"module 'stdb' has no attribute {name!r}")


for _name in __all__:
    if getattr(globals()[_name], "__module__", "").startswith("stdb."):
        # Tracebacks, pickles and help show the name that one imports.
        globals()[_name].__module__ = "stdb"
del _name
