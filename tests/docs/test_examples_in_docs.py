"""Every Python example of README.md and docs/ runs.

A ```` ```python ```` block is executed. The blocks of one file share one namespace and run in
order, in an empty directory, so a later block may use what an earlier one made. `await` may stand
outside a function, as it may in a notebook. A block opened with ```` ```python no-run ```` is
compiled and not executed: it is for what needs another machine or never ends.

A block stands in its module at the line where it stands in its file, so tracebacks and
`inspect.getsource` show the text of the document.
"""

import ast
import asyncio
import inspect
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]


class Block(NamedTuple):
    """A fenced block: what follows its backticks, its text, and the line its text begins at."""

    tag: str
    text: str
    line: int


def blocks(document: str) -> Iterator[Block]:
    """The fenced blocks of a Markdown document, without the indentation of a list around them."""
    fence = ""
    tag = ""
    start = 0
    lines = document.splitlines()
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not fence and text.startswith("```"):
            fence = text[: len(text) - len(text.lstrip("`"))]
            tag = " ".join(text[len(fence) :].split())
            start = number + 1
        elif fence and text == fence:
            yield Block(tag, textwrap.dedent("\n".join(lines[start - 1 : number - 1])), start)
            fence = ""
    if fence:
        message = f"the block that begins at line {start} is never closed"
        raise ValueError(message)


def run(path: Path, module: types.ModuleType) -> int:
    """Run the Python blocks of a file in a module, and return how many there were."""
    count = 0
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.tag not in ("python", "python no-run"):
            continue
        count += 1
        code = compile(
            "\n" * (block.line - 1) + block.text,
            str(path),
            "exec",
            flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        if block.tag == "python":
            result = eval(code, module.__dict__)
            if inspect.iscoroutine(result):
                asyncio.run(result)
    return count


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module of its own in an empty directory, importable as a script's module would be."""
    module = types.ModuleType("examples_in_docs")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    return module


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_run(path: Path, module: types.ModuleType) -> None:
    run(path, module)


def test_readme_has_examples() -> None:
    tags = [block.tag for block in blocks(DOCUMENTS[0].read_text(encoding="utf-8"))]
    assert "python" in tags


def document(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "document.md"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def test_blocks_share_a_namespace(tmp_path: Path, module: types.ModuleType) -> None:
    path = document(
        tmp_path,
        """
        ```python
        x = 1
        ```

        ```sh
        not python
        ```

        * in a list:

          ```python
          if x:
              y = x + 1
          ```
        """,
    )
    assert run(path, module) == 2
    assert module.__dict__["y"] == 2


def test_await_may_stand_outside_a_function(tmp_path: Path, module: types.ModuleType) -> None:
    path = document(
        tmp_path,
        """
        ```python
        import asyncio
        x = await asyncio.sleep(0, result=3)
        ```
        """,
    )
    run(path, module)
    assert module.__dict__["x"] == 3


def test_a_failing_example_is_reported_at_its_line(
    tmp_path: Path, module: types.ModuleType
) -> None:
    path = document(tmp_path, "text\n\n```python\nx = 1\nassert x == 2\n```\n")
    with pytest.raises(AssertionError) as caught:
        run(path, module)
    assert caught.traceback[-1].lineno == 4  # counted from 0: the fifth line of the document
    assert str(caught.traceback[-1].path) == str(path)


def test_no_run_is_compiled_and_not_run(tmp_path: Path, module: types.ModuleType) -> None:
    run(document(tmp_path, "```python no-run\nraise SystemExit\n```\n"), module)
    with pytest.raises(SyntaxError):
        run(document(tmp_path, "```python no-run\nraise =\n```\n"), module)


def test_an_unclosed_block_is_an_error(tmp_path: Path, module: types.ModuleType) -> None:
    with pytest.raises(ValueError, match="line 3 is never closed"):
        run(document(tmp_path, "text\n```python\nx = 1\n"), module)
