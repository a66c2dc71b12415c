"""The fixtures of stdb, as a project that has stdb installed uses them: pytest finds them."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

CHAT = """
from stdb import Identity, Module, ReducerContext, ReducerError, Row, Timestamp, primary_key, u64

chat = Module("chat")

@chat.table(public=True)
class Message(Row):
    id: u64 = primary_key(auto_inc=True)
    sender: Identity
    sent: Timestamp
    text: str

@chat.reducer
def send_message(ctx: ReducerContext, text: str) -> None:
    if not text:
        raise ReducerError("messages must not be empty")
    ctx.db.message.insert(Message(sender=ctx.sender, sent=ctx.timestamp, text=text))
"""

TESTS = """
import pytest
import stdb
from stdb import ReducerError

def test_messages_are_kept(stdb_db, stdb_clock, stdb_connect):
    ann, bob = stdb_connect("ann"), stdb_connect("bob")
    ann.reducers.send_message("hello")
    stdb_clock.advance(60)
    bob.reducers.send_message("hi")
    first, second = stdb_db.tables.message
    assert (first.sender, first.text) == (ann.identity, "hello")
    assert (second.sent - first.sent).micros == 60_000_000
    assert ann.identity != bob.identity
    assert stdb_connect().identity not in (ann.identity, bob.identity)

def test_each_test_has_a_database_of_its_own(stdb_db):
    assert len(stdb_db.tables.message) == 0
    with pytest.raises(ReducerError):
        stdb_db.call("send_message", "")

def test_the_database_is_open_until_the_end(stdb_db, stdb_connect):
    stdb_connect(token=stdb_db.issue_token("ann"))
    stdb_db.close()
"""


def run(folder: Path, *arguments: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a project of these files, as its author would."""
    for name, text in files.items():
        suffix = "toml" if name == "pyproject" else "py"
        (folder / f"{name}.{suffix}").write_text(textwrap.dedent(text), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("way", ["setting", "fixture", "marker"])
def test_a_project_says_which_module_it_tests(tmp_path: Path, way: str) -> None:
    files = {"chat": CHAT, "test_chat": TESTS, "pyproject": "[tool.pytest.ini_options]\n"}
    files["pyproject"] += 'pythonpath = ["."]\n'
    if way == "setting":
        files["pyproject"] += 'stdb_module = "chat:chat"\n'
    elif way == "fixture":
        files["conftest"] = (
            "import chat, pytest\n@pytest.fixture\ndef stdb_module():\n    return chat.chat\n"
        )
    else:
        files["test_chat"] += "\nimport chat\npytestmark = pytest.mark.stdb_module(chat.chat)\n"
        files["pyproject"] += 'addopts = ["--strict-markers"]\n'
    done = run(tmp_path, "-W", "error", **files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_without_a_module_the_error_says_what_to_do(tmp_path: Path) -> None:
    done = run(tmp_path, test_chat="def test_it(stdb_db): pass\n")
    assert done.returncode == 1
    assert "write a fixture stdb_module that returns it" in done.stdout


@pytest.mark.parametrize(("setting", "said"), [("chat:chatt", "chat has no 'chatt'")])
def test_a_wrong_setting_is_told(tmp_path: Path, setting: str, said: str) -> None:
    pyproject = f'[tool.pytest.ini_options]\npythonpath = ["."]\nstdb_module = "{setting}"\n'
    done = run(tmp_path, chat=CHAT, pyproject=pyproject, test_it="def test_it(stdb_db): pass\n")
    assert done.returncode == 1
    assert said in done.stdout


def test_the_plugin_costs_those_who_do_not_use_it_next_to_nothing(tmp_path: Path) -> None:
    """It neither imports Hypothesis nor the face of a database's tests."""
    test = """
        import sys

        def test_it():
            assert "stdb.testing.plugin" in sys.modules
            assert "stdb.testing.fuzzing" not in sys.modules
            assert "lark" not in sys.modules
    """
    done = run(tmp_path, "-p", "no:hypothesispytest", test_it=test)
    assert done.returncode == 0, done.stdout


def test_a_fuzzed_module_is_reported_like_any_failing_test(tmp_path: Path) -> None:
    test = """
        import stdb.testing
        from chat import chat

        def test_messages_are_short():
            def short(db):
                assert all(len(message.text) < 5 for message in db.tables.message)
            stdb.testing.fuzz(chat, short, seed=1)
    """
    pyproject = '[tool.pytest.ini_options]\npythonpath = ["."]\n'
    done = run(tmp_path, chat=CHAT, pyproject=pyproject, test_it=test)
    assert done.returncode == 1
    assert "short does not hold after 1 step:" in done.stdout
    assert "db.call('send_message', " in done.stdout
