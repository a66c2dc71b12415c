"""Takes the steps of a migration: the tables of a store become those of another definition.

All of it happens in the open transaction. The system tables are changed row by row, so that a log
has them as it has any other rows; at the end, each table that changed is replaced by a new one of
the new definition, with the rows there are as rows of the new class. A transaction that is undone
leaves the store as it was (see `restructuring`).

A table with new columns gets a new number, and its rows are inserted anew: they have other bytes.
In every other case rows keep theirs, and so does the table its number.

Source: SpacetimeDB documentation, "Automatic migrations", 2.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..types.bsatn_decode import make_decoder
from ..types.metatype import encode_type
from .conversion import make_converter
from .descriptions import index_algorithm, unique_constraint
from .restructuring import Restructuring
from .sequence import Sequence
from .table import Table
from .table_code import TableCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..schema import MigrationPlan, Step, TableDef
    from ..types.shapes import Record
    from .store import Store


def alter(
    store: Store,
    plan: MigrationPlan,
    shapes: Mapping[str, Record],
    say: Callable[[str], None],
) -> None:
    """Take the steps of `plan` that concern tables, in the open transaction.

    Parameters
    ----------
    store : Store
        Its tables are those of ``plan.old``.
    plan : MigrationPlan
        What to do; `prechecks.find_conflicts` has found nothing against it.
    shapes : mapping
        Table name -> shape of its rows, for the tables of ``plan.new``.
    say : callable
        Told of each step, for the log of the database.

    Raises
    ------
    ConstraintViolation
        Rows that a new constraint does not allow.
    """
    _Alteration(store, plan, shapes, say).run()


class _Altered:
    """A table on its way: what the system tables say of it by now."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.table_id = table.table_id
        self.sequences = {sequence.name: sequence for sequence in table.sequences}


