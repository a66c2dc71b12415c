"""What it takes to turn the tables of one module into those of another.

`plan_migration` compares two definitions, nothing else: no database, no rows. What it finds is a
`MigrationPlan`, steps in the order in which they are taken, or a `MigrationError` that lists
everything which cannot be done. What depends on the rows (a table that goes must be empty) shows
when the steps are taken.

Things are matched by their full canonical name, so a renamed one is one that goes and one that
comes. Functions, types and routes are not compared: they are taken as they are.

Source: SpacetimeDB documentation, "Automatic migrations", 2.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from ..errors import MigrationError
from .definition import SEQUENCE_MAX
from .migration_columns import compare_columns, compare_event_columns
from .reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .definition import ModuleDef, SequenceDef, TableDef, ViewDef

StepKind: TypeAlias = Literal[
    "remove_index",
    "remove_constraint",
    "remove_sequence",
    "remove_schedule",
    "remove_view",
    "remove_row_level_security",
    "remove_table",
    "change_columns",
    "reschema_event_table",
    "add_columns",
    "change_index_source_name",
    "change_table_accessor_name",
    "change_column_accessor_name",
    "add_table",
    "add_index",
    "add_constraint",
    "add_sequence",
    "add_schedule",
    "add_view",
    "add_row_level_security",
    "change_access",
    "change_primary_key",
    "update_view",
    "disconnect_all_users",
]
#: The steps in the order in which they are taken. What goes does so before what comes, so that
#: something may come under the name of what went.
STEP_KINDS: Final[tuple[StepKind, ...]] = StepKind.__args__  # type: ignore[attr-defined]
_ORDER: Final = {kind: position for position, kind in enumerate(STEP_KINDS)}
#: What clients, with the classes that they were generated with, cannot live through.
_BREAKING: Final = frozenset({"remove_table", "reschema_event_table", "add_columns", "remove_view"})


class Step(msgspec.Struct, frozen=True):
    """One step of a migration.

    Attributes
    ----------
    kind : str
        One of `STEP_KINDS`.
    name : str
        The full name of what it is about: a table, view, index, constraint, sequence or column;
        for row-level security the text of the rule.
    table : str
        The table that it belongs to; the table or view itself, where it is about one.
    """

    kind: StepKind
    name: str = ""
    table: str = ""

    @property
    def place(self) -> tuple[int, tuple[str, ...], str, str]:
        """Where it stands among others."""
        *namespace, local = (self.table if self.name in ("", self.table) else self.name).split(".")
        return _ORDER[self.kind], tuple(namespace), local, self.name


class MigrationPlan(msgspec.Struct, frozen=True):
    """What publishing a module changes: ``db.plan(module)``. Print it to read it.

    Attributes
    ----------
    old, new : ModuleDef
        The definitions that it leads from and to.
    steps : tuple of Step
        In the order in which they are taken.
    token : str
        64 hex digits that stand for this change of this database, from exactly one program to
        exactly another; empty for a plan that was made without a database.

    Examples
    --------
    >>> import stdb
    >>> before, after = stdb.Module("notes"), stdb.Module("notes")
    >>> @before.table(name="note")
    ... class Note(stdb.Row):
    ...     text: str
    >>> @after.table(name="note")
    ... class NoteWithStars(stdb.Row):
    ...     text: str
    ...     stars: stdb.u8 = 0
    >>> plan = stdb.Database(before).plan(after)
    >>> plan, plan.breaks_clients
    (<MigrationPlan, 1 step, breaks clients; print it to read it>, True)
    """

    old: ModuleDef
    new: ModuleDef
    steps: tuple[Step, ...]
    token: str = ""

    @property
    def breaks_clients(self) -> bool:
        """Whether every client is disconnected."""
        return any(step.kind == "disconnect_all_users" for step in self.steps)

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes in the tables."""
        return all(step.kind == "update_view" for step in self.steps)

    @property
    def is_major_upgrade(self) -> bool:
        """Whether it leads from a module of SpacetimeDB 1 to one of SpacetimeDB 2."""
        return self.old.raw_version < 10 <= self.new.raw_version

    def text(self, *, colored: bool = False) -> str:
        """Return the plan for people to read; in a terminal, `colored`."""
        from .migration_text import plan_text

        return plan_text(self, colored=colored)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        count = len([step for step in self.steps if step.kind != "disconnect_all_users"])
        breaks = ", breaks clients" if self.breaks_clients else ""
        return f"<MigrationPlan, {count} step{'s' * (count != 1)}{breaks}; print it to read it>"


