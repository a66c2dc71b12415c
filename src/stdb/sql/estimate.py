"""How many rows a query will read, as SpacetimeDB estimates it: what ``row_limit`` bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import typed as t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .names import Fault, Schema
    from .plan import Plan, Step
    from .run import PreparedQuery

_MAX = 2**64 - 1


def estimate_plan(plan: Plan, limit: int | None = None) -> int:
    """Return the estimated number of rows read by one fragment."""
    scanned = out = 0
    for number, step in enumerate(plan.steps):
        if number == 0:
            scanned, out, filters = _first(step)
            if limit is not None and len(plan.steps) == 1 and not filters and not plan.always:
                return limit
            if filters or plan.always:
                scanned += out
        else:
            scanned, out = _joined(step, scanned, out)
    return min(scanned, _MAX)


def _first(step: Step) -> tuple[int, int, bool]:
    size = len(step.table.rows)
    if step.access.kind in {"unique", "point"}:
        index = step.table.indexes[step.access.index or 0]
        rows = size // max(len(index.map), 1)
        return rows, rows, bool(step.filters)
    return size, size, bool(step.filters or step.access.kind != "scan")


def _joined(step: Step, scanned: int, out: int) -> tuple[int, int]:
    size = len(step.table.rows)
    access = step.access
    if access.kind == "unique":
        scanned += out
    elif access.kind == "point":
        fan = size // max(len(step.table.indexes[access.index or 0].map), 1)
        scanned, out = scanned + out * fan, out * fan
    else:
        scanned, out = scanned + size + out * size, out * size
    if step.filters or step.build_filters:
        scanned += out
    return scanned, out


def check_row_limit(queries: Sequence[PreparedQuery], schema: Schema, fault: Fault) -> None:
    """Raise `SqlError` when the queries together read more rows than the limit allows."""
    row = schema["st_var"].rows.get("row_limit") if "st_var" in schema else None
    if row is None:
        return
    allowed = getattr(row.value, "value", None)
    if not isinstance(allowed, int):
        return
    estimate = 0
    for query in queries:
        limit = query.query.limit
        pushed = query.query.whole is not None and isinstance(limit, t.Const)
        bound = limit.value if pushed and isinstance(limit, t.Const) else None
        estimate += sum(estimate_plan(plan, bound) for plan in query.plans)
    if estimate > allowed:
        raise fault(
            f"estimated cardinality ({estimate} rows) exceeds the limit ({allowed} rows)", None
        )
