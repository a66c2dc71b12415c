"""Python modules that come from files, or out of a database: imported under a name of their own.

What is imported is what the archive of the source holds (see `archive`), never what lies beside it:
so the module that was published is the one that runs, in every later process. Its name is private,
made of the hash of the archive, and it does not get in the way of other imports. Files of a package
or project reach each other by relative imports (``from .rows import Order``); anything else is
imported from what is installed.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import decode_source
from os import PathLike
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import Error, PublishError, UsageError, shorten
from .archive import pack, unpack
from .file_module import FileModule
from .module import Module

if TYPE_CHECKING:
    from .archive import Entry

_PREFIX: Final = "stdb_program_"
_lock: Final = RLock()


def from_file(path: str | os.PathLike[str]) -> Module | FileModule:
    """Return the module at a path: a Python file or directory, or a compiled file.

    Raises
    ------
    PublishError
        It cannot be read, or is no module.
    UsageError
        A file of another kind.
    """
    if not isinstance(path, str | PathLike):
        raise UsageError(f"a module's file is a str or Path, not {shorten(path)}")
    text = os.fspath(path)
    place, attribute = text, ""
    before, colon, after = text.rpartition(":")
    if colon and after.isidentifier() and not os.path.exists(text):  # noqa: PTH110 - a text
        place, attribute = before, after
    if place.endswith(".py") or os.path.isdir(place):  # noqa: PTH112 - likewise
        return load_source(place, attribute)
    return FileModule(path)


def load_source(path: str | os.PathLike[str], attribute: str = "") -> Module:
    """Return the module of a Python file, package or project.

    Parameters
    ----------
    path : str or Path
        ``shop.py``, a directory with ``__init__.py`` or one with ``module.py``.
    attribute : str
        The name of the `Module` in it, where there are several.

    Raises
    ------
    PublishError
        It cannot be imported, or has no `Module`, or several.
    """
    place = Path(path)
    return load_archive(pack(place, attribute), str(place))


def load_archive(archive: bytes, origin: str) -> Module:
    """Return the module whose source is in `archive`; `origin` is where it comes from, for people.

    Runs the source: only who may decide that calls this.

    Raises
    ------
    PublishError
        It cannot be imported, or has no `Module`, or several.
    """
    entry, files = unpack(archive)
    name = _PREFIX + hashlib.blake2b(archive, digest_size=10).hexdigest()
    with _lock:
        begin = _programs.add(name, entry, files, origin)
        try:
            imported = importlib.import_module(begin)
        except Exception as error:
            _programs.forget(name)
            raise _import_failed(error, name, origin) from error
    module = _find_module(imported, entry, origin)
    module.archive = archive
    return module


def _import_failed(error: Exception, name: str, origin: str) -> Error:
    """Return the error for a source that could not be imported."""
    if isinstance(error, Error):
        return error
    if isinstance(error, ModuleNotFoundError) and error.name:
        if error.name.startswith(name):
            missing = error.name.removeprefix(name).lstrip(".")
            return PublishError(
                f"the module {origin} imports {missing!r}, which is not among its files"
            )
        return PublishError(
            f"the module {origin} imports {error.name!r}, which is not installed here; install it "
            f"(pip install {error.name.partition('.')[0]}), or import files of its own with a dot "
            f"(from .{error.name} import …) and publish the whole directory"
        )
    return PublishError(f"the module {origin} cannot be imported: {type(error).__name__}: {error}")


def _find_module(imported: ModuleType, entry: Entry, origin: str) -> Module:
    """Return the one `Module` that an imported file has."""
    names: dict[str, Module] = {n: v for n, v in vars(imported).items() if isinstance(v, Module)}
    if entry.attribute:
        if entry.attribute in names:
            return names[entry.attribute]
        shown = ", ".join(names) or "none"
        raise PublishError(f"{origin} has no module {entry.attribute!r}; it has: {shown}")
    if len({id(module) for module in names.values()}) == 1:
        return next(iter(names.values()))
    if not names:
        raise PublishError(f"{origin} makes no stdb.Module, as in: shop = stdb.Module('shop')")
    raise PublishError(
        f"{origin} makes several modules: {', '.join(names)}; say which one, as in "
        f"{origin}:{next(iter(names))}"
    )


class _File(NamedTuple):
    """A file of an archive; a directory without ``__init__.py`` is one without contents."""

    file: str
    content: bytes
    origin: str


class _Programs(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads the files of archives, each under a private package of its own.

    It stays, since a function may import a file of its module when it is called.
    """

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def add(self, name: str, entry: Entry, files: dict[str, bytes], origin: str) -> str:
        """Let the files of an archive be found below `name`; return what to import.

        A single file is the package itself, and so is the ``__init__.py`` of one.
        """
        python = [file for file in files if file.endswith(".py")]
        is_whole = entry.file == "__init__.py" or len(python) == 1
        begin = name if is_whole else f"{name}.{entry.file.removesuffix('.py')}"
        for file in python:
            *directories, stem = file.removesuffix(".py").split("/")
            dotted = ".".join([name, *directories, *([] if stem == "__init__" else [stem])])
            if file == entry.file:
                dotted = begin
            self._files[dotted] = _File(file, files[file], origin)
            while "." in dotted:
                dotted = dotted.rpartition(".")[0]
                self._files.setdefault(dotted, _File("", b"", origin))
        if self not in sys.meta_path:
            sys.meta_path.append(self)
        return begin

    def forget(self, name: str) -> None:
        """Forget an archive that cannot be imported, and what was imported of it."""
        for known in (self._files, sys.modules):
            for dotted in [d for d in known if d == name or d.startswith(f"{name}.")]:
                del known[dotted]

    def find_spec(
        self, fullname: str, path: object, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to import a file of an archive; None for everything else."""
        del path, target
        if fullname not in self._files:
            return None
        spec = ModuleSpec(
            fullname,
            self,
            origin=self.get_filename(fullname),
            is_package=self.is_package(fullname),
        )
        spec.has_location = True
        return spec

    def is_package(self, fullname: str) -> bool:
        """Whether other files may be inside it."""
        file = self._files[fullname].file
        return not file or file.endswith("__init__.py") or "." not in fullname

    def get_filename(self, fullname: str) -> str:
        """Return what tracebacks show."""
        file, _, origin = self._files[fullname]
        place = Path(origin)
        return origin if place.name == file or not file else str(place / file)

    def get_source(self, fullname: str) -> str:
        """Return the source, for tracebacks."""
        return decode_source(self._files[fullname].content)

    def get_code(self, fullname: str) -> Any:
        """Return the compiled source."""
        return self.source_to_code(self._files[fullname].content, self.get_filename(fullname))


_programs: Final = _Programs()
