"""The databases of these tests: the same module in every language that it is written in.

Another language is another entry of `MODULES`: what gives the module, or skips the test where it
cannot be built.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.behaviour.club import club
from tests.helpers.rust_modules import built_by_cargo
from tests.helpers.typescript_modules import bundled
from tests.helpers.wasm_modules import built

import stdb

START = 1_700_000_000_000_000


def in_rust() -> Path:
    found = built_by_cargo("club")
    if found is None:
        pytest.skip("the module in Rust is not built here: .ci/build_rust_modules says why")
    return found


MODULES: dict[str, Callable[[], Any]] = {
    "python": lambda: club,
    "wasm in C": lambda: built("club.c"),
    "wasm in Rust": in_rust,
    "TypeScript": lambda: bundled("club"),
    "TypeScript, by callback": lambda: bundled("club"),
}


@pytest.fixture(params=MODULES)
def module(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param.endswith("by callback"):
        # As on one processor.
        monkeypatch.setattr("stdb.runtime.js.lane.can_run_beside", lambda: False)
    return MODULES[request.param]()


@pytest.fixture
def clock() -> stdb.ManualClock:
    return stdb.ManualClock(START)


@pytest.fixture
def db(module: Any, clock: stdb.ManualClock) -> Iterator[stdb.Database]:
    with stdb.Database(module, clock=clock, name="club") as database:
        yield database
        database.check()
