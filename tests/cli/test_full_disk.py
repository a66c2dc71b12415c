"""A disk that takes no more: what is told, and that nothing is lost."""

import subprocess
import sys

import pytest
from tests.cli.conftest import COMMAND, Command

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="takes limits of files")


def test_a_change_that_the_disk_does_not_take_is_told_and_undone(shop: Command) -> None:
    rows = ", ".join(f"('word {number}')" for number in range(20_000))
    # Files may have 256 blocks of 512 bytes or 1 KiB, as the shell counts.
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f 128; exec {' '.join(COMMAND)} sql shop"],
        env=shop.environment, input=f"INSERT INTO secret (word) VALUES {rows}",
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert "xyzzy\n(1 row)" in shop("sql", "shop", "SELECT word FROM secret")
    shop("call", "shop", "add", "salt", "1")
    assert "(3 rows)" in shop("sql", "shop", "SELECT name FROM item")
