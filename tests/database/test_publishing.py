"""Publishing into a database that runs: rows of new classes, functions, failures, interrupts."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import enum
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.database.test_interrupts import Place, Traced, in_another_thread, numbers_to_strike_at
from tests.helpers.migrating import Migration, kinds, module, table

import stdb
from stdb import (
    Database,
    Identity,
    MigrationError,
    Module,
    ReducerContext,
    Row,
    index,
    primary_key,
    u8,
    u64,
    unique,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Parts:
    """What one version of a module is made of."""

    def __init__(self, *, wide: bool = False) -> None:
        @dataclasses.dataclass(frozen=True)
        class Point:
            x: int
            y: int

        class Hue(enum.Enum):
            RED = 1
            BLUE = 2

        game = Module("game")

        class Dot(Row):
            id: u64 = primary_key(auto_inc=True)
            at: Point
            hues: list[Hue]
            who: Identity | None = None
            if wide:
                size: u8 = 7

        self.module, self.point, self.hue = game, Point, Hue
        # The annotations mean what they mean here.
        Dot.__annotations__.update(at=Point, hues=list[Hue])
        self.dot = game.table(public=True)(Dot)

        @game.reducer
        def draw(ctx: ReducerContext, x: int) -> None:
            ctx.db.dot.insert(at=Point(x=x, y=0), hues=[Hue.BLUE])

        def corner(ctx: stdb.AnonymousViewContext) -> list[Any]:
            return [row for row in ctx.db.dot if row.at.x == 0]

        corner.__annotations__["return"] = list[self.dot]
        game.view(public=True)(corner)

        if wide:

            @game.reducer
            def grow(ctx: ReducerContext) -> None:
                for row in ctx.db.dot:
                    ctx.db.dot.id.update(row.replace(size=row.size + 1))


@pytest.mark.parametrize("wide", [False, True])
def test_rows_are_rows_of_the_new_classes(wide: bool) -> None:
    before, after = Parts(), Parts(wide=wide)
    db = Database(before.module)
    db.call("draw", 3)
    db.publish(after.module)
    (row,) = db.tables.dot
    more = {"size": 7} if wide else {}
    assert isinstance(row, after.dot)
    assert row == after.dot(id=1, at=after.point(x=3, y=0), hues=[after.hue.BLUE], **more)
    assert isinstance(row.at, after.point)
    assert row.hues == (after.hue.BLUE,)
    with db.transaction() as tx:
        assert tx.db[after.dot].id.find(1) == row
        tx.db[after.dot].delete(row)
        with pytest.raises(stdb.UsageError, match="declared again since"):
            tx.db[before.dot]
    assert len(db.tables.dot) == 0
    db.check()


def test_functions_are_those_of_the_new_module() -> None:
    db = Database(Parts().module)
    with pytest.raises(stdb.UnknownName):
        db.call("grow")
    db.reducers.draw(1)
    db.publish(Parts(wide=True).module)
    db.reducers.grow()
    db.call("draw", 2)
    assert sorted(row.size for row in db.tables.dot) == [7, 8]
    assert {r["name"] for r in db.describe()["reducers"]} == {"draw", "grow"}


def test_init_runs_once() -> None:
    count: list[int] = []
    shop = module(table(id=u64))

    @shop.init
    def init(ctx: ReducerContext) -> None:
        count.append(1)

    db = Database(shop)
    db.publish(shop)
    assert count == [1]


def test_a_handle_of_a_table_outlives_a_publish() -> None:
    db = Database(Parts().module)
    dots, tables = db.tables.dot, db.tables
    db.publish(Parts(wide=True).module)
    db.call("draw", 1)
    assert [row.size for row in dots] == [7]
    assert list(tables) == ["dot"]


def test_statements_are_compiled_anew() -> None:
    db = Database(Parts().module)
    db.call("draw", 1)
    assert db.sql("SELECT * FROM dot").columns == ("id", "at", "hues", "who")
    db.publish(Parts(wide=True).module)
    assert db.sql("SELECT * FROM dot").columns == ("id", "at", "hues", "who", "size")
    db.call("draw", 2)
    assert len(db.sql("SELECT * FROM dot")) == 2


def test_a_sequence_goes_on() -> None:
    db = Database(Parts().module)
    db.call("draw", 1)
    db.publish(Parts(wide=True).module)
    db.call("draw", 2)
    db.publish(Parts(wide=True).module)
    db.call("draw", 3)
    assert sorted(row.id for row in db.tables.dot) == [1, 2, 3]


def test_tables_stay_in_their_order() -> None:
    db = Database(module(table("a", id=u64), table("b", id=u64), table("c", id=u64)))
    db.publish(module(table("a", id=(u64, index())), table("b", id=u64), table("c", id=u64)))
    assert list(db.tables) == ["a", "b", "c"]


def test_a_fork_is_published_to_alone() -> None:
    db = Database(Parts().module)
    db.call("draw", 1)
    fork = db.fork()
    fork.publish(Parts(wide=True).module)
    fork.call("grow")
    db.call("draw", 2)
    assert [len(each.tables.dot) for each in (db, fork)] == [2, 1]
    assert "size" not in db.tables.dot.columns
    db.check()
    fork.check()


def test_clients_go_when_the_change_breaks_them() -> None:
    gone: list[Identity] = []
    after = Parts(wide=True).module

    @after.client_disconnected
    def left(ctx: ReducerContext) -> None:
        gone.append(ctx.sender)

    db = Database(Parts().module)
    conn = db.connect()
    db.publish(Parts().module)
    assert conn.is_active
    assert db.publish(after).breaks_clients
    assert not conn.is_active
    assert gone == [conn.identity]
    with db.connect() as again:
        again.call("grow")


# -- timers ----------------------------------------------------------------------------------------


def bells(fired: list[str], scheduled: str) -> Module:
    """Return a module whose timers call a reducer, or nobody yet."""
    made = Module("bells")

    class Bell(Row):
        id: u64 = primary_key(auto_inc=True)
        at: stdb.ScheduleAt

    options = {"scheduled": scheduled} if scheduled else {}
    row_class = made.table(**options)(Bell)

    def ring(ctx: ReducerContext, bell: Any) -> None:
        fired.append("ring")

    def knock(ctx: ReducerContext, bell: Any) -> None:
        fired.append("knock")

    for function in (ring, knock):
        function.__annotations__["bell"] = row_class
        made.reducer(function)
    return made


def test_timers_call_what_the_new_module_says() -> None:
    fired: list[str] = []
    clock = stdb.ManualClock(stdb.Timestamp.from_micros(0))
    db = Database(bells(fired, ""), clock=clock)
    with db.transaction() as tx:
        tx.db.bell.insert(at=stdb.ScheduleAt.every(dt.timedelta(seconds=10)))
    clock.advance(25)
    assert fired == []
    db.publish(bells(fired, "ring"))
    clock.advance(25)
    assert fired == ["ring"] * 2
    db.publish(bells(fired, "knock"))
    clock.advance(25)
    assert fired[2:] == ["knock"] * 2
    db.publish(bells(fired, ""))
    clock.advance(25)
    assert len(fired) == 4
    assert len(db.tables.bell) == 1


# -- the plan ------------------------------------------------------------------------------------

PLAN = """\
━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
Database Migration Plan
━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━

