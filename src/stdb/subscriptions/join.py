"""Writes the delta of a join: what the changes of two tables do to the rows that they give.

With R' and S' as they are after the commit, and dR, dS what the commit added and took away, the
change of R ⋈ S is  dR ⋈ S'  +  R' ⋈ dS  -  dR ⋈ dS.  Each term goes from changed rows to rows found
by an index, so its cost is that of the changes, whatever the size of the tables. Rows are counted:
one that joins with several is several times in the result.

An event table has no rows after the commit: it gives its new rows joined with S', and no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..sql import typed as t
from ..sql.generate_join import some
from ..sql.plan import equality

if TYPE_CHECKING:
    from ..sql.generate_expression import ExpressionWriter
    from .auxiliary import Auxiliary, FindAuxiliary


class _JoinDelta:
    def __init__(
        self,
        writer: ExpressionWriter,
        fragment: t.Fragment,
        returned: int,
        find_auxiliary: FindAuxiliary,
    ) -> None:
        self.writer = writer
        self.c = writer.c
        self.fragment = fragment
        self.returned = returned
        self.find_auxiliary = find_auxiliary
        self.auxiliaries: list[Auxiliary] = []
        self.own = [[c for c in fragment.conjuncts if t.sources_of(c) <= {s}] for s in (0, 1)]

    def write(self) -> list[str]:
        is_event = [source.table.is_event for source in self.fragment.sources]
        lines = ["def delta(pairs0, pairs1):", "    counts = {}", "    get = counts.get"]
        for changed in (0, 1):
            if not is_event[1 - changed]:
                lines += ["    " + line for line in self.term(changed)]
        if not any(is_event):
            lines += ["    if pairs0 and pairs1:"]
            lines += ["        " + line for line in self.cross()]
        return [*lines, "    return counts", "return delta"]

    def changed_rows(self, source: int) -> list[str]:
        """Return the head of a loop over the rows that came (1) and went (-1)."""
        row = f"r{source}"
        return [
            f"for _, new, old in pairs{source}:",
            f"    for {row}, sign in ((new, 1), (old, -1)):",
            f"        if {row} is None or not ({self.writer.tests(self.own[source]) or 'True'}):",
            "            continue",
        ]

    def term(self, changed: int) -> list[str]:
        """Return the loops of one term: from changed rows to those they join with."""
        other = 1 - changed
        found, used = self.look_up(changed)
        rest = [c for c in self.fragment.conjuncts if c not in self.own[changed] and c not in used]
        lines = self.changed_rows(changed)
        lines.append(f"        for r{other} in {found}:")
        if rest:
            lines += [
                f"            if not ({self.writer.tests(rest)}):",
                "                continue",
            ]
        return [*lines, "            " + self.count("sign")]

    def count(self, sign: str) -> str:
        row = f"r{self.returned}"
        return f"counts[{row}] = get({row}, 0) + {sign}"

    def cross(self) -> list[str]:
        """Return the loops of dR ⋈ dS, by a table of the changed rows of the second source."""
        pairs = self.join_columns(1)
        keys = [self.key_of(column) for column, _, _ in pairs]
        others = [self.writer.key(value, self.writer.value(value)) for _, value, _ in pairs]
        used = [conjunct for _, _, conjunct in pairs]
        rest = [c for c in self.fragment.conjuncts if c not in used and len(t.sources_of(c)) == 2]
        lines = [
            "changed = {}",
            *self.changed_rows(1),
            f"        changed.setdefault({_tuple(keys)}, []).append((r1, sign))",
            *self.changed_rows(0),
            f"        for r1, other in changed.get({_tuple(others)}, ()):",
        ]
        if rest:
            lines += [
                f"            if not ({self.writer.tests(rest)}):",
                "                continue",
            ]
        return [*lines, "            " + self.count("(-sign if other > 0 else sign)")]

    def key_of(self, column: t.Column) -> str:
        return self.writer.key(column, self.writer.value(column))

    def join_columns(self, source: int) -> list[tuple[t.Column, t.Expr, t.Expr]]:
        """Return the columns of `source` that the other one fixes: column, value, conjunct."""
        found = []
        seen = set()
        for conjunct in self.fragment.conjuncts:
            equal = equality(conjunct, source, {1 - source})
            if equal is not None and t.sources_of(equal[1]) and equal[0].position not in seen:
                seen.add(equal[0].position)
                found.append((*equal, conjunct))
        return found

    def look_up(self, changed: int) -> tuple[str, list[t.Expr]]:
        """Return source for the rows that a changed row joins with, and the conjuncts it covers."""
        other = 1 - changed
        table = self.fragment.sources[other].table
        joined = self.join_columns(other)
        by_position = {column.position: (value, conjunct) for column, value, conjunct in joined}
        fixed = dict(by_position)
        for conjunct in self.own[other]:
            equal = equality(conjunct, other, set())
            if equal is not None and not equal[0].nullable:
                fixed.setdefault(equal[0].position, (equal[1], conjunct))
        usable = [
            index
            for index in table.indexes
            if all(p in fixed for p in index.definition.columns)
            and any(p in by_position for p in index.definition.columns)
        ]
        if usable:
            index = min(usable, key=lambda each: (not each.unique, -len(each.definition.columns)))
        else:
            auxiliary = self.find_auxiliary(table, tuple(sorted(by_position)))
            self.auxiliaries.append(auxiliary)
            index = auxiliary.index
        chosen = [fixed[p] for p in index.definition.columns]
        keys = [self.writer.key(value, self.writer.value(value)) for value, _ in chosen]
        get = self.c.name(index.map.get, "find")
        rows = self.c.name(some, "some")
        return f"{rows}({get}({_tuple(keys)}))", [conjunct for _, conjunct in chosen]


def _tuple(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def write_join(
    writer: ExpressionWriter, fragment: t.Fragment, returned: int, find_auxiliary: FindAuxiliary
) -> tuple[list[str], tuple[Any, ...]]:
    """Return the lines that define and return ``delta(pairs0, pairs1) -> {row: count}``.

    Also the auxiliary indexes that it looks into.
    """
    delta = _JoinDelta(writer, fragment, returned, find_auxiliary)
    return delta.write(), tuple(delta.auxiliaries)


__all__ = ["write_join"]
