"""What in the rows of a database stands against a migration, all of it, before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..schema import Reason
from ..schema.definition import SEQUENCE_MAX
from ..types import algebraic as at
from ..types.bsatn_decode import make_decoder
from ..types.compose import Composer
from ..types.generated import shape_of_type
from ..types.keys import key_expression
from ..types.satn import satn

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from ..schema import ColumnDef, MigrationPlan, Step, TableDef
    from .store import Store
    from .table import Table

#: How many groups of rows with the same unique value an error shows.
_GROUPS_MAX: Final = 10


def find_conflicts(
    store: Store, plan: MigrationPlan, doubtful: Container[str | None] = ()
) -> list[Reason]:
    """Return what in the rows does not allow the steps of `plan`: empty when nothing does.

    Tables that are `doubtful` are not looked at.
    """
    found: list[Reason] = []
    tables = plan.new.all_tables()
    for step in plan.steps:
        if step.table in doubtful:
            continue
        if step.kind == "remove_table":
            found += _rows_left(store[step.name])
        elif step.kind == "add_constraint":
            found += _duplicates(store[step.table], tables[step.table], step)
        elif step.kind == "add_sequence":
            found += _values_in_use(store[step.table], tables[step.table], step)
    return found


def _rows_left(table: Table) -> Iterator[Reason]:
    count = len(table.rows)
    if count:
        rows = "1 row" if count == 1 else f"{count:,} rows"
        yield Reason(
            "TableNotEmpty",
            f"table {table.name!r} cannot be removed while it holds {rows}; delete them first",
            table.name,
        )


def _duplicates(table: Table, after: TableDef, step: Step) -> Iterator[Reason]:
    """Look for rows that a new unique constraint does not allow."""
    constraint = next(c for c in after.constraints if c.name == step.name)
    # A new column holds the same value in every row.
    columns = [p for p in constraint.columns if p < len(table.shape.fields)]
    key_of = _key_of(table, columns)
    groups: dict[Any, list[Any]] = {}
    for row in table.rows.values():
        groups.setdefault(key_of(row), []).append(row)
    twice = [rows for rows in groups.values() if len(rows) > 1]
    if not twice:
        return
    fields = [table.shape.fields[p] for p in columns]
    shown = [
        ", ".join(satn(f.shape, getattr(rows[0], f.attribute)) for f in fields)
        + f" ({len(rows)} rows)"
        for rows in twice[:_GROUPS_MAX]
    ]
    more = f", and {len(twice) - _GROUPS_MAX} values more" if len(twice) > _GROUPS_MAX else ""
    names = ", ".join(repr(after.columns[p].name) for p in constraint.columns)
    yield Reason(
        "DuplicateRows",
        f"table {table.name!r}: {names} cannot be unique, for rows share: {'; '.join(shown)}{more}",
        table.name,
        after.columns[constraint.columns[0]].name,
    )


def _key_of(table: Table, columns: list[int]) -> Callable[[Any], Any]:
    """Return the generated function ``row -> key`` of some columns."""
    c = Composer()
    fields = [table.shape.fields[p] for p in columns]
    keys = "".join(f"{key_expression(c, f.shape, f'row.{f.attribute}')}, " for f in fields)
    c.add(["def key_of(row):", f"    return ({keys})"])
    key_of: Callable[[Any], Any] = c.run(f"duplicates of {table.name}")["key_of"]
    return key_of


def _values_in_use(table: Table, after: TableDef, step: Step) -> Iterator[Reason]:
    """Look for values that a new sequence could give again."""
    sequence = next(s for s in after.sequences if s.name == step.name)
    column = after.columns[sequence.column]
    low, high = _range(column)
    low = max(low, 1 if sequence.min_value is None else sequence.min_value)
    high = min(high, SEQUENCE_MAX if sequence.max_value is None else sequence.max_value)
    used = sorted({value for value in _values(table, column) if low <= value <= high})
    if used:
        shown = ", ".join(map(str, used[:3])) + (", …" if len(used) > 3 else "")
        yield Reason(
            "SequenceInUse",
            f"table {table.name!r}: column {column.name!r} cannot count up from here: rows hold "
            f"values that would come again ({shown}); move the rows to a new table",
            table.name,
            column.name,
        )


def _range(column: ColumnDef) -> tuple[int, int]:
    bits, signed = at.INTEGERS[column.type]
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def _values(table: Table, column: ColumnDef) -> Iterator[int]:
    fields = table.shape.fields
    if column.position < len(fields):
        attribute = fields[column.position].attribute
        for row in table.rows.values():
            yield getattr(row, attribute)
    elif table.rows:
        assert column.default is not None
        yield make_decoder(shape_of_type(column.type))(column.default, 0)[0]
