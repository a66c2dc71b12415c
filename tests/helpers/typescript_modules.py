"""Test modules in TypeScript, bundled with the registry's own packages: once in a session."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock

HERE = Path(__file__).parents[1] / "typescript"
BUILT = HERE / "built"


@cache
def _packages() -> str | None:
    """Install what the modules are built with; why not, if that is impossible."""
    npm = shutil.which("npm")
    if npm is None:
        return "there is no npm here"
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    BUILT.mkdir(exist_ok=True)
    with FileLock(BUILT / "packages.lock"):  # several processes run the tests
        if not all((HERE / "node_modules" / package).is_dir() for package in wanted):
            done = subprocess.run(
                [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"],
                cwd=HERE, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                return f"npm could not install the packages: {done.stderr.strip()[-300:]}"
    return None


@cache
def bundle_or_reason(name: str) -> tuple[Path | None, str]:
    """Return the bundle of a test module, or why it cannot be built."""
    missing = _packages()
    if missing is not None:
        return None, missing
    from stdb.runtime.js.project import bundle_project

    out = BUILT / f"{name}.js"
    made = out.with_suffix(f".{os.getpid()}")
    made.write_bytes(bundle_project(HERE / name))
    made.replace(out)
    return out, ""


def bundled(name: str) -> Path:
    """Return the bundle of a test module; skip the test where it cannot be built."""
    bundle, reason = bundle_or_reason(name)
    if bundle is None:
        pytest.skip(f"the module {name} in TypeScript is not built: {reason}")
    return bundle
