"""``stdb publish``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...errors import DatabaseNotFound, MigrationError, UsageError
from ...module import Module
from ..opening import confirm, host_of, yes_option

if TYPE_CHECKING:
    from ...host import Host, Published
    from ...module.file_module import FileModule

_FOUND_BY_ITSELF = ("module.py", "spacetimedb", "package.json")


@click.command
@click.argument("name", required=False)
@click.option(
    "-p", "--module-path", type=click.Path(),
    help="A Python file or directory, or a TypeScript project; what is here when not given.",
)  # fmt: skip
@click.option("-b", "--bin-path", type=click.Path(), help="A compiled module: a .wasm file.")
@click.option("-j", "--js-path", type=click.Path(), help="A bundle of a TypeScript module.")
@click.option(
    "-c", "--delete-data", type=click.Choice(["always", "on-conflict", "never"]),
    is_flag=False, flag_value="always", default="never",
    help="Begin anew: always (nothing behind it means that), or when the tables cannot follow.",
)  # fmt: skip
@click.option("--break-clients", is_flag=True, help="Do not ask before clients are disconnected.")
@yes_option
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    name: str | None,
    module_path: str | None,
    bin_path: str | None,
    js_path: str | None,
    delete_data: str,
    break_clients: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Create a database of a module, or let one run the module's new version.

    The plan of what happens to the tables is shown before. Without NAME the database gets an
    identity only.

    \b
        stdb publish chat
        stdb publish chat --module-path chat.py
        stdb publish game --bin-path target/wasm32-unknown-unknown/release/game.wasm
    """
    given = [path for path in (module_path, bin_path, js_path) if path is not None]
    if len(given) > 1:
        raise click.UsageError("give one of --module-path, --bin-path and --js-path")
    module = load(given[0] if given else None)
    with host_of(ctx, makes=True) as host:
        published = run(
            host, name, module, delete_data, break_clients=break_clients or yes, yes=yes
        )
    if published is None:
        ctx.exit(1)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "name": published.name,
                    "identity": published.identity.hex(),
                    "op": published.op,
                }
            )
        )
        return
    said = "Created new" if published.op == "created" else "Updated"
    named = f" with name: {published.name}," if published.name else " with"
    click.echo(f"{said} database{named} identity: {published.identity.hex()}")


def load(path: str | None) -> Module | FileModule:
    """Return the module at a path, or the one that is in the working directory."""
    place = Path(path) if path is not None else here()
    if (place / "package.json").is_file() or place.name == "package.json":
        return bundle(place if place.is_dir() else place.parent)
    return Module.from_file(os.fspath(place) if path is None else path)


def bundle(project: Path) -> FileModule:
    """Bundle a TypeScript project with its own tools, and return the module."""
    from ...module.file_module import FileModule
    from ...runtime.js.project import bundle_project

    out = project / "dist" / "bundle.js"
    out.parent.mkdir(exist_ok=True)
    out.write_bytes(bundle_project(project))
    return FileModule(out)


def here() -> Path:
    """Return the module in the working directory."""
    for name in _FOUND_BY_ITSELF:
        if Path(name).exists():
            return Path() if name == "module.py" else Path(name)
    if Path("__init__.py").exists():
        return Path()
    files = [*Path().glob("*.py"), *Path().glob("*.wasm")]
    if len(files) == 1:
        return files[0]
    raise UsageError(
        "there is no module here (module.py, a package, package.json, or one .py or .wasm file); "
        "say where it is: --module-path"
    )


def run(
    host: Host,
    name: str | None,
    module: Module | FileModule,
    delete_data: str,
    *,
    break_clients: bool,
    yes: bool,
) -> Published | None:
    """Publish, with the questions that a person is asked; None when the answer is no."""
    if delete_data == "always":
        if name is not None and name in host and not _may_destroy(name, yes=yes):
            return None
        return host.publish(name, module, delete_data="always")
    try:
        plan = None if name is None else host.plan(name, module)
    except DatabaseNotFound:
        plan = None
    except MigrationError as error:
        if delete_data == "never" or name is None:
            raise
        click.echo(f"{error}\nProceeding with database clear due to --delete-data=on-conflict.")
        if not _may_destroy(name, yes=yes):
            return None
        return host.publish(name, module, delete_data="always")
    if plan is not None and not plan.is_empty:
        is_terminal = sys.stderr.isatty() and "NO_COLOR" not in os.environ
        click.echo(plan.text(colored=is_terminal), err=True, color=is_terminal)
        if plan.breaks_clients and not break_clients:
            question = "The above changes will BREAK existing clients. Do you want to proceed?"
            if not confirm(question, yes=yes):
                click.echo("Aborting: publishing was not confirmed.", err=True)
                return None
    return host.publish(name, module, token=None if plan is None else plan.token)


def _may_destroy(name: str, *, yes: bool) -> bool:
    click.echo(
        f"This will DESTROY the current {name} module, and ALL corresponding data.", err=True
    )
    if confirm(f"Are you sure you want to proceed? [deleting {name}]", yes=yes):
        return True
    click.echo("Aborted.", err=True)
    return False
