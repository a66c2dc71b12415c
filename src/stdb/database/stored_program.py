"""The program of a database that comes out of files: one that was given, or made of its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..errors import Error, PublishError
from ..module import PYTHON

if TYPE_CHECKING:
    from pathlib import Path

    from ..durability import Recovered
    from ..module import Program
    from ..schema import TableDef
    from ..types.shapes import Record


def same_tables(
    program: Program, recovered: Recovered, path: Path
) -> dict[str, tuple[TableDef, Record]]:
    """Return the module's own tables, if they are those of the files; else say how they differ.

    A migration begins here: `stored_program` gives what to fill the store with, so that the
    database can then be migrated like one that is open.
    """
    from ..durability import differences

    tables = program.definition.tables
    lines = differences(recovered.tables, tables)
    if lines:
        raise PublishError(
            f"the database at {path} holds other tables than this module has, and migrating them "
            "is not possible yet; open it with the module as it was, or without any "
            f"(stdb.Database.open({str(path)!r})):\n  " + "\n  ".join(lines)
        )
    return {name: (table, program.shapes[name]) for name, table in tables.items()}


def stored_program(recovered: Recovered) -> tuple[Program, dict[str, tuple[TableDef, Record]]]:
    """Return a program without functions, made of what is stored."""
    from ..durability import differences
    from ..module import Program
    from ..schema import ModuleDef, decode_module_def, validate
    from ..types import algebraic as at
    from ..types.generated import ShapeMaker, shape_of_type

    row = recovered.program
    definition = ModuleDef(tables={n: t.definition for n, t in recovered.tables.items()})
    shapes: dict[str, Record] = {}
    if row.program_kind == PYTHON:
        try:
            declared = validate(decode_module_def(row.program_bytes))
        except Error:
            declared = None
        if declared is not None and not differences(recovered.tables, declared.tables):
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
