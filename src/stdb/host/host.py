"""`Host`: named databases in one directory; see `directory` for what is where."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..database import Database
from ..database.publishing import as_module
from ..durability import DirectoryLock
from ..errors import MigrationError, UsageError
from ..types.values import Identity
from .catalog import locked, write_catalog
from .directory import HostDirectory
from .hosted import DeleteData, HostedDatabase, Published, delete_mode, identity_of, old
from .names import as_identity, check_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from ..durability import Mode
    from ..schema import MigrationPlan


def default_directory() -> Path:
    """Return where databases go when nothing else is said: ``STDB_DIR``, or the user's data."""
    chosen = os.environ.get("STDB_DIR")
    if chosen:
        return Path(chosen)
    from platformdirs import user_data_path

    return user_data_path("stdb", appauthor=False)


class Host(HostDirectory):
    """Named databases in a directory.

    Parameters
    ----------
    directory : str or Path, optional
        Made when it is not there; ``STDB_DIR`` or the user's directory for data otherwise.
    owner : Identity, optional
        Whose it is, when it is made; a fresh identity otherwise. It owns what is published here.
    durability : {"async", "sync", None}
        As for `Database`, for those that are opened.

    Raises
    ------
    CorruptLogError
        ``host.json`` is damaged.
    UsageError
        There is something else at `directory`.

    Notes
    -----
    Several processes may use one directory. A database is open for writing in one of them, others
    get `DatabaseLocked` and may read it: ``host.open(name, readonly=True)``.

    Examples
    --------
    >>> import stdb, tempfile
    >>> notes = stdb.Module("notes")
    >>> @notes.table()
    ... class Note(stdb.Row):
    ...     text: str
    >>> directory = tempfile.TemporaryDirectory()
    >>> with stdb.Host(directory.name) as host:
    ...     host.publish("my-notes", notes).op
    ...     [database.names for database in host.list()]
    ...     host["my-notes"].sql("INSERT INTO note (text) VALUES ('hello')").inserted
    'created'
    [('my-notes',)]
    1
    >>> directory.cleanup()
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        owner: Identity | None = None,
        durability: Mode | None = "async",
    ) -> None:
        super().__init__(
            default_directory() if directory is None else Path(directory), owner, durability
        )

    # -- what there is -----------------------------------------------------------------------------

    @property
    def directory(self) -> Path:
        """Where the databases are."""
        return self._directory

    @property
    def owner(self) -> Identity:
        """Whose commands these are."""
        return self._owner

    def list(self) -> list[HostedDatabase]:
        """Return the databases, in the order in which they were first published.

        Examples
        --------
        >>> import stdb, tempfile
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     text: str
        >>> directory = tempfile.TemporaryDirectory()
        >>> host = stdb.Host(directory.name)
        >>> host.publish("notes", notes).op
        'created'
        >>> [(database.names, database.owner == host.owner) for database in host.list()]
        [(('notes',), True)]
        >>> host.close()
        >>> directory.cleanup()
        """
        catalog = self._catalog()
        return [self._about(catalog, identity) for identity in catalog.databases]

    def find(self, name: str | Identity) -> HostedDatabase:
        """Return what is known of the database of this name or identity.

        Raises
        ------
        DatabaseNotFound
            There is none; the message has the names most like it.

        Examples
        --------
        >>> import stdb, tempfile
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     text: str
        >>> directory = tempfile.TemporaryDirectory()
        >>> host = stdb.Host(directory.name)
        >>> host.publish("notes", notes).op
        'created'
        >>> host.find("notes").names
        ('notes',)
        >>> host.find("ntes")
        Traceback (most recent call last):
        stdb.DatabaseNotFound: no database 'ntes'; did you mean 'notes'?
        >>> host.close()
        >>> directory.cleanup()
        """
        catalog = self._catalog()
        return self._about(catalog, self._resolve(catalog, name))

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str | Identity):
            return False
        catalog = self._catalog()
        return identity_of(catalog, name) in catalog.databases

    def __iter__(self) -> Iterator[str]:
        catalog = self._catalog()
        return iter([n for n, identity in catalog.names.items() if identity in catalog.databases])

    def __len__(self) -> int:
        return len(self._catalog().databases)

    def __repr__(self) -> str:
        return f"<Host {str(self._directory)!r}, {len(self)} databases>"

    # -- databases ---------------------------------------------------------------------------------

    def __getitem__(self, name: str | Identity) -> Database:
        """Return the database, open; its own module runs in it.

        The same object each time, until it or the host is closed. A Python module that was
        published from a file comes out of the database; one that was given as an object is not in
        there, so there are tables and SQL but no functions.

        Raises
        ------
        DatabaseNotFound
            There is none.
        DatabaseLocked
            Another process has it open; ``host.open(name, readonly=True)`` reads it all the same.
        """
        about = self.find(name)
        known = self._open.get(about.identity)
        if known is not None and not known._closed:
            return known
        opened = self.open(about.identity)
        self._open[about.identity] = opened
        return opened

    def open(self, name: str | Identity, **options: Any) -> Database:
        """Return a database that the caller closes; `options` are those of `Database.open`.

        Raises
        ------
        DatabaseNotFound, DatabaseLocked
            There is none, or it is open elsewhere (also here: ``host[name]``).

        Examples
        --------
        >>> import stdb, tempfile
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     text: str
        >>> directory = tempfile.TemporaryDirectory()
        >>> host = stdb.Host(directory.name)
        >>> host.publish("notes", notes).op
        'created'
        >>> with host.open("notes", readonly=True) as db:
        ...     len(db.tables.note)
        0
        >>> host.close()
        >>> directory.cleanup()
        """
        about = self.find(name)
        options.setdefault("name", about.names[0] if about.names else about.identity.hex())
        options.setdefault("durability", self._durability)
        if not options.get("readonly") and options.get("at") is None:
            # Python that is stored runs for its owner only.
            options.setdefault("run_stored", about.owner == self._owner)
        return Database.open(about.path, owner=about.owner, **options)

    def plan(self, name: str | Identity, module: Any) -> MigrationPlan | None:
        """Return what publishing `module` would change; None when there is no such database yet.

        Nothing is done, and another process may have the database open.

        Raises
        ------
        MigrationError
            The tables cannot follow; ``reasons`` lists everything.

        Examples
        --------
        >>> import stdb, tempfile
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     text: str
        >>> directory = tempfile.TemporaryDirectory()
        >>> host = stdb.Host(directory.name)
        >>> host.publish("notes", notes).op
        'created'
        >>> more = stdb.Module("notes")
        >>> @more.table()
        ... class Note(stdb.Row):
        ...     text: str
        ...     stars: stdb.u8 = 0
        >>> "Created column in table note" in host.plan("notes", more).text()
        True
        >>> host.close()
        >>> directory.cleanup()
        """
        catalog = self._catalog()
        identity = identity_of(catalog, name)
        if identity not in catalog.databases:
            return None
        known = self._open.get(identity)
        if known is not None and not known._closed:
            return known.plan(module)
        with self.open(identity, readonly=True) as database:
            return database.plan(module)

    def publish(
        self,
        name: str | Identity | None,
        module: Any,
        *,
        delete_data: DeleteData = False,
        break_clients: bool = True,
        token: str | None = None,
    ) -> Published:
        """Make a database of a module, or let the one that is there run it from here on.

        Parameters
        ----------
        name : str, Identity or None
            Which one. A name that is new gets a fresh identity; without a name the database has
            an identity only.
        module : Module, str or Path
            What it runs: a module, or the path of one. Python from a path is kept in the database.
        delete_data : bool, "always", "on-conflict" or "never"
            Whether to begin anew, with ``init``: always, or when the tables cannot follow the
            module. The data there was is gone then.
        break_clients, token
            As for `Database.publish`.

        Raises
        ------
        MigrationError
            The tables cannot follow; nothing was changed.
        DefinitionError, PublishError, ReducerError
            The module is wrong, cannot be read, or its ``init`` failed: nothing was changed.
        DatabaseLocked
            Another process has the database open.
        PermissionDenied
            It belongs to somebody else, or is locked against losing its data.
        UsageError
            No such name can be.

        Examples
        --------
        >>> import stdb, tempfile
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     text: str
        >>> directory = tempfile.TemporaryDirectory()
        >>> host = stdb.Host(directory.name)
        >>> host.publish("notes", notes).op, host.publish("notes", notes).op
        ('created', 'updated')
        >>> host.close()
        >>> directory.cleanup()
        """
        mode = delete_mode(delete_data)
        if name is not None and not isinstance(name, str | Identity):
            raise UsageError(f"publish takes a name and then a module, not {name!r} first")
        given = as_module(module)
        given.freeze()  # what is wrong in itself is said before a name is taken
        with locked(self._directory):
            catalog = self._catalog()
            identity = self._allocate(catalog, name)
        shown = name if isinstance(name, str) and as_identity(name) is None else None
        if identity not in catalog.databases:
            self._create(identity, given)
            return Published(shown, identity, "created")
        self._check_owner(catalog, identity, "published to")
        if mode == "always":
            self._reset(catalog, identity, given)
            return Published(shown, identity, "updated")
        try:
            plan = self._update(identity, given, break_clients=break_clients, token=token)
        except MigrationError:
            if mode == "never":
                raise
            self._reset(catalog, identity, given)
            return Published(shown, identity, "updated")
        return Published(shown, identity, "updated", plan)

    def delete(self, name: str | Identity) -> None:
        """Delete a database with all of its data; its names stay with its identity.

        Raises
        ------
        DatabaseNotFound, DatabaseLocked
            There is none, or another process has it open.
        PermissionDenied
            It belongs to somebody else, or is locked.

        Examples
        --------
        >>> import stdb, tempfile
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     text: str
        >>> directory = tempfile.TemporaryDirectory()
        >>> host = stdb.Host(directory.name)
        >>> host.publish("notes", notes).op
        'created'
        >>> host.delete("notes")
        >>> "notes" in host
        False
        >>> host.close()
        >>> directory.cleanup()
        """
        catalog = self._catalog()
        identity = self._resolve(catalog, name)
        self._check_may_lose(catalog, identity, "deleted")
        self._let_go(identity)
        path = self._path(identity)
        lock = DirectoryLock(path)
        try:
            with locked(self._directory):
                catalog = self._catalog()
                catalog.databases.pop(identity, None)
                path.replace(old(path))
                write_catalog(self._directory, catalog)
        finally:
            lock.release()
        shutil.rmtree(old(path), ignore_errors=True)

    def rename(self, name: str | Identity, *names: str) -> None:
        """Give a database other names in the place of those it has: one, or several.

        Raises
        ------
        DatabaseNotFound
            There is none.
        UsageError
            A name that cannot be, or is another database's.
        PermissionDenied
            It belongs to somebody else.

        Examples
        --------
        >>> import stdb, tempfile
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     text: str
        >>> directory = tempfile.TemporaryDirectory()
        >>> host = stdb.Host(directory.name)
        >>> host.publish("notes", notes).op
        'created'
        >>> host.rename("notes", "diary", "memos")
        >>> list(host)
        ['diary', 'memos']
        >>> host.close()
        >>> directory.cleanup()
        """
        if not names:
            raise UsageError("rename takes the new name, as in host.rename('old', 'new')")
        wanted = list(dict.fromkeys(check_name(new) for new in names))
        with locked(self._directory):
            catalog = self._catalog()
            identity = self._resolve(catalog, name)
            self._check_owner(catalog, identity, "renamed")
            for new in wanted:
                taken = catalog.names.get(new)
                if taken is not None and taken != identity and taken in catalog.databases:
                    raise UsageError(f"another database is called {new!r} ({taken.hex()})")
            for before in catalog.names_of(identity):
                del catalog.names[before]
            for new in wanted:
                catalog.names.pop(new, None)
                catalog.names[new] = identity
            write_catalog(self._directory, catalog)

    def lock(self, name: str | Identity) -> None:
        """Keep a database from being deleted or emptied, until `unlock`.

        Examples
        --------
        >>> import stdb, tempfile
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     text: str
        >>> directory = tempfile.TemporaryDirectory()
        >>> host = stdb.Host(directory.name)
        >>> host.publish("notes", notes).op
        'created'
        >>> host.lock("notes")
        >>> host.delete("notes")
        Traceback (most recent call last):
        stdb.PermissionDenied: database 'notes' is locked and cannot be deleted; unlock it first
        >>> host.unlock("notes")
        >>> host.close()
        >>> directory.cleanup()
        """
        self._set_locked(name, is_locked=True)

    def unlock(self, name: str | Identity) -> None:
        """Allow a database to be deleted and emptied again."""
        self._set_locked(name, is_locked=False)

    def close(self) -> None:
        """Close the databases that ``host[name]`` opened. Again does nothing."""
        self._closed = True
        for identity in list(self._open):
            self._let_go(identity)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _update(self, identity: Identity, module: Any, **options: Any) -> MigrationPlan:
        known = self._open.get(identity)
        if known is not None and not known._closed:
            return known.publish(module, **options)
        # As it is stored: the program that is replaced does not run once more.
        with self.open(identity, run_stored=False) as database:
            return database.publish(module, **options)
