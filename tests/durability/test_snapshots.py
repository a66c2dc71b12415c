"""Snapshots: written while the database goes on, verified when read, and never the only truth."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.durability.bank import Account, Entry, balances, bank, contents
from tests.types.strategies import shapes, struct_of, values_of

import stdb
from stdb import Database
from stdb.durability import layout, pages, recovery, snapshotting
from stdb.durability.files import Disk
from stdb.durability.rows import decode_pages, rows_of_pages
from stdb.durability.sealing import seekable
from stdb.types import algebraic as at
from stdb.types.bsatn_encode import make_encoder


@pytest.fixture(params=["fork", "thread"], autouse=True)
def way(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(snapshotting, "CAN_FORK", request.param == "fork")
    yield request.param
    Disk.segment_bytes_max = 1 << 30


def fill(db: Database, count: int) -> None:
    for number in range(count):
        db.call("note", number % 10, "x" * (number * 37 % 1500), ["a", "b" * (number % 90)])
        db.call("transfer", number % 10, (number + 3) % 10, 1)


def snapshots(path: Path) -> list[str]:
    return sorted(each.name for each in (path / "snapshots").glob("*.snapshot_dir"))


def open_bank(path: Path, **options: Any) -> Database:
    return Database(bank, path=path, **options)


def segments(path: Path) -> list[int]:
    return sorted(int(each.name[:20]) for each in (path / "clog").glob("*.stdb.log"))


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()  # it may be a link to that of another snapshot
    path.write_bytes(data)


def an_object(path: Path, which: int = -1) -> Path:
    directory = path / "snapshots" / snapshots(path)[which]
    return min(directory.glob("objects/*/*"))


# -- taking and reading -------------------------------------------------------------------


def test_recovery_begins_with_the_snapshot_and_goes_on_with_the_log(tmp_path: Path) -> None:
    path = tmp_path / "bank"
    with open_bank(path) as db:
        fill(db, 60)
        offset = db.snapshot()
        fill(db, 5)
        db.call("forget", 3)
        before = contents(db)
    # Nothing before the snapshot is read: it may as well not be there.
    with open_bank(path) as db:
        assert db.recovery is not None
        assert db.recovery.snapshot == offset == 120
        assert contents(db) == before
        db.check()
        db.call("note", 1, "after", [])
        before = contents(db)
    shutil.rmtree(path / "snapshots")
    with open_bank(path) as db:
        assert db.recovery is not None
        assert db.recovery.snapshot is None
        assert contents(db) == before


def test_a_snapshot_is_taken_after_so_many_transactions(tmp_path: Path) -> None:
    with open_bank(tmp_path / "bank", snapshot_every=20) as db:
        for _ in range(45):
            db.call("transfer", 1, 2, 1)
            assert db._log is not None
            assert db._log.snapshots is not None
            db._log.snapshots.wait()
    assert snapshots(tmp_path / "bank") == [f"{n:020}.snapshot_dir" for n in (20, 40)]


def test_no_snapshot_is_taken_when_none_is_wanted(tmp_path: Path) -> None:
    Disk.segment_bytes_max = 1000
    with open_bank(tmp_path / "bank", snapshot_every=None) as db:
        fill(db, 50)
    assert snapshots(tmp_path / "bank") == []


def test_a_full_segment_brings_a_snapshot(tmp_path: Path) -> None:
    Disk.segment_bytes_max = 5000
    with open_bank(tmp_path / "bank", durability="sync") as db:
        fill(db, 30)
    assert snapshots(tmp_path / "bank")


def test_the_same_state_is_not_written_twice(tmp_path: Path) -> None:
    with open_bank(tmp_path / "bank") as db:
        assert db.snapshot() == db.snapshot() == 0
        usage = db.disk_usage()
        assert usage is not None
        assert usage.snapshots == 1


def test_pages_that_did_not_change_are_shared_with_the_snapshot_before(tmp_path: Path) -> None:
    path = tmp_path / "bank"
    with open_bank(path) as db:
        db.snapshot()
        db.call("note", 1, "x", [])
        db.snapshot()
        before = contents(db)
    older, newer = ({e.name for e in (path / "snapshots" / s).glob("objects/*/*")}
                    for s in snapshots(path))  # fmt: skip
    assert older & newer
    with open_bank(path) as db:
        assert contents(db) == before


def test_a_restored_sequence_goes_on_above_what_was_given_out(tmp_path: Path) -> None:
    path = tmp_path / "bank"
    with open_bank(path) as db:
        fill(db, 3)
        db.snapshot()
    with open_bank(path) as db:
        db.call("note", 1, "new", [])
        with db.transaction(readonly=True) as tx:
            assert max(row.id for row in tx.db[Entry]) > 4096


def test_the_database_goes_on_while_a_snapshot_is_written(tmp_path: Path) -> None:
    path = tmp_path / "bank"
    with open_bank(path, snapshot_every=5) as db:
        fill(db, 100)
        total = sum(balances(db).values())
    for _ in range(2):
        with open_bank(path) as db:
            assert sum(balances(db).values()) == total
            assert len(db.tables.entry) == 100
            db.check()


def test_a_forked_child_takes_no_snapshots(tmp_path: Path) -> None:
    with open_bank(tmp_path / "bank") as db:
        pid = os.fork()
        if not pid:
            try:
                db.snapshot()
            except stdb.DatabaseClosed:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_a_snapshot_needs_files(tmp_path: Path) -> None:
    with pytest.raises(stdb.UsageError, match="in memory"):
        Database(bank).snapshot()
    open_bank(tmp_path / "bank").close()
    with (
        Database.open(tmp_path / "bank", readonly=True) as db,
        pytest.raises(stdb.UsageError, match="readonly"),
    ):
        db.snapshot()
    with pytest.raises(stdb.TypeMismatch, match="snapshot_every"):
        open_bank(tmp_path / "other", snapshot_every=0)
    with pytest.raises(stdb.TypeMismatch, match="retain"):
        open_bank(tmp_path / "other", retain=True)


def test_a_snapshot_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "bank"
    with open_bank(path) as db:
        (path / "snapshots").write_text("in the way")
        with pytest.raises(stdb.DurabilityError, match="snapshot after transaction 0"):
            db.snapshot()
        db.call("transfer", 1, 2, 1)  # the log is not harmed
        usage = db.disk_usage()
    assert usage is not None
    assert "not written" in usage.snapshot_failure


# -- damage -------------------------------------------------------------------


def test_a_damaged_snapshot_is_reported_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "bank"
    with open_bank(path) as db:
        fill(db, 10)
        older = db.snapshot()
        fill(db, 10)
        db.snapshot()
        fill(db, 1)
        before = contents(db)
    damage(an_object(path))
    with Database.open(path, readonly=True) as db:  # which renames nothing
        assert db.recovery is not None
        assert db.recovery.snapshot == older
        assert len(snapshots(path)) == 2
    with open_bank(path) as db:
        assert db.recovery is not None
        assert db.recovery.snapshot == older
        assert "was not used" in db.recovery.skipped[0]
        assert any("was not used" in record.message for record in db.logs())
        assert contents(db) == before
    assert len(snapshots(path)) == 1
    assert len(list((path / "snapshots").glob("*.invalid_snapshot"))) == 1


def test_each_byte_of_a_snapshot_matters(tmp_path: Path) -> None:
    """Any flipped byte of the list of contents, or of what an object says, is noticed."""
    path = tmp_path / "bank"
    with open_bank(path) as db:
        fill(db, 2)
        db.snapshot()
        before = contents(db)
    directory = path / "snapshots" / snapshots(path)[0]
    listed = next(directory.glob("*.snapshot_bsatn"))
    page = max(directory.glob("objects/*/*"), key=lambda each: each.stat().st_size)
    places = [(listed, at_) for at_ in range(0, listed.stat().st_size, 29)]
    places += [(page, at_) for at_ in [0, 3, 5, 60_000, page.stat().st_size - 1]]
    for file, at_ in places:
        data = file.read_bytes()
        file.write_bytes(data[:at_] + bytes([data[at_] ^ 64]) + data[at_ + 1 :])
        with Database.open(path, readonly=True) as db:
            assert db.recovery is not None
            assert db.recovery.snapshot is None, (file, at_)
            assert contents(db) == before
        file.write_bytes(data[:at_])
        with Database.open(path, readonly=True) as db:
            assert contents(db) == before
        file.write_bytes(data)


def test_a_missing_object_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "bank"
    with open_bank(path) as db:
        db.snapshot()
        before = contents(db)
    an_object(path).unlink()
    with open_bank(path) as db:
        assert db.recovery is not None
        assert "No such file" in db.recovery.skipped[0]
        assert contents(db) == before


def test_a_snapshot_that_was_never_finished_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "bank"
    with open_bank(path) as db:
        db.snapshot()
        before = contents(db)
    name = snapshots(path)[0].removesuffix(".snapshot_dir")
    (path / "snapshots" / snapshots(path)[0] / f"{name}.snapshot_bsatn").unlink()
    (path / "snapshots" / f"{name}.lock").touch()
    with open_bank(path) as db:
        assert db.recovery is not None
        assert "never finished" in db.recovery.skipped[0]
        assert contents(db) == before
    assert not list((path / "snapshots").iterdir())


def test_a_snapshot_ahead_of_the_log_is_of_no_use(tmp_path: Path) -> None:
    path = tmp_path / "bank"
    with open_bank(path) as db:
        fill(db, 4)
        db.snapshot()
        before = contents(db)
        fill(db, 1)
        assert contents(db) != before
        db.snapshot()
    log = next((path / "clog").glob("*.log"))
    with log.open("r+b") as file:
        file.truncate(log.stat().st_size - 5)
    with open_bank(path) as db:
        assert db.recovery is not None
        assert db.recovery.transactions == 10
        assert db.recovery.snapshot == 8
        assert "the log ends before it" in db.recovery.skipped[0]


def test_the_snapshot_of_another_database_is_refused(tmp_path: Path) -> None:
    for name in "ab":
        with open_bank(tmp_path / name) as db:
            db.snapshot()
    shutil.copytree(tmp_path / "a" / "snapshots", tmp_path / "b" / "snapshots", dirs_exist_ok=True)
    # Its own list of contents with the rows of the other one.
    listed = next((tmp_path / "b" / "snapshots").glob("*/*.snapshot_bsatn"))
    rest = bytearray(listed.read_bytes()[32:])
    rest[9] ^= 1
    listed.write_bytes(blake3(bytes(rest)).digest() + rest)
    with pytest.raises(stdb.CorruptLogError, match="another database"):
        Database.open(tmp_path / "b")


def test_who_waits_for_a_snapshot_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second snapshot waits for the one that is being written, and writers go on meanwhile."""
    monkeypatch.setattr(snapshotting, "CAN_FORK", False)
    began, go_on = threading.Event(), threading.Event()
    write = snapshotting.write_snapshot

    def write_slowly(*args: Any, **options: Any) -> None:
        began.set()
        assert go_on.wait(60)
        write(*args, **options)

    monkeypatch.setattr(snapshotting, "write_snapshot", write_slowly)
    with open_bank(tmp_path / "bank") as db:
        first = threading.Thread(target=db.snapshot)
        first.start()
        assert began.wait(60)
        second = threading.Thread(target=db.snapshot)
        second.start()
        caller = threading.Thread(target=fill, args=(db, 5))
        caller.start()
        caller.join(60)
        assert not caller.is_alive()
        assert first.is_alive()
        assert second.is_alive()
        go_on.set()
        first.join(60)
        second.join(60)
    assert len(snapshots(tmp_path / "bank")) == 2


