"""The command ``stdb`` in real processes, each test with databases of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.terminal import Terminal

import stdb as library

SHOP = Path(__file__).with_name("shop.py")
COMMAND = (sys.executable, "-m", "stdb")


class Command:
    """Runs ``stdb`` in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.databases = directory / "databases"
        self.environment = {
            **os.environ,
            "STDB_DIR": str(self.databases),
            "XDG_STATE_HOME": str(directory / "state"),
        }
        for name in ("NO_COLOR", "FORCE_COLOR", "PYTHONDONTWRITEBYTECODE"):
            self.environment.pop(name, None)
        self._started: list[subprocess.Popen[str]] = []

    def __call__(self, *words: str, cwd: Path | None = None, code: int = 0, stdin: str = "") -> str:
        """Return all that a command wrote, which ended with `code`."""
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=cwd or self.directory, env=self.environment, input=stdin,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Return a command that runs; it is ended with the test."""
        process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=self.directory, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
        )  # fmt: skip
        self._started.append(process)
        return process

    def terminal(self, *words: str, cwd: Path | None = None) -> Terminal:
        """Return a command that runs in a terminal."""
        return Terminal([*COMMAND, *words], self.environment, cwd or self.directory)

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def stdb(tmp_path: Path) -> Iterator[Command]:
    command = Command(tmp_path)
    yield command
    command.end()


@pytest.fixture(scope="session")
def _published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("published")
    with library.Host(directory) as host:
        host.publish("shop", SHOP)
        for name, price in (("tea", 2.5), ("milk", 0.75)):
            host["shop"].call("add", name, price)
    return directory


@pytest.fixture
def shop(stdb: Command, _published: Path) -> Command:
    """Return the command where the database shop is published, with two items in it."""
    shutil.copytree(_published, stdb.databases)
    return stdb


@pytest.fixture
def opened(shop: Command) -> Iterator[Callable[..., str]]:
    """Have the shop open in another process; the function lets that call a reducer."""
    source = (
        "import sys, json, stdb\n"
        "with stdb.Host() as host:\n"
        "    db = host['shop']\n"
        "    print('open', flush=True)\n"
        "    for line in sys.stdin:\n"
        "        name, *args = json.loads(line)\n"
        "        db.call(name, *args); db.flush(); print('done', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", source],
        env=shop.environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout
    assert stdout.readline() == "open\n"

    def call(line: str) -> None:
        stdin.write(line + "\n")
        stdin.flush()
        assert stdout.readline() == "done\n"

    yield call
    stdin.close()
    process.wait()
    stdout.close()
