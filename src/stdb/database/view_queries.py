"""The queries that views return, and how the rows that are kept of a view follow one.

Rows of a view change by what the transaction does to the result of its query, never by looking at
all of it again. A view has equal rows once, and a join gives a row as often as it finds a partner
for it; how often is kept where it is more than once, so that the row goes with the last of them.
"""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING, Any

from ..errors import InternalError
from ..sql.view_query import view_query
from ..subscriptions import IncrementalQueries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..module.views import ViewDeclaration
    from ..storage.store import Store
    from ..storage.view_table import ViewTable
    from ..subscriptions import KeptQuery, Template
    from ..types.shapes import Record

#: How many texts are remembered, so that they need not be checked again.
_TEXTS_MAX = 1024


class ViewQueries(IncrementalQueries):
    """The queries that the views of one database return."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._compiled: dict[tuple[str, str], tuple[Template, tuple[Any, ...]]] = {}
        self._version = store.schema_version
        self._finding = Lock()

    def find(self, text: str, view: ViewDeclaration) -> KeptQuery:
        """Return the query that a view returned: that which is kept, or a new one.

        Raises
        ------
        SqlError
            It is no query that a view may return.
        """
        key = (text, view.name)
        with self._finding:  # read-only transactions come here side by side
            if self._version != self._store.schema_version:
                self.forget_templates()
                self._compiled.clear()
                self._version = self._store.schema_version
            compiled = self._compiled.get(key)
            if compiled is None:
                checked = view_query(text, view, self._store.by_name)
                compiled = self.compile(text, checked)
                if len(self._compiled) >= _TEXTS_MAX:
                    self._compiled.pop(next(iter(self._compiled)))
                self._compiled[key] = compiled
            return self.query(text, *compiled)


def converter(query: KeptQuery, row: Record) -> Callable[[Any], Any] | None:
    """Return what makes rows of a view from those of its query; None where they are the same."""
    if query.table.shape.cls is row.cls:
        return None
    cls, attributes = row.cls, [field.attribute for field in row.fields]
    return lambda values: cls(**dict(zip(attributes, values, strict=True)))


class Following:
    """How the rows that are kept of a view for one caller follow a query.

    Attributes
    ----------
    query : KeptQuery
    delta : dict
        Row of the query -> how many more of it than when the open transaction began: what the rows
        of the view have in them. Empty outside a transaction.
    """

    __slots__ = ("_before", "_convert", "_repeats", "delta", "query")

    def __init__(self, query: KeptQuery, row: Record) -> None:
        self.query = query
        self.delta: Mapping[Any, int] = {}
        self._convert = converter(query, row)
        #: How often the result has a row, where it is more than once.
        self._repeats: dict[Any, int] = {}
        #: The same before the open transaction, of rows that it touched; 1 for once or not at all.
        self._before: dict[Any, int] = {}

    def rows(self) -> list[Any]:
        """Return the rows of the view as the tables are now."""
        rows, convert = self.query.result(), self._convert
        return rows if convert is None else list(map(convert, rows))

    def begin(self, table: ViewTable, sender: Any, delta: Mapping[Any, int]) -> None:
        """Let the table have the rows; `delta` is what the transaction has done to them already."""
        rows, convert = self.query.result(), self._convert
        if not self.query.is_simple:
            counted = Counter(rows)
            self._repeats = {row: count for row, count in counted.items() if count > 1}
            rows = list(counted)
        table.replace_rows(sender, rows if convert is None else list(map(convert, rows)))
        self.delta = delta

    def advance(self, table: ViewTable, sender: Any, delta: Mapping[Any, int]) -> None:
        """Bring the rows from the delta that is in them to `delta`.

        Raises
        ------
        UniqueConstraintViolation
            Two rows have the same primary key then.
        """
        convert, seal = self._convert, table.view_code.seal
        key_of, find = table.main_key_of, table.rows.get
        come, gone = [], []
        for row, step in _steps(self.delta, delta).items():
            shown = row if convert is None else convert(row)
            stored = shown if seal is None else seal(sender, shown)
            held = find(key_of(stored))
            count = 0 if held is None or held != stored else self._repeats.get(row, 1)
            new = count + step
            if new < 0:
                raise InternalError(f"view {table.name!r}: {row!r} would be there {new} times")
            if not count:
                come.append(stored)
            elif not new:
                gone.append(held)
            if count > 1 or new > 1:
                self._repeat(row, new)
        table.remove_each(gone)
        table.insert_each(come)
        self.delta = delta

    def _repeat(self, row: Any, count: int) -> None:
        self._before.setdefault(row, self._repeats.get(row, 1))
        if count > 1:
            self._repeats[row] = count
        else:
            self._repeats.pop(row, None)

    def settle(self) -> None:
        """Take the transaction as committed; again does no harm."""
        self.delta = {}
        self._before = {}

    def undo(self) -> None:
        """Be as before the transaction; again does no harm."""
        for row, count in self._before.items():
            if count > 1:
                self._repeats[row] = count
            else:
                self._repeats.pop(row, None)
        self.settle()


def _steps(done: Mapping[Any, int], wanted: Mapping[Any, int]) -> Mapping[Any, int]:
    """Return what leads from one delta to another."""
    if not done:
        return wanted
    steps = {row: count - done.get(row, 0) for row, count in wanted.items()}
    steps.update((row, -count) for row, count in done.items() if row not in wanted)
    return {row: step for row, step in steps.items() if step}


__all__ = ["Following", "ViewQueries", "converter"]
