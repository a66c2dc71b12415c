"""SpacetimeDB's kind of database in a Python process.

Tables in memory with ACID transactions, and the application's own logic inside the database, as a
`Module` of reducers. A `Database` runs a module; a `Transaction` is an atomic piece of work on it.
"""

import typing

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
    HttpError,
    InternalError,
    InvalidToken,
    MemoryLimitError,
    MigrationError,
    ModuleError,
    PermissionDenied,
    ProcedureTimeout,
    PublishError,
    ReducerError,
    RowNotFound,
    ScheduleTooLong,
    SqlError,
    TransactionError,
    TypeMismatch,
    UniqueConstraintViolation,
    UnknownName,
    UsageError,
    ViewError,
)  # fmt: skip
from .module import Module, Query, Row, column, index, primary_key, unique
from .runtime import JwtClaims, LogRecord, ReducerContext
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
    "AnonymousViewContext",
    "AsyncConnection",
    "AsyncProcedureContext",
    "Bindings",
    "CachedTable",
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
    "Event",
    "Headers",
    "Host",
    "HttpError",
    "HttpPolicy",
    "Identity",
    "IndexHandle",
    "InternalError",
    "InvalidToken",
    "JwtClaims",
    "Limits",
    "LogRecord",
    "LoggedTransaction",
    "ManualClock",
    "MemoryLimitError",
    "Metrics",
    "MigrationError",
    "MigrationPlan",
    "Module",
    "ModuleError",
    "Ok",
    "PermissionDenied",
    "ProcedureContext",
    "ProcedureTimeout",
    "PublishError",
    "Query",
    "QueryTables",
    "ReducerContext",
    "ReducerError",
    "ReducerEvent",
    "Request",
    "Response",
    "Row",
    "RowChanges",
    "RowNotFound",
    "ScheduleAt",
    "ScheduleTooLong",
    "Some",
    "SqlError",
    "Subscription",
    "SystemClock",
    "TableHandle",
    "Tables",
    "TimeDuration",
    "Timestamp",
    "TokenKeys",
    "Transaction",
    "TransactionContext",
    "TransactionError",
    "TypeMismatch",
    "UniqueConstraintViolation",
    "UnknownName",
    "UsageError",
    "Variant",
    "ViewContext",
    "ViewError",
    "column",
    "export_database",
    "f32",
    "f64",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "i256",
    "import_database",
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

if typing.TYPE_CHECKING:
    from . import debug as debug
    from .client import CachedTable, Connection, Event, ReducerEvent, Subscription
    from .client.asynchronous import AsyncConnection
    from .database.exchange import export_database, import_database
    from .database.metrics import Metrics
    from .database.tokens import TokenKeys
    from .durability.history import LoggedTransaction, RowChanges
    from .host import Host
    from .module.bindings import Bindings
    from .module.messages import Headers, Request, Response
    from .runtime.guest.limits import Limits
    from .runtime.http_policy import HttpPolicy
    from .runtime.procedure_context import (
        AsyncProcedureContext,
        ProcedureContext,
        TransactionContext,
    )
    from .runtime.view_context import AnonymousViewContext, QueryTables, ViewContext
    from .schema.migration import MigrationPlan
    from .storage.handles import TableHandle
    from .storage.index_handle import IndexHandle
    from .storage.tables import Tables

#: Public names that are seldom needed: where they come from, at their first use.
_LATER = {
    "AnonymousViewContext": "stdb.runtime.view_context",
    "AsyncConnection": "stdb.client.asynchronous",
    "AsyncProcedureContext": "stdb.runtime.procedure_context",
    "Bindings": "stdb.module.bindings",
    "CachedTable": "stdb.client",
    "Connection": "stdb.client",
    "Event": "stdb.client",
    "Headers": "stdb.module.messages",
    "Host": "stdb.host",
    "HttpPolicy": "stdb.runtime.http_policy",
    "IndexHandle": "stdb.storage.index_handle",
    "Limits": "stdb.runtime.guest.limits",
    "LoggedTransaction": "stdb.durability.history",
    "Metrics": "stdb.database.metrics",
    "MigrationPlan": "stdb.schema.migration",
    "ProcedureContext": "stdb.runtime.procedure_context",
    "QueryTables": "stdb.runtime.view_context",
    "ReducerEvent": "stdb.client",
    "Request": "stdb.module.messages",
    "Response": "stdb.module.messages",
    "RowChanges": "stdb.durability.history",
    "Subscription": "stdb.client",
    "TableHandle": "stdb.storage.handles",
    "Tables": "stdb.storage.tables",
    "TokenKeys": "stdb.database.tokens",
    "TransactionContext": "stdb.runtime.procedure_context",
    "ViewContext": "stdb.runtime.view_context",
    "export_database": "stdb.database.exchange",
    "import_database": "stdb.database.exchange",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("stdb")
    if name == "debug" or name in _LATER:
        from importlib import import_module

        if name == "debug":
            return import_module("stdb.debug")
        found = getattr(import_module(_LATER[name]), name)
        found.__module__ = "stdb"
        globals()[name] = found
        return found
    raise AttributeError(f"module 'stdb' has no attribute {name!r}")


for _name in __all__:
    if _name not in _LATER and getattr(globals()[_name], "__module__", "").startswith("stdb."):
        # Tracebacks, pickles and help show the name that one imports.
        globals()[_name].__module__ = "stdb"
del _name
