"""A database that another process has open, read live."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.helpers.migrating import module, table

import stdb
from stdb import Database, primary_key, u8, u64
from stdb.durability.sealing import seal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYED = {"id": (u64, primary_key(auto_inc=True)), "name": str}
V1 = module(table(**KEYED), table("gone", id=u64), table("news", event=True, text=str))
V2 = module(table(**KEYED, stars=(u8, 3)), table("come", id=u64, text=str))


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Database]:
    made = Database(V1, tmp_path / "db")
    made.flush()
    yield made
    made.close()


@pytest.fixture
def reader(writer: Database) -> Iterator[Database]:
    made = Database.open(path_of(writer), readonly=True, follow=True)
    # What comes is asked for, so that nothing depends on time.
    assert made._follower is not None
    made._follower._stopped.set()
    made._follower._stopped = threading.Event()
    yield made
    made.check()
    made.close()


def path_of(database: Database) -> Path:
    assert database.path is not None
    return database.path


def add(database: Database, *names: str) -> None:
    with database.transaction() as tx:
        for name in names:
            tx.db.thing.insert(name=name)
    database.flush()


def names(database: Database) -> list[str]:
    return sorted(row.name for row in database.tables.thing)


def test_what_is_committed_appears(writer: Database, reader: Database) -> None:
    assert names(reader) == []
    add(writer, "a", "b")
    assert reader.catch_up() == 1
    assert names(reader) == ["a", "b"]
    with writer.transaction() as tx:
        tx.db.thing.id.update(tx.db.thing.id.find(1).replace(name="z"))
        tx.db.thing.id.delete(2)
        tx.db.news.insert(text="hello")
    writer.flush()
    assert reader.catch_up() == 2
    assert names(reader) == ["z"]
    assert reader.sql("SELECT name FROM thing WHERE id = 1").scalar() == "z"
    assert len(reader.tables.news) == 0
    with writer.transaction() as tx:
        tx.db.thing.clear()
    writer.flush()
    reader.catch_up()
    assert names(reader) == []


def test_it_appears_by_itself(writer: Database) -> None:
    with Database.open(path_of(writer), readonly=True, follow=True) as reader:
        seen = threading.Event()
        reader._store.watch("thing", lambda _: seen.set())
        add(writer, "a")
        assert seen.wait(10)
        assert names(reader) == ["a"]


def test_watchers_hear_of_rows_that_come_and_go(writer: Database, reader: Database) -> None:
    heard: list[Any] = []
    reader._store.watch("thing", heard.append)
    reader._store.watch("news", heard.append)
    add(writer, "a")
    with writer.transaction() as tx:
        tx.db.thing.id.delete(1)
        tx.db.news.insert(text="gone")
    writer.flush()
    reader.catch_up()
    first, second = heard
    assert [row.name for row in first.of("thing").inserts] == ["a"]
    assert [row.name for row in second.of("thing").deletes] == ["a"]
    assert [row.text for row in second.of("news").inserts] == ["gone"]
    assert (first.offset, second.offset) == (1, 2)


def test_clients_that_look_on_hear_of_it(writer: Database, reader: Database) -> None:
    add(writer, "a")
    heard: list[tuple[str, str]] = []
    with reader.connect(identity=reader.owner) as conn:
        assert len(writer.tables["st_client"]) == 0
        conn.subscribe("SELECT * FROM thing", "SELECT * FROM news")
        things = conn.db.thing
        things.on_insert(lambda _, row: heard.append(("insert", row.name)))
        things.on_update(lambda _, old, new: heard.append((old.name, new.name)))
        things.on_delete(lambda _, row: heard.append(("delete", row.name)))
        reader.catch_up()
        add(writer, "b")
        with writer.transaction() as tx:
            tx.db.thing.id.update(tx.db.thing.id.find(1).replace(name="z"))
            tx.db.thing.id.delete(2)
        writer.flush()
        reader.catch_up()
        assert heard == [("insert", "a"), ("insert", "b"), ("a", "z"), ("delete", "b")]
        assert [row.name for row in things] == ["z"]
        with pytest.raises(stdb.TransactionError, match="readonly=True"):
            conn.call("anything")
    with pytest.raises(stdb.TransactionError, match="readonly=True"):
        reader.call("anything")


def test_nothing_is_written_here(writer: Database, reader: Database) -> None:
    with (
        pytest.raises(stdb.TransactionError, match="readonly=True"),
        reader.transaction() as tx,
    ):
        tx.db.thing.insert(id=0, name="mine")
    with pytest.raises(stdb.TransactionError, match="readonly=True"):
        reader.publish(V2)
    add(writer, "a")
    reader.catch_up()
    assert names(reader) == ["a"]


def test_a_transaction_that_is_not_whole_is_waited_for(writer: Database, reader: Database) -> None:
    add(writer, "a")
    (segment,) = path_of(writer).glob("clog/*.stdb.log")
    whole = segment.read_bytes()
    before = reader._follower._log._position  # type: ignore[union-attr]
    for end in range(before, len(whole)):
        with segment.open("r+b") as file:
            file.truncate(end)
        assert reader.catch_up() == 0
    segment.write_bytes(whole)
    assert reader.catch_up() == 1
    assert names(reader) == ["a"]


def test_segments_are_followed_plain_and_compressed(writer: Database, reader: Database) -> None:
    log = writer._log
    assert log is not None
    for position, name in enumerate("abcdef"):
        log.rotate_at(log.next_offset)
        add(writer, name)
        if position % 2:
            reader.catch_up()
    seal(path_of(writer) / "clog", 0, log.next_offset, lambda: True)
    add(writer, "g")
    reader.catch_up()
    assert names(reader) == list("abcdefg")
    assert len(list(path_of(writer).glob("clog/*.stdb.log"))) > 3


def test_segments_that_are_gone_are_made_up_for(writer: Database, reader: Database) -> None:
    log = writer._log
    assert log is not None
    for name in "abc":
        log.rotate_at(log.next_offset)
        add(writer, name)
    writer.snapshot()
    log.rotate_at(log.next_offset)
    add(writer, "d")
    for segment in sorted(path_of(writer).glob("clog/*.stdb.log"))[:-1]:
        segment.unlink()
    reader.catch_up()
    assert names(reader) == list("abcd")
    add(writer, "e")
    reader.catch_up()
    assert names(reader) == list("abcde")


def test_another_writer_goes_on(writer: Database, reader: Database) -> None:
    add(writer, "a")
    writer.close()
    with Database(V1, path_of(writer)) as second:
        add(second, "b")
        reader.catch_up()
        assert names(reader) == ["a", "b"]


def test_a_publish_is_followed(writer: Database, reader: Database) -> None:
    add(writer, "a")
    told: list[bool] = []
    reader._store.schema_listeners.append(lambda: told.append(True))
    writer.publish(V2)
    add(writer, "b")
    with writer.transaction() as tx:
        tx.db.come.insert(id=1, text="new")
    writer.flush()
    reader.catch_up()
    assert told == [True]
    assert sorted(reader.tables) == ["come", "thing"]
    assert [(row.name, row.stars) for row in reader.tables.thing] == [("a", 3), ("b", 3)]
    assert reader.sql("SELECT text FROM come").scalar() == "new"
    assert {t["name"] for t in reader.describe()["tables"]} == {"come", "thing"}


def test_every_change_of_the_schema_is_followed(writer: Database, reader: Database) -> None:
    """Each version is compared with what a fresh reader finds."""
    from stdb import index, unique

    add(writer, "a", "b")
    versions = [
        module(table(**(KEYED | {"name": (str, index())}), public=True), table("gone", id=u64)),
        module(table(**(KEYED | {"name": (str, unique())})), table("gone", id=u64)),
        module(table(id=u64, name=str), table("gone", event=True, id=u64)),
        module(table(id=(u64, primary_key()), name=str, n=(u8, 1))),
    ]
    for number, version in enumerate(versions):
        if number == 2:
            writer.publish(module(table(**KEYED)))
        writer.publish(version)
        with writer.transaction() as tx:
            tx.db.thing.insert(id=100 + number, name=str(number))
        writer.flush()
        reader.catch_up()
        reader.check()
        with Database.open(path_of(writer), readonly=True) as fresh:
            for name in fresh._store.by_name:
                mine, theirs = reader._store[name], fresh._store[name]
                assert sorted(map(mine.encode, mine.rows.values())) == sorted(
                    map(theirs.encode, theirs.rows.values())
                )
                assert mine.definition == theirs.definition
        assert reader._state.offset == writer._state.offset


def test_a_repair_is_followed(writer: Database, reader: Database) -> None:
    for name in "abc":
        add(writer, name)
    reader.catch_up()
    assert names(reader) == ["a", "b", "c"]
    writer.close()
    (segment,) = path_of(writer).glob("clog/*.stdb.log")
    data = bytearray(segment.read_bytes())
    data[-10] ^= 1  # the last transaction
    segment.write_bytes(data)
    stdb.repair(path_of(writer), discard=True)
    with Database(V1, path_of(writer)) as second:
        add(second, "x")
        reader.catch_up()
        assert names(reader) == ["a", "b", "x"]
        add(second, "y")
        reader.catch_up()
        assert names(reader) == ["a", "b", "x", "y"]
        assert reader._state.offset == second._state.offset


def test_a_reader_that_was_closed_does_not_catch_up(writer: Database) -> None:
    reader = Database.open(path_of(writer), readonly=True, follow=True)
    reader.close()
    with pytest.raises(stdb.DatabaseClosed):
        reader.catch_up()


def test_a_writer_in_another_process(tmp_path: Path) -> None:
    code = (
        "import stdb, sys\n"
        "m = stdb.Module('m')\n"
        "@m.table()\n"
        "class Thing(stdb.Row):\n"
        "    name: str\n"
        "db = stdb.Database(m, sys.argv[1], durability='sync')\n"
        "print('ready', flush=True)\n"
        "for line in sys.stdin:\n"
        "    with db.transaction() as tx:\n"
        "        tx.db.thing.insert(name=line.strip())\n"
        "    print(line.strip(), flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "db")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with Database.open(tmp_path / "db", readonly=True, follow=True) as reader:
            for name in "abc":
                print(name, file=process.stdin, flush=True)
                assert process.stdout.readline() == f"{name}\n"
                reader.catch_up()
                assert names(reader)[-1] == name
            process.kill()
            process.wait()
            reader.catch_up()
            assert names(reader) == ["a", "b", "c"]


def test_following_goes_with_reading(writer: Database) -> None:
    with pytest.raises(stdb.UsageError, match="goes with readonly=True"):
        Database.open(path_of(writer), follow=True)
    with pytest.raises(stdb.UsageError, match="not with at"):
        Database.open(path_of(writer), readonly=True, follow=True, at=0)
    with pytest.raises(stdb.UsageError, match="was not opened with follow=True"):
        writer.catch_up()


def test_a_database_that_is_only_being_made(tmp_path: Path) -> None:
    (tmp_path / "db" / "clog").mkdir(parents=True)
    from stdb.durability.format import SEGMENT_HEADER, segment_name

    (tmp_path / "db" / "clog" / segment_name(0)).write_bytes(SEGMENT_HEADER)
    with pytest.raises(stdb.DatabaseNotFound, match="only being made"):
        Database.open(tmp_path / "db", readonly=True)


def test_reader_that_is_closed_while_it_begins_to_look_opens_no_file_again(
    writer: Database,
) -> None:
    reader = Database.open(path_of(writer), readonly=True, follow=True)
    follower: Any = reader._follower
    lock = follower._lock

    class ClosedFirst:
        """Lets whoever closes be quicker than the first who wants the lock."""

        def __enter__(self) -> None:
            follower._lock = lock
            reader.close()
            lock.acquire()

        def __exit__(self, *_: object) -> None:
            lock.release()

    follower._lock = ClosedFirst()
    assert follower.catch_up() == 0
    assert follower._log._file is None
