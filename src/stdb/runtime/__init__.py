"""Running a module's functions: contexts and logs."""

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
