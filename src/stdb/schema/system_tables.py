"""The system tables: tables of the database that describe its tables.

Every database has these twenty, under ids that never change. `SYSTEM_TABLES` has them as ordinary
definitions, each with the fixed ids of the table, its indexes, constraints and sequences.

Identities and connection ids are stored as plain integers here, and types as their BSATN.

Source: SpacetimeDB documentation, "System tables", 2.8.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from ..types.algebraic import (
    BOOL,
    BYTES,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    I128,
    STRING,
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    AlgebraicType,
    Array,
    Product,
    Sum,
    Typespace,
    option,
    product,
    sum_of,
)
from .definition import ColumnDef, ConstraintDef, IndexDef, SequenceDef, TableDef
from .names import constraint_name, index_name, sequence_name

#: The first id of a table, index, constraint, sequence, schedule or view that a module declares.
FIRST_USER_ID: Final = 4096
#: Where the sequences of the system tables are said to start, though `FIRST_USER_ID` comes first:
#: their rows are made with that value allocated, and the allocated one counts.
SYSTEM_SEQUENCE_START: Final = 4097

ST_TABLE_ID: Final = 1
ST_COLUMN_ID: Final = 2
ST_SEQUENCE_ID: Final = 3
ST_INDEX_ID: Final = 4
ST_CONSTRAINT_ID: Final = 5
ST_MODULE_ID: Final = 6
ST_CLIENT_ID: Final = 7
ST_VAR_ID: Final = 8
ST_SCHEDULED_ID: Final = 9
ST_ROW_LEVEL_SECURITY_ID: Final = 10
ST_CONNECTION_CREDENTIALS_ID: Final = 11
ST_VIEW_ID: Final = 12
ST_VIEW_PARAM_ID: Final = 13
ST_VIEW_COLUMN_ID: Final = 14
ST_VIEW_SUB_ID: Final = 15
ST_VIEW_ARG_ID: Final = 16
ST_EVENT_TABLE_ID: Final = 17
ST_TABLE_ACCESSOR_ID: Final = 18
ST_INDEX_ACCESSOR_ID: Final = 19
ST_COLUMN_ACCESSOR_ID: Final = 20

#: Positions of columns, in order; as a set they are ascending and without duplicates.
COL_LIST: Final = Array(U16)
#: What kind of index over which columns.
ST_INDEX_ALGORITHM: Final[Sum] = sum_of(
    Unused=U128,
    BTree=product(columns=COL_LIST),
    Direct=product(column=U16),
    Hash=product(columns=COL_LIST),
)
#: What a constraint says of which columns.
ST_CONSTRAINT_DATA: Final[Sum] = sum_of(Unused=U128, Unique=product(columns=COL_LIST))
#: The value of a variable.
ST_VAR_VALUE: Final[Sum] = sum_of(
    Bool=BOOL, I8=I8, U8=U8, I16=I16, U16=U16, I32=I32, U32=U32, I64=I64, U64=U64, I128=I128,
    U128=U128, F32=F32, F64=F64, String=STRING,
)  # fmt: skip

_Columns: TypeAlias = tuple[str, ...]


class SystemTable(msgspec.Struct, frozen=True):
    """A system table and its ids, which are in the order of the definition's parts.

    Attributes
    ----------
    table_id : int
    definition : TableDef
        Its `product_type_ref` is a position in `SYSTEM_TYPESPACE`.
    index_ids, constraint_ids, sequence_ids : tuple of int
    is_ephemeral : bool
        Whether its rows are never written to a log or snapshot.
    """

    table_id: int
    definition: TableDef
    index_ids: tuple[int, ...]
    constraint_ids: tuple[int, ...]
    sequence_ids: tuple[int, ...] = ()
    is_ephemeral: bool = False


class _Spec(msgspec.Struct, frozen=True, kw_only=True):
    """A system table in short: columns by name, ids beside what they are of."""

    table_id: int
    name: str
    columns: dict[str, AlgebraicType]
    primary_key: str | None = None
    auto_inc: int | None = None
    uniques: dict[_Columns, int] = {}
    indexes: dict[_Columns, int] = {}
    is_public: bool = True
    is_ephemeral: bool = False


_SPECS: Final = (
    _Spec(
        table_id=ST_TABLE_ID,
        name="st_table",
        columns={
            "table_id": U32,
            "table_name": STRING,
            "table_type": STRING,
            "table_access": STRING,
            "table_primary_key": option(COL_LIST),
        },
        primary_key="table_id",
        auto_inc=1,
        uniques={("table_id",): 1, ("table_name",): 2},
        indexes={("table_id",): 1, ("table_name",): 2},
    ),
    _Spec(
        table_id=ST_COLUMN_ID,
        name="st_column",
        columns={"table_id": U32, "col_pos": U16, "col_name": STRING, "col_type": BYTES},
        uniques={("table_id", "col_pos"): 3},
        indexes={("table_id", "col_pos"): 3},
    ),
    _Spec(
        table_id=ST_SEQUENCE_ID,
        name="st_sequence",
        columns={
            "sequence_id": U32,
            "sequence_name": STRING,
            "table_id": U32,
            "col_pos": U16,
            "increment": I128,
            "start": I128,
            "min_value": I128,
            "max_value": I128,
            "allocated": I128,
        },
        primary_key="sequence_id",
        auto_inc=5,
        uniques={("sequence_id",): 4},
        indexes={("sequence_id",): 4},
    ),
    _Spec(
        table_id=ST_INDEX_ID,
        name="st_index",
        columns={
            "index_id": U32,
            "table_id": U32,
            "index_name": STRING,
            "index_algorithm": ST_INDEX_ALGORITHM,
        },
        primary_key="index_id",
        auto_inc=2,
        uniques={("index_id",): 5},
        indexes={("index_id",): 5},
    ),
    _Spec(
        table_id=ST_CONSTRAINT_ID,
        name="st_constraint",
        columns={
            "constraint_id": U32,
            "constraint_name": STRING,
            "table_id": U32,
            "constraint_data": ST_CONSTRAINT_DATA,
        },
        primary_key="constraint_id",
        auto_inc=3,
        uniques={("constraint_id",): 6},
        indexes={("constraint_id",): 6},
    ),
    _Spec(
        table_id=ST_MODULE_ID,
        name="st_module",
        columns={
            "database_identity": U256,
            "owner_identity": U256,
            "program_kind": U8,
            "program_hash": U256,
            "program_bytes": BYTES,
            "module_version": STRING,
        },
    ),
    _Spec(
        table_id=ST_CLIENT_ID,
        name="st_client",
        columns={"identity": U256, "connection_id": U128},
        uniques={("identity", "connection_id"): 7},
        indexes={("identity", "connection_id"): 7},
    ),
    _Spec(
        table_id=ST_VAR_ID,
        name="st_var",
        columns={"name": STRING, "value": ST_VAR_VALUE},
        primary_key="name",
        uniques={("name",): 8},
        indexes={("name",): 8},
    ),
    _Spec(
        table_id=ST_SCHEDULED_ID,
        name="st_scheduled",
        columns={
            "schedule_id": U32,
            "table_id": U32,
            "reducer_name": STRING,
            "schedule_name": STRING,
            "at_column": U16,
        },
        primary_key="schedule_id",
        auto_inc=4,
        uniques={("schedule_id",): 9, ("table_id",): 10},
        indexes={("schedule_id",): 9, ("table_id",): 10},
    ),
    _Spec(
        table_id=ST_ROW_LEVEL_SECURITY_ID,
        name="st_row_level_security",
        columns={"table_id": U32, "sql": STRING},
        primary_key="sql",
        uniques={("sql",): 11},
        indexes={("table_id",): 11, ("sql",): 12},
    ),
    _Spec(
        table_id=ST_CONNECTION_CREDENTIALS_ID,
        name="st_connection_credentials",
        columns={"connection_id": U128, "jwt_payload": STRING},
        primary_key="connection_id",
        uniques={("connection_id",): 12},
        indexes={("connection_id",): 13},
        is_public=False,
    ),
    _Spec(
        table_id=ST_VIEW_ID,
        name="st_view",
        columns={
            "view_id": U32,
            "view_name": STRING,
            "table_id": option(U32),
            "is_public": BOOL,
            "is_anonymous": BOOL,
        },
        primary_key="view_id",
        auto_inc=6,
        uniques={("view_id",): 13, ("view_name",): 14},
        indexes={("view_id",): 14, ("view_name",): 15},
    ),
    _Spec(
        table_id=ST_VIEW_PARAM_ID,
        name="st_view_param",
        columns={"view_id": U32, "param_pos": U16, "param_name": STRING, "param_type": BYTES},
        uniques={("view_id", "param_pos"): 15},
        indexes={("view_id", "param_pos"): 16},
    ),
    _Spec(
        table_id=ST_VIEW_COLUMN_ID,
        name="st_view_column",
        columns={"view_id": U32, "col_pos": U16, "col_name": STRING, "col_type": BYTES},
        uniques={("view_id", "col_pos"): 16},
        indexes={("view_id", "col_pos"): 17},
    ),
    _Spec(
        table_id=ST_VIEW_SUB_ID,
        name="st_view_sub",
        columns={
            "view_id": U32,
            "arg_id": U64,
            "identity": U256,
            "num_subscribers": U64,
            "has_subscribers": BOOL,
            "last_called": I64,
        },
        indexes={
            ("identity",): 18,
            ("has_subscribers",): 19,
            ("view_id", "arg_id", "identity"): 20,
        },
        is_ephemeral=True,
    ),
    _Spec(
        table_id=ST_VIEW_ARG_ID,
        name="st_view_arg",
        columns={"id": U64, "bytes": BYTES},
        primary_key="id",
        auto_inc=7,
        uniques={("id",): 17, ("bytes",): 18},
        indexes={("id",): 21, ("bytes",): 22},
        is_ephemeral=True,
    ),
    _Spec(
        table_id=ST_EVENT_TABLE_ID,
        name="st_event_table",
        columns={"table_id": U32},
        primary_key="table_id",
        uniques={("table_id",): 19},
        indexes={("table_id",): 23},
    ),
    _Spec(
        table_id=ST_TABLE_ACCESSOR_ID,
        name="st_table_accessor",
        columns={"table_name": STRING, "accessor_name": STRING},
        uniques={("table_name",): 20, ("accessor_name",): 21},
        indexes={("table_name",): 24, ("accessor_name",): 25},
    ),
    _Spec(
        table_id=ST_INDEX_ACCESSOR_ID,
        name="st_index_accessor",
        columns={"index_name": STRING, "accessor_name": STRING},
        uniques={("index_name",): 22, ("accessor_name",): 23},
        indexes={("index_name",): 26, ("accessor_name",): 27},
    ),
    _Spec(
        table_id=ST_COLUMN_ACCESSOR_ID,
        name="st_column_accessor",
        columns={"table_name": STRING, "col_name": STRING, "accessor_name": STRING},
        uniques={("table_name", "col_name"): 24, ("table_name", "accessor_name"): 25},
        indexes={("table_name", "col_name"): 28, ("table_name", "accessor_name"): 29},
    ),
)


def _system_table(position: int, spec: _Spec) -> SystemTable:
    names = list(spec.columns)

    def positions(columns: _Columns) -> tuple[int, ...]:
        return tuple(names.index(column) for column in columns)

    sequences: tuple[SequenceDef, ...] = ()
    if spec.auto_inc is not None:
        assert spec.primary_key is not None
        name = sequence_name(spec.name, spec.primary_key)
        column = names.index(spec.primary_key)
        sequences = (SequenceDef(name, column, SYSTEM_SEQUENCE_START),)
    definition = TableDef(
        name=spec.name,
        accessor_name=spec.name,
        product_type_ref=position,
        columns=tuple(
            ColumnDef(column, column, position, type_, type_)
            for position, (column, type_) in enumerate(spec.columns.items())
        ),
        primary_key=None if spec.primary_key is None else names.index(spec.primary_key),
        indexes=tuple(
            IndexDef(
                index_name(spec.name, columns, "btree"), None, None, "btree", positions(columns)
            )
            for columns in spec.indexes
        ),
        constraints=tuple(
            ConstraintDef(constraint_name(spec.name, columns), positions(columns))
            for columns in spec.uniques
        ),
        sequences=sequences,
        is_public=spec.is_public,
        is_system=True,
    )
    return SystemTable(
        table_id=spec.table_id,
        definition=definition,
        index_ids=tuple(spec.indexes.values()),
        constraint_ids=tuple(spec.uniques.values()),
        sequence_ids=() if spec.auto_inc is None else (spec.auto_inc,),
        is_ephemeral=spec.is_ephemeral,
    )


#: The system tables, by ascending id.
SYSTEM_TABLES: Final = tuple(_system_table(position, spec) for position, spec in enumerate(_SPECS))
#: Their row types.
SYSTEM_TYPESPACE: Final = Typespace(
    tuple[Product, ...](system.definition.row_type for system in SYSTEM_TABLES)
)
