"""Row-level security: what a client reads of a table with rules is what its rules let through.

Each reference to such a table is replaced by the rows of its rules, together: a row that two rules
admit comes twice. A query with several references has a variant for each combination. A rule may
mention other tables, whose rules hold there too, but not its own table's.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec

from . import syntax as s
from . import typed as t
from .names import Fault

if TYPE_CHECKING:
    from .names import Rights, Schema

#: How many variants a query may have.
_VARIANTS_MAX = 1000


def apply_rules(
    query: t.Query, schema: Schema, rights: Rights, fault: Fault, *, strict: bool
) -> None:
    """Replace the tables of a checked query by what the rules let through.

    Raises
    ------
    SqlError
        A rule is wrong for this caller, or rules need each other in a circle.
    """
    if not any(rights.rules.get(source.table.name) for source in query.fragments[0].sources):
        return
    fragment = query.fragments[0]
    for source in fragment.sources:
        if source.on is not None:
            raise fault("unsupported: LEFT JOIN of tables with row-level security", source.position)
    expander = _Expander(schema, rights, query, fault)
    query.fragments = expander.expand(fragment, (), frozenset())
    is_bare = len(fragment.sources) == 1 and not fragment.conjuncts and query.whole is not None
    query.limit_each = (
        strict
        and is_bare
        and query.limit is not None
        and all(len(f.sources) == 1 and not f.conjuncts for f in query.fragments)
    )


class _Expander:
    def __init__(self, schema: Schema, rights: Rights, query: t.Query, fault: Fault) -> None:
        self.schema = schema
        self.rights = rights
        self.query = query
        self.fault = fault

    def expand(
        self, fragment: t.Fragment, path: tuple[str, ...], spared: frozenset[int]
    ) -> list[t.Fragment]:
        """Return the variants of `fragment`; the sources in `spared` stay as they are."""
        choices: list[list[tuple[int, t.Fragment, int]]] = []
        for number, source in enumerate(fragment.sources):
            texts = self.rights.rules.get(source.table.name, ())
            if not texts or number in spared:
                continue
            choices.append(
                [
                    (number, variant, returned)
                    for text in texts
                    for variant, returned in self.rule(text, source.table.name, path)
                ]
            )
        total = 1
        for options in choices:
            total *= len(options)
        if total > _VARIANTS_MAX:
            raise self.fault(
                f"row-level security makes {total} variants of this query; the limit is "
                f"{_VARIANTS_MAX}",
                0,
            )
        return [_merged(fragment, combination) for combination in itertools.product(*choices)]

    def rule(self, text: str, table: str, path: tuple[str, ...]) -> list[tuple[t.Fragment, int]]:
        """Return the variants of a rule, each with the source whose rows it returns."""
        from .subscription import check_rule

        if table in path:
            raise self.fault(
                f"cyclic row-level security: the rules of {' -> '.join((*path, table))} need "
                "each other",
                0,
            )
        checked = check_rule(text, self.schema, self.rights)
        returned = checked.whole or 0
        fragment = checked.fragments[0]
        self.query.uses_sender = self.query.uses_sender or checked.uses_sender
        self.query.unplannable = self.query.unplannable or checked.unplannable
        own = frozenset(
            i for i, source in enumerate(fragment.sources) if source.table.name == table
        )
        return [(variant, returned) for variant in self.expand(fragment, (*path, table), own)]


def _merged(
    fragment: t.Fragment, combination: tuple[tuple[int, t.Fragment, int], ...]
) -> t.Fragment:
    """Return `fragment` with the chosen rules joined to the sources that they guard."""
    sources = list(fragment.sources)
    conjuncts = list(fragment.conjuncts)
    leftmost = fragment.leftmost
    for number, rule, returned in combination:
        moved: dict[int, int] = {}
        for i, source in enumerate(rule.sources):
            if i == returned:
                moved[i] = number
                continue
            moved[i] = len(sources)
            alias = f"{fragment.sources[number].alias}.{source.alias}"
            sources.append(t.Source(alias, source.table, source.position))
        conjuncts += [_renumbered(conjunct, moved) for conjunct in rule.conjuncts]
        if number == leftmost:
            leftmost = moved[rule.leftmost]
    return t.Fragment(sources, conjuncts, leftmost)


def _renumbered(expr: t.Expr, moved: dict[int, int]) -> t.Expr:
    """Return `expr` over sources with other numbers."""
    if isinstance(expr, t.Column):
        return msgspec.structs.replace(expr, source=moved[expr.source])
    changes: dict[str, object] = {}
    for name in expr.__struct_fields__:
        part = getattr(expr, name)
        if isinstance(part, t.Expr):
            changes[name] = _renumbered(part, moved)
        elif isinstance(part, list):
            changes[name] = [
                _renumbered(each, moved) if isinstance(each, t.Expr) else each for each in part
            ]
    return msgspec.structs.replace(expr, **changes) if changes else expr


__all__ = ["apply_rules", "s"]
