"""``stdb init``."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...errors import UsageError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_LANGUAGES = ("python", "typescript")


@click.command
@click.argument("name")
@click.option("--project-path", type=click.Path(), help="Where; ./NAME when not given.")
@click.option("--lang", type=click.Choice(_LANGUAGES), default="python", show_default=True)
def command(name: str, project_path: str | None, lang: str) -> None:
    """Make a new project: a chat module, its tests, and what to type next.

    \b
        stdb init chat
        stdb init chat --lang typescript
    """
    if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) is None:
        raise UsageError(
            f"{name!r} cannot be the name of a database: small letters and digits, with single "
            "hyphens between them, as in my-chat"
        )
    target = Path(project_path or name)
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{target} is there already and is not empty; choose another place")
    template = files("stdb.cli") / "templates" / lang
    for path in _write(template, target, name):
        click.echo(f"    {path}")
    click.echo(f"\nProject initialized in {target}. Next:\n\n    cd {target}")
    if lang == "typescript":
        click.echo("    npm install")
    click.echo(f"    stdb publish {name}")
    click.echo(f"    stdb call {name} send_message '\"hi\"'")
    click.echo(f'    stdb sql {name} "SELECT * FROM message"')  # noqa: S608 - to be typed
    click.echo("    pytest")


def _write(template: Traversable, target: Path, name: str) -> list[Path]:
    """Copy a template, with the project's name for NAME; return what was written."""
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for item in sorted(template.iterdir(), key=lambda each: each.name):
        if item.name.startswith("__pycache__"):
            continue
        if item.is_dir():
            written += _write(item, target / item.name, name)
            continue
        # The endings keep tools from taking templates for the project's own files.
        path = target / item.name.removesuffix(".template")
        path.write_text(item.read_text("utf-8").replace("__NAME__", name), "utf-8")
        written.append(path)
    return written
