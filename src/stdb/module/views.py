"""Views as they are declared: functions whose rows are read like those of a table."""

from __future__ import annotations

import types
from collections.abc import Collection as AbcCollection
from collections.abc import Generator, Iterable, Iterator
from collections.abc import Sequence as AbcSequence
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import msgspec

from ..errors import DefinitionError, shorten, unknown_name
from ..types.annotations import shape_of
from ..types.shapes import Record
from .query import Query
from .rows import Row

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable

    from ..types.annotations import Scope
    from ..types.shapes import Shape

Returns = Literal["array", "option", "query"]

_MANY = (list, tuple, AbcSequence, AbcCollection, Iterable, Iterator, Generator)
_CONTEXTS = {"ViewContext": False, "AnonymousViewContext": True}


class ViewDeclaration(msgspec.Struct, frozen=True):
    """A view: a function and what its rows are, whatever language it is written in.

    Attributes
    ----------
    name : str
        What it is called in SQL; tables have no such name.
    function : callable
        ``context -> rows``: an iterable of rows, a row, None, a `Query` or its SQL (of a compiled
        module as `SqlText`, whatever `returns` says). The context
        is a `ViewContext`, or an `AnonymousViewContext` where `is_anonymous`.
    row : Record
        Its rows.
    returns : {"array", "option", "query"}
        What the function returns of them.
    is_anonymous : bool
        Whether everybody sees the same rows.
    is_public : bool
        Whether clients may read it, or only the owner.
    primary_key : str or None
        The column that no two rows (of one caller) share.
    """

    name: str
    function: Callable[[Any], Any]
    row: Record
    returns: Returns
    is_anonymous: bool
    is_public: bool = False
    primary_key: str | None = None

    @property
    def place(self) -> str:
        """Where it is declared: the full name of the function."""
        return f"{self.function.__module__}.{self.function.__qualname__}"


def declare_view(
    function: Callable[..., Any],
    scope: Scope,
    *,
    name: str | None = None,
    public: bool = False,
    primary_key: str | None = None,
) -> ViewDeclaration:
    """Return the declaration of `function` as a view.

    Raises
    ------
    DefinitionError
        Its signature is not that of a view.
    """
    given: Any = function
    own_name = str(name or getattr(given, "__name__", ""))
    if not callable(given) or isinstance(given, type) or not own_name:
        raise DefinitionError(f"a view is a function, not {shorten(given)}")
    place = f"view {own_name!r}"
    import inspect  # heavy: wanted when a module is declared, not at import

    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(f"{place}: a view is a plain function: it cannot wait (no async)")
    is_anonymous = _context(list(inspect.signature(function).parameters.values()), function, scope)
    returns, shape = _returned(function, scope, place)
    if not isinstance(shape, Record):
        raise DefinitionError(
            f"{place}: it returns rows, and {shape} is none: return list[R], R | None or Query[R], "
            "R being the class of a table's rows, a frozen dataclass or a NamedTuple"
        )
    _make_iterable(shape)
    names = [str(field.name) for field in shape.fields]
    if primary_key is not None and primary_key not in names:
        raise DefinitionError(
            f"{place}, primary_key: "
            + str(unknown_name("column", primary_key, names, f" in {shape.name}"))
        )
    return ViewDeclaration(own_name, function, shape, returns, is_anonymous, public, primary_key)


def _context(
    parameters: list[inspect.Parameter], function: Callable[..., Any], scope: Scope
) -> bool:
    """Return whether the view is anonymous: what the annotation of its context says."""
    place = f"view {function.__name__!r}"
    if not parameters:
        raise DefinitionError(f"{place}: its parameter is the context: (ctx: ViewContext)")
    if len(parameters) > 1:
        raise DefinitionError(
            f"{place}: a view takes only the context, and {parameters[1].name!r} is another "
            "parameter: leave it out, and let who reads the view say WHERE"
        )
    annotation = parameters[0].annotation
    if annotation is not parameters[0].empty:
        # By name where it is text: contexts are often imported for type checkers only.
        text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        known = _CONTEXTS.get(text.rpartition(".")[2])
        if known is None and isinstance(annotation, str):
            meant = scope.resolve(annotation, place, function.__module__)
            known = _CONTEXTS.get(getattr(meant, "__name__", ""))
        if known is not None:
            return known
    raise DefinitionError(
        f"{place}: annotate its context, it says whose rows these are: (ctx: ViewContext) for rows "
        "that depend on who asks, (ctx: AnonymousViewContext) for rows that all see the same"
    )


def _returned(function: Callable[..., Any], scope: Scope, place: str) -> tuple[Returns, Shape]:
    """Return what the function returns, and of which rows."""
    annotation = scope.resolve(function.__annotations__.get("return"), place, function.__module__)
    if annotation is None:
        raise DefinitionError(
            f"{place}: annotate what it returns: list[R], R | None or Query[R] for rows of R"
        )
    origin, args = get_origin(annotation), get_args(annotation)
    returns: Returns | None = None
    if origin in (Union, types.UnionType):
        args = tuple(arg for arg in args if arg is not type(None))
        returns = "option" if len(args) == 1 else None
    elif origin is Query:
        returns = "query"
    elif origin in _MANY and (origin is not tuple or args[1:] == (Ellipsis,)):
        returns = "array"
    if returns is None:
        shown = annotation.__name__ if isinstance(annotation, type) else str(annotation)
        raise DefinitionError(
            f"{place}: a view returns list[R], R | None or Query[R] for rows of R, not {shown}"
        )
    row = scope.resolve(args[0], place, function.__module__)
    if isinstance(row, type) and issubclass(row, Row) and not hasattr(row, "__stdb_shape__"):
        raise DefinitionError(
            f"{place}: {row.__name__} is not the class of a table's rows: put @module.table() "
            "above it, or make it a frozen dataclass or a NamedTuple if there is no such table"
        )
    return returns, shape_of(row, scope, f"{place}, what it returns")


def _make_iterable(shape: Record) -> None:
    """Let rows of a dataclass be unpacked in the order of their columns, as all rows can be."""
    cls = shape.cls
    if hasattr(cls, "__iter__"):
        return
    names = [field.attribute for field in shape.fields]

    def __iter__(self: Any) -> Iterator[Any]:  # noqa: N807
        return iter([getattr(self, name) for name in names])

    cls.__iter__ = __iter__


__all__ = ["Returns", "ViewDeclaration", "declare_view"]
