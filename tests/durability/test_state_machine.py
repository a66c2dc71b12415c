"""Commits, rollbacks, snapshots, crashes and reopenings in any order, against a model in memory."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.durability.bank import together

import stdb
from stdb import Database, Module, Row, f64, index, primary_key, u8, u64, unique
from stdb.durability.files import Disk
from stdb.durability.format import frame

things = Module("things")


@things.table(public=True)
class Thing(Row):
    """A thing with an index of each kind."""

    id: u64 = primary_key(auto_inc=True)
    name: str = unique()
    size: f64 = index()
    tags: list[u8] = ()
    note: str | None = None


@things.table()
class Mark(Row):
    """A row that is its own key."""

    text: str


KEYS = st.integers(0, 6)
FLOATS = st.sampled_from([0.0, -0.0, 1.5, float("nan"), float("inf")])


class Durability(RuleBasedStateMachine):
    """A database that crashes and comes back, and what it should hold."""

    @initialize(
        mode=st.sampled_from(["sync", "async", None]),
        short=st.booleans(),
        every=st.sampled_from([None, 3, 10]),
        retain=st.sampled_from([None, 1, 2]),
    )
    def make(self, mode: Any, short: bool, every: int | None, retain: int | None) -> None:
        self.options: dict[str, Any] = {
            "durability": mode, "snapshot_every": every, "retain": retain,
        }  # fmt: skip
        self.mode = mode
        self.directory = Path(tempfile.mkdtemp(prefix="stdb-model-"))
        self.path = self.directory / "things"
        Disk.segment_bytes_max = 500 if short else 1 << 30
        self.db = Database(things, path=self.path, **self.options)
        self.marks: set[str] = set()
        self.states = [self.state()]

    def state(self) -> list[str]:
        with self.db.transaction(readonly=True) as tx:
            return sorted(repr(row) for table in (Thing, Mark) for row in tx.db[table])

    def commit(self) -> None:
        """Note what a transaction left, unless it changed nothing."""
        now = self.state()
        if now != self.states[-1]:
            self.states.append(now)

    @rule(name=KEYS, size=FLOATS, tags=st.lists(st.integers(0, 255), max_size=3))
    def add(self, name: int, size: float, tags: list[int]) -> None:
        with self.db.transaction() as tx:
            if tx.db[Thing].name.find(f"n{name}") is None:
                tx.db[Thing].insert(Thing(name=f"n{name}", size=size, tags=tags))
        self.commit()

    @rule(name=KEYS, size=FLOATS, note=st.none() | st.text(max_size=3))
    def change(self, name: int, size: float, note: str | None) -> None:
        with self.db.transaction() as tx:
            found = tx.db[Thing].name.find(f"n{name}")
            if found is not None:
                tx.db[Thing].id.update(found.replace(size=size, note=note))
        self.commit()

    @rule(name=KEYS, text=st.text(max_size=2))
    def take_away(self, name: int, text: str) -> None:
        with self.db.transaction() as tx:
            tx.db[Thing].name.delete(f"n{name}")
            mark = Mark(text=text)
            if not tx.db[Mark].delete(mark):
                tx.db[Mark].insert(mark)
        self.commit()

    @rule(which=st.sampled_from([Thing, Mark]))
    def clear(self, which: Any) -> None:
        with self.db.transaction() as tx:
            tx.db[which].clear()
        self.commit()

    @rule(name=KEYS)
    def roll_back(self, name: int) -> None:
        with self.db.transaction() as tx:
            tx.db[Thing].clear()
            tx.db[Thing].insert(Thing(name=f"n{name}", size=1.0))
            tx.rollback()
        assert self.state() == self.states[-1]

    @rule(names=st.lists(KEYS, min_size=2, max_size=5), size=FLOATS)
    def change_together(self, names: list[int], size: float) -> None:
        """Transactions of several threads that wait for the same sync."""
        with together(self.db):
            for name in names:
                self.add(name, size, [])
                self.take_away(name, str(name))

    @precondition(lambda self: self.mode == "async")
    @rule()
    def flush(self) -> None:
        self.db.flush()

    @rule()
    def snapshot(self) -> None:
        assert self.db.snapshot() == self.db._state.offset

    @rule()
    def reopen(self) -> None:
        self.db.close()
        self.db = Database(things, path=self.path, **self.options)
        assert self.state() == self.states[-1]

    @rule()
    def explore(self) -> None:
        self.db.close()
        with Database.open(self.path) as db:
            db.check()
        self.db = Database(things, path=self.path, **self.options)
        assert self.state() == self.states[-1]

    @rule(cut=st.integers(0, 40), begun=st.integers(0, 80))
    def crash(self, cut: int, begun: int) -> None:
        """End as a killed process does, and lose some bytes of the end if none were durable.

        With "sync", another commit may have begun to be written over the room that there was.
        """
        log = self.db._log
        assert log is not None
        assert log.snapshots is not None
        log.snapshots.stop()
        with log._flushing:
            written = log._writer.place
            is_synced = log._durable >= written.next_offset
            log.forked()
            if not is_synced:
                size = written.position
                with written.file.path.open("r+b") as file:
                    file.truncate(max(10, size - cut))
            elif self.mode == "sync" and written.room > written.position:
                commit = frame(written.next_offset, 0, bytes(range(1, 100)))
                with written.file.path.open("r+b") as file:
                    file.seek(written.position)
                    file.write(commit[: min(begun, written.room - written.position)])
        self.db = Database(things, path=self.path, **self.options)
        now = self.state()
        assert now in self.states
        self.states.append(now)

    @invariant()
    def structure_holds(self) -> None:
        if hasattr(self, "db"):
            self.db.check()

    def teardown(self) -> None:
        Disk.segment_bytes_max = 1 << 30
        if hasattr(self, "db"):
            self.db.close()
            assert stdb.repair(self.path).damage == ""
            shutil.rmtree(self.directory)


TestDurability = Durability.TestCase
TestDurability.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
