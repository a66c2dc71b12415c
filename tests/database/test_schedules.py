"""Scheduled tables: their rows are calls to come, fired in order, as often as they say."""

import asyncio
import contextlib
import gc
import itertools
import random
import threading
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.database.test_interrupts import Traced

from stdb import (
    AsyncProcedureContext,
    Database,
    DefinitionError,
    Identity,
    ManualClock,
    MigrationError,
    Module,
    ProcedureContext,
    ReducerContext,
    ReducerError,
    Row,
    ScheduleAt,
    ScheduleTooLong,
    TimeDuration,
    Timestamp,
    TransactionError,
    UnknownName,
    UsageError,
    primary_key,
    u64,
)

ANN = Identity.from_claims("test", "ann")
SECOND = 1_000_000
Body = Callable[[Any, Any], None]


class Alarms:
    """A module with a scheduled table, what its calls saw, and a database with a clock by hand."""

    def __init__(self, body: Body | None = None, path: Path | None = None) -> None:
        self.module = module = Module("alarms")
        self.seen: list[tuple[int, str]] = []

        @module.table(scheduled="ring")
        class Alarm(Row):
            id: u64 = primary_key(auto_inc=True)
            at: ScheduleAt
            text: str = ""

        @module.table()
        class Rung(Row):
            id: u64 = primary_key(auto_inc=True)
            text: str

        @module.reducer
        def ring(ctx: ReducerContext, alarm: Alarm) -> None:
            self.seen.append((ctx.timestamp.micros, alarm.text))
            ctx.db[Rung].insert(Rung(text=alarm.text))
            if body is not None:
                body(ctx, alarm)

        @module.reducer
        def add(ctx: ReducerContext, at: ScheduleAt, text: str) -> None:
            ctx.db[Alarm].insert(Alarm(at=at, text=text))

        self.Alarm, self.Rung = Alarm, Rung
        self.path = path
        self.clock = ManualClock(0)
        self.db = self.open()

    def open(self) -> Database:
        return Database(self.module, clock=self.clock, path=self.path)

    def add(self, at: object, text: str = "") -> Any:
        with self.db.transaction() as tx:
            return tx.db[self.Alarm].insert(self.Alarm(at=at, text=text))  # type: ignore[arg-type]

    def rows(self) -> list[Any]:
        return self.db.tables.alarm.rows()

    @property
    def times(self) -> list[float]:
        return [micros / SECOND for micros, _ in self.seen]

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.seen]


def at(seconds: float) -> ScheduleAt:
    return ScheduleAt.at(Timestamp(round(seconds * SECOND)))


def every(seconds: float) -> ScheduleAt:
    return ScheduleAt.every(timedelta(seconds=seconds))


# ------------------------------------------------------------------------------------ when it fires


def test_a_moment_fires_once_and_its_row_is_deleted() -> None:
    alarms = Alarms()
    alarms.add(at(5))
    alarms.clock.advance(4.999)
    assert alarms.times == []
    alarms.clock.advance(0.001)
    assert alarms.times == [5]
    assert alarms.rows() == []
    alarms.clock.advance(100)
    assert alarms.times == [5]


def test_an_interval_fires_first_after_itself_and_then_without_drift() -> None:
    alarms = Alarms()
    alarms.clock.advance(1)
    row = alarms.add(every(10))
    alarms.clock.advance(35)
    assert alarms.times == [11, 21, 31]
    assert alarms.rows() == [row]


def test_plain_datetimes_and_timedeltas_are_accepted() -> None:
    alarms = Alarms()
    alarms.add(datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC), "moment")
    alarms.add(timedelta(seconds=4), "interval")
    alarms.clock.advance(8)
    assert alarms.seen == [(4_000_000, "interval"), (7_000_000, "moment"), (8_000_000, "interval")]


def test_a_moment_in_the_past_fires_at_once_with_the_present_time() -> None:
    alarms = Alarms()
    alarms.clock.advance(60)
    alarms.add(at(1))
    alarms.clock.advance(0)
    assert alarms.times == [60]


def test_a_negative_interval_counts_by_its_absolute_value() -> None:
    alarms = Alarms()
    alarms.add(every(-10))
    alarms.clock.advance(20)
    assert alarms.times == [10, 20]


def test_an_interval_of_zero_fires_again_and_again_as_time_goes_on() -> None:
    alarms = Alarms()
    alarms.add(every(0))
    for _ in range(3):
        alarms.clock.advance(1)
    assert [round(t) for t in alarms.times] == [0, 1, 2]


