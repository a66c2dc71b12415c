"""Takes the transactions of a commit apart, for a database that follows a log.

The rows of system tables are decoded at once, since they say how the others are to be read; the
rows of other tables stay bytes until their tables are what the transaction makes of them.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class
from typing import TYPE_CHECKING, Any, Final

from ..schema import system_tables as st
from ..types import algebraic as at
from ..types.metatype import decode_type
from .format import INPUTS, MUTATIONS, OUTPUTS, read_varint
from .skip import Overrun, make_skipper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..storage.store import Store
    from .format import Commit

_U32: Final = Struct("<I").unpack_from


class Mutations:
    """What one transaction changed.

    Attributes
    ----------
    inserts, deletes : dict of int to list
        Table number -> rows: values, or bytes where the transaction changes how they are read.
    truncates : list of int
        The tables that lost all of their rows.
    is_whole : bool
        Whether it is the difference between two states, not what one transaction did.
    """

    def __init__(self) -> None:
        self.inserts: dict[int, list[Any]] = {}
        self.deletes: dict[int, list[Any]] = {}
        self.truncates: list[int] = []
        self.is_whole = False

    @property
    def changes_schema(self) -> bool:
        """Whether it changed which tables there are, what they are like, or the program."""
        if self.is_whole:
            return True
        touched = self.inserts.keys() | self.deletes.keys() | set(self.truncates)
        return not touched.isdisjoint(_DESCRIBING)


#: Tables that describe tables and the program. A sequence that takes another batch changes
#: ``st_sequence`` alone, which is no change of the schema.
_DESCRIBING: Final = frozenset(
    system.table_id
    for system in st.SYSTEM_TABLES
    if system.table_id
    not in (
        st.ST_SEQUENCE_ID,
        st.ST_CLIENT_ID,
        st.ST_VAR_ID,
        st.ST_CONNECTION_CREDENTIALS_ID,
        st.ST_VIEW_SUB_ID,
        st.ST_VIEW_ARG_ID,
    )
)


def transactions(commit: Commit, store: Store) -> Iterator[Mutations]:
    """Yield what each transaction of a commit changed; `store` is as the one before left it.

    Raises
    ------
    BadTransaction
        It does not fit the tables of `store`.
    """
    at_ = 0
    for _ in range(commit.size):
        reader = _Reader(commit.body, at_, store)
        try:
            found = reader.read()
        except (Overrun, IndexError, KeyError, ValueError, StructError) as error:
            raise BadTransaction(f"{commit.file}, transaction {commit.offset}: {error}") from error
        yield found
        at_ = reader.at


class BadTransaction(Exception):  # noqa: N818 - never leaves the database
    """A transaction that does not fit what was read before it."""


class _Reader:
    def __init__(self, data: bytes, at_: int, store: Store) -> None:
        self.data = data
        self.at = at_
        self.tables = {table.table_id: table for table in store}
        self.store = store
        #: Table number -> column position -> type, as the transaction itself says it.
        self.columns: dict[int, dict[int, at.AlgebraicType]] = {}
        self.changes_schema = False
        self.skippers: dict[int, Callable[[bytes, int, int], int]] = {}

    def read(self) -> Mutations:
        data = self.data
        found = Mutations()
        flags = data[self.at]
        self.at += 1
        if flags & INPUTS:
            self.at += 4 + _U32(data, self.at)[0]
        if flags & OUTPUTS:
            self.at += 1 + data[self.at]
        if flags & MUTATIONS:
            found.inserts = self.rows()
            found.deletes = self.rows()
            for _ in range(self.count()):
                found.truncates.append(self.table_id())
        return found

    def count(self) -> int:
        number, self.at = read_varint(self.data, self.at)
        return number

    def table_id(self) -> int:
        number: int = _U32(self.data, self.at)[0]
        self.at += 4
        return number

    def rows(self) -> dict[int, list[Any]]:
        """Return the rows of one of the lists, which has the system tables first."""
        found: dict[int, list[Any]] = {}
        for _ in range(self.count()):
            table_id = self.table_id()
            number = self.count()
            self.changes_schema = self.changes_schema or table_id in _DESCRIBING
            table = self.tables.get(table_id)
            is_system = table is not None and table.definition.is_system
            if table is None or (self.changes_schema and not is_system):
                found[table_id] = self.bytes_of(table_id, number)
                continue
            decode, rows = table.decode, []
            for _ in range(number):
                row, self.at = decode(self.data, self.at)
                rows.append(row)
            found[table_id] = rows
            if table_id == st.ST_COLUMN_ID:
                for row in rows:
                    # What is inserted comes first; what is deleted is the type that there was.
                    types = self.columns.setdefault(row.table_id, {})
                    types.setdefault(row.col_pos, decode_type(row.col_type))
        return found

    def bytes_of(self, table_id: int, number: int) -> list[bytes]:
        skip = self.skippers.get(table_id)
        if skip is None:
            skip = self.skippers[table_id] = make_skipper(self.row_type(table_id))
        rows = []
        for _ in range(number):
            after = skip(self.data, self.at, len(self.data))
            rows.append(self.data[self.at : after])
            self.at = after
        return rows

    def row_type(self, table_id: int) -> at.Product:
        """Return the type of a table's rows at the end of the transaction."""
        columns = {
            row.col_pos: decode_type(row.col_type)
            for row in self.store["st_column"].rows.values()
            if row.table_id == table_id
        } | self.columns.get(table_id, {})
        if not columns:
            raise ValueError(f"rows of table {table_id}, which has no columns")
        return at.Product(tuple(at.Element(None, columns[p]) for p in sorted(columns)))
