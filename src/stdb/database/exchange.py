"""Tables as files that other programs read and write: JSON lines and Parquet.

A directory has a file for each table, ``<table>.jsonl`` or ``<table>.parquet``, and
``database.json``, which says what they are of. JSON is SATS-JSON, one object a line: every type
comes back, but for floats that are not finite. In Parquet, columns are what `Result.to_arrow` makes
of them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from ..errors import DecodeError, UsageError, shorten, unknown_name

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator

    from ..storage.store import Store
    from ..storage.table import Table
    from .database import Database

Format = Literal["jsonl", "parquet"]
_FORMATS: Final = ("jsonl", "parquet")
_DESCRIPTION: Final = "database.json"


def export_database(
    database: Database,
    directory: str | os.PathLike[str],
    *,
    format: Format = "jsonl",
    tables: Iterable[str] | None = None,
) -> dict[str, int]:
    """Write the rows of a database to files, a file for each table.

    They are the rows at one moment; nobody waits while they are written.

    Parameters
    ----------
    database : Database
        Any, in memory or durable.
    directory : str or Path
        A directory that is not there yet. It appears when everything is written.
    format : {"jsonl", "parquet"}
        A JSON object a line, or Parquet (needs ``pip install "stdb[arrow]"``).
    tables : iterable of str, optional
        Which tables; all of the module's, without views and event tables, otherwise.

    Returns
    -------
    dict of str to int
        How many rows each table has.

    Raises
    ------
    UsageError
        Something is at `directory`, or a value has no place in the format: NaN and the infinities
        have no JSON.

    Examples
    --------
    >>> import stdb, tempfile, pathlib
    >>> notes = stdb.Module("notes")
    >>> @notes.table()
    ... class Note(stdb.Row):
    ...     id: stdb.u64 = stdb.primary_key(auto_inc=True)
    ...     text: str
    >>> db, copy = stdb.Database(notes), stdb.Database(notes)
    >>> with db.transaction() as tx:
    ...     tx.db.note.insert(text="hello")
    Note(id=1, text='hello')
    >>> with tempfile.TemporaryDirectory() as temporary:
    ...     path = pathlib.Path(temporary, "notes")
    ...     counts = stdb.export_database(db, path)
    ...     print((path / "note.jsonl").read_text(), end="")
    ...     stdb.import_database(copy, path)
    {"id":1,"text":"hello"}
    {'note': 1}
    """
    if format not in _FORMATS:
        raise UsageError(f'format is "jsonl" or "parquet", not {shorten(format)}')
    target = Path(directory)
    if target.exists():
        raise UsageError(f"{target} is there already; an export goes to a directory of its own")
    with database.transaction(readonly=True):
        chosen = _chosen(database, tables)
        # Rows do not change, so that noting which there are is enough.
        held = [(table, list(table.rows.values())) for table in chosen]
    write = _write_lines if format == "jsonl" else _write_parquet
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for table, rows in held:
            write(table, rows, partial / f"{table.name}.{format}")
        described = {t["name"]: t for t in database.describe()["tables"]}
        description = {
            "name": database.name,
            "identity": database.identity.hex(),
            "format": format,
            "tables": [described[table.name] for table in chosen],
        }
        text = json.dumps(description, indent=2, ensure_ascii=False)
        (partial / _DESCRIPTION).write_text(text + "\n", encoding="utf-8")
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return {table.name: len(rows) for table, rows in held}


def import_database(
    database: Database,
    directory: str | os.PathLike[str],
    *,
    tables: Iterable[str] | None = None,
) -> dict[str, int]:
    """Insert the rows of files into a database, all in one transaction.

    Rows that are there already stay. Auto-increment columns go on behind the numbers that came in.

    Parameters
    ----------
    database : Database
        Where the tables are; its module must have them.
    directory : str or Path
        What `export_database` wrote, or files that are alike.
    tables : iterable of str, optional
        Which tables; all that there are files of otherwise.

    Returns
    -------
    dict of str to int
        How many rows were read for each table.

    Raises
    ------
    UsageError
        There is a file of no table, or something in a file is no row; it says where.
    UniqueConstraintViolation
        Another row has the same unique key. Nothing has changed then.

    Examples
    --------
    >>> import stdb, tempfile
    >>> notes = stdb.Module("notes")
    >>> @notes.table()
    ... class Note(stdb.Row):
    ...     text: str
    >>> db, other = stdb.Database(notes), stdb.Database(notes)
    >>> with db.transaction() as tx:
    ...     note = tx.db[Note].insert(text="hello")
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     _ = stdb.export_database(db, f"{directory}/notes", format="jsonl")
    ...     stdb.import_database(other, f"{directory}/notes")
    {'note': 1}
    """
    source = Path(directory)
    if not source.is_dir():
        raise UsageError(f"{source} is no directory")
    files = {
        path.stem: path
        for path in sorted(source.iterdir())
        if path.suffix.removeprefix(".") in _FORMATS
    }
    store = database._store
    wanted = sorted(files) if tables is None else list(tables)
    for name in wanted:
        if name not in files:
            raise UsageError(f"{source} has no file of table {name!r}")
    _check_names(store, wanted)
    counts = {}
    with database.transaction() as tx:
        for name in wanted:
            table = store.by_name[name]
            rows = list(_read(table, files[name]))
            tx.db[name].insert_many(rows)
            _advance(table, rows)
            counts[name] = len(rows)
    return counts


def _chosen(database: Database, names: Iterable[str] | None) -> list[Table]:
    """Return the tables to export, by name."""
    store = database._store
    if names is not None:
        wanted = list(names)
        _check_names(store, wanted)
        return [store.by_name[name] for name in wanted]
    tables = (store.by_name[name] for name in sorted(store.user_table_names()))
    return [table for table in tables if not table.is_event and not table.is_view]


def _check_names(store: Store, names: list[str]) -> None:
    known = store.user_table_names()
    for name in names:
        if name not in known:
            raise unknown_name("table", name, known)
        if store.by_name[name].is_view:
            raise UsageError(f"{name!r} is a view: its rows come from its function")


def _advance(table: Table, rows: list[Any]) -> None:
    """Let the sequences of a table go on behind the values in `rows`."""
    for definition, sequence in zip(table.definition.sequences, table.sequences, strict=True):
        attribute = table.shape.fields[definition.column].attribute
        values = [getattr(row, attribute) for row in rows]
        if values:
            sequence.advance(max(values) if sequence.increment > 0 else min(values))


# -- JSON lines ------------------------------------------------------------------------------------


def _write_lines(table: Table, rows: list[Any], path: Path) -> None:
    from ..types.sats_json import make_json_reader, make_json_writer

    write, read = make_json_writer(table.shape), make_json_reader(table.shape)
    has_float = table.code.plan.has_float
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            line = write(row)
            if has_float:
                _check_comes_back(table, row, line, read)
            file.write(line + "\n")


def _check_comes_back(table: Table, row: Any, line: str, read: Callable[[str], Any]) -> None:
    try:
        read(line)
    except DecodeError:
        raise UsageError(
            f'table {table.name!r}: NaN and the infinities have no JSON; format="parquet" keeps '
            f"them: {shorten(row)}"
        ) from None


def _read(table: Table, path: Path) -> Iterator[Any]:
    return _read_lines(table, path) if path.suffix == ".jsonl" else _read_parquet(table, path)


def _read_lines(table: Table, path: Path) -> Iterator[Any]:
    from ..types.sats_json import make_json_reader

    read = make_json_reader(table.shape)
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield read(line)
                except DecodeError as error:
                    raise UsageError(f"{path}, line {number}: {error}") from None


# -- Parquet ---------------------------------------------------------------------------------------


def _parquet() -> Any:
    from importlib import import_module

    try:
        return import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            'pyarrow is not installed; pip install "stdb[arrow]" brings it', name="pyarrow"
        ) from None


def _write_parquet(table: Table, rows: list[Any], path: Path) -> None:
    from ..sql import to_arrow

    parquet = _parquet()
    fields = table.shape.fields
    columns = tuple((str(field.name), field.shape) for field in fields)
    values = [[getattr(row, field.attribute) for row in rows] for field in fields]
    parquet.write_table(to_arrow(columns, values), path, compression="zstd")


def _read_parquet(table: Table, path: Path) -> Iterator[Any]:
    from ..sql import from_arrow

    held = _parquet().read_table(path)
    columns = []
    for field in table.shape.fields:
        if str(field.name) not in held.column_names:
            raise UsageError(f"{path} has no column {field.name!r}")
        try:
            columns.append(from_arrow(field.shape, held.column(str(field.name))))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(f"{path}, column {field.name!r}: {error}") from error
    attributes = [field.attribute for field in table.shape.fields]
    make = cast("Callable[..., Any]", table.shape.cls)
    for values in zip(*columns, strict=True):
        yield make(**dict(zip(attributes, values, strict=True)))
