"""Each row of the tables in docs/migrations.md has a test, in Python and compiled."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from tests.database import (
    test_migrations,
    test_migrations_compiled,
    test_migrations_functions,
    test_migrations_views,
)
from tests.helpers.migration_table import documented

MODULES: tuple[Any, ...] = (
    test_migrations,
    test_migrations_compiled,
    test_migrations_functions,
    test_migrations_views,
)


def covered() -> dict[str, set[str]]:
    """Return change -> the languages of modules that tests marked with it bring it about in."""
    found: dict[str, set[str]] = {}
    for module in MODULES:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if not name.startswith("test_"):
                continue
            for mark in getattr(function, "pytestmark", []):
                if mark.name == "change":
                    for change in mark.args:
                        found.setdefault(change, set()).update(_languages(module, function))
    return found


def _languages(module: Any, function: Any) -> set[str]:
    if module is test_migrations_compiled:
        return {"compiled"}
    # Its way is one of each language; so is what a test without it publishes.
    if "migration" in inspect.signature(function).parameters:
        return {"Python", "compiled"}
    assert function is test_migrations_functions.test_one_language_for_another
    return {"Python", "compiled"}


def test_the_page_lists_changes() -> None:
    assert len(documented()) > 50


@pytest.mark.parametrize("change", documented())
def test_each_change_is_tested(change: str) -> None:
    needed = {"compiled"} if documented()[change].compiled_only else {"Python", "compiled"}
    assert needed <= covered().get(change, set())


def test_each_tested_change_is_on_the_page() -> None:
    assert covered().keys() <= documented().keys()
