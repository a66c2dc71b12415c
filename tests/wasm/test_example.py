"""The example of a module's own tests passes, as a user runs it."""

import subprocess
import sys

from tests.helpers.wasm_modules import ROOT


def test_the_example_passes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null",
         "--rootdir", str(ROOT / "examples/wasm_module"), str(ROOT / "examples/wasm_module")],
        check=False, capture_output=True, text=True, cwd=ROOT / "examples/wasm_module",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