# -- what is kept -------------------------------------------------------------------


def test_what_the_log_keeps_is_bounded_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "bank"
    with open_bank(path, snapshot_every=40, retain=2) as db:
        for _ in range(12):
            fill(db, 10)
            assert db._log is not None
            assert db._log.snapshots is not None
            db._log.snapshots.wait()
        usage = db.disk_usage()
        assert usage is not None
        assert usage.snapshots == 2
        assert usage.first_offset == 201
        assert usage.segments <= 3
        before = contents(db)
    assert segments(path)[0] == 201
    with open_bank(path) as db:
        assert contents(db) == before
    damage(an_object(path))
    with open_bank(path) as db:  # the older snapshot and its part of the log are there
        assert contents(db) == before


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_the_bytes_of_the_log_are_bounded_when_asked_for(tmp_path: Path, mode: Any) -> None:
    """Bytes count, not transactions; and a log that was longer before is shortened at once."""
    path, most = tmp_path / "bank", 60_000
    with open_bank(path, snapshot_every=None, durability=mode) as db:
        fill(db, 150)
        db.flush()
        usage = db.disk_usage()
        assert usage is not None
        assert usage.log_bytes > 2 * most
    options: Any = {"snapshot_every": None, "durability": mode, "log_bytes_max": most}
    with open_bank(path, **options) as db:
        for round_ in range(20):
            fill(db, 5)
            db.flush()
            assert db._log is not None
            assert db._log.snapshots is not None
            db._log.snapshots.wait()
            usage = db.disk_usage()
            assert usage is not None
            # The first transaction arms, so that the old log goes after the first round.
            assert usage.log_bytes <= most, round_
        assert usage.first_offset > 400
        before = contents(db)
    with open_bank(path, **options) as db:
        assert contents(db) == before


