"""Views that return queries: their rows follow the tables, and nothing is computed twice."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import stdb
from stdb import (
    AnonymousViewContext,
    Identity,
    Module,
    Query,
    ReducerContext,
    Row,
    ViewContext,
    index,
    primary_key,
    u32,
    u64,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

ALICE, BOB = Identity.from_hex("aa" * 32), Identity.from_hex("bb" * 32)

forum = Module("forum")
#: Which view ran, for whom.
runs: list[tuple[str, Identity | None]] = []


@forum.table()
class Post(Row):
    id: u64 = primary_key(auto_inc=True)
    room: u32 = index()
    author: Identity
    text: str


@forum.table()
class Room(Row):
    id: u32 = primary_key()
    open: bool


@forum.table()
class Visit(Row):
    id: u64 = primary_key(auto_inc=True)
    room: u32 = index()
    visitor: Identity


@forum.table()
class Choice(Row):
    """Which room somebody looks into."""

    who: Identity = primary_key()
    room: u32


@forum.view(public=True)
def mine(ctx: ViewContext) -> Query[Post]:
    runs.append(("mine", ctx.sender))
    return ctx.from_[Post].where(lambda p: p.author == ctx.sender)


@forum.view(public=True)
def readable(ctx: AnonymousViewContext) -> Query[Post]:
    runs.append(("readable", None))
    rooms = ctx.from_[Room].where(lambda r: r.open == True)  # noqa: E712
    return ctx.from_[Post].left_semijoin(rooms, lambda p, r: p.room == r.id)


@forum.view(public=True)
def visited(ctx: AnonymousViewContext) -> Query[Room]:
    return ctx.from_[Room].left_semijoin(Visit, lambda r, v: r.id == v.room)


@forum.view(public=True)
def chosen(ctx: ViewContext) -> Query[Post]:
    runs.append(("chosen", ctx.sender))
    choice = ctx.db[Choice].who.find(ctx.sender)
    room = 0 if choice is None else choice.room
    return ctx.from_[Post].where(lambda p: p.room == room)


@forum.view(primary_key="text")
def texts(ctx: AnonymousViewContext) -> Query[Post]:
    """A view that fails when two posts say the same."""
    return ctx.from_[Post].where(lambda p: p.room == 1)


@forum.reducer
def write(ctx: ReducerContext, room: u32, text: str) -> None:
    ctx.db[Post].insert(room=room, author=ctx.sender, text=text)


@pytest.fixture
def db() -> stdb.Database:
    made = stdb.Database(forum)
    with made.transaction() as tx:
        tx.db[Room].insert_many([Room(id=1, open=True), Room(id=2, open=False)])
    made.call("write", 1, "hello", sender=ALICE)
    made.call("write", 2, "hi", sender=BOB)
    runs.clear()
    return made


def hold(db: stdb.Database, view: str, sender: Identity = ALICE) -> Any:
    """Keep a view up to date for `sender`, as a subscription does; return its instance."""
    db._views.subscribe([db._store.by_name[view]], sender)  # type: ignore[list-item]
    table = db._store.by_name[view]
    return db._views._instances[table.table_id, sender if table.hidden else None]


def texts_of(db: Any, view: str, sender: Identity | None = None) -> list[str]:
    return sorted(row.text for row in db.sql(f"SELECT * FROM {view}", sender=sender))


#: Where a commit does what depends on rows.
PLACES = ("<stdb ", "/stdb/storage/", "/stdb/subscriptions/", "/stdb/database/view")


class Work:
    """Counts the calls, by file and function, and the lines of Python that work takes.

    Of lines, those in `PLACES` are counted. The garbage collector, which runs what objects of other
    tests have left to be done, waits.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self.calls: list[tuple[str, str]] = []
        self.lines = 0
        before = sys.gettrace()
        gc.disable()
        sys.settrace(self._trace)
        try:
            work()
        finally:
            sys.settrace(before)
            gc.enable()

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "call":
            self.calls.append((frame.f_code.co_filename, frame.f_code.co_name))
        elif event == "line" and any(place in frame.f_code.co_filename for place in PLACES):
            self.lines += 1
        return self._trace

    def count(self, file: str, name: str) -> int:
        return sum(1 for where, what in self.calls if file in where and what == name)


