"""Generates what is quick of the commonest syscalls: bytes are read where the module put them.

Each of these functions takes a memory, the place in it where the module's bytes lie and how many
they are, and leaves its answer in their place; it returns the size of the answer, or `SLOWLY` where
it did nothing because there is something out of the ordinary. Then the same is done in the
straightforward way, which says what is wrong.

Those that write also take the words in which the module waits for a 0, and which one it is. Where
nothing can be wrong any more with a write, and there is nothing to tell of it, they set it before
they write, and return `ANSWERED`: the module goes on meanwhile.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...types.bsatn_decode import decode_function
from ...types.bsatn_encode import INT_FORMATS, encode_parts, join_parts
from ...types.compose import Composer
from ...types.keys import key_expression
from ...types.shapes import Field, Int, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from .indexes import GuestIndex
    from .tables import GuestTable

    #: ``(memory, place, size) -> size of the answer``.
    Find = Callable[[memoryview, int, int], int]
    #: ``(memory, place, size, words, which) -> size of the answer``.
    Write = Callable[[memoryview, int, int, memoryview, int], int]

SLOWLY: Final = -1
ANSWERED: Final = -2
#: The largest answer that is left in place.
ANSWER_SIZE_MAX: Final = 64 * 1024


def _slowly(*_: object) -> int:
    """Leave it to the straightforward way."""
    return SLOWLY


def make_find(index: GuestIndex) -> Find:
    """Return the function that finds the row of a whole key in a unique index."""
    if not index.index.unique:
        return _slowly
    table = index.of.table
    c = Composer()
    c.names["get"] = index.get
    fields = [table.shape.fields[p] for p in index.index.definition.columns]
    lines = ["def find(memory, at, size):"]
    lines += _integer_key(c, fields) or _any_key(c, fields)
    lines += [
        "    row = get(key)",
        "    if row is None:",
        "        return 0",
    ]
    parts = encode_parts(c, table.shape, "row")
    if all(part.format for part in parts):
        layout = struct.Struct("<" + "".join(part.format for part in parts))
        pack = c.name(layout.pack_into, "pack")
        values = ", ".join(part.expression for part in parts)
        lines += [f"    {pack}(memory, at, {values})", f"    return {layout.size}"]
    else:
        lines += [
            f"    data = {join_parts(c, parts)}",
            "    size = len(data)",
            f"    if size > {ANSWER_SIZE_MAX}:",
            f"        return {SLOWLY}",
            "    memory[at : at + size] = data",
            "    return size",
        ]
    c.add(lines)
    find: Find = c.run(f"find {index.index.definition.name}")["find"]
    return find


def _integer_key(c: Composer, fields: list[Field]) -> list[str]:
    """Return the lines that read the key of integer columns; none if there are others."""
    shapes = [field.shape for field in fields]
    letters = [
        INT_FORMATS.get((shape.bits, shape.signed)) if isinstance(shape, Int) else None
        for shape in shapes
    ]
    if None in letters:
        return []
    layout = struct.Struct("<" + "".join(map(str, letters)))
    unpack = c.name(layout.unpack_from, "unpack")
    # One column is its value, several are a tuple: what `unpack` returns.
    target = "key, =" if len(fields) == 1 else "key ="
    return [
        f"    if size != {layout.size}:",
        f"        return {SLOWLY}",
        f"    {target} {unpack}(memory, at)",
    ]


def _any_key(c: Composer, fields: list[Field]) -> list[str]:
    names = [f"v{i}" for i in range(len(fields))]
    keys = [key_expression(c, f.shape, name) for f, name in zip(fields, names, strict=True)]
    lines = ["    end, stop = at + size, at", "    try:"]
    for field, name in zip(fields, names, strict=True):
        lines.append(f"        {name}, stop = {decode_function(c, field.shape)}(memory, stop, end)")
    key = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
    return [
        *lines,
        "    except Exception:",
        f"        return {SLOWLY}",
        "    if stop != end:",
        f"        return {SLOWLY}",
        f"    key = {key}",
    ]


def make_update(index: GuestIndex) -> Write:
    """Return the function that replaces the row with the same key, and tells what was filled in."""
    change = index.of.updates[index.position]
    if change is None:
        return _slowly
    return _make_write(index.of, change, index.position, f"update {index.index.definition.name}")


def make_insert(table: GuestTable) -> Write:
    """Return the function that inserts a row, and tells what was filled in."""
    return _make_write(table, table.table.insert, None, f"insert {table.table.name}")


def _make_write(
    table: GuestTable, write: Callable[[Any], Any], position: int | None, subject: str
) -> Write:
    if table.table.definition.is_system:
        return _slowly
    c = Composer()

    def failed(error: Exception, row: Any) -> None:
        raise table.refusal(error, position, row) from None

    def filled_in(memory: memoryview, at: int, row: Any, stored: Any) -> int:
        data = table.filled_in(row, stored)
        memory[at : at + len(data)] = data
        return len(data)

    c.names |= {"write": write, "failed": failed, "filled_in": filled_in}
    lines = ["def write_in_place(memory, at, size, words, which):"]
    read = _read_integers(c, table.table.shape) or _read_any(c, table.table.shape)
    lines += read.lines
    certain = _is_certain(c, table, position, read.columns)
    if certain is None:
        lines += [
            f"    row = {read.row}",
            "    try:",
            "        stored = write(row)",
            f"    except {c.name(table.refusals, 'refusals')} as error:",
            "        failed(error, row)",
            "    return 0 if stored is row else filled_in(memory, at, row, stored)",
        ]
    else:
        lines += [
            f"    if not ({certain}):",
            f"        return {SLOWLY}",
            "    words[which] = 0",
            f"    write({read.row})",
            f"    return {ANSWERED}",
        ]
    c.add(lines)
    made: Write = c.run(subject)["write_in_place"]
    return made


class _Reading(NamedTuple):
    """How a row is read.

    Attributes
    ----------
    lines : list of str
        What reads it, or leaves it to the straightforward way.
    columns : list of str
        An expression for each column.
    row : str
        One for the row.
    """

    lines: list[str]
    columns: list[str]
    row: str


def _read_integers(c: Composer, shape: Record) -> _Reading | None:
    """Return how a row is read that has integers alone; None for others."""
    letters = [
        INT_FORMATS.get((f.shape.bits, f.shape.signed)) if isinstance(f.shape, Int) else None
        for f in shape.fields
    ]
    if not letters or None in letters:
        return None
    layout = struct.Struct("<" + "".join(map(str, letters)))
    unpack, row = c.name(layout.unpack_from, "unpack"), c.name(shape.cls, "Row")
    columns = [f"c{i}" for i in range(len(letters))]
    given = zip(shape.fields, columns, strict=True)
    lines = [
        f"    if size != {layout.size}:",
        f"        return {SLOWLY}",
        f"    {', '.join(columns)}, = {unpack}(memory, at)",
    ]
    return _Reading(
        lines, columns, f"{row}({', '.join(f'{field.attribute}={v}' for field, v in given)})"
    )


def _read_any(c: Composer, shape: Record) -> _Reading:
    lines = [
        "    end = at + size",
        "    try:",
        f"        row, stop = {decode_function(c, shape)}(memory, at, end)",
        "    except Exception:",
        f"        return {SLOWLY}",
        "    if stop != end:",
        f"        return {SLOWLY}",
    ]
    return _Reading(lines, [f"row.{field.attribute}" for field in shape.fields], "row")


def _is_certain(
    c: Composer, table: GuestTable, position: int | None, values: list[str]
) -> str | None:
    """Return source that says if a row will be written as it is; None if it never is sure.

    `values` are expressions for its columns.

    A write is refused for a unique value that another row has, for a row that is not there, and for
    a call at too late a time; and it is told what the database filled in.
    """
    definition, indexes = table.table.definition, table.table.indexes
    unique = [i for i, index in enumerate(indexes) if index.unique]
    if definition.auto_inc_columns or definition.schedule is not None:
        return None
    if not unique:
        return "True"
    if len(unique) > 1 or position not in (None, unique[0]):
        return None
    index = indexes[unique[0]]
    fields = table.table.shape.fields
    keys = [key_expression(c, fields[p].shape, values[p]) for p in index.definition.columns]
    key = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
    return f"{key} {'not in' if position is None else 'in'} {c.name(index.map, 'map')}"
