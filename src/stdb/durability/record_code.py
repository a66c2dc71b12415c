"""Generates what a commit runs to make its record: a function per table, and one per reducer.

A record is made at every commit, so what is fixed about a table or a reducer is settled once. Where
a row has a fixed size, a transaction that updated one or two rows of one table, as most do, is
written by a single `struct.Struct.pack`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from ..types.bsatn_encode import Part, encode_parts, join_parts
from ..types.compose import Composer
from .format import INPUTS, MUTATIONS, cut_name, varint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..module.functions import Parameter
    from ..storage.table import Table

#: Counts of rows that take one byte.
_COUNTS = [bytes((count,)) for count in range(128)]
#: How many updates of one transaction are written at once.
_AT_ONCE_MAX = 2
#: The bytes of a call's inputs beside the name and the arguments: caller, connection, time, sizes.
_INPUTS_SIZE = 57


def make_collector(table: Table) -> Callable[[Any, Any], tuple[list[bytes], list[bytes]]]:
    """Return the generated function that compares a table with what it was, and encodes.

    It takes ``main key -> row as it was or None`` and the present rows, and returns the encoded
    rows that are new and those that are gone, as `Table.net_changes` has them.
    """
    c = Composer()
    is_new = join_parts(c, encode_parts(c, table.shape, "n"))
    is_gone = join_parts(c, encode_parts(c, table.shape, "o"))
    c.add(
        [
            "def collect(before, rows):",
            "    get = rows.get",
            "    new, old = [], []",
            "    for k, o in before.items():",
            "        n = get(k)",
            "        if n is o or n == o:",
            "            continue",
            "        if n is not None:",
            f"            new.append({is_new})",
            "        if o is not None:",
            f"            old.append({is_gone})",
            "    return new, old",
        ]
    )
    function: Callable[[Any, Any], tuple[list[bytes], list[bytes]]]
    function = c.run(f"collect {table.name}")["collect"]
    return function


def make_single(table: Table, collect: Any) -> Callable[[Any, Any], bytes | None]:
    """Return the function that writes the mutations of a transaction which touched `table` alone.

    It takes what `collect` takes, and returns None when nothing changed in the end.
    """
    first = b"\1" + table.table_id.to_bytes(4, "little")
    c = Composer()
    c.names |= {"collect": collect, "any_changes": _any_changes, "FIRST": first}
    lines = ["def single(before, rows):"]
    for count in range(1, _AT_ONCE_MAX + 1):
        lines += _at_once(c, table, count)
    lines.append("    return any_changes(FIRST, *collect(before, rows), rows)")
    c.add(lines)
    function: Callable[[Any, Any], bytes | None] = c.run(f"record {table.name}")["single"]
    return function


def _at_once(c: Composer, table: Table, count: int) -> list[str]:
    """Return the lines for a transaction that updated `count` rows and nothing else, if any."""
    numbers = range(count)
    new = [part for i in numbers for part in encode_parts(c, table.shape, f"n{i}")]
    old = [part for i in numbers for part in encode_parts(c, table.shape, f"o{i}")]
    if not all(part.format for part in new):
        return []
    head = [Part("B", "1"), Part("I", str(table.table_id)), Part("B", str(count))]
    packed = join_parts(c, [*head, *new, *head, *old, Part("B", "0")])
    pairs = ", ".join(f"(k{i}, o{i})" for i in numbers)
    changed = " and ".join(
        f"(n{i} := get(k{i})) is not None and o{i} is not None and n{i} != o{i}" for i in numbers
    )
    return [
        f"    if len(before) == {count}:",
        "        get = rows.get",
        f"        {pairs}, = before.items()",
        f"        if {changed}:",
        f"            return {packed}",
    ]


def _any_changes(first: bytes, new: list[bytes], old: list[bytes], rows: Any) -> bytes | None:
    """Return the mutations of one table; `first` is how a list of it alone begins."""
    if not old:
        if not new:
            return None
        return b"".join((first, count_of(new), *new, b"\0\0"))
    if new:
        return b"".join((first, count_of(new), *new, first, count_of(old), *old, b"\0"))
    if not rows:
        return b"\0\0" + first
    return b"".join((b"\0", first, count_of(old), *old, b"\0"))


def several(tables: Iterable[tuple[Table, Any]]) -> bytes | None:
    """Return the mutations of a transaction that touched these tables, by ascending number.

    Each comes with its collector. None when nothing changed in the end.
    """
    inserts: list[bytes] = []
    deletes: list[bytes] = []
    truncates: list[bytes] = []
    for table, collect in tables:
        prefix = table.table_id.to_bytes(4, "little")
        new, old = collect(table.before, table.rows)
        if new:
            inserts.append(b"".join((prefix, count_of(new), *new)))
        if old and not new and not table.rows:
            truncates.append(prefix)
        elif old:
            deletes.append(b"".join((prefix, count_of(old), *old)))
    if not inserts and not deletes and not truncates:
        return None
    return b"".join(
        part for group in (inserts, deletes, truncates) for part in (varint(len(group)), *group)
    )


def count_of(rows: list[bytes]) -> bytes:
    """Return the number of rows, as it stands before them."""
    count = len(rows)
    return _COUNTS[count] if count < 128 else varint(count)


def make_head(name: str, parameters: tuple[Parameter, ...]) -> Callable[..., bytes]:
    """Return the function that writes what comes before the mutations in a commit of a reducer.

    That is ``(offset, epoch, size of the mutations, sender, connection, microseconds, arguments) ->
    bytes``. It raises ``struct.error`` when a size is too large for the format.
    """
    text = cut_name(name)
    c = Composer()
    names = [f"a{i}" for i in range(len(parameters))]
    parts = [
        part
        for parameter, value in zip(parameters, names, strict=True)
        for part in encode_parts(c, parameter.shape, value)
    ]
    lines = ["def head(offset, epoch, size, sender, connection, micros, args):"]
    lines += [f"    {', '.join(names)}, = args"] if names else []
    fixed = _INPUTS_SIZE + len(text)
    rest: list[Part] = []
    if all(part.format for part in parts):
        fixed += struct.calcsize("<" + "".join(part.format for part in parts))
        inputs, total, rest, parts = f"{fixed}", f"{fixed + 5} + size", parts, []
    else:
        lines += [f"    encoded = {join_parts(c, parts)}", f"    given = {fixed} + len(encoded)"]
        inputs, total = "given", "given + 5 + size"
    head = [
        Part("Q", "offset"), Part("Q", "epoch"), Part("H", "1"), Part("I", total),
        Part("B", str(INPUTS | MUTATIONS)), Part("I", inputs), Part("B", str(len(text))),
        Part(f"{len(text)}s", c.name(text, "NAME")), Part("32s", "sender"),
        Part("16s", "connection"), Part("q", "micros"),
    ]  # fmt: skip
    c.add([*lines, f"    return {join_parts(c, [*head, *rest])}" + " + encoded" * bool(parts)])
    function: Callable[..., bytes] = c.run(f"record of {name}")["head"]
    return function
