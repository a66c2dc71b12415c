"""Random bytes, random calls, mutated modules: always a clean error, never a broken database."""

import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.helpers.probing import Op, Probe
from tests.helpers.wasm_modules import built

import stdb

LIMITS = stdb.Limits(time_s=0.5, memory_bytes=16 * 1024**2)
#: What a call may fail with: the module's own words, or that it broke.
CLEAN = (stdb.ReducerError, stdb.ConstraintViolation)


@pytest.fixture(scope="module")
def club() -> stdb.Database:
    return stdb.Database(built("club.c"), limits=LIMITS, clock=stdb.ManualClock(0))


def call_with_bytes(db: stdb.Database, number: int, name: str, args: bytes) -> None:
    """Call a reducer with argument bytes as they are, past the check of arguments."""
    executor: Any = db._program.stop.__self__  # type: ignore[union-attr]
    with db._store.writing():
        executor.call_reducer(number, name, db.owner, None, 0, args)


@settings(max_examples=150)
@given(st.integers(0, 20), st.binary(max_size=200))
def test_random_arguments(club: stdb.Database, number: int, args: bytes) -> None:
    with suppress(*CLEAN):
        call_with_bytes(club, number, "fuzz", args)
    club.check()
    club.call("announce", "still here")


OPERATIONS = [op for op in Op if op not in (Op.SLEEP, Op.HTTP)]
NUMBERS = st.one_of(
    st.integers(0, 8), st.integers(4090, 4110), st.sampled_from([2**31, 2**32 - 1, 2**63])
)


@pytest.fixture(scope="module")
def probe() -> Probe:
    return Probe(limits=LIMITS, clock=stdb.ManualClock(0))


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(OPERATIONS), NUMBERS, NUMBERS, st.binary(max_size=60),
            st.binary(max_size=30),
        ),
        max_size=8,
    )
)  # fmt: skip
def test_random_sequences_of_host_calls(probe: Probe, calls: list[Any]) -> None:
    for operation, x, y, data, more in calls:
        try:
            probe(operation, x & 0xFFFF_FFFF, y & 0xFFFF_FFFF, data, more)
        except CLEAN:
            continue
    probe.db.check()


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(["join", "give", "leave", "leave_all", "crash", "advance"])),
    st.randoms(),
)
def test_random_calls_keep_the_sum(steps: list[str], rng: random.Random) -> None:
    """Points are only moved: each member brought ten."""
    db = stdb.Database(built("club.c"), clock=stdb.ManualClock(0))
    for step in steps:
        args: tuple[Any, ...] = {
            "join": (f"m{rng.randrange(9)}",),
            "give": (rng.randrange(5), rng.randrange(5), rng.randrange(20)),
            "leave": (rng.randrange(5),),
        }.get(step, ())
        with suppress(*CLEAN):
            if step == "advance":
                db._clock.advance(1)
            else:
                db.call(step, *args)
        if step in ("leave", "leave_all"):
            with db.transaction() as tx:
                tx.db.member.clear()
    assert sum(m.points for m in db.tables.member) == 10 * len(db.tables.member)
    db.check()
    db.close()


def mutated(program: bytes, rng: random.Random) -> bytes:
    """Return a module with some of its bytes changed, cut out or doubled."""
    data = bytearray(program)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(8, len(data))
        match rng.randrange(4):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                data[at] ^= 1 << rng.randrange(8)
            case 2:
                del data[at : at + rng.randrange(1, 8)]
            case _:
                data[at:at] = data[at : at + rng.randrange(1, 8)]
    return bytes(data)


@pytest.mark.parametrize("source", ["bank.c", "club.c"])
def test_mutated_modules(
    source: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """They are refused, or run; what they do when they run is undone when they break."""
    monkeypatch.setenv("STDB_CACHE_DIR", "")
    program = built(source).read_bytes()
    rng = random.Random(7)
    file = tmp_path / "mutant.wasm"
    outcomes = {"refused": 0, "ran": 0}
    for _ in range(1000 if request.config.getoption("--slow") else 40):
        file.write_bytes(mutated(program, rng))
        try:
            db = stdb.Database(file, limits=LIMITS)
        except (stdb.PublishError, stdb.ReducerError):
            outcomes["refused"] += 1
            continue
        outcomes["ran"] += 1
        for name in ("open_account", "join", "leave_all", "transfer", "give"):
            declared = db._callable.get(name)
            if declared is None:
                continue
            args = ["x" if str(p.shape) == "str" else 1 for p in declared.parameters]
            try:
                db.call(name, *args)
            except stdb.Error:
                continue
        db.check()
        db.close()
    assert min(outcomes.values()) > 0
