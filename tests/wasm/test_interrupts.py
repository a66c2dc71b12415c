"""Ctrl-C anywhere in the host's part of a call leaves what was there, or all that the call did.

A call is traced instruction by instruction; then it is made again on a fresh fork with a
`KeyboardInterrupt` at one of them, in host functions too, from where it goes through the module.
Without ``--slow`` one in `STRIDE` is struck.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from tests.helpers.wasm_modules import built

import stdb

STRIDE = 151
PLACES = ("runtime/wasm/", "runtime/guest/", "<stdb ")

Contents = list[tuple[Any, ...]]


def contents(db: stdb.Database) -> Contents:
    with db.transaction(readonly=True) as tx:
        return sorted((name, *row) for name in ("member", "note") for row in tx.db[name])


def trace_to(strike: int) -> tuple[Callable[..., Any], list[int]]:
    """Return a trace function that raises at the instruction of this number, and its count."""
    count = [0]

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if not any(place in frame.f_code.co_filename for place in PLACES):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            count[0] += 1
            if count[0] == strike:
                raise KeyboardInterrupt
        return trace

    return trace, count


def run(db: stdb.Database, work: Callable[[stdb.Database], None], strike: int) -> tuple[bool, int]:
    """Do the work with an interrupt at an instruction; whether it came out, and how many."""
    trace, count = trace_to(strike)
    sys.settrace(trace)
    try:
        work(db)
    except KeyboardInterrupt:
        return True, count[0]
    finally:
        sys.settrace(None)
    return False, count[0]


def give(db: stdb.Database) -> None:
    db.call("give", 1, 2, 3)


def join(db: stdb.Database) -> None:
    db.call("join", "cid")


def leave(db: stdb.Database) -> None:
    db.call("leave_all")


@pytest.mark.parametrize("work", [give, join, leave])
def test_an_interrupted_call_is_done_or_undone(
    work: Callable[[stdb.Database], None], request: pytest.FixtureRequest
) -> None:
    original = stdb.Database(built("club.c"), name="club")
    for name in ("ann", "ben"):
        original.call("join", name)
    before = contents(original)
    done = original.fork()
    _, total = run(done, work, 0)
    after = contents(done)
    assert total > 500
    stride = 1 if request.config.getoption("--slow") else STRIDE
    outcomes = set()
    for strike in range(1, total + 1, stride):
        db = original.fork()
        struck, _ = run(db, work, strike)
        left = contents(db)
        assert left in (before, after), strike
        assert struck or left == after, strike
        outcomes.add(left == after)
        db.check()
        # It goes on, in a fresh instance if need be.
        db.call("join", "eve")
        db.close()
    assert outcomes >= {False}
