"""Schedules: the rows of scheduled tables call their functions when their time has come.

Timers follow what is committed: a scheduled table is watched, so whoever writes a row (a reducer,
the owner, SQL) arms its timer, and whoever deletes it cancels it. Nothing of this is stored but the
rows: when a database is opened, all timers are armed from them.

A timer stays the first until everything that it stands for is done, so that an interrupt in between
loses no call. Functions run one after another, in the order in which they are due.
"""

from __future__ import annotations

import inspect
import logging
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..clock import ManualClock
from ..errors import DatabaseClosed, Error, UsageError
from ..runtime.timers import Timer, Timers, TimerThread
from ..runtime.waiting import stop_thread

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Event
    from collections.abc import Callable, Coroutine

    from ..module import FunctionDeclaration
    from ..storage.changes import Changes
    from ..storage.table import Table
    from .core import Core

#: How late a call may be before that is worth a warning, in microseconds.
_LATE_MICROS: Final = 30_000
#: How long `close` waits for a function to end by itself, and then to be stopped, in seconds.
_PATIENCE_S: Final = 5.0
_NAP_S_MAX: Final = 10.0


class Scheduled(NamedTuple):
    """A scheduled table: what its rows call, and where they say when."""

    table: Table
    find: Callable[[int], Any]
    id_attribute: str
    at_attribute: str
    declared: Any

    @property
    def is_procedure(self) -> bool:
        """Whether the function is a procedure."""
        return bool(self.declared.kind == "procedure")

    def key_of(self, row: Any) -> tuple[str, int]:
        """Return the key of a row's timer."""
        return self.table.name, getattr(row, self.id_attribute)


class Soon(NamedTuple):
    """A call without a row: of a function by its name, with arguments."""

    name: str
    args: tuple[Any, ...]


def scheduled_tables(database: Core) -> list[Scheduled]:
    """Return the scheduled tables of a database whose functions are there."""
    program = database._program
    found = []
    for definition in program.definition.all_tables().values():
        schedule, key = definition.schedule, definition.primary_key
        if schedule is None or key is None:
            continue
        name = schedule.function_name
        declared: FunctionDeclaration | None = program.reducers.get(name)
        declared = declared or program.procedures.get(name)
        if declared is None:
            continue  # opened without its module: no functions, no calls
        table = database._store[definition.name]
        fields = table.shape.fields
        index = next(
            i
            for i, each in enumerate(table.indexes)
            if each.unique and each.definition.columns == (key,)
        )
        found.append(
            Scheduled(
                table,
                table.functions[f"find_{index}"],
                fields[key].attribute,
                fields[schedule.at_column].attribute,
                declared,
            )
        )
    return found


