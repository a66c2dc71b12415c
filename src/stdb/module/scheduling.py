"""Scheduled tables as they are declared: whose rows are calls to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import DefinitionError, shorten
from ..types import shapes as sh

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..types.annotations import Scope
    from .functions import FunctionDeclaration
    from .rows import RowDeclaration, TableDeclaration

#: Types that every module knows: a name among them is never that of a table to come.
_KNOWN_TYPES = frozenset(str(shape) for shape in sh.BY_TYPE.values())


def check_scheduled(scheduled: Any, row: RowDeclaration, table: str, module: str) -> None:
    """Raise `DefinitionError` unless a table of such rows can be scheduled."""
    where = f"table {table!r}"
    if not isinstance(scheduled, str) and not callable(scheduled):
        raise DefinitionError(
            f"{where}: scheduled is a reducer or procedure, or its name, not {shorten(scheduled)}"
        )
    keys = [c for c in row.columns if any(m.kind == "primary_key" for m in c.markers)]
    if [key.shape for key in keys] != [sh.U64]:
        raise DefinitionError(
            f"{where} is scheduled, so it needs a primary key of type u64: "
            f"id: u64 = primary_key(auto_inc=True)"
        )
    times = [c.name for c in row.columns if c.shape is sh.SCHEDULE]
    if len(times) != 1:
        found = f"and has {len(times)}: {', '.join(times)}" if times else "as in `at: ScheduleAt`"
        raise DefinitionError(
            f"{where} of module {module!r} is scheduled, so it needs one column of type "
            f"ScheduleAt, {found}"
        )


def schedule_column(row: RowDeclaration) -> int:
    """Return the position of the column that says when."""
    return next(i for i, column in enumerate(row.columns) if column.shape is sh.SCHEDULE)


def scheduled_name(
    table: TableDeclaration, functions: Iterable[FunctionDeclaration], module: str
) -> str:
    """Return the name of the function that the rows of a scheduled table call."""
    scheduled = table.scheduled
    if isinstance(scheduled, str):
        return scheduled
    for declared in functions:
        if declared.function is scheduled:
            return declared.name
    name = getattr(scheduled, "__name__", "…")
    raise DefinitionError(
        f"table {table.name!r}: the function {name!r}, which its rows are to call, is no reducer "
        f"or procedure of module {module!r}; put @{module}.reducer above it"
    )


def awaited_row(function: Any, scope: Scope) -> str | None:
    """Return the name of the row class that a function takes and that is not there yet.

    A table that names its function, not only the name of it, comes after the function, whose
    annotation can then only be text.
    """
    import inspect

    if not callable(function) or isinstance(function, type):
        return None
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != 2:
        return None
    name = parameters[1].annotation
    if not isinstance(name, str) or not name.isidentifier() or name in _KNOWN_TYPES:
        return None
    try:
        scope.resolve(name, "", function.__module__)
    except DefinitionError:
        return name
    return None
