"""Recordings: everything that was done to a database, to be done again.

A commit log has what was committed, not the calls that failed, nor what the host itself did in
transactions of its own. A recording has each call with its arguments, its time, its outcome and the
rows it changed; the coming and going of clients; and the changes of other transactions. It is text,
a JSON object a line, so that a golden one can be read in a review.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from ..errors import Error, UsageError
from ..types.sats_json import make_json_writer
from .state import fingerprint, sequences_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from ..database import Database
    from ..module import ReducerDeclaration
    from ..storage.changes import Changes
    from ..types.shapes import Shape
    from ..types.values import ConnectionId, Identity

FORMAT: Final = 1

Event = dict[str, Any]


class Recording:
    """What was done to a database, from a first state to a last one.

    Attributes
    ----------
    start : dict
        The state it began with: rows, sequences, and whose database it is.
    events : list of dict
        What was done, in order; ``do`` says what: ``call``, ``connect``, ``disconnect``,
        ``transaction``, ``sequences`` (values used up by what left nothing else), or ``fired``
        (what the database's own timers did).
    end : dict
        The time at the end, and the `fingerprint` of the database.
    """

    def __init__(self, start: dict[str, Any], events: list[Event], end: dict[str, Any]) -> None:
        self.start = start
        self.events = events
        self.end = end

    def __len__(self) -> int:
        return len(self.events)

    def __repr__(self) -> str:
        return f"<recording of {self.start['module']!r}, {len(self.events)} events>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, a JSON object a line."""
        lines = [self.start, *self.events, self.end]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        Path(path).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recording:
        """Read one from a file.

        Raises
        ------
        UsageError
            It is no recording.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
            start, *events, end = [json.loads(line) for line in text.splitlines() if line]
            if start["recording"] == FORMAT and "fingerprint" in end:
                return cls(start, events, end)
        except (ValueError, TypeError, KeyError):
            pass
        raise UsageError(f"{path} is no recording that this version of stdb can read")


@contextmanager
def record(database: Database) -> Iterator[Recording]:
    """Record what is done to a database, in a ``with``.

    The recording is whole when the ``with`` ends. Calls from several threads are recorded in the
    order of their commits. Procedures are recorded as the transactions they commit. With a
    `ManualClock`, what timers do is done again by the timers themselves when the recording is
    replayed; with another clock, replaying scheduled calls gives them other timestamps.

    Raises
    ------
    UsageError
        The module was published anew meanwhile.

    Examples
    --------
    >>> import stdb, stdb.testing
    >>> counter = stdb.Module("counter")
    >>> @counter.table()
    ... class Count(stdb.Row):
    ...     name: str = stdb.primary_key()
    ...     value: stdb.u64
    >>> @counter.reducer
    ... def increment(ctx: stdb.ReducerContext, name: str) -> None:
    ...     count = ctx.db[Count].name.find(name) or Count(name=name, value=0)
    ...     ctx.db[Count].name.insert_or_update(count.replace(value=count.value + 1))
    >>> db = stdb.Database(counter, clock=stdb.ManualClock())
    >>> with stdb.testing.record(db) as recording:
    ...     db.call_many("increment", [("visits",), (5,), ("visits",)])
    [None, TypeMismatch(...), None]
    >>> recording
    <recording of 'counter', 2 events>
    >>> stdb.testing.assert_replays(recording, counter)
    """
    recorder = Recorder(database)
    try:
        yield recorder.recording
    finally:
        recorder.stop()


class Recorder:
    """Stands in the way of what is done to a database, and writes it down."""

    def __init__(self, database: Database) -> None:
        if "_run" in vars(database):
            raise UsageError("this database is being recorded already")
        self._database: Any = database
        self._store = database._store
        self._writers: dict[int, Callable[[Any], str]] = {}
        #: Thread -> what it is doing, which its commits belong to.
        self._doing: dict[int, Event] = {}
        self._version = self._store.schema_version
        with self._store.reading() as store:
            self._positions = sequences_of(store)
            rows = {
                name: [self._json(store[name].shape, row) for row in store[name].rows.values()]
                for name in store.user_table_names()
            }
        start = {
            "recording": FORMAT,
            "module": database.name,
            "identity": database.identity.hex(),
            "owner": database.owner.hex(),
            "host": database._host_connection.hex(),
            "at": database._micros(),
            "rows": rows,
            "sequences": self._positions,
        }
        self.recording = Recording(start, [], {})
        self._names = list(rows)
        for name in self._names:
            self._store.watch(name, self._committed)
        self._port: Any = database._port()
        database._clients = self._port
        for place, name, stand_in in (
            (database, "_run", self._run),
            (database, "transaction", self._transaction),
            (database, "_run_procedure", self._run_procedure),
            (self._port, "connected", self._connected),
            (self._port, "disconnected", self._disconnected),
        ):
            setattr(place, name, stand_in)

    def stop(self) -> None:
        """Write down how it ended, and stand in nobody's way any more."""
        database = self._database
        for place, name in (
            (database, "_run"),
            (database, "transaction"),
            (database, "_run_procedure"),
            (self._port, "connected"),
            (self._port, "disconnected"),
        ):
            delattr(place, name)
        for name in self._names:
            self._store.unwatch(name, self._committed)
        if self._store.schema_version != self._version:
            raise UsageError("the module was published anew while it was being recorded")
        self.look_at_sequences()
        end = {"at": database._micros(), "fingerprint": fingerprint(database)}
        self.recording.end.update(end)

    # -- what is done ----------------------------------------------------------------------------

    def _run(
        self,
        declared: ReducerDeclaration,
        args: tuple[Any, ...],
        sender: Identity,
        connection: ConnectionId | None,
    ) -> None:
        exact = declared.take(args)
        event: Event = {
            "do": "call",
            "name": declared.name,
            "args": [
                self._json(parameter.shape, value)
                for parameter, value in zip(declared.parameters, exact, strict=True)
            ],
            "sender": sender.hex(),
            "connection": None if connection is None else connection.hex(),
        }
        with self._doing_it(event):
            type(self._database)._run(self._database, declared, exact, sender, connection)

    def _connected(self, connection: Any) -> None:
        event = {
            "do": "connect",
            "identity": connection.identity.hex(),
            "connection": connection.connection_id.hex(),
            "claims": connection.claims,
        }
        with self._doing_it(event):
            type(self._port).connected(self._port, connection)

    def _disconnected(self, connection: Any) -> None:
        event = {"do": "disconnect", "connection": connection.connection_id.hex()}
        with self._doing_it(event):
            type(self._port).disconnected(self._port, connection)

    def _transaction(self, *, readonly: bool = False) -> Any:
        if not readonly:
            self.look_at_sequences()
        made = type(self._database).transaction(self._database, readonly=readonly)
        return made if readonly else _Recorded(self, made)

    def _run_procedure(self, *args: Any) -> Any:
        # A timer gives the time; its procedure runs again when the recording is replayed.
        by_timer = len(args) == 5 and args[4] is not None
        me = get_ident()
        outer = self._doing.get(me)
        self._doing[me] = {"do": "fired" if by_timer else "transaction"}
        try:
            return type(self._database)._run_procedure(self._database, *args)
        finally:
            self._restore(me, outer)
            if not by_timer:
                self.look_at_sequences()

    @contextmanager
    def _doing_it(self, event: Event) -> Iterator[None]:
        """Note an event, its time, its outcome, and what it changes."""
        self.look_at_sequences()
        me = get_ident()
        outer = self._doing.get(me)
        event["at"] = self._database._micros()
        self._doing[me] = event
        outcome = "done"
        try:
            yield
        except Error as error:
            outcome = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._restore(me, outer)
            event["outcome"] = outcome
            self._append(event)
            self._positions = sequences_of(self._store)

    def _restore(self, thread: int, outer: Event | None) -> None:
        if outer is None:
            self._doing.pop(thread, None)
        else:
            self._doing[thread] = outer

    def _append(self, event: Event) -> None:
        if not any(event is each for each in self.recording.events):
            self.recording.events.append(event)

    def _committed(self, changes: Changes) -> None:
        """Hear of a commit; the transaction is not over yet."""
        doing = self._doing.get(get_ident(), {"do": "fired"})
        changed = {
            each.table.name: {
                sign: sorted(
                    (self._json(each.table.shape, row) for row in rows),
                    key=lambda row: json.dumps(row, sort_keys=True),
                )
                for sign, rows in (("-", each.deletes), ("+", each.inserts))
                if rows
            }
            for each in sorted(changes.tables, key=lambda each: each.table.name)
        }
        if doing["do"] in ("call", "connect", "disconnect"):
            doing["changes"] = changed
            self._append(doing)
            return
        event = {"do": doing["do"], "at": self._database._micros(), "changes": changed}
        self._positions = sequences_of(self._store)
        if event["do"] == "transaction":
            event["sequences"] = {
                name: self._positions[name] for name in changed if name in self._positions
            }
        self._append(event)

    def look_at_sequences(self) -> None:
        """Note values that were used up by what left nothing else: transactions that failed."""
        positions = sequences_of(self._store)
        used = {name: each for name, each in positions.items() if each != self._positions[name]}
        if used:
            at = self._database._micros()
            self._append({"do": "sequences", "at": at, "sequences": used})
            self._positions = positions

    def _json(self, shape: Shape, value: Any) -> Any:
        write = self._writers.get(id(shape))
        if write is None:
            write = self._writers[id(shape)] = make_json_writer(shape)
        return json.loads(write(value))


class _Recorded:
    """A transaction of the host, whose commit is recorded."""

    def __init__(self, recorder: Recorder, transaction: Any) -> None:
        self._recorder = recorder
        self._transaction = transaction
        self._outer: Event | None = None

    def __enter__(self) -> Any:
        opened = self._transaction.__enter__()
        doing = self._recorder._doing
        self._outer = doing.get(get_ident())
        doing[get_ident()] = {"do": "transaction"}
        return opened

    def __exit__(self, *raised: object) -> None:
        try:
            self._transaction.__exit__(*raised)
        finally:
            self._recorder._restore(get_ident(), self._outer)
            self._recorder.look_at_sequences()
