"""The row-level security of a module: filters are checked, and noted in the system table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import PublishError, SqlError

if TYPE_CHECKING:
    from .core import Core


def install_filters(database: Core) -> None:
    """Let the filters of the module be those of the database, in the open transaction.

    Tables have perhaps been made anew, under other numbers, since they were noted.

    Raises
    ------
    PublishError
        One of them is wrong, or is about a table that clients cannot read anyway.
    """
    texts = database._program.definition.row_level_security
    store = database._store
    noted = store["st_row_level_security"]
    if not texts and not noted.rows:
        return
    from ..sql.subscription import declare_rule  # heavy: most modules have no filters

    rows = []
    for text in texts:
        try:
            table = declare_rule(text, store.by_name)
        except SqlError as error:
            raise PublishError(f"client_visibility_filter: {error}") from error
        rows.append(noted.shape.cls(table_id=store[table].table_id, sql=text))
    if set(rows) != set(noted.rows.values()):
        noted.clear()
        noted.insert_many(rows)
        # Statements of clients were compiled with the filters that there were.
        store.schema_version += 1
