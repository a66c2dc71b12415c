"""The plugin that pytest loads by itself where stdb is installed: fixtures for tests of a module.

Which module is under test says, the nearest first: a fixture ``stdb_module`` of one's own, the
marker ``@pytest.mark.stdb_module(chat)``, or the setting ``stdb_module = "chat.server:chat"``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..client import Connection
    from ..clock import ManualClock
    from ..database import Database


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting and the option."""
    parser.addini(
        "stdb_module",
        "the module under test: 'package.file:name', or the path of a compiled one",
        default="",
    )
    parser.addoption(
        "--update-recordings",
        action="store_true",
        help="write the files of stdb.testing.assert_replays anew instead of comparing with them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and tell `assert_replays` what it is to do."""
    if config.getoption("--update-recordings"):
        os.environ["STDB_UPDATE_RECORDINGS"] = "1"
    config.addinivalue_line(
        "markers", "stdb_module(module): the module that the fixture stdb_db is a database of"
    )


@pytest.fixture
def stdb_module(request: pytest.FixtureRequest) -> Any:
    """Return the module under test: that of the marker, or of the setting."""
    marker = request.node.get_closest_marker("stdb_module")
    if marker is not None and marker.args:
        return marker.args[0]
    text = request.config.getini("stdb_module")
    if not text:
        raise pytest.UsageError(
            "stdb_db does not know which module to run: write a fixture stdb_module that returns "
            "it, mark the test with @pytest.mark.stdb_module(…), or put "
            'stdb_module = "package.file:name" under [tool.pytest.ini_options]'
        )
    place, colon, name = text.rpartition(":")
    if not colon or not name.isidentifier():
        return Path(request.config.rootpath) / text
    from importlib import import_module

    found = import_module(place)
    if not hasattr(found, name):
        raise pytest.UsageError(f"stdb_module = {text!r}: {place} has no {name!r}")
    return getattr(found, name)


@pytest.fixture
def stdb_clock() -> ManualClock:
    """Return the clock of `stdb_db`; it stands still until the test turns it."""
    from ..clock import ManualClock

    return ManualClock()


@pytest.fixture
def stdb_db(stdb_module: Any, stdb_clock: ManualClock) -> Iterator[Database]:
    """Give a new database of the module, in memory; at the end every invariant is checked."""
    from ..database import Database

    with Database(stdb_module, clock=stdb_clock) as database:
        yield database
        if not database._closed:
            database.check()


@pytest.fixture
def stdb_connect(stdb_db: Database) -> Iterator[Callable[..., Connection]]:
    """Give a function that connects a client, as `Database.connect` does, until the test ends.

    A name makes an identity that is the same in every run: ``ann = stdb_connect("ann")``.
    """
    from ..types.values import Identity

    connections: list[Connection] = []

    def connect(name: str | None = None, **how: Any) -> Connection:
        if name is not None:
            how["identity"] = Identity.from_claims("stdb.testing", name)
        connections.append(stdb_db.connect(**how))
        return connections[-1]

    yield connect
    for connection in reversed(connections):
        connection.close()
