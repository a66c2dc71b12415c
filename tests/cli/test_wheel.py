"""The command out of an installed wheel: everything that it needs is in there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_from_an_empty_directory_as_typed(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    made = subprocess.run(
        [*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip(f"the wheel is not built here: {made.stderr.strip()[-300:]}")
    [wheel] = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", installed, wheel], check=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(installed),
        "STDB_DIR": str(tmp_path / "databases"),
        "PATH": f"{installed / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }

    def typed(line: str) -> str:
        done = subprocess.run(
            line, shell=True, cwd=empty, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert typed(f"{sys.executable} -c 'import stdb; print(stdb.__file__)'").startswith(
        str(installed)
    )
    printed = typed(
        "stdb init chat && cd chat && stdb publish chat && stdb call chat send_message '\"hi\"' && "
        'stdb sql chat "SELECT * FROM message"'
    )
    assert printed.splitlines()[-2].endswith("| hi")
    assert "3 passed" in typed(f"cd chat && {sys.executable} -m pytest -q")
    assert "Project initialized" in typed("stdb init other --lang typescript")
    assert (installed / "stdb" / "runtime" / "js" / "shim").is_dir()