def test_missed_ticks_of_an_interval_are_skipped() -> None:
    """A call that takes longer than its interval is followed by one, not by a burst."""
    alarms = Alarms(lambda ctx, alarm: alarms.clock.sleep_until(ctx.timestamp.micros + 25 * SECOND))
    alarms.add(every(10))
    alarms.clock.advance(50)
    assert alarms.times == [10, 40]


def test_a_call_that_is_kept_waiting_gets_the_present_time() -> None:
    alarms = Alarms(lambda ctx, alarm: alarms.clock.sleep_until(8 * SECOND))
    alarms.add(at(5), "slow")
    alarms.add(at(6), "waits")
    alarms.clock.advance(10)
    assert alarms.seen == [(5_000_000, "slow"), (8_000_000, "waits")]


def test_calls_come_in_the_order_in_which_they_are_due() -> None:
    alarms = Alarms()
    moments = [3.0, 1.0, 2.0, 1.0, 0.5]
    for number, moment in enumerate(moments):
        alarms.add(at(moment), str(number))
    alarms.clock.advance(3)
    assert alarms.texts == ["4", "1", "3", "2", "0"]


def test_a_delay_beyond_the_limit_is_refused_by_the_insert() -> None:
    alarms = Alarms()
    limit = (2**36 - 1) * 1000
    alarms.add(ScheduleAt.at(Timestamp(limit - 1)), "just near enough")
    for too_far in (
        ScheduleAt.at(Timestamp(limit)),
        ScheduleAt.every(TimeDuration(limit)),
        ScheduleAt.every(TimeDuration(-limit)),
    ):
        with pytest.raises(ScheduleTooLong, match=r"table 'alarm': a call may be scheduled"):
            alarms.add(too_far)
        with pytest.raises(ScheduleTooLong):
            alarms.db.call("add", too_far, "")
    with alarms.db.transaction() as tx:
        row = next(tx.db[alarms.Alarm].iter())
        with pytest.raises(ScheduleTooLong):
            tx.db[alarms.Alarm].id.update(row.replace(at=ScheduleAt.at(Timestamp(limit))))
    assert [row.text for row in alarms.rows()] == ["just near enough"]


# ------------------------------------------------------------------------------ who writes the rows


def test_rows_arm_timers_whoever_writes_them() -> None:
    """SpacetimeDB forgets rows that SQL wrote until it is started again."""
    alarms = Alarms()
    alarms.db.call("add", at(1), "reducer")
    alarms.add(at(2), "owner")
    alarms.db.sql("INSERT INTO alarm (at, text) VALUES (?, 'sql')", at(3))
    alarms.clock.advance(3)
    assert alarms.texts == ["reducer", "owner", "sql"]


def test_a_row_that_is_rolled_back_does_not_fire() -> None:
    alarms = Alarms()
    with alarms.db.transaction() as tx:
        tx.db[alarms.Alarm].insert(alarms.Alarm(at=at(1)))
        tx.rollback()
    alarms.clock.advance(2)
    assert alarms.times == []


