"""Files that do not hold what was written: the torn end of a log, and damage anywhere else."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.durability.bank import head

import stdb
from stdb import Database, Module, Row, primary_key, u32
from stdb.durability.files import Disk
from stdb.durability.format import COMMIT_HEADERS, HEADER_SIZE, frame
from stdb.durability.segments import LogReader

small = Module("small")


@small.table()
class Item(Row):
    """An item."""

    id: u32 = primary_key()
    text: str


def items(db: Database) -> list[tuple[int, str]]:
    with db.transaction(readonly=True) as tx:
        return sorted((row.id, row.text) for row in tx.db["item"])


class Made:
    """A log, the bounds of its commits, and what the database held after each."""

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        self.states: list[list[tuple[int, str]]] = []
        with Database(small, path=path, durability="sync", snapshot_every=None) as db:
            self.states.append(items(db))
            for number in range(count):
                with db.transaction() as tx:
                    tx.db[Item].insert(id=number, text="é" * number)
                    if number > 1:
                        tx.db[Item].id.delete(number - 2)
                self.states.append(items(db))
        self.bounds = [HEADER_SIZE]
        for segment in sorted((path / "clog").glob("*.stdb.log")):
            self.bounds = [HEADER_SIZE]
            data = segment.read_bytes()
            while self.bounds[-1] < len(data):
                size = COMMIT_HEADERS[1].unpack_from(data, self.bounds[-1])[-1]
                self.bounds.append(self.bounds[-1] + COMMIT_HEADERS[1].size + size + 4)

    @property
    def log(self) -> Path:
        return head(self.path)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "small.stdb", 4)


@pytest.fixture
def short_segments() -> Iterator[None]:
    Disk.segment_bytes_max = 200
    yield
    Disk.segment_bytes_max = 1 << 30


def check_goes_on(path: Path, expected: list[tuple[int, str]]) -> None:
    """The database holds what is expected, and takes and keeps another commit."""
    with Database(small, path=path, durability="sync") as db:
        assert items(db) == expected
        db.check()
        with db.transaction() as tx:
            tx.db[Item].insert(id=99, text="more")
    with Database(small, path=path) as db:
        assert items(db) == [*expected, (99, "more")]
        db.check()


def test_every_prefix_opens_to_the_last_whole_commit(made: Made, tmp_path: Path) -> None:
    """Cut at every byte of the last three commits."""
    data = made.log.read_bytes()
    for size in range(made.bounds[-4], len(data)):
        copy = tmp_path / "copy"
        shutil.copytree(made.path, copy)
        head(copy).write_bytes(data[:size])
        whole = max(i for i, bound in enumerate(made.bounds) if bound <= size)
        with Database.open(copy, readonly=True) as db:
            assert items(db) == made.states[whole - 1]
            assert db.recovery is not None
            cut = size - made.bounds[whole]
            assert bool(db.recovery.torn) is (cut >= COMMIT_HEADERS[1].size)
        check_goes_on(copy, made.states[whole - 1])
        shutil.rmtree(copy)


def open_or_error(path: Path) -> tuple[Database | None, stdb.CorruptLogError | None]:
    try:
        return Database.open(path, readonly=True), None
    except stdb.CorruptLogError as error:
        return None, error


def test_every_flipped_byte_is_reported_or_at_the_end(made: Made, tmp_path: Path) -> None:
    """Never wrong rows, never an error of another kind."""
    data = made.log.read_bytes()
    copy = tmp_path / "copy"
    shutil.copytree(made.path, copy)
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        head(copy).write_bytes(flipped)
        db, error = open_or_error(copy)
        if db is None:
            assert error is not None
            assert error.file == str(head(copy))
            at_commit = max((b for b in made.bounds if b <= position), default=0)
            assert error.offset == (0 if position < HEADER_SIZE else at_commit)
            assert error.lost
            continue
        with db:
            if 8 <= position < HEADER_SIZE:
                assert items(db) == made.states[-1]  # reserved bytes, which nobody reads
            else:
                assert position >= made.bounds[-2]
                assert items(db) == made.states[-2]
                assert db.recovery is not None
                assert str(made.bounds[-2]) in db.recovery.torn


def test_damage_in_the_middle_says_what_is_lost_and_repair_cuts_it_off(made: Made) -> None:
    data = bytearray(made.log.read_bytes())
    data[made.bounds[2] + 30] ^= 1
    made.log.write_bytes(data)
    with pytest.raises(stdb.CorruptLogError, match="transactions 2 to 4") as info:
        Database(small, path=made.path)
    assert info.value.offset == made.bounds[2]
    assert info.value.first_lost == 2
    found = stdb.repair(made.path)
    assert "transactions 2 to 4" in found.damage
    assert (found.transactions, found.set_aside) == (2, ())
    assert made.log.read_bytes() == data
    done = stdb.repair(made.path, discard=True)
    assert done.transactions == 2
    (aside,) = done.set_aside
    assert Path(aside).read_bytes() == data
    check_goes_on(made.path, made.states[1])
    assert stdb.repair(made.path).damage == ""


def test_only_commit_that_is_damaged_is_not_taken_for_an_empty_database(tmp_path: Path) -> None:
    made = Made(tmp_path / "small.stdb", 0)
    data = bytearray(made.log.read_bytes())
    data[200] ^= 1
    made.log.write_bytes(data)
    with pytest.raises(stdb.CorruptLogError, match="checksum"):
        Database(small, path=made.path)
    assert made.log.read_bytes() == data


@pytest.mark.parametrize("tail", [b"\0" * 5, b"\0" * 22, b"\0" * 5000, b"\7" * 60])
def test_end_without_a_commit_is_left_out(made: Made, tail: bytes) -> None:
    made.log.write_bytes(made.log.read_bytes() + tail)
    check_goes_on(made.path, made.states[-1])


def test_torn_commit_stays_where_it_is_and_a_new_segment_takes_over(made: Made) -> None:
    """As the format has it: the damaged segment is never written to."""
    torn, data = made.log, made.log.read_bytes()[:-3]
    torn.write_bytes(data)
    with Database(small, path=made.path) as db:
        assert db.recovery is not None
        assert f"byte {made.bounds[-2]}" in db.recovery.torn
        assert any("recovered from a crash" in record.message for record in db.logs())
    assert torn.read_bytes() == data
    assert head(made.path).name == f"{4:020}.stdb.log"


def test_second_crash_in_the_segment_that_took_over(made: Made) -> None:
    made.log.write_bytes(made.log.read_bytes()[:-3])
    with Database(small, path=made.path) as db, db.transaction() as tx:
        tx.db[Item].insert(id=50, text="lost too")
    for _ in range(2):
        made.log.write_bytes(made.log.read_bytes()[:-3])
        check = Database(small, path=made.path)
        assert items(check) == made.states[-2]
        with check.transaction() as tx:
            tx.db[Item].insert(id=51, text="lost as well")
        check.close()
    made.log.write_bytes(made.log.read_bytes()[:-3])
    check_goes_on(made.path, made.states[-2])


# -- several segments ----------------------------------------------------------------------------


def segments(path: Path) -> list[Path]:
    return sorted((path / "clog").glob("*.stdb.log"))


@pytest.mark.usefixtures("short_segments")
def test_segments_follow_each_other(tmp_path: Path) -> None:
    made = Made(tmp_path / "small.stdb", 20)
    names = [int(segment.name.partition(".")[0]) for segment in segments(made.path)]
    assert len(names) > 4
    assert names[0] == 0
    assert names == sorted(set(names))
    check_goes_on(made.path, made.states[-1])
    assert [commit.offset for commit in LogReader(made.path / "clog").commits()] == list(range(22))


@pytest.mark.usefixtures("short_segments")
def test_missing_segment_is_reported(tmp_path: Path) -> None:
    made = Made(tmp_path / "small.stdb", 20)
    segments(made.path)[2].unlink()
    with pytest.raises(stdb.CorruptLogError, match="a segment is lost"):
        Database(small, path=made.path)


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("which", [0, 1, 2, -2])
def test_damage_in_an_older_segment_is_reported(tmp_path: Path, which: int) -> None:
    made = Made(tmp_path / "small.stdb", 20)
    damaged = segments(made.path)[which]
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(stdb.CorruptLogError) as info:
        Database(small, path=made.path)
    assert info.value.file == str(damaged)
    left = stdb.repair(made.path, discard=True).transactions
    if left:
        check_goes_on(made.path, made.states[left - 1])


@pytest.mark.usefixtures("short_segments")
def test_crash_while_a_segment_begins(tmp_path: Path) -> None:
    """A segment with nothing, or with a torn first commit, gives way to the one before."""
    made = Made(tmp_path / "small.stdb", 20)
    last = segments(made.path)[-1]
    whole = last.read_bytes()
    first = int(last.name.partition(".")[0])
    for size in (0, 4, HEADER_SIZE, HEADER_SIZE + 8, HEADER_SIZE + 25, HEADER_SIZE + 40):
        copy = tmp_path / "copy"
        shutil.copytree(made.path, copy)
        (copy / "clog" / last.name).write_bytes(whole[:size])
        check_goes_on(copy, made.states[first - 1])
        shutil.rmtree(copy)


@pytest.mark.usefixtures("short_segments")
def test_sealed_segments_are_read(tmp_path: Path) -> None:
    """Many zstd frames and a skippable one, as SpacetimeDB seals a segment."""
    import zstandard

    made = Made(tmp_path / "small.stdb", 20)
    for segment in segments(made.path):
        data = segment.read_bytes()
        frames = [
            zstandard.ZstdCompressor().compress(data[at : at + 64])
            for at in range(0, len(data), 64)
        ]
        segment.write_bytes(b"".join(frames) + b"\x5e\x2a\x4d\x18\x02\0\0\0ab")
    check_goes_on(made.path, made.states[-1])


# -- other writers ---------------------------------------------------------------------------------


def rewrite(made: Made, commits: list[bytes], header: bytes = b"(ds)^2\x01\0\0\0") -> None:
    made.log.write_bytes(header + b"".join(commits))


def bodies(made: Made) -> list[bytes]:
    return [commit.body for commit in LogReader(made.path / "clog").commits()]


def test_old_version_is_read_and_a_new_segment_follows(made: Made) -> None:
    from stdb.durability.format import crc32c

    old = []
    for offset, body in enumerate(bodies(made)):
        data = COMMIT_HEADERS[0].pack(offset, 1, len(body)) + body
        old.append(data + crc32c(data).to_bytes(4, "little"))
    rewrite(made, old, b"(ds)^2\0\0\0\0")
    check_goes_on(made.path, made.states[-1])
    assert len(segments(made.path)) == 2


def test_commits_of_several_transactions_are_read(made: Made) -> None:
    a, b, c, d, e = bodies(made)
    rewrite(made, [frame(0, 0, a), frame(1, 0, b + c + d, 3), frame(4, 0, e)])
    check_goes_on(made.path, made.states[-1])


def test_repeated_commit_is_read_once(made: Made) -> None:
    commits = [frame(offset, 0, body) for offset, body in enumerate(bodies(made))]
    rewrite(made, [*commits[:3], commits[2], *commits[3:]])
    check_goes_on(made.path, made.states[-1])


def test_fork_and_disorder_are_reported(made: Made) -> None:
    all_ = bodies(made)
    commits = [frame(offset, 0, body) for offset, body in enumerate(all_)]
    rewrite(made, [*commits[:3], frame(2, 0, all_[3]), *commits[3:]])
    with pytest.raises(stdb.CorruptLogError, match="twice, and not the same"):
        Database(small, path=made.path)
    rewrite(made, [*commits[:2], *commits[3:]])
    with pytest.raises(stdb.CorruptLogError, match="transaction 3 where 2 should be"):
        Database(small, path=made.path)


def test_transaction_that_cannot_be_replayed_is_reported_with_its_place(made: Made) -> None:
    """Whole, with the right checksum, and deleting a row that is not there."""
    all_ = bodies(made)
    commits = [frame(offset, 0, body) for offset, body in enumerate(all_)]
    rewrite(made, [*commits, frame(5, 0, all_[4])])
    with pytest.raises(stdb.CorruptLogError, match="cannot be replayed: a row is inserted") as info:
        Database(small, path=made.path)
    assert info.value.first_lost == 5
    assert stdb.repair(made.path, discard=True).transactions == 5
    check_goes_on(made.path, made.states[-1])


def test_epoch_is_kept(made: Made) -> None:
    rewrite(made, [frame(offset, 7, body) for offset, body in enumerate(bodies(made))])
    check_goes_on(made.path, made.states[-1])
    assert {commit.epoch for commit in LogReader(made.path / "clog").commits()} == {7}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"(ds)^3\x01\0\0\0", "begins with"),
        (b"(ds)^2\x02\0\0\0", "version 2 of the format"),
        (b"(ds)^2\x01\x01\0\0", "checksum algorithm 1"),
    ],
)
def test_foreign_header_is_refused(made: Made, header: bytes, message: str) -> None:
    made.log.write_bytes(header + made.log.read_bytes()[HEADER_SIZE:])
    with pytest.raises(stdb.CorruptLogError, match=message):
        Database(small, path=made.path)


def test_files_with_other_names_are_ignored(made: Made) -> None:
    for name in ("x.stdb.log", "00000000000000000009.stdb.log.torn", "1.stdb.logs", "note.txt"):
        (made.path / "clog" / name).write_bytes(b"anything")
    check_goes_on(made.path, made.states[-1])


def test_offset_index_may_be_lost_or_wrong(made: Made, tmp_path: Path) -> None:
    index: Any = next((made.path / "clog").glob("*.ofs"))
    index.write_bytes(b"\xff" * 64)
    check_goes_on(made.path, made.states[-1])
    for each in (made.path / "clog").glob("*.ofs"):
        each.unlink()
    with Database(small, path=made.path) as db:
        assert len(items(db)) == len(made.states[-1]) + 1