class Comparison:
    """Collects what two definitions differ in: steps, and reasons why there is no way."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.reasons: list[Reason] = []

    def step(self, kind: StepKind, name: str = "", table: str = "") -> None:
        """Note a step."""
        self.steps.append(Step(kind, name, table or name))

    def refuse(self, kind: str, message: str, table: str, column: str | None = None) -> None:
        """Note a reason why the migration cannot be."""
        self.reasons.append(Reason(kind, message, table, column))


def plan_migration(old: ModuleDef, new: ModuleDef) -> MigrationPlan:
    """Return the steps that lead from the tables and views of `old` to those of `new`.

    Raises
    ------
    MigrationError
        There is no way; ``reasons`` lists every reason.
    """
    plan, reasons = compare(old, new)
    if reasons:
        raise migration_error(reasons)
    return plan


def compare(old: ModuleDef, new: ModuleDef) -> tuple[MigrationPlan, list[Reason]]:
    """Return the steps that lead from `old` to `new`, and the reasons why that cannot be."""
    found = Comparison()
    before, after = old.all_tables(), new.all_tables()
    for name in before.keys() | after.keys():
        if name not in after:
            found.step("remove_table", name)
        elif name not in before:
            found.step("add_table", name)
        else:
            _compare_tables(before[name], after[name], found)
    _compare_views(all_views(old), all_views(new), found)
    was, is_ = row_level_security(old), row_level_security(new)
    for rule in was - is_:
        found.step("remove_row_level_security", rule)
    for rule in is_ - was:
        found.step("add_row_level_security", rule)
    if was != is_ or any(step.kind in _BREAKING for step in found.steps):
        found.step("disconnect_all_users")
    steps = tuple(sorted(found.steps, key=lambda step: step.place))
    return MigrationPlan(old, new, steps), found.reasons


def all_views(module: ModuleDef) -> dict[str, ViewDef]:
    """Return the views of a module and all below it, by full name."""
    return {name: view for name, _, view, _ in module.all_views()}


def row_level_security(module: ModuleDef) -> frozenset[str]:
    """Return the rules of a module and all below it."""
    return frozenset(rule for _, each in module.walk() for rule in each.row_level_security)


def migration_error(reasons: Iterable[Reason]) -> MigrationError:
    """Return the error with all of these reasons."""
    found = sorted(reasons, key=lambda r: (r.table or "", r.column or "", r.message))
    lines = "".join(f"\n  {reason.message}" for reason in found)
    return MigrationError(
        f"the module cannot be published here, and nothing was changed:{lines}", reasons=found
    )


# -- tables ------------------------------------------------------------------------------------


def _compare_tables(old: TableDef, new: TableDef, found: Comparison) -> None:
    name = new.name
    if old.is_system != new.is_system:
        kinds = "a table of the database itself", "one of the module"
        was, would_be = kinds if old.is_system else kinds[::-1]
        found.refuse(
            "ChangeTableType",
            f"table {name!r} is {was} and cannot become {would_be}; give the new one another name",
            name,
        )
    if old.is_event != new.is_event:
        kinds = "an event table", "an ordinary table"
        was, would_be = kinds if old.is_event else kinds[::-1]
        found.refuse(
            "ChangeTableEventFlag",
            f"table {name!r} is {was} and cannot become {would_be}; give the new one another name",
            name,
        )
    elif new.is_event:
        compare_event_columns(old, new, found)
    else:
        compare_columns(old, new, found)
    if old.accessor_name != new.accessor_name:
        found.step("change_table_accessor_name", name)
    if old.is_public != new.is_public:
        found.step("change_access", name)
    if old.primary_key != new.primary_key:
        found.step("change_primary_key", name)
    _compare_indexes(old, new, found)
    _compare_constraints(old, new, found)
    _compare_sequences(old, new, found)
    _compare_schedules(old, new, found)


def _compare_indexes(old: TableDef, new: TableDef, found: Comparison) -> None:
    before = {index.name: index for index in old.indexes}
    after = {index.name: index for index in new.indexes}
    for name in before.keys() - after.keys():
        found.step("remove_index", name, new.name)
    for name in after.keys() - before.keys():
        found.step("add_index", name, new.name)
    for name in before.keys() & after.keys():
        was, is_ = before[name], after[name]
        # What is only stored does not say what generated code calls it.
        if was.accessor_name not in (None, is_.accessor_name):
            found.refuse(
                "ChangeIndexAccessor",
                f"table {new.name!r}: index {name!r} is reached as {was.accessor_name!r} and "
                f"cannot be as {is_.accessor_name!r}; keep the name",
                new.name,
            )
        if (was.algorithm, was.columns) != (is_.algorithm, is_.columns):
            found.step("remove_index", name, new.name)
            found.step("add_index", name, new.name)
        elif was.source_name != is_.source_name:
            found.step("change_index_source_name", name, new.name)


def _compare_constraints(old: TableDef, new: TableDef, found: Comparison) -> None:
    before = {constraint.name: constraint for constraint in old.constraints}
    after = {constraint.name: constraint for constraint in new.constraints}
    for name in before.keys() - after.keys():
        found.step("remove_constraint", name, new.name)
    for name in after.keys() - before.keys():
        found.step("add_constraint", name, new.name)
    for name in before.keys() & after.keys():
        if before[name].columns != after[name].columns:
            found.refuse(
                "ChangeUniqueConstraint",
                f"table {new.name!r}: unique constraint {name!r} cannot be over other columns; "
                "give the new one another name",
                new.name,
            )


def _compare_sequences(old: TableDef, new: TableDef, found: Comparison) -> None:
    before = {sequence.name: _filled_in(sequence) for sequence in old.sequences}
    after = {sequence.name: _filled_in(sequence) for sequence in new.sequences}
    for name in before.keys() | after.keys():
        if before.get(name) == after.get(name):
            continue
        if name in before:
            found.step("remove_sequence", name, new.name)
        if name in after:
            found.step("add_sequence", name, new.name)


def _filled_in(sequence: SequenceDef) -> tuple[int, ...]:
    """Return what counts in a sequence, with the defaults for what is not said."""
    return (
        sequence.column,
        1 if sequence.start is None else sequence.start,
        1 if sequence.min_value is None else sequence.min_value,
        SEQUENCE_MAX if sequence.max_value is None else sequence.max_value,
        sequence.increment,
    )


def _compare_schedules(old: TableDef, new: TableDef, found: Comparison) -> None:
    before, after = old.schedule, new.schedule
    was = before and (before.name, before.at_column, before.function_name)
    is_ = after and (after.name, after.at_column, after.function_name)
    if was == is_:
        return
    if before is not None:
        found.step("remove_schedule", before.name, new.name)
    if after is not None:
        found.step("add_schedule", after.name, new.name)


# -- views -------------------------------------------------------------------------------------


def _compare_views(
    before: dict[str, ViewDef], after: dict[str, ViewDef], found: Comparison
) -> None:
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old is None:
            found.step("add_view", name)
        elif new is None:
            found.step("remove_view", name)
        elif _looks(old) != _looks(new):
            found.step("remove_view", name)
            found.step("add_view", name)
        else:
            if old.is_public != new.is_public:
                found.step("change_access", name)
            found.step("update_view", name)


def _looks(view: ViewDef) -> object:
    """Return what a view's backing table, and so its clients, depend on."""
    return (
        view.is_anonymous,
        view.primary_key,
        [(column.name, column.type) for column in view.columns],
        [(column.name, column.type) for column in view.param_columns],
    )
