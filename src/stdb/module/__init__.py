"""What an author writes: modules, row classes, markers, queries."""

from .functions import (
    CompiledReducer,
    FunctionDeclaration,
    Parameter,
    ReducerDeclaration,
    make_take,
    signature,
)  # fmt: skip
from .markers import column, index, primary_key, unique
from .module import Module
from .program import JAVASCRIPT, PYTHON, WASM, Program, read_program, register_reader
from .query import Query
from .rows import Row

__all__ = [
    "JAVASCRIPT",
    "PYTHON",
    "WASM",
    "CompiledReducer",
    "FunctionDeclaration",
    "Module",
    "Parameter",
    "Program",
    "Query",
    "ReducerDeclaration",
    "Row",
    "column",
    "index",
    "make_take",
    "primary_key",
    "read_program",
    "register_reader",
    "signature",
    "unique",
]
