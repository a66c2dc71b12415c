"""``stdb describe``."""

from __future__ import annotations

import json
from typing import Any

import click

from ...errors import unknown_name
from ..opening import database_argument, reading


@click.command
@database_argument
@click.argument("kind", required=False, type=click.Choice(["table", "reducer"]))
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="The definition as SpacetimeDB prints it.")
@click.pass_context
def command(
    ctx: click.Context, database: str, kind: str | None, name: str | None, as_json: bool
) -> None:
    """Print what the module of a database has: tables, reducers, views, procedures."""
    if (kind is None) != (name is None):
        raise click.UsageError("say which: stdb describe DATABASE table NAME")
    with reading(ctx, database) as opened:
        if as_json:
            from ...schema import module_def_to_json

            raw = opened._program.definition.to_raw_v10()
            described: Any = module_def_to_json(raw, wrapped=False)
        else:
            described = opened.describe()
    if kind is not None:
        described = _one(described, kind, str(name))
    if as_json:
        click.echo(json.dumps(described, indent=2))
    else:
        _show(described, kind)


def _one(described: Any, kind: str, name: str) -> Any:
    found = described.get(f"{kind}s")
    if found is None:
        sections = described.get("sections", [])
        wanted = {"table": "Tables", "reducer": "Reducers"}[kind]
        found = [item for section in sections for item in section.get(wanted, [])]
    by_name = {item.get("name") or item.get("source_name"): item for item in found}
    if name not in by_name:
        raise unknown_name(kind, name, by_name)
    return by_name[name]


def _show(described: Any, kind: str | None) -> None:
    tables = [described] if kind == "table" else described.get("tables", [])
    for table in tables:
        access = "public" if table["public"] else "private"
        event = ", event" if table["event"] else ""
        click.secho(f"table {table['name']} ({access}{event})", bold=True)
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
            columns = ", ".join(index["columns"])
            click.echo(f"    index {index['name']}: {index['algorithm']} on ({columns})")
    reducers = [described] if kind == "reducer" else described.get("reducers", [])
    for reducer in reducers:
        params = ", ".join(f"{p['name']}: {p['type']}" for p in reducer["params"])
        lifecycle = f"  [{reducer['lifecycle']}]" if reducer["lifecycle"] else ""
        click.secho(f"reducer {reducer['name']}({params}){lifecycle}", bold=True)
