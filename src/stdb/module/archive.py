"""The source of a Python module as one piece of bytes, and the program that a database keeps of it.

A program is the raw definition of the module, with the archive of its source behind it when the
module came from a file: ``definition ++ archive``. The archive is a ZIP file, which is found from
its end; the same source always makes the same archive, so that its hash says whether it changed.
`ENTRY_FILE` in it says which file, and which name in that, is the module.

============================  =============================================================
 source                        what is kept
============================  =============================================================
 ``shop.py``                   that file
 ``shop/`` with ``__init__``   the package: every file but caches and hidden ones
 ``shop/`` with ``module.py``  the project: likewise, without tests; ``module.py`` begins
============================  =============================================================
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ..errors import PublishError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What in an archive says where the module is.
ENTRY_FILE: Final = "stdb.json"
#: The file that begins a project.
PROJECT_FILE: Final = "module.py"
_END_OF_ARCHIVE: Final = b"PK\x05\x06"
_END_SIZE: Final = 22
#: The first moment that a ZIP file can say, so that when a file was changed makes no difference.
_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules", "venv", "build", "dist", "tests"})
#: How large the source of a module may be.
_SIZE_MAX: Final = 64 * 1024 * 1024


class Entry(NamedTuple):
    """Where in an archive the module is.

    Attributes
    ----------
    name : str
        What the source was called, without ``.py``.
    file : str
        The file that is run.
    attribute : str
        The name of the `Module` in it; empty when there is only one.
    """

    name: str
    file: str
    attribute: str = ""


def pack(path: Path, attribute: str = "") -> bytes:
    """Return the archive of a Python module's source.

    Raises
    ------
    PublishError
        There is no Python module at `path`, or it cannot be read.
    """
    if path.is_dir():
        file = next((f for f in ("__init__.py", PROJECT_FILE) if (path / f).is_file()), None)
        if file is None:
            raise PublishError(
                f"{path} is no Python module: it has neither an __init__.py (a package) nor a "
                f"{PROJECT_FILE} (a project)"
            )
        files = dict(_files_of(path, is_project=file == PROJECT_FILE))
        name = path.resolve().name
    elif path.is_file():
        file, files, name = path.name, {path.name: path}, path.stem
    else:
        raise PublishError(f"there is no module at {path}")
    entry = json.dumps(Entry(name, file, attribute)._asdict(), sort_keys=True)
    packed = io.BytesIO()
    total = 0
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, ENTRY_FILE, entry.encode())
        for inner in sorted(files):
            try:
                content = files[inner].read_bytes()
            except OSError as error:
                raise PublishError(f"{files[inner]} cannot be read: {error.strerror}") from error
            total += len(content)
            if total > _SIZE_MAX:
                raise PublishError(
                    f"the source at {path} is larger than {_SIZE_MAX >> 20} MiB; is there data in "
                    "it that belongs elsewhere?"
                )
            _add(archive, inner, content)
    return packed.getvalue()


def _files_of(directory: Path, *, is_project: bool) -> Iterator[tuple[str, Path]]:
    for path in sorted(directory.rglob("*")):
        parts = path.relative_to(directory).parts
        hidden = any(part.startswith(".") for part in parts)
        left_out = _LEFT_OUT if is_project else {"__pycache__"}
        if path.is_file() and not hidden and left_out.isdisjoint(parts):
            yield "/".join(parts), path


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _NO_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = 0o644 << 16
    archive.writestr(info, content)


def split_program(program: bytes) -> tuple[bytes, bytes]:
    """Return ``(definition, archive)`` of a Python program; the archive may be empty."""
    end = program[-_END_SIZE:]
    if not end.startswith(_END_OF_ARCHIVE) or end[-2:] != b"\0\0":
        return program, b""
    with zipfile.ZipFile(io.BytesIO(program)) as archive:
        start = min(info.header_offset for info in archive.infolist())
    return program[:start], program[start:]


def unpack(archive: bytes) -> tuple[Entry, dict[str, bytes]]:
    """Return where the module is, and the contents of each file.

    Raises
    ------
    PublishError
        It is no archive of ours.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            if sum(info.file_size for info in opened.infolist()) > 2 * _SIZE_MAX:
                raise PublishError("the archive of the module's source is too large")
            files = {info.filename: opened.read(info) for info in opened.infolist()}
        said = json.loads(files.pop(ENTRY_FILE))
        entry = Entry(str(said["name"]), str(said["file"]), str(said["attribute"]))
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise PublishError(f"the archive of the module's source cannot be read: {error}") from error
    if entry.file not in files:
        raise PublishError(f"the archive of the module's source lacks {entry.file}")
    return entry, files
