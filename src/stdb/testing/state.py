"""The state of a database as a whole: to compare two, and to begin where another one began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..database import Database
    from ..storage.store import Store
    from ..storage.table import Table

#: Table -> for each of its sequences, the next value, the stored end and the edge of its batch.
Sequences = dict[str, list[list[int]]]


def fingerprint(database: Database) -> str:
    """Return a text that is the same for two databases of equal content, bit for bit.

    It is made of every row of every table, system tables included, and of the positions of all
    sequences. The order of rows does not matter. The program (``st_module``) is left out.

    Examples
    --------
    >>> import stdb, stdb.testing
    >>> notes = stdb.Module("notes")
    >>> @notes.table()
    ... class Note(stdb.Row):
    ...     id: stdb.u64 = stdb.primary_key(auto_inc=True)
    ...     text: str
    >>> db = stdb.Database(notes, clock=stdb.ManualClock())
    >>> before = stdb.testing.fingerprint(db)
    >>> stdb.testing.fingerprint(db.fork()) == before
    True
    >>> db.sql("INSERT INTO note (text) VALUES ('tea')").inserted
    1
    >>> stdb.testing.fingerprint(db) == before
    False
    """
    digest = blake3()
    with database._store.reading() as store:
        for table in sorted(store, key=lambda table: table.name):
            if table.name == "st_module" or table.is_view:
                continue
            digest.update(f"{table.name} {len(table.rows)}\n".encode())
            for encoded in sorted(bytes(table.encode(row)) for row in table.rows.values()):
                digest.update(len(encoded).to_bytes(8, "little"))
                digest.update(encoded)
            digest.update(repr([_position(each) for each in table.sequences]).encode())
    return digest.hexdigest(16)


def _position(sequence: Any) -> list[int]:
    return [sequence.value, sequence.allocated, sequence._edge]


def sequences_of(store: Store) -> Sequences:
    """Return where the sequences of all tables of a module are."""
    return {
        name: [_position(sequence) for sequence in store[name].sequences]
        for name in store.user_table_names()
        if store[name].sequences
    }


def set_sequences(store: Store, positions: Mapping[str, list[list[int]]]) -> None:
    """Put sequences where they are to be, in the open transaction."""
    for name, listed in positions.items():
        for sequence, (value, allocated, edge) in zip(store[name].sequences, listed, strict=True):
            if sequence.allocated != allocated:
                sequence.allocated = allocated
                store._save_sequence(sequence)
            sequence.value, sequence._edge = value, edge


def set_rows(table: Table, rows: Iterable[Any]) -> None:
    """Let a table hold just these rows, in the open transaction."""
    table.clear()
    for row in rows:
        table.insert(row)
