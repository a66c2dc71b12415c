"""What publishing another module does with views and visibility filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import PublishError, ViewError
from .filters import install_filters

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..module import Program
    from ..schema import ViewDef
    from ..types.shapes import Record


def own_views(program: Program) -> dict[str, tuple[ViewDef, Record]]:
    """Return the views of a program by their names in the database, with the shapes of their rows.

    A program without code, made of what is stored, has none.
    """
    views = program.definition.named_views()
    return {name: (views[name], declared.row) for name, declared in program.views.items()}


def change_visibility(database: Any, say: Callable[[str], None]) -> None:
    """Let views and filters be those of the program that has taken over, in its transaction.

    Every view that is subscribed to is computed anew.

    Raises
    ------
    PublishError
        A view fails, or a filter is wrong.
    """
    new = own_views(database._program)
    if new or any(table.is_view for table in database._store):
        from ..storage.view_schema import change_views
        from .views import Views

        database._state.on_undo.append(_Views(database))
        change_views(database._store, new, say)
        replaced, database._made_views = database._made_views, Views(database)
        database._store.refresh = None
        try:
            if replaced is not None:
                database._made_views.succeed(replaced)
        except ViewError as error:
            raise PublishError(f"the module was not published: {error}") from error
    install_filters(database)


class _Views:
    """The views at work before the open transaction, to go on if that is undone."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._before = database._made_views
        self._refresh = database._store.refresh

    def rolled_back(self) -> None:
        """Let them go on; again does no harm."""
        self._database._made_views = self._before
        self._database._store.refresh = self._refresh


__all__ = ["change_visibility", "own_views"]
