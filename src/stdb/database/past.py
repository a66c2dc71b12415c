"""What a durable database was before: its history, and copies of its files."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

from ..errors import DecodeError, UsageError, shorten
from ..types.bsatn_decode import make_decoder
from ..types.generated import ShapeMaker

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ..durability import LoggedTransaction
    from ..module import Program
    from .durable import Durable


def history(database: Durable, start: Any) -> Iterator[LoggedTransaction]:
    """Do what `Durable.history` says."""
    path = _path_of(database, "it has no history")
    if start is not None and (start.__class__ is not int or start < 0):
        raise UsageError(
            f"from_offset is the number of a transaction, 0 or more, not {shorten(start)}"
        )
    return _history(database, path, start, _reach(database))


def _history(
    database: Durable, path: Path, start: int | None, stop: int
) -> Iterator[LoggedTransaction]:
    from ..durability import Chronicle
    from ..durability import history as history_of_files
    from ..storage.store import Store

    read_arguments = _argument_reader(database._program)

    def make_chronicle() -> Chronicle:
        return Chronicle(Store(), database._store, read_arguments)

    with _held(database):
        yield from history_of_files(path / "clog", make_chronicle, start, stop)


def backup(database: Durable, target: str | os.PathLike[str]) -> int:
    """Do what `Durable.backup` says."""
    from ..durability import as_path
    from ..durability import backup as backup_files

    path = _path_of(database, "there are no files to copy; see stdb.export_database")
    with _held(database):
        return backup_files(path, as_path(target).absolute(), _reach(database)) - 1


def _path_of(database: Durable, otherwise: str) -> Path:
    database._check_not_closed()
    if database._path is None:
        raise UsageError(f"database {database.name!r} is in memory: {otherwise}")
    return database._path


def _reach(database: Durable) -> int:
    """Return the transaction behind the last one that counts, and have that on the disk."""
    log = database._log
    if log is None:
        assert database._recovery is not None
        return database._recovery.transactions
    stop = log.next_offset
    log.flush()
    return stop


def _held(database: Durable) -> AbstractContextManager[None]:
    """Return a context in which no file of the database is deleted."""
    log = database._log
    return nullcontext() if log is None or log.snapshots is None else log.snapshots.hold()


def _argument_reader(program: Program) -> Callable[[str, bytes], tuple[Any, ...] | None]:
    """Return the function ``(reducer, bytes) -> arguments``, None when these do not fit."""
    definition = program.definition
    maker = ShapeMaker(definition.typespace, {t.ref: t.name for t in definition.types.values()})

    @cache
    def decoders(reducer: str) -> list[Any] | None:
        declared = program.reducers.get(reducer)
        if declared is not None:
            return [make_decoder(parameter.shape) for parameter in declared.parameters]
        defined = definition.reducers.get(reducer)
        if defined is None:
            return None
        return [make_decoder(maker.shape(each.type)) for each in defined.params.elements]

    def read(reducer: str, data: bytes) -> tuple[Any, ...] | None:
        if not data:
            return ()
        known, at_, values = decoders(reducer), 0, []
        try:
            for decode in known or ():
                value, at_ = decode(data, at_)
                values.append(value)
        except DecodeError:
            return None
        return tuple(values) if at_ == len(data) else None

    return read
