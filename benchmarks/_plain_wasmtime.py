"""The peer of `wasm.py`: the same module, run through the classes of the wasmtime package.

Its host functions do what those of stdb do, on the same tables and with the same generated codecs,
but are called the way the package calls Python functions.
"""

from typing import Any

import wasmtime

import stdb
from stdb.runtime.guest.catalog import Catalog
from stdb.runtime.wasm.abi import IMPORTS

_KINDS = {"i": wasmtime.ValType.i32, "I": wasmtime.ValType.i64}


class PlainHost:
    """A module on the tables of a database, without stdb's own way to wasmtime."""

    def __init__(self, db: stdb.Database, program: bytes) -> None:
        self.db = db
        self.catalog = Catalog(db._store)
        self.iterators: dict[int, bytes] = {}
        self.args = b""
        self.store = wasmtime.Store(wasmtime.Engine())
        module = wasmtime.Module(self.store.engine, program)
        linker = wasmtime.Linker(self.store.engine)
        for name, (minor, type_) in IMPORTS.items():
            params, results = ([_KINDS[letter]() for letter in side] for side in type_.split(":"))
            linker.define_func(
                f"spacetime_10.{minor}", name, wasmtime.FuncType(params, results),
                getattr(self, name, self._nothing),
            )  # fmt: skip
        exports = linker.instantiate(self.store, module).exports(self.store)
        self.memory: Any = exports["memory"]
        self.function: Any = exports["__call_reducer__"]
        self.describe: Any = exports["__describe_module__"]
        self.describe(self.store, 1)

    def call(self, number: int, args: bytes) -> None:
        """Run a reducer in a transaction."""
        self.args = args
        with self.db._store.writing():
            code = self.function(
                self.store, number, 1, 2, 3, 4, 5, 6, 7, 1 if args else 0, 2
            )  # fmt: skip
            if code:
                raise AssertionError(code)

    def _nothing(self, *_: int) -> int:
        return 0

    def _read(self, pointer: int, size: int) -> bytes:
        return bytes(self.memory.read(self.store, pointer, pointer + size))

    def _write(self, pointer: int, data: bytes) -> None:
        self.memory.write(self.store, data, pointer)

    def _u32(self, pointer: int) -> int:
        return int.from_bytes(self._read(pointer, 4), "little")

    def _put_u32(self, pointer: int, value: int) -> None:
        self._write(pointer, value.to_bytes(4, "little"))

    # -- the functions that the module of the benchmark calls -----------------------------------

    def bytes_source_read(self, _source: int, pointer: int, size_pointer: int) -> int:
        """Give all arguments at once."""
        self._write(pointer, self.args)
        self._put_u32(size_pointer, len(self.args))
        return -1

    def table_id_from_name(self, pointer: int, size: int, out: int) -> int:
        """Return the number of a table."""
        self._put_u32(out, self.catalog.table_id(self._read(pointer, size)) or 0)
        return 0

    def index_id_from_name(self, pointer: int, size: int, out: int) -> int:
        """Return the number of an index."""
        self._put_u32(out, self.catalog.index_id(self._read(pointer, size)) or 0)
        return 0

    def datastore_index_scan_point_bsatn(
        self, index_id: int, pointer: int, size: int, out: int
    ) -> int:
        """Find a row."""
        index: Any = self.catalog.index(index_id)
        _, row = index.point(self._read(pointer, size))
        handle = len(self.iterators) + 1
        self.iterators[handle] = b"" if row is None else index.of.encode(row)
        self._put_u32(out, handle)
        return 0

    def row_iter_bsatn_advance(self, handle: int, pointer: int, size_pointer: int) -> int:
        """Give the row that was found."""
        data = self.iterators.pop(handle)
        self._write(pointer, data)
        self._put_u32(size_pointer, len(data))
        return -1

    def datastore_insert_bsatn(self, table_id: int, pointer: int, size_pointer: int) -> int:
        """Insert a row."""
        table: Any = self.catalog.table(table_id)
        generated = table.insert(self._read(pointer, self._u32(size_pointer)))
        self._write(pointer, generated)
        self._put_u32(size_pointer, len(generated))
        return 0

    def datastore_update_bsatn(
        self, _table: int, index_id: int, pointer: int, size_pointer: int
    ) -> int:
        """Replace a row."""
        index: Any = self.catalog.index(index_id)
        index.of.update(index.position, self._read(pointer, self._u32(size_pointer)))
        self._put_u32(size_pointer, 0)
        return 0
