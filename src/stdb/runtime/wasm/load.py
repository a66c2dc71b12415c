"""From the bytes of a module to the program of a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...errors import DecodeError, ModuleError, PublishError
from ...module import WASM, Program
from ...schema import decode_module_def, validate
from ..guest.limits import Limits
from ..guest.program import unbound_program
from .abi import check_exports, check_imports
from .executor import Compiled, WasmExecutor
from .imports import provided
from .lane import Lane

if TYPE_CHECKING:
    from ...schema import ModuleDef


#: What a module may use to describe itself.
_DESCRIBING: Final = Limits(time_s=10.0, memory_bytes=256 * 1024**2)


def read_wasm(program: bytes) -> Program:
    """Return the program of a WebAssembly module.

    Raises
    ------
    PublishError
        It is none that can run here: the message says what is missing.
    DefinitionError
        What it describes itself to be is not valid.
    """
    compiled = Compiled(program)
    module = compiled.module(_DESCRIBING)
    check_imports(module.imports, provided())
    check_exports(module.exports)
    lane = Lane(module, None, _DESCRIBING)
    try:
        description = lane.start()
    except ModuleError as error:
        raise PublishError(f"the module breaks when it is loaded: {error}") from error
    finally:
        lane.stop()
    return unbound_program(
        _definition(description),
        description,
        program,
        WASM,
        lambda database: WasmExecutor(compiled, database),
    )


def _definition(description: bytes) -> ModuleDef:
    try:
        raw = decode_module_def(description)
    except DecodeError as error:
        raise PublishError(
            f"error decoding the module's description of itself ({len(description)} bytes): {error}"
        ) from error
    return validate(raw)
