"""What happened, transaction by transaction; the state as of one; copies of a running database."""

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.durability.bank import Account, Entry, balances, bank, contents, head

import stdb
from stdb import Database, Module, ReducerContext, Row, u64
from stdb.durability.files import Disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bank.stdb"


def settle(db: Database) -> None:
    """Have everything written that was committed, and deleted what is superfluous."""
    db.flush()
    assert db._log is not None
    assert db._log.snapshots is not None
    db._log.snapshots.wait()


# -- history ---------------------------------------------------------------------------------------


def test_history_tells_calls_and_what_they_changed(path: Path) -> None:
    alice = stdb.Identity(7)
    with Database(bank, path=path) as db:
        db.call("transfer", 1, 2, 30, sender=alice)
        made, moved = db.history()
        assert (made.offset, made.reducer, made.caller, made.timestamp) == (0, None, None, None)
        assert len(made.changes["account"].inserted) == 10
        assert len(made.changes["st_module"].inserted) == 1
        assert (moved.offset, moved.reducer, moved.caller) == (1, "transfer", alice)
        assert moved.connection_id is not None
        assert moved.timestamp is not None
        assert moved.arguments == (1, 2, 30)
        assert moved.argument_bytes == bytes.fromhex("01000000 02000000 1e00000000000000")
        assert moved.changes["account"].inserted == (
            Account(id=1, balance=970),
            Account(id=2, balance=1_030),
        )
        assert moved.changes["account"].deleted == (
            Account(id=1, balance=1_000),
            Account(id=2, balance=1_000),
        )
        # Rows of event tables are nowhere else.
        assert [row.account for row in moved.changes["bell"].inserted] == [1]


def test_history_knows_the_rows_of_an_emptied_table(path: Path) -> None:
    """The log says no more than that it was emptied."""
    with Database(bank, path=path) as db:
        for number in range(3):
            db.call("note", number, f"{number}", ["t"])
        db.call("forget_all")
        *_, last = db.history()
        assert last.changes.keys() == {"entry"}
        assert [(row.text, row.tags) for row in last.changes["entry"].deleted] == [
            ("0", ("t",)), ("1", ("t",)), ("2", ("t",)),
        ]  # fmt: skip
        assert type(last.changes["entry"].deleted[0]) is Entry


def test_history_tells_clients_and_plain_transactions(path: Path) -> None:
    with Database(bank, path=path) as db:
        with db.connect() as client:
            pass
        with db.transaction() as tx:
            tx.db[Account].insert(Account(id=70, balance=1))
        came, went, plain = db.history(from_offset=1)
        assert (came.reducer, went.reducer) == ("call_identity_connected", "went")
        assert came.caller == went.caller == client.identity
        assert came.connection_id == client.connection_id
        assert came.arguments == ()
        assert came.changes["st_client"].inserted == went.changes["st_client"].deleted
        assert (plain.reducer, plain.arguments) == (None, None)


def test_history_begins_with_the_snapshot_before(path: Path) -> None:
    with Database(bank, path=path) as db:
        for number in range(4):
            db.call("note", 1, f"{number}")
        db.snapshot()
        db.call("note", 1, "after")
        db.call("forget_all")
        whole = list(db.history())
    first = path / "clog" / f"{0:020}.stdb.log"
    # Were the log read from its beginning, this byte would be found.
    data = bytearray(first.read_bytes())
    data[200] ^= 1
    with Database.open(path, readonly=True) as db:
        assert db.recovery is not None
        assert db.recovery.snapshot == 4
        assert [t.offset for t in whole] == list(range(7))
        told = list(db.history(from_offset=5))
        assert [t.offset for t in told] == [5, 6]
        assert [str(t.changes["entry"].deleted) for t in told] == [
            str(t.changes["entry"].deleted) for t in whole[5:]
        ]


