"""What a database says of itself, its forks, its clock and its log."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

import stdb
from stdb import (
    Database,
    Identity,
    ManualClock,
    Module,
    ReducerContext,
    ReducerError,
    Row,
    Timestamp,
    index,
    primary_key,
    u64,
    unique,
)  # fmt: skip

notes = Module("notes")


@notes.table(public=True)
class Note(Row):
    id: u64 = primary_key(auto_inc=True)
    author: Identity = index("hash")
    title: str = unique()
    tags: list[str] = ()  # type: ignore[assignment]
    sent: Timestamp
    by_author_sent = index("author", "sent")


@notes.reducer
def write(ctx: ReducerContext, title: str) -> None:
    ctx.db.note.insert(author=ctx.sender, title=title, sent=ctx.timestamp)
    ctx.log.info("wrote %s", title)


def titles(db: Database) -> list[str]:
    return [note.title for note in db.tables.note]


def test_a_database_has_a_name_an_identity_and_an_owner() -> None:
    owner = Identity.from_claims("test", "owner")
    db = Database(notes, name="mine", owner=owner)
    assert (db.name, db.owner) == ("mine", owner)
    assert db.identity not in (owner, Database(notes).identity)
    assert repr(db) == "<Database 'mine', 1 table>"
    [module] = db.tables["st_module"]
    assert module.database_identity == db.identity.value
    assert module.owner_identity == owner.value


def test_describe_tells_tables_and_reducers_as_plain_data() -> None:
    described = json.loads(json.dumps(Database(notes).describe()))
    [table] = described["tables"]
    assert (table["name"], table["public"], table["primary_key"]) == ("note", True, "id")
    assert [(c["name"], c["type"], c["auto_inc"]) for c in table["columns"]] == [
        ("id", "u64", True),
        ("author", "Identity", False),
        ("title", "str", False),
        ("tags", "list[str]", False),
        ("sent", "Timestamp", False),
    ]
    assert table["unique"] == [["id"], ["title"]]
    assert {"name": "by_author_sent", "algorithm": "btree", "columns": ["author", "sent"]} in table[
        "indexes"
    ]
    assert described["reducers"] == [
        {
            "name": "write",
            "params": [{"name": "title", "type": "str"}],
            "lifecycle": None,
            "public": True,
        }
    ]


def test_tables_are_looked_at_outside_a_transaction() -> None:
    db = Database(notes)
    db.call("write", "one")
    assert list(db.tables) == ["note"]
    assert db.tables.note.columns["title"] == "str"
    assert db.tables.note.row_class is Note
    assert [row.title for row in db.tables["note"].rows()] == ["one"]
    assert "st_table" in db.tables
    assert repr(db.tables.note).startswith("<table 'note' (id: u64, author: Identity")
    with pytest.raises(stdb.UnknownName, match="did you mean 'note'"):
        _ = db.tables.notes
    assert db.tables[Note].rows() == db.tables.note.rows()
    with pytest.raises(stdb.UnknownName, match="no table 'Database'"):
        _ = db.tables[Database]


def test_a_table_that_is_only_shown_says_how_to_change_it() -> None:
    db = Database(notes)
    with pytest.raises(stdb.UnknownName, match=r"with db.transaction\(\) as tx: tx.db.note"):
        db.tables.note.insert(title="one")
    assert not hasattr(db.tables.note, "_repr_html_")


def test_a_database_runs_its_module_as_it_was() -> None:
    module = Module("growing")

    @module.reducer
    def first(ctx: ReducerContext) -> None: ...

    db = Database(module)

    @module.reducer
    def second(ctx: ReducerContext) -> None: ...

    db.call("first")
    with pytest.raises(stdb.UnknownName):
        db.call("second")
    Database(module).call("second")


def test_a_failing_init_makes_no_database() -> None:
    module = Module("stillborn")

    @module.init
    def init(ctx: ReducerContext) -> None:
        raise ReducerError("not today")

    with pytest.raises(ReducerError, match="not today"):
        Database(module)


# -- forks ---------------------------------------------------------------------------------------


def test_a_fork_and_its_origin_go_on_alone() -> None:
    db = Database(notes)
    db.call("write", "both")
    with db.transaction(readonly=True) as tx:  # builds the order of an index
        assert len(list(tx.db.note.by_author_sent.filter(db.owner))) == 1
    fork = db.fork()
    db.call("write", "origin")
    fork.call("write", "fork")
    assert titles(db) == ["both", "origin"]
    assert titles(fork) == ["both", "fork"]
    for database in (db, fork):
        with database.transaction(readonly=True) as tx:
            assert len(list(tx.db.note.by_author_sent.filter(db.owner))) == 2
        database.check()
    assert [note.id for note in fork.tables.note] == [note.id for note in db.tables.note]


def test_a_fork_may_be_made_while_its_origin_is_read_and_scanned() -> None:
    db = Database(notes)
    for number in range(3):
        db.call("write", str(number))
    with db.transaction(readonly=True) as tx:
        scan = iter(tx.db.note)
        assert next(scan).title == "0"
    fork = db.fork()
    with fork.transaction() as tx:
        assert tx.db.note.clear() == 3
    assert [note.title for note in scan] == ["1", "2"]
    assert titles(db) == ["0", "1", "2"]
    assert titles(fork) == []


def test_a_fork_of_a_fork_counts_on() -> None:
    db = Database(notes)
    db.call("write", "one")
    grandchild = db.fork().fork()
    for number in range(2):
        grandchild.call("write", str(number))
    assert [note.id for note in grandchild.tables.note] == [1, 2, 3]
    grandchild.check()


def test_closing_a_fork_disconnects_nobody_of_its_origin() -> None:
    db = Database(notes)
    with db.connect() as conn:
        fork = db.fork()
        conn.call("write", "to the origin")
        fork.close()
        assert conn.is_active
    assert titles(fork) == []


def test_a_fork_shares_rows_and_keeps_who_it_is() -> None:
    db = Database(notes)
    db.call("write", "one")
    fork = db.fork()
    assert fork.tables.note.rows()[0] is db.tables.note.rows()[0]
    assert (fork.identity, fork.owner, fork.name) == (db.identity, db.owner, db.name)
    db.close()
    fork.call("write", "two")
    assert titles(fork) == ["one", "two"]


# -- clocks --------------------------------------------------------------------------------------


def run(start: int) -> tuple[list[Note], list[str], Identity]:
    clock = ManualClock(start)
    db = Database(notes, clock=clock)
    with db.connect() as conn:
        conn.reducers.write("one")
        clock.advance(1.5)
        with pytest.raises(stdb.UniqueConstraintViolation):
            conn.reducers.write("one")
        conn.reducers.write("two")
    return db.tables.note.rows(), [str(record) for record in db.logs()], db.identity


def test_the_same_calls_at_the_same_clock_give_the_same_database() -> None:
    assert run(1_000_000) == run(1_000_000)
    assert run(1_000_000)[0] != run(2_000_000)[0]


def test_a_manual_clock_stands_still_until_it_is_turned() -> None:
    clock = ManualClock(datetime(2025, 6, 1, tzinfo=UTC))
    assert clock.micros() == clock.micros() == 1_748_736_000_000_000
    clock.advance(timedelta(days=1))
    assert clock.micros() == 1_748_822_400_000_000
    assert ManualClock(Timestamp(5)).micros() == 5
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)
    with pytest.raises(TypeError, match="no time zone"):
        ManualClock(datetime(2025, 6, 1))  # noqa: DTZ001 - that is the mistake


# -- logs ----------------------------------------------------------------------------------------


def test_logs_give_the_last_lines_oldest_first() -> None:
    db = Database(notes)
    for number in range(5):
        db.call("write", f"note {number}")
    assert [record.message for record in db.logs(2)] == ["wrote note 3", "wrote note 4"]
    assert len(db.logs(None)) == len(db.logs()) == 5
    assert db.logs(0) == []


def test_a_record_is_a_line_and_a_json_object() -> None:
    db = Database(notes, clock=ManualClock(0))
    db.call("write", "ünïcode")
    [record] = db.logs()
    assert str(record) == "1970-01-01T00:00:00+00:00 INFO  write: wrote ünïcode"
    assert json.loads(record.to_json()) == {
        "level": "Info",
        "ts": 0,
        "target": __name__,
        "filename": __file__,
        "line_number": record.line_number,
        "function": "write",
        "message": "wrote ünïcode",
    }


def test_a_log_has_the_levels_of_logging_and_of_spacetimedb() -> None:
    module = Module("levels")

    @module.reducer
    def talk(ctx: ReducerContext) -> None:
        for level in ("trace", "debug", "info", "warning", "warn", "error", "critical"):
            getattr(ctx.log, level)("said")
        for number in (1, 10, 25, 30, 99):
            ctx.log.log(number, "said")

    db = Database(module)
    db.call("talk")
    assert [record.level for record in db.logs()] == [
        "Trace", "Debug", "Info", "Warn", "Warn", "Error", "Error",
        "Trace", "Debug", "Info", "Warn", "Error",
    ]  # fmt: skip


def test_a_wrong_placeholder_does_not_break_the_reducer() -> None:
    module = Module("wrong")

    @module.reducer
    def talk(ctx: ReducerContext) -> None:
        ctx.log.info("%d items", "three")
        ctx.log.info("%s", 1, 2)  # noqa: PLE1205 - that is the mistake
        ctx.log.info("%(name)s", {"name": "Ann"})
        ctx.log.info(5)

    db = Database(module)
    db.call("talk")
    assert [record.message for record in db.logs()] == [
        "%d items ('three',)", "%s (1, 2)", "Ann", "5",
    ]  # fmt: skip


def test_following_the_log_gives_new_records_until_the_database_is_closed() -> None:
    db = Database(notes)
    db.call("write", "before")
    seen: list[str] = []
    first = threading.Event()

    def follow() -> None:
        for record in db.logs(follow=True):
            seen.append(record.message)
            first.set()

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    assert first.wait(20)
    db.call("write", "after")
    db.close()
    follower.join(20)
    assert seen == ["wrote before", "wrote after"]


def test_the_log_keeps_the_newest_records_within_its_bound() -> None:
    module = Module("chatty")

    @module.reducer
    def talk(ctx: ReducerContext, number: u64) -> None:
        ctx.log.info("%d %s", number, "x" * 1_000_000)

    db = Database(module)
    for number in range(20):
        db.call("talk", number)
    kept = [record.message.split()[0] for record in db.logs(None)]
    assert kept == [str(number) for number in range(20 - len(kept), 20)]
    assert 5 <= len(kept) <= 9


def test_closing_twice_and_leaving_a_with_are_the_same() -> None:
    with Database(notes) as db:
        db.call("write", "one")
    with pytest.raises(stdb.DatabaseClosed):
        db.call("write", "two")
    assert repr(db) == "<Database 'notes', closed>"
