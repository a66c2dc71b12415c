"""What happened in a database, transaction by transaction, as its log has it.

A log does not say how its rows are to be read, nor which rows a table lost that was emptied: both
follow from all that was before. So the past is told while the log is replayed, from its beginning
or from a snapshot, and a transaction is passed over in silence until the first one that was asked
for.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from ..errors import UsageError
from ..schema import system_tables as st
from ..types.bsatn_decode import make_decoder
from ..types.generated import shape_of_type
from ..types.values import ConnectionId, Identity, Timestamp
from .format import INPUTS
from .replay import UNFIT, Replay, ReplayTable, refuse_commit, refuse_end
from .segments import LogReader, list_segments
from .snapshot import SNAPSHOTS_DIRECTORY, DamagedSnapshot, list_snapshots, read_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..storage.store import Store
    from ..types import algebraic as at
    from .format import Commit

#: Caller, connection and time of a call, which come before its arguments.
_CALL: Final = Struct("<32s16sq")
_U32: Final = Struct("<I").unpack_from


class RowChanges(NamedTuple):
    """What a transaction changed in one table, in the end.

    Attributes
    ----------
    inserted, deleted : tuple of Row
        An updated row is in both: as it became, and as it was.
    """

    inserted: tuple[Any, ...]
    deleted: tuple[Any, ...]


class LoggedTransaction(NamedTuple):
    """A transaction of the past: what `Database.history` tells.

    Attributes
    ----------
    offset : int
        Its number.
    reducer : str or None
        The reducer that was called; ``call_identity_connected`` and the module's
        ``client_disconnected`` reducer (or ``__identity_disconnected__``) for clients that came
        and went. None for everything else: SQL, ``db.transaction()``, publishing.
    caller, connection_id, timestamp : Identity, ConnectionId, Timestamp, or None
        Who called it, through which connection (None for none), and when; None without a reducer.
    arguments : tuple or None
        What it was called with; None without a reducer, and when the present module has no such
        reducer that takes them.
    argument_bytes : bytes
        The same as BSATN.
    changes : dict of str to RowChanges
        By name of the table, system tables (``st_…``) included.
    """

    offset: int
    reducer: str | None
    caller: Identity | None
    connection_id: ConnectionId | None
    timestamp: Timestamp | None
    arguments: tuple[Any, ...] | None
    argument_bytes: bytes
    changes: dict[str, RowChanges]


class Chronicle(Replay):
    """A replay that can say what each transaction changes.

    Parameters
    ----------
    store : Store
        A fresh store.
    known : Store
        The database's own tables: rows are told in their classes where the columns are the same.
    read_arguments : callable
        ``(reducer, bytes) -> arguments``, or None where nobody can tell.
    """

    def __init__(
        self,
        store: Store,
        known: Store,
        read_arguments: Callable[[str, bytes], tuple[Any, ...] | None],
    ) -> None:
        super().__init__(store)
        self._known = known
        self._read_arguments = read_arguments
        self._names: dict[int, str] = {}
        self._decoders: dict[int, Any] = {}
        self._inserted: dict[int, list[Any]] = {}
        self._deleted: dict[int, list[Any]] = {}

    def tell(self, commit: Commit, start: int, stop: int) -> Iterator[LoggedTransaction]:
        """Apply a commit up to transaction `stop`, and yield its transactions from `start` on."""
        self.last_commit = commit
        self.notes = True
        at_ = 0
        try:
            after = commit.offset + commit.size
            for offset in range(commit.offset, min(after, stop)):
                self._inserted, self._deleted = {}, {}
                begin = at_
                at_ = self.transaction(commit.body, at_)
                if offset >= start:
                    yield self._told(offset, commit.body, begin)
            if at_ != len(commit.body) and after <= stop:
                refuse_end(at_, len(commit.body))
        except UNFIT as error:
            refuse_commit(commit, error)

    def _told(self, offset: int, data: bytes, at_: int) -> LoggedTransaction:
        changes: dict[str, RowChanges] = {}
        for table_id in sorted(self._inserted.keys() | self._deleted.keys()):
            name = self._names[table_id]
            # A table that got columns is another one of the same name.
            known = changes.get(name, RowChanges((), ()))
            changes[name] = RowChanges(
                (*known.inserted, *self._inserted.get(table_id, ())),
                (*known.deleted, *self._deleted.get(table_id, ())),
            )
        if not data[at_] & INPUTS:
            return LoggedTransaction(offset, None, None, None, None, None, b"", changes)
        size, name_size = _U32(data, at_ + 1)[0], data[at_ + 5]
        behind_name = at_ + 6 + name_size
        name = data[at_ + 6 : behind_name].decode()
        caller, connection, micros = _CALL.unpack_from(data, behind_name)
        given = data[behind_name + _CALL.size : at_ + 5 + size]
        return LoggedTransaction(
            offset,
            name,
            Identity.from_bytes(caller),
            ConnectionId.from_bytes(connection) if any(connection) else None,
            Timestamp(micros),
            self._read_arguments(name, given),
            given,
            changes,
        )

    # -- what the replay tells of ---------------------------------------------------------------

    def note(
        self, table: ReplayTable, data: bytes, at_: int, number: int, *, is_insert: bool
    ) -> None:
        """Keep rows that a transaction inserts or deletes."""
        decode = self._decoder(table)
        noted = (self._inserted if is_insert else self._deleted).setdefault(table.table_id, [])
        for _ in range(number):
            row, at_ = decode(data, at_)
            noted.append(row)
        if table.watched and is_insert:
            # These rows say what others are called and made of.
            self._decoders.clear()
            if table.table_id == st.ST_TABLE_ID:
                self._names |= {row.table_id: row.table_name for row in noted}

    def note_truncate(self, table: ReplayTable) -> None:
        """Keep the rows of a table that a transaction empties."""
        if table.pages is not None:
            self._make(table.table_id)
        decode = self._decoder(table)
        noted = self._deleted.setdefault(table.table_id, [])
        noted += [decode(row, 0)[0] for row in table.rows]

    def _decoder(self, table: ReplayTable) -> Any:
        """Return what makes rows of a table's bytes, and know the table's name."""
        table_id = table.table_id
        decode = self._decoders.get(table_id)
        if decode is None:
            if table_id not in self._names:
                self._names |= {r.table_id: r.table_name for r in self.decoded(st.ST_TABLE_ID)}
            name = self._names.get(table_id, str(table_id))
            decode = table.decode if table_id in self._system else None
            if decode is None:
                decode = self._decoder_of(name, self.row_type(table_id))
            self._decoders[table_id] = decode
        return decode

    def _decoder_of(self, name: str, row_type: at.Product) -> Any:
        own = self._known.by_name.get(name)
        if own is not None and own.definition.row_type == row_type:
            return own.decode
        return make_decoder(shape_of_type(row_type, name))


def history(
    directory: Path,
    make_chronicle: Callable[[], Chronicle],
    start: int | None,
    stop: int,
) -> Iterator[LoggedTransaction]:
    """Yield the transactions of the log in `directory`, from `start` on and before `stop`.

    Without `start`, from the first one that can be told.

    Raises
    ------
    UsageError
        What leads to `start` is not there any more.
    CorruptLogError
        The log is damaged.
    """
    segments = list_segments(directory)
    first = segments[0].start if segments else 0
    chronicle, begin = _basis(directory, make_chronicle, first, start)
    if start is None:
        start = begin
    if start >= stop:
        return
    for commit in LogReader(directory).commits(begin):
        after = commit.offset + commit.size
        if after > start:
            yield from chronicle.tell(commit, start, stop)
        elif after > begin:
            chronicle.apply(commit)
        if after >= stop:
            return


def _basis(
    directory: Path, make_chronicle: Callable[[], Chronicle], first: int, start: int | None
) -> tuple[Chronicle, int]:
    """Return a chronicle of the state before some transaction, and the number of that one.

    It is the last one before `start` that there is a snapshot of; without `start`, the first.
    """
    chronicle = make_chronicle()
    if start is None and first == 0:
        return chronicle, 0
    places = list_snapshots(directory.parent / SNAPSHOTS_DIRECTORY)
    fitting = [p for p in places if p.offset + 1 >= first and (start is None or p.offset < start)]
    for place in fitting if start is None else fitting[::-1]:
        try:
            chronicle.restore(read_snapshot(place))
        except DamagedSnapshot:
            chronicle = make_chronicle()  # recovery reports it; here, an older one will do
        else:
            return chronicle, place.offset + 1
    if first:
        _refuse(first, start, [place.offset for place in places])
    return chronicle, 0


def _refuse(first: int, start: int | None, snapshots: list[int]) -> NoReturn:
    usable = [offset + 1 for offset in snapshots if offset + 1 >= first]
    told = f"; from_offset={usable[0]} is the first that can be told" if usable else ""
    raise UsageError(
        f"what led to transaction {first if start is None else start} is not there any more: the "
        f"log begins with {first}{told}"
    )
