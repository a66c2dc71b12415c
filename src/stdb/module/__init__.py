"""What an author writes: modules, row classes, markers, queries."""

from .functions import FunctionDeclaration, Parameter, ReducerDeclaration, signature
from .markers import column, index, primary_key, unique
from .module import Module
from .program import JAVASCRIPT, PYTHON, WASM, Program
from .query import Query
from .rows import Row

__all__ = [
    "JAVASCRIPT",
    "PYTHON",
    "WASM",
    "FunctionDeclaration",
    "Module",
    "Parameter",
    "Program",
    "Query",
    "ReducerDeclaration",
    "Row",
    "column",
    "index",
    "primary_key",
    "signature",
    "unique",
]
