"""Real processes that are killed at random moments, again and again, on the same database.

The writer prints the number of its last durable transaction as it goes. Whoever opens the database
after it was killed finds at least that, and each transaction whole: it moves money, counts itself
and writes an entry. Snapshots are written all the while, and what they make superfluous is deleted.
"""

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import stdb
from stdb import Module, ReducerContext, Row, index, primary_key, u32, u64

counter = Module("counter")


@counter.table()
class Count(Row):
    """How many steps there were, twice."""

    id: u32 = primary_key()
    value: u64


@counter.table()
class Step(Row):
    """A step; the texts are of all sizes."""

    number: u64 = primary_key()
    text: str
    kind: u32 = index()


@counter.init
def init(ctx: ReducerContext) -> None:
    ctx.db[Count].insert_many([Count(id=1, value=0), Count(id=2, value=0)])


@counter.reducer
def step(ctx: ReducerContext, size: u32) -> None:
    counts = ctx.db[Count].id
    first, second = counts.find(1), counts.find(2)
    counts.update(first.replace(value=first.value + 1))
    ctx.db[Step].insert(Step(number=first.value, text="x" * size, kind=size % 7))
    if first.value >= 50:
        ctx.db[Step].number.delete(first.value - 50)
    counts.update(second.replace(value=second.value + 1))


def check(db: stdb.Database) -> int:
    """Check that every transaction is there as a whole, and return how many there are."""
    db.check()
    with db.transaction(readonly=True) as tx:
        values = {row.value for row in tx.db[Count]}
        assert len(values) == 1
        count: int = values.pop()
        numbers = sorted(row.number for row in tx.db[Step])
        assert numbers == list(range(max(0, count - 50), count))
    return count


def write_for_ever(path: str, mode: str, seed: int) -> None:
    """Commit and report until somebody kills this process."""
    from stdb.durability.files import Disk

    rng = random.Random(seed)
    Disk.segment_bytes_max = 20_000
    db = stdb.Database(
        counter,
        path=path,
        durability=mode,  # type: ignore[arg-type]
        snapshot_every=rng.choice([4, 15, 40]),
        retain=rng.choice([None, 1, 2]),
    )
    sys.stdout.write("open\n")
    printing = threading.Lock()

    def work() -> None:
        while True:
            db.call("step", rng.choice([0, 5, 200, 3000]))
            with printing:
                sys.stdout.write(f"{db.durable_offset}\n")
                sys.stdout.flush()

    # Threads that wait for each commit share syncs, and commits.
    for _ in range(3 if mode == "sync" and seed % 2 else 0):
        threading.Thread(target=work, daemon=True).start()
    work()


def crash_once(path: Path, mode: str, seed: int, lines_max: int) -> int:
    """Let a writer go on for a random while, kill it, and return what it last called durable."""
    code = (
        "import sys; from tests.durability.test_crash import write_for_ever\n"
        "write_for_ever(sys.argv[1], sys.argv[2], int(sys.argv[3]))"
    )
    command = [sys.executable, "-c", code, str(path), mode, str(seed)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        wanted = random.Random(seed).randrange(lines_max)
        durable = -1
        for _ in range(wanted + 1):
            line = writer.stdout.readline().strip()
            assert line, "the writer broke"
            if line not in ("open", "None"):
                durable = int(line)
        os.kill(writer.pid, signal.SIGKILL)
        # It wrote on until the signal came: what is in the pipe was reported too.
        for line in writer.stdout.read().split("\n")[:-1]:
            if line.isdigit():
                durable = int(line)
    return durable


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("mode", "times"),
    [
        ("sync", 4),
        ("async", 4),
        pytest.param("sync", 100, marks=pytest.mark.slow),
        pytest.param("async", 100, marks=pytest.mark.slow),
    ],
)
def test_killed_writers_lose_nothing_durable(tmp_path: Path, mode: str, times: int) -> None:
    path = tmp_path / "counter.stdb"
    before = 0
    for seed in range(times):
        durable = crash_once(path, mode, seed, 60)
        with stdb.Database(counter, path=path, durability="sync") as db:
            count = check(db)
            assert count >= durable  # transaction 0 made the tables
            assert count >= before
            db.call("step", 1)
            before = check(db)
            assert before == count + 1
