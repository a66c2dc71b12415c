"""The system tables, checked against their published description."""

import pytest

from stdb.schema import ConstraintDef, IndexDef, SystemTable
from stdb.schema.system_tables import FIRST_USER_ID, SYSTEM_TABLES, SYSTEM_TYPESPACE
from stdb.types.algebraic import display

# id | name | columns | primary key | unique: id | index: id
PUBLISHED = """
1|st_table|table_id U32, table_name String, table_type String, table_access String, table_primary_key (some: Array<U16> | none: ())|table_id|table_id 1; table_name 2|table_id 1; table_name 2
2|st_column|table_id U32, col_pos U16, col_name String, col_type Array<U8>||table_id,col_pos 3|table_id,col_pos 3
3|st_sequence|sequence_id U32, sequence_name String, table_id U32, col_pos U16, increment I128, start I128, min_value I128, max_value I128, allocated I128|sequence_id|sequence_id 4|sequence_id 4
4|st_index|index_id U32, table_id U32, index_name String, index_algorithm ALGORITHM|index_id|index_id 5|index_id 5
5|st_constraint|constraint_id U32, constraint_name String, table_id U32, constraint_data CONSTRAINT|constraint_id|constraint_id 6|constraint_id 6
6|st_module|database_identity U256, owner_identity U256, program_kind U8, program_hash U256, program_bytes Array<U8>, module_version String|||
7|st_client|identity U256, connection_id U128||identity,connection_id 7|identity,connection_id 7
8|st_var|name String, value VALUE|name|name 8|name 8
9|st_scheduled|schedule_id U32, table_id U32, reducer_name String, schedule_name String, at_column U16|schedule_id|schedule_id 9; table_id 10|schedule_id 9; table_id 10
10|st_row_level_security|table_id U32, sql String|sql|sql 11|table_id 11; sql 12
11|st_connection_credentials|connection_id U128, jwt_payload String|connection_id|connection_id 12|connection_id 13
12|st_view|view_id U32, view_name String, table_id (some: U32 | none: ()), is_public Bool, is_anonymous Bool|view_id|view_id 13; view_name 14|view_id 14; view_name 15
13|st_view_param|view_id U32, param_pos U16, param_name String, param_type Array<U8>||view_id,param_pos 15|view_id,param_pos 16
14|st_view_column|view_id U32, col_pos U16, col_name String, col_type Array<U8>||view_id,col_pos 16|view_id,col_pos 17
15|st_view_sub|view_id U32, arg_id U64, identity U256, num_subscribers U64, has_subscribers Bool, last_called I64|||identity 18; has_subscribers 19; view_id,arg_id,identity 20
16|st_view_arg|id U64, bytes Array<U8>|id|id 17; bytes 18|id 21; bytes 22
17|st_event_table|table_id U32|table_id|table_id 19|table_id 23
18|st_table_accessor|table_name String, accessor_name String||table_name 20; accessor_name 21|table_name 24; accessor_name 25
19|st_index_accessor|index_name String, accessor_name String||index_name 22; accessor_name 23|index_name 26; accessor_name 27
20|st_column_accessor|table_name String, col_name String, accessor_name String||table_name,col_name 24; table_name,accessor_name 25|table_name,col_name 28; table_name,accessor_name 29
"""  # noqa: E501
SUMS = {
    "ALGORITHM": "(Unused: U128 | BTree: (columns: Array<U16>) | Direct: (column: U16) "
    "| Hash: (columns: Array<U16>))",
    "CONSTRAINT": "(Unused: U128 | Unique: (columns: Array<U16>))",
    "VALUE": "(Bool: Bool | I8: I8 | U8: U8 | I16: I16 | U16: U16 | I32: I32 | U32: U32 | I64: I64"
    " | U64: U64 | I128: I128 | U128: U128 | F32: F32 | F64: F64 | String: String)",
}
SEQUENCES = {
    "st_table_table_id_seq": 1,
    "st_index_index_id_seq": 2,
    "st_constraint_constraint_id_seq": 3,
    "st_scheduled_schedule_id_seq": 4,
    "st_sequence_sequence_id_seq": 5,
    "st_view_view_id_seq": 6,
    "st_view_arg_id_seq": 7,
}


