"""Builds the test modules: C, compiled by ziglang, once for each version of the source."""

import hashlib
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "tests" / "wasm" / "modules"
EXAMPLE = ROOT / "examples" / "wasm_module"


@cache
def built(source: str, *flags: str) -> Path:
    """Return the compiled module of a source: of the example, or of ``tests/wasm/modules``."""
    directory = EXAMPLE if (EXAMPLE / source).exists() else SOURCES
    parts = [(directory / source).read_bytes(), (EXAMPLE / "stdb_module.h").read_bytes()]
    key = hashlib.sha256(b"\0".join([*parts, *map(str.encode, flags)])).hexdigest()[:16]
    place = Path(tempfile.gettempdir()) / f"stdb-test-modules-{os.environ.get('USER', 'any')}" / key
    module = place / Path(source).with_suffix(".wasm").name
    if not module.exists():
        place.mkdir(parents=True, exist_ok=True)
        made = place / f"{os.getpid()}.wasm"
        subprocess.run(
            [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-freestanding", "-O2",
             "-nostdlib", "-Wl,--no-entry", "-Wall", "-Wextra", "-Werror", f"-I{EXAMPLE}", *flags,
             "-o", str(made), str(directory / source)],
            check=True,
        )  # fmt: skip
        made.replace(module)
    return module
