"""Compiled modules on the disk: a large one takes seconds to compile and milliseconds to read.

A file is named for the hash of the module and for what its code depends on (`Engine.fingerprint`),
and begins with the hash of its own content, so that one which was cut short is never run. The
directory is this user's alone, since what lies there is run as it is. The cache is a convenience:
where it cannot be read or written, modules are compiled.

``STDB_CACHE_DIR`` names another directory; empty, there is no cache.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .engine import Engine

_HASH_SIZE: Final = 32
#: How many compiled modules are kept; the ones unused for longest go first.
_FILES_MAX: Final = 64


def compiled(engine: Engine, program: bytes) -> Any:
    """Return a module compiled by `engine`, from the cache where it lies there."""
    path = _path(engine, program)
    if path is None:
        return engine.compile(program)
    module = _read(engine, path)
    if module is None:
        module = engine.compile(program)
        with suppress(OSError):
            _write(path, engine.serialize(module))
    return module


def _path(engine: Engine, program: bytes) -> Path | None:
    """Return where the code of a module lies; None where there is no place of this user alone."""
    directory = cache_directory()
    if directory is None:
        return None
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
    except OSError:
        return None
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return None
    name = hashlib.sha256(program).hexdigest()
    return directory / f"{name}-{engine.fingerprint}.bin"


def cache_directory() -> Path | None:
    """Return the directory of the cache, which need not exist; None when it is switched off."""
    chosen = os.environ.get("STDB_CACHE_DIR")
    if chosen is not None:
        return Path(chosen) / "wasm" if chosen else None
    from platformdirs import user_cache_path

    return user_cache_path("stdb", appauthor=False) / "wasm"


def _read(engine: Engine, path: Path) -> Any | None:
    try:
        content = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    code = content[_HASH_SIZE:]
    if hashlib.sha256(code).digest() != content[:_HASH_SIZE]:
        return None
    return engine.deserialize(code)


def _write(path: Path, code: bytes) -> None:
    # Under its name only when it is whole: other processes read while this one writes.
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    kept = sorted(path.parent.glob("*.bin"), key=lambda p: p.stat().st_mtime)
    for old in kept[:-_FILES_MAX]:
        old.unlink(missing_ok=True)
