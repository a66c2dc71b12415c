"""Running a module's functions: contexts and logs."""

from .auth import JwtClaims, SenderAuth
from .context import ReducerContext, Services
from .logs import CallLog, LogRecord, Logs

__all__ = ["CallLog", "JwtClaims", "LogRecord", "Logs", "ReducerContext", "SenderAuth", "Services"]
