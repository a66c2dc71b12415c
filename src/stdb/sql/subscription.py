"""Checks what clients subscribe to, and the rules of row-level security: the narrow dialect.

A subscription returns whole rows of one table, and reads at most one other, through an index, so
that a change is weighed in the time of a look-up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..errors import SqlError
from . import syntax as s
from . import typed as t
from .check_select import check_select
from .names import Fault
from .parser import parse
from .plan import equality
from .rules import apply_rules
from .run import LENGTH_MAX
from .strict import refuse_extensions

if TYPE_CHECKING:
    from .names import Rights, Schema

_EVERYTHING: Final = re.compile(r"select\s*\*\s*from\s*\*", re.IGNORECASE)


def check_subscription(sql: str, schema: Schema, rights: Rights) -> list[t.Query]:
    """Return the checked queries that a subscription asks for.

    Parameters
    ----------
    sql : str
        The text; ``SELECT * FROM *`` asks for every readable table of the module but event tables.
    schema : mapping of str to Table
        The tables that there are.
    rights : Rights
        Who asks.

    Returns
    -------
    list of Query
        One, but for ``SELECT * FROM *``.

    Raises
    ------
    SqlError
        It is no subscription query.
    """
    text = sql.strip()
    if not _EVERYTHING.fullmatch(text):
        return [_check(text, schema, rights)]
    names = [
        table.name
        for table in schema.values()
        if not table.definition.is_system
        and not table.is_event
        and (rights.owner or table.definition.is_public)
    ]
    return [_check(f"SELECT * FROM {quoted(name)}", schema, rights) for name in names]  # noqa: S608


def quoted(name: str) -> str:
    """Return a table's name as SQL."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def _check(sql: str, schema: Schema, rights: Rights) -> t.Query:
    fault = Fault(sql)
    query = _whole_rows(sql, schema, rights, fault)
    if not rights.owner:
        apply_rules(query, schema, rights, fault, strict=True)
    for fragment in query.fragments:
        if len(fragment.sources) > 2:
            raise fault(
                f"the number of tables in a subscription is at most 2, here "
                f"{len(fragment.sources)} (row-level security included)",
                0,
            )
        if len(fragment.sources) == 2:
            _check_join(fragment, fault)
    return query


def check_rule(sql: str, schema: Schema, rights: Rights) -> t.Query:
    """Return the checked query of a row-level-security rule, before rules are applied to it."""
    return _whole_rows(sql, schema, rights, Fault(sql))


def _whole_rows(sql: str, schema: Schema, rights: Rights, fault: Fault) -> t.Query:
    if len(sql.encode("utf-8", "surrogatepass")) > LENGTH_MAX:
        raise SqlError(f"the length of the query exceeds {LENGTH_MAX} bytes", sql=sql)
    statement = parse(sql)
    if not isinstance(statement, s.Select):
        raise fault("unsupported: a subscription is a SELECT", statement.position)
    if statement.limit_position is not None:
        raise fault("unsupported: LIMIT in a subscription", statement.limit_position)
    refuse_extensions(statement, fault)
    query = check_select(statement, schema, rights, fault, strict=True)
    if query.whole is None:
        raise fault(
            "a subscription returns whole rows of one table: SELECT * or t.*",
            statement.items[0].position,
        )
    return query


def _check_join(fragment: t.Fragment, fault: Fault) -> None:
    """Raise unless the join can look one side up by an index."""
    joins = [
        conjunct
        for conjunct in fragment.conjuncts
        if equality(conjunct, 0, {1}) and len(t.sources_of(conjunct)) == 2
    ]
    if not joins:
        raise fault(
            "a subscription joins by an index: JOIN … ON a.x = b.y with an index on both columns",
            fragment.sources[1].position,
        )
    filtered = [_is_filtered(fragment, source) for source in (0, 1)]
    inner = 0 if filtered[1] and not filtered[0] else 1
    table = fragment.sources[inner].table
    if table.is_event:
        raise fault(
            f"event table {table.name!r} cannot be the side that is looked up",
            fragment.sources[inner].position,
        )
    found = equality(joins[0], inner, {1 - inner})
    column = found[0].position if found else -1
    constant = {
        equal[0].position
        for conjunct in fragment.conjuncts
        if (equal := equality(conjunct, inner, set())) is not None
    }
    for index in table.definition.indexes:
        *before, last = index.columns
        if last == column and set(before) <= constant:
            return
    raise fault(
        f"the join column of {table.name!r} needs an index: a subscription looks its rows up by it",
        fragment.sources[inner].position,
    )


def _is_filtered(fragment: t.Fragment, source: int) -> bool:
    """Whether a top-level term compares a column of `source` with a constant."""
    return any(
        isinstance(conjunct, t.Compare | t.In) and t.sources_of(conjunct) == {source}
        for conjunct in fragment.conjuncts
    )


__all__ = ["check_rule", "check_subscription", "quoted"]
