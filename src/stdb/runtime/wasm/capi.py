"""The C interface of wasmtime: what of it is used, and the check that it is what we think.

The `wasmtime` package ships the engine as a shared library. Its Python classes cost some 80 µs a
call and 7 µs a host function, so none of them is used here: cffi calls the library's C interface
itself (0.4 µs a host function), and ctypes calls into a module without giving the interpreter's
lock away. Both read the structures below as they lie in memory, and those may differ between
versions: `load` compares each with the package's own description of it.

Source: the C headers of wasmtime, as its Python package describes them.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
from functools import cache
from typing import Any, Final, NamedTuple

from ...errors import PublishError

#: Structures whose layout both sides must agree on, with the fields that are looked into.
_LAYOUTS: Final = {
    "wasmtime_func": (),
    "wasmtime_memory": (),
    "wasmtime_instance": (),
    "wasmtime_extern": ("kind", "of"),
    "wasm_byte_vec_t": ("size", "data"),
}
_VALUE_SIZE: Final = 16

_DECLARATIONS: Final = """
typedef struct wasm_config_t wasm_config_t;
typedef struct wasm_engine_t wasm_engine_t;
typedef struct wasmtime_store wasmtime_store_t;
typedef struct wasmtime_context wasmtime_context_t;
typedef struct wasmtime_module wasmtime_module_t;
typedef struct wasmtime_linker wasmtime_linker_t;
typedef struct wasmtime_instance_pre wasmtime_instance_pre_t;
typedef struct wasmtime_error wasmtime_error_t;
typedef struct wasm_trap_t wasm_trap_t;
typedef struct wasm_functype_t wasm_functype_t;
typedef struct wasm_valtype_t wasm_valtype_t;
typedef struct wasm_externtype_t wasm_externtype_t;
typedef struct wasm_importtype_t wasm_importtype_t;
typedef struct wasm_exporttype_t wasm_exporttype_t;
typedef struct { size_t size; char *data; } wasm_byte_vec_t;
typedef struct { size_t size; wasm_valtype_t **data; } wasm_valtype_vec_t;
typedef struct { size_t size; wasm_importtype_t **data; } wasm_importtype_vec_t;
typedef struct { size_t size; wasm_exporttype_t **data; } wasm_exporttype_vec_t;
typedef struct { uint64_t store_id; void *private; } wasmtime_func_t;
typedef struct { uint64_t store_id; uint32_t one; } memory_base_t;
typedef struct { memory_base_t base; uint32_t two; } wasmtime_memory_t;
typedef struct { uint64_t store_id; size_t private; } wasmtime_instance_t;
typedef struct {
    uint8_t kind;
    union { wasmtime_func_t func; wasmtime_memory_t memory; } of;
} wasmtime_extern_t;
typedef wasm_trap_t *(*host_function_t)(void *, void *, uint32_t *, size_t);
typedef wasmtime_error_t *(*deadline_function_t)(
    wasmtime_context_t *, void *, uint64_t *, uint8_t *);

wasm_config_t *wasm_config_new(void);
void wasmtime_config_consume_fuel_set(wasm_config_t *, bool);
void wasmtime_config_epoch_interruption_set(wasm_config_t *, bool);
void wasmtime_config_max_wasm_stack_set(wasm_config_t *, size_t);
bool wasmtime_config_signals_based_traps_set(wasm_config_t *, bool);
void wasmtime_config_memory_may_move_set(wasm_config_t *, bool);
void wasmtime_config_memory_reservation_set(wasm_config_t *, uint64_t);
void wasmtime_config_memory_guard_size_set(wasm_config_t *, uint64_t);
void wasmtime_config_wasm_threads_set(wasm_config_t *, bool);
void wasmtime_config_wasm_gc_set(wasm_config_t *, bool);
void wasmtime_config_wasm_function_references_set(wasm_config_t *, bool);
void wasmtime_config_wasm_memory64_set(wasm_config_t *, bool);
wasm_engine_t *wasm_engine_new_with_config(wasm_config_t *);
void wasmtime_engine_increment_epoch(wasm_engine_t *);

