"""What the tools of this package are given to test: a module, a file, a database."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..clock import ManualClock
from ..database import Database
from ..errors import UsageError, shorten, unknown_name
from ..module import Module
from ..module.file_module import FileModule

if TYPE_CHECKING:
    from ..module import ReducerDeclaration

#: What can be tested: a module, the file of a compiled one, or a database to begin with.
Testable = Module | FileModule | Database | str | os.PathLike[str]


def start(module: Testable, clock: ManualClock | None = None) -> Database:
    """Return a database in memory to begin with; a given one is forked, and left as it is."""
    if isinstance(module, Database):
        return module.fork(clock=clock or ManualClock(module._micros()))
    made: Any = module
    return Database(made, clock=clock or ManualClock())


def reducers_of(module: Testable) -> dict[str, ReducerDeclaration]:
    """Return the reducers that somebody can call."""
    if isinstance(module, Module):
        declared = module.freeze().reducers
    elif isinstance(module, Database):
        declared = module._reducers
    else:
        with start(module) as database:
            declared = database._reducers
    return {name: each for name, each in declared.items() if each.lifecycle is None}


def find_reducer(reducer: str, module: Testable | None) -> ReducerDeclaration:
    """Return a reducer by its name; without a module, of the one module that has it.

    Raises
    ------
    UnknownName
        There is none.
    UsageError
        Several modules have one of that name.
    """
    if not isinstance(reducer, str):
        name = getattr(reducer, "__name__", "…")
        raise UsageError(f"a reducer is told by its name, {name!r}, not by {shorten(reducer)}")
    if module is not None:
        found = reducers_of(module)
        if reducer not in found:
            raise unknown_name("reducer", reducer, found)
        return found[reducer]
    having = [each for each in Module.all() if reducer in each._reducers]
    if len(having) > 1:
        import gc

        del having
        gc.collect()  # a module that nobody can reach any more is none of the several
        having = [each for each in Module.all() if reducer in each._reducers]
    if len(having) > 1:
        names = ", ".join(sorted(each.name for each in having))
        raise UsageError(
            f"several modules have a reducer {reducer!r} ({names}): say which, "
            f"arguments({reducer!r}, module=…)"
        )
    if not having:
        known = {name for each in Module.all() for name in each._reducers}
        raise unknown_name("reducer", reducer, known)
    return having[0]._reducers[reducer]