▸ Removed index thing_name_idx_btree on [name] of table thing
▸ Removed auto-increment constraint count_id_seq on column id of table count
▸ Removed table: gone

▸ Changed schema of event table news
▸ Created columns in table thing
    + stars: U8 (default: 3)
    + tag: (some: String | none: ()) (default: (none = ()))
▸ Created user table: come (public)
    Columns:
        • id: U64
        • name: String
    Unique constraints:
        • come_id_key on [id]
    Indexes:
        • come_id_idx_btree on [id]
        • come_name_id_idx_btree on [name, id]
    Auto-increment constraints:
        • come_id_seq on id

▸ Created index thing_id_idx_btree on [id] of table thing
▸ Created unique constraint thing_id_key on [id] of table thing
▸ Changed access for table count (private → public)
▸ Changed primary key on table thing (added on column 0)
!!! Warning: All clients will be disconnected due to breaking schema changes"""


def test_a_plan_is_readable() -> None:
    before = module(
        table(id=u64, name=(str, index())),
        table("count", id=(u64, primary_key(auto_inc=True))),
        table("gone", id=u64),
        table("news", event=True, text=str),
    )
    after = module(
        table(id=(u64, primary_key()), name=str, stars=(u8, 3), tag=(str | None, None)),
        table("count", public=True, id=(u64, primary_key())),
        table("news", event=True, text=u8),
        table(
            "come", public=True, id=(u64, primary_key(auto_inc=True)), name=str,
            by_both=index("name", "id"),
        ),
    )  # fmt: skip
    db = Database(before)
    plan = db.plan(after)
    assert str(plan) == PLAN
    assert "\x1b[1;36mcome\x1b[0m" in plan.text(colored=True)
    assert plan.breaks_clients
    assert not plan.is_empty
    assert repr(plan) == "<MigrationPlan, 10 steps, breaks clients; print it to read it>"
    assert list(db.tables) == ["count", "gone", "news", "thing"]
    done = db.publish(after)
    assert done == plan
    assert db.plan(after).is_empty
    assert str(db.plan(after)).endswith("━\n")


def test_a_token_stands_for_one_change() -> None:
    db, other = Database(Parts().module), Database(Parts().module)
    token = db.plan(Parts(wide=True).module).token
    assert len(bytes.fromhex(token)) == 32
    assert db.plan(Parts(wide=True).module).token == token
    assert db.plan(Parts().module).token != token
    assert other.plan(Parts(wide=True).module).token != token


def test_only_what_was_confirmed_is_done() -> None:
    db = Database(Parts().module)
    plan = db.plan(Parts(wide=True).module)
    other = Parts(wide=True).module
    table("more", id=u64)(other)
    with pytest.raises(MigrationError, match="not the one that was confirmed"):
        db.publish(other, token=plan.token)
    assert db.publish(Parts(wide=True).module, token=plan.token) == plan
    with pytest.raises(MigrationError, match="not the one that was confirmed"):
        db.publish(Parts(wide=True).module, token=plan.token)


def test_the_log_tells_what_was_done() -> None:
    db = Database(module(table(id=u64), table("gone", id=u64)))
    db.publish(module(table(id=(u64, index())), table("come", id=u64)))
    told = [record.message for record in db.logs()]
    assert told[-5:-2] == [
        "Dropping table `gone`",
        "Creating table `come`",
        "Creating index `thing_id_idx_btree` on table `thing`",
    ]
    assert told[-2].startswith("Updated program to ")
    assert told[-1] == "Database updated"


# -- when it fails ---------------------------------------------------------------------------------


def test_clients_that_must_not_break_are_kept() -> None:
    db = Database(Parts().module)
    with db.connect() as conn:
        with pytest.raises(MigrationError, match="breaks clients") as info:
            db.publish(Parts(wide=True).module, break_clients=False)
        assert kinds(info.value) == ["DisconnectAllUsers"]
        assert conn.is_active
        db.publish(Parts().module, break_clients=False)


def test_a_failure_at_the_end_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that came, went and were replaced, sequences, classes and functions."""
    before = Parts()
    migration = Migration("in memory", None)  # type: ignore[arg-type]
    db = migration.db = Database(before.module)
    db.call("draw", 0)
    assert len(db.sql("SELECT * FROM corner")) == 1
    shown, described = migration.stored_rows(), migration.system_rows()
    tables = {name: id(table_) for name, table_ in db._store.by_name.items()}

    def fail() -> None:
        raise RuntimeError("at the end")

    monkeypatch.setattr(db._store, "commit_schema", fail)
    after = Parts(wide=True).module
    table("more", id=(u64, primary_key(auto_inc=True)))(after)
    with pytest.raises(RuntimeError):
        db.publish(after)
    assert migration.stored_rows() == shown
    assert migration.system_rows() == described
    assert {name: id(table_) for name, table_ in db._store.by_name.items()} == tables
    with pytest.raises(stdb.UnknownName):
        db.call("grow")
    db.call("draw", 2)
    assert [type(row) for row in db.tables.dot] == [before.dot] * 2
    with db.transaction() as tx:
        assert list(tx.db) == ["dot"]
        assert tx.db[before.dot].count() == 2
    assert [type(row) for row in db.sql("SELECT * FROM corner")] == [before.dot]
    db.check()
    monkeypatch.undo()
    db.publish(after)
    assert len(db.tables.dot) == 2
    db.check()


