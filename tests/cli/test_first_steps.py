"""What a person types first, in real processes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def stdb(tmp_path: Path) -> Callable[..., str]:
    """Return the function that runs the command in a directory, with databases of its own."""
    environment = {**os.environ, "STDB_DIR": str(tmp_path / "databases"), "NO_COLOR": "1"}

    def run(*words: str, cwd: Path = tmp_path, code: int = 0, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "stdb", *words],
            cwd=cwd, env=environment, input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    return run


def test_from_an_empty_directory_to_a_message(stdb: Callable[..., str], tmp_path: Path) -> None:
    assert "stdb publish chat" in stdb("init", "chat")
    project = tmp_path / "chat"
    assert "Created new database with name: chat" in stdb("publish", "chat", cwd=project)
    assert stdb("call", "chat", "send_message", '"hi"', cwd=project) == ""
    [message] = json.loads(stdb("sql", "chat", "SELECT * FROM message", "--json", cwd=project))
    assert message["text"] == "hi"
    assert "must not be empty" in stdb("call", "chat", "send_message", '""', cwd=project, code=1)
    assert "Updated database with name: chat" in stdb("publish", "chat", cwd=project)


def test_wrong_names_are_told_with_the_nearest(stdb: Callable[..., str], tmp_path: Path) -> None:
    stdb("init", "chat")
    stdb("publish", "chat", cwd=tmp_path / "chat")
    assert "did you mean 'publish'" in stdb("publsh", code=2)
    assert "did you mean 'chat'" in stdb("sql", "cht", "SELECT * FROM message", code=1)
    assert "did you mean 'send_message'" in stdb("call", "chat", "send_mesage", "x", code=1)


def test_deleting_asks_first(stdb: Callable[..., str], tmp_path: Path) -> None:
    stdb("init", "chat")
    stdb("publish", "chat", cwd=tmp_path / "chat")
    assert "Aborting" in stdb("delete", "chat", stdin="n\n")
    assert "chat" in stdb("list")
    stdb("delete", "chat", "--yes")
    assert "No databases found" in stdb("list")
