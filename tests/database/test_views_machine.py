"""Random views over random tables: what is kept of each always equals what it would be computed to.

A view is drawn as a list of parts. Each part says twice what it reads: through the handles that
note reads, and on plain lists, which knows nothing of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

import stdb
from stdb import AnonymousViewContext, Identity, Module, Query, Row, ViewContext, index, u8, unique

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
#: Queries: SQL of ``c`` and ``d``; and on lists.
QUERIES: dict[str, tuple[str, Callable[..., list[Any]]]] = {
    "point": (
        "SELECT * FROM a WHERE k = {c} AND word <> 'x'",
        lambda a, b, c, d: [r for r in a if r.k == c and r.word != "x"],
    ),
    "scan": (
        "SELECT * FROM a WHERE k = {c} OR id = {d}",
        lambda a, b, c, d: [r for r in a if r.k == c or r.id == d],
    ),
    "join": (
        "SELECT a.* FROM b JOIN a ON a.k = b.k WHERE b.v = {c}",
        lambda a, b, c, d: [r for each in b if each.v == c for r in a if r.k == each.k],
    ),
    "both": (
        "SELECT a.* FROM a JOIN b ON a.k = b.v WHERE a.id = {d} AND b.v = {c}",
        lambda a, b, c, d: [
            r for r in a if r.id == d for each in b if each.v == c and r.k == each.v
        ],
    ),
    "none": ("", lambda a, b, c, d: []),
}

parts = st.tuples(st.sampled_from(sorted(PARTS)), KEYS, KEYS)
queries = st.tuples(st.sampled_from(sorted(QUERIES)), KEYS, KEYS)
views = st.tuples(st.booleans(), st.one_of(st.lists(parts, min_size=1, max_size=3), queries))
#: Changes of one transaction: inserts and updates of rows by key, deletes by key.
changes = st.lists(
    st.one_of(
        st.builds(lambda i, k, w: ("a", A, (i, k, w)), KEYS, KEYS, st.sampled_from("xyz")),
        st.builds(lambda k, j, v: ("b", B, (k, j, v)), KEYS, KEYS, KEYS),
        st.builds(lambda i: ("a", None, (i,)), KEYS),
        st.builds(lambda k, j: ("b", None, (k, j)), KEYS, KEYS),
    ),
    min_size=1,
    max_size=4,
)


def declare(module: Module, name: str, has_sender: bool, body: Any) -> None:
    """Declare a view of `body`: a list of parts, or a query."""
    own: Any

    def number(ctx: Any, drawn: int) -> int:
        return ctx.sender.value if has_sender else drawn

    if isinstance(body, tuple):
        kind, c, d = body

        def own(ctx: Any) -> Any:
            return QUERIES[kind][0].format(c=number(ctx, c), d=d)

        returns: Any = Query[A]
    else:

        def own(ctx: Any) -> Any:
            return [row for kind, c, d in body for row in PARTS[kind][0](ctx.db, number(ctx, c), d)]

        returns = list[A]
    own.__annotations__ = {
        "ctx": ViewContext if has_sender else AnonymousViewContext,
        "return": returns,
    }
    module.view(name=name, public=True, primary_key="id")(own)


class ViewsMachine(RuleBasedStateMachine):
    """A database with random views; subscribers come and go, transactions change the tables."""

    held = Bundle("held")

    @initialize(drawn=st.lists(views, min_size=1, max_size=4))
    def begin(self, drawn: list[Any]) -> None:
        module = Module("random")
        module.table(name="a")(A)
        module.table(name="b")(B)
        self.bodies = {f"v{i}": view for i, view in enumerate(drawn)}
        for name, (has_sender, body) in self.bodies.items():
            declare(module, name, has_sender, body)
        self.db = stdb.Database(module)
        self.counts: dict[tuple[str, Identity], int] = {}

    def expected(self, name: str, sender: Identity) -> set[Any]:
        has_sender, body = self.bodies[name]
        a, b = list(self.db._store["a"].rows.values()), list(self.db._store["b"].rows.values())
        found: set[Any] = set()
        for kind, c, d in [body] if isinstance(body, tuple) else body:
            look = QUERIES[kind][1] if isinstance(body, tuple) else PARTS[kind][1]
            found.update(look(a, b, sender.value if has_sender else c, d))
        return found

    def tables(self, name: str) -> list[Any]:
        return [self.db._store[name]]

    @rule(target=held, which=st.integers(0, 3), sender=st.sampled_from(SENDERS))
    def subscribe(self, which: int, sender: Identity) -> tuple[str, Identity]:
        name = f"v{which % len(self.bodies)}"
        self.db._views.subscribe(self.tables(name), sender)
        self.counts[name, sender] = self.counts.get((name, sender), 0) + 1
        return name, sender

    @rule(which=held)
    def unsubscribe(self, which: tuple[str, Identity]) -> None:
        if self.counts[which]:
            self.counts[which] -= 1
            self.db._views.unsubscribe(self.tables(which[0]), which[1])

    @rule(
        changed=changes,
        looks=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(SENDERS)), max_size=2),
        commits=st.booleans(),
    )
    def transaction(self, changed: list[Any], looks: list[Any], commits: bool) -> None:
        with self.db.transaction() as tx:
            for name, row, values in changed:
                index = tx.db[name].id if name == "a" else tx.db[name].by_k_j
                if row is None:
                    index.delete(*values)
                else:
                    columns = dict(zip(row.__struct_fields__, values, strict=True))
                    index.insert_or_update(row(**columns))
                for which, sender in looks:
                    view = f"v{which % len(self.bodies)}"
                    rows = tx.sql(f"SELECT * FROM {view}", sender=sender)
                    assert set(rows) == self.expected(view, sender)
            if not commits:
                tx.rollback()

    @rule(which=st.integers(0, 3), sender=st.sampled_from(SENDERS), alone=st.booleans())
    def read(self, which: int, sender: Identity, alone: bool) -> None:
        name = f"v{which % len(self.bodies)}"
        if alone:
            with self.db.transaction(readonly=True) as tx:
                rows = tx.sql(f"SELECT * FROM {name}", sender=sender)
        else:
            rows = self.db.sql(f"SELECT * FROM {name}", sender=sender)
        assert len(rows) == len(set(rows))
        assert set(rows) == self.expected(name, sender)

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
            assert found.whole or found.by_position
            assert all(by_key and all(by_key.values()) for by_key in found.by_position.values())
        assert not views._unsettled
        assert (self.db._store.refresh is None) == (not views._instances)
        counted: dict[Any, int] = {}
        for (name, sender), count in self.counts.items():
            key = (self.db._store[name].table_id, sender if self.bodies[name][0] else None)
            counted[key] = counted.get(key, 0) + count
        for key, instance in views._instances.items():
            assert instance.count == counted.get(key, 0)
        assert {key for key, count in counted.items() if count} <= views._instances.keys()

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.db.check()


TestViews = ViewsMachine.TestCase
TestViews.settings = settings(max_examples=60, stateful_step_count=25)
