"""Rows that call a function when they are due: 20,000 of them over a simulated day, each once.

stdb: a scheduled table, a reducer that inserts a row, `ManualClock.advance`. Each call is a
transaction, and so is the deletion of its row.

sqlite3: a table of jobs with an index on their time; a loop that selects the next job that is due,
inserts a row and commits, deletes the job and commits.
"""

import random
import sqlite3
import time

from _measure import Measurement, rounds, run_script

import stdb
from stdb import ManualClock, Module, ReducerContext, Row, ScheduleAt, Timestamp, primary_key, u64

diary = Module("diary")
DAY = 86_400_000_000


@diary.table(scheduled="run")
class Job(Row):
    """A call to come."""

    id: u64 = primary_key(auto_inc=True)
    at: ScheduleAt


@diary.table()
class Done(Row):
    """A call that was made."""

    id: u64 = primary_key()
    at: Timestamp


@diary.reducer
def run(ctx: ReducerContext, job: Job) -> None:
    """Note that a job was done."""
    ctx.db[Done].insert(Done(id=job.id, at=ctx.timestamp))


def main(quick: bool) -> list[Measurement]:
    """Measure microseconds per call."""
    count, times = (500, 1) if quick else (20_000, 5)
    rng = random.Random(3)
    moments = [rng.randrange(DAY) for _ in range(count)]

    def ours() -> float:
        clock = ManualClock(0)
        db = stdb.Database(diary, clock=clock)
        with db.transaction() as tx:
            tx.db[Job].insert_many([Job(at=ScheduleAt.at(Timestamp(at))) for at in moments])
        start = time.perf_counter()
        clock.advance(86_400)
        took = time.perf_counter() - start
        if len(db.tables.done) != count or len(db.tables.job):
            raise AssertionError("each job is done once")
        return took / count * 1e6

    def theirs() -> float:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        execute = connection.execute
        execute("CREATE TABLE job (id INTEGER PRIMARY KEY, at INTEGER NOT NULL)")
        execute("CREATE TABLE done (id INTEGER PRIMARY KEY, at INTEGER NOT NULL)")
        execute("CREATE INDEX job_at ON job (at)")
        connection.executemany("INSERT INTO job (at) VALUES (?)", ((at,) for at in moments))
        start = time.perf_counter()
        while True:
            job = execute("SELECT id, at FROM job WHERE at <= ? ORDER BY at LIMIT 1", (DAY,))
            row = job.fetchone()
            if row is None:
                break
            execute("BEGIN")
            execute("INSERT INTO done VALUES (?, ?)", row)
            execute("COMMIT")
            execute("BEGIN")
            execute("DELETE FROM job WHERE id = ?", (row[0],))
            execute("COMMIT")
        took = time.perf_counter() - start
        if execute("SELECT COUNT(*) FROM done").fetchone() != (count,):
            raise AssertionError("each job is done once")
        return took / count * 1e6

    return [
        Measurement(
            "schedules",
            "µs a call",
            "sqlite3 :memory:",
            *rounds(ours, theirs, times),
            quick=quick,
            notes=["schedules: a row's call and its deletion / a loop over a table of jobs"],
        )
    ]


if __name__ == "__main__":
    run_script(main, __doc__)
