"""What a module shows to clients beside its tables: views, and filters of tables."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..errors import DefinitionError, shorten
from ..types.annotations import Scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from .views import ViewDeclaration

F = TypeVar("F", bound="Callable[..., Any]")


class Visibility:
    """The part of a `Module` that says what clients see."""

    name: str

    def _set_up_visibility(self) -> None:
        self._views: dict[str, ViewDeclaration] = {}
        self._filters: list[str] = []

    @overload
    def view(self, function: F, /) -> F: ...
    @overload
    def view(
        self, /, *, name: str | None = None, public: bool = False, primary_key: str | None = None
    ) -> Callable[[F], F]: ...
    def view(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        public: bool = False,
        primary_key: str | None = None,
    ) -> Any:
        """Declare a view: rows that a function computes, read like a table's.

        Parameters
        ----------
        function : callable
            ``(ctx: ViewContext) -> list[R]`` when the rows depend on who asks,
            ``(ctx: AnonymousViewContext) -> list[R]`` when they do not. It may also return
            ``R | None`` or ``Query[R]``. R is the class of a table's rows, a frozen dataclass or a
            NamedTuple.
        name : str, optional
            The function's own name when not given.
        public : bool
            Whether clients may read it; otherwise only the owner. What it reads it may always.
        primary_key : str, optional
            A column that no two rows share (of one caller): what tells clients that a row was
            updated. A query has that of its table without being told.

        Raises
        ------
        DefinitionError
            Its signature is not that of a view.

        Examples
        --------
        >>> import stdb
        >>> chat = stdb.Module("chat")
        >>> @chat.table()
        ... class Message(stdb.Row):
        ...     sender: stdb.Identity = stdb.index()
        ...     text: str
        >>> @chat.view(public=True)
        ... def my_messages(ctx: stdb.ViewContext) -> list[Message]:
        ...     return list(ctx.db[Message].sender.filter(ctx.sender))
        >>> db = stdb.Database(chat)
        >>> with db.transaction() as tx:
        ...     _ = tx.db.message.insert(sender=db.owner, text="hi")
        >>> db.sql("SELECT text FROM my_messages").scalar()
        'hi'
        """
        from .views import declare_view

        scope = Scope(caller())

        def declare(function: F) -> F:
            declared = declare_view(
                function, scope, name=name, public=public, primary_key=primary_key
            )
            before = self._views.get(declared.name)
            if before is not None and before.place != declared.place:
                raise DefinitionError(
                    f"module {self.name!r} has a view {declared.name!r} already, {before.place}; "
                    f"give {declared.place} another name"
                )
            self._views[declared.name] = declared
            return function

        return declare if function is None else declare(function)

    def client_visibility_filter(self, sql: str) -> None:
        """Let clients see only some rows of a public table: row-level security.

        Parameters
        ----------
        sql : str
            A query for whole rows of that table, in the language of subscriptions:
            ``SELECT message.* FROM message WHERE message.sender = :sender``; it may join others.
            A table with several filters shows the rows that any of them lets through, a table
            without one shows all. The owner, reducers and views see everything.

        Notes
        -----
        It is checked when the module is published.

        Examples
        --------
        >>> import stdb
        >>> chat = stdb.Module("chat")
        >>> @chat.table(public=True)
        ... class Message(stdb.Row):
        ...     sender: stdb.Identity
        ...     text: str
        >>> chat.client_visibility_filter("SELECT * FROM message WHERE sender = :sender")
        >>> db = stdb.Database(chat)
        >>> with db.transaction() as tx:
        ...     _ = tx.db.message.insert(sender=db.owner, text="hi")
        >>> alice = stdb.Identity.from_hex("00" * 32)
        >>> len(db.sql("SELECT * FROM message", sender=alice)), len(db.sql("SELECT * FROM message"))
        (0, 1)
        """
        if not isinstance(sql, str):
            raise DefinitionError(f"a visibility filter is SQL text, not {shorten(sql)}")
        if sql not in self._filters:
            self._filters.append(sql)


def caller() -> FrameType:
    """Return the frame of whoever called the decorator: annotations mean what they mean there."""
    return sys._getframe(2)


__all__ = ["Visibility", "caller"]
