"""``stdb generate``."""

from __future__ import annotations

from pathlib import Path

import click

from ..bindings import bindings
from .publish import load


@click.command
@click.option("-p", "--module-path", type=click.Path(), help="A module, as for publish.")
@click.option("-b", "--bin-path", type=click.Path(), help="A compiled module: a .wasm file.")
@click.option("-j", "--js-path", type=click.Path(), help="A bundle of a TypeScript module.")
@click.option("-o", "--out", type=click.Path(), help="The file to write; stdout when not given.")
@click.option("--include-private", is_flag=True, help="Private tables and functions, too.")
def command(
    module_path: str | None,
    bin_path: str | None,
    js_path: str | None,
    out: str | None,
    include_private: bool,
) -> None:
    """Write Python classes for the tables and functions of a compiled module.

    With them a program that uses the module is checked like one with a module in Python: rows and
    values are of classes that it imports, `connect` knows the tables and functions.

    \b
        stdb generate --bin-path game.wasm --out game_bindings.py
        stdb generate --module-path ./game --out game_bindings.py    # TypeScript
    """
    given = [path for path in (module_path, bin_path, js_path) if path is not None]
    if len(given) > 1:
        raise click.UsageError("give one of --module-path, --bin-path and --js-path")
    module = load(given[0] if given else None)
    text = bindings(module.freeze(), include_private=include_private)
    if out is None:
        click.echo(text, nl=False)
        return
    path = Path(out)
    if path.exists() and path.read_text("utf-8") == text:
        click.echo(f"{path} is up to date.")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    click.echo(f"Writing file {path}")
