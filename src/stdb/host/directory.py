"""The directory of a host: what is in it, and how databases in it are made, emptied and deleted.

::

    host.json, host.lock        names, owners; see `catalog`
    databases/<identity>/       one durable database each
    databases/<identity>.new/   one that is being made
    databases/<identity>.old/   one that is being deleted

A database is made beside its place and moved there when it is whole, so a crash in the middle
leaves what there was. What is left of one is cleaned up by the next `Host`.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

from ..database import Database
from ..database.ids import Ids
from ..durability import LOG_DIRECTORY, DirectoryLock
from ..errors import (
    DatabaseClosed,
    DatabaseLocked,
    DatabaseNotFound,
    PermissionDenied,
    TypeMismatch,
    UsageError,
    unknown_name,
)
from ..types.values import Identity
from .catalog import Catalog, Entry, locked, now, read_catalog, write_catalog
from .hosted import HostedDatabase, called, identity_of, old
from .making import clean_up, make_beside
from .names import check_name

if TYPE_CHECKING:
    from pathlib import Path

    from ..durability import Mode

_DATABASES: Final = "databases"


class HostDirectory:
    """What `Host` is made of: the catalog, and the directories of the databases."""

    def __init__(self, directory: Path, owner: Identity | None, durability: Mode | None) -> None:
        self._directory = directory
        if owner is not None and owner.__class__ is not Identity:
            raise TypeMismatch(f"owner is an Identity, not {owner!r}", expected="Identity")
        self._durability = durability
        self._open: dict[Identity, Database] = {}
        self._closed = False
        if self._directory.exists() and not self._directory.is_dir():
            raise UsageError(f"{self._directory} is a file; a host is a directory of its own")
        if (self._directory / LOG_DIRECTORY).is_dir():
            raise UsageError(
                f"{self._directory} is a database; a host is a directory of databases, and this "
                "one is opened with stdb.Database.open"
            )
        (self._directory / _DATABASES).mkdir(parents=True, exist_ok=True)
        with locked(self._directory):
            catalog = read_catalog(self._directory)
            if catalog is None:
                made = owner or Ids("host", reproducible=False).identity("owner")
                catalog = Catalog(made)
                write_catalog(self._directory, catalog)
            clean_up(self._directory / _DATABASES, catalog)
        self._owner = owner or catalog.owner

    def _catalog(self) -> Catalog:
        if self._closed:
            raise DatabaseClosed(f"the host at {self._directory} is closed")
        catalog = read_catalog(self._directory)
        if catalog is None:
            raise DatabaseNotFound(f"the host at {self._directory} is gone")
        return catalog

    def _path(self, identity: Identity) -> Path:
        return self._directory / _DATABASES / identity.hex()

    def _about(self, catalog: Catalog, identity: Identity) -> HostedDatabase:
        entry = catalog.databases[identity]
        return HostedDatabase(
            identity,
            catalog.names_of(identity),
            entry.owner,
            self._path(identity),
            entry.created,
            entry.is_locked,
        )

    def _resolve(self, catalog: Catalog, name: object) -> Identity:
        """Return the identity of a database that is there."""
        identity = identity_of(catalog, name)
        if identity in catalog.databases:
            return identity
        known = [n for n, named in catalog.names.items() if named in catalog.databases]
        shown = name.hex() if isinstance(name, Identity) else name
        raise DatabaseNotFound(str(unknown_name("database", shown, known)))

    def _allocate(self, catalog: Catalog, name: str | Identity | None) -> Identity:
        """Return the identity that a name has or gets now."""
        if name is not None:
            known = identity_of(catalog, name)
            if known is not None:
                return known
            check_name(name)
        identity = Ids("host", reproducible=False).identity("database")
        if isinstance(name, str):
            catalog.names[name] = identity
            write_catalog(self._directory, catalog)
        return identity

    def _check_owner(self, catalog: Catalog, identity: Identity, done: str) -> None:
        owner = catalog.databases[identity].owner
        if owner != self._owner:
            raise PermissionDenied(
                f"database {called(catalog, identity)} belongs to {owner.hex()}, so it cannot be "
                f"{done} by {self._owner.hex()}"
            )

    def _check_may_lose(self, catalog: Catalog, identity: Identity, done: str) -> None:
        self._check_owner(catalog, identity, done)
        if catalog.databases[identity].is_locked:
            raise PermissionDenied(
                f"database {called(catalog, identity)} is locked and cannot be {done}; unlock it "
                "first"
            )

    def _let_go(self, identity: Identity) -> None:
        known = self._open.pop(identity, None)
        if known is not None:
            known.close()

    def _create(self, identity: Identity, module: Any) -> None:
        """Make a database beside its place, and move it there."""
        made = make_beside(self._path(identity), identity, module, self._owner, self._durability)
        with locked(self._directory):
            catalog = self._catalog()
            path = self._path(identity)
            if path.exists():
                raise DatabaseLocked(
                    f"another process has just published a database at {path}", path=str(path)
                )
            made.replace(path)
            catalog.databases[identity] = Entry(self._owner, now())
            write_catalog(self._directory, catalog)

    def _reset(self, catalog: Catalog, identity: Identity, module: Any) -> None:
        """Let a database begin anew: one that is whole takes its place."""
        self._check_may_lose(catalog, identity, "emptied")
        path = self._path(identity)
        made = make_beside(path, identity, module, self._owner, self._durability)
        try:
            self._let_go(identity)
            lock = DirectoryLock(path)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        try:
            with locked(self._directory):
                path.replace(old(path))
                made.replace(path)
        finally:
            lock.release()
        shutil.rmtree(old(path), ignore_errors=True)

    def _set_locked(self, name: str | Identity, *, is_locked: bool) -> None:
        with locked(self._directory):
            catalog = self._catalog()
            identity = self._resolve(catalog, name)
            self._check_owner(catalog, identity, "locked" if is_locked else "unlocked")
            catalog.databases[identity].is_locked = is_locked
            write_catalog(self._directory, catalog)
