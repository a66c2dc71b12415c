"""WebAssembly modules: SpacetimeDB's own, compiled from Rust, C# or C++, unchanged.

`load.read_wasm` makes a program of one. Nothing of this is imported before there is one: wasmtime
and cffi are heavy.
"""
