"""A table: its rows, its indexes, and what the present transaction changed in it.

Invariants, which `Table.check` proves:

* ``rows`` maps the key of the main index to the row; in a table without a unique index it maps
  the row to itself, since a table never holds two equal rows.
* Every index holds exactly the rows of ``rows``.
* Every row is exact (see `stdb.types.exact`) and decodes from its own encoding.
* ``before`` is empty outside a transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..errors import (
    ConstraintViolation,
    InternalError,
    RowNotFound,
    ScheduleTooLong,
    TransactionError,
    TypeMismatch,
    UniqueConstraintViolation,
    UsageError,
    shorten,
    unknown_name,
)  # fmt: skip
from ..types.exact import Inexact, exact, mismatch, other_class_hint
from ..types.satn import satn
from .changes import TableChanges
from .index import Index, UniqueMap
from .scan import OpenScans
from .sequence import Sequence
from .table_code import TableCode

#: How far ahead a call may be scheduled, in milliseconds.
SCHEDULE_MILLIS_MAX: Final = 2**36 - 1

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..schema import TableDef
    from ..types.shapes import Field, Record
    from ..types.values import ScheduleAt
    from .state import State


class Table:
    """One table of a store.

    Attributes
    ----------
    definition : TableDef
        What the module says of it.
    shape : Record
        Its rows.
    table_id : int
        Its number in ``st_table``.
    rows : dict
        ``main key -> row``.
    before : dict
        ``main key -> row or None`` as it was when the present transaction began, for every key
        that the transaction touched: what undoing takes, and what net changes are told from.
    finish : callable or None
        What a commit does with the table beside forgetting `before`. Can be called again.
    is_view : bool
        Whether it is a `ViewTable`.
    is_ephemeral : bool
        Whether its rows are in no log.
    hidden : int
        How many columns in front nobody sees.
    shown : Record
        The rows as readers see them.
    reveal : callable or None
        ``row -> row as readers see it``; None when it is the row itself.
    """

    __slots__ = (
        "__weakref__", "add", "before", "code", "column_keys", "decode", "definition", "delete",
        "encode", "finish", "functions", "hidden", "indexes", "insert", "insert_many",
        "is_ephemeral", "is_event", "is_view", "main_key_of", "name", "remove", "reveal", "rows",
        "scans", "sequences", "shape", "shown", "state", "table_id",
    )  # fmt: skip

    def __init__(
        self,
        definition: TableDef,
        code: TableCode,
        state: State,
        table_id: int,
        sequences: list[Sequence],
    ) -> None:
        self.definition = definition
        self.name = definition.name
        self.code = code
        self.shape: Record = code.plan.shape
        self.state = state
        self.table_id = table_id
        self.sequences = sequences
        plan = code.plan
        maps: list[dict[Any, Any]] = [
            UniqueMap(self, i, code.fits[i]) if plan.finds_by_value(i) else {}
            for i in range(len(plan.unique))
        ]
        self.rows: dict[Any, Any] = {} if plan.main is None else maps[plan.main]
        self.before: dict[Any, Any] = state.new_before(self)
        self.scans = OpenScans(self.tear)
        self.is_event = definition.is_event
        self.finish: Callable[[], None] | None = self.forget_events if self.is_event else None
        self.is_view = False
        self.is_ephemeral = False
        self.hidden = 0
        self.shown = self.shape
        self.reveal: Callable[[Any], Any] | None = None
        self.indexes: list[Index] = []
        self.column_keys: dict[str, Callable[[Any], Any]] = {}
        self.encode, self.decode = code.encode, code.decode
        self._bind(maps)

    def _bind(self, maps: list[dict[Any, Any]]) -> None:
        plan = self.code.plan
        noted: list[set[Any]] = []
        by_column = {sequence.column: sequence for sequence in self._sequence_columns()}
        functions = self.code.bind(
            table=self,
            state=self.state,
            rows=self.rows,
            before=self.before,
            scans=self.scans,
            touched=self.state.touched,
            maps=maps,
            noted=noted,
            indexes=self.indexes,
            next_values=[by_column[p].next for p in sorted(by_column)],
        )
        self.main_key_of: Callable[[Any], Any] = functions["main_key_of"]
        for i, index in enumerate(self.definition.indexes):
            made = Index(
                index,
                unique=plan.unique[i],
                is_main=i == plan.main,
                map_=maps[i],
                key_of=functions[f"key_of_{i}"],
                main_key_of=self.main_key_of,
            )
            self.indexes.append(made)
            noted.append(made.noted)
        self.insert: Callable[..., Any] = functions["insert"]
        self.insert_many: Callable[..., int] = functions["insert_many"]
        self.delete: Callable[[Any], bool] = functions["delete"]
        self.remove: Callable[[Any, Any], None] = functions["remove"]
        self.add: Callable[[Any], None] = functions["add"]
        self.functions = functions

    def _sequence_columns(self) -> Iterator[_ColumnSequence]:
        for definition, sequence in zip(self.definition.sequences, self.sequences, strict=True):
            yield _ColumnSequence(definition.column, sequence.next)

    def __repr__(self) -> str:
        return f"<table {self.name!r}, {len(self.rows)} rows>"

    def __len__(self) -> int:
        return len(self.rows)

    # -- reading ------------------------------------------------------------------------------

    def scan(self) -> Iterator[Any]:
        """Return the rows as they are now, whatever changes while they are read."""
        return self.scans.begin(iter(self.rows.values()))

    # -- changes that the generated functions leave to plain code -------------------------------

    def clear(self) -> int:
        """Take away every row, and return how many there were."""
        self.state.check_writer(self.name)
        count = len(self.rows)
        if not count:
            return 0
        self.scans.detach()
        if not self.before:
            self.state.touched.append(self)
        for key, row in self.rows.items():
            self.before.setdefault(key, row)
        if self.state.torn is not None:
            self.state.refuse_torn()
        self.state.torn = self
        self.rows.clear()
        for index in self.indexes:
            index.rebuild(())
        self.state.torn = None
        return count

    def move(self, key: Any, old: Any, row: Any) -> Any:
        """Put the checked `row` in the place of `old`, whose main key is another one: `key`."""
        try:
            self.remove(key, old)
            self.add(row)
        except BaseException:
            self.tear()
            raise
        return row

    def remove_each(self, rows: list[Any]) -> None:
        """Take away rows that are there."""
        try:
            for row in rows:
                self.remove(self.main_key_of(row), row)
        except BaseException:
            self.tear()
            raise

    def tear(self) -> None:
        """Note that an interrupt left a change half done, so that the transaction cannot commit."""
        self.state.tear(self)

    def insert_each(self, new: list[Any]) -> int:
        """Insert every row of `new`, or, when one of them is refused, none."""
        count = len(self.rows)
        added: list[Any] = []
        try:
            for row in new:
                before = len(self.rows)
                inserted = self.insert(row)
                if len(self.rows) > before:
                    added.append(inserted)
        except Exception:
            self.remove_each(added)
            raise
        except BaseException:
            self.tear()
            raise
        return len(self.rows) - count

    # -- arguments that do not fit ----------------------------------------------------------------

    def refuse_write(self) -> None:
        """Raise the error for a write that no transaction of this thread covers."""
        self.state.refuse_write(self.name)

    def take(self, row: Any, columns: dict[str, Any]) -> Any:
        """Return the row to insert, from a row or from keywords, or say why there is none."""
        cls = self.shape.cls
        wanted = f"{'an' if cls.__name__[0] in 'AEIOU' else 'a'} {cls.__name__}"
        if columns:
            if row is not None:
                raise UsageError(
                    f"table {self.name!r}: insert takes a row or its columns, not both"
                )
            return self._from_columns(columns)
        if row is None:
            raise UsageError(f"table {self.name!r}: insert needs {wanted} or its columns")
        hint = other_class_hint(self.shape, row) or f"make it with {cls.__name__}(…)"
        tables = getattr(type(row), "__stdb_tables__", [])
        if tables and self.name not in tables:
            hint = f"rows of {type(row).__name__} are for table {' and '.join(map(repr, tables))}"
        raise TypeMismatch(
            f"table {self.name!r}: expected {wanted}, "
            f"got {type(row).__name__} {shorten(row)} ({hint})",
            table=self.name,
            expected=wanted,
            got=row,
        )

    def _from_columns(self, columns: dict[str, Any]) -> Any:
        known = [field.attribute for field in self.shape.fields]
        for name in columns:
            if name not in known:
                raise unknown_name("column", name, known, f" in table {self.name!r}")
        try:
            return self.shape.cls(**columns)
        except TypeMismatch:
            raise
        except TypeError:
            needed = msgspec.structs.fields(self.shape.cls)
            missing = [f.name for f in needed if f.required and f.name not in columns]
            if not missing:
                raise
            raise UsageError(
                f"table {self.name!r}: column{'s' * (len(missing) > 1)} not given: "
                f"{', '.join(missing)}"
            ) from None

    def check_delay(self, at: ScheduleAt) -> None:
        """Raise `ScheduleTooLong` if the time of a scheduled row is too far away."""
        now = self.state.now
        if now is None:
            return
        micros = at.moment.micros
        delay = abs(micros) if at.interval is not None else micros - now()
        if delay // 1000 >= SCHEDULE_MILLIS_MAX:
            raise ScheduleTooLong(
                f"table {self.name!r}: a call may be scheduled {SCHEDULE_MILLIS_MAX:,} ms ahead at "
                f"most (some 2.18 years), and this is {delay // 1000:,} ms; schedule a nearer one "
                "that schedules the next",
                table=self.name,
                delay_micros=delay,
            )

    def refuse_single(self) -> None:
        """Raise the error for one row where many are expected: it would be taken for its values."""
        raise UsageError(
            f"table {self.name!r}: insert_many takes several rows, as a list; insert(row) takes one"
        )

    def mend(self, row: Any) -> Any:
        """Return `row` with exact values, or raise `TypeMismatch` for the first that cannot be."""
        return mend_row(self.shape, row, self.name)

    def mend_key(self, index: int, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return look-up values of an index as exact ones, or raise `TypeMismatch`."""
        fields = [self.shape.fields[p] for p in self.indexes[index].definition.columns]
        return tuple(
            self.mend_value(field, value) for field, value in zip(fields, values, strict=True)
        )

    def mend_value(self, field: Field, value: Any) -> Any:
        """Return a value of one column as an exact one, or raise `TypeMismatch`."""
        try:
            return exact(field.shape, value)
        except Inexact as error:
            raise mismatch(error, self.name, field.attribute) from None

    def refuse_key(self, index: int, values: tuple[Any, ...]) -> None:
        """Raise the error for the wrong number of look-up values."""
        columns = [self.shape.fields[p].attribute for p in self.indexes[index].definition.columns]
        raise UsageError(
            f"table {self.name!r}: this index takes {len(columns)} values "
            f"({', '.join(columns)}), got {len(values)}"
        )

    def violation(self, row: Any, replaced: Any = None) -> ConstraintViolation:
        """Return the error for the first unique constraint that `row` would violate."""
        for index in self.indexes:
            if not index.unique:
                continue
            held = index.map.get(index.key_of(row))
            if held is not None and held is not replaced:
                return self._violation_of(index, row)
        return ConstraintViolation(f"table {self.name!r}: {row!r} violates a constraint")

    def _violation_of(self, index: Index, row: Any) -> UniqueConstraintViolation:
        fields = [self.shape.fields[p] for p in index.definition.columns]
        values = tuple(getattr(row, field.attribute) for field in fields)
        names = tuple(str(field.name) for field in fields)
        shown = ", ".join(
            satn(field.shape, value) for field, value in zip(fields, values, strict=True)
        )
        constraint = next(
            c.name
            for c in self.definition.constraints
            if c.columns == tuple(sorted(index.definition.columns))
        )
        return UniqueConstraintViolation(
            f"unique constraint {constraint!r} of table {self.name!r} violated: there is already "
            f"a row with ({', '.join(names)}) = ({shown})",
            table=self.name,
            constraint=constraint,
            columns=names,
            value=values[0] if len(values) == 1 else values,
        )

    def not_found(self, index: int, row: Any) -> RowNotFound:
        """Return the error for an update whose key is not there."""
        fields = [self.shape.fields[p] for p in self.indexes[index].definition.columns]
        values = tuple(getattr(row, field.attribute) for field in fields)
        shown = ", ".join(f"{f.name} = {v!r}" for f, v in zip(fields, values, strict=True))
        return RowNotFound(
            f"table {self.name!r}: no row with {shown} to update; insert it, or use "
            "insert_or_update",
            table=self.name,
            value=values[0] if len(values) == 1 else values,
        )

    # -- ending a transaction -----------------------------------------------------------------

    def net_changes(self) -> TableChanges | None:
        """Return the net effect of the present transaction on the table, or None."""
        inserts, deletes = [], []
        current = self.rows.get
        for key, old in self.before.items():
            new = current(key)
            if new is old or new == old:
                continue
            if old is not None:
                deletes.append(old)
            if new is not None:
                inserts.append(new)
        if not inserts and not deletes:
            return None
        return TableChanges(self, tuple(inserts), tuple(deletes), not inserts and not self.rows)

    def forget_events(self) -> None:
        """Drop the rows of an event table: its transaction is over."""
        self.scans.detach()
        self.erase()

    def undo(self) -> None:
        """Put everything back as it was. Can be done again from its middle."""
        self.scans.detach()
        rows = self.rows
        if self.state.torn is self:
            for key, old in self.before.items():
                if old is None:
                    rows.pop(key, None)
                else:
                    rows[key] = old
            for index in self.indexes:
                index.rebuild(rows.values())
            self.state.torn = None
        others = [index for index in self.indexes if not index.is_main]
        main = next((index for index in self.indexes if index.is_main), None)
        for key, old in self.before.items():
            current = rows.get(key)
            if current is old:
                continue
            if main is not None and main.ordered:
                main.noted.add(key)
            if current is not None:
                for index in others:
                    index.discard(current)
                del rows[key]
            if old is not None:
                for index in others:
                    index.add(old)
                rows[key] = old
        self.before.clear()

    # -- whole tables ---------------------------------------------------------------------------

    def erase(self) -> None:
        """Forget all rows of a table that nobody uses yet."""
        self.rows.clear()
        for index in self.indexes:
            index.rebuild(())

    def load(self, rows: list[Any]) -> None:
        """Take the place of all rows of a table that nobody uses yet; the rows are exact.

        Raises
        ------
        ConstraintViolation
            Two of them have the same unique key.
        """
        self.erase()
        self.rows.update(self.functions["by_main_key"](rows))
        for index in self.indexes:
            index.rebuild(rows)
        for index in self.indexes:
            if index.unique and len(index.map) != len(rows):
                raise ConstraintViolation(
                    f"table {self.name!r}: {len(rows) - len(index.map)} rows more than the unique "
                    f"index {index.definition.name!r} can hold"
                )

    def copy_into(self, other: Table) -> None:
        """Give `other`, an empty table of the same definition, the same rows and sequences."""
        other.rows.update(self.rows)
        for mine, theirs in zip(self.indexes, other.indexes, strict=True):
            mine.copy_into(theirs)
        for sequence, copied in zip(self.sequences, other.sequences, strict=True):
            sequence.copy_into(copied)

    def check(self) -> None:
        """Raise `InternalError` unless every invariant of the module's docstring holds."""
        for key, row in self.rows.items():
            if self.main_key_of(row) != key:
                raise InternalError(f"table {self.name!r}: {row!r} lies under {key!r}")
            if self.mend(row) != row:
                raise InternalError(f"table {self.name!r}: {row!r} is not exact")
            encoded = self.encode(row)
            if self.encode(self.decode(encoded, 0)[0]) != encoded:
                raise InternalError(f"table {self.name!r}: {row!r} does not decode as itself")
        for index in self.indexes:
            index.check(self.rows)
        if self.before and self.state.thread is None:
            raise InternalError(f"table {self.name!r} remembers a transaction that is over")


class _ColumnSequence:
    __slots__ = ("column", "next")

    def __init__(self, column: int, next_: Callable[[], int]) -> None:
        self.column = column
        self.next = next_


def mend_row(shape: Record, row: Any, table: str) -> Any:
    """Return `row` with exact values, or raise `TypeMismatch` for the first that cannot be."""
    mended = {}
    for field in shape.fields:
        value = getattr(row, field.attribute)
        try:
            mended[field.attribute] = exact(field.shape, value)
        except Inexact as error:
            raise mismatch(error, table, field.attribute) from None
    return shape.cls(**mended)


__all__ = ["Table", "TransactionError", "mend_row"]
