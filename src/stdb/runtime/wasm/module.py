"""A compiled module: its code, and what it imports and exports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from . import abi
from .cache import compiled
from .engine import Engine

if TYPE_CHECKING:
    from ..guest.limits import Limits

#: What a second of running costs where no clock ticks (see `ticker`), in fuel.
FUEL_A_SECOND: Final = 2_000_000_000
_KINDS: Final = {0: "i", 1: "I", 2: "f", 3: "F"}
_MEMORY: Final = 3


class Import(NamedTuple):
    """What a module asks for; `type` is None unless it is a function."""

    module: str
    name: str
    type: str | None


class Export(NamedTuple):
    """What a module offers; `type` is None unless it is a function."""

    type: str | None
    is_memory: bool


class CompiledModule:
    """A module that can be run any number of times.

    Attributes
    ----------
    engine : Engine
    pointer : object
        The ``wasmtime_module_t *``.
    imports : list of Import
    exports : dict of str to Export
    """

    def __init__(self, engine: Engine, program: bytes) -> None:
        self.engine = engine
        self.pointer = compiled(engine, program)
        self.imports = _imports(engine, self.pointer)
        self.exports = _exports(engine, self.pointer)

    def fuel(self, limits: Limits) -> int | None:
        """Return the fuel of a call within `limits`; None where it is not counted."""
        if not self.engine.has_fuel:
            return None
        by_time = FUEL_A_SECOND * (limits.time_s or 0)
        return limits.fuel or int(by_time) or (1 << 63) - 1

    @property
    def preinits(self) -> list[str]:
        """The functions that prepare an instance, in the order in which they are called."""
        names = [name for name in self.exports if name.startswith(abi.PREINIT)]
        return sorted(names, key=str.encode)


def _imports(engine: Engine, module: Any) -> list[Import]:
    ffi, lib = engine.api.ffi, engine.api.lib
    vector = ffi.new("wasm_importtype_vec_t *")
    lib.wasmtime_module_imports(module, vector)
    found = []
    for i in range(vector.size):
        each = vector.data[i]
        found.append(
            Import(
                _name(ffi, lib.wasm_importtype_module(each)),
                _name(ffi, lib.wasm_importtype_name(each)),
                _type(engine, lib.wasm_importtype_type(each)),
            )
        )
    lib.wasm_importtype_vec_delete(vector)
    return found


def _exports(engine: Engine, module: Any) -> dict[str, Export]:
    ffi, lib = engine.api.ffi, engine.api.lib
    vector = ffi.new("wasm_exporttype_vec_t *")
    lib.wasmtime_module_exports(module, vector)
    found = {}
    for i in range(vector.size):
        each = vector.data[i]
        type_ = lib.wasm_exporttype_type(each)
        is_memory = lib.wasm_externtype_kind(type_) == _MEMORY
        found[_name(ffi, lib.wasm_exporttype_name(each))] = Export(_type(engine, type_), is_memory)
    lib.wasm_exporttype_vec_delete(vector)
    return found


def _name(ffi: Any, vector: Any) -> str:
    name: bytes = ffi.buffer(vector.data, vector.size)[:]
    return name.decode(errors="replace")


def _type(engine: Engine, extern: Any) -> str | None:
    """Return the type of a function in letters; None for anything else."""
    ffi, lib = engine.api.ffi, engine.api.lib
    function = lib.wasm_externtype_as_functype_const(extern)
    if function == ffi.NULL:
        return None
    sides = []
    for vector in (lib.wasm_functype_params(function), lib.wasm_functype_results(function)):
        kinds = [lib.wasm_valtype_kind(vector.data[i]) for i in range(vector.size)]
        sides.append("".join(_KINDS.get(kind, "?") for kind in kinds))
    return ":".join(sides)
