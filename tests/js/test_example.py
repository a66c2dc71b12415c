"""The example of a module in TypeScript: it is built as its readers build it, and its tests pass."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers.typescript_modules import HERE, bundled

import stdb
from stdb.runtime.js.project import bundle_project

EXAMPLE = Path(__file__).parents[2] / "examples" / "typescript_module"


def test_the_example_is_bundled_and_its_tests_pass(tmp_path: Path) -> None:
    bundled("club")  # skips where the packages are not to be had
    project = tmp_path / "bank"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (project / "node_modules").symlink_to(HERE / "node_modules")
    (project / "dist").mkdir()
    (project / "dist" / "bundle.js").write_bytes(bundle_project(project))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(project)],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_an_error_tells_the_line_of_the_authors_file(tmp_path: Path) -> None:
    with (
        stdb.Database(bundled("club")) as db,
        pytest.raises(stdb.ModuleError, match=r"at crash \(.*club/index\.ts:\d+:\d+\)"),
    ):
        db.call("crash")
