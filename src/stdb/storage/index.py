"""Indexes: which rows have a key.

A unique index maps a key to its row; any other maps it to the row while there is one, to a `Bag`
of rows when there are more. The order that ranges need is a sorted list of keys, built at the
first range scan, so that tables which only look keys up never pay for it. From then on keys that
come or go are noted, and the next range scan merges them: adding one key to a sorted list of a
million takes 2.8 µs, sorting that million anew 40 ms.

Source of the sorted list: the sortedcontainers library.
"""

from __future__ import annotations

import itertools
import weakref
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from ..errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sortedcontainers import SortedList

    from ..schema import IndexDef
    from .table import Table

#: Noted keys are merged one by one up to this part of all keys, else all are sorted anew.
_MERGE_PART: Final = 16
#: One lock for all lists: readers that share a database may want the same order at once.
_order_lock: Final = Lock()


class UniqueMap(dict[Any, Any]):
    """The map of a unique index whose keys are the column's values themselves.

    Its ``__getitem__`` is ``find``: a hit runs no Python at all. A miss comes to `mend_key`, which
    refuses a value of the wrong type and returns any other as the column would hold it.
    """

    __slots__ = ("_fits", "_position", "_table")

    def __init__(self, table: Table, position: int, fits: Callable[[Any], bool]) -> None:
        # Weak, so that no cycle goes through the map: see `hide_from_collector`.
        self._table = weakref.ref(table)
        self._position = position
        self._fits = fits
        hide_from_collector(self)

    def __missing__(self, key: Any) -> Any:
        table = self._table()
        if table is None or self._fits(key):
            return None
        return self.get(table.mend_key(self._position, (key,))[0])


def hide_from_collector(map_: UniqueMap) -> None:
    """Keep the garbage collector from walking through the map.

    It does not walk through a plain dict of rows either, since they are no containers to it; but
    to a subclass it always does: 26 ms a million rows in every full collection. It is safe because
    no cycle can go through the map: rows are immutable, and its table is only known weakly.
    """
    untrack = _untrack()
    if untrack is not None:
        untrack(map_)


@cache
def _untrack() -> Callable[[object], None] | None:
    """Return CPython's ``PyObject_GC_UnTrack``, or None where there is none."""
    try:
        import ctypes

        function = ctypes.pythonapi.PyObject_GC_UnTrack
    except (ImportError, AttributeError):
        return None
    function.argtypes = [ctypes.py_object]
    function.restype = None
    untrack: Callable[[object], None] = function
    return untrack


class Bag(dict[Any, Any]):
    """The rows of one key of an index that is not unique: main key -> row."""

    __slots__ = ()


