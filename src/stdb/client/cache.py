"""The cache of one table: the rows that a client's subscriptions give.

A row is there once, however many queries give it; `counts` says how often where it is more than
once. What a commit changes is first weighed, which changes nothing, and then applied, which can be
done again after an interrupt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .dispatch import Claimed
from .events import TableEvents
from .tables import CachedTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..types.shapes import Record
    from .core import Client
    from .events import Event
    from .index import CacheIndex

Pair = tuple[Any, Any, Any]
Algorithm = Literal["btree", "hash", "direct"]
Call = tuple["Callable[..., Any]", "tuple[Any, ...]"]


class Lost(Exception):  # noqa: N818 - never leaves the layer
    """The cache and the changes do not go together: something is missing."""


class IndexInfo(NamedTuple):
    """An index of a table: its name as an attribute, its columns by position."""

    name: str
    columns: tuple[int, ...]
    is_unique: bool
    algorithm: Algorithm


class TableInfo(NamedTuple):
    """What a client must know of a table.

    Attributes
    ----------
    key_column : int or None
        The column whose keys are the keys of the cache, if there is one.
    encode : callable
        ``row -> bytes``: rows of two classes are the same when their bytes are.
    functions : dict
        The key functions of indexes, by columns: made once for all clients.
    """

    name: str
    shape: Record
    primary_key: int | None
    is_event: bool
    indexes: tuple[IndexInfo, ...]
    key_column: int | None
    encode: Callable[[Any], bytes]
    functions: dict[Any, Callable[[Any], Any]]


class Change:
    """What is about to change in a cache.

    Attributes
    ----------
    puts : dict
        Key -> row that is there afterwards.
    drops : dict
        Key -> row that is not.
    counts : dict
        Key -> how often the row is there afterwards.
    adopt : dict or None
        All rows, where they take the place of the present ones.
    """

    __slots__ = (
        "adopt", "cache", "counts", "deleted", "drops", "info", "inserted", "puts", "sources",
        "updated",
    )  # fmt: skip

    def __init__(self, cache: TableCache) -> None:
        self.cache = cache
        self.puts: dict[Any, Any] = {}
        self.drops: dict[Any, Any] = {}
        self.counts: dict[Any, int] = {}
        self.adopt: dict[Any, Any] | None = None
        self.sources: tuple[int, int] | None = None
        self.info: TableInfo | None = None
        self.inserted: list[Any] | Any = []
        self.updated: list[tuple[Any, Any]] = []
        self.deleted: list[Any] = []

    def __bool__(self) -> bool:
        return bool(self.inserted or self.updated or self.deleted)

    def events(self) -> TableEvents[Any]:
        """Return the rows that came, changed and went."""
        return TableEvents(tuple(self.inserted), tuple(self.updated), tuple(self.deleted))

    def apply(self) -> None:
        """Let the cache be so. Can be done again from its middle."""
        cache = self.cache
        if self.info is not None:
            cache.take_info(self.info)
        if self.adopt is not None:
            cache.rows = self.adopt
            cache.counts = dict(self.counts)
            for index in cache.indexes.values():
                index.rebuild(cache.rows.values())
        else:
            for key in self.drops:
                cache.rows.pop(key, None)
            cache.rows.update(self.puts)
            self._count()
            if cache.indexes:
                self._update_indexes()
        if self.sources is not None:
            cache.sources, cache.complex_sources = self.sources
        cache.choose()

    def _count(self) -> None:
        counts = self.cache.counts
        for key, count in self.counts.items():
            if count > 1:
                counts[key] = count
            else:
                counts.pop(key, None)

    def _update_indexes(self) -> None:
        for index in self.cache.indexes.values():
            for row in self.deleted:
                index.discard(row)
            for old, _ in self.updated:
                index.discard(old)
            for row in self.puts.values():
                index.add(row)

    def calls(self, event: Event) -> list[Call]:
        """Return the callbacks to run, in order."""
        cache = self.cache
        calls: list[Call] = []
        if cache.insert_callbacks:
            calls += [(c, (event, row)) for row in self.inserted for c in cache.insert_callbacks]
        if cache.update_callbacks:
            calls += [
                (c, (event, old, new)) for old, new in self.updated for c in cache.update_callbacks
            ]
        if cache.delete_callbacks:
            calls += [(c, (event, row)) for row in self.deleted for c in cache.delete_callbacks]
        return calls


class _Hot:
    """What a commit touches of a cache: side by side in memory, since there may be thousands."""

    __slots__ = ("name", "rows", "update_callback")

    name: str
    rows: dict[Any, Any]
    update_callback: Callable[..., Any] | None


class TableCache(_Hot):
    """The rows of one table that a client's subscriptions give.

    Attributes
    ----------
    rows : dict
        Key -> row.
    counts : dict
        Key -> how often the row is in the results of the client's queries, if more than once.
    sources, complex_sources : int
        How many queries give rows of the table, and how many of these may give a row twice.
    finders : dict
        The indexes that were asked for, by name.
    indexes : dict
        Those of them that have to follow changes.
    is_plain : bool
        Whether a changed row can simply be stored under its key, and at most one callback called.
    update_callback : callable or None
        That callback.
    face : CachedTable
        What the user of the client sees of it.
    """

    __slots__ = (
        "client", "complex_sources", "counts", "delete_callbacks", "face", "finders",
        "index_infos", "indexes", "info", "insert_callbacks", "is_plain", "row_class", "sources",
        "update_callbacks",
    )  # fmt: skip

    def __init__(self, info: TableInfo, client: Client) -> None:
        self.name = info.name
        self.client = client
        self.rows = {}
        self.counts: dict[Any, int] = {}
        self.sources = self.complex_sources = 0
        self.insert_callbacks: tuple[Callable[..., Any], ...] = ()
        self.update_callbacks: tuple[Callable[..., Any], ...] = ()
        self.update_callback = None
        self.delete_callbacks: tuple[Callable[..., Any], ...] = ()
        self.is_plain = False
        self.face: CachedTable[Any] = CachedTable(self)
        self.take_info(info)

    def take_info(self, info: TableInfo) -> None:
        """Be the cache of this table, which may have a new class of rows."""
        self.info = info
        self.row_class = info.shape.cls
        self.index_infos = {index.name: index for index in info.indexes}
        self.finders: dict[str, CacheIndex[Any]] = {}
        self.indexes: dict[str, CacheIndex[Any]] = {}
        self.choose()

    def choose(self) -> None:
        """Find out whether changes are plain."""
        self.is_plain = (
            self.sources == 1
            and not self.complex_sources
            and not self.indexes
            and not self.info.is_event
            and self.info.primary_key is not None
            and len(self.update_callbacks) <= 1
        )
        self.update_callback = next(iter(self.update_callbacks), None)
        # It finds out anew when it has taken the next commit.
        self.client.plain = None

    def finder(self, name: str) -> CacheIndex[Any]:
        """Return an index of that name, which is there."""
        found = self.finders.get(name)
        if found is None:
            from .index import CacheIndex

            with Claimed(self.client):  # nothing changes while it is filled
                found = CacheIndex(self, self.index_infos[name])
                if not found.is_key:
                    self.indexes[name] = found
                    self.choose()
                self.finders[name] = found
        return found

    # -- changes ---------------------------------------------------------------------------------

    def weigh(self, pairs: Iterable[Pair]) -> Change:
        """Return what changes of rows will do here; nothing has changed yet.

        Raises
        ------
        Lost
            They do not fit what is here.
        """
        change = Change(self)
        if self.info.is_event:
            change.inserted = [new for _, new, _ in pairs if new is not None]
        elif self.sources == 1 and not self.complex_sources:
            self._weigh_plain(change, pairs)
        else:
            self.weigh_counted(change, pairs)
        return change

    def _weigh_plain(self, change: Change, pairs: Iterable[Pair]) -> None:
        for key, new, old in pairs:
            if new == old:
                continue
            if old is not None and key not in self.rows:
                raise Lost
            self._note(change, key, old, new)

    def _note(self, change: Change, key: Any, old: Any, new: Any) -> None:
        """Note that `new` takes the place of `old`; either may be None."""
        if new is None:
            change.drops[key] = old
            change.deleted.append(old)
            return
        change.puts[key] = new
        if old is None:
            change.inserted.append(new)
        elif self.info.primary_key is None:
            change.deleted.append(old)
            change.inserted.append(new)
        else:
            change.updated.append((old, new))

    def weigh_counted(self, change: Change, pairs: Iterable[Pair]) -> None:
        """Weigh changes of rows that may be there more than once."""
        net: dict[Any, dict[Any, int]] = {}
        for key, new, old in pairs:
            rows = net.setdefault(key, {})
            if new is not None:
                rows[new] = rows.get(new, 0) + 1
            if old is not None:
                rows[old] = rows.get(old, 0) - 1
        for key, rows in net.items():
            held = self.rows.get(key)
            before = 0 if held is None else self.counts.get(key, 1)
            after = before + (0 if held is None else rows.pop(held, 0))
            others = {row: count for row, count in rows.items() if count}
            if after < 0 or any(count < 0 for count in others.values()):
                raise Lost
            if others:
                if after or len(others) > 1:
                    raise Lost
                new, count = next(iter(others.items()))
                change.counts[key] = count
                self._note(change, key, held, new)
            elif before and not after:
                change.counts[key] = 0
                self._note(change, key, held, None)
            elif after != before:
                change.counts[key] = after

    def weigh_all(
        self, rows: dict[Any, Any], counts: dict[Any, int], info: TableInfo | None
    ) -> Change:
        """Return the change after which exactly `rows` are here, of the class of `info`."""
        change = Change(self)
        change.adopt, change.counts = rows, counts
        encode_old, encode_new = self.info.encode, (info or self.info).encode
        change.info = info
        for key, old in self.rows.items():
            new = rows.get(key)
            if new is None:
                change.deleted.append(old)
            elif new is not old and new != old and encode_old(old) != encode_new(new):
                if self.info.primary_key is None:
                    change.deleted.append(old)
                    change.inserted.append(new)
                else:
                    change.updated.append((old, new))
        change.inserted += [row for key, row in rows.items() if key not in self.rows]
        if change.deleted and change.inserted:
            _leave_out_same(change, encode_old, encode_new)
        return change


def _leave_out_same(
    change: Change, encode_old: Callable[[Any], bytes], encode_new: Callable[[Any], bytes]
) -> None:
    """Leave out rows that went and came: a row that is its own key has another in another class."""
    went = {encode_old(row) for row in change.deleted}
    came = {encode_new(row) for row in change.inserted}
    change.deleted = [row for row in change.deleted if encode_old(row) not in came]
    change.inserted = [row for row in change.inserted if encode_new(row) not in went]


__all__ = ["Change", "IndexInfo", "Lost", "Pair", "TableCache", "TableInfo"]
