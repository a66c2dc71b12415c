"""A store: all tables of a database, the system tables among them, and its transactions.

The system tables (``st_table``, ``st_column``, …) are ordinary tables that describe every table,
themselves included. They are filled before the first transaction and are not part of any; rows
for the tables of a module are inserted in the transaction that creates them.

Source: SpacetimeDB documentation, "System tables", version 2.8.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from ..errors import InternalError, unknown_name
from ..schema import system_tables as st
from ..types.generated import shape_of_type
from ..types.metatype import encode_type
from .changes import Changes, SchemaChanges
from .descriptions import index_algorithm, unique_constraint
from .handles import TableHandle
from .sequence import Sequence
from .state import State
from .table import Table
from .table_code import TableCode
from .tables import Tables, adopt, disown
from .view_table import ViewTable
from .writing import Reading, Writing, WritingSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

    from ..schema import TableDef
    from ..types.shapes import Record
    from .memory import MemoryLimit

    Listener = Callable[[Changes], None]

_logger = logging.getLogger(__name__)


class Store:
    """The tables of one database.

    Attributes
    ----------
    state : State
        Who reads and writes now.
    by_name : dict of str to Table
        All tables.
    schema_version : int
        Grows when tables come, go or change: what was compiled for an older one is stale.
    writable, readable : Tables
        The handles that reducers and read-only transactions get; the same object stays valid when
        tables are added.
    watched : set of Table
        The tables that somebody watches (see `watch`).
    evaluated : set of Table
        The tables that subscriptions read: ``state.evaluate`` is called in the end of each
        transaction that touched one of them, with a number that grows.
    schema_listeners : list of callable
        Called, without arguments, after a transaction that changed which tables there are or what
        they are like, before the next one can begin; perhaps twice, when an interrupt strikes.
    refresh : callable or None
        Brings what is derived from tables up to date, first of all when a transaction commits;
        what it raises undoes the transaction.
    recorder : callable or None
        Makes what a log is to have of a transaction, of the tables that it touched and the call it
        comes from; what it raises undoes the transaction.
    limit : MemoryLimit or None
        Refuses a transaction after which the tables would hold too much.
    """

    def __init__(self, *, described: bool = True) -> None:
        self.state = State()
        self.state.tell = self._tell
        self.by_name: dict[str, Table] = {}
        self.schema_version = 0
        self.watched: set[Table] = set()
        self.evaluated: set[Table] = set()
        self._serial = 0
        self._listeners: dict[str, tuple[Listener, ...]] = {}
        self.schema_listeners: list[Callable[[], None]] = []
        self.refresh: Callable[[], None] | None = None
        self.recorder: Callable[[list[Table], Any], Any] | None = None
        self.limit: MemoryLimit | None = None
        self._write_handles: dict[str, TableHandle[Any]] = {}
        self._read_handles: dict[str, TableHandle[Any]] = {}
        self._by_class: dict[type, list[str]] = {}
        self.writable = Tables(self._write_handles, self._by_class)
        self.readable = Tables(self._read_handles, self._by_class)
        for system in st.SYSTEM_TABLES:
            self._add_system_table(system)
        if described:
            self._describe_system_tables()

    # -- tables -------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Table]:
        return iter(self.by_name.values())

    def __getitem__(self, name: str) -> Table:
        try:
            return self.by_name[name]
        except KeyError:
            raise unknown_name("table", name, self.user_table_names()) from None

    def user_table_names(self) -> list[str]:
        """Return the names of the tables that are neither system tables nor views."""
        return [
            name
            for name, table in self.by_name.items()
            if not (table.definition.is_system or table.is_view)
        ]

    def _add_system_table(self, system: st.SystemTable) -> None:
        code = _system_code(system.definition)
        sequences = [
            Sequence(
                definition,
                system.definition.columns[definition.column].type,
                sequence_id,
                self._save_sequence,
            )
            for definition, sequence_id in zip(
                system.definition.sequences, system.sequence_ids, strict=True
            )
        ]
        table = Table(system.definition, code, self.state, system.table_id, sequences)
        for sequence in sequences:
            sequence.restore(st.FIRST_USER_ID)
        self._register(table)

    def _describe_system_tables(self) -> None:
        """Fill the system tables with what they say of themselves; no transaction, no log."""
        state = self.state
        state.begin()
        try:
            self.describe_system_tables(st.SYSTEM_TABLES)
            state.commit(changed=False)
        finally:
            state.end()

    def missing_system_tables(self) -> list[st.SystemTable]:
        """Return the system tables that are not described: an older version made the database."""
        described = {row.table_id for row in self["st_table"].rows.values()}
        return [system for system in st.SYSTEM_TABLES if system.table_id not in described]

    def describe_system_tables(self, tables: Iterable[st.SystemTable]) -> None:
        """Describe system tables in the open transaction."""
        for system in tables:
            self._describe_table(system.definition, system.table_id)
            self._describe_columns(system.definition, system.table_id)
            ids = (*system.index_ids, *system.constraint_ids)
            self._describe_keys(system.definition, system.table_id, iter(ids).__next__)
            for position, sequence in enumerate(self[system.definition.name].sequences):
                self._describe_sequence(system.definition, position, system.table_id, sequence)

    def _register(self, table: Table) -> None:
        name = table.name
        if name in self.by_name:
            self._forget(name)
        if name in self._listeners:
            self.watched.add(table)
        self.by_name[name] = table
        self.schema_version += 1
        if table.is_view:
            return  # Functions have no handle on views.
        writable = not table.definition.is_system
        self._write_handles[name] = TableHandle(table, writable=writable)
        self._read_handles[name] = TableHandle(table, writable=False)
        if writable:
            self._by_class.setdefault(table.shape.cls, []).append(name)
        for tables, handles in (
            (self.writable, self._write_handles),
            (self.readable, self._read_handles),
        ):
            adopt(tables, name, handles[name])

    def _forget(self, name: str) -> None:
        """Let nothing lead to the table of that name but the name itself."""
        table = self.by_name[name]
        self.watched.discard(table)
        if table.is_view:
            return
        if name in self._by_class.get(table.shape.cls, ()):
            self._by_class[table.shape.cls].remove(name)
        for tables, handles in (
            (self.writable, self._write_handles),
            (self.readable, self._read_handles),
        ):
            disown(tables, name, handles[name])

    def _unregister(self, name: str) -> None:
        self._forget(name)
        for named in (self.by_name, self._write_handles, self._read_handles):
            named.pop(name, None)
        self.schema_version += 1

    def create_tables(self, tables: Iterable[tuple[TableDef, Record]]) -> None:
        """Create tables and describe them in the system tables, in the open transaction.

        Parameters
        ----------
        tables : iterable of (definition, shape)
            In any order; ids follow the order of their names.
        """
        for definition, shape in sorted(tables, key=lambda pair: pair[0].name):
            self._create_table(definition, shape)

    def _create_table(self, definition: TableDef, shape: Record) -> None:
        table_id = self._describe_table(definition, 0)
        self._describe_columns(definition, table_id)
        self._describe_accessors(definition)
        self._describe_keys(definition, table_id)
        self._describe_schedule(definition, table_id)
        sequences = []
        for position, declared in enumerate(definition.sequences):
            column_type = definition.columns[declared.column].type
            sequence = Sequence(declared, column_type, 0, self._save_sequence)
            self._describe_sequence(definition, position, table_id, sequence)
            sequences.append(sequence)
        if definition.is_event:
            self._insert("st_event_table", table_id=table_id)
        code = TableCode(definition, shape)
        self._register(Table(definition, code, self.state, table_id, sequences))

    def restore_table(
        self, definition: TableDef, shape: Record, table_id: int, sequence_ids: Iterable[int]
    ) -> Table:
        """Add a table that the system tables describe already; nobody uses the store yet."""
        sequences = [
            Sequence(
                declared, definition.columns[declared.column].type, sequence_id, self._save_sequence
            )
            for declared, sequence_id in zip(definition.sequences, sequence_ids, strict=True)
        ]
        code = TableCode(definition, shape)
        table = Table(definition, code, self.state, table_id, sequences)
        self._register(table)
        return table

    def _describe_table(self, definition: TableDef, table_id: int) -> int:
        """Insert the table's row of ``st_table`` and return its id: a new one for 0."""
        key = definition.primary_key
        described = self._insert(
            "st_table",
            table_id=table_id,
            table_name=definition.name,
            table_type="system" if definition.is_system else "user",
            table_access="public" if definition.is_public else "private",
            table_primary_key=None if key is None else (key,),
        )
        new_id: int = described.table_id
        return new_id

    def _describe_columns(self, definition: TableDef, table_id: int) -> None:
        for column in definition.columns:
            self._insert(
                "st_column",
                table_id=table_id,
                col_pos=column.position,
                col_name=column.name,
                col_type=encode_type(column.type),
            )

    def _describe_accessors(self, definition: TableDef) -> None:
        """Insert the names that the module's source gives to the table and its parts."""
        name = definition.name
        self._insert("st_table_accessor", table_name=name, accessor_name=definition.accessor_name)
        self._describe_column_accessors(definition)
        for index in definition.indexes:
            if index.source_name is not None:
                self._insert(
                    "st_index_accessor", index_name=index.name, accessor_name=index.source_name
                )

    def _describe_column_accessors(self, definition: TableDef) -> None:
        for column in definition.columns:
            self._insert(
                "st_column_accessor",
                table_name=definition.name,
                col_name=column.name,
                accessor_name=column.accessor_name,
            )

    def _describe_schedule(self, definition: TableDef, table_id: int) -> None:
        """Insert the row of ``st_scheduled``, if the table's rows are calls to come."""
        schedule = definition.schedule
        if schedule is not None:
            self._insert(
                "st_scheduled",
                schedule_id=0,
                table_id=table_id,
                reducer_name=schedule.function_name,
                schedule_name=schedule.name,
                at_column=schedule.at_column,
            )

    def _describe_keys(
        self,
        definition: TableDef,
        table_id: int,
        next_id: Callable[[], int] = lambda: 0,
    ) -> None:
        """Insert the rows of indexes and constraints; an id of 0 asks for a new one."""
        for index in definition.indexes:
            self._insert(
                "st_index",
                index_id=next_id(),
                table_id=table_id,
                index_name=index.name,
                index_algorithm=index_algorithm(self["st_index"].shape, index),
            )
        for constraint in definition.constraints:
            self._insert(
                "st_constraint",
                constraint_id=next_id(),
                constraint_name=constraint.name,
                table_id=table_id,
                constraint_data=unique_constraint(self["st_constraint"].shape, constraint.columns),
            )

    def _describe_sequence(
        self, definition: TableDef, position: int, table_id: int, sequence: Sequence
    ) -> None:
        """Insert the row of a sequence, and give it its id if it has none yet."""
        described = self._insert(
            "st_sequence",
            sequence_id=sequence.sequence_id,
            sequence_name=sequence.name,
            table_id=table_id,
            col_pos=definition.sequences[position].column,
            increment=sequence.increment,
            start=sequence.start,
            min_value=sequence.min_value,
            max_value=sequence.max_value,
            allocated=sequence.allocated,
        )
        sequence.sequence_id = described.sequence_id

    def _insert(self, table: str, **columns: Any) -> Any:
        return self[table].insert(**columns)

    def _save_sequence(self, sequence: Sequence) -> None:
        table = self["st_sequence"]
        described = table.functions["find_0"](sequence.sequence_id)
        if described is None:
            raise InternalError(f"sequence {sequence.name!r} is not in st_sequence")
        self.state.on_undo.append(sequence)
        table.functions["update_0"](described.replace(allocated=sequence.allocated))

    # -- transactions -------------------------------------------------------------------------

    def writing(self, call: object = None) -> Writing:
        """Return a read-write transaction to use in a ``with``; `call` as for `commit`."""
        return Writing(self, call)

    def writing_schema(self) -> WritingSchema:
        """Return a read-write transaction that may change tables themselves, for a ``with``."""
        return WritingSchema(self)

    def reading(self) -> Reading:
        """Return a read-only transaction to use in a ``with``."""
        return Reading(self)

    def commit(self, call: object = None) -> None:
        """Pass the point from which the open transaction is finished, not undone.

        ``State.end`` finishes it. Nothing has happened when this raises.

        Parameters
        ----------
        call : object
            The call that the transaction comes from, for the recorder.

        Raises
        ------
        TransactionError
            A change was interrupted half way, and the interrupt was caught.
        """
        state = self.state
        if state.torn is not None:
            state.refuse_torn()
        if self.refresh is not None:
            self.refresh()
        if self.limit is not None:
            self.limit.check(state.touched)
        recorder = self.recorder
        changed = False
        if self.watched and not self.watched.isdisjoint(state.touched):
            # Before the commit point, like the record: an error undoes everything.
            changes = self.net_changes(self.watched)
            if changes:
                state.changes = changes
                changed = True
        evaluated, touched = self.evaluated, state.touched
        if evaluated and touched and (touched[0] in evaluated or not evaluated.isdisjoint(touched)):
            self._serial = state.serial = self._serial + 1
        if recorder is None and not changed:
            state.committed = True
            return
        if recorder is not None:
            # None takes the place of the record that an interrupted transaction may have left.
            state.record = recorder(state.touched, call)
            changed = state.record is not None
            if not changed:
                # Rows of views alone, for somebody who is not a subscriber yet, or no longer.
                state.changes = None
        state.commit(changed=changed)

    def commit_schema(self) -> None:
        """Do what `commit` does for a transaction that changed tables themselves."""
        state = self.state
        if state.torn is not None:
            state.refuse_torn()
        if self.refresh is not None:
            self.refresh()
        if self.recorder is not None:
            state.record = self.recorder(state.touched, None)
        changed = self.recorder is None or state.record is not None
        state.changes = SchemaChanges(state.offset + changed)
        if self.evaluated and not self.evaluated.isdisjoint(state.touched):
            self._serial = state.serial = self._serial + 1
        state.commit(changed=changed)
        if self.limit is not None:
            self.limit.measure(self)

    def net_changes(self, tables: Container[Table] | None = None) -> Changes:
        """Return the net changes of the open transaction so far, in all tables or in `tables`."""
        net = {
            table.name: changes
            for table in self.state.touched
            if (tables is None or table in tables) and (changes := table.net_changes()) is not None
        }
        return Changes(self.state.offset + bool(net), tuple(net.values()))

    # -- watching -----------------------------------------------------------------------------

    def watch(self, table_name: str, listener: Listener) -> None:
        """Have `listener` called with the `Changes` of each transaction that changes a table.

        It is called after the commit point and before the next transaction can begin, in commit
        order, once for a transaction whichever of its tables that changed. The `Changes` hold
        the watched tables only. Watching a table again with the same listener does nothing.

        Notes
        -----
        When an interrupt strikes while listeners are told, all are told again: a listener has to
        know by ``changes.offset``, which grows, what it has done. What it raises is logged.
        """
        heard = self._listeners.get(table_name, ())
        if listener not in heard:
            table = self[table_name]
            self._listeners[table_name] = (*heard, listener)
            self.watched.add(table)

    def unwatch(self, table_name: str, listener: Listener) -> None:
        """End what `watch` began; nothing happens where it did not."""
        left = tuple(each for each in self._listeners.get(table_name, ()) if each != listener)
        if left:
            self._listeners[table_name] = left
        elif self._listeners.pop(table_name, None) is not None and table_name in self.by_name:
            self.watched.discard(self.by_name[table_name])

    def _tell(self, changes: Changes) -> None:
        if changes.__class__ is SchemaChanges:
            for told_of_schema in self.schema_listeners:
                try:
                    told_of_schema()
                except Exception:
                    _logger.exception("stdb: a listener to changes of the schema broke")
            return
        told: list[Listener] = []
        for each in changes.tables:
            for listener in self._listeners[each.table.name]:
                if listener not in told:
                    told.append(listener)
                    try:
                        listener(changes)
                    except Exception:
                        # The transaction is committed: nobody can be told that it failed.
                        _logger.exception("stdb: a listener of table %r broke", each.table.name)

    # -- the whole ------------------------------------------------------------------------------

    def copy(self) -> Store:
        """Return an independent store with the same rows; the caller keeps writers out."""
        other = Store(described=False)
        if self.limit is not None:
            self.limit.copy().watch(other)
        for table in self:
            if isinstance(table, ViewTable):
                # Its rows are kept for readers of this store; those of the copy begin anew.
                other._register(ViewTable(table.view_code, other.state, table.table_id))
                continue
            if table.name not in other.by_name:
                sequences = [
                    Sequence(
                        definition,
                        table.definition.columns[definition.column].type,
                        sequence.sequence_id,
                        other._save_sequence,
                    )
                    for definition, sequence in zip(
                        table.definition.sequences, table.sequences, strict=True
                    )
                ]
                copied = Table(table.definition, table.code, other.state, table.table_id, sequences)
                other._register(copied)
            table.copy_into(other[table.name])
        other.state.begin_at(self.state.offset)
        return other

    def check(self) -> None:
        """Raise `InternalError` unless every invariant of every table holds."""
        for table in self:
            table.check()
        described = {row.table_name for row in self["st_table"].scan()}
        if described != set(self.by_name):
            raise InternalError(
                f"st_table describes {sorted(described)}, there are {sorted(self.by_name)}"
            )


@cache
def _system_code(definition: TableDef) -> TableCode:
    """Return the code of a system table, shared by all databases of the process."""
    return TableCode(
        definition, cast("Record", shape_of_type(definition.row_type, definition.name))
    )
