"""Doing again what a recording has, and comparing what comes of it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..clock import ManualClock
from ..database import Database
from ..errors import Error, UsageError
from ..module import Module
from ..types.sats_json_read import make_json_converter
from ..types.values import ConnectionId, Identity
from .recording import Recorder, Recording
from .state import set_rows, set_sequences

if TYPE_CHECKING:
    from ..types.shapes import Shape
    from .modules import Testable

    Event = dict[str, Any]

#: Set by ``pytest --update-recordings``: recordings in files are made anew instead of compared.
UPDATE_VARIABLE: Final = "STDB_UPDATE_RECORDINGS"
_SHOWN_MAX: Final = 5


class ReplayDiffers(AssertionError):  # noqa: N818 - named for what happened, as stdb's errors are
    """What was recorded, done again, came out otherwise.

    Attributes
    ----------
    position : int
        Which event: its position in ``recording.events``.
    recorded, replayed : dict or None
        The event as it was recorded, and as it came out now.
    """

    def __init__(
        self, message: str, position: int, recorded: Event | None, replayed: Event | None
    ) -> None:
        super().__init__(message)
        self.position = position
        self.recorded = recorded
        self.replayed = replayed


def assert_replays(
    recording: Recording | str | os.PathLike[str], module: Testable | None = None
) -> None:
    """Do again what was recorded, and assert that everything comes out the same.

    Each call has to end as it did, with the same error if it failed, and change the same rows;
    timers have to fire as they did; and the database has to be the same in the end, bit for bit.
    ``pytest --update-recordings`` writes the file anew instead, for the difference to be reviewed.

    Parameters
    ----------
    recording : Recording or path
        What `record` gave, or the file it was saved in.
    module : Module or path, optional
        The module; the one of that name when there is just one in this process.

    Raises
    ------
    ReplayDiffers
        With the first event that came out otherwise.
    """
    path = None if isinstance(recording, Recording) else Path(recording)
    expected = recording if isinstance(recording, Recording) else Recording.load(recording)
    if not expected.end:
        raise UsageError("this recording is not whole yet: leave the `with record(…)` first")
    made = replay(expected, module)
    if path is not None and os.environ.get(UPDATE_VARIABLE):
        made.save(path)
        return
    for position, event in enumerate(expected.events):
        now = made.events[position] if position < len(made.events) else None
        if event != now:
            raise ReplayDiffers(_difference(position, expected, event, now), position, event, now)
    if len(made.events) > len(expected.events):
        extra = made.events[len(expected.events)]
        message = f"after everything that was recorded came more:\n  {_title(extra)}"
        raise ReplayDiffers(message, len(expected.events), None, extra)
    if made.end["fingerprint"] != expected.end["fingerprint"]:
        raise ReplayDiffers(
            "every event came out the same, and yet the databases differ in the end: compare "
            "system tables and sequences",
            len(expected.events),
            expected.end,
            made.end,
        )


def replay(recording: Recording, module: Testable | None = None) -> Recording:
    """Do again what was recorded, and return the recording of that."""
    start = recording.start
    clock = ManualClock(start["at"])
    chosen: Any = _find_module(start["module"]) if module is None else module
    with Database(
        chosen,
        name=start["module"],
        owner=Identity.from_hex(start["owner"]),
        identity=Identity.from_hex(start["identity"]),
        clock=clock,
    ) as database:
        player = Player(database, clock)
        player.begin(start)
        recorder = player.recorder = Recorder(database)
        try:
            for event in recording.events:
                player.play(event)
            player.turn_to(recording.end["at"])
        finally:
            player.leave()
            recorder.stop()
    return recorder.recording


def _find_module(name: str) -> Module:
    having = [each for each in Module.all() if each.name == name]
    if len(having) != 1:
        raise UsageError(
            f"there are {len(having)} modules {name!r} in this process: say which is to be "
            "tested, assert_replays(recording, module)"
        )
    return having[0]


class Player:
    """Does to a database what a recording says."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self._database: Any = database
        self._clock = clock
        self._store = database._store
        self.recorder: Recorder | None = None
        self._connections: dict[str, Any] = {}
        self._readers: dict[int, Any] = {}

    def begin(self, start: dict[str, Any]) -> None:
        """Let the database be as it was when the recording began."""
        database = self._database
        database._host_connection = ConnectionId.from_hex(start["host"])
        with database._store.writing() as store:
            for name, rows in start["rows"].items():
                table = store[name]
                set_rows(table, [self._value(table.shape, row) for row in rows])
            set_sequences(store, start["sequences"])

    def turn_to(self, micros: int) -> None:
        """Let it be that late; what is due meanwhile is done."""
        by = micros - self._clock.micros()
        if by > 0:
            self._clock.advance(timedelta(microseconds=by))

    def play(self, event: Event) -> None:
        """Do what an event says; what its own timers did, the database does itself."""
        if event["do"] == "fired":
            return
        self.turn_to(event["at"])
        with suppress(Error):  # how it ended is in the recording that is being made
            getattr(self, f"_{event['do']}")(event)

    def _call(self, event: Event) -> None:
        database = self._database
        declared = database._callable.get(event["name"])
        if declared is None:
            return
        connection = event["connection"]
        args = tuple(
            self._value(parameter.shape, value)
            for parameter, value in zip(declared.parameters, event["args"], strict=True)
        )
        database._run(
            declared,
            args,
            Identity.from_hex(event["sender"]),
            None if connection is None else ConnectionId.from_hex(connection),
        )

    def _connect(self, event: Event) -> None:
        from ..client import Client, Connection

        identity = Identity.from_hex(event["identity"])
        connection_id = ConnectionId.from_hex(event["connection"])
        client = Client(self._database._port(), identity, connection_id, event["claims"])
        self._connections[event["connection"]] = Connection(client)

    def _disconnect(self, event: Event) -> None:
        connection = self._connections.pop(event["connection"], None)
        if connection is not None:
            connection.close()

    def _transaction(self, event: Event) -> None:
        with self._database.transaction():
            for name, changed in event["changes"].items():
                table = self._store[name]
                for row in changed.get("-", ()):
                    table.delete(self._value(table.shape, row))
                for row in changed.get("+", ()):
                    table.insert(self._value(table.shape, row))
            set_sequences(self._store, event["sequences"])

    def _sequences(self, event: Event) -> None:
        with self._database._store.writing() as store:
            set_sequences(store, event["sequences"])
        if self.recorder is not None:
            self.recorder.look_at_sequences()

    def leave(self) -> None:
        """Forget the clients that were connected at the end."""
        self._connections.clear()

    def _value(self, shape: Shape, parsed: Any) -> Any:
        read = self._readers.get(id(shape))
        if read is None:
            read = self._readers[id(shape)] = make_json_converter(shape)
        return read(parsed)


