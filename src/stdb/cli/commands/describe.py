"""``stdb describe``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from ...database.creation import describe
from ...errors import unknown_name
from ...module import read_program
from ..opening import database_argument, reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...database import Database
    from ...schema import ModuleDef


_KINDS: Final = {
    "table": "tables", "view": "views", "reducer": "reducers", "procedure": "procedures"
}  # fmt: skip


@click.command
@database_argument
@click.argument("kind", required=False, type=click.Choice(list(_KINDS)))
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="The definition as SpacetimeDB prints it.")
@click.pass_context
def command(
    ctx: click.Context, database: str, kind: str | None, name: str | None, as_json: bool
) -> None:
    """Print what the module of a database has: tables, views, reducers, procedures.

    \b
        stdb describe chat
        stdb describe chat table message --json
    """
    if kind is not None and name is None:
        raise click.UsageError(f"say which {kind}: stdb describe {database} {kind} NAME")
    with reading(ctx, database) as opened:
        definition = _definition(opened)
        shown = describe(opened.name, opened.identity, definition)
    described = _definition_as_json(definition) if as_json else shown
    if kind is not None:
        described = _one(described, kind, str(name))
    if as_json:
        click.echo(json.dumps(described, indent=2))
    elif kind is not None:
        _SHOW[_KINDS[kind]](described)
    else:
        for key, show in _SHOW.items():
            for item in described[key]:
                show(item)


def _definition(database: Database) -> ModuleDef:
    """Return what is stored; a compiled module is asked, since only it knows its functions."""
    program = database._program
    compiled = read_program(program.kind, database.module_bytes or b"")
    return program.definition if compiled is None else compiled.definition


def _definition_as_json(definition: ModuleDef) -> Any:
    from ...schema import module_def_to_json

    return module_def_to_json(definition.to_raw_v10(), wrapped=False)


def _one(described: Any, kind: str, name: str) -> Any:
    """Return the description of one thing, in either form."""
    found = described.get(_KINDS[kind])
    if found is None:
        wanted = _KINDS[kind].capitalize()
        found = [item for section in described["sections"] for item in section.get(wanted, [])]
    by_name = {item.get("name") or item.get("source_name"): item for item in found}
    if name not in by_name:
        raise unknown_name(kind, name, by_name)
    return by_name[name]


def _show_table(table: Any) -> None:
    access = "public" if table["public"] else "private"
    event = ", event" if table["event"] else ""
    _heading(f"table {table['name']} ({access}{event})")
    for column in table["columns"]:
        marks = []
        if column["name"] == table["primary_key"]:
            marks.append("primary key")
        elif [column["name"]] in table["unique"]:
            marks.append("unique")
        if column["auto_inc"]:
            marks.append("auto_inc")
        click.echo(f"    {column['name']}: {column['type']}  {', '.join(marks)}".rstrip())
    for index in table["indexes"]:
        click.echo(f"    index {index['name']}: {index['algorithm']} on {_list(index['columns'])}")
    if table["scheduled"]:
        click.echo(f"    scheduled: {table['scheduled']}")


def _show_view(view: Any) -> None:
    access = "public" if view["public"] else "private"
    whose = "" if view["anonymous"] else ", per sender"
    _heading(f"view {view['name']} ({access}{whose})")
    for column in view["columns"]:
        is_key = column["name"] == view["primary_key"]
        click.echo(f"    {column['name']}: {column['type']}{'  primary key' * is_key}")


def _show_reducer(reducer: Any) -> None:
    lifecycle = f"  [{reducer['lifecycle']}]" if reducer["lifecycle"] else ""
    _heading(f"reducer {reducer['name']}{_params(reducer)}{lifecycle}")


def _show_procedure(procedure: Any) -> None:
    _heading(f"procedure {procedure['name']}{_params(procedure)} -> {procedure['returns']}")


def _show_route(route: Any) -> None:
    _heading(f"http {route['method']} {route['path']} -> {route['handler']}")


def _params(function: Any) -> str:
    return _list(f"{each['name']}: {each['type']}" for each in function["params"])


def _list(items: Iterable[str]) -> str:
    return f"({', '.join(items)})"


def _heading(text: str) -> None:
    click.secho(text, bold=True)


_SHOW: Final[dict[str, Callable[[Any], None]]] = {
    "tables": _show_table,
    "views": _show_view,
    "reducers": _show_reducer,
    "procedures": _show_procedure,
    "http_routes": _show_route,
}
