"""Tables in memory: rows, indexes, sequences, and transactions over them.

Nothing of it is imported before it is wanted: `import stdb` declares modules, and the first
database makes tables. `stdb.storage.store` has the `Store` itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .changes import Changes, TableChanges
    from .handles import TableHandle
    from .index_handle import IndexHandle
    from .tables import Tables

__all__ = [
    "Changes",
    "IndexHandle",
    "TableChanges",
    "TableHandle",
    "Tables",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import changes, handles, index_handle, tables

    homes = {"TableHandle": handles, "IndexHandle": index_handle, "Tables": tables}
    return getattr(homes.get(name, changes), name)
