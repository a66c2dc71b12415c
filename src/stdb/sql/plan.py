"""Plans a join: in which order its tables are read, and through which index each.

Every table is reached in one of a few ways, the best that the conditions allow given the tables
read before it: a whole key of an index (from constants or from columns of those tables), a list
of keys, a range of a B-tree, a hash table made for the query, or a scan. The order is greedy from
each possible first table, and the cheapest wins. What a plan estimates never changes its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from ..types import shapes as sh
from . import typed as t

if TYPE_CHECKING:
    from ..storage.index import Index
    from ..storage.table import Table

AccessKind = Literal["scan", "unique", "point", "points", "range", "hash"]
#: A plan whose tables have grown or shrunk by so much is made anew.
_REPLAN_FACTOR = 8
#: Every first table is tried up to so many tables.
_STARTS_MAX = 8
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "<>": "<>"}


class Bound(msgspec.Struct, eq=False):
    """An end of a range."""

    value: t.Expr
    inclusive: bool


class Access(msgspec.Struct, eq=False):
    """How the rows of a source are found.

    `keys` are the values of the leading columns of the index (all of them for ``unique`` and
    ``point``); of ``points``, the list. A ``hash`` looks `keys` up under `columns`.
    """

    kind: AccessKind
    rows: float
    index: int | None = None
    keys: list[t.Expr] = []
    low: Bound | None = None
    high: Bound | None = None
    columns: list[t.Column] = []
    used: list[t.Expr] = []


class Step(msgspec.Struct, eq=False):
    """One table of the plan: how it is reached, what its rows must fulfil.

    `build_filters` are tested when a hash table is made, `filters` for each row that comes, `late`
    after a LEFT JOIN has put in its empty row. `rows` is how many rows come out.
    """

    source: int
    table: Table
    alias: str
    access: Access
    filters: list[t.Expr]
    build_filters: list[t.Expr] = []
    late: list[t.Expr] = []
    is_left: bool = False
    rows: float = 0


class Plan(msgspec.Struct, eq=False):
    """The steps of one fragment, in order; `always` are conditions without columns."""

    steps: list[Step]
    always: list[t.Expr]
    cost: float
    sizes: list[tuple[Table, int]] = []


def may_outgrow(plan: Plan) -> bool:
    """Whether another plan could be better for tables of other sizes."""
    if len(plan.steps) > 1:
        return True
    step = plan.steps[0]
    is_best = step.access.kind in {"unique", "point"}
    return not is_best and bool(step.filters or step.access.used)


def is_outgrown(plan: Plan) -> bool:
    """Whether the tables are so much larger or smaller now that another plan may be better."""
    for table, size in plan.sizes:
        now = len(table.rows)
        if now > size * _REPLAN_FACTOR + 100 or size > now * _REPLAN_FACTOR + 100:
            return True
    return False


def plan_fragment(fragment: t.Fragment) -> Plan:
    """Return the plan of a fragment."""
    sources = fragment.sources
    always = [c for c in fragment.conjuncts if not t.sources_of(c)]
    if any(source.on is not None for source in sources):
        best = _Planner(fragment).in_order()
    else:
        sizes = sorted(range(len(sources)), key=lambda i: len(sources[i].table.rows))
        starts = sizes if len(sizes) <= _STARTS_MAX else sizes[:1]
        best = min((_Planner(fragment).greedy(start) for start in starts), key=lambda p: p.cost)
    best.always = always
    best.sizes = [(source.table, len(source.table.rows)) for source in sources]
    return best


def equality(conjunct: t.Expr, source: int, bound: set[int]) -> tuple[t.Column, t.Expr] | None:
    """Return column and value where `conjunct` fixes a column of `source` by what is bound."""
    if not isinstance(conjunct, t.Compare) or conjunct.operator != "=":
        return None
    for column, value in (
        (conjunct.left, conjunct.right),
        (conjunct.right, conjunct.left),
    ):
        if (
            isinstance(column, t.Column)
            and column.source == source
            and t.sources_of(value) <= bound
            and _have_the_same_keys(column.shape, value.shape)
        ):
            return column, value
    return None


def _have_the_same_keys(one: sh.Shape, other: sh.Shape) -> bool:
    """Whether equal values of both types are one key: integers of any width are."""
    both_integers = isinstance(one, sh.Int) and isinstance(other, sh.Int)
    return both_integers or one.algebraic() == other.algebraic()


def outer_first(fragment: t.Fragment) -> list[int]:
    """Return the two sources of a join in SpacetimeDB's order: the second is looked up.

    That is the right one, or the left one if a constant narrows the right one only.
    """
    order = [fragment.leftmost, 1 - fragment.leftmost]
    narrowed = [_is_narrowed(fragment, source) for source in order]
    return order[::-1] if narrowed == [False, True] else order


def _is_narrowed(fragment: t.Fragment, source: int) -> bool:
    """Whether a top-level term compares a column of `source` with a constant."""
    return any(
        isinstance(column, t.Column)
        and column.source == source
        and isinstance(value, t.Const | t.Sender)
        for term in fragment.conjuncts
        if isinstance(term, t.Compare)
        for column, value in ((term.left, term.right), (term.right, term.left))
    )


class _Planner:
    """Makes one plan of a fragment."""

    def __init__(self, fragment: t.Fragment) -> None:
        self.sources = fragment.sources
        #: Source -> the conjuncts that read it: number, expression, sources.
        self.touching: dict[int, list[tuple[int, t.Expr, set[int]]]] = {}
        for number, conjunct in enumerate(fragment.conjuncts):
            used = t.sources_of(conjunct)
            for source in used:
                self.touching.setdefault(source, []).append((number, conjunct, used))
        self.bound: set[int] = set()
        self.done: set[int] = set()
        self.steps: list[Step] = []
        self.rows = 1.0
        self.cost = 0.0

    def greedy(self, start: int) -> Plan:
        self.add(start)
        waiting = set(range(len(self.sources))) - {start}
        while waiting:
            self.add(min(waiting, key=self.rank))
            waiting = set(range(len(self.sources))) - self.bound
        return Plan(self.steps, [], self.cost)

    def in_order(self) -> Plan:
        for source in range(len(self.sources)):
            self.add(source)
        return Plan(self.steps, [], self.cost)

    def rank(self, source: int) -> tuple[bool, float]:
        """Prefer tables that are joined to those already there, then those that multiply least."""
        touching = self.touching.get(source, [])
        joined = any(used & self.bound for _, _, used in touching)
        access = self.access(source, [c for _, c, _ in touching])
        return (not joined, access.rows)

    def add(self, source: int) -> None:
        """Make `source` the next step."""
        described = self.sources[source]
        known = self.bound | {source}
        ready = [
            (i, c)
            for i, c, used in self.touching.get(source, [])
            if i not in self.done and used <= known
        ]
        self.done |= {i for i, _ in ready}
        conditions = [c for _, c in ready]
        if described.on is not None:
            access = self.access(source, described.on)
            filters = [c for c in described.on if c not in access.used]
            late = conditions
        else:
            access = self.access(source, conditions)
            filters = [c for c in conditions if c not in access.used]
            late = []
        step = Step(source, described.table, described.alias, access, filters, late=late)
        step.is_left = described.on is not None
        if access.kind == "hash":
            step.build_filters = [c for c in filters if t.sources_of(c) == {source}]
            step.filters = [c for c in filters if c not in step.build_filters]
        self.charge(step)
        self.steps.append(step)
        self.bound.add(source)

    def charge(self, step: Step) -> None:
        """Add what the step costs, and what it makes of the number of rows."""
        size = max(len(step.table.rows), 1)
        access = step.access
        if access.kind == "hash":
            self.cost += size * 1.5 + self.rows
        self.cost += self.rows * (0.5 + access.rows)
        after = self.rows * access.rows * _selectivity(step.filters)
        step.rows = self.rows = max(after, self.rows) if step.is_left else after

    # -- access paths ----------------------------------------------------------------------------

    def access(self, source: int, conditions: list[t.Expr]) -> Access:
        """Return the best way to the rows of `source`."""
        table = self.sources[source].table
        fixed: dict[int, tuple[t.Expr, t.Expr, t.Column]] = {}
        for condition in conditions:
            found = equality(condition, source, self.bound)
            if found is not None:
                fixed.setdefault(found[0].position, (condition, found[1], found[0]))
        ways = [Access("scan", float(max(len(table.rows), 1)))]
        for number, index in enumerate(table.indexes):
            way = self.through_index(source, table, number, index, fixed, conditions)
            if way is not None:
                ways.append(way)
        joined = [f for f in fixed.values() if t.sources_of(f[1])]
        if joined:
            rows = max(len(table.rows), 1) / _distinct(table, joined[0][2].position)
            ways.append(
                Access(
                    "hash",
                    max(rows, 1.0) if len(joined) == 1 else 1.0,
                    keys=[value for _, value, _ in joined],
                    columns=[column for _, _, column in joined],
                    used=[condition for condition, _, _ in joined],
                )
            )
            indexed = [w for w in ways if w.index is not None and w.rows <= ways[-1].rows * 2]
            return min(indexed, key=_rank) if indexed else ways[-1]
        return min(ways, key=_rank)

    def through_index(
        self,
        source: int,
        table: Table,
        number: int,
        index: Index,
        fixed: dict[int, tuple[t.Expr, t.Expr, t.Column]],
        conditions: list[t.Expr],
    ) -> Access | None:
        columns = index.definition.columns
        leading = 0
        while leading < len(columns) and columns[leading] in fixed:
            leading += 1
        size, distinct = max(len(table.rows), 1), max(len(index.map), 1)
        prefix = [fixed[p] for p in columns[:leading]]
        keys = [value for _, value, _ in prefix]
        used = [condition for condition, _, _ in prefix]
        if leading == len(columns):
            if index.unique:
                return Access("unique", 1.0, number, keys, used=used)
            return Access("point", max(size / distinct, 1.0), number, keys, used=used)
        if len(columns) == 1:
            points = self.points(source, columns[0], conditions)
            if points is not None:
                rows = len(points.items) * (1.0 if index.unique else size / distinct)
                return Access("points", rows, number, points.items, used=[points])
        if index.definition.algorithm == "hash":
            return None
        bounds = _bounds(source, columns[leading], conditions, self.bound)
        if not leading and not bounds:
            return None
        rows = size * (0.1**leading) * (0.3 if len(bounds) == 1 else 0.1 if bounds else 1.0)
        access = Access("range", max(rows, 1.0), number, keys, used=used)
        for condition, operator, value in bounds:
            bound = Bound(value, "=" in operator)
            if operator[0] == ">":
                access.low = bound
            else:
                access.high = bound
            access.used = [*access.used, condition]
        return access

    def points(self, source: int, position: int, conditions: list[t.Expr]) -> t.In | None:
        for condition in conditions:
            if (
                isinstance(condition, t.In)
                and not condition.negated
                and isinstance(condition.operand, t.Column)
                and (condition.operand.source, condition.operand.position) == (source, position)
                and all(isinstance(item, t.Const | t.Param | t.Sender) for item in condition.items)
                and all(
                    item.shape.algebraic() == condition.operand.shape.algebraic()
                    for item in condition.items
                )
            ):
                return condition
        return None


def _rank(access: Access) -> tuple[float, int]:
    order = ("unique", "point", "points", "range", "hash", "scan")
    return (access.rows, order.index(access.kind))


def _bounds(
    source: int, position: int, conditions: list[t.Expr], bound: set[int]
) -> list[tuple[t.Expr, str, t.Expr]]:
    """Return up to one lower and one upper bound of a column: condition, operator, value."""
    found: dict[str, tuple[t.Expr, str, t.Expr]] = {}
    for condition in conditions:
        if not isinstance(condition, t.Compare) or condition.operator in {"=", "<>"}:
            continue
        for column, operator, value in (
            (condition.left, condition.operator, condition.right),
            (condition.right, _FLIPPED[condition.operator], condition.left),
        ):
            if (
                isinstance(column, t.Column)
                and (column.source, column.position) == (source, position)
                and t.sources_of(value) <= bound
                and not value.nullable
                and _have_the_same_keys(column.shape, value.shape)
            ):
                found.setdefault(operator[0], (condition, operator, value))
    return list(found.values())


def _distinct(table: Table, position: int) -> int:
    """Return how many values a column has, as far as an index tells."""
    for index in table.indexes:
        if index.definition.columns == (position,):
            return max(len(index.map), 1)
    return max(len(table.rows) // 10, 1)


def _selectivity(filters: list[t.Expr]) -> float:
    part = 1.0
    for condition in filters:
        equal = isinstance(condition, t.Compare) and condition.operator == "="
        part *= 0.1 if equal or isinstance(condition, t.In | t.InRows) else 0.3
    return part


__all__ = [
    "Access",
    "Bound",
    "Plan",
    "Step",
    "equality",
    "is_outgrown",
    "may_outgrow",
    "outer_first",
    "plan_fragment",
]
