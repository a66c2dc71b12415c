"""A module as WebAssembly: any definition, and functions of `tests.helpers.bodies`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import stdb
    from stdb.module import Program

_WAT = """
(module
  (import "spacetime_10.0" "table_id_from_name"
    (func $table_id (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "index_id_from_name"
    (func $index_id (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "datastore_table_scan_bsatn"
    (func $scan (param i32 i32) (result i32)))
  (import "spacetime_10.4" "datastore_index_scan_point_bsatn"
    (func $point (param i32 i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "row_iter_bsatn_advance"
    (func $advance (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "datastore_insert_bsatn"
    (func $insert (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "bytes_source_read"
    (func $read (param i32 i32 i32) (result i32)))
  (import "spacetime_10.0" "bytes_sink_write"
    (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 16)
  (data (i32.const 64) "{data}")

  ;; 16: a length; 20: an id; 24: an iterator; 32 to 64: the sender; from 0x80000: rows.
  (func $must (param $errno i32)
    (if (local.get $errno) (then unreachable)))
  (func $put (param $sink i32) (param $at i32) (param $size i32)
    (i32.store (i32.const 16) (local.get $size))
    (call $must (call $write (local.get $sink) (local.get $at) (i32.const 16))))
  (func $add (param $name i32) (param $length i32) (param $row i32) (param $size i32) (result i32)
    (call $must (call $table_id (local.get $name) (local.get $length) (i32.const 20)))
    (i32.store (i32.const 16) (local.get $size))
    (call $must (call $insert (i32.load (i32.const 20)) (local.get $row) (i32.const 16)))
    (i32.const 0))
  (func $add_arguments (param $name i32) (param $length i32) (param $args i32) (result i32)
    (i32.store (i32.const 16) (i32.const 0x10000))
    (drop (call $read (local.get $args) (i32.const 0x80000) (i32.const 16)))
    (call $add (local.get $name) (local.get $length) (i32.const 0x80000)
      (i32.load (i32.const 16))))
  (func $all (param $name i32) (param $length i32) (result i32)
    (call $must (call $table_id (local.get $name) (local.get $length) (i32.const 20)))
    (call $must (call $scan (i32.load (i32.const 20)) (i32.const 24)))
    (i32.load (i32.const 24)))
  (func $those (param $name i32) (param $length i32) (param $key i32) (param $size i32) (result i32)
    (call $must (call $index_id (local.get $name) (local.get $length) (i32.const 20)))
    (call $must
      (call $point (i32.load (i32.const 20)) (local.get $key) (local.get $size) (i32.const 24)))
    (i32.load (i32.const 24)))
  (func $answer (param $sink i32) (param $iter i32) (param $size i32) (result i32)
    (local $found i32)
    (i32.store (i32.const 16) (i32.const 0x10000))
    (drop (call $advance (local.get $iter) (i32.const 0x80010) (i32.const 16)))
    (local.set $found (i32.load (i32.const 16)))
    (i32.store8 (i32.const 0x8000b) (i32.const 0))
    (i32.store (i32.const 0x8000c) (i32.div_u (local.get $found) (local.get $size)))
    (call $put (local.get $sink) (i32.const 0x8000b)
      (i32.add (local.get $found) (i32.const 5)))
    (i32.const 2))
  (func $sender (param i64 i64 i64 i64)
    (i64.store (i32.const 32) (local.get 0)) (i64.store (i32.const 40) (local.get 1))
    (i64.store (i32.const 48) (local.get 2)) (i64.store (i32.const 56) (local.get 3)))

  (func (export "__describe_module__") (param $sink i32)
    (call $put (local.get $sink) {definition}))
  (func (export "__call_reducer__")
    (param $id i32) (param i64 i64 i64 i64 i64 i64 i64) (param $args i32) (param $out i32)
    (result i32)
    {reducers}
    unreachable)
  (func (export "__call_procedure__")
    (param $id i32) (param i64 i64 i64 i64 i64 i64 i64) (param $args i32) (param $out i32)
    (result i32)
    {procedures}
    unreachable)
  (func (export "__call_view__")
    (param $id i32) (param i64 i64 i64 i64) (param $args i32) (param $out i32) (result i32)
    (call $sender (local.get 1) (local.get 2) (local.get 3) (local.get 4))
    {views}
    unreachable)
  (func (export "__call_view_anon__")
    (param $id i32) (param $args i32) (param $out i32) (result i32)
    {anonymous_views}
    unreachable)
  (func (export "__call_http_handler__")
    (param $id i32) (param i64) (param $request i32) (param $body i32)
    (param $out i32) (param $more i32) (result i32)
    {handlers}
    unreachable))
"""


def compiled(module: stdb.Module | bytes, path: Path) -> Path:
    """Write a module in WebAssembly with the definition of `module`; return where.

    Its functions are the bodies that those of `module` have; without one they trap.
    """
    import wasmtime

    path.write_bytes(wasmtime.wat2wasm(_text(module)))
    return path


def _text(module: stdb.Module | bytes) -> str:
    if isinstance(module, bytes):
        writer = _Writer(None)
        definition = module
        bodies: dict[str, str] = dict.fromkeys(
            ("reducers", "procedures", "views", "anonymous_views", "handlers"), ""
        )
    else:
        program = module.freeze()
        writer = _Writer(program)
        definition = program.program_bytes
        own = program.definition
        views = [(number, name, view.is_anonymous) for name, _, view, number in own.all_views()]
        bodies = {
            "reducers": writer.bodies(_numbered(own.all_reducers()), program.reducers),
            "procedures": writer.bodies(_numbered(own.all_procedures()), program.procedures),
            "handlers": writer.bodies(enumerate(own.http_handlers), program.handlers),
            "views": writer.bodies([v[:2] for v in views if not v[2]], program.views),
            "anonymous_views": writer.bodies([v[:2] for v in views if v[2]], program.views),
        }
    described = writer.data(definition)
    return _WAT.format(definition=described, data=writer.escaped(), **bodies)


def _numbered(functions: Iterable[tuple[Any, ...]]) -> Iterable[tuple[int, str]]:
    return enumerate(name for name, *_ in functions)


class _Writer:
    """Collects the bytes that functions refer to."""

    def __init__(self, program: Program | None) -> None:
        self.program: Any = program
        self._data = b""

    def data(self, data: str | bytes) -> str:
        """Put bytes into the memory; return where they are and how many, as two operands."""
        data = data.encode() if isinstance(data, str) else data
        at = 64 + len(self._data)
        self._data += data
        return f"(i32.const {at}) (i32.const {len(data)})"

    def bodies(self, numbered: Iterable[tuple[int, str]], declared: dict[str, Any]) -> str:
        """Return what each function does when its number is called."""
        lines = []
        for number, name in numbered:
            make = getattr(declared[name].function, "compiled", None)
            if make is not None:
                prefix = name[: name.rfind(".") + 1]
                lines.append(
                    f"(if (i32.eq (local.get $id) (i32.const {number}))"
                    f" (then {make(self, prefix)}))"
                )
        return "\n    ".join(lines)

    def escaped(self) -> str:
        """Return all that was put there, as the text format writes it."""
        return "".join(f"\\{byte:02x}" for byte in self._data)