def test_it_is_no_part_of_a_transaction() -> None:
    db = Database(Parts().module)
    with db.transaction(), pytest.raises(stdb.TransactionError):
        db.publish(Parts().module)
    db.close()
    with pytest.raises(stdb.DatabaseClosed):
        db.publish(Parts().module)


def test_a_database_that_is_only_read_takes_no_module(tmp_path: Path) -> None:
    Database(Parts().module, tmp_path / "db").close()
    with Database.open(tmp_path / "db", readonly=True) as db:
        assert db.plan(Parts(wide=True).module).breaks_clients
        with pytest.raises(stdb.TransactionError, match="readonly=True"):
            db.publish(Parts().module)
    with pytest.raises(stdb.PublishError, match="leave the module out"):
        Database.open(tmp_path / "db", Parts(wide=True).module, readonly=True)


@pytest.mark.parametrize("wrong", [None, "text", Module, 5])
def test_what_is_no_module_is_refused(wrong: Any) -> None:
    db = Database(Parts().module)
    with pytest.raises(stdb.Error):
        db.publish(wrong)
    db.call("draw", 1)


def test_a_module_that_is_wrong_is_refused() -> None:
    db = Database(Parts().module)
    wrong = Parts().module
    table("st_mine", id=u64)(wrong)
    with pytest.raises(stdb.DefinitionError):
        db.publish(wrong)
    db.call("draw", 1)


