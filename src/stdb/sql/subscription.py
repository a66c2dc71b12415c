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
from .names import OWNER, Fault
from .parser import parse
from .plan import equality, outer_first
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
    if query.unplannable is not None:
        raise query.unplannable
    for fragment in query.fragments:
        if len(fragment.sources) > 2:
            raise fault(
                f"the number of tables in a subscription is at most 2, here "
                f"{len(fragment.sources)} (row-level security included)",
                0,
            )
        if len(fragment.sources) == 2:
            _check_join(fragment, fault)
            _check_event(fragment, query.whole or 0, fault)
    return query


def check_rule(sql: str, schema: Schema, rights: Rights) -> t.Query:
    """Return the checked query of a row-level-security rule, before rules are applied to it."""
    return _whole_rows(sql, schema, rights, Fault(sql))


def declare_rule(sql: str, schema: Schema) -> str:
    """Return the name of the table that a rule of row-level security guards, as it is declared.

    Parameters
    ----------
    sql : str
        The text of ``client_visibility_filter``.
    schema : mapping of str to Table
        The tables that there are.

    Raises
    ------
    SqlError
        It is no subscription query, or returns rows of a private table or of a view. What hangs
        on the caller, or on other rules, is found when a query meets the rule.
    """
    query = check_rule(sql, schema, OWNER)
    source = query.fragments[0].sources[query.whole or 0]
    fault = Fault(sql)
    if source.table.is_view:
        raise fault(f"a rule guards a table, and {source.table.name!r} is a view", source.position)
    if not source.table.definition.is_public:
        raise fault(
            f"table {source.table.name!r} is private: clients do not see it, so it needs no rule",
            source.position,
        )
    return source.table.name


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
        if isinstance(conjunct, t.Compare) and conjunct.is_on
    ]
    if not joins:
        raise fault(
            "a subscription joins by an index: JOIN … ON a.x = b.y with an index on both columns",
            fragment.sources[1].position,
        )
    inner = outer_first(fragment)[1]
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


def _check_event(fragment: t.Fragment, returned: int, fault: Fault) -> None:
    """Raise where rows of a table would be in the result by rows that are gone at once."""
    other = fragment.sources[1 - returned]
    if other.table.is_event:
        raise fault(
            f"event table {other.table.name!r} has no rows after its transaction, so nothing is "
            f"joined with them: a subscription returns its rows ({other.alias}.*) or leaves it out",
            other.position,
        )


__all__ = ["check_rule", "check_subscription", "declare_rule", "quoted"]
