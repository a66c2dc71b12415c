"""How many rows a query will read, as SpacetimeDB estimates it: what ``row_limit`` bounds.

The estimate is that of SpacetimeDB's planner, not of ours, so that a limit means the same in both:
tables are joined as they are written, an index helps only when all of its columns are fixed, and
ranges are scans. (Our plans read less.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from . import typed as t
from .plan import equality, outer_first

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..storage.index import Index
    from ..storage.table import Table
    from .names import Fault, Schema

_MAX = 2**64 - 1
#: An index of more columns is not looked up.
_LOOKED_UP_MAX = 3


class Estimate(NamedTuple):
    """Rows that are read to get so many out."""

    scanned: int
    out: int

    def filtered(self, conditions: Iterable[t.Expr]) -> Estimate:
        """Return what it takes to test each row, if there is anything to test."""
        return Estimate(self.scanned + self.out, self.out) if list(conditions) else self


def estimate_fragment(fragment: t.Fragment, limit: int | None = None) -> int:
    """Return the estimated number of rows that are read for one fragment."""
    order = [fragment.leftmost, *range(len(fragment.sources))]
    order = list(dict.fromkeys(order))
    own = {i: [c for c in fragment.conjuncts if t.sources_of(c) == {i}] for i in order}
    if len(order) == 1:
        return min(_alone(fragment, order[0], own[order[0]], limit).scanned, _MAX)
    if len(order) == 2:
        order = outer_first(fragment)
    estimate = _alone(fragment, order[0], own[order[0]], None)
    joined = {order[0]}
    rest = [c for c in fragment.conjuncts if len(t.sources_of(c)) > 1]
    for source in order[1:]:
        on = next((c for c in rest if _relates(c, source, joined)), None)
        if on is not None:
            rest.remove(on)
        estimate = _join(fragment, estimate, source, own[source], on, joined)
        joined.add(source)
    return min(estimate.filtered(rest).scanned, _MAX)


def _relates(conjunct: t.Expr, source: int, joined: set[int]) -> bool:
    return (
        isinstance(conjunct, t.Compare)
        and conjunct.is_on
        and equality(conjunct, source, joined) is not None
    )


def _alone(
    fragment: t.Fragment, source: int, conditions: list[t.Expr], limit: int | None
) -> Estimate:
    """Return the estimate for one table and the conditions on it alone."""
    table = fragment.sources[source].table
    equal = {
        found[0].position: condition
        for condition in reversed(conditions)
        if (found := equality(condition, source, set())) is not None
    }
    for index in table.indexes:
        columns = index.definition.columns
        if len(columns) <= _LOOKED_UP_MAX and set(columns) <= equal.keys():
            rows = _fan(table, index)
            used = [equal[column] for column in columns]
            rest = [c for c in conditions if c not in used]
            break
    else:
        rows, rest = len(table.rows), conditions
    if limit is not None and not rest:
        return Estimate(limit, limit)
    return Estimate(rows, rows).filtered(rest)


def _join(
    fragment: t.Fragment,
    left: Estimate,
    source: int,
    conditions: list[t.Expr],
    on: t.Expr | None,
    joined: set[int],
) -> Estimate:
    """Return the estimate for what is there joined with one more table."""
    table = fragment.sources[source].table
    found = equality(on, source, joined) if on is not None else None
    fixed = {
        equal[0].position
        for condition in conditions
        if (equal := equality(condition, source, set())) is not None
    }
    for index in table.indexes if found is not None else ():
        *before, last = index.definition.columns
        if found is not None and last == found[0].position and set(before) <= fixed:
            fan = 1 if index.unique else _fan(table, index)
            out = left.out * fan
            return Estimate(left.scanned + out, out).filtered(conditions)
    right = _alone(fragment, source, conditions, None)
    out = left.out * right.out
    return Estimate(left.scanned + right.scanned + out, out)


def _fan(table: Table, index: Index) -> int:
    """Return how many rows one key has."""
    return len(table.rows) // max(len(index.map), 1)


def check_row_limit(queries: Sequence[t.Query], schema: Schema, fault: Fault) -> None:
    """Raise `SqlError` when the queries of a client together read more rows than is allowed."""
    row = schema["st_var"].rows.get("row_limit") if "st_var" in schema else None
    if row is None:
        return
    allowed = getattr(row.value, "value", None)
    if not isinstance(allowed, int):
        return
    estimate = sum(map(estimate_query, queries))
    if estimate > allowed:
        raise fault(
            f"estimated cardinality ({estimate} rows) exceeds the limit ({allowed} rows)", None
        )


def estimate_query(query: t.Query) -> int:
    """Return the estimated number of rows that a query reads."""
    pushed = query.whole is not None and isinstance(query.limit, t.Const)
    limit = query.limit.value if pushed and isinstance(query.limit, t.Const) else None
    return sum(estimate_fragment(fragment, limit) for fragment in query.fragments)


__all__ = ["check_row_limit", "estimate_fragment", "estimate_query"]