wasmtime_error_t *wasmtime_module_new(
    wasm_engine_t *, const uint8_t *, size_t, wasmtime_module_t **);
wasmtime_error_t *wasmtime_module_serialize(wasmtime_module_t *, wasm_byte_vec_t *);
wasmtime_error_t *wasmtime_module_deserialize(
    wasm_engine_t *, const uint8_t *, size_t, wasmtime_module_t **);
void wasmtime_module_delete(wasmtime_module_t *);
void wasmtime_module_imports(const wasmtime_module_t *, wasm_importtype_vec_t *);
void wasmtime_module_exports(const wasmtime_module_t *, wasm_exporttype_vec_t *);
const wasm_byte_vec_t *wasm_importtype_module(const wasm_importtype_t *);
const wasm_byte_vec_t *wasm_importtype_name(const wasm_importtype_t *);
const wasm_externtype_t *wasm_importtype_type(const wasm_importtype_t *);
const wasm_byte_vec_t *wasm_exporttype_name(const wasm_exporttype_t *);
const wasm_externtype_t *wasm_exporttype_type(const wasm_exporttype_t *);
void wasm_importtype_vec_delete(wasm_importtype_vec_t *);
void wasm_exporttype_vec_delete(wasm_exporttype_vec_t *);
const wasm_functype_t *wasm_externtype_as_functype_const(const wasm_externtype_t *);
uint8_t wasm_externtype_kind(const wasm_externtype_t *);
const wasm_valtype_vec_t *wasm_functype_params(const wasm_functype_t *);
const wasm_valtype_vec_t *wasm_functype_results(const wasm_functype_t *);
uint8_t wasm_valtype_kind(const wasm_valtype_t *);
wasm_valtype_t *wasm_valtype_new(uint8_t);
void wasm_valtype_vec_new(wasm_valtype_vec_t *, size_t, wasm_valtype_t *const *);
wasm_functype_t *wasm_functype_new(wasm_valtype_vec_t *, wasm_valtype_vec_t *);
void wasm_functype_delete(wasm_functype_t *);
void wasm_byte_vec_delete(wasm_byte_vec_t *);

wasmtime_store_t *wasmtime_store_new(wasm_engine_t *, void *, void *);
wasmtime_context_t *wasmtime_store_context(wasmtime_store_t *);
void wasmtime_store_delete(wasmtime_store_t *);
void wasmtime_store_limiter(wasmtime_store_t *, int64_t, int64_t, int64_t, int64_t, int64_t);
void wasmtime_store_epoch_deadline_callback(
    wasmtime_store_t *, deadline_function_t, void *, void *);
void wasmtime_context_set_epoch_deadline(wasmtime_context_t *, uint64_t);
wasmtime_error_t *wasmtime_context_set_fuel(wasmtime_context_t *, uint64_t);
wasmtime_error_t *wasmtime_context_get_fuel(wasmtime_context_t *, uint64_t *);

wasmtime_linker_t *wasmtime_linker_new(wasm_engine_t *);
void wasmtime_linker_delete(wasmtime_linker_t *);
wasmtime_error_t *wasmtime_linker_define_func_unchecked(
    wasmtime_linker_t *, const char *, size_t, const char *, size_t, const wasm_functype_t *,
    host_function_t, void *, void *);
wasmtime_error_t *wasmtime_linker_instantiate_pre(
    const wasmtime_linker_t *, const wasmtime_module_t *, wasmtime_instance_pre_t **);
void wasmtime_instance_pre_delete(wasmtime_instance_pre_t *);
wasmtime_error_t *wasmtime_instance_pre_instantiate(
    const wasmtime_instance_pre_t *, wasmtime_context_t *, wasmtime_instance_t *, wasm_trap_t **);
bool wasmtime_instance_export_get(
    wasmtime_context_t *, const wasmtime_instance_t *, const char *, size_t, wasmtime_extern_t *);