class Index:
    """One index of a table.

    Attributes
    ----------
    definition : IndexDef
        Name, algorithm and columns.
    unique : bool
        Whether a constraint covers exactly its columns.
    map : dict
        ``key -> row`` when unique, else ``key -> row or Bag``. The main index shares the table's
        own dict.
    key_of : callable
        ``row -> key``.
    main_key_of : callable
        ``row -> key in the table's own dict``.
    ordered : bool
        Whether the sorted list exists; then every key that comes or goes is added to `noted`.
    """

    __slots__ = (
        "_order", "definition", "is_main", "key_of", "main_key_of", "map", "noted", "ordered",
        "unique",
    )  # fmt: skip

    def __init__(
        self,
        definition: IndexDef,
        *,
        unique: bool,
        is_main: bool,
        map_: dict[Any, Any],
        key_of: Callable[[Any], Any],
        main_key_of: Callable[[Any], Any],
    ) -> None:
        self.definition = definition
        self.unique = unique
        self.is_main = is_main
        self.map = map_
        self.key_of = key_of
        self.main_key_of = main_key_of
        self.noted: set[Any] = set()
        self.ordered = False
        self._order: SortedList[Any] | None = None

    def add(self, row: Any) -> None:
        """Let the index have `row`; nothing happens when it has it already."""
        key = self.key_of(row)
        if self.ordered:
            self.noted.add(key)
        held = self.map.get(key)
        if self.unique or held is None or held is row:
            self.map[key] = row
        elif held.__class__ is Bag:
            held[self.main_key_of(row)] = row
        else:
            main_key_of = self.main_key_of
            self.map[key] = Bag({main_key_of(held): held, main_key_of(row): row})

    def discard(self, row: Any) -> None:
        """Let the index not have `row`; nothing happens when it has it not."""
        key = self.key_of(row)
        if self.ordered:
            self.noted.add(key)
        held = self.map.get(key)
        if held.__class__ is Bag:
            held.pop(self.main_key_of(row), None)
            if not held:
                del self.map[key]
        elif held is not None and self.main_key_of(held) == self.main_key_of(row):
            del self.map[key]

    def rebuild(self, rows: Iterable[Any]) -> None:
        """Start anew with these rows (the main index only forgets its order)."""
        self.ordered = False
        self._order = None
        self.noted.clear()
        if not self.is_main:
            self.map.clear()
            for row in rows:
                self.add(row)

    def rows_of(self, held: Any) -> Iterator[Any]:
        """Return the rows of an entry of the map."""
        return iter(held.values()) if held.__class__ is Bag else iter((held,))

    def order(self) -> SortedList[Any]:
        """Return the sorted list of all keys, up to date. O(n log n) the first time."""
        if not self.ordered or self.noted:
            with _order_lock:
                self._update_order()
        if self._order is None:
            raise InternalError(f"index {self.definition.name!r} lost its order")
        return self._order

    def _update_order(self) -> None:
        order = self._order
        up_to_date = self.ordered and not self._much_changed()
        # There is no order until it is done: an interrupt may leave a broken list.
        self.ordered = False
        if order is None or not up_to_date:
            from sortedcontainers import SortedList  # only tables with ranges need it

            self._order = SortedList(self.map)
        else:
            self._merge_into(order)
        self.noted.clear()
        self.ordered = True

    def _merge_into(self, order: SortedList[Any]) -> None:
        """Add the noted keys that have come to the list, and take out those that have gone."""
        for key in self.noted:
            listed = key in order
            if key in self.map:
                if not listed:
                    order.add(key)
            elif listed:
                order.remove(key)

    def _much_changed(self) -> bool:
        return len(self.noted) * _MERGE_PART > len(self.map)

    def copy_into(self, other: Index) -> None:
        """Give `other`, an empty index of the same definition, the same content."""
        if not self.is_main:
            other.map.update(
                (key, Bag(held) if held.__class__ is Bag else held)
                for key, held in self.map.items()
            )

    def check(self, rows: dict[Any, Any]) -> None:
        """Raise `InternalError` unless the index holds exactly `rows`, each under its key."""
        name = self.definition.name
        found: dict[Any, Any] = {}
        for key, held in self.map.items():
            if held.__class__ is Bag and (self.unique or not held):
                raise InternalError(f"index {name!r}: a bag of {len(held)} rows under {key!r}")
            for row in self.rows_of(held):
                if self.key_of(row) != key:
                    raise InternalError(f"index {name!r}: {row!r} lies under {key!r}")
                found[self.main_key_of(row)] = row
        if len(found) != len(rows) or any(found.get(key) is not row for key, row in rows.items()):
            raise InternalError(f"index {name!r} holds {len(found)} rows, the table {len(rows)}")
        with _order_lock:
            if self.ordered and not self._is_ordered():
                raise InternalError(f"index {name!r}: its order is not that of its keys")

    def _is_ordered(self) -> bool:
        """Whether the list is sorted, and holds the keys of the map but for noted ones."""
        listed = list(self._order or ())
        if self._order is not None and len(self._order) != len(listed):
            return False
        ascending = all(low < high for low, high in itertools.pairwise(listed))
        return ascending and self.noted.issuperset(set(listed) ^ self.map.keys())
