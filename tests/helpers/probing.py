"""Calls functions of the ABI from inside a module (``tests/wasm/modules/probe.c``)."""

import struct
from enum import IntEnum, auto
from typing import Any, NamedTuple

from tests.helpers.wasm_modules import built

import stdb


class Op(IntEnum):
    """The functions, as the module numbers them."""

    TABLE_ID = 0
    INDEX_ID = auto()
    ROW_COUNT = auto()
    SCAN = auto()
    POINT = auto()
    RANGE = auto()
    INSERT = auto()
    UPDATE = auto()
    DELETE_POINT = auto()
    DELETE_RANGE = auto()
    DELETE_ALL = auto()
    CLEAR = auto()
    ADVANCE = auto()
    CLOSE = auto()
    SOURCE_READ = auto()
    SOURCE_LENGTH = auto()
    SINK_WRITE = auto()
    TIMER = auto()
    TIMER_END = auto()
    IDENTITY = auto()
    JWT = auto()
    START_TX = auto()
    COMMIT_TX = auto()
    ABORT_TX = auto()
    SLEEP = auto()
    HTTP = auto()
    LOG = auto()
    SCHEDULE = auto()
    OLD_RANGE = auto()
    OLD_DELETE_RANGE = auto()
    OPEN = auto()
    OPEN_POINT = auto()
    RAW_LOG = auto()


class Answer(NamedTuple):
    """What a function answered, what it wrote to `out`, and what else it gave."""

    errno: int
    out: int
    data: bytes


class Probe:
    """A database with the probing module."""

    def __init__(self, **arguments: Any) -> None:
        self.db = stdb.Database(built("probe.c"), **arguments)

    def __call__(
        self, operation: Op, x: int = 0, y: int = 0, data: bytes = b"", more: bytes = b""
    ) -> Answer:
        """Call a function in a reducer."""
        self.db.call("probe", int(operation), x, y, data, more)
        row = max(self.db.tables.outcome, key=lambda outcome: outcome.id)
        return Answer(row.errno, row.out, row.data)

    def outside(
        self, operation: Op, x: int = 0, y: int = 0, data: bytes = b"", more: bytes = b""
    ) -> Answer:
        """Call a function in a procedure, outside of any transaction."""
        answer = self.db.procedures.probe_outside(int(operation), x, y, data, more)
        return Answer(answer.errno, answer.out, answer.data)

    def table(self, name: str) -> int:
        """Return the number of a table."""
        return self(Op.TABLE_ID, data=name.encode()).out

    def index(self, name: str) -> int:
        """Return the number of an index."""
        return self(Op.INDEX_ID, data=name.encode()).out

    def insert(self, table: str, **columns: Any) -> Any:
        """Insert a row from Python."""
        with self.db.transaction() as tx:
            return tx.db[table].insert(**columns)

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """Return the rows of a table, sorted."""
        return sorted(tuple(row) for row in getattr(self.db.tables, table))

    def encode(self, table: str, row: Any) -> bytes:
        """Return a row as bytes."""
        return self.db._store[table].encode(row)


def bounds(start: bytes, end: bytes) -> bytes:
    """Return two encoded bounds as the module takes them."""
    return b"".join(struct.pack("<I", len(bound)) + bound for bound in (start, end))


UNBOUNDED = b"\x02"


def included(value: bytes) -> bytes:
    """Return the bound that belongs to its range."""
    return b"\x00" + value


def excluded(value: bytes) -> bytes:
    """Return the bound that does not."""
    return b"\x01" + value
