"""Publishing a module into a database that runs: the plan, and the one transaction that does it.

The tables are altered, the new program takes over and its row of ``st_module`` is written, all in
one transaction: when anything fails, views of the new module included, the old module goes on with
the old tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Error
from .core import Core
from .programs import as_program

if TYPE_CHECKING:
    from ..module import Program
    from ..schema import MigrationPlan, ModuleDef


class Publishing(Core):
    """How a `Database` gets another module."""

    def plan(self, module: Any) -> MigrationPlan:
        r"""Return what publishing `module` would change; nothing is done.

        Parameters
        ----------
        module : Module
            The module as it is now.

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
        program = as_program(module)
        with self.transaction(readonly=True):
            self._check_not_closed()
            plan = _plan(self, program)
            _check_rows(self, plan)
        return plan

    def publish(self, module: Any, *, break_clients: bool = True) -> MigrationPlan:
        """Run `module` from here on, with the rows that there are.

        The tables become those of the module where that is possible: see ``docs/migrations.md``.
        ``init`` does not run again. Rows are rows of the new module's classes afterwards.

        Parameters
        ----------
        module : Module
            The module as it is now.
        break_clients : bool
            Whether it may change what clients depend on, which disconnects them all.

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
        program = as_program(module)
        self._check_writable()
        try:
            plan = migrate(self, program, break_clients=break_clients)
        except Error as error:
            self._logs.write("Warn", f"Database update failed: {error}")
            raise
        if plan.breaks_clients:
            self._disconnect_all()
        if self._log is not None:
            self._log.flush()
        return plan

    def _disconnect_all(self) -> None:
        """Let every client go: the new module's ``client_disconnected`` runs for each."""
        for connection in list(self._connections):
            connection.close()


def migrate(database: Any, program: Program, *, break_clients: bool = True) -> MigrationPlan:
    """Let `database` run `program`, in one transaction, and return what that changed."""
    replaced = database._program
    with database._store.writing_schema():
        database._check_not_closed()
        plan = _plan(database, program)
        if plan.breaks_clients and not break_clients:
            _refuse_to_break(plan)
        _check_rows(database, plan)
        _take_over(database, program, plan)
    if replaced is not database._program:
        replaced.close()
    _say(database, "Database updated")
    return plan


def _take_over(database: Any, program: Program, plan: MigrationPlan) -> None:
    """Alter the tables and let the new program run, in the open transaction."""
    from ..storage.alter import alter
    from .creation import module_row, program_hash

    before = database._program
    store = database._store
    store.state.on_undo.append(_Program(database))
    alter(store, plan, program.shapes, lambda text: _say(database, text))
    database._take_program(program)
    if (program.kind, program.program_bytes) != (before.kind, before.program_bytes):
        _say(database, f"Updated program to {program_hash(program.program_bytes).hex()}")
    noted = store["st_module"]
    for row in list(noted.rows.values()):
        if (row.program_kind, row.program_bytes) != (program.kind, program.program_bytes):
            noted.delete(row)
            noted.insert(**module_row(database))


class _Program:
    """The program that a database ran before the open transaction, to go on if that is undone."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._before = database._program

    def rolled_back(self) -> None:
        """Run it again, and end the one that took its place."""
        now = self._database._program
        if now is not self._before:
            self._database._use_program(self._before)
            now.close()


def _plan(database: Any, program: Program) -> MigrationPlan:
    import msgspec

    from ..schema import plan_migration

    old: ModuleDef = database._program.definition
    plan = plan_migration(old, program.definition)
    token = migration_token(
        database.identity.hex(), database._program.program_bytes, program.program_bytes
    )
    return msgspec.structs.replace(plan, token=token)


def migration_token(identity: str, old: bytes, new: bytes) -> str:
    """Return the hash that stands for a change of one database from one program to another."""
    from .creation import program_hash

    text = identity + program_hash(old).hex() + program_hash(new).hex()
    return program_hash(text.encode()).hex()


def _check_rows(database: Any, plan: MigrationPlan) -> None:
    from ..schema import migration_error
    from ..storage.prechecks import find_conflicts

    conflicts = find_conflicts(database._store, plan)
    if conflicts:
        raise migration_error(conflicts)


def _refuse_to_break(plan: MigrationPlan) -> None:
    from ..schema import Reason, migration_error

    tables = sorted({step.name for step in plan.steps if step.kind != "disconnect_all_users"})
    raise migration_error(
        [
            Reason(
                "DisconnectAllUsers",
                "the change breaks clients, which break_clients=False does not allow: it is about "
                + ", ".join(tables),
            )
        ]
    )


def _say(database: Any, text: str) -> None:
    database._logs.write("Info", text, function="__spacetimedb__")


__all__ = ["Publishing", "migrate", "migration_token"]
