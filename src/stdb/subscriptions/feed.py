"""`Feed`: which queries the changes of one table concern.

Queries with a condition ``column = value`` are found by the value that a changed row has in the
column, so a commit costs what it changes and what waits for that, not the number of queries.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..types.compose import Composer
from ..types.keys import is_own_key, key_expression
from .template import main_column

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..storage.table import Table
    from .auxiliary import Auxiliary
    from .query import Part
    from .sink import Commit, Pair, Sink

#: Part -> the changes that were routed to it.
Hits = dict["Part", "list[Pair]"]


class Several(dict["Part", None]):
    """The parts that wait for one value, where there is more than one."""

    __slots__ = ()


Waiting = dict[Any, "Part | Several"]


class Feed:
    """The queries on one table.

    Attributes
    ----------
    table : Table
    soles : dict
        Main key -> sink: who alone waits for that one row, and takes its changes as they are.
    by_main_key : dict
        Main key -> the parts that wait for that row for anything else.
    by_column : dict
        Position of a column -> its key function, and key -> the parts that wait for it.
    always : dict
        The parts that hear of every change.
    auxiliaries : dict
        The indexes that are kept up to date, in order.
    collect : callable
        What a commit calls when it touched the table: ``collect(commit, woken)``, the quick way
        while there are `soles` only.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._main_column = main_column(table)
        self.soles: dict[Any, Sink] = {}
        self.by_main_key: Waiting = {}
        self.by_column: dict[int, tuple[Callable[[Any], Any], Waiting]] = {}
        self.always: dict[Part, None] = {}
        self.auxiliaries: dict[Auxiliary, None] = {}
        self.collect = self._quick_collect()

    @property
    def is_quick(self) -> bool:
        """Whether `collect` will do; else `route`."""
        return not (self.always or self.by_main_key or self.by_column or self.auxiliaries)

    @property
    def is_needed(self) -> bool:
        """Whether anybody waits for changes of the table."""
        return bool(self.soles) or not self.is_quick

    # -- who waits -------------------------------------------------------------------------------

    def place(self, part: Part) -> None:
        """Route changes to a part, in the way that suits those who subscribe to its query now."""
        self.discard(part)
        point, sole = part.point, part.query.sole
        if point is None:
            self.always[part] = None
            return
        is_main = point.position == self._main_column
        if is_main and sole is not None and part.query.is_direct and part.key not in self.soles:
            part.is_sole = True
            row = self.table.rows.get(part.key)
            if row is not None:
                # The very key of the row: then the look-up of a commit needs not compare.
                part.key = self.table.main_key_of(row)
            self.soles[part.key] = sole
            return
        waiting = self._waiting(point.position)
        held = waiting.get(part.key)
        if held is None:
            waiting[part.key] = part
        elif isinstance(held, Several):
            held[part] = None
        else:
            waiting[part.key] = Several({held: None, part: None})

    def _waiting(self, position: int) -> Waiting:
        if position == self._main_column:
            return self.by_main_key
        if position not in self.by_column:
            self.by_column[position] = (_column_key(self.table, position), {})
        return self.by_column[position][1]

    def discard(self, part: Part) -> None:
        """Route nothing to it any more; nothing happens where that is so."""
        if part.point is None:
            self.always.pop(part, None)
            return
        if part.is_sole:
            self.soles.pop(part.key, None)
            part.is_sole = False
        position = part.point.position
        if position != self._main_column and position not in self.by_column:
            return
        waiting = self._waiting(position)
        held = waiting.get(part.key)
        if isinstance(held, Several):
            held.pop(part, None)
            if not held:
                del waiting[part.key]
        elif held is part:
            del waiting[part.key]
        if not waiting and position != self._main_column:
            del self.by_column[position]

    # -- a commit --------------------------------------------------------------------------------

    def _quick_collect(self) -> Callable[[Commit, list[Sink]], None]:
        # A closure: to read what it needs from attributes would cost as much as all the rest.
        find, current = self.soles.get, self.table.rows.get
        before, name = self.table.before, self.table.name

        def collect(commit: Commit, woken: list[Sink]) -> None:
            for key, old in before.items():
                sink = find(key)
                if sink is not None:
                    new = current(key)
                    if new is not old:
                        if sink.item is None and not sink.more:
                            sink.item = (commit, name, key, new, old)
                        else:
                            sink.put((commit, name, key, new, old))
                        woken.append(sink)

        return collect

    def route(self, commit: Commit, woken: list[Sink], hits: Hits) -> None:
        """Do what `collect` does, and put everything else into `hits`."""
        pairs = self.changes()
        if not pairs:
            return
        if self.soles:
            self.collect(commit, woken)
        for auxiliary in self.auxiliaries:
            auxiliary.take(pairs)
        self.hit(pairs, hits)

    def hit(self, pairs: list[Pair], hits: Hits) -> None:
        """Put changes of the table into `hits`, for the parts that they concern."""
        for part in self.always:
            hits[part] = pairs
        if self.by_main_key:
            find = self.by_main_key.get
            for pair in pairs:
                _route(find(pair[0]), pair, hits)
        for key_of, waiting in self.by_column.values():
            _route_by_column(pairs, key_of, waiting, hits)

    def changes(self) -> list[Pair]:
        """Return the net changes of the open transaction."""
        return changes_of(self.table)


def changes_of(table: Table) -> list[Pair]:
    """Return the net changes of the open transaction in a table."""
    current = table.rows.get
    pairs = []
    for key, old in table.before.items():
        new = current(key)
        if new is not old and new != old:
            pairs.append((key, new, old))
    return pairs


def changes_for(part: Part) -> list[Pair]:
    """Return the net changes of the open transaction that concern a part, placed or not."""
    pairs, point = changes_of(part.table), part.point
    if point is None or not pairs:
        return pairs
    key_of, value_of = point.key_of, attrgetter(part.table.shape.fields[point.position].attribute)
    hits: Hits = {}
    _route_by_column(pairs, lambda row: key_of(value_of(row)), {part.key: part}, hits)
    return hits.get(part, [])


def _route_by_column(
    pairs: list[Pair], key_of: Callable[[Any], Any], waiting: Waiting, hits: Hits
) -> None:
    find = waiting.get
    for pair in pairs:
        main_key, new, old = pair
        if old is None:
            _route(find(key_of(new)), pair, hits)
        elif new is None:
            _route(find(key_of(old)), pair, hits)
        else:
            new_key, old_key = key_of(new), key_of(old)
            if new_key == old_key:
                _route(find(new_key), pair, hits)
            else:
                _route(find(old_key), (main_key, None, old), hits)
                _route(find(new_key), (main_key, new, None), hits)


def _route(found: Part | Several | None, pair: Pair, hits: Hits) -> None:
    if found is None:
        return
    if isinstance(found, Several):
        for part in found:
            hits.setdefault(part, []).append(pair)
    else:
        hits.setdefault(found, []).append(pair)


def _column_key(table: Table, position: int) -> Callable[[Any], Any]:
    field = table.shape.fields[position]
    if is_own_key(field.shape):
        return attrgetter(field.attribute)
    c = Composer()
    key = key_expression(c, field.shape, f"row.{field.attribute}")
    c.add(["def key_of(row):", f"    return {key}"])
    key_of: Callable[[Any], Any] = c.run(f"key of {table.name}")["key_of"]
    return key_of


__all__ = ["Feed", "changes_for", "changes_of"]
