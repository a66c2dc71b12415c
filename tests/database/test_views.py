"""Views: rows that a function computes, kept up to date while somebody wants them."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

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

ALICE, BOB = Identity.from_hex("aa" * 32), Identity.from_hex("bb" * 32)

chat = Module("chat")
#: Which view ran, for whom.
runs: list[tuple[str, Identity | None]] = []


@chat.table(public=True)
class Message(Row):
    id: u64 = primary_key(auto_inc=True)
    sender: Identity = index()
    text: str


@chat.table()
class Score(Row):
    player: str = primary_key()
    points: u32


@chat.table(event=True)
class Ping(Row):
    text: str


@chat.view(public=True, primary_key="id")
def mine(ctx: ViewContext) -> list[Message]:
    runs.append(("mine", ctx.sender))
    return list(ctx.db[Message].sender.filter(ctx.sender))


@chat.view(public=True, primary_key="player")
def board(ctx: AnonymousViewContext) -> list[Score]:
    runs.append(("board", None))
    return sorted(ctx.db[Score], key=lambda score: -score.points)[:2]


@chat.view(public=True)
def mine_as_query(ctx: ViewContext) -> Query[Message]:
    return ctx.from_[Message].where(lambda m: m.sender == ctx.sender)


@chat.view()
def leader(ctx: AnonymousViewContext) -> Score | None:
    runs.append(("leader", None))
    return max(ctx.db[Score], key=lambda score: score.points, default=None)


@chat.view(primary_key="text")
def texts(ctx: AnonymousViewContext) -> list[Message]:
    """A view that fails when two messages say the same."""
    return list(ctx.db[Message].iter())


@chat.view()
def average(ctx: AnonymousViewContext) -> list[Score]:
    points = [score.points for score in ctx.db[Score]]
    return [Score(player="average", points=sum(points) // len(points))]


@chat.reducer
def say(ctx: ReducerContext, text: str) -> None:
    ctx.db[Message].insert(sender=ctx.sender, text=text)


@chat.reducer
def score(ctx: ReducerContext, player: str, points: u32) -> None:
    ctx.db[Score].player.insert_or_update(Score(player=player, points=points))


@chat.reducer
def forget(ctx: ReducerContext, player: str) -> None:
    ctx.db[Score].player.delete(player)


@pytest.fixture
def db() -> stdb.Database:
    made = stdb.Database(chat)
    made.call("say", "hello", sender=ALICE)
    made.call("say", "hi", sender=BOB)
    made.call("score", "ann", 3)
    made.call("score", "bob", 5)
    runs.clear()
    return made


def hold(db: stdb.Database, view: str, sender: Identity = ALICE) -> None:
    """Keep a view up to date for `sender`, as a subscription does."""
    db._views.subscribe([db._store.by_name[view]], sender)  # type: ignore[list-item]


def let_go(db: stdb.Database, view: str, sender: Identity = ALICE) -> None:
    db._views.unsubscribe([db._store.by_name[view]], sender)  # type: ignore[list-item]


def texts_of(db: stdb.Database, sql: str, sender: Identity | None = None) -> list[str]:
    return [row.text for row in db.sql(sql, sender=sender)]


#### Reading


def test_a_view_is_read_like_a_table_and_gives_each_caller_its_rows(db: stdb.Database) -> None:
    assert texts_of(db, "SELECT * FROM mine", ALICE) == ["hello"]
    assert texts_of(db, "SELECT text FROM mine WHERE id > 0", BOB) == ["hi"]
    assert db.sql("SELECT COUNT(*) FROM mine").scalar() == 0
    rows = db.sql("SELECT * FROM mine", sender=ALICE)
    assert rows.columns == ("id", "sender", "text")
    assert rows[0].__class__ is Message


def test_a_view_may_return_one_row_or_none(db: stdb.Database) -> None:
    assert list(db.sql("SELECT * FROM leader")) == [Score(player="bob", points=5)]
    db.call("forget", "bob")
    db.call("forget", "ann")
    assert len(db.sql("SELECT * FROM leader")) == 0


def test_a_view_may_return_a_query(db: stdb.Database) -> None:
    assert texts_of(db, "SELECT * FROM mine_as_query", BOB) == ["hi"]
    db.call("say", "again", sender=BOB)
    assert texts_of(db, "SELECT * FROM mine_as_query", BOB) == ["hi", "again"]


def test_equal_rows_of_a_view_are_one(db: stdb.Database) -> None:
    module = Module("twice")

    @module.table()
    class Thing(Row):
        name: str

    @module.view()
    def things(ctx: AnonymousViewContext) -> list[Thing]:
        return [*ctx.db[Thing], *ctx.db[Thing]]

    twice = stdb.Database(module)
    with twice.transaction() as tx:
        tx.db[Thing].insert(name="x")
    assert list(twice.sql("SELECT * FROM things")) == [Thing(name="x")]


def test_views_join_tables_and_other_views(db: stdb.Database) -> None:
    sql = "SELECT b.player FROM board b JOIN score s ON b.player = s.player WHERE s.points > 3"
    assert [row.player for row in db.sql(sql)] == ["bob"]
    both = "SELECT m.* FROM mine m JOIN mine_as_query q ON m.id = q.id"
    assert texts_of(db, both, ALICE) == ["hello"]
    left = "SELECT t.id, m.text FROM message t LEFT JOIN mine m ON t.id = m.id ORDER BY t.id"
    assert [row.text for row in db.sql(left, sender=BOB)] == [None, "hi"]


def test_what_is_hidden_of_a_view_has_no_name(db: stdb.Database) -> None:
    for name in ("arg_hash", '"(sender)"'):
        with pytest.raises(stdb.SqlError, match="in scope"):
            db.sql(f"SELECT {name} FROM mine")


@pytest.mark.parametrize(
    "sql", ["DELETE FROM mine", "UPDATE mine SET text = 'x'", "INSERT INTO board VALUES ('a', 1)"]
)
def test_a_view_is_not_written_by_sql(db: stdb.Database, sql: str) -> None:
    with pytest.raises(stdb.SqlError, match="is a view"):
        db.sql(sql)


def test_clients_read_public_views_only(db: stdb.Database) -> None:
    assert len(db.sql("SELECT * FROM board", sender=BOB)) == 2
    with pytest.raises(stdb.SqlError, match="no such table: 'leader'"):
        db.sql("SELECT * FROM leader", sender=BOB)


def test_a_view_is_no_reducer(db: stdb.Database) -> None:
    with pytest.raises(stdb.UnknownName, match="no reducer 'mine': it is a view"):
        db.call("mine")


def test_functions_have_no_handle_on_views(db: stdb.Database) -> None:
    with db.transaction(readonly=True) as tx, pytest.raises(stdb.UnknownName, match="no table"):
        tx.db["mine"]
    assert "mine" not in db.tables
    with pytest.raises(stdb.UsageError, match="'mine' is a view"):
        db.tables["mine"]


def test_a_view_of_a_dataclass_or_a_named_tuple() -> None:
    module = Module("shapes")

    @dataclasses.dataclass(frozen=True)
    class Standing:
        rank: u32
        name: str

    class Pair(NamedTuple):
        left: u32
        right: str | None

    @module.view()
    def standings(ctx: AnonymousViewContext) -> list[Standing]:
        return [Standing(1, "ann"), Standing(2, "bob")]

    @module.view(public=True)
    def pairs(ctx: ViewContext) -> list[Pair]:
        return [Pair(1, str(ctx.sender)[:2]), Pair(2, None)]

    db = stdb.Database(module)
    assert list(db.sql("SELECT * FROM standings")) == [Standing(1, "ann"), Standing(2, "bob")]
    assert db.sql("SELECT * FROM standings").to_dicts()[1] == {"rank": 2, "name": "bob"}
    assert list(db.sql("SELECT * FROM pairs", sender=ALICE)) == [Pair(1, "aa"), Pair(2, None)]


def test_a_statement_in_a_transaction_sees_its_changes_through_views(db: stdb.Database) -> None:
    with db.transaction() as tx:
        tx.db[Message].insert(sender=ALICE, text="new")
        assert len(tx.sql("SELECT * FROM mine", sender=ALICE)) == 2
        tx.db[Message].insert(sender=ALICE, text="newer")
        assert len(tx.sql("SELECT * FROM mine", sender=ALICE)) == 3
        tx.rollback()
    assert texts_of(db, "SELECT * FROM mine", ALICE) == ["hello"]


def test_a_read_only_transaction_computes_a_view_for_that_read_alone(db: stdb.Database) -> None:
    with db.transaction(readonly=True) as tx:
        assert len(tx.sql("SELECT * FROM mine", sender=ALICE)) == 1
        assert len(tx.sql("SELECT * FROM mine", sender=ALICE)) == 1
    assert runs == [("mine", ALICE)] * 2
    with db.sql_stream("SELECT * FROM mine", sender=BOB) as rows:
        assert [row.text for row in rows] == ["hi"]
    db.check()


def test_a_statement_finds_what_an_earlier_one_computed(db: stdb.Database) -> None:
    for _ in range(3):
        db.sql("SELECT * FROM board")
    assert runs == [("board", None)]
    db.call("say", "nothing to the board")
    db.sql("SELECT * FROM board")
    assert len(runs) == 1
    db.call("score", "ann", 9)
    assert len(runs) == 1  # nobody subscribes: the next statement pays
    assert [row.player for row in db.sql("SELECT * FROM board ORDER BY points")] == ["bob", "ann"]
    assert len(runs) == 2


def test_callers_who_are_gone_leave_little_behind(db: stdb.Database) -> None:
    for number in range(1000):
        db.sql("SELECT * FROM mine", sender=Identity(number))
    assert len(db._views._instances) <= 256


#### Keeping up


def test_a_subscribed_view_is_computed_when_what_it_read_changes(db: stdb.Database) -> None:
    hold(db, "mine")
    assert runs == [("mine", ALICE)]
    db.call("say", "by bob", sender=BOB)
    db.call("score", "ann", 4)
    assert len(runs) == 1
    db.call("say", "by alice", sender=ALICE)
    assert len(runs) == 2
    assert texts_of(db, "SELECT * FROM mine", ALICE) == ["hello", "by alice"]
    assert len(runs) == 2
    db.check()


def test_a_view_that_read_a_whole_table_follows_all_of_it(db: stdb.Database) -> None:
    hold(db, "board")
    db.call("score", "cid", 1)
    db.call("score", "cid", 1)  # no change
    assert runs == [("board", None)] * 2


def test_a_row_that_comes_under_a_key_which_was_not_there_is_noticed(db: stdb.Database) -> None:
    hold(db, "mine", Identity(7))
    db.call("say", "first", sender=Identity(7))
    assert texts_of(db, "SELECT * FROM mine", Identity(7)) == ["first"]


def test_a_row_that_comes_and_goes_in_a_transaction_that_looks_is_not_left_behind(
    db: stdb.Database,
) -> None:
    hold(db, "mine")
    with db.transaction() as tx:
        tx.db[Message].insert(sender=ALICE, text="passing")
        assert len(tx.sql("SELECT * FROM mine", sender=ALICE)) == 2
        tx.sql("DELETE FROM message WHERE text = 'passing'")
    assert texts_of(db, "SELECT * FROM mine", ALICE) == ["hello"]


def test_a_view_runs_for_what_it_read_and_for_nothing_else() -> None:
    module = Module("precise")
    ran: list[str] = []

    @module.table()
    class Lap(Row):
        id: u32 = primary_key()
        driver: u32
        lap: u32
        by_driver = index("driver", "lap")

    def declare(name: str, read: Any) -> None:
        def view(ctx: AnonymousViewContext) -> list[Lap]:
            ran.append(name)
            read(ctx.db[Lap])
            return []

        module.view(name=name)(view)

    reads = {
        "range": lambda laps: list(laps.id.filter(ge=10, lt=20)),
        "above": lambda laps: list(laps.id.filter(gt=100)),
        "prefix": lambda laps: list(laps.by_driver.filter(1)),
        "within": lambda laps: list(laps.by_driver.filter(1, gt=5, le=7)),
        "count": lambda laps: laps.count(),
    }
    for name, read in reads.items():
        declare(name, read)
    db = stdb.Database(module)
    for name in reads:
        hold(db, name)

    def after(change: Any) -> set[str]:
        ran.clear()
        with db.transaction() as tx:
            change(tx.db[Lap])
        assert len(ran) == len(set(ran))
        return set(ran)

    assert after(lambda laps: laps.insert(id=9, driver=2, lap=6)) == {"count"}
    assert after(lambda laps: laps.id.update(Lap(id=9, driver=2, lap=7))) == set()
    assert after(lambda laps: laps.id.update(Lap(id=9, driver=1, lap=5))) == {"prefix"}
    assert after(lambda laps: laps.id.update(Lap(id=9, driver=1, lap=7))) == {"prefix", "within"}
    assert after(lambda laps: laps.id.update(Lap(id=9, driver=3, lap=7))) == {"prefix", "within"}
    assert after(lambda laps: laps.insert(id=10, driver=3, lap=0)) == {"range", "count"}
    assert after(lambda laps: laps.insert(id=20, driver=3, lap=1)) == {"count"}
    assert after(lambda laps: laps.insert(id=101, driver=3, lap=2)) == {"above", "count"}
    assert after(lambda laps: laps.clear()) == {"range", "above", "count"}
    assert not after(lambda laps: (laps.insert(id=10, driver=1, lap=6), laps.id.delete(10)))


def test_a_view_changes_its_rows_only_as_far_as_they_differ(db: stdb.Database) -> None:
    hold(db, "mine")
    told: list[tuple[int, int]] = []
    db._store.watch("mine", lambda c: told.extend((len(t.inserts), len(t.deletes)) for t in c))
    db.call("say", "more", sender=ALICE)
    assert told == [(1, 0)]


def test_the_last_to_leave_takes_the_rows_along(db: stdb.Database) -> None:
    hold(db, "mine")
    hold(db, "mine")
    let_go(db, "mine")
    db.call("say", "still kept", sender=ALICE)
    assert len(runs) == 2
    let_go(db, "mine")
    db.call("say", "gone", sender=ALICE)
    assert len(runs) == 2
    assert not db._views._instances
    assert not len(db._views._readers)
    assert db._store.refresh is None
    assert not db._store.by_name["mine"].rows


def test_a_view_that_breaks_undoes_the_call(db: stdb.Database) -> None:
    hold(db, "average")
    db.call("forget", "ann")
    with pytest.raises(stdb.ViewError) as caught:
        db.call("forget", "bob")
    assert str(caught.value) == (
        "reducer 'forget' was undone: view 'average' broke: ZeroDivisionError: integer division "
        "or modulo by zero"
    )
    assert (caught.value.view, caught.value.call) == ("average", "reducer 'forget'")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert list(db.tables.score) == [Score(player="bob", points=5)]
    assert list(db.sql("SELECT * FROM average")) == [Score(player="average", points=5)]
    assert any("ZeroDivisionError" in record.message for record in db.logs())
    db.call("score", "cid", 1)
    assert list(db.sql("SELECT * FROM average")) == [Score(player="average", points=3)]
    db.check()


def test_a_view_that_returns_a_key_twice_undoes_the_transaction(db: stdb.Database) -> None:
    hold(db, "texts")
    with pytest.raises(stdb.ViewError, match=r"view 'texts' returned two rows.* text = 'hi'"):
        db.call("say", "hi", sender=ALICE)
    message = r"the transaction was undone: view 'texts'"
    with pytest.raises(stdb.ViewError, match=message), db.transaction() as tx:
        tx.db[Message].insert(sender=ALICE, text="hi")
    with pytest.raises(stdb.ViewError, match="'texts'"):
        db.sql("UPDATE message SET text = 'same'")
    assert len(db.tables.message) == 2
    db.check()


def test_a_view_that_cannot_be_computed_is_not_subscribed_to(db: stdb.Database) -> None:
    db.call("forget", "ann")
    db.call("forget", "bob")
    with pytest.raises(stdb.ViewError, match="'average' broke"):
        hold(db, "average")
    assert not db._views._instances
    assert db._store.refresh is None
    with pytest.raises(stdb.ViewError, match="'average' broke"):
        db.sql("SELECT * FROM average")


def test_a_rolled_back_transaction_leaves_views_and_what_they_read(db: stdb.Database) -> None:
    hold(db, "mine")
    with db.transaction() as tx:
        tx.db[Message].insert(sender=ALICE, text="never")
        tx.sql("SELECT * FROM mine", sender=ALICE)
        tx.sql("SELECT * FROM board")
        tx.rollback()
    assert texts_of(db, "SELECT * FROM mine", ALICE) == ["hello"]
    assert [each.table.name for each in db._views._instances.values()] == ["mine"]
    db.call("say", "after", sender=ALICE)
    assert texts_of(db, "SELECT * FROM mine", ALICE) == ["hello", "after"]


def test_an_error_that_is_caught_in_the_transaction_is_met_again_at_its_end(
    db: stdb.Database,
) -> None:
    hold(db, "texts")

    def insert_and_look() -> None:
        with db.transaction() as tx:
            tx.db[Message].insert(sender=ALICE, text="hi")
            with pytest.raises(stdb.ViewError):
                tx.sql("SELECT * FROM texts")

    with pytest.raises(stdb.ViewError, match="the transaction was undone"):
        insert_and_look()
    assert len(db.sql("SELECT * FROM texts")) == 2
    db.check()


def test_a_fork_computes_its_views_itself(db: stdb.Database) -> None:
    hold(db, "mine")
    fork = db.fork()
    fork.call("say", "in the fork", sender=ALICE)
    assert len(fork.sql("SELECT * FROM mine", sender=ALICE)) == 2
    assert len(db.sql("SELECT * FROM mine", sender=ALICE)) == 1
    fork.check()


#### What a view may do


def _view_of(function: object, *, sender: bool = False) -> stdb.Database:
    """Return a database with a table of scores and the view `v`."""
    module = Module("m")
    module.table(name="score")(Score)
    module.table(name="ping", event=True)(Ping)
    function.__annotations__ = {  # type: ignore[attr-defined]
        "ctx": ViewContext if sender else AnonymousViewContext,
        "return": list[Score],
    }
    module.view(name="v")(function)  # type: ignore[call-overload]
    return stdb.Database(module)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda ctx: ctx.db[Score].insert(player="x", points=1), "a view only reads"),
        (lambda ctx: ctx.db[Score].player.delete("x"), "a view only reads"),
        (lambda ctx: list(ctx.db[Ping]), "cannot read the event table 'ping'"),
        (lambda ctx: ctx.sender, "this view is anonymous"),
        (lambda ctx: ctx.timestamp, "a view has no timestamp"),
        (lambda ctx: ["x"], "returned 'x', where Score is what it declares"),
        (lambda ctx: [Score(player="x", points=-1)], "points"),
        (lambda ctx: ctx.from_.scores, "did you mean 'score'"),
        (lambda ctx: ctx.from_.ping, "rows of table 'ping'"),
        (lambda ctx: 7, "'int' object is not iterable"),
        (lambda ctx: None, "is a return missing"),
        (lambda ctx: ctx.db[Score].player.find(1, 2), r"score.player.find\(\) takes 1"),
    ],
)
def test_what_a_view_does_wrong_is_said(function: object, message: str) -> None:
    db = _view_of(function)
    with pytest.raises(stdb.ViewError, match=message) as caught:
        db.sql("SELECT * FROM v")
    assert "view 'v'" in str(caught.value)


def test_a_query_that_reads_a_view_is_refused() -> None:
    module = Module("nested")
    module.table(name="score")(Score)

    @module.view()
    def inner(ctx: AnonymousViewContext) -> list[Score]:
        return list(ctx.db[Score])

    @module.view()
    def outer(ctx: AnonymousViewContext) -> Query[Score]:
        return "SELECT * FROM inner"  # type: ignore[return-value]

    @module.view()
    def called(ctx: AnonymousViewContext) -> list[Score]:
        return [row.replace(points=0) for row in inner(ctx)]

    db = stdb.Database(module)
    with db.transaction() as tx:
        tx.db["score"].insert(player="ann", points=3)
    with pytest.raises(stdb.ViewError, match="'inner' is a view; call its function"):
        db.sql('SELECT * FROM "outer"')
    assert list(db.sql("SELECT * FROM called")) == [Score(player="ann", points=0)]


def test_a_view_reads_private_tables_and_all_rows() -> None:
    module = Module("hidden")

    @module.table(public=True)
    class Note(Row):
        owner: Identity
        text: str

    @module.view(public=True)
    def all_notes(ctx: AnonymousViewContext) -> list[Note]:
        return list(ctx.db[Note])

    @module.view(public=True)
    def asked(ctx: AnonymousViewContext) -> Query[Note]:
        return ctx.from_[Note]

    module.client_visibility_filter("SELECT * FROM note WHERE owner = :sender")
    db = stdb.Database(module)
    with db.transaction() as tx:
        tx.db[Note].insert(owner=ALICE, text="a")
    assert len(db.sql("SELECT * FROM note", sender=BOB)) == 0
    assert len(db.sql("SELECT * FROM all_notes", sender=BOB)) == 1
    assert len(db.sql("SELECT * FROM asked", sender=BOB)) == 1


def test_a_query_of_joined_tables_follows_both() -> None:
    module = Module("joined")

    @module.table()
    class Player(Row):
        name: str = primary_key()
        team: str = index()

    @module.table()
    class Team(Row):
        name: str = primary_key()
        active: bool

    @module.view()
    def playing(ctx: AnonymousViewContext) -> Query[Player]:
        return (  # type: ignore[return-value]
            "SELECT p.* FROM player p JOIN team t ON p.team = t.name WHERE t.active = TRUE"
        )

    db = stdb.Database(module)
    with db.transaction() as tx:
        tx.db[Player].insert(name="ann", team="red")
        tx.db[Team].insert(name="red", active=False)
    hold(db, "playing")
    assert len(db.sql("SELECT * FROM playing")) == 0
    db.sql("UPDATE team SET active = TRUE")
    assert [row.name for row in db.sql("SELECT * FROM playing")] == ["ann"]


#### What is stored


def test_the_system_tables_describe_views(db: stdb.Database) -> None:
    (row,) = db.sql("SELECT v.* FROM st_view v WHERE view_name = 'mine'")
    assert (row.is_public, row.is_anonymous) == (True, False)
    table = db.sql("SELECT * FROM st_table WHERE table_name = 'mine'")[0]
    assert table.table_id == row.table_id
    assert (table.table_type, table.table_access) == ("user", "public")
    assert table.table_primary_key is None
    columns = db.sql("SELECT col_name FROM st_column WHERE table_id = ?", row.table_id)
    assert [each.col_name for each in columns] == ["arg_hash", "id", "sender", "text"]
    own = db.sql("SELECT col_name FROM st_view_column WHERE view_id = ?", row.view_id)
    assert [each.col_name for each in own] == ["id", "sender", "text"]
    indexes = db.sql("SELECT index_name FROM st_index WHERE table_id = ?", row.table_id)
    assert {each.index_name for each in indexes} == {
        "mine_arg_hash_idx_btree", "mine_arg_hash_id_idx_btree",
    }  # fmt: skip
    names = db.sql("SELECT constraint_name FROM st_constraint WHERE table_id = ?", row.table_id)
    assert [each.constraint_name for each in names] == ["mine_arg_hash_id_key"]
    private = db.sql("SELECT table_access FROM st_table WHERE table_name = 'leader'")
    assert private.scalar() == "private"
    # Tables first, then views, each in the order of their names.
    ids = db.sql("SELECT table_id FROM st_table WHERE table_type = 'user' ORDER BY table_name")
    tables = [
        db.sql("SELECT table_id FROM st_table WHERE table_name = ?", name).scalar()
        for name in ("message", "ping", "score", "average", "board")
    ]
    assert tables == sorted(tables)
    assert len(ids) == 9


def test_rows_of_views_are_in_no_log(tmp_path: object) -> None:
    path = f"{tmp_path}/db"
    with stdb.Database(chat, path=path) as db:
        db.call("say", "hello", sender=ALICE)
        db.flush()
        before = db.durable_offset
        hold(db, "mine")
        db.sql("SELECT * FROM board")
        db.flush()
        assert db.durable_offset == before
        db.call("say", "more", sender=ALICE)
        db.flush()
        assert before is not None
        assert db.durable_offset == before + 1
        db.snapshot()
    with stdb.Database(chat, path=path) as again:
        assert len(again.sql("SELECT * FROM mine", sender=ALICE)) == 2
        again.check()
    with stdb.Database.open(path, chat, readonly=True) as looked:
        assert len(looked.sql("SELECT * FROM mine", sender=ALICE)) == 2
    with stdb.Database.open(path) as explored:
        with pytest.raises(stdb.ViewError, match="opened without its module"):
            explored.sql("SELECT * FROM mine")
        explored.check()


def test_a_database_describes_its_views(db: stdb.Database) -> None:
    described = {view["name"]: view for view in db.describe()["views"]}
    assert described["mine"] == {
        "name": "mine",
        "public": True,
        "anonymous": False,
        "columns": [
            {"name": "id", "type": "u64"},
            {"name": "sender", "type": "Identity"},
            {"name": "text", "type": "str"},
        ],
        "primary_key": "id",
    }
    assert described["mine_as_query"]["primary_key"] == "id"
    assert described["leader"]["primary_key"] is None


#### Publishing


def _version(view: object, *, returns: object = list[Score], **options: object) -> Module:
    """Return a module with the table of scores and a view `v`."""
    module = Module("app")
    module.table(name="score")(Score)
    view.__annotations__ = {  # type: ignore[attr-defined]
        "ctx": AnonymousViewContext,
        "return": returns,
    }
    module.view(name="v", **options)(view)  # type: ignore[call-overload]
    return module


@pytest.fixture
def scores() -> stdb.Database:
    made = stdb.Database(_version(lambda ctx: list(ctx.db["score"])))
    with made.transaction() as tx:
        tx.db["score"].insert(player="ann", points=3)
    return made


def test_publishing_computes_subscribed_views_with_the_new_code(scores: stdb.Database) -> None:
    hold(scores, "v")
    number = scores._store.by_name["v"].table_id
    scores.publish(
        _version(lambda ctx: [row.replace(points=row.points * 2) for row in ctx.db["score"]])
    )
    assert list(scores.tables.score) == [Score(player="ann", points=3)]
    assert scores._store.by_name["v"].rows
    assert list(scores.sql("SELECT * FROM v")) == [Score(player="ann", points=6)]
    assert scores._store.by_name["v"].table_id == number
    with scores.transaction() as tx:
        tx.db["score"].insert(player="bob", points=1)
    assert len(scores._store.by_name["v"].rows) == 2
    let_go(scores, "v")
    scores.sql("DELETE FROM score")
    assert not scores._views._instances
    scores.check()


def test_a_module_whose_view_fails_is_not_published(scores: stdb.Database) -> None:
    hold(scores, "v")
    with pytest.raises(stdb.PublishError, match="view 'v' broke: ZeroDivisionError"):
        scores.publish(_version(lambda ctx: 1 // 0))
    assert list(scores.sql("SELECT * FROM v")) == [Score(player="ann", points=3)]
    with scores.transaction() as tx:
        tx.db["score"].insert(player="bob", points=1)
    assert len(scores._store.by_name["v"].rows) == 2
    scores.check()


def test_views_come_go_and_change_with_the_module(scores: stdb.Database) -> None:
    class Points(NamedTuple):
        points: u32

    number = scores._store.by_name["v"].table_id
    scores.publish(
        _version(lambda ctx: [Points(r.points) for r in ctx.db["score"]], returns=list[Points])
    )
    assert list(scores.sql("SELECT * FROM v")) == [(3,)]
    assert scores._store.by_name["v"].table_id != number
    assert len(scores.sql("SELECT * FROM st_view")) == 1
    assert len(scores.sql("SELECT * FROM st_view_column")) == 1
    with pytest.raises(stdb.SqlError, match="no such table"):
        scores.sql("SELECT * FROM v", sender=BOB)
    scores.publish(
        _version(
            lambda ctx: [Points(r.points) for r in ctx.db["score"]],
            returns=list[Points],
            public=True,
        )
    )
    assert list(scores.sql("SELECT * FROM v", sender=BOB)) == [(3,)]
    without = Module("app")
    without.table(name="score")(Score)
    scores.publish(without)
    with pytest.raises(stdb.SqlError, match="no such table: 'v'"):
        scores.sql("SELECT * FROM v")
    assert len(scores.sql("SELECT * FROM st_view")) == 0
    scores.check()


def test_a_stored_database_takes_the_views_of_the_module_it_is_opened_with(
    tmp_path: object,
) -> None:
    path = f"{tmp_path}/db"
    with stdb.Database(_version(lambda ctx: list(ctx.db["score"])), path=path) as db:
        with db.transaction() as tx:
            tx.db["score"].insert(player="ann", points=3)
        db.sql("SELECT * FROM v")
    module = _version(lambda ctx: ctx.db["score"].player.find("ann"), returns=Score | None)
    module.view(name="w")(leader_of_any)
    with stdb.Database(module, path=path) as again:
        assert list(again.sql("SELECT * FROM v")) == [Score(player="ann", points=3)]
        assert list(again.sql("SELECT * FROM w")) == [Score(player="ann", points=3)]
        again.check()
    with stdb.Database(module, path=path) as once_more:
        assert list(once_more.sql("SELECT * FROM w")) == [Score(player="ann", points=3)]
        once_more.check()


def leader_of_any(ctx: AnonymousViewContext) -> list[Score]:
    return list(ctx.db["score"].iter())
