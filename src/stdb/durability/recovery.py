"""Brings a database back from its files: reads the log to its end, and fills a store.

A replica's directory, as SpacetimeDB lays it out::

    db.lock                        held while the database is open for writing
    clog/<20 digits>.stdb.log      the log: the only part that cannot be made anew
    clog/<20 digits>.stdb.ofs      offset indexes
    snapshots/                     not read yet

Source: SpacetimeDB documentation, 2.8.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConstraintViolation, CorruptLogError, DatabaseNotFound, UsageError
from ..schema import system_tables as st
from ..types.bsatn_decode import make_decoder
from .replay import Replay
from .segments import LogReader, Tail, list_segments
from .stored import StoredTable, stored_tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..schema import TableDef
    from ..storage.store import Store
    from ..storage.table import Table
    from ..types.shapes import Record

LOG_DIRECTORY = "clog"


class Recovery(NamedTuple):
    """What opening a database found: ``db.recovery``.

    Attributes
    ----------
    transactions : int
        How many the log holds.
    log_bytes : int
        How long it is.
    seconds : float
        How long it took to read it.
    torn : str
        What was left out at the end of the log, as a crash leaves it; empty when nothing was.
    """

    transactions: int
    log_bytes: int
    seconds: float
    torn: str


class Recovered(NamedTuple):
    """The contents of a log, before a store has them.

    `tables` are those of the module; `program` is the row of ``st_module``, None when the log
    ended before the module was published.
    """

    replay: Replay
    tail: Tail
    tables: dict[str, StoredTable]
    program: Any
    report: Recovery


def log_directory(path: Path, *, must_exist: bool = False) -> Path:
    """Return where the log of the database at `path` is, or belongs.

    Raises
    ------
    DatabaseNotFound
        There is none, and there must be one.
    UsageError
        Something else is there.
    """
    directory = path / LOG_DIRECTORY
    if list_segments(directory):
        return directory
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file; a database is a directory of its own")
    if must_exist:
        raise DatabaseNotFound(
            f"there is no database at {path}; stdb.Database(module, path=…) makes one"
        )
    if path.is_dir():
        others = {each.name for each in path.iterdir()} - {LOG_DIRECTORY, "db.lock"}
        if others:
            shown = ", ".join(sorted(others)[:3])
            raise UsageError(
                f"{path} is no database and not empty ({shown}); give a database a directory of "
                "its own"
            )
    return directory


def recover(directory: Path, store: Store) -> Recovered:
    """Replay the log in `directory`, on top of the system tables of `store`, a fresh one.

    Raises
    ------
    CorruptLogError
        Something other than the end of the log is damaged.
    """
    began = time.perf_counter()
    reader = LogReader(directory)
    if reader.segments and reader.segments[0].start:
        first = reader.segments[0]
        raise CorruptLogError(
            f"the log begins with transaction {first.start} ({first.path}), and what was before "
            "it is in a snapshot, which this version of stdb does not read",
            lost=f"transactions 0 to {first.start - 1}",
            first_lost=0,
        )
    replay = Replay(store)
    for commit in reader.commits():
        replay.apply(commit)
    _mend(replay)
    tail = reader.tail
    torn = ""
    if tail.torn is not None:
        damage = tail.torn
        torn = (
            f"{damage.segment.path}, byte {damage.position}: {damage.reason}; {damage.size} bytes "
            f"behind transaction {tail.next_offset - 1} are no commit and were left out"
        )
    report = Recovery(tail.next_offset, reader.total_bytes, time.perf_counter() - began, torn)
    programs = replay.decoded(st.ST_MODULE_ID)
    return Recovered(
        replay, tail, stored_tables(replay), programs[-1] if programs else None, report
    )


def _mend(replay: Replay) -> None:
    """Put right what logs of older versions leave behind."""
    sequences = replay.tables[st.ST_SEQUENCE_ID]
    best: dict[int, tuple[int, bytes]] = {}
    assert sequences.decode is not None
    for row in list(sequences.rows):
        decoded = sequences.decode(row, 0)[0]
        if decoded.table_id > st.FIRST_USER_ID:
            continue
        other = best.get(decoded.sequence_id)
        if other is not None and other[0] > decoded.allocated:
            del sequences.rows[row]
            continue
        if other is not None:
            del sequences.rows[other[1]]
        best[decoded.sequence_id] = (decoded.allocated, row)
    described = {row.table_id for row in replay.decoded(st.ST_TABLE_ID)}
    events = replay.tables[st.ST_EVENT_TABLE_ID]
    for row in list(events.rows):
        if int.from_bytes(row[:4], "little") not in described:
            del events.rows[row]


def fill(store: Store, recovered: Recovered, chosen: dict[str, tuple[TableDef, Record]]) -> None:
    """Give `store` all rows, its tables being made of `chosen` definitions and shapes.

    Raises
    ------
    CorruptLogError
        Rows that cannot be: undecodable, or with the same unique key.
    """
    replay = recovered.replay
    for table in store:
        _load(table, recovered, table.decode)
        for sequence in table.sequences:
            found = [
                row for row in replay.decoded(st.ST_SEQUENCE_ID)
                if row.sequence_id == sequence.sequence_id
            ]  # fmt: skip
            if found:
                sequence.restore(found[-1].allocated or sequence.start)
    for name, stored in recovered.tables.items():
        definition, shape = chosen[name]
        allocated = [stored.allocated[sequence.column] for sequence in definition.sequences]
        table = store.restore_table(
            definition, shape, stored.table_id, [sequence_id for sequence_id, _ in allocated]
        )
        for sequence, (_, first) in zip(table.sequences, allocated, strict=True):
            sequence.restore(first)
        _load(table, recovered, make_decoder(shape))
    store.state.offset = recovered.tail.next_offset - 1


def _load(
    table: Table, recovered: Recovered, decode: Callable[[Any, int], tuple[Any, int]]
) -> None:
    replayed = recovered.replay.tables.get(table.table_id)
    if replayed is None:
        return
    last = recovered.replay.last_commit
    try:
        table.load([decode(row, 0)[0] for row in replayed.rows])
    except (ConstraintViolation, ValueError) as error:
        raise CorruptLogError(
            f"the rows of table {table.name!r} in the log cannot be: {error}",
            file="" if last is None else last.file,
            lost="nothing is known to be lost; the log was not written by these rules",
        ) from error


def as_path(path: Any) -> Path:
    """Return a path that a user gave, or raise `UsageError`."""
    try:
        return Path(path)
    except TypeError:
        raise UsageError(f"a path is a str or a Path, not {path!r}") from None
