"""Reminders: rows that call a reducer, and a procedure. Run it: ``python examples/reminders.py``.

A row of `Reminder` is a call to come. `nag` is called once a row's moment has come, and again and
again for an interval; deleting the row ends that. `wait_for` is a procedure: it may wait.
"""

from datetime import timedelta

from stdb import (
    Database,
    Module,
    ProcedureContext,
    ReducerContext,
    Row,
    ScheduleAt,
    primary_key,
    u64,
)

reminders = Module("reminders")


@reminders.table(scheduled="nag")
class Reminder(Row):
    """Something to be reminded of."""

    id: u64 = primary_key(auto_inc=True)
    at: ScheduleAt
    text: str


@reminders.table(public=True)
class Nagged(Row):
    """A reminder that was shown."""

    id: u64 = primary_key(auto_inc=True)
    text: str


@reminders.reducer
def remind_in(ctx: ReducerContext, text: str, seconds: float) -> None:
    """Show `text` once, `seconds` from now."""
    when = ctx.timestamp + timedelta(seconds=seconds)
    ctx.db[Reminder].insert(Reminder(at=ScheduleAt.at(when), text=text))


@reminders.reducer
def remind_every(ctx: ReducerContext, text: str, seconds: float) -> None:
    """Show `text` every `seconds`."""
    interval = timedelta(seconds=seconds)
    ctx.db[Reminder].insert(Reminder(at=ScheduleAt.every(interval), text=text))


@reminders.reducer
def forget(ctx: ReducerContext, text: str) -> None:
    """Show `text` no more."""
    for reminder in ctx.db[Reminder]:
        if reminder.text == text:
            ctx.db[Reminder].delete(reminder)


@reminders.reducer
def nag(ctx: ReducerContext, reminder: Reminder) -> None:
    """Show a reminder: its time has come."""
    ctx.db[Nagged].insert(Nagged(text=reminder.text))


@reminders.procedure(timeout=10)
def wait_for(ctx: ProcedureContext, count: int) -> list[str]:
    """Return what was shown, when there is as much as `count`."""
    while True:
        with ctx.transaction() as tx:
            shown = [nagged.text for nagged in tx.db[Nagged]]
        if len(shown) >= count:
            return shown
        ctx.sleep(0.05)


def main() -> None:
    """Let some reminders come."""
    with Database(reminders) as db, db.connect() as conn:
        conn.subscribe(Nagged)
        conn.db.nagged.on_insert(lambda _event, row: print("*", row.text))
        conn.reducers.remind_in("the tea is ready", 0.5)
        conn.reducers.remind_every("drink it", 0.2)
        shown = conn.procedures.wait_for(5)
        conn.reducers.forget("drink it")
        print(f"{len(shown)} reminders were shown")


if __name__ == "__main__":
    main()
