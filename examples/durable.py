"""A guest book that survives: ``python examples/durable.py [directory]``, as often as you like.

Each run opens the same database, writes a few lines, looks back at what happened, and makes a copy
of the database while it runs. The last part starts a process that writes without end, kills it in
the middle, and looks at what is left.
"""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import stdb
from stdb import Database, Module, ReducerContext, ReducerError, Row, Timestamp, primary_key, u64

book = Module("guest_book")


@book.table(public=True)
class Line(Row):
    """A line of the book."""

    number: u64 = primary_key(auto_inc=True)
    guest: str
    text: str
    written: Timestamp


@book.reducer
def write(ctx: ReducerContext, guest: str, text: str) -> None:
    """Write a line."""
    if not text:
        raise ReducerError("an empty line says nothing")
    ctx.db[Line].insert(Line(guest=guest, text=text, written=ctx.timestamp))


def write_for_ever(path: Path) -> None:
    """Write lines, each of them on the disk before its number is printed."""
    with Database(book, path=path, durability="sync") as db:
        while True:
            db.call("write", "machine", "tick")
            print(db.durable_offset, flush=True)


def kill_a_writer(path: Path) -> int:
    """Start a writer, kill it after some lines, and return the last transaction it reported."""
    command = [sys.executable, __file__, "--write", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:  # noqa: S603
        assert writer.stdout is not None
        reported = [int(writer.stdout.readline()) for _ in range(20)]
        writer.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        reported += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
    return reported[-1]


def main(path: Path) -> None:
    """Write, come back, crash, and come back again."""
    with Database(book, path=path) as db:
        before = len(db.tables.line)
        db.call("write", "Ann", "I was here.")
        db.call("write", "Bob", "So was I.")
        db.flush()
        print(f"{before} lines were there, {len(db.tables.line)} are now; all durable")

    with Database(book, path=path) as db:
        print("after opening it again:", [line.guest for line in db.tables.line][-2:])
        last = db.snapshot()  # the next opening begins here
        db.call("write", "Cal", "Me too.")
        for past in db.history(from_offset=last):
            written = [line.text for line in past.changes["line"].inserted]
            print(f"transaction {past.offset}: {past.reducer}{past.arguments} wrote {written}")
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(directory, "copy.stdb")
            print(f"a copy up to transaction {db.backup(copy)}, made while the database is open")
            with Database.open(copy, readonly=True) as copied:
                if len(copied.tables.line) != len(db.tables.line):
                    raise SystemExit("the copy is not the same")

    with Database.open(path, at=last) as earlier:
        print(f"as of transaction {last} there were {len(earlier.tables.line)} lines")

    reported = kill_a_writer(path)
    with Database.open(path) as db:  # without the module: only to look
        assert db.recovery is not None
        print(f"the writer reported transaction {reported} as durable when it was killed")
        print(f"{db.recovery.transactions} transactions are there (0 to {reported} at least)")
        if db.recovery.transactions <= reported:
            raise SystemExit("something that was durable is lost")
    if stdb.repair(path).damage:
        raise SystemExit("the log is damaged")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write_for_ever(Path(sys.argv[2]))
    elif len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as directory:
            main(Path(directory, "guest_book.stdb"))