def test_history_of_what_was_deleted_says_where_it_begins(path: Path) -> None:
    with Database(bank, path=path, retain=1) as db:
        db.call("note", 1, "before")
        last = db.snapshot()
        db.call("note", 1, "after")
        settle(db)
        with pytest.raises(
            stdb.UsageError, match=rf"transaction 0 is not there .* from_offset={last + 1} is"
        ):
            list(db.history(from_offset=0))
        (only,) = db.history()
        assert (only.offset, only.arguments) == (last + 1, (1, "after", ()))


def test_nothing_is_deleted_while_somebody_reads_the_history(path: Path) -> None:
    with Database(bank, path=path, retain=1) as db:
        for _ in range(3):
            db.call("transfer", 1, 2, 1)
        told = db.history()
        seen = [next(told).offset]
        for _ in range(2):
            db.call("transfer", 1, 2, 1)
            db.snapshot()
        seen += [transaction.offset for transaction in told]
        assert seen == [0, 1, 2, 3]
        db.call("transfer", 1, 2, 1)
        db.snapshot()
        db.call("transfer", 1, 2, 1)
        settle(db)
        usage = db.disk_usage()
        assert usage is not None
        assert (usage.snapshots, usage.first_offset) == (1, 7)


def test_history_on_a_path_that_is_only_read(path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        db.call("note", 3, "x", ["t"])
        with Database.open(path, readonly=True) as reader:
            db.call("note", 4, "later")
            _, noted = reader.history()  # up to when it was opened
            assert noted.arguments == (3, "x", ("t",))
            assert noted.changes["entry"].inserted == tuple(reader.tables.entry)
        with Database.open(path, at=0) as reader:
            assert [t.offset for t in reader.history()] == [0]


def test_arguments_of_another_signature_are_told_as_bytes(path: Path) -> None:
    def declare(parameter: Any) -> Module:
        module = Module("notes")

        @module.table()
        class Note(Row):
            text: str

        @module.reducer
        def add(ctx: ReducerContext, value: parameter) -> None:
            ctx.db.note.insert(text=str(value))

        return module

    with Database(declare(u64), path=path) as db:
        db.call("add", 5)
    with Database(declare(str), path=path) as db:
        added = next(iter(db.history(from_offset=1)))
        assert (added.arguments, added.argument_bytes) == (None, (5).to_bytes(8, "little"))


def test_memory_has_no_history() -> None:
    db = Database(bank)
    with pytest.raises(stdb.UsageError, match="is in memory: it has no history"):
        db.history()
    with pytest.raises(stdb.UsageError, match="is in memory: there are no files"):
        db.backup("copy")


def test_history_refuses_what_is_no_number(path: Path) -> None:
    with Database(bank, path=path) as db:
        for wrong in (-1, "0", 1.0, True):
            with pytest.raises(stdb.UsageError, match="from_offset is the number of a transaction"):
                db.history(from_offset=wrong)  # type: ignore[arg-type]
        assert list(db.history(from_offset=99)) == []
    with pytest.raises(stdb.DatabaseClosed):
        db.history()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.sampled_from(["note", "move", "forget", "clear", "snapshot"]), max_size=12),
    start=st.integers(0, 12),
)
def test_changes_add_up_to_the_state_as_of_each_transaction(
    steps: list[str], start: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Applying what the history tells to the state before gives the state after."""
    path = tmp_path_factory.mktemp("history") / "db"
    with Database(bank, path=path, durability=None) as db:
        for number, step in enumerate(steps):
            if step == "note":
                db.call("note", number % 3, f"{number}", ["t"] * number)
            elif step == "move":
                db.call("transfer", number % 10, (number + 1) % 10, 1)
            elif step == "forget":
                db.call("forget", number % 3)
            elif step == "clear":
                db.call("forget_all")
            else:
                db.snapshot()
        for transaction in db.history(from_offset=start):
            offset = transaction.offset
            with Database.open(path, bank, at=offset) as after:
                expected = rows_of(after)
            rows = set()
            if offset:
                with Database.open(path, bank, at=offset - 1) as before:
                    rows = rows_of(before)
            for table in (Account, Entry):
                changes = transaction.changes.get(table.__name__.lower())
                if changes is not None:
                    assert rows.issuperset(changes.deleted)
                    assert rows.isdisjoint(changes.inserted)
                    rows = (rows - set(changes.deleted)) | set(changes.inserted)
            assert rows == expected


def rows_of(db: Database) -> set[Any]:
    with db.transaction(readonly=True) as tx:
        return {row for table in (Account, Entry) for row in tx.db[table]}


# -- backup ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["async", "sync", None])
def test_a_backup_is_the_database_as_it_was(path: Path, tmp_path: Path, mode: Any) -> None:
    with Database(bank, path=path, durability=mode) as db:
        db.call("note", 1, "kept")
        before = contents(db)
        assert db.backup(tmp_path / "copy") == 1
        db.call("note", 1, "too late")
        identity = db.identity
    with Database(bank, path=tmp_path / "copy") as copy:
        assert contents(copy) == before
        assert copy.identity == identity
        assert copy.recovery is not None
        assert copy.recovery.torn == ""
        copy.check()
        copy.call("transfer", 1, 2, 1)
    with Database(bank, path=path) as db:
        assert len(db.tables.entry) == 2


def test_a_backup_is_made_while_others_commit(path: Path, tmp_path: Path) -> None:
    Disk.segment_bytes_max = 20_000
    try:
        with Database(bank, path=path, durability="sync", snapshot_every=50, retain=1) as db:
            stop = threading.Event()

            def work() -> None:
                while not stop.is_set():
                    db.call("transfer", 1, 2, 0)
                    db.call("transfer", 2, 1, 1)
                    db.call("transfer", 1, 2, 1)
                    db.call("note", 5, "x" * 100)

            thread = threading.Thread(target=work)
            thread.start()
            try:
                offsets = [db.backup(tmp_path / f"copy{i}") for i in range(5)]
            finally:
                stop.set()
                thread.join()
        assert offsets == sorted(offsets)
        for i, offset in enumerate(offsets):
            with Database(bank, path=tmp_path / f"copy{i}") as copy:
                assert copy.recovery is not None
                assert copy.recovery.transactions == offset + 1
                assert sum(balances(copy).values()) == 10_000
                copy.check()
    finally:
        Disk.segment_bytes_max = 1 << 30


def test_a_backup_of_a_log_without_its_beginning_brings_the_snapshot(
    path: Path, tmp_path: Path
) -> None:
    with Database(bank, path=path, retain=1) as db:
        db.call("note", 1, "long" * 400)
        db.snapshot()
        db.call("note", 2, "x")
        before = contents(db)
        db.backup(tmp_path / "copy")
    shutil.rmtree(path)
    with Database(bank, path=tmp_path / "copy") as copy:
        assert contents(copy) == before


def test_a_backup_of_an_earlier_state(path: Path, tmp_path: Path) -> None:
    with Database(bank, path=path) as db:
        for number in range(5):
            db.call("note", 1, f"{number}")
    with Database.open(path, at=3) as past:
        assert past.backup(tmp_path / "copy") == 3
        before = contents(past)
    with Database(bank, path=tmp_path / "copy") as copy:
        assert contents(copy) == before
        copy.call("note", 1, "another way")


def test_a_backup_does_not_write_over_anything(path: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").write_text("years of work")
    (tmp_path / "empty").mkdir()
    with Database(bank, path=path) as db:
        for taken in (tmp_path / "thesis", path):
            with pytest.raises(stdb.UsageError, match="is there already"):
                db.backup(taken)
        db.backup(tmp_path / "empty")
        db.backup(str(tmp_path / "deep" / "down"))
    assert (tmp_path / "thesis" / "text").read_text() == "years of work"
    Database(bank, path=tmp_path / "deep" / "down").close()


def test_a_backup_of_a_damaged_log_is_refused(path: Path, tmp_path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        for _ in range(3):
            db.call("transfer", 1, 2, 1)
        assert db._log is not None
        position = db._log.end[1] - 250  # behind that is room
        with head(path).open("r+b") as file:
            file.seek(position)
            byte = file.read(1)
            file.seek(position)
            file.write(bytes([byte[0] ^ 1]))
        with pytest.raises(stdb.CorruptLogError, match="the checksum is"):
            db.backup(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
