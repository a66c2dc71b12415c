"""Modules in WebAssembly and TypeScript: published, called, described, and their bindings."""

import json
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Command
from tests.helpers.typescript_modules import HERE, bundled
from tests.helpers.wasm_modules import built


def test_a_compiled_module_is_published_and_called(stdb: Command) -> None:
    stdb("publish", "bank", "--bin-path", str(built("bank.c")))
    described = stdb("describe", "bank")
    assert "reducer transfer(" in described
    stdb("call", "bank", "open_account", "100")
    [row] = json.loads(stdb("sql", "bank", "SELECT balance FROM account", "--json"))
    assert row == {"balance": 100}
    sections = json.loads(stdb("describe", "bank", "--json"))["sections"]
    assert any(section.get("Reducers") for section in sections)


def test_bindings_are_written_once(stdb: Command, tmp_path: Path) -> None:
    words = ("generate", "--bin-path", str(built("bank.c")), "--out", "made/bank.py")
    assert "Writing file made/bank.py" in stdb(*words)
    assert "up to date" in stdb(*words)
    subprocess.run([sys.executable, tmp_path / "made" / "bank.py"], check=True)


def test_a_typescript_project_is_made_published_and_tested(stdb: Command, tmp_path: Path) -> None:
    bundled("club")  # skips where its packages cannot be installed
    project = tmp_path / "chat"
    stdb("init", "chat", "--lang", "typescript")
    assert "npm install" in stdb("publish", "chat", cwd=project, code=1)
    (project / "node_modules").symlink_to(HERE / "node_modules")
    assert "Created new database with name: chat" in stdb("publish", "chat", cwd=project)
    stdb("call", "chat", "send_message", "hi")
    assert "hi" in stdb("sql", "chat", "SELECT text FROM message")
    assert "reducer send_message(text: str)" in stdb("describe", "chat")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project, capture_output=True, text=True, check=False, env=stdb.environment,
    )  # fmt: skip
    assert "2 passed" in done.stdout, done.stdout + done.stderr