def test_reading_goes_on_when_the_writer_deletes_what_was_to_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the directory and the reading, a newer snapshot takes over."""
    path = tmp_path / "bank"
    read = recovery.read_snapshot
    tries = []
    with open_bank(path, retain=1) as db:
        fill(db, 5)
        db.snapshot()
        fill(db, 5)

        def read_late(place: Any) -> Any:
            tries.append(place.offset)
            if len(tries) == 1:
                db.snapshot()
                fill(db, 1)
                db.flush()
                assert db._log is not None
                assert db._log.snapshots is not None
                db._log.snapshots.wait()
            return read(place)

        monkeypatch.setattr(recovery, "read_snapshot", read_late)
        with Database.open(path, readonly=True) as reader:
            assert contents(reader) == contents(db)
    assert tries == [10, 20]


def test_a_log_whose_snapshot_is_lost_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "bank"
    with open_bank(path, snapshot_every=20, retain=1) as db:
        fill(db, 30)
        assert db._log is not None
        assert db._log.snapshots is not None
        db._log.snapshots.wait()
    first = segments(path)[0]
    assert first > 0
    for name in snapshots(path):
        shutil.rmtree(path / "snapshots" / name)
    with pytest.raises(stdb.CorruptLogError, match="must come from a snapshot") as failed:
        open_bank(path)
    assert failed.value.lost == f"transactions 0 to {first - 1}"


def test_old_segments_and_snapshots_are_compressed(tmp_path: Path) -> None:
    path = tmp_path / "bank"
    Disk.segment_bytes_max = 3000
    with open_bank(path, snapshot_every=None, durability="sync") as db:
        fill(db, 20)
        db.snapshot()
        fill(db, 20)
        db.snapshot()
        before = contents(db)
    logs = sorted((path / "clog").glob("*.log"))
    magic = b"\x28\xb5\x2f\xfd"
    assert len(logs) > 4
    assert all(log.read_bytes().startswith(magic) for log in logs[:-2])
    assert not logs[-1].read_bytes().startswith(magic)
    older = path / "snapshots" / snapshots(path)[0]
    assert all(f.read_bytes().startswith(magic) for f in older.rglob("*") if f.is_file())
    with open_bank(path) as db:
        assert contents(db) == before
    damage(an_object(path))
    with open_bank(path) as db:
        assert db.recovery is not None
        assert db.recovery.snapshot == 40
        assert contents(db) == before
    shutil.rmtree(path / "snapshots")
    with open_bank(path) as db:
        assert contents(db) == before


def test_a_sealed_segment_is_seekable_zstd() -> None:
    import struct

    import zstandard

    data = os.urandom(10_000)
    sealed = seekable(data)
    count, flags, magic = struct.unpack("<IBI", sealed[-9:])
    assert (count, flags, magic) == (3, 0, 0x8F92EAB1)
    skippable, size = struct.unpack_from("<II", sealed, len(sealed) - 8 - 8 * 3 - 9)
    assert (skippable, size) == (0x184D2A5E, 8 * 3 + 9)
    at_ = 0
    parts = []
    for entry in range(3):
        place = len(sealed) - 9 - 8 * (3 - entry)
        length, plain = struct.unpack_from("<II", sealed, place)
        parts.append(zstandard.ZstdDecompressor().decompress(sealed[at_ : at_ + length]))
        assert len(parts[-1]) == plain <= 4096
        at_ += length
    assert b"".join(parts) == data


def test_a_child_without_its_parent_leaves_nothing(tmp_path: Path, way: str) -> None:
    """A snapshot whose process was killed is of the past that the next process may undo."""
    if way != "fork":
        pytest.skip("only children outlive anybody")
    path = tmp_path / "bank"
    pid = os.fork()
    if not pid:
        db = open_bank(path, durability=None)
        with db.transaction() as tx:
            tx.db[Account].insert_many(Account(id=n, balance=1) for n in range(100, 60_100))
        assert db._log is not None
        assert db._log.snapshots is not None
        with db.transaction(readonly=True):
            db._log.snapshots.take(db._state.offset)
        os._exit(9)  # at once, the child still writing
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    with open_bank(path) as db:
        assert db.recovery is not None
        time.sleep(0.5)
        assert db.recovery.snapshot is None
        assert snapshots(path) == []


# -- the bytes of a page -------------------------------------------------------------------


def test_a_child_that_hangs_is_killed(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it without end, and nothing of its snapshot stays."""
    if way != "fork":
        pytest.skip("there is no child")

    def hang(*_: Any, **__: Any) -> None:
        threading.Event().wait()

    monkeypatch.setattr(snapshotting, "write_snapshot", hang)
    with open_bank(tmp_path) as db:
        fill(db, 1)
        monkeypatch.setattr(snapshotting, "CHILD_SECONDS_MAX", 0.1)
        with pytest.raises(stdb.DurabilityError, match=r"did not end within 0\.1 seconds"):
            db.snapshot()
        assert list((tmp_path / "snapshots").iterdir()) == []
        assert any("did not end within" in record.message for record in db.logs())
        assert db._log is not None
        assert db._log.snapshots is not None
        with db.transaction(readonly=True):
            assert db._log.snapshots.take(db._state.offset)
    # Closing the database has waited for the second one, and not without end either.
    assert list((tmp_path / "snapshots").iterdir()) == []


