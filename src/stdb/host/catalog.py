"""What a host knows of its databases, in one small file that is replaced as a whole.

``host.json``::

    {"format": 1,
     "owner": "c200…",
     "names": {"my-game": "c200…"},
     "databases": {"c200…": {"owner": "c200…", "created": "2026-01-31T12:00:00Z", "locked": false}}}

A name stays when its database is deleted, so that the next one published under it has the same
identity. Whoever changes the file holds ``host.lock`` for that moment.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..durability import DirectoryLock
from ..errors import CorruptLogError, DatabaseLocked
from ..types.values import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CATALOG_NAME: Final = "host.json"
LOCK_NAME: Final = "host.lock"
_FORMAT: Final = 1
#: How long to wait for another process that is changing the catalog, and between two looks.
_WAIT_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.02


class Entry(msgspec.Struct):
    """What is known of one database.

    Attributes
    ----------
    owner : Identity
    created : str
        When it was first published: UTC, as ISO 8601.
    is_locked : bool
        Whether it may not be deleted or emptied.
    """

    owner: Identity
    created: str
    is_locked: bool = False


class Catalog:
    """The contents of the file.

    Attributes
    ----------
    owner : Identity
        Whose host it is.
    names : dict of str to Identity
        In the order in which they were given.
    databases : dict of Identity to Entry
        Those that are there.
    """

    def __init__(self, owner: Identity) -> None:
        self.owner = owner
        self.names: dict[str, Identity] = {}
        self.databases: dict[Identity, Entry] = {}

    def names_of(self, identity: Identity) -> tuple[str, ...]:
        """Return the names of a database."""
        return tuple(name for name, named in self.names.items() if named == identity)

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps(
            {
                "format": _FORMAT,
                "owner": self.owner.hex(),
                "names": {name: identity.hex() for name, identity in self.names.items()},
                "databases": {
                    identity.hex(): {
                        "owner": entry.owner.hex(),
                        "created": entry.created,
                        "locked": entry.is_locked,
                    }
                    for identity, entry in self.databases.items()
                },
            },
            indent=2,
        )

    @classmethod
    def of_json(cls, text: str, path: Path) -> Catalog:
        """Return what the file says.

        Raises
        ------
        CorruptLogError
            It is not such a file.
        """
        try:
            said: Any = json.loads(text)
            if said["format"] != _FORMAT:
                raise CorruptLogError(
                    f"{path} has format {said['format']}; this stdb reads format {_FORMAT}",
                    file=str(path),
                )
            made = cls(Identity.from_hex(said["owner"]))
            made.names = {n: Identity.from_hex(i) for n, i in said["names"].items()}
            made.databases = {
                Identity.from_hex(identity): Entry(
                    Identity.from_hex(entry["owner"]), str(entry["created"]), bool(entry["locked"])
                )
                for identity, entry in said["databases"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptLogError(
                f"{path} does not hold what a host writes there: {error}",
                file=str(path),
                lost="the names of the databases; their data is in the directories beside it",
            ) from error
        return made


def now() -> str:
    """Return the present time as the catalog has it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_catalog(directory: Path) -> Catalog | None:
    """Return what a host's directory says; None where there is no host."""
    path = directory / CATALOG_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return Catalog.of_json(text, path)


def write_catalog(directory: Path, catalog: Catalog) -> None:
    """Put a catalog in the place of the one there is; after a crash it is either of the two."""
    path = directory / CATALOG_NAME
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        file.write(catalog.to_json())
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other processes, and threads, from changing the host's directory meanwhile.

    Raises
    ------
    DatabaseLocked
        Another process is at it for too long.
    """
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            lock = DirectoryLock(directory, LOCK_NAME)
            break
        except DatabaseLocked:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE_SECONDS)
    try:
        yield
    finally:
        lock.release()
