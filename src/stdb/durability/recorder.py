"""Turns what a transaction changed, and the call that made it, into a record of the log.

Runs at every commit of a durable database, so what a table or a reducer needs is generated once:
a function that finds and encodes the changed rows of a table, and the packing of a call.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from google_crc32c import value as crc32c

from ..errors import DurabilityError
from ..schema import system_tables as st
from ..types.bsatn_encode import encode_parts, join_parts
from ..types.compose import Composer
from .format import INPUTS, MUTATIONS, cut_name, varint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..module.functions import Parameter
    from ..storage.table import Table
    from ..types.values import ConnectionId, Identity
    from .log import Log, Record

#: Tables whose rows are never written.
_EPHEMERAL_IDS = frozenset(system.table_id for system in st.SYSTEM_TABLES if system.is_ephemeral)
_U32_MAX = 2**32 - 1
_CRC = struct.Struct("<I").pack
_HEADER = struct.Struct("<QQHIB").pack
#: Counts of rows that take one byte.
_COUNTS = [bytes((count,)) for count in range(128)]
#: Parameters, encoder of arguments, packing of the fixed part, name, size of the fixed part.
_KnownCall = tuple[Any, Any, Any, bytes, int]
#: Beginning of a list of one table, and the generated function that collects.
_KnownTable = tuple[bytes, Any]


class Call(NamedTuple):
    """The call that a transaction comes from, as the log keeps it."""

    name: str
    parameters: tuple[Parameter, ...]
    sender: Identity
    connection: ConnectionId | None
    micros: int
    args: tuple[Any, ...] = ()


class Recorder:
    """Makes the records of one log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tables: dict[int, _KnownTable] = {}
        self._calls: dict[str, _KnownCall] = {}
        self._sender: Any = None
        self._sender_bytes = b""
        self._connection: Any = None
        self._connection_bytes = bytes(16)

    def forget_tables(self) -> None:
        """Forget how rows are encoded: the tables have others now."""
        self._tables.clear()

    def record(self, touched: list[Table], call: Call | None) -> Record | None:
        """Return the record of the open transaction, or None when the log has no place for it.

        Nothing has changed when this raises.

        Parameters
        ----------
        touched : list of Table
            The tables that may have changed.
        call : Call or None
            The reducer's call that the transaction comes from.

        Raises
        ------
        DurabilityError
            The disk has failed before, or the transaction is too large for the format.
        """
        if not touched:
            return None
        body = self._one_table(touched[0]) if len(touched) == 1 else self._several(touched)
        if body is None:
            return None
        log = self._log
        offset = log.next_offset
        if offset >= log.check_at:
            log.check()
        if call is None:
            size = 1 + len(body)
            if size > _U32_MAX:
                _refuse_size(size)
            data = _HEADER(offset, log.epoch, 1, size, MUTATIONS) + body
        else:
            name, parameters, sender, connection, micros, args = call
            known = self._calls.get(name)
            if known is None or known[0] is not parameters:
                known = self._calls[name] = _prepare_call(name, parameters)
            _, encode, pack, text, fixed = known
            if sender is not self._sender:
                self._sender_bytes = sender.to_bytes()
                self._sender = sender
            if connection is not self._connection:
                self._connection_bytes = bytes(16) if connection is None else connection.to_bytes()
                self._connection = connection
            arguments = encode(args)
            inputs = fixed + len(arguments)
            size = 5 + inputs + len(body)
            if size > _U32_MAX:
                _refuse_size(size)
            data = (
                pack(
                    offset, log.epoch, 1, size, INPUTS | MUTATIONS, inputs, len(text), text,
                    self._sender_bytes, self._connection_bytes, micros,
                )
                + arguments
                + body
            )  # fmt: skip
        data += _CRC(crc32c(data))
        return offset, data, log.total + len(data)

    def _one_table(self, table: Table) -> bytes | None:
        """Return the mutations of a transaction that touched one table, or None without any."""
        table_id = table.table_id
        known = self._tables.get(table_id) or self._prepare_table(table)
        if known is None:
            return None
        first, collect = known
        rows = table.rows
        new, old = collect(table.before, rows.get)
        if not old:
            if not new:
                return None
            return b"".join((first, _count(new), *new, b"\0\0"))
        if new:
            return b"".join((first, _count(new), *new, first, _count(old), *old, b"\0"))
        if not rows:
            return b"\0\0" + first
        return b"".join((b"\0", first, _count(old), *old, b"\0"))

    def _several(self, touched: Iterable[Table]) -> bytes | None:
        """Return the mutations of any transaction, tables by ascending number."""
        inserts: list[bytes] = []
        deletes: list[bytes] = []
        truncates: list[bytes] = []
        # An interrupt may have had a table noted twice.
        by_id = {table.table_id: table for table in touched}
        for table_id in sorted(by_id):
            table = by_id[table_id]
            known = self._tables.get(table_id) or self._prepare_table(table)
            if known is None:
                continue
            prefix, collect = known[0][1:], known[1]
            new, old = collect(table.before, table.rows.get)
            if new:
                inserts.append(b"".join((prefix, _count(new), *new)))
            if old and not new and not table.rows:
                truncates.append(prefix)
            elif old:
                deletes.append(b"".join((prefix, _count(old), *old)))
        if not inserts and not deletes and not truncates:
            return None
        return b"".join(
            part for group in (inserts, deletes, truncates) for part in (varint(len(group)), *group)
        )

    def _prepare_table(self, table: Table) -> _KnownTable | None:
        if table.is_ephemeral or table.table_id in _EPHEMERAL_IDS:
            return None
        known = b"\1" + table.table_id.to_bytes(4, "little"), _make_collector(table)
        self._tables[table.table_id] = known
        return known


def _count(rows: list[bytes]) -> bytes:
    count = len(rows)
    return _COUNTS[count] if count < 128 else varint(count)


def _refuse_size(size: int) -> NoReturn:
    raise DurabilityError(
        f"a transaction of {size:,} bytes: the log takes {_U32_MAX:,} at most; split it"
    )


def _make_collector(table: Table) -> Callable[[Any, Any], tuple[list[bytes], list[bytes]]]:
    """Return the generated function that compares a table with what it was, and encodes.

    It takes ``main key -> row as it was or None`` and the look-up of the present rows, and returns
    the encoded rows that are new and those that are gone, as `Table.net_changes` has them.
    """
    c = Composer()
    is_new = join_parts(c, encode_parts(c, table.shape, "n"))
    is_gone = join_parts(c, encode_parts(c, table.shape, "o"))
    c.add(
        [
            "def collect(before, get):",
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


def _prepare_call(name: str, parameters: tuple[Parameter, ...]) -> _KnownCall:
    """Return what the calls of a reducer have in common."""
    text = cut_name(name)
    c = Composer()
    names = [f"a{i}" for i in range(len(parameters))]
    parts = [
        part
        for parameter, value in zip(parameters, names, strict=True)
        for part in encode_parts(c, parameter.shape, value)
    ]
    unpack = [f"    {', '.join(names)}, = args"] if names else []
    c.add(["def encode_arguments(args):", *unpack, f"    return {join_parts(c, parts)}"])
    encode = c.run(f"encode arguments of {name}")["encode_arguments"]
    pack = struct.Struct(f"<QQHIBIB{len(text)}s32s16sq").pack
    return parameters, encode, pack, text, 57 + len(text)