def test_the_page_of_the_specification() -> None:
    row_type = at.product(id=at.U32, name=at.STRING)
    writer = pages.PageWriter(row_type, lambda _: b"")
    [(digest, file)] = list(writer.pages([b"\1\0\0\0\2\0\0\0ab"]))
    assert digest.hex() == "a888350f9591f606d16681434687a7c16162ab1f6c3c15076fe2312bf480c0a5"
    assert len(file) == 66_555
    data = pages.read_page(file, digest).data
    assert data[:8] == bytes.fromhex("01000000020080ff")
    assert data[65408:65412] == bytes.fromhex("02006162")


def test_sizes_and_alignments_are_those_of_the_specification() -> None:
    from stdb.schema.system_tables import SYSTEM_TABLES

    assert layout.layout(at.option(at.Array(at.U16))) == (6, 2)
    assert layout.layout(
        at.sum_of(a=at.Product(tuple(at.Element(None, at.U8) for _ in range(31))), b=at.U64)
    ) == (40, 8)
    sizes = [layout.row_size(system.definition.row_type) for system in SYSTEM_TABLES]
    assert sizes == [
        24, 16, 96, 48, 48, 160, 64, 48, 20, 8, 32, 20, 16, 16, 96, 16, 4, 8, 8, 12,
    ]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_rows_of_any_type_come_back_from_pages(data: st.DataObject) -> None:
    shape = struct_of(*data.draw(st.lists(shapes(), min_size=1, max_size=4)))
    row_type = shape.algebraic()
    assert isinstance(row_type, at.Product)
    row = make_encoder(shape)(data.draw(values_of(shape)))
    rows = [row] * data.draw(st.integers(1, 300))
    blobs: dict[bytes, bytes] = {}

    def add_blob(contents: bytes) -> bytes:
        blobs[blake3(contents).digest()] = contents
        return blake3(contents).digest()

    written = list(pages.PageWriter(row_type, add_blob).pages(rows))
    read = [pages.read_page(file, digest) for digest, file in written]
    assert rows_of_pages(read, row_type, blobs) == rows
    decoded = decode_pages(read, row_type, shape)
    assert decoded is None or [make_encoder(shape)(each) for each in decoded] == rows


@given(st.integers(0, (1 << 60) - 1))
def test_only_the_rows_that_are_marked_are_there(present: int) -> None:
    size = 1000
    page = pages.Page(bytes(pages.ROW_DATA), present & ((1 << 65) - 1))
    wanted = [i * size for i in range(60) if present >> i & 1]
    assert list(pages.starts(page, size)) == wanted
    assert len(pages.packed_rows(page, size)) == size * len(wanted)
