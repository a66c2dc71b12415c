"""Transfers that are kept: written to a commit log, waited for or not, and read back.

The transfer is that of `transfer.py`: a reducer that reads two accounts and writes both.

* async: ``durability="async"`` against a sqlite3 file in WAL mode with synchronous=NORMAL. Neither
  waits for the disk; both are given the time until all is written in the end (`flush`, checkpoint
  left aside).
* bytes: how much a transfer adds to the log, against what it adds to sqlite3's write-ahead log;
  before anything is compressed, or copied back.
* sync: ``durability="sync"`` against synchronous=FULL: each commit waits for the disk.
* sync, 8 threads: against one thread of ours; threads that commit together share a sync. A sync of
  a quick virtual disk is 0.2 ms, half of which is work of the processor: so this is measured again
  on a disk whose sync takes 1 ms and no work, like that of many a drive.
* recovery: reading the log back, against making the same transfers in memory, per transfer.
* snapshot: opening a database of 1,000,000 rows of two integers from a snapshot, against building a
  dict of as many tuples from a packed array.
* waiting: the longest transfer while a snapshot of 1,000,000 rows is written, against the longest
  while none is.

What waits for the disk is measured in many short rounds, since a disk has its moods.
"""

import random
import sqlite3
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from _measure import Measurement, rounds, run_script
from transfer import BALANCE, Account, bank, pairs

import stdb
from stdb.durability.files import Disk, File, Files

Transfers = list[tuple[int, int, int]]


def open_ours(path: Path, mode: str, accounts: int) -> stdb.Database:
    """Return a durable bank."""
    db = stdb.Database(bank, path=path, durability=mode)  # type: ignore[arg-type]
    with db.transaction() as tx:
        tx.db[Account].insert_many(Account(id=i, balance=BALANCE) for i in range(accounts))
    return db


def open_theirs(path: Path, synchronous: str, accounts: int) -> sqlite3.Connection:
    """Return the same in a sqlite3 file."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)")
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO account VALUES (?, ?)", ((i, BALANCE) for i in range(accounts))
    )
    connection.execute("COMMIT")
    return connection


def ours(db: stdb.Database, transfers: Transfers) -> Callable[[], float]:
    """Return what measures stdb: microseconds a transfer."""

    def measure() -> float:
        call = db.call
        start = time.perf_counter()
        for source, target, amount in transfers:
            call("transfer", source, target, amount)
        db.flush()
        return (time.perf_counter() - start) / len(transfers) * 1e6

    return measure


class PatientFile(File):
    """A file whose sync takes 1 ms and no work."""

    def write_through(self, position: int, data: bytes) -> None:
        """Write, and sync."""
        self.write_at(position, data)
        self.sync()

    def sync(self) -> None:
        """Wait."""
        time.sleep(0.001)


class PatientFiles(Files):
    """A disk with such files."""

    def open(self, path: Path, *, create: bool = False) -> File:
        """Open a file."""
        return PatientFile(path, create=create)


@contextmanager
def patient_disk() -> Iterator[None]:
    """Let databases that are opened meanwhile be on a disk whose sync takes 1 ms and no work."""
    before, Disk.files = Disk.files, PatientFiles()
    try:
        yield
    finally:
        Disk.files = before


def ours_threaded(db: stdb.Database, transfers: Transfers, count: int) -> Callable[[], float]:
    """Return what measures stdb with several threads: microseconds a transfer of all together."""

    def measure() -> float:
        ready = threading.Barrier(count + 1)

        def work(part: Transfers) -> None:
            ready.wait()
            for source, target, amount in part:
                db.call("transfer", source, target, amount)

        threads = [threading.Thread(target=work, args=(transfers[i::count],)) for i in range(count)]
        for thread in threads:
            thread.start()
        ready.wait()
        start = time.perf_counter()
        for thread in threads:
            thread.join()
        return (time.perf_counter() - start) / len(transfers) * 1e6

    return measure


def theirs(connection: sqlite3.Connection, transfers: Transfers) -> Callable[[], float]:
    """Return what measures sqlite3: microseconds a transfer."""

    def measure() -> float:
        execute = connection.cursor().execute
        select = "SELECT balance FROM account WHERE id = ?"
        update = "UPDATE account SET balance = ? WHERE id = ?"
        start = time.perf_counter()
        for source, target, amount in transfers:
            execute("BEGIN")
            giver = execute(select, (source,)).fetchone()
            taker = execute(select, (target,)).fetchone()
            if giver is None or taker is None or giver[0] < amount:
                raise AssertionError("the accounts are there and rich")
            execute(update, (giver[0] - amount, source))
            execute(update, (taker[0] + amount, target))
            execute("COMMIT")
        return (time.perf_counter() - start) / len(transfers) * 1e6

    return measure


def bytes_each(
    db: stdb.Database, connection: sqlite3.Connection, path: Path, transfers: Transfers
) -> tuple[float, float]:
    """Return how many bytes a transfer adds to our log, and to sqlite3's write-ahead log."""
    before = log_bytes(db)
    ours(db, transfers)()
    own = log_bytes(db) - before
    wal = path.with_name(f"{path.name}-wal")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    theirs(connection, transfers)()
    their = wal.stat().st_size
    connection.execute("PRAGMA wal_autocheckpoint=1000")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return own / len(transfers), their / len(transfers)


def recover(path: Path, transfers: int) -> Callable[[], float]:
    """Return what measures opening a log: microseconds a transfer in it."""

    def measure() -> float:
        start = time.perf_counter()
        stdb.Database.open(path, readonly=True)
        return (time.perf_counter() - start) / transfers * 1e6

    return measure


