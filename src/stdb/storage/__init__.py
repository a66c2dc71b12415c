"""Tables in memory: rows, indexes, sequences, and transactions over them.

Nothing of it is imported before it is wanted: `import stdb` declares modules, and the first
database makes tables. `stdb.storage.store` has the `Store` itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .changes import Changes, TableChanges
    from .handles import IndexHandle, TableHandle
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
    from . import changes, handles, tables

    home = tables if name == "Tables" else handles if name.endswith("Handle") else changes
    return getattr(home, name)
