"""Running a module's functions: contexts and logs."""

from .context import ReducerContext, SenderAuth, Services
from .logs import CallLog, LogRecord, Logs

__all__ = ["CallLog", "LogRecord", "Logs", "ReducerContext", "SenderAuth", "Services"]