def open_snapshot(path: Path) -> Callable[[], float]:
    """Return what measures opening a database from its snapshot: milliseconds."""

    def measure() -> float:
        start = time.perf_counter()
        db = stdb.Database.open(path, readonly=True)
        took = (time.perf_counter() - start) * 1e3
        if db.recovery is None or db.recovery.snapshot is None:
            raise AssertionError("there is a snapshot")
        return took

    return measure


def build_dict(packed: bytes) -> Callable[[], float]:
    """Return what measures building a dict of tuples from packed numbers: milliseconds."""

    def measure() -> float:
        start = time.perf_counter()
        rows = {row[0]: row for row in struct.iter_unpack("<IQ", packed)}
        took = (time.perf_counter() - start) * 1e3
        if len(rows) != len(packed) // 12:
            raise AssertionError("each row has a key of its own")
        return took

    return measure


def longest(db: stdb.Database, transfers: Transfers, *, snapshot: bool) -> Callable[[], float]:
    """Return what measures the longest of many transfers: milliseconds."""

    def measure() -> float:
        writer = threading.Thread(target=db.snapshot) if snapshot else None
        if writer is not None:
            writer.start()
        most = 0.0
        call, now = db.call, time.perf_counter
        while True:
            for source, target, amount in transfers:
                start = now()
                call("transfer", source, target, amount)
                most = max(most, now() - start)
            if writer is None or not writer.is_alive():
                return most * 1e3

    return measure


def snapshots(root: Path, rows: int, times: int) -> tuple[list[list[float]], list[list[float]]]:
    """Measure a database of so many rows: opening its snapshot, and waiting for one."""
    packed = b"".join(struct.pack("<IQ", i, BALANCE) for i in range(rows))
    path = root / "snapshot"
    with open_ours(path, "async", rows) as db:
        waits = rounds(
            longest(db, pairs(rows, 1_000), snapshot=True),
            longest(db, pairs(rows, 100_000 if rows > 100_000 else 1_000), snapshot=False),
            min(times, 3),
        )
        db.snapshot()
    opened = rounds(open_snapshot(path), build_dict(packed), times)
    return list(opened), list(waits)


def main(quick: bool) -> list[Measurement]:
    """Measure microseconds per transfer, and what snapshots take in milliseconds."""
    accounts, count, waiting, times = (1_000, 1_000, 20, 1) if quick else (100_000, 50_000, 50, 5)
    transfers, waited = pairs(accounts, count), pairs(accounts, waiting)
    short = 1 if quick else 20
    random.Random(2).shuffle(transfers)
    with tempfile.TemporaryDirectory(prefix="stdb-durability-") as directory:
        root = Path(directory)
        with (
            open_ours(root / "async", "async", accounts) as db,
            closing(open_theirs(root / "normal.sqlite", "NORMAL", accounts)) as connection,
        ):
            normal = rounds(ours(db, transfers), theirs(connection, transfers), times)
            sizes = bytes_each(db, connection, root / "normal.sqlite", transfers[:1_000])
        with (
            open_ours(root / "sync", "sync", accounts) as db,
            closing(open_theirs(root / "full.sqlite", "FULL", accounts)) as connection,
        ):
            full = rounds(ours(db, waited), theirs(connection, waited), short)
            # Long enough that the beginning and the end, with fewer threads, hardly count.
            shared = rounds(
                ours_threaded(db, pairs(accounts, 32 * waiting), 8),
                ours(db, pairs(accounts, 4 * waiting)),
                short,
            )
        with patient_disk(), open_ours(root / "patient", "sync", accounts) as db:
            patient = rounds(
                ours_threaded(db, pairs(accounts, 32 * waiting), 8),
                ours(db, pairs(accounts, 4 * waiting)),
                times,
            )
        memory = stdb.Database(bank)
        with memory.transaction() as tx:
            tx.db[Account].insert_many(Account(id=i, balance=BALANCE) for i in range(accounts))
        logged = count * (times + 1) + min(count, 1_000)
        recovery = rounds(recover(root / "async", logged), ours(memory, transfers), times)
        opened, waits = snapshots(root, 10_000 if quick else 1_000_000, times)
    unit = "µs a transaction"
    note = "bytes: the log has the caller, time and arguments; sqlite3's has the pages that changed"
    return [
        Measurement(
            "durable, async", unit, "sqlite3 WAL NORMAL", *normal, ratio_min=4, quick=quick,
        ),
        Measurement(
            "bytes", "bytes a transfer", "sqlite3 WAL", [sizes[0]], [sizes[1]], quick=quick,
            notes=[note],
        ),
        Measurement(
            "durable, sync", unit, "sqlite3 WAL FULL", *full, ratio_min=1, quick=quick
        ),
        Measurement(
            "sync, 8 threads", unit, "stdb, 1 thread", *shared, ratio_min=3, quick=quick
        ),
        Measurement(
            "the same, a sync of 1 ms", unit, "stdb, 1 thread", *patient, ratio_min=3, quick=quick
        ),
        Measurement(
            "recovery", unit, "the same in memory", *recovery, ratio_min=1, quick=quick,
            notes=["recovery: opening the database, per transfer in its log"],
        ),
        Measurement(
            "open a snapshot", "ms", "dict of tuples", *opened, ratio_min=1 / 3, quick=quick,
        ),
        Measurement(
            "longest, snapshot", "ms", "longest, none", *waits, ours_max=100, quick=quick
        ),
    ]  # fmt: skip


def log_bytes(db: stdb.Database) -> int:
    """Return how long the log of a database is."""
    usage = db.disk_usage()
    if usage is None:
        raise AssertionError("the database has files")
    return usage.log_bytes


if __name__ == "__main__":
    run_script(main, __doc__)
