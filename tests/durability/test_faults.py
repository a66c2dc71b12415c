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
from tests.durability.bank import ACCOUNTS, MONEY, balances, bank

import stdb
from stdb import Database
from stdb.durability import snapshotting
from stdb.durability.files import Disk, File, Files

SECTOR = 512
CAN_FORK = snapshotting.CAN_FORK


class FaultyFile(File):
    def __init__(self, files: "FaultyFiles", path: Path, *, create: bool) -> None:
        super().__init__(path, create=create)
        self.files = files

    def write_at(self, position: int, data: bytes) -> None:
        if self.files.fails():
            super().write_at(position, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write_at(position, data)
        if self.path.suffix != ".ofs":
            self.files.pending.setdefault(self.path, []).append((position, data))

    def sync(self) -> None:
        if self.files.fails():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync()
        self.files.durable[self.path] = self.path.read_bytes()
        self.files.pending.pop(self.path, None)


class FaultyFiles(Files):
    """Fails at the n-th write or sync, if there is to be one, and ever after."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.fail_at = fail_at
        self.count = 0
        self.durable: dict[Path, bytes] = {}
        self.pending: dict[Path, list[tuple[int, bytes]]] = {}
        self.renamed: list[tuple[Path, Path]] = []

    def fails(self) -> bool:
        self.count += 1
        return self.fail_at is not None and self.count >= self.fail_at

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
                (position + at, data[at : at + SECTOR])
                for position, data in writes
                for at in range(0, len(data), SECTOR)
            ]
            if reorder:
                sectors = [sector for sector in sectors if rng.random() < 0.5]
            else:
                sectors = sectors[: rng.randrange(len(sectors) + 1)]
                if sectors:
                    position, data = sectors[-1]
                    sectors[-1] = (position, data[: rng.randrange(len(data) + 1)])
            for position, data in sectors:
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
    """Make random transfers, and note what each commit left."""
    for _ in range(rng.randrange(1, 12)):
        source, target = rng.sample(range(ACCOUNTS), 2)
        db.call("transfer", source, target, rng.randrange(1, 5))
        history.append(balances(db))


def check_survives(path: Path, durable: int | None, history: list[dict[int, int]]) -> None:
    """What opens now is the state after some commit, not before the last one reported durable."""
    with Database(bank, path=path) as db:
        assert db.recovery is not None
        count = db.recovery.transactions
        assert count >= (0 if durable is None else durable + 1)
        if count:
            assert balances(db) == history[count - 1]
        db.check()
        db.call("transfer", 0, 1, 0)
        assert sum(balances(db).values()) == ACCOUNTS * MONEY


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
    """Any sectors of what was not synced are lost; a hole is reported, and repair ends there."""
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
    if reorder:
        found = stdb.repair(path, discard=True)
        assert found.transactions >= (0 if durable is None else durable + 1)
    check_survives(path, durable, history)


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