class _Alteration:
    def __init__(
        self,
        store: Store,
        plan: MigrationPlan,
        shapes: Mapping[str, Record],
        say: Callable[[str], None],
    ) -> None:
        self.store = store
        self.plan = plan
        self.shapes = shapes
        self.say = say
        self.old, self.new = plan.old.all_tables(), plan.new.all_tables()
        self.kept = {name: _Altered(store[name]) for name in self.old.keys() & self.new.keys()}
        self.restructuring = Restructuring(store)

    def run(self) -> None:
        for step in self.plan.steps:
            method = getattr(self, f"_{step.kind}", None)
            if method is not None:
                method(step)
        for name in sorted(self.kept):
            self._replace(name)

    # -- what goes ----------------------------------------------------------------------------

    def _remove_index(self, step: Step) -> None:
        self.say(f"Dropping index `{step.name}` on table `{step.table}`")
        self._delete("st_index", table_id=self._id(step), index_name=step.name)
        self._delete("st_index_accessor", index_name=step.name)

    def _remove_constraint(self, step: Step) -> None:
        self.say(f"Dropping constraint `{step.name}` on table `{step.table}`")
        self._delete("st_constraint", table_id=self._id(step), constraint_name=step.name)

    def _remove_sequence(self, step: Step) -> None:
        self.say(f"Dropping sequence `{step.name}` from table `{step.table}`")
        self._delete("st_sequence", table_id=self._id(step), sequence_name=step.name)
        del self.kept[step.table].sequences[step.name]

    def _remove_schedule(self, step: Step) -> None:
        self.say(f"Dropping schedule `{step.name}` of table `{step.table}`")
        self._delete("st_scheduled", table_id=self._id(step))

    def _remove_table(self, step: Step) -> None:
        self.say(f"Dropping table `{step.name}`")
        table = self.store[step.name]
        table.clear()
        self._undescribe(table.definition, table.table_id)
        self.restructuring.drop(step.name)

    # -- what changes -------------------------------------------------------------------------

    def _change_columns(self, step: Step) -> None:
        self.say(f"Changing columns of table `{step.name}`")
        self._describe_types(step)

    def _describe_types(self, step: Step) -> None:
        columns = {column.position: column for column in self.new[step.name].columns}
        for row in self._rows("st_column", table_id=self._id(step)):
            type_ = encode_type(columns[row.col_pos].type)
            if type_ != row.col_type:
                self._update("st_column", row, col_type=type_)

    def _reschema_event_table(self, step: Step) -> None:
        self.say(f"Changing schema of event table `{step.name}`")
        table_id = self._id(step)
        self._delete("st_column", table_id=table_id)
        self._delete("st_column_accessor", table_name=step.name)
        self.store._describe_columns(self.new[step.name], table_id)
        self.store._describe_column_accessors(self.new[step.name])

    def _add_columns(self, step: Step) -> None:
        self.say(f"Adding columns to table `{step.name}`")
        store, altered = self.store, self.kept[step.name]
        before = self._described(step.name)
        self._undescribe(altered.table.definition, altered.table_id)
        after = msgspec.structs.replace(before, columns=self.new[step.name].columns)
        altered.table_id = store._describe_table(after, 0)
        store._describe_columns(after, altered.table_id)
        store._describe_accessors(after)
        store._describe_keys(after, altered.table_id)
        store._describe_schedule(after, altered.table_id)
        for position, declared in enumerate(after.sequences):
            old = altered.sequences[declared.name]
            sequence = self._new_sequence(after, position)
            old.copy_into(sequence)
            store._describe_sequence(after, position, altered.table_id, sequence)
            altered.sequences[declared.name] = sequence

    def _described(self, name: str) -> TableDef:
        """Return the table as the steps so far have left it: without what goes."""
        gone = {
            (step.kind, step.name)
            for step in self.plan.steps
            if step.table == name and step.kind.startswith("remove_")
        }
        old = self.old[name]
        return msgspec.structs.replace(
            old,
            indexes=tuple(i for i in old.indexes if ("remove_index", i.name) not in gone),
            constraints=tuple(
                c for c in old.constraints if ("remove_constraint", c.name) not in gone
            ),
            sequences=tuple(s for s in old.sequences if ("remove_sequence", s.name) not in gone),
            schedule=old.schedule
            if old.schedule and ("remove_schedule", old.schedule.name) not in gone
            else None,
        )

    def _change_index_source_name(self, step: Step) -> None:
        self.say(f"Changing source name of index `{step.name}` on table `{step.table}`")
        self._delete("st_index_accessor", index_name=step.name)
        source = next(i.source_name for i in self.new[step.table].indexes if i.name == step.name)
        if source is not None:
            self._insert("st_index_accessor", index_name=step.name, accessor_name=source)

    def _change_table_accessor_name(self, step: Step) -> None:
        name = self.new[step.name].accessor_name
        self.say(f"Changing table accessor name for `{step.name}`")
        self._delete("st_table_accessor", table_name=step.name)
        self._insert("st_table_accessor", table_name=step.name, accessor_name=name)

    def _change_column_accessor_name(self, step: Step) -> None:
        table = self.new[step.table]
        self.say(f"Changing column accessor name for `{step.table}.{step.name}`")
        self._delete("st_column_accessor", table_name=step.table, col_name=step.name)
        self._insert(
            "st_column_accessor",
            table_name=step.table,
            col_name=step.name,
            accessor_name=table.column(step.name).accessor_name,
        )

    def _change_access(self, step: Step) -> None:
        is_public = self.new[step.name].is_public if step.name in self.new else None
        if is_public is None:
            return  # a view: whoever keeps the views changes it
        access = "public" if is_public else "private"
        self.say(f"Changing access of table `{step.name}` to {access}")
        for row in self._rows("st_table", table_id=self._id(step)):
            self._update("st_table", row, table_access=access)

    def _change_primary_key(self, step: Step) -> None:
        self.say(f"Changing primary key for table `{step.name}`")
        key = self.new[step.name].primary_key
        for row in self._rows("st_table", table_id=self._id(step)):
            self._update("st_table", row, table_primary_key=None if key is None else (key,))

    # -- what comes ---------------------------------------------------------------------------

    def _add_table(self, step: Step) -> None:
        self.say(f"Creating table `{step.name}`")
        self.store.create_tables([(self.new[step.name], self.shapes[step.name])])

    def _add_index(self, step: Step) -> None:
        self.say(f"Creating index `{step.name}` on table `{step.table}`")
        index = next(i for i in self.new[step.table].indexes if i.name == step.name)
        self._insert(
            "st_index",
            index_id=0,
            table_id=self._id(step),
            index_name=step.name,
            index_algorithm=index_algorithm(self.store["st_index"].shape, index),
        )
        if index.source_name is not None:
            self._insert("st_index_accessor", index_name=step.name, accessor_name=index.source_name)

    def _add_constraint(self, step: Step) -> None:
        self.say(f"Adding constraint `{step.name}` to table `{step.table}`")
        constraint = next(c for c in self.new[step.table].constraints if c.name == step.name)
        self._insert(
            "st_constraint",
            constraint_id=0,
            constraint_name=step.name,
            table_id=self._id(step),
            constraint_data=unique_constraint(
                self.store["st_constraint"].shape, constraint.columns
            ),
        )

    def _add_sequence(self, step: Step) -> None:
        self.say(f"Adding sequence `{step.name}` to table `{step.table}`")
        table = self.new[step.table]
        position = next(i for i, s in enumerate(table.sequences) if s.name == step.name)
        sequence = self._new_sequence(table, position)
        self.store._describe_sequence(table, position, self._id(step), sequence)
        self.kept[step.table].sequences[step.name] = sequence

    def _add_schedule(self, step: Step) -> None:
        self.say(f"Adding schedule `{step.name}` to table `{step.table}`")
        self.store._describe_schedule(self.new[step.table], self._id(step))

    # -- the tables themselves ------------------------------------------------------------------

    def _replace(self, name: str) -> None:
        """Put a table of the new definition in the place of the old one, unless it is the same."""
        altered = self.kept[name]
        old, definition, shape = altered.table, self.new[name], self.shapes[name]
        if old.definition == definition and old.shape is shape:
            return
        is_new = altered.table_id != old.table_id
        sequences = [
            self._carried(altered, definition, i) for i in range(len(definition.sequences))
        ]
        code = TableCode(definition, shape)
        table = Table(definition, code, self.store.state, altered.table_id, sequences)
        if not definition.is_event:
            added = {
                column.position: _default(shape, column.position, column.default)
                for column in definition.columns[len(old.definition.columns) :]
            }
            if added or old.shape is not shape:
                table.load(make_converter(old.shape, shape, added)(old.rows.values()))
            else:
                table.load(list(old.rows.values()))
        if is_new:
            old.clear()
            self.store.state.touched.append(table)
            table.before.update(dict.fromkeys(table.rows))
        self.restructuring.put(table)

    def _carried(self, altered: _Altered, definition: TableDef, position: int) -> Sequence:
        """Return the sequence of the new table that goes on where the old one is."""
        old = altered.sequences[definition.sequences[position].name]
        sequence = self._new_sequence(definition, position, old.sequence_id)
        old.copy_into(sequence)
        return sequence

    def _new_sequence(self, definition: TableDef, position: int, sequence_id: int = 0) -> Sequence:
        declared = definition.sequences[position]
        column_type = definition.columns[declared.column].type
        return Sequence(declared, column_type, sequence_id, self.store._save_sequence)

    # -- rows of the system tables ----------------------------------------------------------------

    def _id(self, step: Step) -> int:
        return self.kept[step.table].table_id

    def _insert(self, table: str, **columns: Any) -> None:
        self.store._insert(table, **columns)

    def _rows(self, table: str, **equal: Any) -> list[Any]:
        return [
            row
            for row in self.store[table].rows.values()
            if all(getattr(row, column) == value for column, value in equal.items())
        ]

    def _delete(self, table: str, **equal: Any) -> None:
        for row in self._rows(table, **equal):
            self.store[table].delete(row)

    def _update(self, table: str, row: Any, **changes: Any) -> None:
        """Change a row of a table whose first index is unique, and not over what changes."""
        self.store[table].functions["update_0"](row.replace(**changes))

    def _undescribe(self, definition: TableDef, table_id: int) -> None:
        """Take a table out of the system tables, with all of its parts."""
        name = definition.name
        for index in self._rows("st_index", table_id=table_id):
            self._delete("st_index_accessor", index_name=index.index_name)
        for described in (
            "st_index", "st_constraint", "st_sequence", "st_scheduled", "st_event_table",
            "st_column", "st_table",
        ):  # fmt: skip
            self._delete(described, table_id=table_id)
        self._delete("st_table_accessor", table_name=name)
        self._delete("st_column_accessor", table_name=name)


def _default(shape: Record, position: int, default: bytes | None) -> Any:
    """Return the value that existing rows get in a new column."""
    assert default is not None
    return make_decoder(shape.fields[position].shape)(default, 0)[0]
