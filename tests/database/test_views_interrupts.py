"""Ctrl-C at any instruction leaves views as they were, or as the transaction makes them.

As `test_interrupts`, which has what strikes.
"""

from __future__ import annotations

import gc
from collections import Counter
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.test_interrupts import Traced, numbers_to_strike_at

import stdb
from stdb import AnonymousViewContext, Database, Identity, Module, Query, Row, ViewContext, index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

ALICE, BOB = Identity(1), Identity(2)

forum = Module("forum")


@forum.table()
class Post(Row):
    id: stdb.u64 = stdb.primary_key()
    author: Identity = index()
    topic: str = index()


@forum.table()
class Reply(Row):
    id: stdb.u64 = stdb.primary_key()
    post: stdb.u64


@forum.view(primary_key="id", public=True)
def mine(ctx: ViewContext) -> list[Post]:
    return list(ctx.db[Post].author.filter(ctx.sender))


@forum.view(public=True)
def news(ctx: AnonymousViewContext) -> list[Post]:
    return [post for post in ctx.db[Post].iter() if post.topic == "news"]


@forum.view(public=True)
def asked(ctx: ViewContext) -> Query[Post]:
    return ctx.from_[Post].where(lambda post: post.author == ctx.sender)


@forum.view(public=True)
def answered(ctx: AnonymousViewContext) -> Query[Post]:
    return ctx.from_[Reply].right_semijoin(Post, lambda reply, post: reply.post == post.id)


@pytest.fixture(autouse=True)
def _no_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def tables(db: Database, *names: str) -> list[Any]:
    return [db._store[name] for name in names]


@cache
def prepared() -> Database:
    """Return a forum with posts."""
    db = Database(forum)
    with db.transaction() as tx:
        for number in range(4):
            author = (ALICE, BOB)[number % 2]
            tx.db[Post].insert(id=number, author=author, topic="news")
            tx.db[Reply].insert(id=number, post=number % 3)
    return db


def fresh() -> Database:
    """Return a forum in which Alice reads her posts, Bob has read his, and somebody has left."""
    db = prepared().fork()
    db._views.subscribe(tables(db, "mine", "news", "asked", "answered"), ALICE)
    db._views.subscribe(tables(db, "mine", "asked"), Identity(3))
    db.sql("SELECT * FROM mine", sender=BOB)
    db.sql("SELECT * FROM asked", sender=BOB)
    db._views.unsubscribe(tables(db, "mine", "asked"), Identity(3))
    return db


def write(db: Database) -> None:
    with db.transaction() as tx:
        tx.db[Post].id.update(Post(id=0, author=BOB, topic="other"))
        tx.db[Post].insert(id=9, author=ALICE, topic="news")
        tx.db[Reply].id.update(Reply(id=1, post=9))
        tx.db[Reply].id.delete(2)


def write_and_undo(db: Database) -> None:
    with db.transaction() as tx:
        tx.db[Post].insert(id=9, author=ALICE, topic="news")
        tx.db[Reply].insert(id=9, post=9)
        tx.sql("SELECT * FROM mine", sender=ALICE)
        tx.sql("SELECT asked.* FROM asked JOIN answered ON asked.id = answered.id", sender=ALICE)
        tx.db[Reply].id.delete(0)
        tx.sql("SELECT * FROM answered")
        tx.rollback()


def read(db: Database) -> None:
    db.sql("SELECT * FROM mine", sender=Identity(4))
    with db.transaction() as tx:
        tx.db[Post].id.delete(1)
        tx.sql("SELECT * FROM mine", sender=BOB)
        tx.sql("SELECT * FROM asked", sender=BOB)


def subscribe(db: Database) -> None:
    db._views.subscribe(tables(db, "mine", "news", "asked"), BOB)
    db._views.unsubscribe(tables(db, "mine", "news", "asked", "answered"), ALICE)
    write(db)


def is_of_views(code: CodeType) -> bool:
    """Whether an interrupt here has to do with views; `test_interrupts` strikes at the rest."""
    names = (
        "views.py", "view_table.py", "view_queries.py", "read_set.py", "state.py", "table.py",
        "incremental.py", "auxiliary.py", "feed.py",
    )  # fmt: skip
    return code.co_filename.endswith(names) or "<stdb table mine" in code.co_filename


def problem(db: Database) -> str | None:
    """Return what is wrong with the views of a database after an interrupt, or None."""
    with db.transaction() as tx:
        tx.db[Post].insert(id=100, author=ALICE, topic="news")
        tx.db[Post].insert(id=101, author=BOB, topic="news")
    posts = db.tables.post.rows()
    replied = [reply.post for reply in db.tables.reply]
    views = db._views
    kept: dict[str, list[Any]] = {"mine": [], "news": [], "asked": [], "answered": []}
    for instance in views._instances.values():
        rows = instance.table.rows_of(instance.sender)
        name, who = instance.table.name, instance.sender
        kept[name] += rows
        if name == "answered":
            wanted = [post.id for post in posts if post.id in replied]
        else:
            wanted = [p.id for p in posts if (p.author == who if who else p.topic == "news")]
        if sorted(row.id for row in rows) != sorted(wanted):
            return f"{name} of {instance.sender} holds {rows}"
        if instance.entries != instance.latest or views._unsettled or instance.is_gone:
            return "the transaction is not settled"
        if {entry for who, entry in views._readers if who is instance} != instance.entries:
            return "what was read is not looked at"
        for found in views._readers._tables.values():
            if found.positions != tuple(found.by_position.items()):
                return "an index that was looked into is not looked at"
    for name, rows in kept.items():
        if len(rows) != len(db._store[name].rows):
            return f"{name} has rows that are nobody's"
    for view in ("mine", "asked"):
        for who in (ALICE, BOB, Identity(3)):
            found = {row.id for row in db.sql(f"SELECT * FROM {view}", sender=who)}
            if found != {post.id for post in posts if post.author == who}:
                return f"{who} sees {found}"
    db.check()
    return problem_of_queries(db)


def problem_of_queries(db: Database) -> str | None:
    """Return what is wrong with the queries that views follow, or None."""
    kept: dict[Any, set[Any]] = {}
    for instance in db._views._instances.values():
        following = instance.following
        if following is None:
            continue
        kept.setdefault(following.query, set()).add(instance)
        counted = Counter(following.query.result())
        if following._repeats != {row: count for row, count in counted.items() if count > 1}:
            return f"{instance.table.name} repeats {following._repeats}"
        if following.delta or following._before or instance.queries != {following.query}:
            return "a query is not settled"
    queries = db._views._calls.queries
    if {query: set(query.keepers) for query in queries.queries.values()} != kept:
        return "queries are kept for nobody"
    for auxiliary in queries._auxiliaries.values():
        auxiliary.index.check(auxiliary.table.rows if auxiliary.users else {})
    return None


@pytest.mark.parametrize("work", [write, write_and_undo, read, subscribe])
def test_interrupt_leaves_views_right(work: Any, request: pytest.FixtureRequest) -> None:
    every = bool(request.config.getoption("--slow"))
    Traced().run(work, fresh())
    counted = Traced()
    counted.run(work, fresh())
    numbers = numbers_to_strike_at(counted.places, set(), every=every)
    found = []
    for turn, number in enumerate(numbers):
        if not every and (not is_of_views(counted.places[number].code) or turn % 5):
            continue
        if turn % 20 == 0:
            gc.collect(0)
        db = fresh()
        with suppress(KeyboardInterrupt):
            Traced(strike_at=number).run(work, db)
        wrong = problem(db)
        if wrong is not None:
            found.append(f"{counted.places[number]}: {wrong}")
    assert found == []
