"""What mypy and pyright say about code that uses stdb: `typing_tests/*.py` pins it line by line.

The files there are only read by the two checkers, never run. What a checker must say about a line
stands in a comment at the end of that line:

    reveal_type(row)     # -> Message | None
    reveal_type(text)    # mypy -> Any  # pyright -> str
    Message(text=3)      # error: mypy[arg-type] pyright[reportArgumentType]
    Message(id=1, x=2)   # error: mypy[call-arg, misc] pyright[reportCallIssue]
    row.nothing          # error: pyright[reportAttributeAccessIssue]

* `-> T` is the type that `reveal_type` must show, without module names: for both checkers, or for
  the one that is named before the arrow.
* `error:` lists the rules that a checker reports on that line. A checker that is not listed must
  accept the line.

It is compared both ways: what is expected and not reported fails, and so does whatever is reported
and not expected, such as an error on a line without a comment or a `reveal_type` without a type.
Both checkers run in strict mode, with the settings of pyproject.toml. A checker that is not
installed fails the test.
"""

import functools
import importlib.util
import io
import json
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "typing_tests").glob("*.py"))
CHECKERS = ("mypy", "pyright")


class Finding(NamedTuple):
    """What a checker says about a line: `-> str` or `error: arg-type`.

    A file goes by its name alone: what mypy remembers in its cache keeps the folder where it first
    saw the file.
    """

    file: str
    line: int
    text: str


#### What the comments expect


REVEALED = re.compile(r"(?:(mypy|pyright) )?-> (.+)")
ERRORS = re.compile(r"error:(.*)")
RULES = re.compile(r"(mypy|pyright)\[([^\]]+)\]")


def expected_of_comment(comment: str, checker: str) -> set[str]:
    """What one comment expects of a checker; empty for a comment that is about something else."""
    expected: set[str] = set()
    for part in comment.split("#"):
        text = part.strip()
        if match := REVEALED.fullmatch(text):
            if match[1] in (None, checker):
                expected.add(f"-> {match[2]}")
        elif match := ERRORS.fullmatch(text):
            rules = RULES.findall(match[1])
            if not rules or RULES.sub("", match[1]).strip():
                message = f"cannot read {text!r}; write it as: error: mypy[rule] pyright[rule]"
                raise ValueError(message)
            for name, listed in rules:
                if name == checker:
                    expected.update(f"error: {rule.strip()}" for rule in listed.split(","))
    return expected


def expected_findings(path: Path, checker: str) -> set[Finding]:
    """What the comments of a file expect of a checker."""
    source = path.read_text(encoding="utf-8")
    return {
        Finding(path.name, token.start[0], text)
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
        for text in expected_of_comment(token.string, checker)
    }


#### What the checkers say


def without_modules(type_text: str) -> str:
    """A type without module names: `list[Message]`, not `list[module_face.Message]`."""
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])", "", type_text)


def output_of(command: Sequence[str], directory: Path = ROOT) -> str:
    """What a checker prints in a directory, whether or not it has found errors."""
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        message = f"{command[2]} broke down:\n{done.stdout}{done.stderr}"
        raise AssertionError(message)
    return done.stdout


MYPY_LINE = re.compile(r"(.+?):(\d+): (error|note): (.*?)(?:  \[([a-z0-9-]+)\])?")
MYPY_REVEALED = re.compile(r'Revealed type is "(.*)"')


def mypy_findings(paths: Sequence[Path]) -> set[Finding]:
    output = output_of([
        sys.executable, "-m", "mypy", "--no-pretty", "--hide-error-context",
        "--hide-column-numbers", "--no-error-summary",
        *map(str, paths),
    ])  # fmt: skip
    findings: set[Finding] = set()
    for line in output.splitlines():
        match = MYPY_LINE.fullmatch(line)
        if match is None:
            message = f"a line of mypy that this test cannot read: {line!r}"
            raise AssertionError(message)
        path, number, severity, text, code = match.groups()
        if severity == "error":
            findings.add(Finding(Path(path).name, int(number), f"error: {code}"))
        elif revealed := MYPY_REVEALED.fullmatch(text):
            type_text = without_modules(revealed[1])
            findings.add(Finding(Path(path).name, int(number), f"-> {type_text}"))
    return findings


