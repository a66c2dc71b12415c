"""Running a module's functions: contexts, logs.

`procedure_context`, `http`, `http_policy` and `waiting` are for those who have procedures: they are
imported where they are used.
"""

from .auth import JwtClaims, SenderAuth
from .context import ReducerContext, Services
from .log_record import LogRecord, level_number
from .logs import CallLog, Logs, log_panic

__all__ = [
    "CallLog",
    "JwtClaims",
    "LogRecord",
    "Logs",
    "ReducerContext",
    "SenderAuth",
    "Services",
    "level_number",
    "log_panic",
]
