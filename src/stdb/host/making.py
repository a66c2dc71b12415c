"""How a database of a host comes to be: beside its place, and moved there when it is whole."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from ..database import Database
from ..durability import DirectoryLock
from .names import as_identity

if TYPE_CHECKING:
    from pathlib import Path

    from ..durability import Mode
    from ..types.values import Identity
    from .catalog import Catalog


def make_beside(
    place: Path, identity: Identity, module: Any, owner: Identity, durability: Mode | None
) -> Path:
    """Return the directory of a new database of `module`, closed, which is to go to `place`."""
    path = place.with_suffix(".new")
    if path.exists():
        DirectoryLock(path).release()  # nobody is at it: a crash left it behind
        shutil.rmtree(path)
    try:
        with Database(
            module, path, owner=owner, identity=identity, durability=durability
        ) as database:
            # The first line of a log that people look at to see whether it worked.
            database._logs.system("Info", "Database initialized")
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return path


def clean_up(databases: Path, catalog: Catalog) -> None:
    """Finish what a crash interrupted: the emptying or deleting of a database."""
    for left in databases.glob("*.old"):
        path = left.with_suffix("")
        identity = as_identity(path.name)
        if identity in catalog.databases and not path.exists():
            new = path.with_suffix(".new")
            (new if new.exists() else left).replace(path)
        shutil.rmtree(left, ignore_errors=True)
