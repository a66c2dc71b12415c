"""`Program`: what a database runs, whatever language it was written in.

Its functions are Python callables that take a context and exact arguments. Those of a Python module
are the author's own; those of a compiled module, made by `Program.bind`, run it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from .functions import ReducerDeclaration

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..schema import ModuleDef
    from ..types.shapes import Record
    from .handlers import HandlerDeclaration
    from .procedures import ProcedureDeclaration
    from .views import ViewDeclaration

#: ``program_kind`` in ``st_module``. The last is ours: SpacetimeDB has no modules in Python.
WASM: Final = 0
JAVASCRIPT: Final = 1
PYTHON: Final = 80


class Program(msgspec.Struct, frozen=True):
    """A module as it was at one moment, validated.

    Attributes
    ----------
    definition : ModuleDef
        Its tables and functions.
    shapes : dict
        Table name -> shape of its rows.
    reducers, procedures, handlers : dict
        Name -> declaration. Those of a submodule have its namespace before their names.
    program_bytes : bytes
        What ``st_module`` keeps: the binary, or the raw definition of a Python module.
    kind : int
        `WASM`, `JAVASCRIPT` or `PYTHON`.
    views : dict
        Name -> declaration.
    start : callable or None
        ``database -> Program``: starts a compiled module on a database and returns the program
        whose functions run there.
    stop : callable or None
        Ends what `start` began.
    description : bytes
        The raw definition as a compiled module gives it.
    """

    definition: ModuleDef
    shapes: dict[str, Record]
    reducers: dict[str, ReducerDeclaration]
    program_bytes: bytes = b""
    kind: int = PYTHON
    views: dict[str, ViewDeclaration] = {}
    start: Callable[[Any], Program] | None = None
    stop: Callable[[], None] | None = None
    procedures: dict[str, ProcedureDeclaration] = {}
    handlers: dict[str, HandlerDeclaration] = {}
    description: bytes = b""

    def bind(self, database: Any) -> Program:
        """Return the program with functions that run on `database`."""
        return self if self.start is None else self.start(database)

    def close(self) -> None:
        """End what runs for it."""
        if self.stop is not None:
            self.stop()


#: Suffix of a file -> what makes a program of its content. How that is done is known further up:
#: each kind of compiled module registers its reader.
readers: Final[dict[str, Callable[[bytes], Program]]] = {}
#: ``program_kind`` of ``st_module`` -> the same.
_readers_by_kind: Final[dict[int, Callable[[bytes], Program]]] = {}


def register_reader(
    suffixes: tuple[str, ...], kind: int, reader: Callable[[bytes], Program]
) -> None:
    """Let files with these suffixes, and stored programs of this kind, be read by `reader`."""
    readers.update(dict.fromkeys(suffixes, reader))
    _readers_by_kind[kind] = reader


def read_program(kind: int, program: bytes) -> Program | None:
    """Return the program that a database stored, if its kind can be run; None for Python's."""
    reader = _readers_by_kind.get(kind)
    return None if reader is None else reader(program)
