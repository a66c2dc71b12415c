"""Which tables a store has, changed within a transaction and undone with it.

Rows are undone by their tables. What tables there are is noted here as a whole before the first of
them comes, goes or is replaced, and put back as it was; a table that was replaced has not changed
itself, so it is simply there again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .store import Store
    from .table import Table


class Restructuring:
    """A change of the tables of `store`, in its open transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_name = dict(store.by_name)
        self._watched = set(store.watched)
        self._by_class = {cls: list(names) for cls, names in store._by_class.items()}
        self._write_handles = dict(store._write_handles)
        self._read_handles = dict(store._read_handles)
        self._writable = dict(store.writable.__dict__)
        self._readable = dict(store.readable.__dict__)
        store.state.on_undo.append(self)

    def put(self, table: Table) -> None:
        """Let the store have `table`, in the place of the one of that name if there is one."""
        self._store._register(table)

    def drop(self, name: str) -> None:
        """Let the store not have the table `name`; its rows have gone already."""
        self._store._unregister(name)

    def rolled_back(self) -> None:
        """Put back what there was; again does no harm."""
        store = self._store
        for now, then in (
            (store.by_name, self._by_name),
            (store._by_class, self._by_class),
            (store._write_handles, self._write_handles),
            (store._read_handles, self._read_handles),
            (store.writable.__dict__, self._writable),
            (store.readable.__dict__, self._readable),
        ):
            _become(now, then)
        store.watched.clear()
        store.watched.update(self._watched)
        # Not the number that there was: something may have been compiled for the one in between.
        store.schema_version += 1


def _become(now: dict, then: dict) -> None:  # type: ignore[type-arg]
    """Give a dict the contents of another, in its order."""
    now.clear()
    now.update(then)
