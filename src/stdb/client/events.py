"""Events: what callbacks are told of the commit they run for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

import msgspec

from ..errors import unknown_name
from ..types.values import ConnectionId, Identity, Timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

R = TypeVar("R")

EventKind = Literal["reducer", "transaction", "subscribed", "unsubscribed", "updated"]


class ReducerEvent(msgspec.Struct, frozen=True):
    """A reducer that this connection called.

    Attributes
    ----------
    name : str
        The reducer.
    arguments : tuple
        What it was called with.
    sender : Identity
        Who called it: this client.
    connection_id : ConnectionId
        By which connection.
    timestamp : Timestamp
        Its ``ctx.timestamp``.
    status : str
        ``"committed"``. A call that fails raises its error, and is no event.
    """

    name: str
    arguments: tuple[Any, ...]
    sender: Identity
    connection_id: ConnectionId
    timestamp: Timestamp
    status: Literal["committed"] = "committed"


class TableEvents(msgspec.Struct, Generic[R], frozen=True):
    """What an event changed in the cache of one table.

    `inserted` and `deleted` are rows; `updated` are pairs ``(old, new)`` of the same primary key.
    """

    inserted: tuple[R, ...] = ()
    updated: tuple[tuple[R, R], ...] = ()
    deleted: tuple[R, ...] = ()


class Event(msgspec.Struct, eq=False):
    """What happened: the first argument of row callbacks, an item of ``conn.events()``.

    Attributes
    ----------
    kind : str
        ``"reducer"`` for a call of this connection, ``"transaction"`` for anybody else's work,
        ``"subscribed"`` and ``"unsubscribed"`` for the rows that a subscription brings and takes
        away, ``"updated"`` for what changes when the module is published anew.
    reducer : ReducerEvent or None
        The call, for ``"reducer"``.
    """

    #: The changes of caches, or the item that the commit left, where that is one row.
    _changed: Any
    _micros: int
    kind: EventKind = "transaction"
    reducer: ReducerEvent | None = None

    @property
    def timestamp(self) -> Timestamp:
        """When it happened."""
        return Timestamp(self._micros)

    @property
    def changes(self) -> Changes:
        """What it changed in the cache, by table: ``event.changes[Message].inserted``."""
        return Changes(self._changed)

    def __repr__(self) -> str:
        what = f" {self.reducer.name}" if self.reducer is not None else ""
        return f"<event {self.kind}{what}, {self.changes!r}>"


class Changes:
    """What an event changed, by table: the row class or the table's name is the key.

    A table that did not change has no rows in any of the three lists.
    """

    def __init__(self, changed: tuple[Any, ...]) -> None:
        self._by_name: dict[str, TableEvents[Any]] = {}
        self._classes: dict[type, str] = {}
        if changed and changed[0].__class__ is tuple:
            # One row of one table, as the commit left it.
            _, name, _, new, old = changed
            self._add(name, type(old if new is None else new), _of_one(new, old))
            return
        for change in changed:
            self._add(change.cache.name, change.cache.row_class, change.events())

    def _add(self, name: str, row_class: type, events: TableEvents[Any]) -> None:
        self._by_name[name] = events
        self._classes[row_class] = name

    @overload
    def __getitem__(self, table: str) -> TableEvents[Any]: ...
    @overload
    def __getitem__(self, table: type[R]) -> TableEvents[R]: ...
    def __getitem__(self, table: Any) -> TableEvents[Any]:
        if isinstance(table, str):
            return self._by_name.get(table, TableEvents())
        name = self._classes.get(table)
        if name is None:
            if not isinstance(table, type):
                raise unknown_name("table", table, self._by_name)
            return TableEvents()
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, table: object) -> bool:
        return table in self._by_name or table in self._classes

    def __repr__(self) -> str:
        parts = [
            f"{name}: +{len(each.inserted)} ~{len(each.updated)} -{len(each.deleted)}"
            for name, each in self._by_name.items()
        ]
        return ", ".join(parts) or "nothing changed"


def _of_one(new: Any, old: Any) -> TableEvents[Any]:
    if old is None:
        return TableEvents((new,))
    if new is None:
        return TableEvents((), (), (old,))
    return TableEvents((), ((old, new),))


__all__ = ["Changes", "Event", "EventKind", "ReducerEvent", "TableEvents"]
