"""A client's cache as its user sees it: ``conn.db``, ``conn.db.message``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

from ..errors import UsageError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..module import Query
    from .cache import TableCache
    from .events import Event
    from .index import CacheIndex
    from .taking import Taking

R = TypeVar("R")

#: `inspect.CO_COROUTINE`: the code is that of an ``async def``.
CO_COROUTINE: Final = 128


class CachedTable(Generic[R]):
    """A table as a client sees it: ``conn.db.message``, ``conn.db[Message]``.

    It holds the rows of the client's subscriptions and no others. Unique columns `find` a row and
    indexes `filter` rows, as in a reducer: ``conn.db.user.identity.find(alice)``. One whose name a
    method already has is ``conn.db.score["count"]``.
    """

    __slots__ = ("_cache",)

    def __init__(self, cache: TableCache) -> None:
        self._cache = cache

    # -- reading ---------------------------------------------------------------------------------

    def iter(self) -> Iterator[R]:
        """Return the rows, as they are now."""
        return iter(list(self._cache.rows.values()))

    def __iter__(self) -> Iterator[R]:
        return self.iter()

    def count(self) -> int:
        """Return the number of rows."""
        return len(self._cache.rows)

    def __len__(self) -> int:
        return len(self._cache.rows)

    def __bool__(self) -> bool:
        """Return True: an empty table is a table (ask ``len``)."""
        return True

    def __contains__(self, row: object) -> bool:
        return row in self._cache.rows.values()

    def where(self, predicate: Callable[[R], object]) -> Query[R]:
        """Return a query to subscribe to: the rows that `predicate` picks."""
        from ..module import Query

        shape = self._cache.info.shape
        names = [field.attribute for field in shape.fields]
        return Query.of(self._cache.name, shape, names, predicate)

    def __getitem__(self, name: str) -> CacheIndex[R]:
        if name not in self._cache.index_infos:
            raise self._unknown(name)
        return self._cache.finder(name).face

    def __getattr__(self, name: str) -> CacheIndex[R]:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def _unknown(self, name: str) -> AttributeError:
        columns = [field.attribute for field in self._cache.info.shape.fields]
        if name in columns:
            return unknown_name(
                "index", name, self._cache.index_infos, f" on table {self._cache.name!r}: column "
                f"{name!r} has none (mark it with index(), unique() or primary_key())"
            )  # fmt: skip
        known = sorted({*self._cache.index_infos, *_METHODS})
        return unknown_name("index or method", name, known, f" on table {self._cache.name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*_METHODS, *self._cache.index_infos})

    def __repr__(self) -> str:
        return f"<cache of table {self._cache.name!r}, {len(self._cache.rows)} rows>"

    # -- callbacks -------------------------------------------------------------------------------

    def on_insert(self, callback: Callable[[Event, R], Any]) -> Callable[[Event, R], Any]:
        """Call ``callback(event, row)`` for each row that comes. A decorator, too.

        The cache holds the whole commit by then. Of an event table, these are its rows.
        """
        self._cache.insert_callbacks += (_checked(callback, "on_insert"),)
        self._cache.reconsider()
        return callback

    def on_delete(self, callback: Callable[[Event, R], Any]) -> Callable[[Event, R], Any]:
        """Call ``callback(event, row)`` for each row that goes."""
        self._refuse_event("on_delete")
        self._cache.delete_callbacks += (_checked(callback, "on_delete"),)
        self._cache.reconsider()
        return callback

    def on_update(self, callback: Callable[[Event, R, R], Any]) -> Callable[[Event, R, R], Any]:
        """Call ``callback(event, old, new)`` for each row that changes and keeps its primary key.

        Raises
        ------
        UsageError
            The table has no primary key: there a change is a delete and an insert.
        """
        self._refuse_event("on_update")
        if self._cache.info.primary_key is None:
            raise UsageError(
                f"table {self._cache.name!r} has no primary key, by which an update would be told "
                "from a delete and an insert; use on_delete and on_insert"
            )
        self._cache.update_callbacks += (_checked(callback, "on_update"),)
        self._cache.reconsider()
        return callback

    def _refuse_event(self, what: str) -> None:
        if self._cache.info.is_event:
            raise UsageError(
                f"{self._cache.name!r} is an event table, whose rows only come: it has no {what}; "
                "use on_insert"
            )

    def remove_on_insert(self, callback: Callable[..., Any]) -> None:
        """Call it no more; nothing happens when it was not."""
        self._cache.insert_callbacks = _without(self._cache.insert_callbacks, callback)
        self._cache.reconsider()

    def remove_on_delete(self, callback: Callable[..., Any]) -> None:
        """Call it no more; nothing happens when it was not."""
        self._cache.delete_callbacks = _without(self._cache.delete_callbacks, callback)
        self._cache.reconsider()

    def remove_on_update(self, callback: Callable[..., Any]) -> None:
        """Call it no more; nothing happens when it was not."""
        self._cache.update_callbacks = _without(self._cache.update_callbacks, callback)
        self._cache.reconsider()


def _checked(callback: Callable[..., Any], where: str) -> Callable[..., Any]:
    if not callable(callback):
        raise UsageError(f"{where} takes a function, not {callback!r}")
    code = getattr(callback, "__code__", None)
    if code is not None and code.co_flags & CO_COROUTINE:
        raise UsageError(
            f"{where} takes a plain function, and nobody would await this one: start a task in it "
            "(asyncio.create_task), or read `async for event in conn.events()`"
        )
    return callback


def _without(
    callbacks: tuple[Callable[..., Any], ...], callback: Callable[..., Any]
) -> tuple[Callable[..., Any], ...]:
    return tuple(each for each in callbacks if each != callback)


_METHODS: Final = frozenset(
    {
        "count", "iter", "on_delete", "on_insert", "on_update", "remove_on_delete",
        "remove_on_insert", "remove_on_update", "where",
    }
)  # fmt: skip


class CacheTables:
    """The cached tables of a client: by attribute, by name, or (typed) by their row class."""

    __slots__ = ("_client", "_prefix")

    def __init__(self, client: Taking, prefix: str = "") -> None:
        self._client = client
        #: The namespace of an included module with a dot, to which these are limited.
        self._prefix = prefix

    @overload
    def __getitem__(self, key: str) -> CachedTable[Any]: ...
    @overload
    def __getitem__(self, key: type[R]) -> CachedTable[R]: ...
    def __getitem__(self, key: Any) -> CachedTable[Any]:
        client = self._client
        if isinstance(key, str):
            key = self._prefix + key
            cache = client.caches.get(key)
            if cache is not None:
                return cache.face
        elif not isinstance(key, type):
            raise UsageError(f"a table is named by a str or by its row class, not {key!r}")
        return client.cache(client.port.table(client, key).name).face

    def __getattr__(self, name: str) -> CachedTable[Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        full = self._prefix + name
        if full not in self._client.caches:
            names = self._client.port.table_names(self._client)
            if any(each.startswith(f"{full}.") for each in names):
                # To checkers, who know no names of tables, every attribute is a table.
                return CacheTables(self._client, f"{full}.")  # type: ignore[return-value]
        return self[name]

    def _names(self) -> list[str]:
        prefix = self._prefix
        names = self._client.port.table_names(self._client)
        return [name[len(prefix) :] for name in names if name.startswith(prefix)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __dir__(self) -> list[str]:
        return self._names()

    def __repr__(self) -> str:
        return f"<cache of {self._client!r}: {', '.join(self)}>"


__all__ = ["CacheTables", "CachedTable"]
