"""What an author writes: modules, row classes, markers, queries."""

from .functions import FunctionDeclaration, Parameter, ReducerDeclaration, signature
from .markers import column, index, primary_key, unique
from .messages import Headers, Request, Response
from .module import Module
from .procedures import ProcedureDeclaration
from .program import JAVASCRIPT, PYTHON, WASM, Program
from .query import Query
from .rows import Row

__all__ = [
    "JAVASCRIPT",
    "PYTHON",
    "WASM",
    "FunctionDeclaration",
    "Headers",
    "Module",
    "Parameter",
    "ProcedureDeclaration",
    "Program",
    "Query",
    "ReducerDeclaration",
    "Request",
    "Response",
    "Row",
    "column",
    "index",
    "primary_key",
    "signature",
    "unique",
]