# -- telling of a difference -----------------------------------------------------------------------


def _difference(position: int, recording: Recording, event: Event, now: Event | None) -> str:
    lines = [f"event {position + 1} of {len(recording.events)} came out otherwise:"]
    lines.append(f"  {_title(event)}")
    if now is None:
        return "\n".join([*lines, "  recorded, but nothing of the kind happened now"])
    if _title(now) != _title(event):
        return "\n".join([*lines, f"  but now: {_title(now)}"])
    lines += [
        f"  {key}: recorded {event.get(key)!r}, now {now.get(key)!r}"
        for key in ("outcome", "at", "sequences")
        if event.get(key) != now.get(key)
    ]
    before, after = event.get("changes", {}), now.get("changes", {})
    for table in sorted({*before, *after}):
        if before.get(table) != after.get(table):
            lines.append(f"  table {table}:")
            lines += [f"    recorded {line}" for line in _rows(before.get(table, {}))]
            lines += [f"    now      {line}" for line in _rows(after.get(table, {}))]
    return "\n".join(lines)


def _title(event: Event) -> str:
    if event["do"] == "call":
        shown = ", ".join(json.dumps(arg, ensure_ascii=False) for arg in event["args"])
        return f"{event['name']}({shown}) by {event['sender'][:16]}…"
    names = ", ".join(event.get("changes", ()))
    return f"{event['do']} of {names}" if names else str(event["do"])


def _rows(changed: dict[str, list[Any]]) -> list[str]:
    lines = [
        f"{sign} {json.dumps(row, ensure_ascii=False)}"
        for sign in ("-", "+")
        for row in changed.get(sign, ())
    ]
    if len(lines) > _SHOWN_MAX:
        lines = [*lines[:_SHOWN_MAX], f"… and {len(lines) - _SHOWN_MAX} rows more"]
    return lines or ["nothing"]
