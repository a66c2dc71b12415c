"""The page about the command, and its help."""

import re
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Command

from stdb.cli.group import COMMANDS
from stdb.cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_page_is_what_the_command_says() -> None:
    assert PAGE.read_text("utf-8") == reference(), "run: python -m stdb.cli.reference docs/cli.md"


def test_help_says_the_same_as_each_command_does() -> None:
    for line in COMMANDS.values():
        assert re.fullmatch(r"[A-Z].*\.", line)
        assert len(line) < 75
    for name in COMMANDS:
        begin = reference().partition(f"\n## stdb {name}\n")[2].partition("Options:")[0]
        assert f"      stdb {name}" in begin  # an example


def test_help_and_version_and_no_command(stdb: Command) -> None:
    printed = " ".join(stdb("--help").split())
    assert all(line in printed for line in COMMANDS.values())
    assert re.fullmatch(r"stdb \d+\.\d+.*\n", stdb("--version"))
    assert "did you mean 'publish'" in stdb("publsh", code=2)
    assert stdb("publish", "--help").startswith("Usage: stdb publish [OPTIONS] [NAME]")


HEAVY = {"lark", "wasmtime", "rich", "prompt_toolkit", "watchfiles", "sortedcontainers", "cffi"}


def test_help_loads_nothing_heavy(stdb: Command) -> None:
    """How long it takes is measured in benchmarks/command.py."""
    script = """
import runpy, sys
sys.argv = ["stdb", "--help"]
try:
    runpy.run_module("stdb", run_name="__main__")
finally:
    print(*sys.modules)
"""
    printed = subprocess.run(
        [sys.executable, "-c", script], env=stdb.environment, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    loaded = set(printed.splitlines()[-1].split())
    assert "click" in loaded
    assert loaded & HEAVY == set()
    assert {name for name in loaded if name.startswith(("stdb.sql", "stdb.runtime.wasm"))} == set()