def published(position: int) -> list[str]:
    line = PUBLISHED.strip().splitlines()[position]
    for name, type_ in SUMS.items():
        line = line.replace(name, type_.replace("|", "¦"))
    line = line.replace("(some: Array<U16> | none", "(some: Array<U16> ¦ none")
    line = line.replace("(some: U32 | none", "(some: U32 ¦ none")
    return [part.replace("¦", "|") for part in line.split("|")]


def with_ids(
    system: SystemTable, parts: tuple[IndexDef | ConstraintDef, ...], ids: tuple[int, ...]
) -> str:
    columns = [column.name for column in system.definition.columns]
    return "; ".join(
        f"{','.join(columns[position] for position in part.columns)} {id_}"
        for part, id_ in zip(parts, ids, strict=True)
    )


def test_there_are_twenty_in_the_order_of_their_ids() -> None:
    assert [system.table_id for system in SYSTEM_TABLES] == list(range(1, 21))


@pytest.mark.parametrize("position", range(20), ids=[s.definition.name for s in SYSTEM_TABLES])
def test_a_system_table_is_as_published(position: int) -> None:
    system = SYSTEM_TABLES[position]
    definition = system.definition
    key = definition.primary_key
    described = [
        str(system.table_id),
        definition.name,
        ", ".join(f"{column.name} {display(column.type)}" for column in definition.columns),
        "" if key is None else definition.columns[key].name,
        with_ids(system, definition.constraints, system.constraint_ids),
        with_ids(system, definition.indexes, system.index_ids),
    ]
    assert described == published(position)


def test_all_are_system_tables_and_only_credentials_are_private() -> None:
    assert all(system.definition.is_system for system in SYSTEM_TABLES)
    private = [s.definition.name for s in SYSTEM_TABLES if not s.definition.is_public]
    assert private == ["st_connection_credentials"]


def test_the_sequences_have_their_ids_and_start_above_the_reserved_ones() -> None:
    found = {
        sequence.name: id_
        for system in SYSTEM_TABLES
        for sequence, id_ in zip(system.definition.sequences, system.sequence_ids, strict=True)
    }
    assert found == SEQUENCES
    starts = {sequence.start for s in SYSTEM_TABLES for sequence in s.definition.sequences}
    assert starts == {FIRST_USER_ID + 1}


def test_a_sequence_fills_the_primary_key() -> None:
    for system in SYSTEM_TABLES:
        for sequence in system.definition.sequences:
            assert sequence.column == system.definition.primary_key


def test_index_constraint_and_sequence_ids_are_each_given_once_and_without_gaps() -> None:
    for ids in ("index_ids", "constraint_ids", "sequence_ids"):
        given = sorted(id_ for system in SYSTEM_TABLES for id_ in getattr(system, ids))
        assert given == list(range(1, len(given) + 1))


def test_generated_names_follow_the_general_pattern() -> None:
    st_column = SYSTEM_TABLES[1].definition
    assert st_column.indexes[0].name == "st_column_table_id_col_pos_idx_btree"
    assert st_column.constraints[0].name == "st_column_table_id_col_pos_key"


def test_every_unique_constraint_has_its_index() -> None:
    for system in SYSTEM_TABLES:
        indexed = [set(index.columns) for index in system.definition.indexes]
        for constraint in system.definition.constraints:
            assert set(constraint.columns) in indexed


def test_the_legacy_view_tables_are_never_stored() -> None:
    assert [s.definition.name for s in SYSTEM_TABLES if s.is_ephemeral] == [
        "st_view_sub",
        "st_view_arg",
    ]


def test_row_types_are_in_the_typespace_that_the_definitions_refer_to() -> None:
    for system in SYSTEM_TABLES:
        row_type = SYSTEM_TYPESPACE[system.definition.product_type_ref]
        assert row_type == system.definition.row_type
