"""Publishing a module into a database that runs: how a `Database` gets another module."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

from ..errors import Disconnected, Error, TypeMismatch, shorten
from ..module import Module
from .core import Core

if TYPE_CHECKING:
    from ..module import Program
    from ..module.file_module import FileModule
    from ..schema import MigrationPlan


class Publishing(Core):
    """How a `Database` gets another module."""

    def plan(self, module: Any) -> MigrationPlan:
        r"""Return what publishing `module` would change; nothing is done.

        Parameters
        ----------
        module : Module, str or Path
            The module as it is now, or the file of a compiled one.

        Returns
        -------
        MigrationPlan
            Print it to read it; ``breaks_clients`` says whether they are disconnected.

        Raises
        ------
        MigrationError
            The tables cannot follow; ``reasons`` lists everything, what the rows do not allow too.
        DefinitionError
            The module is wrong in itself.

        Examples
        --------
        >>> import stdb
        >>> before, after = stdb.Module("notes"), stdb.Module("notes")
        >>> @before.table()
        ... class Note(stdb.Row):
        ...     text: str
        >>> @after.table(name="note")
        ... class Note(stdb.Row):
        ...     text: str
        ...     stars: stdb.u8 = 0
        >>> plan = stdb.Database(before).plan(after)
        >>> print(plan.text().split("\n", 4)[4])
        ▸ Created column in table note
            + stars: U8 (default: 0)
        !!! Warning: All clients will be disconnected due to breaking schema changes
        """
        from .migrating import plan_for  # what alters tables is wanted when it is

        program = as_program(module)
        with self.transaction(readonly=True):
            self._check_not_closed()
            return plan_for(self, program)

    def publish(
        self, module: Any, *, break_clients: bool = True, token: str | None = None
    ) -> MigrationPlan:
        """Run `module` from here on, with the rows that there are.

        The tables become those of the module where that is possible: see ``docs/migrations.md``.
        ``init`` does not run again. Rows are rows of the new module's classes afterwards.

        Parameters
        ----------
        module : Module, str or Path
            The module as it is now, or the file of a compiled one.
        break_clients : bool
            Whether it may change what clients depend on, which disconnects them all.
        token : str, optional
            The `token` of a plan that was looked at and confirmed: any other change is refused.

        Returns
        -------
        MigrationPlan
            What was done.

        Raises
        ------
        MigrationError
            The tables cannot follow, or clients would break and must not. ``reasons`` lists
            everything; nothing was changed.
        DefinitionError
            The module is wrong in itself.
        TransactionError
            This thread is in a transaction, or the database is only read.

        Examples
        --------
        >>> import stdb
        >>> notes = stdb.Module("notes")
        >>> @notes.table()
        ... class Note(stdb.Row):
        ...     text: str
        >>> db = stdb.Database(notes)
        >>> @notes.reducer
        ... def write(ctx: stdb.ReducerContext, text: str) -> None:
        ...     ctx.db[Note].insert(text=text)
        >>> db.publish(notes).is_empty
        True
        >>> db.call("write", "hello")
        """
        from .migrating import migrate

        program = as_program(module)
        self._check_writable()
        schedules = self._schedules
        if schedules is not None:
            schedules.pause()
        try:
            plan = migrate(self, program, break_clients=break_clients, token=token)
        except BaseException as error:
            if schedules is not None:
                schedules.resume()
            if isinstance(error, Error):
                self._logs.system("Warn", f"Database update failed: {error}")
            raise
        self._start_schedules()
        if plan.breaks_clients:
            self._disconnect_all(plan)
        if self._log is not None:
            self._log.flush()
        if self._due:
            self._dispatcher.deliver()
        return plan

    def _disconnect_all(self, plan: MigrationPlan) -> None:
        """Let every client go: the new module's ``client_disconnected`` runs for each."""
        names = sorted({step.name for step in plan.steps if step.kind != "disconnect_all_users"})
        error = Disconnected(
            f"database {self._name!r} was published anew with changes that break clients: it is "
            f"about {', '.join(names)}; connect again"
        )
        for connection in list(self._connections):
            connection.leave(error)


def as_program(module: Any) -> Program:
    """Return the program of a module as it is now.

    Raises
    ------
    TypeMismatch
        It is no module.
    DefinitionError
        It is wrong in itself.
    """
    return as_module(module).freeze()


def as_module(module: Any) -> Module | FileModule:
    """Return the module that was given, itself or as the path of a compiled one.

    Raises
    ------
    TypeMismatch
        It is neither.
    """
    if isinstance(module, Module):
        return module
    from ..module.file_module import FileModule  # only who has one needs it

    if isinstance(module, str | PathLike):
        return Module.from_file(module)
    if not isinstance(module, FileModule):
        raise TypeMismatch(
            "a module is a stdb.Module or the path of a compiled one, not "
            f"{type(module).__name__} {shorten(module)}",
            expected="Module",
            got=module,
        )
    return module
