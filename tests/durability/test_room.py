"""The room that mode "sync" makes at the end of a log: zeros, which commits are written over.

They are there while a database is open for writing, and after its process was killed; never in a
log that was closed, nor in a segment that was followed by another one.
"""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.durability.bank import ACCOUNTS, MONEY, balances, bank, contents, head, together

import stdb
from stdb import Database
from stdb.durability import segments
from stdb.durability.files import Disk, File
from stdb.durability.format import COMMIT_HEADERS, HEADER_SIZE, frame
from stdb.durability.segments import LogReader, list_segments
from stdb.durability.writer import ROOM_BYTES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bank.stdb"


@pytest.fixture
def short_segments() -> Iterator[None]:
    Disk.segment_bytes_max = 2_000
    yield
    Disk.segment_bytes_max = 1 << 30


def end_of(db: Database) -> int:
    """Where the newest segment of an open database ends, without room."""
    assert db._log is not None
    return db._log.end[1]


def copy_of(path: Path, target: Path) -> Path:
    """What the files of an open database are after its process was killed."""
    shutil.copytree(path, target)
    return target


def bounds_of(data: bytes) -> list[int]:
    """Where commits begin and end in a segment without room."""
    bounds = [HEADER_SIZE]
    while bounds[-1] < len(data):
        size = COMMIT_HEADERS[1].unpack_from(data, bounds[-1])[-1]
        bounds.append(bounds[-1] + COMMIT_HEADERS[1].size + size + 4)
    assert bounds[-1] == len(data)
    return bounds


def transfers(db: Database, count: int) -> list[dict[int, int]]:
    """Make transfers, one commit each; return what there was after each."""
    states = []
    for number in range(count):
        db.call("transfer", number % ACCOUNTS, (number + 1) % ACCOUNTS, number + 1)
        states.append(balances(db))
    return states


def check_goes_on(path: Path, expected: dict[int, int]) -> None:
    """The database holds what is expected, takes another commit, and leaves no room behind."""
    with Database(bank, path=path, durability="sync") as db:
        assert balances(db) == expected
        db.check()
        db.call("transfer", 0, 1, 1)
        db.call("transfer", 1, 0, 1)
    for segment in list_segments(path / "clog")[-1:]:
        bounds_of(segment.path.read_bytes())
    with Database(bank, path=path) as db:
        assert balances(db) == expected
        assert db.recovery is not None
        assert db.recovery.torn == ""


# -- where there is room, and where there is none ---------------------------------------------


