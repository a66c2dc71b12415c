"""Brings a database back from its files: reads the log to its end, and fills a store.

A replica's directory, as SpacetimeDB lays it out::

    db.lock                        held while the database is open for writing
    clog/<20 digits>.stdb.log      the log: the only part that cannot be made anew
    clog/<20 digits>.stdb.ofs      offset indexes
    snapshots/                     the state as of some transactions, see `snapshot`

Source: SpacetimeDB documentation, 2.8.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, cast

from ..errors import (
    ConstraintViolation,
    CorruptLogError,
    DatabaseNotFound,
    DecodeError,
    UsageError,
)
from ..schema import system_tables as st
from ..storage.view_schema import restore_view
from ..types.generated import shape_of_type
from .pages import BadPage
from .replay import Replay, ReplayTable
from .rows import decode_pages, decode_rows, rows_of_pages
from .segments import LogReader, Tail, list_segments
from .skip import Overrun
from .snapshot import (
    SNAPSHOTS_DIRECTORY,
    DamagedSnapshot,
    SnapshotPlace,
    discard_incomplete,
    list_snapshots,
    read_snapshot,
    set_aside,
)
from .stored import StoredTable, StoredView, stored_tables, stored_views

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..schema import TableDef
    from ..storage.store import Store
    from ..storage.table import Table
    from ..types.shapes import Record

    Progress = Callable[[int, int], object]

LOG_DIRECTORY = "clog"
#: What may be in the directory of a database that has no log yet.
_OUR_NAMES: Final = frozenset({LOG_DIRECTORY, SNAPSHOTS_DIRECTORY, "db.lock", "module_logs"})
#: How often progress is told.
_TELL_SECONDS: Final = 0.1


class Recovery(NamedTuple):
    """What opening a database found: ``db.recovery``.

    Attributes
    ----------
    transactions : int
        How many there ever were: the number of the next one.
    log_bytes : int
        How long it is.
    seconds : float
        How long it took to read it.
    torn : str
        What was left out at the end of the log, as a crash leaves it; empty when nothing was.
    snapshot : int or None
        The last transaction in the snapshot that it began with; None when it read the whole log.
    skipped : tuple of str
        Snapshots that were of no use, and why.
    """

    transactions: int
    log_bytes: int
    seconds: float
    torn: str
    snapshot: int | None = None
    skipped: tuple[str, ...] = ()


class Recovered(NamedTuple):
    """The contents of a log, before the store has them.

    `tables` are those of the module; `program` is the row of ``st_module``, None when the log
    ended before the module was published.
    """

    store: Store
    replay: Replay
    tail: Tail
    tables: dict[str, StoredTable]
    program: Any
    report: Recovery
    views: dict[str, StoredView]


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
        replicas = [each.parent for each in sorted(path.glob(f"replicas/*/{LOG_DIRECTORY}/"))]
        hint = "stdb.Database(module, path=…) makes one"
        if replicas:
            shown = ", ".join(str(each) for each in replicas)
            hint = f"it is the data directory of a server, whose databases are in {shown}"
        raise DatabaseNotFound(f"there is no database at {path}; {hint}")
    if path.is_dir():
        others = {each.name for each in path.iterdir()} - _OUR_NAMES
        if others:
            shown = ", ".join(sorted(others)[:3])
            raise UsageError(
                f"{path} is no database and not empty ({shown}); give a database a directory of "
                "its own"
            )
    return directory


def recover(
    directory: Path,
    make_store: Callable[[], Store],
    *,
    until: int | None = None,
    progress: Progress | None = None,
    is_owner: bool = False,
) -> Recovered:
    """Read the newest snapshot that is whole and the log behind it.

    Parameters
    ----------
    directory : Path
        Where the log is; snapshots are beside it.
    make_store : callable
        Makes a fresh store: its system tables are where every log begins.
    until : int, optional
        The last transaction to look at; all otherwise.
    progress : callable, optional
        Told how many bytes of how many were read.
    is_owner : bool
        Whether what is of no use may be renamed or deleted.

    Raises
    ------
    CorruptLogError
        Something other than the end of the log is damaged.
    UsageError
        There is no transaction `until`, or nothing leads to it any more.
    """
    while True:
        before = _names(directory)
        try:
            return _recover(directory, make_store, until, progress, is_owner)
        except (CorruptLogError, FileNotFoundError):
            # The process that has it open may have deleted what newer snapshots made superfluous.
            if is_owner or _names(directory) == before:
                raise


def _names(directory: Path) -> list[str]:
    """Return which segments and snapshots there are."""
    segments = [segment.path.name for segment in list_segments(directory)]
    places = list_snapshots(directory.parent / SNAPSHOTS_DIRECTORY)
    return segments + [place.path.name for place in places]


def _recover(
    directory: Path,
    make_store: Callable[[], Store],
    until: int | None,
    progress: Progress | None,
    is_owner: bool,
) -> Recovered:
    began = time.perf_counter()
    progress = _telling(progress)
    snapshots = directory.parent / SNAPSHOTS_DIRECTORY
    skipped = discard_incomplete(snapshots) if is_owner else []
    skipped = [f"snapshot {name} was never finished" for name in skipped]
    segments = list_segments(directory)
    first = segments[0].start if segments else 0
    for place in reversed(list_snapshots(snapshots)):
        if until is not None and place.offset > until:
            continue
        if first > place.offset + 1:
            break  # What came between is gone, and older snapshots are further away.
        tried = _from_snapshot(directory, make_store(), place, skipped, until, progress, is_owner)
        if tried is not None:
            return _finish(*tried, place.offset, skipped, began)
    if first:
        _refuse_gap(first, segments[0].path, skipped, until)
    store = make_store()
    replay = Replay(store)
    reader = LogReader(directory, progress)
    _replay(reader, replay, 0, until)
    return _finish(store, replay, reader, None, skipped, began)


def _from_snapshot(
    directory: Path,
    store: Store,
    place: SnapshotPlace,
    skipped: list[str],
    until: int | None,
    progress: Progress | None,
    is_owner: bool,
) -> tuple[Store, Replay, LogReader] | None:
    """Return what a snapshot and the log behind it give, or None when the snapshot is of no use."""
    replay = Replay(store)
    is_useless = True
    try:
        snapshot = read_snapshot(place)
        replay.restore(snapshot)
        for row in replay.decoded(st.ST_MODULE_ID):
            if row.database_identity != snapshot.identity:
                _refuse_identity(place, snapshot.identity, row.database_identity)
        reader = LogReader(directory, progress)
        _replay(reader, replay, place.offset + 1, until)
        if until is not None or reader.tail.next_offset > place.offset:
            return store, replay, reader
        reason = f"the log ends before it, with transaction {reader.tail.next_offset - 1}"
    except DamagedSnapshot as error:
        reason, is_useless = str(error), error.is_damaged
    except (BadPage, Overrun, DecodeError, IndexError, KeyError) as error:
        reason = f"its rows cannot be read: {error}"
    skipped.append(f"{place.path} was not used: {reason}")
    if is_owner and is_useless:
        set_aside(place)
    return None


def _refuse_identity(place: SnapshotPlace, found: int, own: int) -> NoReturn:
    raise CorruptLogError(
        f"{place.path} is the snapshot of another database: its identity is {found:064x}, and that "
        f"of the database in it {own:064x}; move it away",
        file=str(place.path),
        lost="nothing: the snapshot does not belong here",
    )


def _refuse_gap(first: int, path: Path, skipped: list[str], until: int | None) -> NoReturn:
    if until is not None and until < first:
        raise UsageError(
            f"transaction {until} is not there any more: the log begins with {first}, and no "
            "snapshot of that time is left"
        )
    tried = "; ".join(skipped) or "there is none"
    raise CorruptLogError(
        f"the log begins with transaction {first} ({path}), and what was before it must come from "
        f"a snapshot: {tried}",
        lost=f"transactions 0 to {first - 1}",
        first_lost=0,
    )


def _replay(reader: LogReader, replay: Replay, start: int, until: int | None) -> None:
    """Apply the commits from transaction `start` on."""
    apply = replay.apply
    for commit in reader.commits(start, replay.take if until is None else None):
        if commit.offset < start:
            if commit.offset + commit.size > start:
                raise DamagedSnapshot(
                    f"transaction {start} is within a commit of the log, which begins before it",
                    is_damaged=False,
                )
            continue
        if until is not None and commit.offset + commit.size > until:
            replay.transactions(commit, until - commit.offset + 1)
            reader.stopped_at(until + 1)
            break
        apply(commit)
    reader.finish()
    if until is not None and reader.tail.next_offset <= until:
        last = reader.tail.next_offset - 1
        raise UsageError(f"there is no transaction {until}: the log ends with {last}")


def _telling(progress: Progress | None) -> Progress | None:
    """Return what tells `progress` now and then, and at the end."""
    if progress is None:
        return None
    told = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        if done >= total or time.monotonic() - told > _TELL_SECONDS:
            told = time.monotonic()
            progress(done, total)

    return tell


def _finish(
    store: Store,
    replay: Replay,
    reader: LogReader,
    snapshot: int | None,
    skipped: list[str],
    began: float,
) -> Recovered:
    _mend(replay)
    tail = reader.tail
    torn = ""
    if tail.torn is not None:
        damage = tail.torn
        torn = (
            f"{damage.segment.path}, byte {damage.position}: {damage.reason}; {damage.size} bytes "
            f"behind transaction {tail.next_offset - 1} are no commit and were left out"
        )
    report = Recovery(
        tail.next_offset,
        reader.total_bytes - reader.room_bytes,
        time.perf_counter() - began,
        torn,
        snapshot,
        tuple(skipped),
    )
    programs = replay.decoded(st.ST_MODULE_ID)
    program = programs[-1] if programs else None
    return Recovered(
        store, replay, tail, stored_tables(replay), program, report, stored_views(replay)
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


def fill(recovered: Recovered, chosen: dict[str, tuple[TableDef, Record]]) -> None:
    """Give the store all rows, its tables being made of `chosen` definitions and shapes.

    Its views are made of what is stored of them, until a program takes them over.

    Raises
    ------
    CorruptLogError
        Rows that cannot be: undecodable, or with the same unique key.
    """
    replay, store = recovered.replay, recovered.store
    sequences = {row.sequence_id: row for row in replay.decoded(st.ST_SEQUENCE_ID)}
    for table in store:
        _load(table, recovered)
        for sequence in table.sequences:
            found = sequences.get(sequence.sequence_id)
            if found is not None:
                sequence.restore(found.allocated or sequence.start)
    for name, stored in recovered.tables.items():
        definition, shape = chosen[name]
        allocated = [stored.allocated[sequence.column] for sequence in definition.sequences]
        table = store.restore_table(
            definition, shape, stored.table_id, [sequence_id for sequence_id, _ in allocated]
        )
        for sequence, (_, first) in zip(table.sequences, allocated, strict=True):
            sequence.restore(first)
        _load(table, recovered)
    for name, view in recovered.views.items():
        shape = cast("Record", shape_of_type(view.definition.row_type, name))
        restore_view(store, view.definition, shape, view.table_id)
    store.state.begin_at(recovered.tail.next_offset - 1)


def _load(table: Table, recovered: Recovered) -> None:
    replay = recovered.replay
    replayed = replay.tables.get(table.table_id)
    if replayed is None:
        return
    try:
        table.load(_values(table, replayed, replay))
    except (ConstraintViolation, ValueError, BadPage, Overrun, IndexError, KeyError) as error:
        last = replay.last_commit
        raise CorruptLogError(
            f"the rows of table {table.name!r} in the log cannot be: {error}",
            file="" if last is None else last.file,
            lost="nothing is known to be lost; the log was not written by these rules",
        ) from error


def _values(table: Table, replayed: ReplayTable, replay: Replay) -> list[Any]:
    """Return the rows of a table, and leave none where they came from."""
    rows, pages = replayed.rows, replayed.pages
    found: list[Any] | None
    if pages is not None:
        row_type = replay.row_type(table.table_id)
        found = decode_pages(pages, row_type, table.shape)
        if found is None:
            rows = dict.fromkeys(rows_of_pages(pages, row_type, replay.blobs))
    else:
        found = decode_rows(rows, table.shape)
    if found is None:
        decode = table.decode
        found = [decode(row, 0)[0] for row in rows]
    return found


def as_path(path: Any) -> Path:
    """Return a path that a user gave, or raise `UsageError`."""
    try:
        return Path(path)
    except TypeError:
        raise UsageError(f"a path is a str or a Path, not {path!r}") from None
