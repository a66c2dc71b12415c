"""The program of a database that comes out of files: one that was given, or made of its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..errors import Error
from ..module import PYTHON, read_program

if TYPE_CHECKING:
    from pathlib import Path

    from ..durability import Recovered
    from ..module import Program
    from ..schema import ModuleDef, TableDef
    from ..types.shapes import Record


def fits(program: Program, stored: Program) -> bool:
    """Whether the tables of `program` are those that are stored: nothing is to be migrated."""
    return _are_same(stored.definition, program.definition)


def _are_same(old: ModuleDef, new: ModuleDef) -> bool:
    from ..schema import compare

    plan, reasons = compare(old, new)
    return plan.is_empty and not reasons


def _holds(stored: ModuleDef, declared: ModuleDef) -> bool:
    """Whether the tables that are stored are those of a module."""
    from ..schema import ModuleDef

    return _are_same(stored, ModuleDef(tables=declared.all_tables()))


def _declared(program: bytes) -> ModuleDef | None:
    """Return the definition in a program that is stored, if it can be read."""
    from ..module.archive import split_program
    from ..schema import decode_module_def, validate

    try:
        return validate(decode_module_def(split_program(program)[0]))
    except Error:
        return None


def source_program(recovered: Recovered, path: Path) -> Program | None:
    """Return the program whose source is stored, imported now; None where there is no source.

    Raises
    ------
    PublishError
        It cannot be imported here; something that it needs may not be installed.
    """
    from ..module.archive import split_program
    from ..module.source import load_archive

    row = recovered.program
    if row is None or row.program_kind != PYTHON:
        return None
    archive = split_program(row.program_bytes)[1]
    return load_archive(archive, str(path)).freeze() if archive else None


def stored_program(
    recovered: Recovered, *, runs: bool
) -> tuple[Program, dict[str, tuple[TableDef, Record]]]:
    """Return the program that is stored: a compiled module, or else one without functions.

    A compiled module is asked what it has, which runs code of it: only where `runs` allows that.
    """
    from ..module import Program
    from ..schema import ModuleDef
    from ..types import algebraic as at
    from ..types.generated import ShapeMaker, shape_of_type

    row = recovered.program
    definition = ModuleDef(tables={n: t.definition for n, t in recovered.tables.items()})
    compiled = read_program(row.program_kind, row.program_bytes) if runs else None
    if compiled is not None and _holds(definition, compiled.definition):
        tables = compiled.definition.all_tables()
        return compiled, {name: (table, compiled.shapes[name]) for name, table in tables.items()}
    shapes: dict[str, Record] = {}
    if row.program_kind == PYTHON:
        declared = _declared(row.program_bytes)
        if declared is not None and _holds(definition, declared):
            definition = declared
            for prefix, module in declared.walk():
                names = {type_.ref: type_.name for type_ in module.types.values()}
                maker = ShapeMaker(module.typespace, names)
                for name, table in module.tables.items():
                    shape = maker.shape(at.Ref(table.product_type_ref))
                    shapes[prefix + name] = cast("Record", shape)
    tables = definition.all_tables()
    for name, table in tables.items():
        if name not in shapes:
            shapes[name] = cast("Record", shape_of_type(table.row_type, name))
    program = Program(
        definition, shapes, {}, program_bytes=row.program_bytes, kind=row.program_kind
    )
    return program, {name: (table, shapes[name]) for name, table in tables.items()}