def test_rows_of_init_fire() -> None:
    module = Module("m")
    seen: list[int] = []

    @module.table(scheduled="tick")
    class Tick(Row):
        id: u64 = primary_key(auto_inc=True)
        at: ScheduleAt

    @module.reducer
    def tick(ctx: ReducerContext, row: Tick) -> None:
        seen.append(ctx.timestamp.micros // SECOND)

    @module.init
    def start(ctx: ReducerContext) -> None:
        ctx.db[Tick].insert(at=timedelta(seconds=1))

    clock = ManualClock(0)
    db = Database(module, clock=clock)
    clock.advance(3)
    assert seen == [1, 2, 3]
    db.close()


def test_deleting_the_row_cancels_the_call() -> None:
    alarms = Alarms()
    row = alarms.add(at(5))
    alarms.add(every(2), "interval")
    alarms.clock.advance(3)
    with alarms.db.transaction() as tx:
        assert tx.db[alarms.Alarm].delete(row)
        tx.db[alarms.Alarm].clear()
    alarms.clock.advance(10)
    assert alarms.texts == ["interval"]


def test_changing_the_time_arms_the_row_anew() -> None:
    alarms = Alarms()
    row = alarms.add(at(5), "x")
    with alarms.db.transaction() as tx:
        tx.db[alarms.Alarm].id.update(row.replace(at=at(9)))
    alarms.clock.advance(8)
    assert alarms.times == []
    with alarms.db.transaction() as tx:
        tx.db[alarms.Alarm].id.update(row.replace(at=every(3)))
    alarms.clock.advance(6)
    assert alarms.times == [11, 14]


def test_the_call_gets_the_row_as_it_is_when_it_fires() -> None:
    alarms = Alarms()
    once, again = alarms.add(at(5), "old"), alarms.add(every(4), "old")
    alarms.clock.advance(3)
    with alarms.db.transaction() as tx:
        for row in (once, again):
            tx.db[alarms.Alarm].id.update(row.replace(text="new"))
    alarms.clock.advance(2)
    # The interval keeps its phase, for its time is what it was.
    assert alarms.seen == [(4_000_000, "new"), (5_000_000, "new")]


# ------------------------------------------------------------------------------- rows and the calls


def test_the_row_is_there_while_its_reducer_runs() -> None:
    found: list[Any] = []
    alarms = Alarms(lambda ctx, alarm: found.append(ctx.db.alarm.id.find(alarm.id)))
    row = alarms.add(at(1))
    alarms.clock.advance(1)
    assert found == [row]
    assert alarms.rows() == []


def test_a_reducer_that_fails_loses_its_changes_and_its_row_all_the_same() -> None:
    def fail(ctx: ReducerContext, alarm: Any) -> None:
        raise ReducerError("no bell") if alarm.text == "refuses" else KeyError(alarm.text)

    alarms = Alarms(fail)
    alarms.add(at(1), "refuses")
    alarms.add(at(2), "breaks")
    alarms.clock.advance(3)
    assert alarms.texts == ["refuses", "breaks"]
    assert alarms.rows() == []
    assert alarms.db.tables.rung.rows() == []
    assert [(r.level, r.function) for r in alarms.db.logs()] == [
        ("Error", "ring"),
        ("Panic", "ring"),
    ]


def test_an_interval_stays_when_its_reducer_fails() -> None:
    def fail(ctx: ReducerContext, alarm: Any) -> None:
        raise ReducerError("no bell")

    alarms = Alarms(fail)
    alarms.add(every(1))
    alarms.clock.advance(3)
    assert alarms.times == [1, 2, 3]


def test_a_row_that_is_given_a_new_time_by_its_own_reducer_is_deleted_after_it() -> None:
    alarms = Alarms(lambda ctx, alarm: ctx.db.alarm.id.update(alarm.replace(at=at(9))))
    alarms.add(at(1))
    alarms.clock.advance(1)
    assert alarms.rows() == []
    alarms.clock.advance(20)
    assert alarms.times == [1]


def test_a_new_row_of_its_own_reducer_schedules_the_next_call() -> None:
    def again(ctx: ReducerContext, alarm: Any) -> None:
        if ctx.timestamp.micros < 3 * SECOND:
            ctx.db.alarm.insert(at=ctx.timestamp.to_datetime() + timedelta(seconds=1))

    alarms = Alarms(again)
    alarms.add(at(1))
    alarms.clock.advance(10)
    assert alarms.times == [1, 2, 3]
    assert alarms.rows() == []


def test_a_row_that_its_reducer_turns_into_an_interval_stays() -> None:
    def turn(ctx: ReducerContext, alarm: Any) -> None:
        if alarm.at.interval is None:
            ctx.db.alarm.id.update(alarm.replace(at=every(2)))

    alarms = Alarms(turn)
    alarms.add(at(1))
    alarms.clock.advance(6)
    assert alarms.times == [1, 3, 5]
    assert len(alarms.rows()) == 1


def test_an_interval_whose_reducer_deletes_the_row_ends() -> None:
    def end(ctx: ReducerContext, alarm: Any) -> None:
        if ctx.timestamp.micros >= 2 * SECOND:
            ctx.db.alarm.delete(alarm)

    alarms = Alarms(end)
    alarms.add(every(1))
    alarms.clock.advance(10)
    assert alarms.times == [1, 2]


def test_an_interval_whose_reducer_changes_it_goes_on_with_the_new_one() -> None:
    def slow_down(ctx: ReducerContext, alarm: Any) -> None:
        ctx.db.alarm.id.update(alarm.replace(at=ScheduleAt.every(alarm.at.interval * 2)))

    alarms = Alarms(slow_down)
    alarms.add(every(1))
    alarms.clock.advance(16)
    assert alarms.times == [1, 3, 7, 15]


# ------------------------------------------------------------------------------------------- rights


def test_the_sender_is_the_database_itself() -> None:
    senders: list[tuple[Any, ...]] = []

    def note(ctx: ReducerContext, alarm: Any) -> None:
        senders.append((ctx.sender, ctx.connection_id, ctx.sender_auth.is_internal))

    alarms = Alarms(note)
    alarms.add(at(1))
    alarms.clock.advance(1)
    assert senders == [(alarms.db.identity, None, True)]


def test_a_scheduled_reducer_is_private() -> None:
    alarms = Alarms()
    row = alarms.add(at(50))
    with pytest.raises(UnknownName, match="no reducer 'ring'"):
        alarms.db.call("ring", row, sender=ANN)
    with alarms.db.connect(identity=ANN) as conn, pytest.raises(UnknownName):
        conn.call("ring", row)
    alarms.db.call("ring", row)
    assert alarms.times == [0]


# --------------------------------------------------------------------------------------- procedures


class Errands:
    """A scheduled table whose rows call a procedure."""

    def __init__(
        self, body: Callable[[Any], None] | None = None, *, is_async: bool = False
    ) -> None:
        self.module = module = Module("errands")
        self.seen: list[tuple[float, int]] = []

        @module.table(scheduled="run")
        class Errand(Row):
            id: u64 = primary_key(auto_inc=True)
            at: ScheduleAt

        def note(ctx: Any) -> None:
            with ctx.transaction() as tx:
                self.seen.append((ctx.timestamp.micros / SECOND, tx.db[Errand].count()))
                assert tx.sender == ctx.identity
                assert tx.sender_auth.is_internal
            if body is not None:
                body(ctx)

        if is_async:

            @module.procedure
            async def run(ctx: AsyncProcedureContext, errand: Errand) -> None:
                await ctx.sleep(0)
                note(ctx)

        else:

            @module.procedure(name="run")
            def run_sync(ctx: ProcedureContext, errand: Errand) -> None:
                note(ctx)

        self.Errand = Errand
        self.clock = ManualClock(0)
        self.db = Database(module, clock=self.clock)

    def add(self, when: ScheduleAt) -> None:
        with self.db.transaction() as tx:
            tx.db[self.Errand].insert(self.Errand(at=when))


@pytest.mark.parametrize("is_async", [False, True])
def test_the_row_of_a_procedure_that_fires_once_is_gone_before_it_runs(is_async: bool) -> None:
    errands = Errands(is_async=is_async)
    errands.add(at(1))
    errands.clock.advance(5)
    assert errands.seen == [(1, 0)]


@pytest.mark.parametrize("is_async", [False, True])
def test_the_row_of_a_procedure_with_an_interval_stays(is_async: bool) -> None:
    errands = Errands(is_async=is_async)
    errands.add(every(2))
    errands.clock.advance(5)
    assert errands.seen == [(2, 1), (4, 1)]


def test_a_scheduled_procedure_that_fails_is_logged_and_an_interval_goes_on() -> None:
    def fail(_: object) -> None:
        raise ReducerError("cannot")

    errands = Errands(fail)
    errands.add(every(2))
    errands.add(at(1))
    errands.clock.advance(4)
    assert errands.seen == [(1, 1), (2, 1), (4, 1)]
    assert [record.message for record in errands.db.logs()] == ["cannot"] * 3


def test_an_async_procedure_runs_when_the_clock_is_turned_in_an_event_loop() -> None:
    errands = Errands(is_async=True)
    errands.add(at(1))

    async def main() -> None:
        errands.clock.advance(5)

    asyncio.run(main())
    assert errands.seen == [(1, 0)]


def test_what_a_procedure_sleeps_delays_the_rest() -> None:
    errands = Errands(lambda ctx: ctx.sleep(3))
    errands.add(at(1))
    errands.add(at(2))
    errands.clock.advance(2)
    assert [when for when, _ in errands.seen] == [1, 4]
    assert errands.clock.micros() == 7 * SECOND


def test_a_volatile_call_is_made_whatever_becomes_of_the_transaction() -> None:
    """Compiled modules can ask for such calls."""
    alarms = Alarms()

    with alarms.db.transaction() as tx:
        alarms.db._call_soon("add", (at(9), "asked for"))
        alarms.db._call_soon("nowhere", ())
        alarms.db._call_soon("add", ())
        tx.rollback()
    assert alarms.rows() == []
    alarms.clock.advance(0)
    assert [row.text for row in alarms.rows()] == ["asked for"]
    messages = [record.message for record in alarms.db.logs()]
    assert any("no reducer 'nowhere'" in message for message in messages)
    assert any("takes 2 arguments, got 0" in message for message in messages)


# -------------------------------------------------------------------------------- the database ends


def test_nothing_fires_after_the_end() -> None:
    alarms = Alarms()
    alarms.add(every(1))
    alarms.db.close()
    alarms.clock.advance(10)
    assert alarms.times == []


def test_a_scheduled_function_may_close_the_database() -> None:
    errands = Errands(lambda ctx: errands.db.close())
    errands.add(every(1))
    errands.clock.advance(10)
    assert len(errands.seen) == 1


def test_rows_fire_after_a_restart(tmp_path: Path) -> None:
    """A moment that passed meanwhile fires at once, once; an interval begins anew."""
    alarms = Alarms(path=tmp_path / "db")
    alarms.add(at(5), "passed")
    alarms.add(at(100), "to come")
    alarms.add(every(10), "interval")
    alarms.clock.advance(3)
    alarms.db.close()
    alarms.clock.advance(52)
    alarms.db = alarms.open()
    alarms.clock.advance(0)
    assert alarms.seen == [(55_000_000, "passed")]
    alarms.clock.advance(45)
    assert alarms.seen[1:] == [
        (65_000_000, "interval"),
        (75_000_000, "interval"),
        (85_000_000, "interval"),
        (95_000_000, "interval"),
        (100_000_000, "to come"),
    ]
    assert [row.text for row in alarms.rows()] == ["interval"]
    alarms.db.close()


def test_rows_that_fired_are_gone_after_a_restart(tmp_path: Path) -> None:
    alarms = Alarms(path=tmp_path / "db")
    alarms.add(at(5))
    alarms.clock.advance(5)
    alarms.db.close()
    alarms.db = alarms.open()
    alarms.clock.advance(50)
    assert alarms.times == [5]
    assert [row.text for row in alarms.db.tables.rung] == [""]
    assert alarms.db.sql("SELECT reducer_name, schedule_name FROM st_scheduled").rows == [
        ("ring", "alarm_sched")
    ]
    alarms.db.close()


def test_a_reducer_cut_short_by_the_end_of_the_process_runs_again(tmp_path: Path) -> None:
    deaths = [True]

    def die(_ctx: object, _alarm: object) -> None:
        if deaths.pop():
            raise SystemExit

    alarms = Alarms(die, path=tmp_path / "db")
    alarms.add(at(1), "x")
    with pytest.raises(SystemExit):
        alarms.clock.advance(1)
    alarms.db.close()
    deaths[:] = [False]
    alarms.db = alarms.open()
    alarms.clock.advance(0)
    assert [row.text for row in alarms.db.tables.rung] == ["x"]
    assert alarms.rows() == []
    alarms.db.close()


def test_a_procedure_cut_short_by_the_end_of_the_process_is_not_repeated() -> None:
    def die(_: object) -> None:
        raise SystemExit

    errands = Errands(die)
    errands.add(at(1))
    with pytest.raises(SystemExit):
        errands.clock.advance(1)
    errands.clock.advance(10)
    assert len(errands.seen) == 1


def test_a_database_without_its_module_or_only_read_fires_nothing(tmp_path: Path) -> None:
    alarms = Alarms(path=tmp_path / "db")
    alarms.add(at(5))
    alarms.db.close()
    with Database.open(tmp_path / "db", clock=alarms.clock) as db:
        alarms.clock.advance(10)
        assert len(db.tables.alarm) == 1
    with Database.open(tmp_path / "db", alarms.module, readonly=True, clock=alarms.clock) as db:
        alarms.clock.advance(10)
        assert len(db.tables.alarm) == 1
    assert alarms.times == []


def test_a_fork_fires_only_when_it_is_asked_to() -> None:
    alarms = Alarms()
    alarms.add(at(5), "x")
    quiet = alarms.db.fork()
    loud = alarms.db.fork(schedules=True)
    alarms.clock.advance(5)
    assert alarms.texts == ["x", "x"]
    assert [len(db.tables.alarm) for db in (alarms.db, quiet, loud)] == [0, 1, 0]


def test_a_clock_fires_the_timers_of_all_its_databases_in_order() -> None:
    order: list[str] = []
    clock = ManualClock(0)
    databases = []
    for name, moments in (("a", [1, 4]), ("b", [2, 3])):
        alarms = Alarms(lambda ctx, alarm: order.append(alarm.text))
        alarms.db.close()
        alarms.clock = clock
        alarms.db = alarms.open()
        databases.append(alarms)
        for moment in moments:
            alarms.add(at(moment), f"{name}{moment}")
    clock.advance(5)
    assert order == ["a1", "b2", "b3", "a4"]


def test_the_clock_is_not_turned_inside_a_transaction() -> None:
    alarms = Alarms()
    with (
        pytest.raises(TransactionError, match="already in a transaction"),
        alarms.db.transaction(),
    ):
        alarms.clock.advance(1)
    assert alarms.clock.micros() == 0


def test_the_clock_is_turned_by_seconds_or_a_timedelta() -> None:
    with pytest.raises(TypeError, match="advance takes seconds or a timedelta, not '1'"):
        ManualClock().advance("1")  # type: ignore[arg-type]


def test_an_interrupted_call_is_made_again() -> None:
    interrupts = [True]

    def interrupt(_ctx: object, _alarm: object) -> None:
        if interrupts:
            interrupts.pop()
            raise KeyboardInterrupt

    alarms = Alarms(interrupt)
    alarms.add(at(1))
    alarms.add(every(1))
    with pytest.raises(KeyboardInterrupt):
        alarms.clock.advance(1)
    assert alarms.db.tables.rung.rows() == []
    alarms.clock.advance(0)
    assert len(alarms.db.tables.rung) == 2
    assert alarms.clock.micros() == SECOND


def test_publishing_goes_on_with_the_rows_and_the_functions_of_the_new_module() -> None:
    """A moment keeps its time; an interval begins anew, as after a restart."""
    alarms = Alarms()
    alarms.add(at(20), "moment")
    alarms.add(every(10), "interval")
    alarms.clock.advance(5)
    after = Alarms()
    alarms.db.publish(after.module)
    alarms.clock.advance(15)
    assert alarms.times == []
    assert after.seen == [(15_000_000, "interval"), (20_000_000, "moment")]


def test_a_publish_that_fails_leaves_the_timers_as_they_were() -> None:
    alarms = Alarms()
    alarms.add(every(10))
    alarms.clock.advance(5)
    other = Module("other")

    @other.table(name="alarm")
    class Alarm(Row):
        id: str = primary_key()

    with pytest.raises(MigrationError):
        alarms.db.publish(other)
    alarms.clock.advance(5)
    assert alarms.times == [10]


def test_an_interrupt_anywhere_loses_no_call_and_leaves_nothing_behind(
    request: pytest.FixtureRequest,
) -> None:
    """Strike at the instructions of a turn of the clock, and turn it again."""

    def prepared() -> Alarms:
        alarms = Alarms()
        alarms.add(at(1), "once")
        alarms.add(every(1), "interval")
        return alarms

    def turn(alarms: Alarms) -> Callable[[Database], None]:
        return lambda _: alarms.clock.advance(1)

    counted, alarms = Traced(), prepared()
    alarms.clock.advance(0)  # whatever is made at the first use of all
    counted.run(turn(alarms), alarms.db)
    count = len(counted.places)
    step = 1 if request.config.getoption("--slow") else count // 50
    for number in range(0, count, step):
        alarms = prepared()
        with contextlib.suppress(KeyboardInterrupt):
            Traced(strike_at=number).run(turn(alarms), alarms.db)
        alarms.clock.advance(1)
        alarms.clock.advance(0)
        place = str(counted.places[number])
        rung = [row.text for row in alarms.db.tables.rung]
        # A call may be made twice, when it was struck between its end and the end of its row.
        assert rung.count("once") in (1, 2), place
        assert rung.count("interval") in (1, 2, 3), place
        assert [row.text for row in alarms.rows()] == ["interval"], place
        thread = threading.Thread(target=alarms.db.call, args=("add", at(99), "x"), daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive(), place
        alarms.db.check()


# ----------------------------------------------------------------------------------- the real clock


def ticking(interval: timedelta) -> tuple[Database, list[tuple[int, int]], threading.Event]:
    """Return a database that notes when its interval fired, and when that should have been."""
    module = Module("ticking")
    ticks: list[tuple[int, int]] = []
    ticked = threading.Event()

    @module.table(scheduled="tick")
    class Tick(Row):
        id: u64 = primary_key(auto_inc=True)
        at: ScheduleAt

    @module.reducer
    def tick(ctx: ReducerContext, row: Tick) -> None:
        ticks.append((time.time_ns() // 1000, ctx.timestamp.micros))
        ticked.set()

    db = Database(module)
    with db.transaction() as tx:
        tx.db[Tick].insert(at=interval)
    return db, ticks, ticked


def schedule_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("stdb schedules")]


def test_with_the_real_clock_a_thread_fires_and_closing_ends_it() -> None:
    db, ticks, ticked = ticking(timedelta(milliseconds=1))
    assert ticked.wait(10)
    assert schedule_threads() == ["stdb schedules of ticking"]
    db.close()
    assert schedule_threads() == []
    count = len(ticks)
    time.sleep(0.02)
    assert len(ticks) == count


def test_a_database_without_scheduled_rows_has_no_thread() -> None:
    alarms = Alarms()
    db = Database(alarms.module)
    assert schedule_threads() == []
    db.close()


def test_a_nearer_timer_wakes_the_thread() -> None:
    db, _, ticked = ticking(timedelta(hours=1))
    with db.transaction() as tx:
        tx.db.tick.insert(at=timedelta(0))
    assert ticked.wait(10)
    db.close()


def test_a_call_that_comes_late_is_told_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    db, _, ticked = ticking(timedelta(hours=1))
    with db.transaction() as tx:
        tx.db.tick.insert(at=Timestamp(Timestamp.now().micros - SECOND))
    assert ticked.wait(10)
    db.close()
    [record] = [r for r in caplog.records if r.name == "stdb.ticking"]
    assert "a call of 'tick' is" in record.message
    assert record.levelname == "WARNING"


def test_closing_ends_a_procedure_that_sleeps_on_the_thread() -> None:
    module = Module("sleepy")
    asleep = threading.Event()

    @module.table(scheduled="doze")
    class Nap(Row):
        id: u64 = primary_key(auto_inc=True)
        at: ScheduleAt

    @module.procedure
    def doze(ctx: ProcedureContext, nap: Nap) -> None:
        asleep.set()
        ctx.sleep(600)

    db = Database(module)
    with db.transaction() as tx:
        tx.db[Nap].insert(at=Timestamp(0))
    assert asleep.wait(10)
    db.close()
    assert schedule_threads() == []


def test_closing_stops_a_procedure_that_hangs_on_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stdb.database.schedules._PATIENCE_S", 0.2)
    module = Module("hanging")
    hangs = threading.Event()

    @module.table(scheduled="spin")
    class Spin(Row):
        id: u64 = primary_key(auto_inc=True)
        at: ScheduleAt

    @module.procedure
    def spin(ctx: ProcedureContext, row: Spin) -> None:
        with ctx.transaction():
            hangs.set()
            while True:
                pass

    db = Database(module)
    with db.transaction() as tx:
        tx.db[Spin].insert(at=timedelta(0))
    assert hangs.wait(10)
    db.close()
    assert schedule_threads() == []


def test_the_thread_ends_with_a_database_that_nobody_holds() -> None:
    db, _, ticked = ticking(timedelta(milliseconds=5))
    assert ticked.wait(10)
    [thread] = [t for t in threading.enumerate() if t.name.startswith("stdb schedules")]
    gone = weakref.ref(db)
    del db
    for _ in range(100):
        gc.collect()
        if gone() is None:
            break
        time.sleep(0.01)
    assert gone() is None
    thread.join(10)
    assert not thread.is_alive()


def test_schedules_may_run_on_the_event_loop_of_the_application() -> None:
    module = Module("looping")
    threads: list[str] = []

    @module.table(scheduled="run")
    class Job(Row):
        id: u64 = primary_key(auto_inc=True)
        at: ScheduleAt

    @module.procedure
    async def run(ctx: AsyncProcedureContext, job: Job) -> None:
        await ctx.sleep(0)
        threads.append(threading.current_thread().name)

    db = Database(module)

    async def main() -> None:
        task = asyncio.create_task(db.run_schedules())
        await asyncio.sleep(0)
        with pytest.raises(UsageError, match="on an event loop already"):
            await db.run_schedules()
        with db.transaction() as tx:
            tx.db[Job].insert(at=timedelta(milliseconds=1))
        for _ in range(1000):
            await asyncio.sleep(0.002)
            if len(threads) >= 3:
                break
        assert schedule_threads() == []
        db.close()
        await asyncio.wait_for(task, 10)

    asyncio.run(main())
    assert set(threads) == {threading.main_thread().name}


def test_schedules_go_back_to_a_thread_when_the_event_loop_has_done() -> None:
    db, _, ticked = ticking(timedelta(milliseconds=2))

    async def main() -> None:
        task = asyncio.create_task(db.run_schedules())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    ticked.clear()
    assert ticked.wait(10)
    db.close()


def test_schedules_with_a_clock_by_hand_do_not_run_on_an_event_loop() -> None:
    with pytest.raises(UsageError, match=r"fire in advance\(\)"):
        asyncio.run(Alarms().db.run_schedules())


@pytest.mark.slow
def test_an_interval_of_50_ms_keeps_its_time_for_5_s() -> None:
    db, ticks, _ = ticking(timedelta(milliseconds=50))
    time.sleep(5.02)
    db.close()
    assert 99 <= len(ticks) <= 101
    lateness = [real - intended for real, intended in ticks]
    assert max(lateness) < 5_000
    steps = {b[1] - a[1] for a, b in itertools.pairwise(ticks)}
    assert min(steps) >= 0
    assert abs(ticks[-1][0] - ticks[0][0] - 50_000 * (len(ticks) - 1)) < 5_000


def test_100_000_timers_of_a_day_fire_in_order_and_as_often_as_they_should() -> None:
    chance = random.Random(1)
    alarms = Alarms()
    moments = [chance.randrange(86_400 * SECOND) for _ in range(100_000)]
    with alarms.db.transaction() as tx:
        tx.db[alarms.Alarm].insert_many(
            [alarms.Alarm(at=Timestamp(moment)) for moment in moments]  # type: ignore[arg-type]
        )
    began = time.thread_time()  # what others do on the machine does not count
    alarms.clock.advance(86_400)
    assert time.thread_time() - began < 10
    assert [micros for micros, _ in alarms.seen] == sorted(moments)
    assert alarms.rows() == []


# ------------------------------------------------------------------------------------- declarations


def test_a_scheduled_table_may_name_its_function_itself() -> None:
    module = Module("m")
    seen: list[str] = []

    @module.reducer
    def remind(ctx: ReducerContext, reminder: "Reminder") -> None:
        seen.append(reminder.text)

    @module.table(scheduled=remind)
    class Reminder(Row):
        id: u64 = primary_key(auto_inc=True)
        at: ScheduleAt
        text: str

    clock = ManualClock(0)
    db = Database(module, clock=clock)
    with db.transaction() as tx:
        tx.db[Reminder].insert(Reminder(at=timedelta(seconds=1), text="tea"))
    clock.advance(1)
    assert seen == ["tea"]


def test_one_function_may_serve_several_tables_of_the_same_rows() -> None:
    module = Module("m")
    seen: list[int] = []

    @module.table(name="daily", scheduled="run")
    @module.table(name="hourly", scheduled="run")
    class Job(Row):
        id: u64 = primary_key(auto_inc=True)
        at: ScheduleAt

    @module.reducer
    def run(ctx: ReducerContext, job: Job) -> None:
        seen.append(ctx.timestamp.micros // SECOND)

    clock = ManualClock(0)
    db = Database(module, clock=clock)
    with db.transaction() as tx:
        tx.db["daily"].insert(at=timedelta(seconds=3))
        tx.db["hourly"].insert(at=timedelta(seconds=2))
    clock.advance(4)
    assert seen == [2, 3, 4]


def wrong_key(module: Module) -> None:
    @module.table(scheduled="run")
    class Job(Row):
        id: int = primary_key()
        at: ScheduleAt


def no_time(module: Module) -> None:
    @module.table(scheduled="run")
    class Job(Row):
        id: u64 = primary_key()


def two_times(module: Module) -> None:
    @module.table(scheduled="run")
    class Job(Row):
        id: u64 = primary_key()
        at: ScheduleAt
        until: ScheduleAt


def no_function(module: Module) -> None:
    @module.table(scheduled="run")
    class Job(Row):
        id: u64 = primary_key()
        at: ScheduleAt

    module.freeze()


def foreign_function(module: Module) -> None:
    def run(ctx: ReducerContext, job: Any) -> None: ...

    @module.table(scheduled=run)
    class Job(Row):
        id: u64 = primary_key()
        at: ScheduleAt

    module.freeze()


def other_parameters(module: Module) -> None:
    @module.table(scheduled="run")
    class Job(Row):
        id: u64 = primary_key()
        at: ScheduleAt

    @module.reducer
    def run(ctx: ReducerContext, job: str) -> None: ...

    module.freeze()


def unknown_row(module: Module) -> None:
    @module.reducer
    def run(ctx: ReducerContext, job: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    module.freeze()


def no_name(module: Module) -> None:
    @module.table(scheduled=5)  # type: ignore[arg-type]
    class Job(Row):
        id: u64 = primary_key()
        at: ScheduleAt


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (wrong_key, r"table 'job' is scheduled, so it needs a primary key of type u64"),
        (no_time, r"needs one column of type ScheduleAt, as in `at: ScheduleAt`"),
        (two_times, r"needs one column of type ScheduleAt, and has 2: at, until"),
        (no_function, "schedule `job_sched`: the function `run` does not exist"),
        (foreign_function, "the function 'run', which its rows are to call, is no reducer"),
        (other_parameters, "scheduled reducer `run` has the wrong parameters"),
        (unknown_row, "names 'Nowhere', which is not visible there"),
        (no_name, "scheduled is a reducer or procedure, or its name, not 5"),
    ],
)
def test_a_table_that_cannot_be_scheduled_is_refused(
    declare: Callable[[Module], None], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        declare(Module("m"))
