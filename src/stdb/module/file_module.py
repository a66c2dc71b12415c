"""Modules that come from files: compiled to WebAssembly or JavaScript."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PublishError, UsageError, shorten
from .program import readers

if TYPE_CHECKING:
    from ..schema import ModuleDef
    from .program import Program


class FileModule:
    """A compiled module, as ``Module.from_file`` reads it: for a `Database` to run.

    Attributes
    ----------
    name : str
        The default name of databases that run it: that of the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, str | os.PathLike):
            raise UsageError(f"a module's file is a str or Path, not {shorten(path)}")
        file = Path(path)
        reader = readers.get(file.suffix.lower())
        if reader is None:
            known = ", ".join(sorted(readers))
            raise UsageError(f"{file}: modules are read from files of these kinds: .py, {known}")
        try:
            content = file.read_bytes()
        except OSError as error:
            raise PublishError(f"the module {file} cannot be read: {error.strerror}") from error
        self.name: str = file.stem
        self._program = reader(content)

    def definition(self) -> ModuleDef:
        """Return what the module describes itself to be."""
        return self._program.definition

    def freeze(self) -> Program:
        """Return its program, for a database to run."""
        return self._program

    def __repr__(self) -> str:
        definition = self._program.definition
        tables, reducers = len(definition.tables), len(definition.reducers)
        return (
            f"<module {self.name!r} from a file, {tables} table{'s' * (tables != 1)}, "
            f"{reducers} reducer{'s' * (reducers != 1)}>"
        )
