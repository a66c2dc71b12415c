"""Tables in memory: rows, indexes, sequences, and transactions over them.

`stdb.storage.store` has the `Store` itself; it compiles the system tables, so it is imported when
the first database is made.
"""

from .changes import Changes, TableChanges
from .handles import IndexHandle, TableHandle, Tables

__all__ = [
    "Changes",
    "IndexHandle",
    "TableChanges",
    "TableHandle",
    "Tables",
]
