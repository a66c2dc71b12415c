"""The program of a database that comes out of files: one that was given, or made of its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..errors import Error, MigrationError
from ..module import PYTHON, read_program

if TYPE_CHECKING:
    from ..durability import Recovered
    from ..module import Program
    from ..schema import ModuleDef, TableDef
    from ..types.shapes import Record


def fits(program: Program, stored: Program) -> bool:
    """Whether the tables of `program` are those that are stored: nothing is to be migrated.

    Raises
    ------
    MigrationError
        The stored tables can never become those of `program`.
    """
    from ..schema import plan_migration

    return plan_migration(stored.definition, program.definition).is_empty


def _same_tables(stored: ModuleDef, declared: ModuleDef) -> bool:
    """Whether a definition is of the tables that are stored."""
    from ..schema import ModuleDef, plan_migration

    try:
        return plan_migration(stored, ModuleDef(tables=declared.all_tables())).is_empty
    except MigrationError:
        return False


def stored_program(recovered: Recovered) -> tuple[Program, dict[str, tuple[TableDef, Record]]]:
    """Return the program that is stored: a compiled module, or else one without functions."""
    from ..module import Program
    from ..schema import ModuleDef, decode_module_def, validate
    from ..types import algebraic as at
    from ..types.generated import ShapeMaker, shape_of_type

    row = recovered.program
    definition = ModuleDef(tables={n: t.definition for n, t in recovered.tables.items()})
    compiled = read_program(row.program_kind, row.program_bytes)
    if compiled is not None and _same_tables(definition, compiled.definition):
        tables = compiled.definition.all_tables()
        return compiled, {name: (table, compiled.shapes[name]) for name, table in tables.items()}
    shapes: dict[str, Record] = {}
    if row.program_kind == PYTHON:
        try:
            declared = validate(decode_module_def(row.program_bytes))
        except Error:
            declared = None
        if declared is not None and _same_tables(definition, declared):
            definition = declared
            names = {type_.ref: type_.name for type_ in declared.types.values()}
            maker = ShapeMaker(declared.typespace, names)
            for name, table in declared.tables.items():
                shapes[name] = cast("Record", maker.shape(at.Ref(table.product_type_ref)))
    for name, table in definition.tables.items():
        if name not in shapes:
            shapes[name] = cast("Record", shape_of_type(table.row_type, name))
    program = Program(
        definition, shapes, {}, program_bytes=row.program_bytes, kind=row.program_kind
    )
    return program, {name: (table, shapes[name]) for name, table in definition.tables.items()}
