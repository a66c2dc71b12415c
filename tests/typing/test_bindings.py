"""What mypy and pyright say about generated bindings, and about a program that uses them."""

import json
from pathlib import Path

import pytest
from tests.helpers.gallery import PROGRAM, written
from tests.typing.test_typing import expected_findings, mypy_findings, pyright_findings

import stdb
from stdb.cli.bindings import bindings


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_checkers_know_sums_namespaces_and_functions(tmp_path: Path, checker: str) -> None:
    """Nothing is found in the bindings themselves; in the program, what its comments say."""
    made, program = tmp_path / "gallery.py", tmp_path / "program.py"
    made.write_text(bindings(stdb.Module.from_file(written(tmp_path)).freeze()), "utf-8")
    program.write_text(PROGRAM, "utf-8")
    if checker == "mypy":
        found = mypy_findings([made, program])
    else:
        # It looks for imports in its own directory, where its settings are.
        settings = json.dumps({"typeCheckingMode": "strict", "pythonVersion": "3.11"})
        (tmp_path / "pyrightconfig.json").write_text(settings, "utf-8")
        found = pyright_findings([made, program], tmp_path)
    assert found == expected_findings(program, checker)
