"""A client with confirmed reads is told of nothing that a loss of power could take back."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stdb import Database, Event, Module, ReducerContext, Row, primary_key, u64
from stdb.durability.files import Disk, File, Files

#: How long a thread may take to get where it should, in seconds, before a test fails.
PATIENCE = 20
#: How long nothing happens, in seconds, before a test believes that nothing will.
QUIET = 0.2

notes = Module("notes")


@notes.table(public=True)
class Note(Row):
    id: u64 = primary_key(auto_inc=True)
    text: str


@notes.reducer
def write(ctx: ReducerContext, text: str) -> None:
    ctx.db[Note].insert(Note(text=text))


class GatedFile(File):
    gate: threading.Event

    def sync(self) -> None:
        assert self.gate.wait(PATIENCE)
        super().sync()


class GatedFiles(Files):
    """A disk that syncs nothing while its gate is shut."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()

    def open(self, path: Path, *, create: bool = False) -> File:
        file = GatedFile(path, create=create)
        file.gate = self.gate
        return file


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    files = Disk.files = GatedFiles()
    yield files.gate
    files.gate.set()
    Disk.files = Files()


@pytest.fixture
def db(tmp_path: Path, gate: threading.Event) -> Iterator[Database]:
    with Database(notes, path=tmp_path / "notes") as db:
        yield db
        gate.set()


def test_a_client_is_told_once_the_commit_is_on_the_disk(
    db: Database, gate: threading.Event
) -> None:
    told, told_at_once = threading.Event(), threading.Event()
    with db.connect(confirmed_reads=True) as conn, db.connect() as hasty:
        conn.subscribe(Note)
        hasty.subscribe(Note)

        @conn.db[Note].on_insert
        def tell(event: Event, row: Note) -> None:
            assert db.durable_offset == db.metrics().log.next_offset - 1  # type: ignore[union-attr]
            told.set()

        hasty.db[Note].on_insert(lambda event, row: told_at_once.set())
        gate.clear()
        writer = threading.Thread(target=db.call, args=("write", "one"))
        writer.start()
        assert not told.wait(QUIET)
        assert list(conn.db[Note]) == []
        gate.set()
        assert told.wait(PATIENCE)
        assert told_at_once.wait(PATIENCE)
        writer.join(PATIENCE)
        assert [note.text for note in conn.db[Note]] == ["one"]


def test_initial_rows_wait_for_the_disk(db: Database, gate: threading.Event) -> None:
    with db.connect(confirmed_reads=True) as conn:
        gate.clear()
        db.call("write", "one")
        subscriber = threading.Thread(target=conn.subscribe, args=(Note,))
        subscriber.start()
        subscriber.join(QUIET)
        assert subscriber.is_alive()
        gate.set()
        subscriber.join(PATIENCE)
        assert [note.text for note in conn.db[Note]] == ["one"]


def test_an_event_loop_goes_on_while_the_disk_is_waited_for(
    db: Database, gate: threading.Event
) -> None:
    async def main() -> None:
        async with db.connect(confirmed_reads=True) as conn:
            await conn.subscribe(Note)
            gate.clear()
            call = asyncio.ensure_future(conn.reducers.write("own"))
            await asyncio.sleep(QUIET)
            assert not call.done()
            assert list(conn.db[Note]) == []
            gate.set()
            await asyncio.wait_for(call, PATIENCE)
            assert [note.text for note in conn.db[Note]] == ["own"]

            gate.clear()
            told = asyncio.Event()
            conn.db[Note].on_insert(lambda event, row: told.set())
            await asyncio.to_thread(db.call, "write", "somebody else's")
            await asyncio.sleep(QUIET)
            assert not told.is_set()
            gate.set()
            await asyncio.wait_for(told.wait(), PATIENCE)
            assert len(conn.db[Note]) == 2

    asyncio.run(main())


def test_in_memory_there_is_nothing_to_wait_for() -> None:
    db = Database(notes)
    with db.connect(confirmed_reads=True) as conn:
        conn.subscribe(Note)
        conn.reducers.write("one")
        assert [note.text for note in conn.db[Note]] == ["one"]
