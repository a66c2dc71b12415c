"""Ctrl-C at any instruction leaves views as they were, or as the transaction makes them.

As `test_interrupts`, which has what strikes.
"""

from __future__ import annotations

import gc
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.test_interrupts import Traced, numbers_to_strike_at

import stdb
from stdb import AnonymousViewContext, Database, Identity, Module, Row, ViewContext, index

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


@forum.view(primary_key="id", public=True)
def mine(ctx: ViewContext) -> list[Post]:
    return list(ctx.db[Post].author.filter(ctx.sender))


@forum.view(public=True)
def news(ctx: AnonymousViewContext) -> list[Post]:
    return [post for post in ctx.db[Post].iter() if post.topic == "news"]


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
    return db


def fresh() -> Database:
    """Return a forum in which Alice reads her posts, Bob has read his, and somebody has left."""
    db = prepared().fork()
    db._views.subscribe(tables(db, "mine", "news"), ALICE)
    db._views.subscribe(tables(db, "mine"), Identity(3))
    db.sql("SELECT * FROM mine", sender=BOB)
    db._views.unsubscribe(tables(db, "mine"), Identity(3))
    return db


def write(db: Database) -> None:
    with db.transaction() as tx:
        tx.db[Post].id.update(Post(id=0, author=BOB, topic="other"))
        tx.db[Post].insert(id=9, author=ALICE, topic="news")


def write_and_undo(db: Database) -> None:
    with db.transaction() as tx:
        tx.db[Post].insert(id=9, author=ALICE, topic="news")
        tx.sql("SELECT * FROM mine", sender=ALICE)
        tx.rollback()


def read(db: Database) -> None:
    db.sql("SELECT * FROM mine", sender=Identity(4))
    with db.transaction() as tx:
        tx.db[Post].id.delete(1)
        tx.sql("SELECT * FROM mine", sender=BOB)


def subscribe(db: Database) -> None:
    db._views.subscribe(tables(db, "mine", "news"), BOB)
    db._views.unsubscribe(tables(db, "mine", "news"), ALICE)
    write(db)


def is_of_views(code: CodeType) -> bool:
    """Whether an interrupt here has to do with views; `test_interrupts` strikes at the rest."""
    names = ("views.py", "view_table.py", "read_set.py", "state.py", "table.py")
    return code.co_filename.endswith(names) or "<stdb table mine" in code.co_filename


def problem(db: Database) -> str | None:
    """Return what is wrong with the views of a database after an interrupt, or None."""
    with db.transaction() as tx:
        tx.db[Post].insert(id=100, author=ALICE, topic="news")
        tx.db[Post].insert(id=101, author=BOB, topic="news")
    posts = db.tables.post.rows()
    views = db._views
    kept: dict[str, list[Any]] = {"mine": [], "news": []}
    for instance in views._instances.values():
        rows = instance.table.rows_of(instance.sender)
        kept[instance.table.name] += rows
        who = instance.sender
        wanted = [p.id for p in posts if (p.author == who if who else p.topic == "news")]
        if sorted(row.id for row in rows) != sorted(wanted):
            return f"{instance.table.name} of {instance.sender} holds {rows}"
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
    for who in (ALICE, BOB, Identity(3)):
        found = {row.id for row in db.sql("SELECT * FROM mine", sender=who)}
        if found != {post.id for post in posts if post.author == who}:
            return f"{who} sees {found}"
    db.check()
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
