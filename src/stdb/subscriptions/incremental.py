"""Queries whose results are kept inside the database, and follow the tables within transactions.

Subscribers are told of a transaction when it is over. Rows that are kept beside the tables, as
those of views, have to change before it commits, perhaps several times while it is open, and to be
what they were where it is undone. So every delta here leads from the beginning of the transaction
to this moment: whoever has applied an earlier one applies what the two differ in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from .auxiliary import Auxiliary
from .feed import Feed, changes_for, changes_of
from .query import LiveQuery
from .template import Template, lift, signature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..sql.typed import Query
    from ..storage.table import Table
    from .feed import Hits
    from .query import Changes
    from .sink import Pair

#: How many templates stay compiled.
_TEMPLATES_MAX = 1024


class KeptQuery(LiveQuery):
    """A query whose result somebody keeps: `keepers` do.

    Attributes
    ----------
    sql : str
    keepers : dict
        Who, in the order in which they came.
    is_incremental : bool
        Whether there are deltas of it. The rows of an event table go without a change to tell of.
    """

    __slots__ = ("is_incremental", "keepers", "sql")

    def __init__(self, sql: str, template: Template, constants: tuple[Any, ...]) -> None:
        super().__init__(sql, template, constants, None)
        self.sql = sql
        self.keepers: dict[Any, None] = {}
        self.is_incremental = not any(part.table.is_event for part in self.parts)

    def result(self) -> list[Any]:
        """Return the present rows; that of a join may have one of them several times."""
        return self.template.rows(self.constants, None)


class _Auxiliary(Auxiliary):
    """An index that is right at any moment of a transaction, and after it is undone."""

    def __init__(self, table: Table, columns: tuple[int, ...]) -> None:
        super().__init__(table, columns)
        self._taken: list[Pair] = []

    def follow(self, pairs: list[Pair]) -> None:
        """Let the index be as the net changes of the open transaction have the table."""
        on_undo = self.table.state.on_undo
        if self not in on_undo:
            self._taken = []
            on_undo.append(self)
        self.rolled_back()
        self._taken = pairs
        self.take(pairs)

    def rolled_back(self) -> None:
        """Be as before the transaction; again does no harm."""
        if self.users:
            self.take([(key, old, new) for key, new, old in self._taken])


class IncrementalQueries:
    """The queries of one store that are kept.

    Everything from `keep` on belongs into the open read-write transaction.

    Attributes
    ----------
    queries : dict
        Text -> query, of those that are kept.
    """

    def __init__(self) -> None:
        self._feeds: dict[Table, Feed] = {}
        self._auxiliaries: dict[tuple[Table, tuple[int, ...]], _Auxiliary] = {}
        self._templates: dict[Any, Template] = {}
        self.queries: dict[str, KeptQuery] = {}

    def compile(self, sql: str, checked: Query) -> tuple[Template, tuple[Any, ...]]:
        """Return the code of a query, which it shares with those like it, and its constants."""
        lifted, constants = lift(checked)
        key = signature(lifted)
        template = self._templates.get(key)
        if template is None:
            template = Template(lifted, sql, self._find_auxiliary)
            if len(self._templates) >= _TEMPLATES_MAX:
                self._templates.pop(next(iter(self._templates)))
            self._templates[key] = template
        return template, constants

    def query(self, sql: str, template: Template, constants: tuple[Any, ...]) -> KeptQuery:
        """Return the query of a text: that which is kept, or a new one."""
        return self.queries.get(sql) or KeptQuery(sql, template, constants)

    def forget_templates(self) -> None:
        """Compile everything anew from here on: the tables have changed."""
        self._templates.clear()

    def _find_auxiliary(self, table: Table, columns: tuple[int, ...]) -> Auxiliary:
        key = (table, columns)
        if key not in self._auxiliaries:
            self._auxiliaries[key] = _Auxiliary(table, columns)
        return self._auxiliaries[key]

    # -- who keeps what --------------------------------------------------------------------------

    def keep(self, query: KeptQuery, keeper: object) -> None:
        """Let `keeper` be told of the changes to a query; again does no harm."""
        if not query.keepers:
            self.queries[query.sql] = query
            for part in query.parts:
                self._feed(part.table).place(part)
            for auxiliary in _auxiliaries(query):
                self._feed(auxiliary.table).auxiliaries[auxiliary] = None
                auxiliary.use(query)
                auxiliary.follow(changes_of(auxiliary.table))
        query.keepers[keeper] = None

    def leave(self, query: KeptQuery, keeper: object) -> None:
        """End what `keep` began, or was interrupted in; nothing happens where it is over."""
        query.keepers.pop(keeper, None)
        if query.keepers:
            return
        for part in query.parts:
            self._feed(part.table).discard(part)
        for auxiliary in _auxiliaries(query):
            auxiliary.leave(query)
            if not auxiliary.users:
                self._feed(auxiliary.table).auxiliaries.pop(auxiliary, None)
        for table in {part.table for part in query.parts}:
            if not self._feed(table).is_needed:
                del self._feeds[table]
        if self.queries.get(query.sql) is query:
            del self.queries[query.sql]

    def _feed(self, table: Table) -> Feed:
        feed = self._feeds.get(table)
        if feed is None:
            feed = self._feeds[table] = Feed(table)
        return feed

    # -- deltas ----------------------------------------------------------------------------------

    def affected(self, touched: Iterable[Table]) -> dict[KeptQuery, Changes]:
        """Return the queries that the open transaction concerns, with the changes that do."""
        hits: Hits = {}
        for table in dict.fromkeys(touched):
            feed = self._feeds.get(table)
            if feed is not None:
                pairs = feed.changes()
                for auxiliary in cast("dict[_Auxiliary, None]", feed.auxiliaries):
                    auxiliary.follow(pairs)
                feed.hit(pairs, hits)
        found: dict[KeptQuery, Changes] = {}
        for part, pairs in hits.items():
            found.setdefault(cast("KeptQuery", part.query), {})[part.place] = pairs
        return found

    def delta(self, query: KeptQuery, changes: Changes | None = None) -> dict[Any, int]:
        """Return what the open transaction does to a result: row -> how many more of it.

        Without `changes` they are looked for.
        """
        if changes is None:
            for auxiliary in _auxiliaries(query):
                auxiliary.follow(changes_of(auxiliary.table))
            changes = {part.place: changes_for(part) for part in query.parts}
        if not any(changes.values()):
            return {}
        return {row: count for row, count in query.counts(changes).items() if count}


def _auxiliaries(query: KeptQuery) -> list[_Auxiliary]:
    found = [each for code in query.template.fragments for each in code.auxiliaries]
    return list(dict.fromkeys(found))


__all__ = ["IncrementalQueries", "KeptQuery"]
