"""A database that another process has open: what that commits appears here, as it comes.

A thread looks at the log every few milliseconds and applies what is new, each transaction in one of
this database's own, so that readers see whole transactions, and whoever watches tables hears of
them. Nothing else writes. When the log does not go on from what was read, as after a repair, the
files are read anew, and what differs is applied as one transaction.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ..durability import (
    BadTransaction,
    LogFollower,
    LogMoved,
    Mutations,
    fill,
    recover,
    stored_tables,
    stored_views,
    transactions,
)
from ..errors import CorruptLogError, Error
from ..schema import system_tables as st
from ..storage.restructuring import Restructuring
from ..storage.sequence import Sequence
from ..storage.store import Store
from ..storage.table import Table
from ..storage.table_code import TableCode
from ..storage.view_schema import restore_view
from ..types.generated import shape_of_type
from .stored_program import stored_program

if TYPE_CHECKING:
    from pathlib import Path

    from ..durability import StoredTable, Tail
    from ..schema import TableDef
    from ..types.shapes import Record

#: How long to wait between two looks at the log, while there is something and while there is not.
_BUSY_SECONDS: Final = 0.005
_IDLE_SECONDS: Final = 0.05


class Described:
    """The system tables of a store, read like those of a log."""

    def __init__(self, store: Store) -> None:
        self._by_id = {t.table_id: t for t in store if t.definition.is_system}
        self.columns: dict[int, dict[int, Any]] = {}
        for row in self.decoded(st.ST_COLUMN_ID):
            self.columns.setdefault(row.table_id, {})[row.col_pos] = row
        self.events = {row.table_id for row in self.decoded(st.ST_EVENT_TABLE_ID)}

    def decoded(self, table_id: int) -> list[Any]:
        """Return the rows of a system table."""
        return list(self._by_id[table_id].rows.values())


class _Stored(NamedTuple):
    """What `stored_program` wants of a recovery."""

    program: Any
    tables: dict[str, StoredTable]


class Follower:
    """Lets one database follow its log.

    Parameters
    ----------
    database : Database
        Opened to be read only, and filled from `recovered`.
    directory : Path
        Where the log is.
    tail : Tail
        Where reading it ended.
    """

    def __init__(self, database: Any, directory: Path, tail: Tail) -> None:
        self._database = weakref.ref(database)
        self._directory = directory
        self._log = LogFollower(directory, tail)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._applying: int | None = None
        self.failure: Error | None = None
        database._store.recorder = self._record

    def start(self) -> None:
        """Begin to look at the log on a thread of its own."""
        thread = threading.Thread(
            target=_follow,
            args=(weakref.ref(self), self._stopped),
            name="stdb follow",
            daemon=True,
        )
        thread.start()

    def stop(self) -> None:
        """End; what was applied stays."""
        self._stopped.set()
        with self._lock:
            self._log.close()

    def catch_up(self) -> int:
        """Apply what is in the log now, and return how many transactions that were.

        Raises
        ------
        CorruptLogError
            The files are damaged.
        """
        database = self._database()
        if database is None:
            return 0
        try:
            with self._lock:
                # Asked in here: whoever stops it closes the file, which nobody may open again.
                return 0 if self._stopped.is_set() else self._take_in(database)
        finally:
            # Without the lock: a callback may ask for more.
            database._settle()

    def _take_in(self, database: Any) -> int:
        count = 0
        while True:
            try:
                commits = self._log.read()
                if not commits:
                    return count
                for commit in commits:
                    for mutations in transactions(commit, database._store):
                        self._apply(database, mutations)
                        count += 1
            except (LogMoved, BadTransaction):
                self._begin_anew(database)
                return count + 1

    def _record(self, touched: list[Table], call: object) -> object:
        """Let nothing be committed but what comes out of the log."""
        from .opening import refuse_write

        if self._applying != threading.get_ident():
            refuse_write(touched, call)
            return None
        return touched  # anything: it says that the transaction counts

    # -- applying ------------------------------------------------------------------------------

    def _apply(self, database: Any, mutations: Mutations) -> None:
        store = database._store
        self._applying = threading.get_ident()
        try:
            if not mutations.changes_schema:
                with store.writing():
                    by_id = {table.table_id: table for table in store}
                    self._apply_rows(by_id, mutations, is_system=True)
                    self._apply_rows(by_id, mutations, is_system=False)
                return
            with store.writing_schema():
                before = {table.table_id: table for table in store}
                self._apply_rows(before, mutations, is_system=True)
                _restructure(database)
                by_id = {table.table_id: table for table in store}
                _recode(mutations, before, by_id)
                self._apply_rows(by_id, mutations, is_system=False)
        finally:
            self._applying = None

    def _apply_rows(
        self, by_id: dict[int, Table], mutations: Mutations, *, is_system: bool
    ) -> None:
        """Apply the changes of system tables, or of all others; those that are gone have none."""
        for table_id in mutations.truncates:
            table = by_id.get(table_id)
            if table is not None and table.definition.is_system is is_system:
                table.clear()
        for table_id, rows in mutations.deletes.items():
            table = by_id.get(table_id)
            if table is not None and table.definition.is_system is is_system:
                for row in rows:
                    key = table.main_key_of(row)
                    old = table.rows.get(key)
                    if old is None or old != row:
                        raise BadTransaction(f"table {table.name!r} has no row {row!r} to delete")
                    table.remove(key, old)
        for table_id, rows in mutations.inserts.items():
            table = by_id.get(table_id)
            if table is not None and table.definition.is_system is is_system:
                for row in rows:
                    if table.main_key_of(row) in table.rows:
                        raise BadTransaction(f"table {table.name!r} has {row!r} already")
                    table.add(row)

    # -- beginning anew --------------------------------------------------------------------------

    def _begin_anew(self, database: Any) -> None:
        """Read the files from the beginning, and apply what differs."""
        self._log.close()
        recovered = recover(self._directory, Store)
        if recovered.program is None:
            raise CorruptLogError(f"{self._directory}: the log holds no module any more")
        _, chosen = stored_program(recovered, runs=False)
        fill(recovered, chosen)
        self._apply(database, _difference(database._store, recovered.store))
        database._state.begin_at(recovered.tail.next_offset - 1)
        self._log = LogFollower(self._directory, recovered.tail)


def _difference(now: Store, then: Store) -> Mutations:
    """Return what leads from the rows of one store to those of another."""
    found = Mutations()
    mine = {table.table_id: table for table in now if not table.is_view}
    others = {table.table_id: table for table in then if not table.is_view}
    for table_id, table in others.items():
        own = mine.get(table_id)
        wanted = {table.encode(row): None for row in table.rows.values()}
        have = {} if own is None else {own.encode(row): None for row in own.rows.values()}
        inserts: list[Any] = [row for row in wanted if row not in have]
        deletes: list[Any] = [row for row in have if row not in wanted]
        if own is not None and own.definition.is_system:
            inserts = [own.decode(row, 0)[0] for row in inserts]
            deletes = [own.decode(row, 0)[0] for row in deletes]
        if inserts:
            found.inserts[table_id] = inserts
        if deletes:
            found.deletes[table_id] = deletes
    found.is_whole = True
    return found


def _recode(mutations: Mutations, before: dict[int, Table], after: dict[int, Table]) -> None:
    """Let rows that are bytes, or of a class that was replaced, be rows of the present tables."""
    for lists in (mutations.inserts, mutations.deletes):
        for table_id, rows in lists.items():
            table = after.get(table_id)
            if table is None or table.definition.is_system:
                continue
            old = before.get(table_id)
            lists[table_id] = [
                table.decode(row if isinstance(row, bytes) else old.encode(row), 0)[0]  # type: ignore[union-attr]
                for row in rows
            ]


def _restructure(database: Any) -> None:
    """Let the tables of a store be those that its system tables describe by now."""
    store: Store = database._store
    described: Any = Described(store)
    tables, views = stored_tables(described), stored_views(described)
    (row,) = store["st_module"].rows.values()
    stored: Any = _Stored(row, tables)
    program, chosen = stored_program(stored, runs=False)
    restructuring = Restructuring(store)
    for name in [t.name for t in store if t.table_id >= st.FIRST_USER_ID]:
        if name not in chosen and name not in views:
            restructuring.drop(name)
    for name, (definition, shape) in chosen.items():
        old = store.by_name.get(name)
        table = _table(store, tables[name], definition, shape, old)
        if table is not None:
            restructuring.put(table)
    for name, view in views.items():
        old = store.by_name.get(name)
        if (
            old is None
            or old.table_id != view.table_id
            or old.definition.is_public != view.definition.is_public
        ):
            shown = cast("Record", shape_of_type(view.definition.row_type, name))
            restore_view(store, view.definition, shown, view.table_id)
    database._use_program(program)
    database._callable = {}


def _table(
    store: Store, stored: StoredTable, definition: TableDef, shape: Record, old: Table | None
) -> Table | None:
    """Return a table in the place of `old`, or None where that is the one already."""
    is_same = old is not None and old.table_id == stored.table_id and not old.is_view
    if is_same and old is not None and old.definition == definition:
        return None
    sequences = []
    for declared in definition.sequences:
        sequence_id, first = stored.allocated[declared.column]
        column_type = definition.columns[declared.column].type
        sequence = Sequence(declared, column_type, sequence_id, store._save_sequence)
        sequence.restore(first)
        sequences.append(sequence)
    code = TableCode(definition, shape)
    table = Table(definition, code, store.state, stored.table_id, sequences)
    if is_same and old is not None:
        table.load([table.decode(old.encode(row), 0)[0] for row in old.rows.values()])
    return table


def _follow(follower: weakref.ref[Follower], stopped: threading.Event) -> None:
    """Look at the log until the database is closed or gone: the body of a thread."""
    pause = _IDLE_SECONDS
    while not stopped.wait(pause):
        one = follower()
        if one is None:
            return
        try:
            pause = _BUSY_SECONDS if one.catch_up() else _IDLE_SECONDS
        except (Error, OSError) as error:
            database = one._database()
            if database is not None and not stopped.is_set():
                database._logs.system("Error", f"the log cannot be followed any more: {error}")
            one.failure = error if isinstance(error, Error) else None
            return
        del one


__all__ = ["Follower"]
