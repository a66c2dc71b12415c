"""A disk that fails, forgets and reorders: nothing that was reported durable is lost.

`FaultyFiles` writes for real, and remembers what a crash could take back: writes that no sync
followed, in pieces of a sector, and names that no sync of their directory followed.
"""

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.durability.bank import ACCOUNTS, MONEY, balances, bank, head, together

import stdb
from stdb import Database
from stdb.durability import snapshotting
from stdb.durability.files import Disk, File, Files

SECTOR = 512
CAN_FORK = snapshotting.CAN_FORK


class PowerLostError(OSError):
    """From here on nothing gets to the disk."""


class FaultyFile(File):
    def __init__(self, files: "FaultyFiles", path: Path, *, create: bool) -> None:
        super().__init__(path, create=create)
        self.files = files

    def _note(self, position: int, data: bytes | None) -> None:
        """Note a write, or with None that the file was cut."""
        if self.path.suffix != ".ofs" and not self.files.is_off:
            self.files.pending.setdefault(self.path, []).append((position, data))

    def write_at(self, position: int, data: bytes) -> None:
        if self.files.fails():
            super().write_at(position, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write_at(position, data)
        self._note(position, data)

    def write_through(self, position: int, data: bytes) -> None:
        """Make durable what is written here, and nothing else of the file."""
        if self.files.fails():
            super().write_at(position, data[: len(data) // 2])
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().write_at(position, data)
        if self.files.loses_power():
            self._note(position, data)
            self.files.is_off = True
            raise PowerLostError
        for start, other in self.files.pending.get(self.path, []):
            assert other is not None, "the file was cut, and that was not synced"
            assert start + len(other) <= position or position + len(data) <= start
        content = bytearray(self.files.durable.get(self.path, b""))
        content.extend(bytes(max(0, position - len(content))))
        content[position : position + len(data)] = data
        self.files.durable[self.path] = bytes(content)

    def sync(self) -> None:
        if self.files.fails():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.files.loses_power():
            self.files.is_off = True
            raise PowerLostError
        super().sync()
        if not self.files.is_off:
            self.files.durable[self.path] = self.path.read_bytes()
            self.files.pending.pop(self.path, None)

    def truncate(self, size: int) -> None:
        super().truncate(size)
        self._note(size, None)


class FaultyFiles(Files):
    """Fails at the n-th write or sync, if there is to be one, and ever after.

    At the n-th sync, if there is to be one, the power goes.
    """

    def __init__(self, fail_at: int | None = None) -> None:
        self.fail_at = fail_at
        self.count = 0
        self.syncs_left: int | None = None
        self.is_off = False
        self.durable: dict[Path, bytes] = {}
        self.pending: dict[Path, list[tuple[int, bytes | None]]] = {}
        self.renamed: list[tuple[Path, Path]] = []

    def fails(self) -> bool:
        self.count += 1
        return self.fail_at is not None and self.count >= self.fail_at

    def loses_power(self) -> bool:
        if self.syncs_left is not None:
            self.syncs_left -= 1
        return self.syncs_left is not None and self.syncs_left < 0

    def open(self, path: Path, *, create: bool = False) -> File:
        return FaultyFile(self, path, create=create)

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        for files in (self.durable, self.pending):
            if old in files:
                files[new] = files.pop(old)  # type: ignore[attr-defined]
        self.renamed.append((old, new))

    def sync_directory(self, path: Path) -> None:
        if self.fails():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync_directory(path)
        self.renamed = [each for each in self.renamed if each[1].parent != path]

    def crash(self, rng: random.Random, *, reorder: bool) -> None:
        """Leave on the disk what a loss of power might."""
        for path, writes in self.pending.items():
            if not path.exists():
                continue  # given up, and deleted
            content = bytearray(self.durable.get(path, b""))
            sectors = [
                (position + at, None if data is None else data[at : at + SECTOR])
                for position, data in writes
                for at in range(0, 1 if data is None else len(data), SECTOR)
            ]
            if reorder:
                sectors = [sector for sector in sectors if rng.random() < 0.5]
            else:
                sectors = sectors[: rng.randrange(len(sectors) + 1)]
                if sectors and sectors[-1][1] is not None:
                    position, data = sectors[-1]
                    sectors[-1] = (position, data[: rng.randrange(len(data) + 1)])
            for position, data in sectors:
                if data is None:
                    del content[position:]
                    continue
                content.extend(bytes(max(0, position - len(content))))
                content[position : position + len(data)] = data
            path.write_bytes(content)
        for old, new in reversed(self.renamed):
            if rng.random() < 0.5 and new.exists():
                new.rename(old)


@pytest.fixture(autouse=True)
def real_disk() -> Iterator[None]:
    yield
    Disk.files = Files()
    Disk.segment_bytes_max = 1 << 30
    snapshotting.CAN_FORK = CAN_FORK


def work(db: Database, rng: random.Random, history: list[dict[int, int]]) -> None:
    """Make random transfers, one by one or some at a time, and note what each commit left."""

    def transfer(count: int) -> None:
        for _ in range(count):
            source, target = rng.sample(range(ACCOUNTS), 2)
            try:
                db.call("transfer", source, target, rng.randrange(1, 5))
            finally:  # with "sync" it is committed when the disk fails
                history.append(balances(db))

    transfer(rng.randrange(6))
    with together(db):
        transfer(rng.randrange(9))


def check_survives(path: Path, durable: int | None, history: list[dict[int, int]]) -> int:
    """What opens now is the state after some commit, not before the last one reported durable.

    Returns how many transactions there are.
    """
    with Database(bank, path=path) as db:
        assert db.recovery is not None
        count = db.recovery.transactions
        assert count >= (0 if durable is None else durable + 1)
        if count:
            assert balances(db) == history[count - 1]
        db.check()
        db.call("transfer", 0, 1, 0)
        assert sum(balances(db).values()) == ACCOUNTS * MONEY
    return count


def open_on(path: Path, files: FaultyFiles, mode: str | None, **options: Any) -> Database:
    Disk.files = files
    return Database(bank, path=path, durability=mode, **options)  # type: ignore[arg-type]


SETTINGS = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@SETTINGS
@given(seed=st.integers(0, 2**32), mode=st.sampled_from(["sync", "async", None]))
def test_loss_of_power_loses_nothing_durable(
    seed: int, mode: str | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What was not synced is lost from some byte on."""
    lose_power(seed, mode, tmp_path_factory.mktemp("power") / "db", reorder=False)


@SETTINGS
@given(seed=st.integers(0, 2**32), mode=st.sampled_from(["sync", "async", None]))
def test_reordered_writes_lose_nothing_durable(
    seed: int, mode: str | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any sectors of what was not synced are lost.

    A hole is reported, and repair ends there; with "sync" there are none.
    """
    lose_power(seed, mode, tmp_path_factory.mktemp("power") / "db", reorder=True)


def lose_power(seed: int, mode: str | None, path: Path, *, reorder: bool) -> None:
    rng = random.Random(seed)
    Disk.segment_bytes_max = rng.choice([600, 3000, 1 << 30])
    files = FaultyFiles()
    history = []
    every, retain = rng.choice([None, 4, 1 << 20]), rng.choice([None, 1])
    # A child writes for real, and is killed; a thread writes to the disk that forgets.
    snapshotting.CAN_FORK = rng.random() < 0.5
    db = open_on(path, files, mode, snapshot_every=every, retain=retain)
    history.append(balances(db))
    for _ in range(3):
        work(db, rng, history)
        if rng.random() < 0.5:
            db.flush()
    log = db._log
    assert log is not None
    assert log.snapshots is not None
    log.snapshots.stop()
    with log._flushing:  # the log's thread stands still from here on
        durable = db.durable_offset
        log.forked()
        files.crash(rng, reorder=reorder)
    Disk.files = Files()
    if reorder and mode != "sync":
        found = stdb.repair(path, discard=True)
        assert found.transactions >= (0 if durable is None else durable + 1)
    check_survives(path, durable, history)


@SETTINGS
@given(seed=st.integers(0, 2**32), reorder=st.booleans())
def test_power_lost_while_threads_wait_for_a_sync(
    seed: int, reorder: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Their transactions are all there or none is, in whatever order the sectors got to the disk.

    The log opens without repair: there is never a hole with something behind it.
    """
    rng = random.Random(seed)
    path = tmp_path_factory.mktemp("power") / "db"
    Disk.segment_bytes_max = rng.choice([900, 5000, 1 << 30])
    files = FaultyFiles()
    db = open_on(path, files, "sync", snapshot_every=None)
    history = [balances(db)]
    work(db, rng, history)
    log = db._log
    assert log is not None
    files.syncs_left = rng.randrange(6)
    with pytest.raises(stdb.DurabilityError):
        work_on(db, rng, history)
    durable = db.durable_offset
    assert durable is not None
    log.forked()
    files.crash(rng, reorder=reorder)
    Disk.files = Files()
    assert check_survives(path, durable, history) in (durable + 1, len(history))


def work_on(db: Database, rng: random.Random, history: list[dict[int, int]]) -> None:
    while True:
        work(db, rng, history)


class FullFile(FaultyFile):
    def write_at(self, position: int, data: bytes) -> None:
        if not any(data) and self.path.suffix != ".ofs":
            super().write_at(position, data[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write_at(position, data)


class FullFiles(FaultyFiles):
    """A disk with room for commits, and for nothing else."""

    def open(self, path: Path, *, create: bool = False) -> File:
        return FullFile(self, path, create=create)


def test_disk_without_room_for_zeros_takes_commits(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with open_on(path, FullFiles(), "sync") as db:
        for number in range(1, 5):
            db.call("transfer", 1, 2, 1)
            assert db.durable_offset == number
        assert db._log is not None
        assert head(path).stat().st_size == db._log.end[1]
        held = balances(db)
    Disk.files = Files()
    with Database(bank, path=path) as db:
        assert balances(db) == held


@pytest.mark.parametrize("mode", ["sync", "async", None])
def test_failing_disk_stops_commits_and_not_reads(tmp_path: Path, mode: str | None) -> None:
    """Each write and each sync fails once; from then on nothing is taken, and all can be read."""
    for fail_at in range(1, 40):
        path = tmp_path / f"{fail_at}"
        files = FaultyFiles(fail_at)
        history: list[dict[int, int]] = []
        Disk.segment_bytes_max = 900
        try:
            db = open_on(path, files, mode)
        except (OSError, stdb.DurabilityError):
            Disk.files = Files()
            Database(bank, path=path).close()
            continue
        history.append(balances(db))
        failure: stdb.DurabilityError | None = None
        for _ in range(30):
            before = balances(db)
            try:
                db.call("transfer", 1, 2, 1)
                history.append(balances(db))
                if mode == "async":
                    db.flush()
            except stdb.DurabilityError as error:
                failure = error
                if balances(db) != before and mode != "async":
                    history.append(balances(db))  # committed, and only then the disk failed
                break
        assert failure is not None
        safe = failure.safe_offset
        assert db.durable_offset == safe
        held = balances(db)
        for _ in range(2):
            with pytest.raises(stdb.DurabilityError, match=r"the disk failed: .* safe"):
                db.call("transfer", 1, 2, 1)
        assert balances(db) == held
        db.check()
        with pytest.raises(stdb.DurabilityError):
            db.close()
        db.close()
        Disk.files = Files()
        check_survives(path, safe, history)