def test_other_threads_see_one_version_or_the_other() -> None:
    db = Database(Parts().module)
    for n in range(100):
        db.call("draw", n)
    problems: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            with db.transaction(readonly=True) as tx:
                rows = list(tx.db.dot)
                if len({type(row) for row in rows}) != 1 or len(rows) < 100:
                    problems.append("mixed")
            try:
                db.call("draw", 1)
            except stdb.Error as error:
                problems.append(str(error))

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for wide in (False, True, True, True):
        db.publish(Parts(wide=wide).module)
    done.set()
    for thread in threads:
        thread.join()
    assert problems == []
    db.check()


def test_a_call_that_was_looked_up_before_runs_in_the_new_module() -> None:
    """As one does that has waited for its turn while another module took over."""
    db = Database(Parts(wide=True).module)
    draw, grow = db.reducers.draw, db.reducers.grow
    after = Parts(wide=True)
    del after.module._reducers["grow"]
    db.publish(after.module)
    draw(1)
    assert [type(row) for row in db.tables.dot] == [after.dot]
    with pytest.raises(stdb.UnknownName, match="grow"):
        grow()
    db.call("draw", 2)
    assert len(db.tables.dot) == 2


# -- interrupts ------------------------------------------------------------------------------------


def is_ours(place: Place) -> bool:
    """Whether an instruction is of the code that alters tables and exchanges programs."""
    name = place.code.co_filename
    ours = ("migrating.py", "publishing.py", "alter.py", "restructuring.py", "store.py", "state.py",
            "writing.py", "core.py", "table.py", "handles.py")  # fmt: skip
    return "/stdb/" in name and name.endswith(ours)


@pytest.fixture
def _no_collection() -> Iterator[None]:
    """Keep the collector out, whose finalizers would make each run another."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collection")
def test_an_interrupt_leaves_one_version_or_the_other(request: pytest.FixtureRequest) -> None:
    before, after = Parts().module, Parts(wide=True).module
    table("gone", id=u64, name=(str, unique()))(before)
    table("come", id=u64)(after)
    narrow, wide = before.freeze(), after.freeze()

    def prepared() -> Database:
        db = Database(before)
        for n in range(3):
            db.call("draw", n)
        return db

    def publish(db: Database) -> None:
        db.publish(after)

    Traced().run(publish, prepared())
    counted = Traced()
    counted.run(publish, prepared())
    every = request.config.getoption("--slow")
    numbers = numbers_to_strike_at(counted.places, set(), every=False)
    numbers = [n for n in numbers if every or is_ours(counted.places[n])]
    step = 1 if every else max(1, len(numbers) // 60)
    outcomes, same = set(), 0
    for turn, number in enumerate(numbers[::step]):
        if turn % 20 == 0:
            gc.collect()
        db = prepared()
        traced = Traced(strike_at=number)
        with contextlib.suppress(KeyboardInterrupt):
            traced.run(publish, db)
        place = str(counted.places[number])
        same += traced.places == [counted.places[number]]
        in_another_thread(lambda db=db: db.call("draw", 9))
        db.check()
        assert len(db.tables.dot) == 4, place
        is_wide = "size" in db.tables.dot.columns
        outcomes.add(is_wide)
        program = wide if is_wide else narrow
        assert sorted(db.tables) == sorted(program.shapes), place
        assert db.tables.dot.row_class is program.shapes["dot"].cls, place
        assert db._program.definition is program.definition or (
            db._program.definition == program.definition
        ), place
        assert set(db._callable) == set(program.reducers), place
        db.publish(after)
        assert [row.size for row in db.tables.dot] == [7] * 4, place
        db.check()
    assert outcomes == {False, True}
    assert same > 0.9 * len(numbers[::step])
