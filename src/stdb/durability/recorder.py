"""Turns what a transaction changed, and the call that made it, into a record of the log."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from google_crc32c import value as crc32c

from ..errors import DurabilityError
from ..schema import system_tables as st
from .format import MUTATIONS
from .record_code import make_collector, make_head, make_single, several

if TYPE_CHECKING:
    from ..module.functions import Parameter
    from ..storage.table import Table
    from ..types.values import ConnectionId, Identity
    from .log import Log, Record

#: System tables whose rows are never written.
_EPHEMERAL_IDS = frozenset(system.table_id for system in st.SYSTEM_TABLES if system.is_ephemeral)
_U32_MAX = 2**32 - 1
#: The size of a record that is large, in bytes.
_LARGE = 1 << 18
_CRC = struct.Struct("<I").pack
_HEADER = struct.Struct("<QQHIB").pack


class Call(NamedTuple):
    """The call that a transaction comes from, as the log keeps it."""

    name: str
    parameters: tuple[Parameter, ...]
    sender: Identity
    connection: ConnectionId | None
    micros: int
    args: tuple[Any, ...] = ()


class _KnownTable(NamedTuple):
    """A table, and its generated functions; none where its rows are never written."""

    table: Table
    collect: Any = None
    single: Any = None


class Recorder:
    """Makes the records of one log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tables: dict[int, _KnownTable] = {}
        self._calls: dict[str, tuple[Any, Any]] = {}
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
        if len(touched) == 1:
            table = touched[0]
            known = self._tables.get(table.table_id)
            if known is None or known[0] is not table:
                known = self._prepare(table)
            single = known[2]
            if single is None:
                return None
            body = single(table.before, table.rows)
        else:
            body = several(self._known(touched))
        if body is None:
            return None
        log = self._log
        offset = log.next_offset
        if offset >= log.check_at:
            log.check()
        try:
            if call is None:
                data = _HEADER(offset, log.epoch, 1, 1 + len(body), MUTATIONS) + body
            else:
                data = self._head(offset, len(body), call) + body
        except struct.error:
            _refuse_size(len(body))
        data += _CRC(crc32c(data))
        if len(data) > _LARGE:
            log.check_before(offset + 1)  # so that few of its kind wait for the disk in memory
        return offset, data, log.total + len(data)

    def _head(self, offset: int, size: int, call: Call) -> bytes:
        """Return what comes before mutations of `size` bytes in the commit of a call."""
        name, parameters, sender, connection, micros, args = call
        known = self._calls.get(name)
        if known is None or known[0] is not parameters:
            known = self._calls[name] = parameters, make_head(name, parameters)
        if sender is not self._sender:
            self._sender_bytes = sender.to_bytes()
            self._sender = sender
        if connection is not self._connection:
            self._connection_bytes = bytes(16) if connection is None else connection.to_bytes()
            self._connection = connection
        head: bytes = known[1](
            offset, self._log.epoch, size, self._sender_bytes, self._connection_bytes, micros, args
        )
        return head

    def _known(self, touched: list[Table]) -> list[tuple[Table, Any]]:
        """Return the tables that are written, by number, each with its collector."""
        # An interrupt may have had a table noted twice.
        by_id = {table.table_id: table for table in touched}
        found = []
        for table_id in sorted(by_id):
            table = by_id[table_id]
            known = self._tables.get(table_id)
            if known is None or known[0] is not table:
                known = self._prepare(table)
            if known.collect is not None:
                found.append((table, known.collect))
        return found

    def _prepare(self, table: Table) -> _KnownTable:
        if table.is_ephemeral or table.table_id in _EPHEMERAL_IDS:
            return _KnownTable(table)
        collect = make_collector(table)
        known = _KnownTable(table, collect, make_single(table, collect))
        self._tables[table.table_id] = known
        return known


def _refuse_size(size: int) -> NoReturn:
    raise DurabilityError(
        f"a transaction with {size:,} bytes of changes: with its call, the log takes {_U32_MAX:,} "
        "at most; split it"
    )