uint8_t *wasmtime_memory_data(const wasmtime_context_t *, const wasmtime_memory_t *);
size_t wasmtime_memory_data_size(const wasmtime_context_t *, const wasmtime_memory_t *);

wasm_trap_t *wasmtime_trap_new(const char *, size_t);
bool wasmtime_trap_code(const wasm_trap_t *, uint8_t *);
void wasm_trap_message(const wasm_trap_t *, wasm_byte_vec_t *);
void wasm_trap_delete(wasm_trap_t *);
wasmtime_error_t *wasmtime_error_new(const char *);
void wasmtime_error_message(const wasmtime_error_t *, wasm_byte_vec_t *);
void wasmtime_error_delete(wasmtime_error_t *);
"""


class CApi(NamedTuple):
    """The library.

    Attributes
    ----------
    ffi : cffi.FFI
    lib : object
        Its functions, for everything but calls into a module.
    call_locked, call_unlocked : callable
        ``(context, function, values, count, trap) -> error``, all addresses: calls into a module,
        keeping the interpreter's lock or letting other threads have it meanwhile.
    path, version : str
    """

    ffi: Any
    lib: Any
    call_locked: Any
    call_unlocked: Any
    path: str
    version: str


@cache
def load() -> CApi:
    """Return the library of the installed wasmtime package.

    Raises
    ------
    PublishError
        It cannot be used: not installed for this machine, or of another layout.
    """
    try:
        import cffi
        from wasmtime import _bindings, _ffi
    except (ImportError, OSError, RuntimeError) as error:
        raise PublishError(
            f"WebAssembly modules need the packages wasmtime and cffi, which do not work here: "
            f"{error}; try: pip install --force-reinstall wasmtime cffi"
        ) from error
    path, version = str(_ffi.filename), importlib.metadata.version("wasmtime")
    ffi = cffi.FFI()
    ffi.cdef(_DECLARATIONS)
    lib = ffi.dlopen(path)
    problems = [*_missing(lib), *_other_layouts(ffi, _bindings)]
    if problems:
        raise PublishError(
            f"wasmtime {version} ({path}) is not laid out as expected, so no module can run: "
            f"{'; '.join(problems)}; install another version of it"
        )
    return CApi(ffi, lib, _call(ctypes.PyDLL(path)), _call(ctypes.CDLL(path)), path, version)


def _call(library: Any) -> Any:
    function = library.wasmtime_func_call_unchecked
    address = ctypes.c_void_p
    function.argtypes = (address, address, address, ctypes.c_size_t, address)
    function.restype = ctypes.c_void_p
    return function


def _missing(lib: Any) -> list[str]:
    missing = []
    for name in dir(lib):
        try:
            getattr(lib, name)
        except AttributeError:
            missing.append(f"no function {name}")
    return missing


def _other_layouts(ffi: Any, bindings: Any) -> list[str]:
    """Compare our structures with those that the package declares for ctypes."""
    problems = []
    for name, fields in _LAYOUTS.items():
        ours = ffi.typeof(name if name.endswith("_t") else f"{name}_t")
        theirs = getattr(bindings, name, None) or getattr(bindings, f"{name}_t", None)
        if theirs is None:
            problems.append(f"no structure {name}")
            continue
        if name == "wasmtime_extern":
            # Of the kinds of export in its union we declare two; the others may be larger.
            if ffi.sizeof(ours) > ctypes.sizeof(theirs):
                problems.append(f"{name} has {ctypes.sizeof(theirs)} bytes")
        elif ffi.sizeof(ours) != ctypes.sizeof(theirs):
            problems.append(f"{name} has {ctypes.sizeof(theirs)} bytes, not {ffi.sizeof(ours)}")
        for field in fields:
            offset = getattr(theirs, field).offset
            if ffi.offsetof(ours, field) != offset:
                problems.append(f"{name}.{field} is at {offset}, not {ffi.offsetof(ours, field)}")
    if ctypes.sizeof(bindings.wasmtime_val_raw) != _VALUE_SIZE:
        problems.append("a value does not have 16 bytes")
    return problems
