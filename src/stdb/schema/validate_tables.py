"""Validates tables: their columns, indexes, constraints, sequences and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import DecodeError
from ..types.algebraic import (
    INTEGERS,
    U8,
    U16,
    U32,
    U64,
    AlgebraicType,
    Product,
    Ref,
    display,
    is_plain_enum,
)
from ..types.check import check_bsatn
from ..types.reader import Reader
from .definition import ColumnDef, ConstraintDef, IndexDef, SequenceDef, TableDef
from .names import SYSTEM_PREFIX, constraint_name, index_name, sequence_name
from .type_rules import TYPE_SIZE_MAX, Resolved

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .draft import ConstraintDraft, IndexDraft, TableDraft
    from .raw_v10 import RawSequenceV10
    from .scope import Scope

#: How many columns a table may have: a position is a u16.
COLUMNS_MAX: Final = 65_535


def validate_table(scope: Scope, draft: TableDraft) -> TableDef | None:
    """Return the table without its schedule, or None if it is too wrong to be one.

    Notes what is wrong in `scope`. A table that is returned may be wrong too.
    """
    label = draft.source_name
    source = scope.row_product(draft.type_ref)
    if source is None:
        scope.fail(
            "InvalidProductTypeRef",
            f"table `{label}` has the invalid product_type_ref &{draft.type_ref}: "
            "there is no product type",
            label,
        )
        return None
    name = scope.canonical("Table", label)
    if not scope.identifier(name, label, label):
        return None
    scope.take(name, label)
    if name != label:
        scope.take(label, label)
    if name.startswith(SYSTEM_PREFIX) and not draft.is_system:
        scope.fail(
            "TableNameReserved",
            f"table `{label}`: names that start with `{SYSTEM_PREFIX}` are reserved for system use",
            label,
        )
    return _TableValidator(scope, draft, name, source).table()


class _TableValidator:
    """One table while it is validated.

    `names` are the canonical names of the columns, ``col_N`` where there is none: what generated
    names are made of.
    """

    def __init__(self, scope: Scope, draft: TableDraft, name: str, source: Product) -> None:
        self.scope = scope
        self.draft = draft
        self.name = name
        self.label = draft.source_name
        self.source = source
        self.names = [
            f"col_{position}" if e.name is None else scope.draft.policy.snake(e.name)
            for position, e in enumerate(source.elements)
        ]

    def table(self) -> TableDef | None:
        draft = self.draft
        columns = validate_columns(self.scope, self.label, draft.type_ref, dict(self.defaults()))
        constraints = [self.constraint(each) for each in draft.constraints]
        indexes = [self.index(each) for each in draft.indexes]
        sequences = [self.sequence(each) for each in draft.sequences]
        self.constraints_have_indexes()
        self.one_sequence_a_column()
        primary_key = self.primary_key()
        if columns is None:
            return None
        return TableDef(
            name=self.name,
            accessor_name=self.label,
            product_type_ref=draft.type_ref,
            columns=columns,
            primary_key=primary_key,
            indexes=tuple(index for index in indexes if index is not None),
            constraints=tuple(constraints),
            sequences=tuple(sequences),
            is_public=draft.is_public,
            is_system=draft.is_system,
            is_event=draft.is_event,
        )

    # ------------------------------------------------------------------------------ columns

    def fail(self, kind: str, message: str, position: int | None = None) -> None:
        column = None if position is None else self.column_label(position)
        self.scope.fail(kind, message, self.label, column)

    def column_label(self, position: int) -> str:
        return column_label(self.source, position)

    def at(self, position: int) -> str:
        return f"table `{self.label}` column `{self.column_label(position)}`"

    def name_of(self, position: int) -> str:
        return self.names[position] if position < len(self.names) else f"col_{position}"

    def names_of(self, positions: Iterable[int]) -> list[str]:
        return [self.name_of(position) for position in positions]

    def exists(self, position: int, of: str) -> bool:
        if position < len(self.names):
            return True
        self.fail(
            "ColumnNotFound",
            f"column {position} of definition `{of}` not found in table `{self.label}`",
            position,
        )
        return False

    def check_columns(self, columns: tuple[int, ...], of: str) -> bool:
        """Check the columns of an index or a constraint."""
        for position in columns:
            self.exists(position, of)
        if not columns:
            self.fail("EmptyColumns", f"`{of}` of table `{self.label}` has no columns")
        if len(set(columns)) != len(columns):
            shown = ", ".join(self.names_of(columns))
            self.fail("DuplicateColumns", f"`{of}` has duplicate columns: [{shown}]")
        return bool(columns) and all(position < len(self.names) for position in columns)

    def primary_key(self) -> int | None:
        columns = self.draft.primary_key
        if len(columns) > 1:
            self.fail(
                "RepeatedPrimaryKey",
                f"table `{self.label}` has multiple primary key annotations; it can have one",
            )
            return None
        if not columns or not self.exists(columns[0], self.label):
            return None
        position = columns[0]
        if not any(set(c.columns) == {position} for c in self.draft.constraints):
            self.fail(
                "MissingPrimaryKeyUniqueConstraint",
                f"{self.at(position)} is the primary key but has no unique constraint",
                position,
            )
        return position

    # -------------------------------------------------------------- constraints and indexes

    def constraint(self, draft: ConstraintDraft) -> ConstraintDef:
        columns = tuple(sorted(set(draft.columns)))
        name = self.constraint_name(draft)
        self.check_columns(draft.columns, name)
        self.scope.take(name, self.label)
        return ConstraintDef(name, columns)

    def constraint_name(self, draft: ConstraintDraft) -> str:
        return draft.name or constraint_name(self.name, self.names_of(draft.columns))

    def constraints_have_indexes(self) -> None:
        indexed = [set(index.columns) for index in self.draft.indexes]
        for draft in self.draft.constraints:
            if draft.columns and set(draft.columns) not in indexed:
                shown = ", ".join(self.names_of(draft.columns))
                self.fail(
                    "UniqueConstraintWithoutIndex",
                    f"unique constraint `{self.constraint_name(draft)}` on columns [{shown}] "
                    "has no index on exactly these columns",
                )

    def index(self, draft: IndexDraft) -> IndexDef | None:
        scope = self.scope
        name = draft.name or index_name(self.name, self.names_of(draft.columns), draft.algorithm)
        if scope.draft.version >= 10:
            if draft.source_name is None:
                self.fail(
                    "MissingIndexSourceName",
                    f"index `{name}` of table `{self.label}` has no source name",
                )
                return None
            name = scope.draft.explicit_names.get(("Index", draft.source_name), name)
            scope.identifier(name, table=self.label)
            if draft.accessor_name is not None:
                scope.identifier(draft.accessor_name, table=self.label)
        exist = self.check_columns(draft.columns, name)
        if exist and draft.algorithm == "direct":
            self.direct_index(name, draft.columns[0])
        scope.take(name, self.label)
        if draft.source_name is not None and draft.source_name != name:
            scope.take(draft.source_name, self.label)
        return IndexDef(
            name, draft.source_name, draft.accessor_name, draft.algorithm, draft.columns
        )

    def direct_index(self, name: str, position: int) -> None:
        type_ = self.source.elements[position].type
        types = self.scope.draft.typespace.types
        pointed = type_
        if isinstance(type_, Ref) and type_.index < len(types):
            pointed = types[type_.index]
        if type_ in (U8, U16, U32, U64) or is_plain_enum(pointed):
            return
        self.fail(
            "DirectIndexOnBadType",
            f"{self.at(position)}: direct index `{name}` does not support the type "
            f"`{display(type_)}`; it takes U8, U16, U32, U64 and enums without payload",
            position,
        )

    # ------------------------------------------------------------------------------ sequences

    def sequence(self, draft: RawSequenceV10) -> SequenceDef:
        name = draft.source_name or sequence_name(self.name, self.name_of(draft.column))
        self.scope.take(name, self.label)
        if self.exists(draft.column, name):
            self.sequence_type(name, draft.column, self.source.elements[draft.column].type)
        low, start, high = draft.min_value, draft.start, draft.max_value
        bounds = [bound for bound in (low, start, high) if bound is not None]
        if bounds != sorted(bounds):
            self.fail(
                "InvalidSequenceRange",
                f"sequence `{name}` has an invalid range: expected min ≤ start ≤ max, "
                f"got min {low}, start {start}, max {high}",
                draft.column,
            )
        if draft.increment == 0:
            self.fail(
                "InvalidSequenceRange", f"sequence `{name}` has an increment of 0", draft.column
            )
        return SequenceDef(name, draft.column, start, low, high, draft.increment)

    def sequence_type(self, name: str, position: int, type_: AlgebraicType) -> None:
        if type_ not in INTEGERS:
            self.fail(
                "InvalidSequenceColumnType",
                f"{self.at(position)} of type `{display(type_)}` is not an integer column: "
                f"sequence `{name}` cannot fill it",
                position,
            )

    def one_sequence_a_column(self) -> None:
        seen: set[int] = set()
        for draft in self.draft.sequences:
            if draft.column in seen:
                self.fail(
                    "OneAutoInc",
                    f"{self.at(draft.column)} has more than one auto_inc sequence",
                    draft.column,
                )
            seen.add(draft.column)

    # ------------------------------------------------------------------------------- defaults

    def defaults(self) -> Iterable[tuple[int, bytes]]:
        """Yield the defaults that are values of their columns, without what is behind them."""
        for position, value in self.draft.defaults:
            if not self.exists(position, self.label):
                continue
            type_ = self.source.elements[position].type
            if not isinstance(self.scope.types.resolve(type_), Resolved):
                continue  # The column itself is wrong, and reported.
            reader = Reader(value)
            try:
                check_bsatn(type_, self.scope.draft.typespace, reader)
            except DecodeError as error:
                self.fail(
                    "ColumnDefaultValueMalformed",
                    f"the default value of table `{self.label}` column {position} "
                    f"is malformed: {error}",
                    position,
                )
                continue
            yield position, value[: reader.offset]


def column_label(source: Product, position: int) -> str:
    """Return how errors call a column: its source name, or its number if it has none."""
    name = source.elements[position].name if position < len(source.elements) else None
    return str(position) if name is None else name


def validate_columns(
    scope: Scope, label: str, ref: int, defaults: dict[int, bytes]
) -> tuple[ColumnDef, ...] | None:
    """Return the columns of the row type at `ref`, of a table or view called `label`.

    None if one of them cannot be a column; what is wrong is in `scope` then.
    """
    source = scope.row_product(ref)
    converted = scope.types.converted.types[ref]
    assert source is not None
    assert isinstance(converted, Product)
    columns: list[ColumnDef] = []
    size = 0
    for position, element in enumerate(source.elements):
        column = column_label(source, position)
        if element.name is None:
            scope.fail(
                "UnnamedColumn",
                f"unnamed column {position} of table `{label}`: a column needs a name",
                label,
                column,
            )
        name = "" if element.name is None else scope.draft.policy.snake(element.name)
        fine = element.name is not None and scope.identifier(name, element.name, label, column)
        fine &= scope.check_use(f"typespace ref `&{ref}`", element.type, label, column)
        raw_type = converted.elements[position].type
        resolved = scope.types.resolve(raw_type)
        if not isinstance(resolved, Resolved):
            text = f"table `{label}` column `{column}`: {resolved.message}"
            scope.fail(resolved.kind, text, label, column)
        elif fine:
            size += resolved.size
            columns.append(
                ColumnDef(
                    name,
                    element.name or "",
                    position,
                    resolved.type,
                    raw_type,
                    defaults.get(position),
                )
            )
    if len(source.elements) > COLUMNS_MAX:
        text = f"table `{label}` has {len(source.elements)} columns; {COLUMNS_MAX} are possible"
        scope.fail("TooManyColumns", text, label)
    if size > TYPE_SIZE_MAX:
        text = f"the row type of table `{label}` has more than {TYPE_SIZE_MAX} parts"
        scope.fail("TypeTooLarge", text, label)
    _check_column_names(scope, label, columns)
    return tuple(columns) if len(columns) == len(source.elements) else None


def _check_column_names(scope: Scope, label: str, columns: list[ColumnDef]) -> None:
    seen: dict[str, ColumnDef] = {}
    for column in columns:
        first = seen.setdefault(column.name, column)
        if first is not column:
            message = f"table `{label}` has several columns named `{column.name}`"
            if (first.accessor_name, column.accessor_name) != (column.name, column.name):
                message += f" (made from `{first.accessor_name}` and `{column.accessor_name}`)"
            scope.fail("DuplicateColumnName", message, label, column.accessor_name)
