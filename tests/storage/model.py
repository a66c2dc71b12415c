"""The slow model of a table: a list of rows, and SATS equality and order walked value by value.

Nothing here uses keys, dicts of rows or what the engine generates: `compare` and `fingerprint`
(``tests/types/strategies.py``) are all it knows of values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from tests.types.strategies import compare, fingerprint

from stdb.types.shapes import Int, Record

Columns = tuple[str, ...]


class Conflict(Exception):  # noqa: N818 - what the model predicts, not an error
    """The constraints that a row would violate, as columns, in the order of their indexes."""

    def __init__(self, constraints: list[Columns]) -> None:
        super().__init__(constraints)
        self.constraints = constraints


class Missing(Exception):  # noqa: N818 - as above
    """No row to update."""


def frozen(part: Any) -> Any:
    """A fingerprint as something hashable."""
    return tuple(frozen(item) for item in part) if isinstance(part, list | tuple) else part


class TableModel:
    """One table.

    Attributes
    ----------
    uniques : list of column names
        The unique constraints, in the order of their indexes.
    generated : dict
        Auto-increment column -> how many values it gave.
    committed : list
        The rows before the present transaction.
    """

    def __init__(
        self, shape: Record, uniques: list[Columns], generated: Iterable[str], *, is_event: bool
    ) -> None:
        self.shape = shape
        self.shapes = {field.attribute: field.shape for field in shape.fields}
        self.uniques = uniques
        self.generated = dict.fromkeys(generated, 0)
        self.is_event = is_event
        self.rows: list[Any] = []
        self.committed: list[Any] = []

    def copy(self) -> TableModel:
        other = TableModel(self.shape, self.uniques, (), is_event=self.is_event)
        other.generated = dict(self.generated)
        other.rows, other.committed = list(self.rows), list(self.committed)
        return other

    # -- equality ---------------------------------------------------------------------------------

    def bits(self, row: Any) -> Any:
        return frozen(fingerprint(self.shape, row))

    def all_bits(self, rows: Iterable[Any]) -> Counter[Any]:
        return Counter(map(self.bits, rows))

    def same(self, a: Any, b: Any) -> bool:
        return compare(self.shape, a, b) == 0

    def same_in(self, columns: Columns, a: Any, b: Any) -> bool:
        return all(self.order(name, getattr(a, name), getattr(b, name)) == 0 for name in columns)

    def order(self, column: str, a: Any, b: Any) -> int:
        return compare(self.shapes[column], a, b)

    def equal_to(self, row: Any, rows: list[Any]) -> Any:
        return next((other for other in rows if self.same(other, row)), None)

    # -- changes ----------------------------------------------------------------------------------

    def fill(self, row: Any) -> Any:
        """Give every auto-increment column that is 0 its value, cut to its width."""
        for name in self.generated:
            if getattr(row, name) == 0:
                self.generated[name] += 1
                shape = self.shapes[name]
                assert isinstance(shape, Int)
                span = shape.high - shape.low + 1
                row = row.replace(**{name: (self.generated[name] - shape.low) % span + shape.low})
        return row

    def conflicts(self, row: Any, ignored: Any = None) -> None:
        found = [
            columns
            for columns in self.uniques
            if any(r is not ignored and self.same_in(columns, r, row) for r in self.rows)
        ]
        if found:
            raise Conflict(found)

    def put(self, row: Any) -> Any:
        """Add a row; one that was there before the transaction comes back as it was."""
        gone = self.equal_to(row, self.committed)
        row = row if gone is None else gone
        self.rows.append(row)
        return row

    def insert(self, row: Any) -> Any:
        row = self.fill(row)
        present = self.equal_to(row, self.rows)
        if present is not None:
            return present
        self.conflicts(row)
        return self.put(row)

    def insert_many(self, rows: list[Any]) -> int:
        before = list(self.rows)
        try:
            for row in rows:
                self.insert(row)
        except Conflict:
            self.rows = before
            raise
        return len(self.rows) - len(before)

    def update(self, columns: Columns, row: Any) -> Any:
        row = self.fill(row)
        old = next((r for r in self.rows if self.same_in(columns, r, row)), None)
        if old is None:
            raise Missing
        if self.same(old, row):
            return old
        self.conflicts(row, ignored=old)
        self.remove([old])
        return self.put(row)

    def insert_or_update(self, columns: Columns, row: Any) -> Any:
        if any(self.same_in(columns, r, row) for r in self.rows):
            return self.update(columns, row)
        return self.insert(row)

    def remove(self, doomed: list[Any]) -> int:
        self.rows = [row for row in self.rows if not any(row is each for each in doomed)]
        return len(doomed)

    # -- looking ----------------------------------------------------------------------------------

    def where(self, predicate: Callable[[Any], bool]) -> list[Any]:
        return [row for row in self.rows if predicate(row)]

    def matching(
        self, columns: Columns, values: tuple[Any, ...], bounds: dict[str, Any]
    ) -> list[Any]:
        """The rows whose leading columns equal `values` and whose next is within `bounds`."""
        holds = {
            "ge": lambda c: c >= 0, "gt": lambda c: c > 0,
            "le": lambda c: c <= 0, "lt": lambda c: c < 0,
        }  # fmt: skip

        def fits(row: Any) -> bool:
            leading = zip(columns, values, strict=False)
            if not all(self.order(name, getattr(row, name), v) == 0 for name, v in leading):
                return False
            return all(
                holds[bound](
                    self.order(columns[len(values)], getattr(row, columns[len(values)]), v)
                )
                for bound, v in bounds.items()
            )

        return self.where(fits)

    # -- transactions -----------------------------------------------------------------------------

    def net(self) -> tuple[Counter[Any], Counter[Any]]:
        """What the transaction inserted and deleted in the end."""
        inserts = [r for r in self.rows if self.equal_to(r, self.committed) is None]
        deletes = [r for r in self.committed if self.equal_to(r, self.rows) is None]
        return self.all_bits(inserts), self.all_bits(deletes)

    def commit(self) -> None:
        if self.is_event:
            self.rows = []
        self.committed = list(self.rows)

    def rollback(self) -> None:
        self.rows = list(self.committed)