class Schedules:
    """The timers of one database, and what happens when they fire."""

    def __init__(self, database: Core, tables: list[Scheduled]) -> None:
        self._database = database
        self._clock = database._clock
        self._state = database._store.state
        self._tables = {each.table.name: each for each in tables}
        self._timers = Timers()
        self._thread: TimerThread | None = None
        self._bell: tuple[AbstractEventLoop, Event] | None = None
        self._closed = False
        self._is_paused = False
        self._soon_count = 0
        self._logger = logging.getLogger(f"stdb.{database.name}")
        #: How many calls were made, and how late the last one was, in microseconds.
        self.fired = 0
        self.last_delay = 0

    def __len__(self) -> int:
        return len(self._timers)

    def start(self) -> None:
        """Arm a timer for each row that is there, and follow the tables from here on."""
        store = self._database._store
        with self._state.alone():
            self._state.now = self._clock.micros
            now = self._clock.micros()
            for scheduled in self._tables.values():
                for row in scheduled.table.rows.values():
                    self._arm(scheduled, row, now)
                store.watch(scheduled.table.name, self.take)
        if isinstance(self._clock, ManualClock):
            self._clock.attach(self)
        self._ring()

    # -- following the tables ----------------------------------------------------------------------

    def take(self, changes: Changes) -> None:
        """Arm and cancel timers for what a transaction changed; may be told again."""
        now = self._clock.micros()
        for changed in changes.tables:
            scheduled = self._tables.get(changed.table.name)
            if scheduled is None:
                continue
            at = scheduled.at_attribute
            gone = {scheduled.key_of(row): getattr(row, at) for row in changed.deletes}
            for row in changed.inserts:
                before = gone.pop(scheduled.key_of(row), None)
                # A row that still says the same time keeps its timer.
                if before != getattr(row, at) or self._timers.get(scheduled.key_of(row)) is None:
                    self._arm(scheduled, row, now)
            for key in gone:
                self._timers.cancel(key)
        self._ring()

    def _arm(self, scheduled: Scheduled, row: Any, now: int) -> None:
        moment = getattr(row, scheduled.at_attribute)
        interval, due = None, 0
        if moment.interval is None:
            due = moment.time.micros
        else:
            interval = abs(moment.interval.micros)
            due = now + interval
        self._timers.arm(Timer(scheduled.key_of(row), scheduled, interval), due)

    def _ring(self) -> None:
        """Let whoever waits for the first timer look again."""
        due = self.next_due()
        if due is None or isinstance(self._clock, ManualClock):
            return
        if self._bell is not None:
            loop, bell = self._bell
            with suppress(RuntimeError):  # the loop was closed without an end of `serve`
                loop.call_soon_threadsafe(bell.set)
            return
        if self._thread is None:
            self._thread = TimerThread(self, f"stdb schedules of {self._database.name}")
        self._thread.ring(due)

    def call_soon(self, name: str, args: tuple[Any, ...]) -> None:
        """Call a function as the database itself, as soon as no transaction is open.

        Whatever becomes of the transaction that asks for it; nothing of it is stored.
        """
        with self._state.alone():
            self._soon_count += 1
            key = ("", self._soon_count)  # no table has that name
            self._timers.arm(Timer(key, Soon(name, args), None), self._clock.micros())
        self._ring()

    # -- firing ------------------------------------------------------------------------------------

    def next_due(self) -> int | None:
        """Return when to look again, in microseconds."""
        return None if self._closed or self._is_paused else self._timers.next_due()

    @property
    def _is_off(self) -> bool:
        return self._closed or self._is_paused

    def now(self) -> int:
        """Return the present time, in microseconds."""
        return self._clock.micros()

    def check(self) -> None:
        """Raise `TransactionError` if this thread has a transaction: nothing nests."""
        self._state.check_not_nested()

    def fire(self, until: int) -> None:
        """Fire the first timer, if it is due; the time will go on to `until` at least."""
        timer = self._first_due()
        if timer is None:
            return
        waiting = self._call(timer)
        if waiting is not None:
            # An event loop runs on this thread, so the procedure gets one on another.
            import asyncio

            thread = Thread(target=asyncio.run, args=(_quiet(waiting),), name="stdb procedure")
            thread.start()
            thread.join()
        self._finish(timer, until)

    async def fire_async(self, until: int) -> None:
        """Fire the first timer, if it is due; an async procedure runs on this event loop."""
        timer = self._first_due()
        if timer is None:
            return
        waiting = self._call(timer)
        if waiting is not None:
            await _quiet(waiting)
        self._finish(timer, until)

    def _first_due(self) -> Timer | None:
        with self._state.lock:
            timer = self._timers.first()
        is_due = timer is not None and timer.due <= self._clock.micros() and not self._is_off
        return timer if is_due else None

    def _call(self, timer: Timer) -> Coroutine[Any, Any, Any] | None:
        """Call the function of a timer; an async procedure in an event loop is to be awaited."""
        if timer.has_run:
            return None
        self.fired += 1
        if isinstance(timer.work, Soon):
            timer.has_run = True
            return self._call_by_name(timer.work)
        now = self._clock.micros()
        self.last_delay = max(now - timer.due, 0)
        if self.last_delay > _LATE_MICROS and not isinstance(self._clock, ManualClock):
            self._logger.warning(
                "%s: a call of %r is %d ms late",
                self._database.name,
                timer.work.declared.name,
                self.last_delay // 1000,
            )
        micros = max(now, timer.due)
        if not timer.work.is_procedure:
            self._call_reducer(timer, micros)
            timer.has_run = timer.interval is None and not self._is_off
            return None
        row = self._row_for_procedure(timer)
        if row is None:
            return None
        database: Any = self._database
        waiting = None
        with suppress(Exception):  # it is in the log
            waiting = database._run_procedure(
                timer.work.declared, (row,), database.identity, None, micros
            )
        return _to_await(waiting)

    def _call_by_name(self, soon: Soon) -> Coroutine[Any, Any, Any] | None:
        database: Any = self._database
        procedure = database._program.procedures.get(soon.name)
        declared = database._callable.get(soon.name) or procedure
        waiting = None
        with suppress(Exception):  # it is in the log
            if declared is None:
                database._refuse_reducer(soon.name)
            try:
                args = declared.take(soon.args)
            except Error as error:
                self._failed(soon.name, error)
                return None
            if declared is procedure:
                waiting = database._run_procedure(procedure, args, database.identity, None)
            else:
                database._run(declared, args, database.identity, None)
        return _to_await(waiting)

    def _transact(self, work: Callable[[Timer, int], Any], timer: Timer, micros: int) -> None:
        """Do `work` in a transaction; it returns the call that the log is to have, if any."""
        database, state = self._database, self._state
        state.check_not_nested()
        try:
            try:
                state.begin(micros)
                database._store.commit(work(timer, micros))
            finally:
                state.end()
        finally:
            # An interrupt may have struck inside the first end: it can be called again.
            state.end_if_begun()
        database._settle()

    def _call_reducer(self, timer: Timer, micros: int) -> None:
        """Call a reducer with the row of its timer, in a transaction."""
        try:
            self._transact(self._with_row, timer, micros)
        except _ReducerFailed:
            pass  # it is in the log
        except Exception as error:  # noqa: BLE001 - there is nobody to raise it to
            self._failed(timer.work.declared.name, error)

    def _with_row(self, timer: Timer, micros: int) -> Any:
        database: Any = self._database
        declared = timer.work.declared
        if self._is_off:
            return None
        row = timer.work.find(timer.key[1])
        if row is None:
            self._timers.cancel(timer.key)
            return None
        identity = database.identity
        try:
            database._invoke(declared, (row,), identity, None, micros)
        except Exception as error:
            raise _ReducerFailed from error
        if database._log is None:
            return None
        return (declared.name, declared.parameters, identity, None, micros, (row,))

    def _row_for_procedure(self, timer: Timer) -> Any:
        """Return the row that a procedure is called with; one that fires once is gone before."""
        database = self._database
        scheduled = timer.work
        try:
            if timer.interval is not None:
                with database._store.reading():
                    row = None if self._is_off else scheduled.find(timer.key[1])
            else:
                with database._store.writing():
                    row = None if self._is_off else scheduled.find(timer.key[1])
                    if row is not None:
                        scheduled.table.delete(row)
                database._settle()
        except Exception as error:  # noqa: BLE001 - there is nobody to raise it to
            self._failed(scheduled.declared.name, error)
            row = None
        if row is None and not self._is_off:
            self._cancel(timer)
        return row

    def _finish(self, timer: Timer, until: int) -> None:
        """Do what comes after the call: delete a row that fires once, arm an interval anew."""
        if self._is_off:
            return
        if timer.interval is None:
            if not isinstance(timer.work, Soon) and not timer.work.is_procedure:
                self._delete_row(timer)
            self._cancel(timer)
            return
        with self._state.lock:
            # Otherwise somebody, perhaps the function, deleted the row or changed its time.
            if self._timers.get(timer.key) is timer:
                self._timers.arm(timer, self._next_tick(timer, until))

    def _next_tick(self, timer: Timer, until: int) -> int:
        """Return when an interval fires next: the first of its ticks that is still to come."""
        now = self._clock.micros()
        if not timer.interval:
            # As soon as time goes on; a clock turned by hand would else never get there.
            return max(now, until) + 1
        return timer.due + max((now - timer.due) // timer.interval + 1, 1) * timer.interval

    def _delete_row(self, timer: Timer) -> None:
        """Delete a row whose reducer ran, in a transaction of its own, if it still fires once."""
        try:
            self._transact(self._without_row, timer, self._clock.micros())
        except Exception as error:  # noqa: BLE001 - there is nobody to raise it to
            self._failed(timer.work.declared.name, error)

    def _without_row(self, timer: Timer, _micros: int) -> None:
        work = timer.work
        row = work.find(timer.key[1])
        if row is not None and getattr(row, work.at_attribute).interval is None:
            work.table.delete(row)

    def _cancel(self, timer: Timer) -> None:
        with self._state.lock:
            if self._timers.get(timer.key) is timer:
                self._timers.cancel(timer.key)
            self._timers.first()  # what is cancelled is not looked at again

    def _failed(self, function: str, error: Exception) -> None:
        """Log why a call could not be made, or its row not be deleted."""
        if not isinstance(error, DatabaseClosed):
            self._database._logs.system(
                "Error", f"the schedule of {function!r} failed: {error}", function=function
            )

    # -- an event loop instead of a thread ---------------------------------------------------------

    async def serve(self) -> None:
        """Fire timers on the running event loop, until the database is closed."""
        import asyncio

        if isinstance(self._clock, ManualClock):
            raise UsageError("the schedules of a database with a ManualClock fire in advance()")
        if self._bell is not None:
            raise UsageError("the schedules of this database fire on an event loop already")
        bell = asyncio.Event()
        self._bell = asyncio.get_running_loop(), bell
        if self._thread is not None:
            self._thread.stop()
            await asyncio.to_thread(self._thread.join, _NAP_S_MAX)
            self._thread = None
        try:
            while not self._closed:
                bell.clear()
                due, now = self.next_due(), self.now()
                if due is not None and due <= now:
                    await self.fire_async(now)
                    await asyncio.sleep(0)
                    continue
                nap = _NAP_S_MAX if due is None else min((due - now) / 1_000_000, _NAP_S_MAX)
                with suppress(TimeoutError):
                    async with asyncio.timeout(nap):
                        await bell.wait()
        finally:
            self._bell = None
            self._ring()

    # -- a change of the module --------------------------------------------------------------------

    def pause(self) -> None:
        """Fire nothing for a while; timers stay. The present call may be running still."""
        self._is_paused = True
        if self._thread is not None:
            self._thread.stop()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._is_paused = False
        self._thread = None
        self._ring()

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Fire nothing any more, and return when no thread is left."""
        store = self._database._store
        self._closed = True
        for name in self._tables:
            store.unwatch(name, self.take)
        if isinstance(self._clock, ManualClock):
            self._clock.detach(self)
        if self._bell is not None:
            loop, bell = self._bell
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(bell.set)
        thread = self._thread
        if thread is None:
            return
        thread.stop()
        if not thread.join(_PATIENCE_S) and thread.thread is not None:
            stop_thread(thread.thread)
            if not thread.join(_PATIENCE_S):
                self._logger.error("a scheduled function does not end: its thread is left behind")


class _ReducerFailed(Exception):  # noqa: N818 - never leaves this file
    """A reducer failed, and that is in the log."""


def _to_await(returned: Any) -> Coroutine[Any, Any, Any] | None:
    """Return what a procedure returned if that is to be awaited: it is async, and a loop runs."""
    return returned if inspect.iscoroutine(returned) else None


async def _quiet(waiting: Coroutine[Any, Any, Any]) -> None:
    """Wait for a procedure whose failure is in the log."""
    with suppress(Exception):
        await waiting
