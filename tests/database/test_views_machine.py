"""Random views over random tables: what is kept always equals what it would be computed to.

A view is drawn as a list of parts, or as a query. Each says twice what it reads: through the
handles that note reads, or as a query whose rows follow the tables; and on plain lists, which knows
nothing of either.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

import stdb
from stdb import (
    AnonymousViewContext,
    Identity,
    Module,
    Query,
    Row,
    ViewContext,
    ViewError,
    index,
    u8,
    unique,
)
from stdb.subscriptions.feed import Several

if TYPE_CHECKING:
    from collections.abc import Callable

SENDERS = [Identity(number) for number in range(3)]
KEYS = st.integers(0, 2)


#: Makes row classes of these classes, for the modules that are made again and again.
template = Module("template")


@template.table(name="a")
class A(Row):
    id: u8 = stdb.primary_key()
    k: u8 = index()
    word: str = index("hash")
    n: u8


@template.table(name="b")
class B(Row):
    k: u8
    j: u8
    v: u8 = index()
    by_k_j = unique("k", "j")


Part = tuple[str, int, int]
#: Kind -> what it reads through handles, of ``(db, c, d)``; and on lists, of ``(a, b, c, d)``.
#: ``c`` and ``d`` are drawn; of a view with a sender, ``c`` is the sender's number.
PARTS: dict[str, tuple[Callable[..., list[Any]], Callable[..., list[Any]]]] = {
    "key": (
        lambda db, c, d: list(db.a.k.filter(c)),
        lambda a, b, c, d: [r for r in a if r.k == c],
    ),
    "find": (
        lambda db, c, d: [row for row in [db.a.id.find(c)] if row],
        lambda a, b, c, d: [r for r in a if r.id == c],
    ),
    "hash": (
        lambda db, c, d: list(db.a.word.filter("xyz"[c])),
        lambda a, b, c, d: [r for r in a if r.word == "xyz"[c]],
    ),
    "range": (
        lambda db, c, d: list(db.a.k.filter(ge=c, lt=c + d)),
        lambda a, b, c, d: [r for r in a if c <= r.k < c + d],
    ),
    "all": (
        lambda db, c, d: [r for r in db.a if r.id != d],
        lambda a, b, c, d: [r for r in a if r.id != d],
    ),
    "count": (
        lambda db, c, d: list(db.a.k.filter(d)) if db.b.count() > c else [],
        lambda a, b, c, d: [r for r in a if r.k == d] if len(b) > c else [],
    ),
    "pair": (
        lambda db, c, d: list(db.a.k.filter(d)) if db.b.by_k_j.find(c, d) else [],
        lambda a, b, c, d: [r for r in a if r.k == d]
        if any((r.k, r.j) == (c, d) for r in b)
        else [],
    ),
    "prefix": (
        lambda db, c, d: [r for each in db.b.by_k_j.filter(c) for r in db.a.k.filter(each.j)],
        lambda a, b, c, d: [r for each in b if each.k == c for r in a if r.k == each.j],
    ),
    "walk": (
        lambda db, c, d: [r for each in db.b.v.filter(c) for r in db.a.k.filter(each.k)],
        lambda a, b, c, d: [r for each in b if each.v == c for r in a if r.k == each.k],
    ),
}  # fmt: skip
#: Queries: SQL of ``c`` and ``d``, or a function of ``(ctx, c, d)``; the same on lists; whose rows
#: they are.
QUERIES: dict[str, tuple[Any, Callable[..., list[Any]], type[Row]]] = {
    "point": (
        "SELECT * FROM a WHERE k = {c} AND word <> 'x'",
        lambda a, b, c, d: [r for r in a if r.k == c and r.word != "x"],
        A,
    ),
    "no index": (
        "SELECT * FROM a WHERE n = {c}",
        lambda a, b, c, d: [r for r in a if r.n == c],
        A,
    ),
    "scan": (
        "SELECT * FROM a WHERE k = {c} OR id = {d}",
        lambda a, b, c, d: [r for r in a if r.k == c or r.id == d],
        A,
    ),
    "range": (
        lambda ctx, c, d: ctx.from_.a.where(lambda r: (r.k >= c) & (r.n < d)),
        lambda a, b, c, d: [r for r in a if r.k >= c and r.n < d],
        A,
    ),
    "whole": ("SELECT * FROM b", lambda a, b, c, d: b, B),
    "join": (
        "SELECT a.* FROM b JOIN a ON a.k = b.k WHERE b.v = {c}",
        lambda a, b, c, d: [r for each in b if each.v == c for r in a if r.k == each.k],
        A,
    ),
    "both": (
        "SELECT a.* FROM a JOIN b ON a.k = b.v WHERE a.id = {d} AND b.v = {c}",
        lambda a, b, c, d: [
            r for r in a if r.id == d for each in b if each.v == c and r.k == each.v
        ],
        A,
    ),
    "semijoin": (
        lambda ctx, c, d: ctx.from_.b.left_semijoin(
            ctx.from_.a.where(lambda r: r.n != c), lambda b, a: b.v == a.k
        ),
        lambda a, b, c, d: [r for r in b for each in a if each.n != c and r.v == each.k],
        B,
    ),
    "one index": (
        "SELECT a.* FROM b JOIN a ON a.k = b.j WHERE b.v <> {c}",
        lambda a, b, c, d: [r for each in b if each.v != c for r in a if r.k == each.j],
        A,
    ),
    "the other index": (
        "SELECT b.* FROM b JOIN a ON b.j = a.k",
        lambda a, b, c, d: [r for r in b for each in a if r.j == each.k],
        B,
    ),
    "with itself": (
        "SELECT y.* FROM a x JOIN a y ON x.n = y.k WHERE x.id <> {d}",
        lambda a, b, c, d: [r for each in a if each.id != d for r in a if each.n == r.k],
        A,
    ),
    "across": (
        "SELECT a.* FROM b JOIN a ON a.k = b.v WHERE a.n <> b.j",
        lambda a, b, c, d: [r for each in b for r in a if r.k == each.v and r.n != each.j],
        A,
    ),
    "chosen": (
        lambda ctx, c, d: "".join(
            f"SELECT * FROM a WHERE n = {each.v}" for each in ctx.db.b.by_k_j.filter(c, d)
        ),
        lambda a, b, c, d: [
            r for each in b if (each.k, each.j) == (c, d) for r in a if r.n == each.v
        ],
        A,
    ),
    "now and then": (
        lambda ctx, c, d: (
            [row for row in ctx.db.a if row.n == d]
            if ctx.db.a.id.find(c)
            else ctx.from_.a.where(lambda r: r.n == d)
        ),
        lambda a, b, c, d: [r for r in a if r.n == d],
        A,
    ),
    "none": ("", lambda a, b, c, d: [], A),
}  # fmt: skip

parts = st.tuples(st.sampled_from(sorted(PARTS)), KEYS, KEYS)
queries = st.tuples(st.sampled_from(sorted(QUERIES)), KEYS, KEYS)
#: Whether it has a sender, the column that is its primary key, and what it returns.
views = st.tuples(
    st.booleans(),
    st.sampled_from(["id", "id", "n"]),
    st.one_of(st.lists(parts, min_size=1, max_size=3), queries, queries),
)
#: Which view is read in the middle of a transaction, and for whom.
looks = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(SENDERS)), max_size=2)
#: Changes of one transaction: inserts and updates of rows by key, deletes by key.
changes = st.lists(
    st.one_of(
        st.builds(
            lambda i, k, w, n: ("a", A, (i, k, w, n)), KEYS, KEYS, st.sampled_from("xyz"), KEYS
        ),
        st.builds(lambda k, j, v: ("b", B, (k, j, v)), KEYS, KEYS, KEYS),
        st.builds(lambda i: ("a", None, (i,)), KEYS),
        st.builds(lambda k, j: ("b", None, (k, j)), KEYS, KEYS),
    ),
    min_size=1,
    max_size=4,
)


def row_of(body: Any) -> type[Row]:
    return QUERIES[body[0]][2] if isinstance(body, tuple) else A


def declare(module: Module, name: str, has_sender: bool, key: str, body: Any) -> None:
    """Declare a view of `body`: a list of parts, or a query."""
    own: Any

    def number(ctx: Any, drawn: int) -> int:
        return ctx.sender.value if has_sender else drawn

    if isinstance(body, tuple):
        kind, c, d = body
        query = QUERIES[kind][0]

        def own(ctx: Any) -> Any:
            if isinstance(query, str):
                return query.format(c=number(ctx, c), d=d)
            return query(ctx, number(ctx, c), d)

        returns: Any = Query[row_of(body)]  # type: ignore[misc]
    else:

        def own(ctx: Any) -> Any:
            return [row for kind, c, d in body for row in PARTS[kind][0](ctx.db, number(ctx, c), d)]

        returns = list[A]
    own.__annotations__ = {
        "ctx": ViewContext if has_sender else AnonymousViewContext,
        "return": returns,
    }
    module.view(name=name, public=True, primary_key=key if row_of(body) is A else None)(own)


def module_of(bodies: dict[str, Any]) -> Module:
    module = Module("random")
    module.table(name="a")(A)
    module.table(name="b")(B)
    for name, view in bodies.items():
        declare(module, name, *view)
    return module


class ViewsMachine(RuleBasedStateMachine):
    """A database with random views; subscribers come and go, transactions change the tables."""

    held = Bundle("held")

    @initialize(drawn=st.lists(views, min_size=1, max_size=4))
    def begin(self, drawn: list[Any]) -> None:
        self.bodies = {f"v{i}": view for i, view in enumerate(drawn)}
        self.db = stdb.Database(module_of(self.bodies))
        self.counts: dict[tuple[str, Identity], int] = {}

    def expected(self, name: str, sender: Identity) -> set[Any]:
        has_sender, _, body = self.bodies[name]
        a, b = self.rows().values()
        found: set[Any] = set()
        for kind, c, d in [body] if isinstance(body, tuple) else body:
            look = QUERIES[kind][1] if isinstance(body, tuple) else PARTS[kind][1]
            found.update(look(a, b, sender.value if has_sender else c, d))
        return found

    def fails(self, name: str, sender: Identity) -> bool:
        """Whether the view returns a primary key twice."""
        _, key, body = self.bodies[name]
        rows = self.expected(name, sender)
        return row_of(body) is A and len({getattr(row, key) for row in rows}) < len(rows)

    def rows(self) -> dict[str, list[Any]]:
        """Return the rows of the tables."""
        return {name: list(self.db._store[name].rows.values()) for name in "ab"}

    def tables(self, name: str) -> list[Any]:
        return [self.db._store[name]]

    def name(self, which: int) -> str:
        return f"v{which % len(self.bodies)}"

    def look(self, sql: Callable[..., Any], name: str, sender: Identity) -> None:
        """Read a view: its rows are right, or it is right that it fails."""
        if self.fails(name, sender):
            with pytest.raises(ViewError, match="two rows with the primary key"):
                sql(f"SELECT * FROM {name}", sender=sender)
            return
        rows = sql(f"SELECT * FROM {name}", sender=sender)
        assert len(rows) == len(set(rows))
        assert set(rows) == self.expected(name, sender)

    @rule(target=held, which=st.integers(0, 3), sender=st.sampled_from(SENDERS))
    def subscribe(self, which: int, sender: Identity) -> Any:
        name = self.name(which)
        if self.fails(name, sender):
            with pytest.raises(ViewError):
                self.db._views.subscribe(self.tables(name), sender)
            return multiple()
        self.db._views.subscribe(self.tables(name), sender)
        self.counts[name, sender] = self.counts.get((name, sender), 0) + 1
        return name, sender

    @rule(which=held)
    def unsubscribe(self, which: tuple[str, Identity]) -> None:
        if self.counts[which]:
            self.counts[which] -= 1
            self.db._views.unsubscribe(self.tables(which[0]), which[1])

    def change(self, tx: Any, name: str, row: Any, values: tuple[Any, ...]) -> None:
        index = tx.db[name].id if name == "a" else tx.db[name].by_k_j
        if row is None:
            index.delete(*values)
        else:
            columns = dict(zip(row.__struct_fields__, values, strict=True))
            index.insert_or_update(row(**columns))

    @rule(
        changed=changes,
        looked=st.lists(looks, min_size=4, max_size=4),
        takes_back=st.booleans(),
        commits=st.booleans(),
    )
    def transaction(
        self, changed: list[Any], looked: list[Any], takes_back: bool, commits: bool
    ) -> None:
        """Change tables and look at views meanwhile; perhaps put all rows back as they were."""
        before = self.rows()
        broken: list[str] = []

        def carry_out() -> None:
            with self.db.transaction() as tx:
                for (name, row, values), seen in zip(changed, looked, strict=False):
                    self.change(tx, name, row, values)
                    for which, sender in seen:
                        self.look(tx.sql, self.name(which), sender)
                if takes_back:
                    for name, rows in before.items():
                        tx.db[name].clear()
                        tx.db[name].insert_many(rows)
                if commits:
                    broken.extend(w[0] for w, n in self.counts.items() if n and self.fails(*w))
                else:
                    tx.rollback()

        undone = ""
        try:
            carry_out()
        except ViewError as error:
            undone = str(error)
        assert bool(undone) == bool(broken)
        if undone:
            assert undone.startswith("the transaction was undone: view ")
        if takes_back or undone or not commits:
            assert {name: set(rows) for name, rows in before.items()} == {
                name: set(rows) for name, rows in self.rows().items()
            }

    @rule(which=st.integers(0, 3), sender=st.sampled_from(SENDERS), alone=st.booleans())
    def read(self, which: int, sender: Identity, alone: bool) -> None:
        if alone:
            with self.db.transaction(readonly=True) as tx:
                self.look(tx.sql, self.name(which), sender)
        else:
            self.look(self.db.sql, self.name(which), sender)

    @rule(which=st.integers(0, 3), sender=st.sampled_from(SENDERS))
    def fork(self, which: int, sender: Identity) -> None:
        self.look(self.db.fork().sql, self.name(which), sender)

    @rule()
    def publish(self) -> None:
        self.db.publish(module_of(self.bodies))

    @invariant()
    def what_is_kept_is_what_it_would_be(self) -> None:
        if not hasattr(self, "db"):
            return
        kept: dict[Any, set[Any]] = {}
        for instance in self.db._views._instances.values():
            sender = instance.sender or SENDERS[0]
            rows = instance.table.rows_of(instance.sender)
            reveal = instance.table.reveal
            shown = {reveal(row) if reveal else row for row in rows}
            assert shown == self.expected(instance.table.name, sender)
            kept.setdefault(instance.table, set()).update(rows)
        for name in self.bodies:
            table = self.db._store[name]
            assert kept.get(table, set()) == set(table.rows.values())

    @invariant()
    def what_was_read_is_registered_once(self) -> None:
        if not hasattr(self, "db"):
            return
        views = self.db._views
        read = set()
        for instance in views._instances.values():
            assert instance.entries == instance.latest
            read.update((instance, entry) for entry in instance.entries)
        assert len(views._readers) == len(read)
        assert set(views._readers) == read
        for found in views._readers._tables.values():
            assert found.positions == tuple(found.by_position.items())
            assert not found.is_empty
            assert all(by_key and all(by_key.values()) for by_key in found.by_position.values())
            for by_length in found.ranges.values():
                assert by_length
                assert all(by_length.values())
                by_prefix = [each for found in by_length.values() for each in found.values()]
                assert all(each and all(each.values()) for each in by_prefix)
        assert not views._unsettled
        assert (self.db._store.refresh is None) == (not views._instances)
        counted: dict[Any, int] = {}
        for (name, sender), count in self.counts.items():
            key = (self.db._store[name].table_id, sender if self.bodies[name][0] else None)
            counted[key] = counted.get(key, 0) + count
        for key, instance in views._instances.items():
            assert instance.count == counted.get(key, 0)
        assert {key for key, count in counted.items() if count} <= views._instances.keys()

    @invariant()
    def queries_are_followed_by_those_who_keep_them(self) -> None:
        if not hasattr(self, "db") or not self.db._views._calls.has_queries:
            return
        kept: dict[Any, set[Any]] = {}
        for instance in self.db._views._instances.values():
            following = instance.following
            assert instance.queries == (set() if following is None else {following.query})
            if following is not None:
                kept.setdefault(following.query, set()).add(instance)
                assert not following.delta
                assert not following._before
                counted = Counter(following.query.result())
                assert following._repeats == {row: n for row, n in counted.items() if n > 1}
        queries = self.db._views._calls.queries
        assert {query: set(query.keepers) for query in queries.queries.values()} == kept
        parts = {part for query in kept for part in query.parts}
        placed: list[Any] = []
        for feed in queries._feeds.values():
            placed += feed.always
            for waiting in [feed.by_main_key, *(w for _, w in feed.by_column.values())]:
                for found in waiting.values():
                    placed += found if isinstance(found, Several) else [found]
            assert feed.is_needed
        assert len(placed) == len(parts)
        assert set(placed) == parts
        for auxiliary in queries._auxiliaries.values():
            assert auxiliary.users <= kept.keys()
            index = auxiliary.index
            # An equal row that takes the place of another is no change: it need not be the same.
            indexed = [(k, r) for k, rows in index.map.items() for r in index.rows_of(rows)]
            rows = auxiliary.table.rows.values() if auxiliary.users else []
            assert len(indexed) == len(rows)
            assert set(indexed) == {(index.key_of(row), row) for row in rows}

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.db.check()


TestViews = ViewsMachine.TestCase
TestViews.settings = settings(max_examples=60, stateful_step_count=25)
