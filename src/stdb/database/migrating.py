"""Lets a running database have another program: the tables are altered in one transaction.

When anything fails, what the new program does included, the old one goes on with the old tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from ..schema import Reason, compare, migration_error
from ..storage.alter import alter
from ..storage.prechecks import find_conflicts
from .creation import module_row, program_hash
from .view_changes import change_visibility

if TYPE_CHECKING:
    from ..module import Program
    from ..schema import MigrationPlan, ModuleDef


def migrate(
    database: Any, program: Program, *, break_clients: bool = True, token: str | None = None
) -> MigrationPlan:
    """Let `database` run `program`, in one transaction, and return what that changed."""
    replaced = database._program
    with database._store.writing_schema():
        database._check_not_closed()
        plan = plan_for(database, program)
        if plan.breaks_clients and not break_clients:
            _refuse_to_break(plan)
        if token not in (None, plan.token):
            _refuse_token()
        _take_over(database, program, plan)
    if replaced is not database._program:
        replaced.close()
    _say(database, "Database updated")
    return plan


def _take_over(database: Any, program: Program, plan: MigrationPlan) -> None:
    """Alter the tables and let the new program run, in the open transaction."""
    before = database._program
    store = database._store
    store.state.on_undo.append(_Program(database))
    database._was_published = True
    alter(store, plan, program.shapes, lambda text: _say(database, text))
    database._take_program(program)
    change_visibility(database, lambda text: _say(database, text))
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


def plan_for(database: Any, program: Program) -> MigrationPlan:
    """Return the plan that leads to `program`; the rows allow it. In an open transaction.

    Raises
    ------
    MigrationError
        The tables or the rows do not.
    """
    old: ModuleDef = database._program.definition
    plan, reasons = compare(old, program.definition)
    # Where columns do not fit, it says nothing what their rows hold.
    doubtful = {reason.table for reason in reasons}
    reasons += find_conflicts(database._store, plan, doubtful)
    if reasons:
        raise migration_error(reasons)
    token = migration_token(
        database.identity.hex(), database._program.program_bytes, program.program_bytes
    )
    return msgspec.structs.replace(plan, token=token)


def migration_token(identity: str, old: bytes, new: bytes) -> str:
    """Return the hash that stands for a change of one database from one program to another."""
    text = identity + program_hash(old).hex() + program_hash(new).hex()
    return program_hash(text.encode()).hex()


def _refuse_to_break(plan: MigrationPlan) -> None:
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


def _refuse_token() -> NoReturn:
    raise migration_error(
        [
            Reason(
                "OtherPlan",
                "the change is not the one that was confirmed: the database or the module is "
                "another by now; look at the plan again",
            )
        ]
    )


def _say(database: Any, text: str) -> None:
    database._logs.system("Info", text)


__all__ = ["migrate", "migration_token", "plan_for"]
