"""The contexts of views: the tables to read, and perhaps who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar, overload

import msgspec

from ..errors import UnknownName, unknown_name
from ..types.values import Identity
from .logs import CallLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..module.query import Query
    from ..storage import Tables
    from ..storage.read_set import ReadSet
    from .context import Services

R = TypeVar("R")

#: What other contexts have, and why a view has it not.
_ABSENT = {
    "timestamp": "its rows are computed again when tables change, not as time goes by",
    "rng": "the same tables always give the same rows",
    "connection_id": "it is for an identity, whatever connections that has",
    "sender_auth": "it is for an identity, however that proved itself",
}


class QueryTables:
    """``ctx.from_``: queries for the rows of tables, as ``ctx.from_.user.where(…)``."""

    __slots__ = ("_tables",)

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    @overload
    def __getitem__(self, key: str) -> Query[Any]: ...
    @overload
    def __getitem__(self, key: type[R]) -> Query[R]: ...
    def __getitem__(self, key: Any) -> Query[Any]:
        return self._tables[key].all_rows()

    def __getattr__(self, name: str) -> Query[Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._tables[name].all_rows()

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __dir__(self) -> list[str]:
        return dir(self._tables)

    def __repr__(self) -> str:
        return f"<queries for tables {', '.join(self)}>"


class AnonymousViewContext(msgspec.Struct, eq=False):
    """The first argument of a view whose rows are the same for everybody.

    It is good for the one call. A view has no ``timestamp`` and no ``rng``: its rows depend on
    nothing but the tables.

    Attributes
    ----------
    db : Tables
        The tables, to read: private ones too, and all of their rows.
    reads : ReadSet or None
        Where the reading of compiled modules is noted; the handles in `db` do it themselves.

    Examples
    --------
    >>> import stdb
    >>> club = stdb.Module("club")
    >>> @club.table()
    ... class Member(stdb.Row):
    ...     identity: stdb.Identity = stdb.primary_key()
    ...     online: bool
    >>> @club.view(public=True)
    ... def present(ctx: stdb.AnonymousViewContext) -> stdb.Query[Member]:
    ...     return ctx.from_[Member].where(lambda m: m.online == True)
    >>> db = stdb.Database(club)
    >>> with db.transaction() as tx:
    ...     tx.db[Member].insert(identity=stdb.Identity(1), online=True).online
    True
    >>> len(db.sql("SELECT * FROM present"))
    1
    """

    db: Tables
    _services: Services
    _function: str
    reads: ReadSet | None = None

    @property
    def from_(self) -> QueryTables:
        """Queries to return: ``ctx.from_.user.where(lambda u: u.online == True)``."""
        return QueryTables(self.db)

    @property
    def identity(self) -> Identity:
        """The identity of the database."""
        return self._services.identity

    @property
    def log(self) -> CallLog:
        """The logger of this call."""
        return CallLog(self._services.logs, self._function)

    def in_namespace(self, namespace: str) -> Self:
        """Return this context for a view of an included module: `db` has its tables alone."""
        return msgspec.structs.replace(self, db=self.db._namespace(namespace))

    if not TYPE_CHECKING:  # to checkers the attributes are simply not there

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("__"):
                raise AttributeError(name)
            if name == "sender":
                raise UnknownName(
                    "this view is anonymous, so there is no sender: annotate its context "
                    "ViewContext if its rows depend on who asks",
                    unknown=name,
                )
            if name in _ABSENT:
                raise UnknownName(f"a view has no {name}: {_ABSENT[name]}", unknown=name)
            known = ("db", "from_", "identity", "log", "sender")
            raise unknown_name("attribute", name, known, " of the context of a view")

    def __repr__(self) -> str:
        return f"<context of view {self._function!r}>"


class ViewContext(AnonymousViewContext, eq=False, kw_only=True):
    """The first argument of a view whose rows depend on who asks.

    It is good for the one call. A view has no ``timestamp`` and no ``rng``: its rows depend on
    nothing but the tables and the sender.

    Attributes
    ----------
    db : Tables
        The tables, to read: private ones too, and all of their rows.
    sender : Identity
        Whose rows they are.

    Examples
    --------
    >>> import stdb
    >>> club = stdb.Module("club")
    >>> @club.table()
    ... class Member(stdb.Row):
    ...     identity: stdb.Identity = stdb.primary_key()
    ...     online: bool
    >>> @club.view(public=True)
    ... def me(ctx: stdb.ViewContext) -> Member | None:
    ...     return ctx.db[Member].identity.find(ctx.sender)
    >>> db = stdb.Database(club)
    >>> with db.transaction() as tx:
    ...     tx.db[Member].insert(identity=stdb.Identity(1), online=True).online
    True
    >>> len(db.sql("SELECT * FROM me", sender=stdb.Identity(1)))
    1
    >>> len(db.sql("SELECT * FROM me", sender=stdb.Identity(2)))
    0
    """

    sender: Identity

    def __repr__(self) -> str:
        return f"<context of view {self._function!r} for {self.sender.hex()[:16]}…>"


__all__ = ["AnonymousViewContext", "QueryTables", "ViewContext"]
