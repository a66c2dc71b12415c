"""The functions that a module may import, a file for each subject.

Each file has a `make` that returns its functions for a lane, by name. A function takes
``(environment, caller, values, count)`` and answers in `values`, where the module's arguments are:
as 32-bit numbers, four to a value. What it raises ends the module's call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ....errors import InternalError
from .. import abi
from . import bytestreams, calls, console, deletes, names, points, rows, scans, tables, wasi, writes

if TYPE_CHECKING:
    from ..lane import Lane

_TYPE: Final = "wasm_trap_t *(void *, void *, uint32_t *, size_t)"
_SUBJECTS: Final = (
    bytestreams, calls, console, deletes, names, points, rows, scans, tables, wasi, writes,
)  # fmt: skip
_KINDS: Final = {"i": 0, "I": 1}


def provided() -> dict[tuple[str, str], str]:
    """Return what is there to import: (module, name) -> type."""
    spacetime = {(f"spacetime_10.{minor}", n): t for n, (minor, t) in abi.IMPORTS.items()}
    return {**spacetime, **{(wasi.MODULE, name): t for name, t in wasi.IMPORTS.items()}}


def define_all(lane: Lane) -> list[Any]:
    """Define every function that the lane's module imports; return what must live as long as it."""
    ffi, lib = lane.api.ffi, lane.api.lib
    functions: dict[str, Any] = {}
    for subject in _SUBJECTS:
        functions.update(subject.make(lane))

    def failed(_kind: object, error: BaseException, _trace: object) -> Any:
        lane.error = error
        return lib.wasmtime_trap_new(b"stopped by the host", 19)

    callbacks = []
    for module, name, type_ in lane.module.imports:
        assert type_ is not None
        callback = ffi.callback(_TYPE, functions[name], onerror=failed)
        callbacks.append(callback)
        signature = _function_type(lane, type_)
        modules, names = module.encode(), name.encode()
        error = lib.wasmtime_linker_define_func_unchecked(
            lane.linker, modules, len(modules), names, len(names), signature, callback,
            ffi.NULL, ffi.NULL,
        )  # fmt: skip
        lib.wasm_functype_delete(signature)
        if error != ffi.NULL:
            lib.wasmtime_error_delete(error)
            raise InternalError(f"the host function {name} cannot be defined")
    return callbacks


def _function_type(lane: Lane, text: str) -> Any:
    ffi, lib = lane.api.ffi, lane.api.lib
    sides = []
    for letters in text.split(":"):
        values = ffi.new(
            "wasm_valtype_t *[]", [lib.wasm_valtype_new(_KINDS[letter]) for letter in letters]
        )
        vector = ffi.new("wasm_valtype_vec_t *")
        lib.wasm_valtype_vec_new(vector, len(letters), values)
        sides.append(vector)
    return lib.wasm_functype_new(*sides)
