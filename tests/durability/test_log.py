"""A database with a path: what was committed is there again when it is opened."""

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from tests.durability.bank import Account, Entry, balances, bank, contents, head

import stdb
from stdb import Database, Module, Row
from stdb.durability import progress, recovery, segments

MODES = ["async", "sync", None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bank.stdb"


@pytest.mark.parametrize("mode", MODES)
def test_what_was_committed_is_there_again(path: Path, mode: str | None) -> None:
    with Database(bank, path=path, durability=mode) as db:
        db.call("transfer", 1, 2, 100)
        db.call("note", 1, "lent", ["a", "bc"])
        with db.transaction() as tx:
            tx.db[Entry].insert(account=2, who=db.owner, text="got", rate=0.5)
        before, identity, owner = contents(db), db.identity, db.owner
    with Database(bank, path=path, durability=mode) as db:
        assert contents(db) == before
        assert (db.identity, db.owner) == (identity, owner)
        assert [type(row) for row in db.tables.account] == [Account] * 10
        db.check()


def test_reopening_many_times_adds_up(path: Path) -> None:
    for number in range(5):
        with Database(bank, path=path) as db:
            db.call("transfer", 0, 1, 1)
            assert balances(db)[1] == 1_001 + number


def test_failed_call_leaves_nothing_in_the_log(path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        size = head(path).stat().st_size
        with pytest.raises(stdb.ReducerError):
            db.call("transfer", 1, 2, 5_000)
        with db.transaction() as tx:
            tx.db[Account].clear()
            tx.rollback()
        db.call("forget", 7)
        assert head(path).stat().st_size == size
        assert db.durable_offset == 0


def test_deleted_and_truncated_rows_stay_away(path: Path) -> None:
    with Database(bank, path=path) as db:
        for number in range(4):
            db.call("note", number % 2, f"{number}")
        db.call("forget", 0)
        assert [row.text for row in db.tables.entry] == ["1", "3"]
    with Database(bank, path=path) as db:
        assert [row.text for row in db.tables.entry] == ["1", "3"]
        db.call("forget_all")
    with Database(bank, path=path) as db:
        assert len(db.tables.entry) == 0
        db.check()


def test_sequence_never_gives_a_number_twice(path: Path) -> None:
    """Not even one that only a transaction saw which was rolled back."""
    seen: list[int] = []
    for _ in range(3):
        with Database(bank, path=path) as db:
            for _ in range(3):
                with db.transaction() as tx:
                    seen.append(tx.db[Entry].insert(account=1, who=db.owner, text="x").id)
                with db.transaction() as tx:
                    seen.append(tx.db[Entry].insert(account=1, who=db.owner, text="y").id)
                    tx.rollback()
    assert len(set(seen)) == len(seen)


def test_rows_of_an_event_table_do_not_come_back(path: Path) -> None:
    with Database(bank, path=path) as db:
        db.call("transfer", 1, 2, 1)
    with Database(bank, path=path) as db:
        assert len(db.tables.bell) == 0


# -- modes -------------------------------------------------------------------------------------


def test_sync_is_on_the_disk_when_the_call_returns(path: Path) -> None:
    with Database(bank, path=path, durability="sync") as db:
        for number in range(1, 4):
            db.call("transfer", 1, 2, 1)
            assert db.durable_offset == number
        with db.transaction() as tx:
            tx.db[Entry].insert(account=1, who=db.owner, text="x")
        assert db.durable_offset == 4


def test_flush_waits_for_everything_so_far(path: Path) -> None:
    with Database(bank, path=path) as db:
        for number in range(1, 50):
            db.call("transfer", 1, 2, 1)
            if number % 10 == 0:
                db.flush()
                assert db.durable_offset == number


def test_async_gets_to_the_disk_without_being_asked(path: Path) -> None:
    with Database(bank, path=path) as db:
        db.call("transfer", 1, 2, 1)
        assert db._log is not None
        assert db._log.wait(1, timeout=30)


def test_none_is_written_but_not_reported_durable(path: Path) -> None:
    with Database(bank, path=path, durability=None) as db:
        size = head(path).stat().st_size
        db.call("transfer", 1, 2, 1)
        assert head(path).stat().st_size > size
        assert db.durable_offset is None
        db.flush()
        assert db.durable_offset == 1


@pytest.mark.parametrize("mode", MODES)
def test_threads_commit_together(path: Path, mode: str | None) -> None:
    with Database(bank, path=path, durability=mode) as db:

        def work(account: int) -> None:
            for _ in range(20):
                db.call("transfer", account, (account + 1) % 8, 1)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        before = contents(db)
        if mode == "sync":
            assert db.durable_offset == 160
    with Database(bank, path=path) as db:
        assert contents(db) == before
        assert db.recovery is not None
        assert db.recovery.transactions == 161


def test_unknown_mode_is_refused(path: Path) -> None:
    with pytest.raises(stdb.TypeMismatch, match='durability is "async", "sync" or None'):
        Database(bank, path=path, durability="full")  # type: ignore[arg-type]
    assert not path.exists()


def test_in_memory_there_is_nothing_to_flush() -> None:
    db = Database(bank)
    db.flush()
    assert (db.durable_offset, db.path, db.recovery) == (None, None, None)


# -- who may open it ---------------------------------------------------------------------------


def test_open_database_is_locked(path: Path) -> None:
    with (
        Database(bank, path=path),
        pytest.raises(stdb.DatabaseLocked, match=r"open in process \d+ \(this one\) on ") as info,
    ):
        Database(bank, path=path)
    assert info.value.pid == os.getpid()
    assert info.value.host
    Database(bank, path=path).close()


def test_dropped_database_gives_its_lock_back(path: Path) -> None:
    db = Database(bank, path=path)
    db.call("transfer", 1, 2, 7)
    log = db._log
    assert log is not None
    del db
    assert log._thread is not None
    log._thread.join(30)
    with Database(bank, path=path) as again:
        assert balances(again)[2] == 1_007


def test_readonly_reads_beside_the_writer_and_writes_nothing(path: Path) -> None:
    with Database(bank, path=path) as db:
        db.call("transfer", 1, 2, 5)
        db.flush()
        files = {each: each.stat().st_mtime_ns for each in path.rglob("*")}
        with Database.open(path, readonly=True) as reader:
            assert balances(reader)[2] == 1_005
            with (
                pytest.raises(stdb.TransactionError, match="readonly=True"),
                reader.transaction() as tx,
            ):
                tx.db["account"].clear()
            assert balances(reader)[2] == 1_005
            with pytest.raises(stdb.TransactionError, match="readonly=True"):
                reader.call("transfer", 1, 2, 5)
        assert {each: each.stat().st_mtime_ns for each in path.rglob("*")} == files


def test_missing_database_is_not_made_by_open(tmp_path: Path) -> None:
    with pytest.raises(stdb.DatabaseNotFound, match="there is no database"):
        Database.open(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        Database.open(tmp_path / "none", readonly=True)
    assert list(tmp_path.iterdir()) == []


def test_directory_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(stdb.UsageError, match=r"not empty \(thesis.txt\)"):
        Database(bank, path=tmp_path)
    with pytest.raises(stdb.UsageError, match="is a file"):
        Database(bank, path=tmp_path / "thesis.txt")
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]


def test_other_owner_is_refused(path: Path) -> None:
    Database(bank, path=path).close()
    with pytest.raises(stdb.UsageError, match="belongs to"):
        Database(bank, path=path, owner=stdb.Identity(5))
    Database(bank, path=path).close()


# -- long recoveries ---------------------------------------------------------------------------


def test_progress_of_a_recovery_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_TELL_SECONDS", 0)
    with Database(bank, path=path) as db:
        for _ in range(10_000):
            db.call("transfer", 1, 2, 0)
            db.call("transfer", 2, 1, 1)
            db.call("transfer", 1, 2, 1)
    size = head(path).stat().st_size
    told: list[tuple[int, int]] = []
    Database(bank, path=path, progress=lambda *numbers: told.append(numbers)).close()
    assert len(told) > 3
    assert told == sorted(told)
    assert told[-1] == (size, size)
    assert {total for _, total in told} == {size}


def test_progress_can_be_a_bar(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recovery, "_TELL_SECONDS", 0)
    monkeypatch.setattr(segments, "_BUFFER", 4096)
    with Database(bank, path=path) as db:
        for number in range(5_000):
            db.call("note", 1, f"{number}")
    Database.open(path, readonly=True, progress=True).close()
    assert capsys.readouterr().err == ""  # it was too fast to need one
    monkeypatch.setattr(progress, "_PATIENCE_SECONDS", 0)
    Database.open(path, readonly=True, progress=True).close()
    shown = capsys.readouterr().err
    assert shown.endswith("[##############################] 0 of 0 MB\n")
    assert "recovering bank.stdb [#" in shown
    with pytest.raises(stdb.UsageError, match="progress is True for a bar"):
        Database.open(path, readonly=True, progress=3)  # type: ignore[arg-type]


# -- modules -----------------------------------------------------------------------------------


def test_open_without_module_has_rows_and_no_reducers(path: Path) -> None:
    with Database(bank, path=path) as db:
        db.call("note", 1, "hello", ["t"])
        before = contents(db)
    with Database.open(path) as db:
        assert contents(db) == before
        assert list(db.reducers) == []
        (entry,) = db.tables.entry
        assert (entry.text, entry.tags, type(entry).__name__) == ("hello", ("t",), "Entry")
        with db.transaction() as tx:
            tx.db.account.id.update(tx.db.account.id.find(3).replace(balance=0))
        db.check()
    with Database(bank, path=path) as db:
        assert balances(db)[3] == 0


def test_open_with_module_goes_on(path: Path) -> None:
    Database(bank, path=path).close()
    with Database.open(path, bank) as db:
        db.call("transfer", 1, 2, 3)
    with Database.open(path, bank, readonly=True) as db:
        assert balances(db)[2] == 1_003


def test_module_with_other_functions_goes_on_and_is_noted(path: Path) -> None:
    def declare(*, more: bool) -> Module:
        module = Module("notes")

        @module.table()
        class Note(Row):
            text: str

        if more:

            @module.reducer
            def add(ctx: stdb.ReducerContext, text: str) -> None:
                ctx.db.note.insert(text=text)

        return module

    Database(declare(more=False), path=path).close()
    with Database(declare(more=True), path=path) as db:
        db.call("add", "x")
        assert db.recovery is not None
        assert db.recovery.transactions == 1
        assert db.durable_offset is not None
    with Database(declare(more=True), path=path) as db:
        assert [row.text for row in db.tables.note] == ["x"]
        assert db.recovery is not None
        assert db.recovery.transactions == 3
        assert len(db.tables["st_module"]) == 1


def test_failing_init_leaves_no_database(path: Path) -> None:
    broken = Module("broken")
    failing = [True]

    @broken.init
    def init(ctx: stdb.ReducerContext) -> None:
        if failing:
            raise stdb.ReducerError("not today")

    with pytest.raises(stdb.ReducerError, match="not today"):
        Database(broken, path=path)
    failing.clear()
    with Database(broken, path=path) as db:
        assert db.recovery is not None
        assert db.recovery.transactions == 0


# -- clients -----------------------------------------------------------------------------------


def test_clients_of_a_process_that_ended_are_disconnected(path: Path) -> None:
    db = Database(bank, path=path)
    staying = db.connect()
    with db.connect():
        pass
    db.flush()
    assert db._log is not None
    db._log.close()  # as a process that dies
    with Database(bank, path=path) as again:
        seen = [(row.who, row.what.split()[0]) for row in again.tables.seen]
        assert seen.count((staying.identity, "went")) == 1
        assert len(again.tables["st_client"]) == 0


def test_exploring_leaves_clients_to_the_module(path: Path) -> None:
    db = Database(bank, path=path)
    db.connect()
    db.flush()
    assert db._log is not None
    db._log.close()
    with Database.open(path) as explored:
        assert len(explored.tables["st_client"]) == 1
    with Database(bank, path=path) as again:
        assert len(again.tables["st_client"]) == 0


# -- processes ---------------------------------------------------------------------------------


def run(code: str, path: Path) -> str:
    """What another process prints that runs the code, with ``path`` and the bank in reach."""
    prelude = (
        "import os, sys\nfrom pathlib import Path\nimport stdb\nfrom stdb import Database\n"
        "from tests.durability.bank import *\npath = Path(sys.argv[1])\n"
    )
    command = [sys.executable, "-c", prelude + textwrap.dedent(code), str(path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_end_of_the_interpreter_flushes(path: Path) -> None:
    run(
        """
        db = Database(bank, path=path)
        for number in range(1000):
            db.call("transfer", 1, 2, 1)
        """,
        path,
    )
    with Database(bank, path=path) as db:
        assert balances(db)[2] == 2_000
        assert db.recovery is not None
        assert db.recovery.torn == ""


def test_forked_child_finds_the_database_closed(path: Path) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    printed = run(
        """
        db = Database(bank, path=path)
        db.call("transfer", 1, 2, 1)
        child = os.fork()
        if not child:
            for work in (lambda: db.call("transfer", 1, 2, 1), db.flush):
                try:
                    work()
                except stdb.DatabaseClosed as error:
                    print("closed")
            db.close()
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)
        db.call("transfer", 1, 2, 1)
        try:
            Database(bank, path=path)
        except stdb.DatabaseLocked:
            print("still locked")
        db.close()
        """,
        path,
    )
    assert printed.split("\n")[:3] == ["closed", "closed", "still locked"]
    with Database(bank, path=path) as db:
        assert balances(db)[2] == 1_002
