"""Any module without functions as WebAssembly: its definition, and what hands it over."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import stdb

_WAT = """
(module
  (import "spacetime_10.0" "bytes_sink_write"
    (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 16)
  (data (i32.const 16) "{data}")
  (data (i32.const 8) "{length}")
  (func (export "__describe_module__") (param $sink i32)
    (drop (call $write (local.get $sink) (i32.const 16) (i32.const 8))))
  (func (export "__call_reducer__")
    (param i32 i64 i64 i64 i64 i64 i64 i64 i32 i32) (result i32)
    (i32.const -1)))
"""


def compiled(module: stdb.Module | bytes, path: Path) -> Path:
    """Write a module in WebAssembly with the definition of `module`; return where."""
    import wasmtime

    definition = module if isinstance(module, bytes) else module.freeze().program_bytes

    def escaped(data: bytes) -> str:
        return "".join(f"\\{byte:02x}" for byte in data)

    text = _WAT.format(
        data=escaped(definition), length=escaped(len(definition).to_bytes(4, "little"))
    )
    path.write_bytes(wasmtime.wat2wasm(text))
    return path
