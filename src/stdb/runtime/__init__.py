"""Running a module's functions: contexts, logs, and the modules that come compiled.

`procedure_context`, `http`, `http_policy` and `waiting` are for those who have procedures: they are
imported where they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..module import JAVASCRIPT, WASM, register_reader
from .auth import JwtClaims, SenderAuth
from .context import ReducerContext, Services
from .log_record import LogRecord, level_number
from .logs import CallLog, Logs, log_panic

if TYPE_CHECKING:
    from ..module import Program

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


def _read_wasm(program: bytes) -> Program:
    from .wasm.load import read_wasm  # wasmtime is heavy: only for those who have such a module

    return read_wasm(program)


def _read_javascript(program: bytes) -> Program:
    from .js.load import read_javascript  # loads V8

    return read_javascript(program)


register_reader((".wasm",), WASM, _read_wasm)
register_reader((".js", ".mjs"), JAVASCRIPT, _read_javascript)
