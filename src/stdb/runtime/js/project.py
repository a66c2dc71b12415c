"""Bundling a TypeScript project with its own tools.

A project is a directory with a ``package.json`` and ``src/index.ts`` or ``index.ts``. What bundles
it is what it has installed: rolldown, as SpacetimeDB's own command uses, or esbuild. The bundle
needs no Node when it runs.

Source: SpacetimeDB documentation, "TypeScript modules"; the command lines of rolldown and esbuild.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ...errors import PublishError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENTRIES: Final = ("src/index.ts", "src/index.js", "index.ts", "index.js")


class _Bundler(NamedTuple):
    """A package that can bundle, its program, and its arguments."""

    package: str
    program: str
    arguments: tuple[str, ...]


_BUNDLERS: Final = (
    _Bundler(
        "rolldown",
        "bin/cli.mjs",
        (
            "{entry}", "--file", "{out}", "--format", "esm", "--platform", "browser",
            "--external", "spacetime:*", "--sourcemap", "inline", "--log-level", "warn",
        ),
    ),
    _Bundler(
        "esbuild",
        "bin/esbuild",
        (
            "{entry}", "--outfile={out}", "--bundle", "--format=esm", "--platform=browser",
            "--target=esnext", "--external:spacetime:*", "--sourcemap=inline",
            "--log-level=warning",
        ),
    ),
)  # fmt: skip


def bundle_project(directory: str | Path) -> bytes:
    """Return the bundle of a TypeScript project.

    Parameters
    ----------
    directory : str or Path
        Where its ``package.json`` is, or below that.

    Raises
    ------
    PublishError
        Something is missing or wrong: what, and what to do.
    """
    project = Path(directory)
    entry = next((project / name for name in _ENTRIES if (project / name).is_file()), None)
    if entry is None:
        raise PublishError(
            f"{project} is no TypeScript project: it has none of {', '.join(_ENTRIES)}"
        )
    node = shutil.which("node")
    if node is None:
        raise PublishError(
            f"bundling {project} takes Node.js, which is not installed; a bundle that was made "
            "elsewhere needs none: publish that file"
        )
    return _run(node, project, entry)


def _run(node: str, project: Path, entry: Path) -> bytes:
    bundler, program = _find_bundler(project)
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "bundle.js"
        words = {"entry": str(entry.resolve()), "out": str(out)}
        arguments = [argument.format(**words) for argument in bundler.arguments]
        done = subprocess.run(  # noqa: S603 - the project's own tools, which its owner asks for
            [node, str(program), *arguments],
            cwd=project, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode or not out.is_file():
            said = (done.stderr or done.stdout).strip()
            raise PublishError(f"{bundler.package} could not bundle {entry}:\n{said}")
        return out.read_bytes()


def _find_bundler(project: Path) -> tuple[_Bundler, Path]:
    """Return what the project, or a directory above it, has installed to bundle with."""
    for modules in _installed(project):
        for bundler in _BUNDLERS:
            program = modules / bundler.package / bundler.program
            if program.is_file():
                return bundler, program
    if not any(True for _ in _installed(project)):
        raise PublishError(f"the packages of {project} are not installed; run there: npm install")
    raise PublishError(
        f"{project} has nothing to bundle with; run there: npm install --save-dev rolldown"
    )


def _installed(project: Path) -> Iterator[Path]:
    for folder in (project.resolve(), *project.resolve().parents):
        modules = folder / "node_modules"
        if modules.is_dir():
            yield modules
