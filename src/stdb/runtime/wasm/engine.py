"""The engine: one per process and kind, and the compilation of modules with it.

Traps are never made of signals: a handler that something else installs later (``faulthandler``)
would turn a module's wild read into the end of the process. Memories never move: address space is
set aside for all that a module may ever have, so that a view of one stays valid when it grows.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ...errors import InternalError, PublishError
from .capi import CApi, load
from .ticker import Ticker

if TYPE_CHECKING:
    from collections.abc import Callable

_STACK_BYTES_MAX: Final = 512 * 1024
_ADDRESS_SPACE: Final = 4 * 1024**3


class Engine:
    """wasmtime's engine with our settings.

    Attributes
    ----------
    api : CApi
    has_fuel : bool
        Whether compiled code counts what it does.
    pointer : object
        The ``wasm_engine_t *``.
    ticker : Ticker
        What moves its epoch on.
    """

    def __init__(self, *, has_fuel: bool) -> None:
        self.api: CApi = load()
        self.has_fuel = has_fuel
        lib = self.api.lib
        config = lib.wasm_config_new()
        lib.wasmtime_config_consume_fuel_set(config, has_fuel)
        lib.wasmtime_config_epoch_interruption_set(config, True)
        lib.wasmtime_config_max_wasm_stack_set(config, _STACK_BYTES_MAX)
        lib.wasmtime_config_signals_based_traps_set(config, False)
        lib.wasmtime_config_memory_may_move_set(config, False)
        lib.wasmtime_config_memory_reservation_set(config, _ADDRESS_SPACE)
        lib.wasmtime_config_memory_guard_size_set(config, 0)
        lib.wasmtime_config_wasm_threads_set(config, False)
        lib.wasmtime_config_wasm_function_references_set(config, False)
        lib.wasmtime_config_wasm_gc_set(config, False)
        lib.wasmtime_config_wasm_memory64_set(config, False)
        self.pointer: Any = lib.wasm_engine_new_with_config(config)
        if self.pointer == self.api.ffi.NULL:
            raise InternalError(f"wasmtime {self.api.version} does not take our settings")
        ffi = self.api.ffi
        increment = ffi.addressof(lib, "wasmtime_engine_increment_epoch")
        self.ticker = Ticker(
            int(ffi.cast("uintptr_t", self.pointer)), int(ffi.cast("uintptr_t", increment))
        )

    @property
    def ticks(self) -> bool:
        """Whether its epoch moves on by itself: without, only fuel ends a loop."""
        return self.ticker.works

    @property
    def fingerprint(self) -> str:
        """What compiled code depends on beside the module: the version and the settings."""
        return f"wasmtime-{self.api.version}-{'fuel' if self.has_fuel else 'epoch'}"

    def compile(self, program: bytes) -> Any:
        """Return the compiled module, a ``wasmtime_module_t *``.

        Raises
        ------
        PublishError
            The bytes are no WebAssembly module.
        """
        ffi, lib = self.api.ffi, self.api.lib
        made = ffi.new("wasmtime_module_t **")
        error = lib.wasmtime_module_new(self.pointer, ffi.from_buffer(program), len(program), made)
        if error != ffi.NULL:
            raise PublishError(
                "the module does not compile; is it a wasm32 module (not a component)? "
                f"{_on_a_line(take_error(self.api, error))}"
            )
        return self._owned(made[0])

    def serialize(self, module: Any) -> bytes:
        """Return compiled code as bytes, for `deserialize`."""
        ffi, lib = self.api.ffi, self.api.lib
        vector = ffi.new("wasm_byte_vec_t *")
        error = lib.wasmtime_module_serialize(module, vector)
        if error != ffi.NULL:
            raise InternalError(f"compiled code cannot be kept: {take_error(self.api, error)}")
        return take_bytes(self.api, vector)

    def deserialize(self, code: bytes) -> Any | None:
        """Return the module that `serialize` made bytes of; None when they are of no use here.

        The code is run as it is: only what this user wrote may come here.
        """
        ffi, lib = self.api.ffi, self.api.lib
        made = ffi.new("wasmtime_module_t **")
        error = lib.wasmtime_module_deserialize(
            self.pointer, ffi.from_buffer(code), len(code), made
        )
        if error != ffi.NULL:
            lib.wasmtime_error_delete(error)
            return None
        return self._owned(made[0])

    def _owned(self, module: Any) -> Any:
        delete: Callable[[Any], None] = self.api.lib.wasmtime_module_delete
        return self.api.ffi.gc(module, delete)


@cache
def engine(*, has_fuel: bool) -> Engine:
    """Return the engine of this process that counts fuel, or the one that does not."""
    return Engine(has_fuel=has_fuel)


def take_bytes(api: CApi, vector: Any) -> bytes:
    """Return what a ``wasm_byte_vec_t`` holds, and free it."""
    data: bytes = api.ffi.buffer(vector.data, vector.size)[:]
    api.lib.wasm_byte_vec_delete(vector)
    return data


def take_error(api: CApi, error: Any) -> str:
    """Return the text of a ``wasmtime_error_t``, and free it."""
    vector = api.ffi.new("wasm_byte_vec_t *")
    api.lib.wasmtime_error_message(error, vector)
    api.lib.wasmtime_error_delete(error)
    return take_bytes(api, vector).decode(errors="replace").strip()


def take_trap(api: CApi, trap: Any) -> str:
    """Return the text of a ``wasm_trap_t``, and free it."""
    vector = api.ffi.new("wasm_byte_vec_t *")
    api.lib.wasm_trap_message(trap, vector)
    api.lib.wasm_trap_delete(trap)
    return take_bytes(api, vector).rstrip(b"\0").decode(errors="replace").strip()


def _on_a_line(text: str) -> str:
    return ": ".join(
        line.strip() for line in text.splitlines() if line.strip() not in ("", "Caused by:")
    )


def take_failure(api: CApi, error: Any, trap: Any) -> str:
    """Return why a call failed, the reason on the first line and the backtrace behind it.

    Parameters
    ----------
    api : CApi
    error : object
        The ``wasmtime_error_t *`` that the call returned, or its address.
    trap : object
        Where the call put its ``wasm_trap_t *``; emptied.
    """
    ffi = api.ffi
    texts = []
    if error:
        texts.append(take_error(api, ffi.cast("wasmtime_error_t *", error)))
    if trap[0]:
        texts.append(take_trap(api, trap[0]))
        trap[0] = ffi.NULL
    text = "\n".join(texts).replace("error while executing at wasm backtrace:", "wasm backtrace:")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("note: "))
    trace, _, reason = text.partition("\n\nCaused by:\n")
    return f"{reason.splitlines()[-1].strip()}\n{trace}" if reason else trace
