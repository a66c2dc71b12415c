"""`LiveQuery`: one query with its constants and its caller, and those who subscribe to it."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..types.keys import is_own_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .sink import Pair, Sink
    from .template import FragmentCode, Point, Template

    #: The place of a part -> the changes that were routed to it.
    Changes = dict[tuple[int, int], list[Pair]]


class Part:
    """A source of a query: what changed rows of a table are routed to.

    Attributes
    ----------
    query : LiveQuery
    place : tuple of int
        Number of the fragment, and of the source in it.
    point : Point or None
        The condition by which rows are routed to it; without one all changes are.
    key : object
        What the column of the point must hold, as a key.
    is_sole : bool
        Whether the table's feed has it among the `soles`.
    """

    __slots__ = ("is_sole", "key", "place", "point", "query", "table")

    def __init__(self, query: LiveQuery, fragment: int, source: int, code: FragmentCode) -> None:
        self.query = query
        self.place = (fragment, source)
        self.table = code.tables[source]
        self.point: Point | None = code.points[source]
        self.key = None if self.point is None else self.point.key(query.constants, query.sender)
        self.is_sole = False


class LiveQuery:
    """A query that somebody subscribes to; equal ones are one.

    Attributes
    ----------
    name : str
        The table whose rows it returns.
    sinks : dict
        Handle -> sink, for each subscription that holds it.
    sole : Sink or None
        The sink, while there is only one.
    test : callable or None
        For a query of one table: whether a row is in the result. None where every row that is
        routed to it is.
    is_simple : bool
        Whether each row of the table is at most once in the result.
    is_direct : bool
        Whether it is simple and what is routed to it goes to its sinks as it is.
    evaluations : int
        How often its delta was computed; what a feed's quick way delivers needs no computing.
    """

    __slots__ = (
        "_deltas", "_reveal", "_tests", "constants", "evaluations", "is_direct", "is_simple",
        "key", "name", "parts", "sender", "sinks", "sole", "table", "template", "test",
    )  # fmt: skip

    def __init__(
        self, key: object, template: Template, constants: tuple[Any, ...], sender: Any
    ) -> None:
        self.key = key
        self.template = template
        self.constants = constants
        self.sender = sender
        self.table = template.table
        self.name = template.table.name
        self.is_simple = template.is_simple
        self.sinks: dict[object, Sink] = {}
        self.sole: Sink | None = None
        self.evaluations = 0
        self._reveal: Callable[[Any], Any] | None = template.table.reveal
        made: list[Any] = [
            None if code.make is None else code.make(constants, sender)
            for code in template.fragments
        ]
        self.test: Callable[[Any], bool] | None = made[0] if self.is_simple else None
        self.is_direct = self.is_simple and self.test is None and self._reveal is None
        self._deltas = made
        self.parts = [
            Part(self, number, source, code)
            for number, code in enumerate(template.fragments)
            for source in range(len(code.tables))
        ]

    @property
    def is_one_row(self) -> bool:
        """Whether it gives no more than the row under the main key ``parts[0].key``."""
        return self.template.is_one_row

    def add(self, handle: object, sink: Sink) -> None:
        """Let `sink` have the changes, for the subscription `handle`."""
        self.sinks[handle] = sink
        self.sole = sink if len(self.sinks) == 1 else None

    def discard(self, handle: object) -> None:
        """End that; nothing happens where it is over."""
        self.sinks.pop(handle, None)
        self.sole = next(iter(self.sinks.values())) if len(self.sinks) == 1 else None

    # -- results ---------------------------------------------------------------------------------

    def rows(self) -> dict[Any, Any] | list[tuple[Any, Any]]:
        """Return the present result: ``{main key: row}``, or pairs of them where rows repeat."""
        table = self.table
        if self.template.is_whole_table and self._reveal is None:
            return dict(table.rows)
        rows = self.template.rows(self.constants, self.sender)
        keys = map(_main_key(table), rows)
        shown = rows if self._reveal is None else map(self._reveal, rows)
        pairs = zip(keys, shown, strict=True)
        return dict(pairs) if self.is_simple else list(pairs)

    def selected(self, pairs: list[Pair]) -> list[Pair]:
        """Return what of the changes routed to a simple query concerns its result."""
        self.evaluations += 1
        test, reveal = self.test, self._reveal
        if test is not None:
            pairs = _filtered(test, pairs)
        if reveal is not None:
            pairs = [
                (key, None if new is None else reveal(new), None if old is None else reveal(old))
                for key, new, old in pairs
            ]
        return pairs

    def delta(self, changes: Changes) -> list[Pair]:
        """Return what the changes routed to its parts do to the result of any other query."""
        key_of, reveal = self.table.main_key_of, self._reveal
        pairs: list[Pair] = []
        for row, count in self.counts(changes).items():
            if count:
                key = key_of(row)
                shown = row if reveal is None else reveal(row)
                pair = (key, shown, None) if count > 0 else (key, None, shown)
                pairs += [pair] * abs(count)
        return pairs

    def counts(self, changes: Changes) -> dict[Any, int]:
        """Return how many times more, or less, each row is in the result for these changes."""
        self.evaluations += 1
        counts: dict[Any, int] = {}
        for number, code in enumerate(self.template.fragments):
            compute = self._deltas[number]
            first = changes.get((number, 0), ())
            if len(code.tables) == 1:
                _count_each(counts, first if compute is None else _filtered(compute, first))
            else:
                second = changes.get((number, 1), ())
                if first or second:
                    for row, count in compute(first, second).items():
                        counts[row] = counts.get(row, 0) + count
        return counts


def _filtered(test: Callable[[Any], bool], pairs: Iterable[Pair]) -> list[Pair]:
    kept = []
    for pair in pairs:
        key, new, old = pair
        stays = new is not None and test(new)
        was = old is not None and test(old)
        if stays or was:
            kept.append(
                pair if stays is was else (key, new if stays else None, old if was else None)
            )
    return kept


def _count_each(counts: dict[Any, int], pairs: Iterable[Pair]) -> None:
    for _, new, old in pairs:
        if new is not None:
            counts[new] = counts.get(new, 0) + 1
        if old is not None:
            counts[old] = counts.get(old, 0) - 1


def _main_key(table: Any) -> Callable[[Any], Any]:
    """Return the function from a row to its main key: one of C where the key is a column."""
    plan = table.code.plan
    if plan.main is not None:
        columns = table.definition.indexes[plan.main].columns
        field = table.shape.fields[columns[0]]
        if len(columns) == 1 and is_own_key(field.shape):
            return attrgetter(field.attribute)
    key_of: Callable[[Any], Any] = table.main_key_of
    return key_of


__all__ = ["LiveQuery", "Part"]