PYRIGHT_REVEALED = re.compile(r'Type of ".*" is "(.*)"', re.DOTALL)


def pyright_findings(paths: Sequence[Path], directory: Path = ROOT) -> set[Finding]:
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    output = output_of([*command, *map(str, paths)], directory)
    findings: set[Finding] = set()
    for found in json.loads(output)["generalDiagnostics"]:
        if found["severity"] == "information":
            revealed = PYRIGHT_REVEALED.fullmatch(found["message"])
            text = f"-> {without_modules(revealed[1])}" if revealed else found["message"]
        else:
            text = f"error: {found.get('rule', 'syntax')}"
        line = found["range"]["start"]["line"] + 1  # pyright counts lines from 0
        findings.add(Finding(Path(found["file"]).name, line, text))
    return findings


RUN: dict[str, Callable[[Sequence[Path]], set[Finding]]] = {
    "mypy": mypy_findings,
    "pyright": pyright_findings,
}


@functools.cache
def findings_of(checker: str, paths: tuple[Path, ...]) -> frozenset[Finding]:
    """All that a checker says about some files, in one run of it."""
    if importlib.util.find_spec(checker) is None:
        message = f"{checker} is not installed; make test installs what the tests need"
        raise AssertionError(message)
    return frozenset(RUN[checker](paths))


def disagreements(checker: str, paths: tuple[Path, ...]) -> list[str]:
    """Where a checker and the comments of some files differ, in the order of the lines."""
    said = findings_of(checker, paths)
    expected = set[Finding]().union(*(expected_findings(path, checker) for path in paths))
    return [
        f"{file}:{line}: {checker} {'should say' if missing else 'says'} {text}"
        for file, line, missing, text in sorted(
            [(*finding[:2], True, finding.text) for finding in expected - said]
            + [(*finding[:2], False, finding.text) for finding in said - expected]
        )
    ]


#### The tests


@pytest.mark.parametrize("checker", CHECKERS)
def test_checkers_say_what_is_pinned(checker: str) -> None:
    assert FILES, "typing_tests/ is empty"
    assert disagreements(checker, tuple(FILES)) == []


EXAMPLE = '''\
"""An example."""

import decimal


def half(x: int) -> decimal.Decimal | None:
    return decimal.Decimal(x) / 2


reveal_type(half(1))     # -> Decimal | None
reveal_type([len, ""])   # mypy -> list[object]  # pyright -> list[((obj: Sized, /) -> int) | str]
half("# -> not a comment")  # error: mypy[arg-type] pyright[reportArgumentType]
half()                   # error: mypy[call-arg] pyright[reportCallIssue]
'''


@pytest.mark.parametrize("checker", CHECKERS)
def test_expected_findings_are_accepted(checker: str, tmp_path: Path) -> None:
    path = tmp_path / "accepted.py"
    path.write_text(EXAMPLE, encoding="utf-8")
    assert disagreements(checker, (path,)) == []


@pytest.mark.parametrize("checker", CHECKERS)
def test_every_difference_is_reported(checker: str, tmp_path: Path) -> None:
    path = tmp_path / "refused.py"
    path.write_text(
        "x: int = int()  # error: mypy[assignment] pyright[reportAssignmentType]\n"
        "y: int = ''\n"
        "reveal_type(x)\n"
        "reveal_type(x)  # -> str\n",
        encoding="utf-8",
    )
    rule = {"mypy": "assignment", "pyright": "reportAssignmentType"}[checker]
    assert disagreements(checker, (path,)) == [
        f"refused.py:1: {checker} should say error: {rule}",
        f"refused.py:2: {checker} says error: {rule}",
        f"refused.py:3: {checker} says -> int",
        f"refused.py:4: {checker} says -> int",
        f"refused.py:4: {checker} should say -> str",
    ]


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_missing_checker_fails(checker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AssertionError, match=f"{checker} is not installed"):
        findings_of(checker, (ROOT / "nothing.py",))


@pytest.mark.parametrize("comment", ["# error:", "# error: arg-type", "# error: mypy[a] or so"])
def test_an_unreadable_expectation_is_an_error(comment: str) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        expected_of_comment(comment, "mypy")


def test_other_comments_expect_nothing() -> None:
    assert expected_of_comment("# only a remark: a -> b", "mypy") == set()
