"""Running a module's functions: contexts, logs, requests to the world, timers."""

from .auth import JwtClaims, SenderAuth
from .context import ReducerContext, Services
from .http_policy import HttpPolicy, as_policy
from .log_record import LogRecord, level_number
from .logs import CallLog, Logs, log_panic
from .procedure_context import (
    AsyncProcedureContext,
    ProcedureContext,
    ProcedureTransaction,
    TransactionContext,
)
from .waiting import Deadline, Waits

__all__ = [
    "AsyncProcedureContext",
    "CallLog",
    "Deadline",
    "HttpPolicy",
    "JwtClaims",
    "LogRecord",
    "Logs",
    "ProcedureContext",
    "ProcedureTransaction",
    "ReducerContext",
    "SenderAuth",
    "Services",
    "TransactionContext",
    "Waits",
    "as_policy",
    "level_number",
    "log_panic",
]
