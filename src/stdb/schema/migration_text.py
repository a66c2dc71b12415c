"""A migration plan as text, the way SpacetimeDB's command line shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..types.algebraic import display

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .definition import ColumnDef, TableDef, ViewDef
    from .migration import MigrationPlan, Step

_INDENT: Final = "    "
_RULE: Final = "━" * 60
_STYLES: Final = {
    "header": "\x1b[1;34m",
    "created": "\x1b[32m",
    "removed": "\x1b[31m",
    "changed": "\x1b[33m",
    "table": "\x1b[1;36m",
    "type": "\x1b[35m",
    "access": "\x1b[32m",
    "warning": "\x1b[1;41m",
}
_RESET: Final = "\x1b[0m"


def plan_text(plan: MigrationPlan, *, colored: bool) -> str:
    """Return the text of a plan."""
    return _Text(plan, colored=colored).whole()


class _Text:
    def __init__(self, plan: MigrationPlan, *, colored: bool) -> None:
        from .migration import all_views  # which imports this file, when it is asked for text

        self.plan = plan
        self.colored = colored
        self.old_tables, self.new_tables = plan.old.all_tables(), plan.new.all_tables()
        self.old_views, self.new_views = all_views(plan.old), all_views(plan.new)

    def whole(self) -> str:
        head = [_RULE, self.paint("header", "Database Migration Plan"), _RULE, ""]
        lines = [line for step in self.plan.steps for line in self.of(step)]
        return "\n".join([*head, *lines])

    def paint(self, style: str, text: object) -> str:
        return f"{_STYLES[style]}{text}{_RESET}" if self.colored else str(text)

    def of(self, step: Step) -> Iterable[str]:
        """Return the lines of a step."""
        method: Any = getattr(self, f"_{step.kind}", None)
        if method is not None:
            lines: Iterable[str] = method(step)
            return lines
        verb, _, what = step.kind.partition("_")
        return [getattr(self, f"_of_{what}")(verb, step)]

    def said(self, verb: str) -> str:
        """Return ``Created`` for ``add``."""
        style = {"add": "created", "remove": "removed", "change": "changed"}[verb]
        return self.paint(style, style.capitalize())

    def table(self, name: str) -> str:
        return self.paint("table", name)

    # -- whole tables and views -----------------------------------------------------------------

    def _add_table(self, step: Step) -> Iterable[str]:
        table = self.new_tables[step.name]
        names = [column.name for column in table.columns]

        def listed(positions: Iterable[int]) -> str:
            return ", ".join(names[position] for position in positions)

        access = self.paint("access", _access(table.is_public))
        yield f"▸ {self.said('add')} user table: {self.table(table.name)} ({access})"
        yield from self.section("Columns", self.columns(table.columns))
        constraints = [f"{c.name} on [{listed(c.columns)}]" for c in table.constraints]
        yield from self.section("Unique constraints", constraints)
        indexes = [f"{index.name} on [{listed(index.columns)}]" for index in table.indexes]
        yield from self.section("Indexes", indexes)
        sequences = [f"{s.name} on {names[s.column]}" for s in table.sequences]
        yield from self.section("Auto-increment constraints", sequences)
        schedule = table.schedule
        if schedule is not None:
            called = [f"Calls {schedule.function_kind}: {schedule.function_name}"]
            yield from self.section("Schedule", called)
        yield ""

    def _remove_table(self, step: Step) -> Iterable[str]:
        return [f"▸ {self.said('remove')} table: {self.table(step.name)}", ""]

    def _add_view(self, step: Step) -> Iterable[str]:
        return self.view("add", step.name, self.new_views[step.name])

    def _remove_view(self, step: Step) -> Iterable[str]:
        return self.view("remove", step.name, self.old_views[step.name])

    def view(self, verb: str, name: str, view: ViewDef) -> Iterable[str]:
        anonymous = "anonymous " if view.is_anonymous else ""
        yield f"▸ {self.said(verb)} {anonymous}view: {self.table(name)}"
        yield from self.section("Parameters", self.columns(view.param_columns))
        yield from self.section("Columns", self.columns(view.columns))
        yield ""

    def _update_view(self, _step: Step) -> Iterable[str]:
        return []

    def section(self, title: str, entries: list[str]) -> list[str]:
        if not entries:
            return []
        head = f"{_INDENT}{self.paint('header', f'{title}:')}"
        return [head, *(f"{_INDENT * 2}• {entry}" for entry in entries)]

    def columns(self, columns: Iterable[ColumnDef]) -> list[str]:
        return [f"{c.name}: {self.paint('type', display(c.type))}" for c in columns]

    # -- parts of tables --------------------------------------------------------------------------

    def side(self, verb: str, step: Step) -> TableDef:
        """Return the table as it was for what goes, as it will be for what comes."""
        return (self.old_tables if verb == "remove" else self.new_tables)[step.table]

    def on(self, table: TableDef, columns: Iterable[int]) -> str:
        names = ", ".join(table.columns[position].name for position in columns)
        return f"on [{names}] of table {self.table(table.name)}"

    def _of_index(self, verb: str, step: Step) -> str:
        table = self.side(verb, step)
        index = next(index for index in table.indexes if index.name == step.name)
        return f"▸ {self.said(verb)} index {index.name} {self.on(table, index.columns)}"

    def _of_index_source_name(self, verb: str, step: Step) -> str:
        return self._of_index(verb, step)

    def _of_constraint(self, verb: str, step: Step) -> str:
        table = self.side(verb, step)
        constraint = next(c for c in table.constraints if c.name == step.name)
        columns = self.on(table, constraint.columns)
        return f"▸ {self.said(verb)} unique constraint {constraint.name} {columns}"

    def _of_sequence(self, verb: str, step: Step) -> str:
        table = self.side(verb, step)
        sequence = next(s for s in table.sequences if s.name == step.name)
        column = table.columns[sequence.column].name
        return (
            f"▸ {self.said(verb)} auto-increment constraint {sequence.name} on column {column} of "
            f"table {self.table(table.name)}"
        )

    def _of_schedule(self, verb: str, step: Step) -> str:
        table = self.side(verb, step)
        schedule = table.schedule
        assert schedule is not None
        return (
            f"▸ {self.said(verb)} schedule for table {self.table(table.name)} calling "
            f"{schedule.function_kind} {schedule.function_name}"
        )

    def _of_row_level_security(self, verb: str, step: Step) -> str:
        return f"▸ {self.said(verb)} row level security policy:\n{_INDENT}`{step.name}`"

    def _of_access(self, verb: str, step: Step) -> str:
        was = (self.old_tables.get(step.name) or self.old_views[step.name]).is_public
        change = f"{_access(was)} → {_access(not was)}"
        return (
            f"▸ {self.said(verb)} access for table {self.table(step.name)} "
            f"({self.paint('access', change)})"
        )

    def _of_primary_key(self, verb: str, step: Step) -> str:
        was = self.old_tables[step.name].primary_key
        is_ = self.new_tables[step.name].primary_key
        if is_ is None:
            change = "removed"
        else:
            change = f"{'added on' if was is None else 'changed to'} column {is_}"
        return f"▸ {self.said(verb)} primary key on table {self.table(step.name)} ({change})"

    def _change_columns(self, step: Step) -> Iterable[str]:
        old, new = self.old_tables[step.name], self.new_tables[step.name]
        yield f"▸ {self.said('change')} columns for table {self.table(step.name)}"
        for before, after in zip(old.columns, new.columns, strict=True):
            if before.type != after.type:
                change = f"{display(before.type)} → {display(after.type)}"
                yield f"{_INDENT}~ Modified: {after.name} ({self.paint('type', change)})"

    def _add_columns(self, step: Step) -> Iterable[str]:
        old, new = self.old_tables[step.name], self.new_tables[step.name]
        added = new.columns[len(old.columns) :]
        plural = "s" * (len(added) != 1)
        yield f"▸ {self.said('add')} column{plural} in table {self.table(step.name)}"
        for column in added:
            shown = self.paint("type", display(column.type))
            yield f"{_INDENT}+ {column.name}: {shown} (default: {_default(column)})"

    def _reschema_event_table(self, step: Step) -> Iterable[str]:
        return [f"▸ {self.said('change')} schema of event table {self.table(step.name)}"]

    def _of_table_accessor_name(self, verb: str, step: Step) -> str:
        return f"▸ {self.said(verb)} table accessor name for {self.table(step.name)}"

    def _of_column_accessor_name(self, verb: str, step: Step) -> str:
        return f"▸ {self.said(verb)} column accessor name for {self.table(step.table)}.{step.name}"

    def _disconnect_all_users(self, _step: Step) -> Iterable[str]:
        warning = "!!! Warning: All clients will be disconnected due to breaking schema changes"
        return [self.paint("warning", warning)]


def _access(is_public: bool) -> str:
    return "public" if is_public else "private"


def _default(column: ColumnDef) -> str:
    from ..types.bsatn_decode import make_decoder
    from ..types.generated import shape_of_type
    from ..types.satn import satn

    assert column.default is not None
    shape = shape_of_type(column.type, column.name)
    return satn(shape, make_decoder(shape)(column.default, 0)[0])
