"""Hearing of every transaction of a database."""

from __future__ import annotations

from collections.abc import Callable

from stdb import Database
from stdb.storage import Changes


def watch_everything(db: Database, listener: Callable[[Changes], object]) -> None:
    """Have `listener` called with the changes of each transaction, system tables included."""

    def listen(changes: Changes) -> None:
        listener(changes)

    for table in db._store:
        db._store.watch(table.name, listen)