def filled(size: int) -> stdb.Database:
    """Return a forum with `size` posts in open rooms, ten in each, whose views are kept."""
    db = stdb.Database(forum)
    with db.transaction() as tx:
        tx.db[Room].insert_many(Room(id=number, open=True) for number in range(size // 10))
        tx.db[Post].insert_many(
            Post(id=0, room=number // 10, author=ALICE, text="") for number in range(size)
        )
        tx.db[Visit].insert_many(
            Visit(id=0, room=number // 10, visitor=BOB) for number in range(size)
        )
    for view in ("mine", "readable", "visited"):
        hold(db, view)
    runs.clear()
    return db


#### What a commit costs


def test_a_commit_looks_at_the_rows_that_it_changes_and_at_no_other() -> None:
    few, many = filled(100), filled(10_000)
    works = []
    for db in (few, many):
        db.call("write", 3, "the first makes what all others use", sender=ALICE)
    for db in (few, many):
        work = Work(lambda db=db: db.call("write", 3, "new", sender=ALICE))  # type: ignore[misc]
        assert runs == []
        assert work.count("<stdb query", "run") == 0
        # `mine` is found by its author, so nothing is left to test; `readable` looks a room up.
        assert work.count("<stdb subscription post", "test") == 0
        assert work.count("<stdb subscription post", "delta") == 1
        assert len(db.sql("SELECT * FROM mine", sender=ALICE)) == len(db.tables.post)
        works.append(work)
    assert works[0].lines == works[1].lines
    assert works[0].calls != []


def test_a_row_is_tested_once_as_it_was_and_once_as_it_is() -> None:
    module = Module("tested")
    module.table(name="post")(Post)

    @module.view(public=True)
    def long_ago(ctx: AnonymousViewContext) -> Query[Post]:
        return ctx.from_["post"].where(lambda p: p.id < 500)

    db = stdb.Database(module)
    with db.transaction() as tx:
        for number in range(1, 1_001):
            tx.db["post"].insert(id=number, room=1, author=ALICE, text="")
    hold(db, "long_ago")

    def change() -> None:
        with db.transaction() as tx:
            tx.db["post"].id.update(Post(id=7, room=2, author=ALICE, text=""))
            tx.db["post"].id.delete(8)

    assert Work(change).count("<stdb subscription post", "test") == 3
    assert db.sql("SELECT COUNT(*) FROM long_ago").scalar() == 498


def test_a_change_of_the_other_side_of_a_semijoin_looks_at_its_partners_only() -> None:
    few, many = filled(100), filled(10_000)
    lines = []
    for db in (few, many):
        work = Work(lambda db=db: db.sql("UPDATE room SET open = FALSE WHERE id = 4"))  # type: ignore[misc]
        assert work.count("<stdb subscription post", "delta") == 1
        gone = len(db.tables.post) - len(db.sql("SELECT * FROM readable"))
        assert gone == 10
        again = Work(lambda db=db: db.sql("UPDATE room SET open = TRUE WHERE id = 4"))  # type: ignore[misc]
        lines.append(again.lines)
    assert lines[0] == lines[1]


def test_a_query_of_another_value_is_not_evaluated(db: stdb.Database) -> None:
    instance = hold(db, "mine", ALICE)
    before = instance.following.query.evaluations
    db.call("write", 1, "by bob", sender=BOB)
    assert instance.following.query.evaluations == before
    db.call("write", 1, "by alice", sender=ALICE)
    assert instance.following.query.evaluations == before + 1


def test_queries_for_other_senders_share_their_code(db: stdb.Database) -> None:
    senders = [Identity(number) for number in range(50)]
    queries = [hold(db, "mine", sender).following.query for sender in senders]
    assert len({query.template for query in queries}) == 1
    assert len({query.constants for query in queries}) == 50
    for sender in senders:
        db.call("write", 1, f"{sender}", sender=sender)
    assert texts_of(db, "mine", senders[7]) == [f"{senders[7]}"]


def test_a_query_that_several_keep_is_evaluated_once(db: stdb.Database) -> None:
    one, two = hold(db, "chosen", ALICE), hold(db, "chosen", BOB)
    query = one.following.query
    assert two.following.query is query
    before = query.evaluations
    db.call("write", 0, "to both")
    assert query.evaluations == before + 1
    assert texts_of(db, "chosen", ALICE) == texts_of(db, "chosen", BOB) == ["to both"]


#### When the function runs


def test_a_function_runs_again_only_for_what_it_read_itself(db: stdb.Database) -> None:
    hold(db, "chosen", ALICE)
    assert runs == [("chosen", ALICE)]
    db.call("write", 0, "in room 0")
    assert texts_of(db, "chosen", ALICE) == ["in room 0"]
    with db.transaction() as tx:
        tx.db[Choice].insert(who=BOB, room=2)
    assert len(runs) == 1
    with db.transaction() as tx:
        tx.db[Choice].insert(who=ALICE, room=1)
        tx.db[Post].insert(room=1, author=BOB, text="with the choice")
    assert len(runs) == 2
    assert texts_of(db, "chosen", ALICE) == ["hello", "with the choice"]
    db.call("write", 0, "not seen any more")
    db.call("write", 1, "seen")
    assert texts_of(db, "chosen", ALICE) == ["hello", "seen", "with the choice"]
    assert len(runs) == 2


def test_a_function_that_returns_the_same_query_again_leaves_the_rows(db: stdb.Database) -> None:
    instance = hold(db, "chosen", ALICE)
    following = instance.following
    with db.transaction() as tx:
        tx.db[Choice].insert(who=ALICE, room=0)
        tx.db[Post].insert(room=0, author=BOB, text="new")
    assert len(runs) == 2
    assert instance.following is following
    assert texts_of(db, "chosen", ALICE) == ["new"]


def test_a_query_that_is_not_chosen_any_more_is_forgotten(db: stdb.Database) -> None:
    instance = hold(db, "chosen", ALICE)
    queries = db._views._calls.queries
    with db.transaction() as tx:
        tx.db[Choice].insert(who=ALICE, room=1)
    assert list(queries.queries.values()) == [instance.following.query]
    db._views.unsubscribe([instance.table], ALICE)
    db.call("write", 1, "the next transaction forgets it")
    assert not queries.queries
    assert not queries._feeds


#### The rows


def test_a_row_goes_with_the_last_of_its_partners(db: stdb.Database) -> None:
    hold(db, "visited")
    with db.transaction() as tx:
        for _ in range(3):
            tx.db[Visit].insert(room=1, visitor=BOB)
    for left in (2, 1, 0):
        db.sql("DELETE FROM visit WHERE id = ?", 3 - left)
        assert len(db.sql("SELECT * FROM visited")) == (left > 0)
    db.check()


def test_a_partner_without_an_index_is_found() -> None:
    """The query needs an index on one side: kinds find items by one that is kept for that."""
    module = Module("one_sided")

    @module.table()
    class Item(Row):
        id: u32 = primary_key()
        kind: u32

    @module.table()
    class Kind(Row):
        id: u32 = primary_key()

    @module.view()
    def known(ctx: AnonymousViewContext) -> Query[Item]:
        return ctx.from_[Item].left_semijoin(Kind, lambda i, k: i.kind == k.id)

    db = stdb.Database(module)
    with db.transaction() as tx:
        tx.db[Item].insert_many([Item(id=1, kind=1), Item(id=2, kind=2)])
    hold(db, "known")
    with db.transaction() as tx:
        tx.db[Item].id.update(Item(id=1, kind=2))
        tx.rollback()
    db.sql("INSERT INTO kind VALUES (1)")
    assert [row.id for row in db.sql("SELECT * FROM known")] == [1]
    with db.transaction() as tx:
        tx.db[Item].id.update(Item(id=1, kind=2))
        assert len(tx.sql("SELECT * FROM known")) == 0
        tx.db[Item].id.update(Item(id=1, kind=3))
        tx.db[Kind].insert(id=2)
    assert [row.id for row in db.sql("SELECT * FROM known")] == [2]
    db.sql("INSERT INTO kind VALUES (3)")
    assert sorted(row.id for row in db.sql("SELECT * FROM known")) == [1, 2]
    db.check()


def test_rows_of_a_view_that_has_a_class_of_its_own() -> None:
    class Short(NamedTuple):
        number: u64
        where: u32
        by: Identity
        what: str

    module = Module("own_class")
    module.table(name="post")(Post)

    @module.view(public=True)
    def short(ctx: ViewContext) -> Query[Short]:
        return "SELECT * FROM post WHERE room = 1"  # type: ignore[return-value]

    db = stdb.Database(module)
    with pytest.raises(stdb.ViewError, match="rows of table 'post', and the view declares"):
        db.sql("SELECT * FROM short", sender=ALICE)


def test_a_statement_in_a_transaction_brings_no_more_than_the_changes(db: stdb.Database) -> None:
    hold(db, "readable")
    runs.clear()
    with db.transaction() as tx:
        tx.db[Post].insert(room=1, author=BOB, text="new")
        assert texts_of(tx, "readable") == ["hello", "new"]
        tx.db[Room].id.update(Room(id=2, open=True))
        assert texts_of(tx, "readable") == ["hello", "hi", "new"]
        tx.db[Room].id.update(Room(id=1, open=False))
        assert texts_of(tx, "readable") == ["hi"]
        tx.db[Post].id.delete(2)
    assert texts_of(db, "readable") == []
    assert runs == []
    db.check()


def test_what_a_transaction_takes_back_is_out_of_the_views_that_it_looked_at(
    db: stdb.Database,
) -> None:
    hold(db, "readable")
    with db.transaction() as tx:
        new = tx.db[Post].insert(room=1, author=BOB, text="new")
        assert texts_of(tx, "readable") == ["hello", "new"]
        tx.db[Post].id.delete(new.id)
    assert texts_of(db, "readable") == ["hello"]


def test_a_transaction_that_is_undone_leaves_the_rows(db: stdb.Database) -> None:
    for view in ("readable", "visited"):
        hold(db, view)
    with db.transaction() as tx:
        tx.db[Visit].insert(room=1, visitor=BOB)
    with db.transaction() as tx:
        tx.db[Visit].insert(room=1, visitor=BOB)
        tx.db[Room].id.update(Room(id=2, open=True))
        assert texts_of(tx, "readable") == ["hello", "hi"]
        assert len(tx.sql("SELECT * FROM visited")) == 1
        tx.rollback()
    assert texts_of(db, "readable") == ["hello"]
    db.sql("DELETE FROM visit WHERE room = 1")
    assert len(db.sql("SELECT * FROM visited")) == 0
    db.check()


def test_a_key_that_comes_twice_undoes_the_call(db: stdb.Database) -> None:
    hold(db, "texts")
    with pytest.raises(stdb.ViewError) as caught:
        db.call("write", 1, "hello", sender=BOB)
    assert str(caught.value) == (
        "reducer 'write' was undone: view 'texts' returned two rows with the primary key "
        "text = 'hello'"
    )
    assert (caught.value.view, caught.value.call) == ("texts", "reducer 'write'")
    db.call("write", 2, "hello", sender=BOB)
    with db.transaction() as tx:
        tx.db[Post].id.delete(1)
        tx.db[Post].insert(room=1, author=BOB, text="hello")
    assert [row.author for row in db.sql("SELECT * FROM texts")] == [BOB]
    db.check()


#### Elsewhere


def test_clients_hear_of_the_changes_as_of_those_of_a_table(db: stdb.Database) -> None:
    heard: list[tuple[str, ...]] = []
    with db.connect(identity=ALICE) as conn:
        conn.subscribe("SELECT * FROM readable")
        conn.db.readable.on_insert(lambda event, row: heard.append(("insert", row.text)))
        conn.db.readable.on_update(
            lambda event, old, new: heard.append(("update", old.text, new.text))
        )
        conn.db.readable.on_delete(lambda event, row: heard.append(("delete", row.text)))
        db.call("write", 1, "new")
        db.sql("UPDATE post SET text = 'newer' WHERE text = 'new'")
        db.sql("UPDATE room SET open = FALSE WHERE id = 1")
        assert heard[:2] == [("insert", "new"), ("update", "new", "newer")]
        assert sorted(heard[2:]) == [("delete", "hello"), ("delete", "newer")]
        assert len(conn.db.readable) == 0


def posts_where(condition: str) -> Module:
    """Return a module whose view `shown` has the posts for which `condition` holds."""
    module = Module("posts")
    module.table(name="post")(Post)

    @module.view(public=True, primary_key="text")
    def shown(ctx: AnonymousViewContext) -> Query[Post]:
        return f"SELECT * FROM post WHERE {condition}"  # type: ignore[return-value]

    return module


def add(db: stdb.Database, *posts: tuple[int, int, str]) -> None:
    with db.transaction() as tx:
        for number, room, text in posts:
            tx.db["post"].insert(id=number, room=room, author=ALICE, text=text)


def test_publishing_lets_rows_follow_the_new_query() -> None:
    db = stdb.Database(posts_where("room = 1"))
    add(db, (1, 1, "one"), (2, 2, "two"))
    with db.connect() as conn:
        conn.subscribe("SELECT * FROM shown")
        db.publish(posts_where("room = 2"))
        add(db, (3, 2, "more"), (4, 1, "elsewhere"))
        assert sorted(row.text for row in conn.db.shown) == ["more", "two"]


def test_a_module_that_is_not_published_leaves_the_views_at_work() -> None:
    db = stdb.Database(posts_where("room = 1"))
    add(db, (1, 1, "one"), (2, 2, "one"))
    with db.connect() as conn:
        conn.subscribe("SELECT * FROM shown")
        with pytest.raises(stdb.PublishError, match="two rows with the primary key text = 'one'"):
            db.publish(posts_where("room > 0"))
        add(db, (3, 1, "more"))
        assert sorted(row.text for row in conn.db.shown) == ["more", "one"]
    db.check()


def test_a_fork_has_its_own_queries(db: stdb.Database) -> None:
    hold(db, "readable")
    fork = db.fork()
    fork.call("write", 1, "in the fork")
    assert texts_of(fork, "readable") == ["hello", "in the fork"]
    assert texts_of(db, "readable") == ["hello"]


def test_a_read_only_transaction_keeps_no_query(db: stdb.Database) -> None:
    with db.transaction(readonly=True) as tx:
        assert texts_of(tx, "readable") == ["hello"]
        assert texts_of(tx, "mine", BOB) == ["hi"]
    assert not db._views._calls.queries.queries


def test_a_query_over_an_event_table_is_run_again_when_there_are_events() -> None:
    module = Module("events")

    @module.table(event=True)
    class Ping(Row):
        text: str

    @module.view(public=True)
    def pings(ctx: AnonymousViewContext) -> Query[Ping]:
        return ctx.from_[Ping]

    db = stdb.Database(module)
    hold(db, "pings")
    for text in ("one", "two"):
        with db.transaction() as tx:
            tx.db[Ping].insert(text=text)
        assert texts_of(db, "pings") == [text]