def test_there_is_room_while_open_and_none_when_closed(path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        assert head(path).stat().st_size == end_of(db)  # the first commit of a segment has none
        transfers(db, 1)
        size = head(path).stat().st_size
        assert size == end_of(db) + ROOM_BYTES
        transfers(db, 3)
        data = head(path).read_bytes()
        assert len(data) == size
        assert not any(data[end_of(db) :])
        bounds_of(data[: end_of(db)])
        end = end_of(db)
    assert head(path).read_bytes() == data[:end]


def test_room_is_made_anew_when_it_is_used_up(path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        transfers(db, 1)
        for _ in range(3):
            db.call("note", 1, "x" * (ROOM_BYTES // 2))
        db.call("note", 1, "x" * (3 * ROOM_BYTES))
        data = head(path).read_bytes()
        assert not any(data[end_of(db) :])
        bounds_of(data[: end_of(db)])
        before = contents(db)
    bounds_of(head(path).read_bytes())
    with Database(bank, path=path) as db:
        assert contents(db) == before


@pytest.mark.parametrize("mode", ["async", None])
def test_other_modes_make_no_room(path: Path, mode: str | None) -> None:
    with Database(bank, path=path, durability=mode) as db:
        transfers(db, 3)
        db.flush()
        bounds_of(head(path).read_bytes())


@pytest.mark.usefixtures("short_segments")
def test_segments_that_are_full_have_none(path: Path) -> None:
    with Database(bank, path=path, durability="sync", snapshot_every=None) as db:
        transfers(db, 40)
        *full, newest = [segment.path for segment in list_segments(path / "clog")]
        assert len(full) > 2
        for each in full:
            bounds_of(each.read_bytes())
        bounds_of(newest.read_bytes()[: end_of(db)])
        assert newest.stat().st_size <= max(2_000, end_of(db))


def test_sizes_that_are_told_are_those_of_the_log(path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        transfers(db, 5)
        usage = db.disk_usage()
        assert usage is not None
        assert usage.log_bytes == end_of(db) < head(path).stat().st_size
        with Database.open(path, readonly=True) as reader:
            assert reader.recovery is not None
            assert reader.recovery.log_bytes == usage.log_bytes


# -- readers beside the writer -----------------------------------------------------------------


def test_readers_see_the_log_and_not_the_room(path: Path, tmp_path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        states = transfers(db, 4)
        with Database.open(path, readonly=True) as reader:
            assert balances(reader) == states[-1]
            assert reader.recovery is not None
            assert reader.recovery.torn == ""
        with Database.open(path, at=2) as past:
            assert balances(past) == states[1]
        assert [t.offset for t in db.history()] == list(range(5))
        assert db.backup(tmp_path / "copy") == 4
        bounds_of(head(tmp_path / "copy").read_bytes())
        size = head(path).stat().st_size
    with pytest.raises(stdb.DatabaseLocked), Database(bank, path=path):
        stdb.repair(path)
    assert size > head(path).stat().st_size


def test_follower_waits_at_the_room(path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        transfers(db, 1)
        with Database.open(path, readonly=True, follow=True) as reader:
            for number in range(1, 4):
                db.call("transfer", 1, 2, number)
                reader.catch_up()
                assert balances(reader) == balances(db)
                assert reader.catch_up() == 1 + number
            with together(db):
                states = transfers(db, 5)
            assert reader.catch_up() == 9
            assert balances(reader) == states[-1]


@pytest.mark.parametrize("count", [1, 3])
def test_follower_has_read_what_an_interrupted_sync_wrote(
    path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """It is written again as the beginning of a larger commit."""
    write_through = File.write_through

    def interrupted(file: File, position: int, data: bytes) -> None:
        monkeypatch.undo()
        write_through(file, position, data)
        raise KeyboardInterrupt

    with Database(bank, path=path, durability="sync") as db:
        transfers(db, 1)
        transfers(db, 1)
        with Database.open(path, readonly=True, follow=True) as reader:
            monkeypatch.setattr(File, "write_through", interrupted)
            with pytest.raises(KeyboardInterrupt), together(db):
                transfers(db, count)
            assert reader.catch_up() == 2 + count
            with together(db):
                transfers(db, 2)
            assert reader.catch_up() == 4 + count
            assert balances(reader) == balances(db)
        expected = balances(db)
    check_goes_on(path, expected)


def test_log_that_grows_while_it_is_read_is_not_taken_for_damaged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that saw zeros finds commits there when it looks again."""
    with Database(bank, path=path, durability="sync") as db:
        transfers(db, 2)
        look_again = segments._read_behind

        def later(damage: segments.Damage) -> object:
            transfers(db, 2)
            return look_again(damage)

        before = balances(db)
        monkeypatch.setattr(segments, "_read_behind", later)
        with Database.open(path, readonly=True) as reader:
            assert balances(reader) == before
            assert reader.recovery is not None
            assert reader.recovery.torn == ""


def test_readers_come_while_threads_commit(path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        stop = threading.Event()

        def work(account: int) -> None:
            while not stop.is_set():
                db.call("transfer", account, account + 1, 1)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                with Database.open(path, readonly=True) as reader:
                    reader.check()
                    assert sum(balances(reader).values()) == ACCOUNTS * MONEY
        finally:
            stop.set()
            for thread in threads:
                thread.join()


# -- after a crash -------------------------------------------------------------------------------


def test_killed_process_leaves_room_that_is_cut_off(path: Path) -> None:
    code = """
        import os, signal, sys
        from stdb import Database
        from tests.durability.bank import bank
        db = Database(bank, path=sys.argv[1], durability="sync")
        for number in range(3):
            db.call("transfer", 1, 2, 1)
        print(db._log.end[1], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(code), str(path)]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    data = head(path).read_bytes()
    end = int(done.stdout)
    assert len(data) > end
    assert stdb.repair(path).damage == ""
    with Database(bank, path=path) as db:
        assert balances(db)[2] == MONEY + 3
        assert db.recovery is not None
        assert (db.recovery.torn, db.recovery.log_bytes) == ("", end)
        assert head(path).read_bytes() == data[:end]
    assert len(list_segments(path / "clog")) == 1


def test_prefix_of_a_commit_before_zeros_is_left_out(path: Path, tmp_path: Path) -> None:
    """A commit that was being written over zeros: it is left out, and the zeros are cut off."""
    with Database(bank, path=path, durability="sync") as db:
        states = [balances(db), *transfers(db, 2)]
        with together(db):
            states += transfers(db, 2)
        end = end_of(db)
        crashed = copy_of(path, tmp_path / "crashed")
    data = head(crashed).read_bytes()
    bounds = bounds_of(data[:end])
    commits = [states[0], states[1], states[2], states[4]]
    for size in (*range(bounds[-3], bounds[-2], 9), *range(bounds[-2], end, 2)):
        head(crashed).write_bytes(data[:size] + bytes(1_000))
        whole = sum(bound <= size for bound in bounds) - 2
        if data[size:end].strip(b"\0") == b"":
            whole = len(commits) - 1  # only zeros were still to come
        with Database.open(crashed, readonly=True) as db:
            assert balances(db) == commits[whole]
            assert db.recovery is not None
            is_partial = any(data[bounds[whole + 1] : size])
            assert bool(db.recovery.torn) is is_partial
        if size % 40 == 0:
            copy = copy_of(crashed, tmp_path / f"{size}")
            check_goes_on(copy, commits[whole])
            first = list_segments(copy / "clog")[0].path.read_bytes()
            assert first[: bounds[whole + 1]] == data[: bounds[whole + 1]]


@pytest.mark.parametrize("missing", [1, 2, 4, 8, 16, 9, 14, 15, 17, 21, 30])
def test_sectors_of_a_shared_commit_may_be_missing(
    path: Path, tmp_path: Path, missing: int
) -> None:
    """What threads wrote together is one commit: without some of it, none of it is there."""
    with Database(bank, path=path, durability="sync") as db:
        before = transfers(db, 3)[-1]
        begin = end_of(db)
        with together(db):
            for number in range(4):
                db.call("note", number, "x" * 450)
        end = end_of(db)
        crashed = copy_of(path, tmp_path / "crashed")
    data = bytearray(head(crashed).read_bytes())
    sectors = list(range(begin - begin % 512, end, 512))
    assert len(sectors) >= 5
    for number, sector in enumerate(sectors[:5]):
        if missing >> number & 1:
            start, stop = max(sector, begin), min(sector + 512, end)
            data[start:stop] = bytes(stop - start)
    head(crashed).write_bytes(data)
    check_goes_on(crashed, before)


def test_flipped_byte_before_zeros_is_reported_or_at_the_end(path: Path, tmp_path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        states = transfers(db, 4)
        end = end_of(db)
        crashed = copy_of(path, tmp_path / "crashed")
    data = head(crashed).read_bytes()[: end + 600]
    bounds = bounds_of(data[:end])
    for position in (*range(bounds[1], end, 3), *range(end, len(data), 29)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        head(crashed).write_bytes(flipped)
        if position < bounds[-2]:
            with pytest.raises(stdb.CorruptLogError) as info:
                Database.open(crashed, readonly=True)
            assert info.value.offset == max(b for b in bounds if b <= position)
            continue
        with Database.open(crashed, readonly=True) as db:
            assert balances(db) == states[-2 if position < end else -1]
            assert db.recovery is not None
            assert db.recovery.torn != ""


def test_commit_behind_zeros_is_damage(path: Path, tmp_path: Path) -> None:
    """Zeros are room only when nothing comes behind them: transactions would be lost unsaid."""
    with Database(bank, path=path, durability="sync") as db:
        transfers(db, 4)
        end = end_of(db)
        crashed = copy_of(path, tmp_path / "crashed")
    data = bytearray(head(crashed).read_bytes())
    bounds = bounds_of(bytes(data[:end]))
    data[bounds[2] : bounds[3]] = bytes(bounds[3] - bounds[2])
    head(crashed).write_bytes(data)
    with pytest.raises(stdb.CorruptLogError, match="transactions 2 to 4"):
        Database(bank, path=crashed)
    assert head(crashed).read_bytes() == data
    assert stdb.repair(crashed, discard=True).transactions == 2
    bounds_of(head(crashed).read_bytes())


def test_log_goes_on_in_another_mode(path: Path, tmp_path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        transfers(db, 3)
        crashed = copy_of(path, tmp_path / "crashed")
    with Database(bank, path=crashed, durability="async") as db:
        states = transfers(db, 3)
        db.flush()
        bounds_of(head(crashed).read_bytes())
    check_goes_on(crashed, states[-1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_forked_child_leaves_the_room_alone(path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        transfers(db, 2)
        size = head(path).stat().st_size
        child = os.fork()
        if not child:
            try:
                db.close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert head(path).stat().st_size == size
        states = transfers(db, 2)
        assert head(path).stat().st_size == size
    check_goes_on(path, states[-1])


# -- transactions that share a commit ------------------------------------------------------------


def sizes(path: Path) -> list[int]:
    return [commit.size for commit in LogReader(path / "clog").commits()]


def test_what_waits_for_one_sync_is_one_commit(path: Path, tmp_path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        transfers(db, 1)
        with together(db):
            states = transfers(db, 6)
        assert db.durable_offset == 7
        assert sizes(path) == [1, 1, 6]
        told = [(t.offset, t.reducer) for t in db.history(from_offset=4)]
        assert told == [(offset, "transfer") for offset in range(4, 8)]
        before = contents(db)
    with Database(bank, path=path) as db:
        assert contents(db) == before
    with Database.open(path, at=4) as past:
        assert balances(past) == states[2]


def test_history_and_backup_begin_within_a_shared_commit(path: Path, tmp_path: Path) -> None:
    """History ends with the transaction it was asked for; a copy has whole commits."""
    from stdb.durability import backup, history
    from stdb.durability.history import Chronicle
    from stdb.storage.store import Store

    with Database(bank, path=path, durability="sync") as db:
        with together(db):
            states = transfers(db, 6)
        assert sizes(path) == [1, 6]

        def make() -> Chronicle:
            return Chronicle(Store(), db._store, lambda _name, _data: None)

        assert [t.offset for t in history(path / "clog", make, 2, 5)] == [2, 3, 4]
        assert backup(path, tmp_path / "copy", 4) == 7
    with Database(bank, path=tmp_path / "copy") as db:
        assert balances(db) == states[-1]


@pytest.mark.parametrize("retain", [None, 1])
def test_snapshot_begins_a_new_commit(path: Path, retain: int | None) -> None:
    """So that the log behind it can be read without what was before."""
    with Database(bank, path=path, durability="sync", snapshot_every=3, retain=retain) as db:
        with together(db):
            states = transfers(db, 7)
        assert db._log is not None
        assert db._log.snapshots is not None
        db._log.snapshots.wait()
        starts = [commit.offset for commit in LogReader(path / "clog").commits()]
        usage = db.disk_usage()
        assert usage is not None
        assert usage.last_snapshot is not None
        assert usage.last_snapshot + 1 in starts
    with Database(bank, path=path) as db:
        assert balances(db) == states[-1]
        assert db.recovery is not None
        assert db.recovery.snapshot == usage.last_snapshot


def test_large_transactions_share_no_commit(path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        with together(db):
            for _ in range(3):
                db.call("note", 1, "x" * 700_000)
        assert sizes(path) == [1, 1, 1, 1]
        assert db.durable_offset == 3
        before = contents(db)
    with Database(bank, path=path) as db:
        assert contents(db) == before


def test_shared_commit_of_another_epoch(path: Path) -> None:
    """Commits that share a sync keep the epoch of their log."""
    with Database(bank, path=path, durability="sync") as db:
        transfers(db, 1)
    data = head(path).read_bytes()
    bodies = [commit.body for commit in LogReader(path / "clog").commits()]
    commits = [frame(offset, 9, body) for offset, body in enumerate(bodies)]
    head(path).write_bytes(data[:HEADER_SIZE] + b"".join(commits))
    with Database(bank, path=path, durability="sync") as db, together(db):
        transfers(db, 3)
    assert {commit.epoch for commit in LogReader(path / "clog").commits()} == {9}
    assert sizes(path) == [1, 1, 3]


def test_snapshot_within_a_commit_is_passed_over(path: Path) -> None:
    """Other writers may put transactions together as they like; where one begins is not told."""
    with Database(bank, path=path) as db:
        states = transfers(db, 2)
        db.snapshot()
        states += transfers(db, 2)
    a, b, c, d, e = [commit.body for commit in LogReader(path / "clog").commits()]
    data = frame(0, 0, a) + frame(1, 0, b + c + d, 3) + frame(4, 0, e)
    head(path).write_bytes(head(path).read_bytes()[:HEADER_SIZE] + data)
    with Database(bank, path=path) as db:
        assert balances(db) == states[-1]
        assert db.recovery is not None
        assert db.recovery.snapshot is None
        assert "within a commit" in db.recovery.skipped[0]
