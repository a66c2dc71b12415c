"""The cache of one table: the rows that a client's subscriptions give.

A row is there once, however many queries give it; `counts` says how often where it is more than
once. What a commit changes is first weighed, which changes nothing, and then applied, which can be
done again after an interrupt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .change import Change
from .one_row import OneRow
from .tables import CachedTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..types.shapes import Record
    from .index import KeptIndex
    from .taking import Taking

Pair = tuple[Any, Any, Any]
Algorithm = Literal["btree", "hash", "direct"]


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


class TableCache:
    """The rows of one table that a client's subscriptions give.

    Attributes
    ----------
    rows : dict or OneRow
        Key -> row.
    counts : dict
        Key -> how often the row is in the results of the client's queries, if more than once.
    sources, complex_sources : int
        How many queries give rows of the table, and how many of these may give a row twice.
    finders : dict
        The indexes that were asked for, by name.
    indexes : dict
        Those of them that have to follow changes.
    face : CachedTable
        What the user of the client sees of it.
    """

    __slots__ = (
        "client", "complex_sources", "counts", "delete_callbacks", "face", "finders",
        "index_infos", "indexes", "info", "insert_callbacks", "name", "row_class", "rows",
        "sources", "update_callbacks",
    )  # fmt: skip

    def __init__(self, info: TableInfo, client: Taking) -> None:
        self.name = info.name
        self.client = client
        self.rows: dict[Any, Any] | OneRow = {}
        self.counts: dict[Any, int] = {}
        self.sources = self.complex_sources = 0
        self.insert_callbacks: tuple[Callable[..., Any], ...] = ()
        self.update_callbacks: tuple[Callable[..., Any], ...] = ()
        self.delete_callbacks: tuple[Callable[..., Any], ...] = ()
        self.face: CachedTable[Any] = CachedTable(self)
        self.take_info(info)

    def take_info(self, info: TableInfo) -> None:
        """Be the cache of this table, which may have a new class of rows."""
        self.info = info
        self.row_class = info.shape.cls
        self.index_infos = {index.name: index for index in info.indexes}
        self.finders: dict[str, KeptIndex] = {}
        self.indexes: dict[str, KeptIndex] = {}
        self.reconsider()

    @property
    def is_plain(self) -> bool:
        """Whether a changed row can simply be stored, and at most one callback called."""
        return (
            self.sources == 1
            and not self.complex_sources
            and not self.indexes
            and not self.info.is_event
            and self.info.primary_key is not None
            and len(self.update_callbacks) <= 1
        )

    def reconsider(self) -> None:
        """Have the client find out anew, with the next commit, whether changes are plain."""
        self.client.quick = None

    def finder(self, name: str) -> KeptIndex:
        """Return an index of that name, which is there."""
        found = self.finders.get(name)
        if found is None:
            # Nothing changes while it is filled.
            client = self.client
            found = client.port.dispatcher.undisturbed(client, lambda: self._find(name))
        return found

    def _find(self, name: str) -> KeptIndex:
        """Return an index, made at its first use."""
        from .index import KeptIndex

        found = self.finders.get(name)
        if found is None:
            found = KeptIndex(self, self.index_infos[name])
            if not found.is_key:
                self.indexes[name] = found
                self.reconsider()
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


__all__ = ["IndexInfo", "Lost", "Pair", "TableCache", "TableInfo"]
