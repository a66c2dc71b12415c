"""From the bytes of a module to a program, and to the executor that runs it on a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import DecodeError, ModuleError, PublishError, ReducerError
from ...module import WASM, Program
from ...schema import decode_module_def, validate
from ..guest.host import Host
from ..guest.limits import Limits
from ..guest.program import unbound_program
from .abi import check_exports
from .engine import engine
from .lane import Lane, needs_fuel
from .module import CompiledModule

if TYPE_CHECKING:
    from ...schema import ModuleDef
    from ...types.values import ConnectionId, Identity


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
    module = compiled.module(Limits())
    check_exports(module.exports)
    lane = Lane(module, None, Limits())
    try:
        description = lane.start()
    except ModuleError as error:
        raise PublishError(f"the module breaks when it is loaded: {error}") from error
    finally:
        lane.stop()
    return unbound_program(
        _definition(description), program, WASM, lambda database: WasmExecutor(compiled, database)
    )


def _definition(description: bytes) -> ModuleDef:
    try:
        raw = decode_module_def(description)
    except DecodeError as error:
        raise PublishError(
            f"error decoding the module's description of itself ({len(description)} bytes): {error}"
        ) from error
    return validate(raw)


class Compiled:
    """The bytes of a module, compiled for each kind of engine that is asked for, once."""

    def __init__(self, program: bytes) -> None:
        self._program = program
        self._modules: dict[bool, CompiledModule] = {}

    def module(self, limits: Limits) -> CompiledModule:
        """Return the module, compiled so that these limits can be kept."""
        ticks = engine(has_fuel=False).ticks
        has_fuel = needs_fuel(limits, ticks=ticks)
        if has_fuel not in self._modules:
            self._modules[has_fuel] = CompiledModule(engine(has_fuel=has_fuel), self._program)
        return self._modules[has_fuel]


class WasmExecutor:
    """A WebAssembly module at work on one database.

    Reducers and views run on one instance, one after the other, inside transactions.
    """

    def __init__(self, compiled: Compiled, database: Any) -> None:
        limits: Limits = database._limits or Limits()
        self._main = Lane(compiled.module(limits), Host(database), limits)

    def call_reducer(
        self,
        number: int,
        name: str,
        sender: Identity,
        connection: ConnectionId | None,
        micros: int,
        args: bytes,
    ) -> None:
        """Run a reducer in the open transaction; see `Executor`."""
        code, written = self._main.call_reducer(number, name, sender, connection, micros, args)
        if code:
            message = b"".join(written).decode(errors="replace")
            if code == 1:
                raise ReducerError(message)
            raise ModuleError(
                f"reducer {name!r} broke: it returned the code {code}"
                + (f": {message}" if message else "")
            )

    def close(self) -> None:
        """End it."""
        self._main.stop()
