"""Finds the test modules that ``.ci/build_rust_modules`` builds."""

import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "tests" / "wasm" / "rust"
BUILT = SOURCES / "built"


@cache
def built_by_cargo(name: str) -> Path | None:
    """Return a module compiled from the present source; None if it was not built."""
    sources = [SOURCES / "Cargo.toml", SOURCES / "Cargo.lock", SOURCES / "src" / "lib.rs"]
    key = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    module = BUILT / f"{name}-{key}.wasm"
    return module if module.exists() else None
