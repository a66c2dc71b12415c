"""A client of a random schema: what it subscribes to, and what its callbacks said."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.helpers.random_oracle import Oracle, Values, key_of
from tests.helpers.random_queries import Query
from tests.helpers.random_schema import Table

from stdb import Connection, Subscription


class Heard:
    """What the callbacks of one table said, replayed.

    Attributes
    ----------
    rows : set
        The rows that should be in the cache, by `key_of`.
    events : Counter
        The rows of an event table that came.
    """

    def __init__(self, table: Table, conn: Connection) -> None:
        self.table = table
        self.rows: set[Values] = set()
        self.events: Counter[Values] = Counter()
        cached = conn.db[table.name]
        cached.on_insert(self.inserted)
        if not table.is_event:
            cached.on_delete(self.deleted)
        if table.primary_key is not None and not table.is_event:
            cached.on_update(self.updated)

    def inserted(self, event: Any, row: Any) -> None:
        key = key_of(row)
        if self.table.is_event:
            self.events[key] += 1
            return
        assert key not in self.rows, f"{row} came twice"
        self.rows.add(key)

    def deleted(self, event: Any, row: Any) -> None:
        primary = self.table.primary_key
        if primary is not None:
            came = [key_of(each)[primary] for each in event.changes[self.table.name].inserted]
            assert key_of(row)[primary] not in came, f"{row} was updated"
        self.rows.remove(key_of(row))

    def updated(self, event: Any, old: Any, new: Any) -> None:
        primary = self.table.primary_key
        before, after = key_of(old), key_of(new)
        assert primary is not None
        assert before[primary] == after[primary], f"{old} is another row than {new}"
        self.rows.remove(before)
        self.rows.add(after)


class Client:
    """A connection, its subscriptions, and what they should give.

    Attributes
    ----------
    heard : dict
        Name of a table -> what its callbacks said, where there are any.
    handles : list
        The subscriptions, each with its queries.
    events : dict
        Name of an event table -> the rows that should have come.
    lacks_events : bool
        Whether it may have lost events: a client that starts anew has rows again, and no events.
    """

    def __init__(self, conn: Connection, watched: list[Table], *, is_manual: bool) -> None:
        self.conn = conn
        self.is_manual = is_manual
        self.heard = {table.name: Heard(table, conn) for table in watched}
        self.handles: list[tuple[Subscription, list[Query]]] = []
        self.events: dict[str, Counter[Values]] = {}
        self.lacks_events = False
        self.held: dict[str, Counter[Values]] = {}

    def expect_events(self, oracle: Oracle) -> None:
        """Note what a commit has for its subscriptions to event tables."""
        for _, queries in self.handles:
            for query in queries:
                if query.table.is_event:
                    found = oracle.counted(query, self.conn.identity)
                    self.events.setdefault(query.table.name, Counter()).update(found)

    def lose(self) -> None:
        """Something went wrong, and it has to start anew."""
        self.conn._client.lose()
        self.lacks_events = self.lacks_events or self.is_manual

    def catch_up(self) -> None:
        """Take what is new, if that has not happened."""
        if self.is_manual:
            self.conn.tick()
        elif self.conn._client.is_torn:
            self.conn._client.port.dispatcher.take_now(self.conn._client)

    def cached(self) -> dict[str, Counter[Values]]:
        """Return what is in its caches, as often as its queries give it."""
        held = {}
        for name, cache in self.conn._client.caches.items():
            held[name] = Counter(
                {key_of(row): cache.counts.get(key, 1) for key, row in cache.rows.items()}
            )
            assert len(held[name]) == len(cache.rows), f"{name}: a row is there twice"
        return {name: rows for name, rows in held.items() if rows}

    def check(self, wanted: dict[str, Counter[Values]]) -> None:
        """Assert that caches and callbacks are what the queries give: name -> rows."""
        self.held = self.cached()
        for name in {*self.held, *wanted, *self.heard}:
            rows = wanted.get(name, Counter())
            assert self.held.get(name, Counter()) == rows, f"the cache of {name}"
            if name in self.heard:
                assert self.heard[name].rows == set(rows), f"the callbacks of {name}"
        for name, heard in self.heard.items():
            if heard.table.is_event:
                self._check_events(name, heard)
        self.lacks_events = False

    def _check_events(self, name: str, heard: Heard) -> None:
        expected = self.events.setdefault(name, Counter())
        if self.lacks_events:
            assert heard.events <= expected, f"more events of {name} than there were"
            self.events[name] = Counter(heard.events)
        else:
            assert heard.events == expected, f"the events of {name}"

    def look_up(self) -> None:
        """Assert that each index finds the rows of the cache that it should."""
        for name, cache in self.conn._client.caches.items():
            table = self.conn.db[name]
            rows = list(table)
            for info in list(cache.index_infos.values()):
                for row in rows:
                    values = [tuple(row)[column] for column in info.columns]
                    found = Counter(map(key_of, table[info.name].filter(*values)))
                    same = [
                        each
                        for each in map(key_of, rows)
                        if [each[c] for c in info.columns] == [key_of(row)[c] for c in info.columns]
                    ]
                    assert found == Counter(same), f"index {info.name} of {name}"


__all__ = ["Client"]
