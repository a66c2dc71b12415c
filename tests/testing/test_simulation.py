"""A simulation is the same for the same seed, and finds what breaks over time or in a crash."""

import random
from pathlib import Path

import pytest
from tests.helpers.fuzzed_bank import MISTAKES, make_bank, no_overdraft
from tests.testing.test_recordings import make_shop

import stdb
from stdb import Database, Module, ReducerContext, Row, UsageError, index, primary_key, u64
from stdb.durability.files import Disk
from stdb.testing import SimulationFailed, simulate
from stdb.testing.disk import ForgetfulDisk


def simulate_some(*, crashes: bool) -> None:
    for seed in range(20):
        simulate(make_bank(), steps=300, seed=seed, crashes=crashes)


ORDERS = {"order": {"count": range(6)}}


def test_the_same_seed_does_the_same() -> None:
    first = simulate(make_bank(), no_overdraft, steps=200, seed=3)
    assert simulate(make_bank(), no_overdraft, steps=200, seed=3) == first
    assert simulate(make_bank(), no_overdraft, steps=200, seed=4).trace != first.trace
    assert (first.seed, first.steps) == (3, 200)
    assert first.calls > first.refusals > 0
    assert first.crashes > 0


@pytest.mark.parametrize("seed", range(5))
def test_clients_timers_and_crashes_do_not_get_in_each_others_way(seed: int) -> None:
    done = simulate(make_shop(), steps=200, seed=seed, arguments=ORDERS)
    assert done.steps == 200


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_they_do_not_for_a_long_time_either(seed: int) -> None:
    simulate(make_shop(), steps=2_000, seed=seed, arguments=ORDERS)
    simulate(make_bank(), no_overdraft, steps=2_000, seed=seed)


def test_in_memory_nothing_crashes() -> None:
    done = simulate(make_shop(), steps=300, seed=1, crashes=False, arguments=ORDERS)
    assert (done.crashes, done.lost) == (0, 0)


def test_a_broken_invariant_is_told_with_the_last_steps_and_the_seed() -> None:
    with pytest.raises(SimulationFailed, match="no_overdraft does not hold") as caught:
        simulate(make_bank(MISTAKES["one too many"]), no_overdraft, seed=1)
    assert caught.value.seed == 1
    assert f"step {caught.value.step} of the simulation with seed=1" in str(caught.value)
    assert "-> done" in str(caught.value).splitlines()[-1]
    with pytest.raises(SimulationFailed) as again:
        simulate(make_bank(MISTAKES["one too many"]), no_overdraft, seed=1)
    assert str(again.value) == str(caught.value)


def test_a_reducer_that_breaks_is_told() -> None:
    module = Module("broken")

    @module.reducer
    def divide(ctx: ReducerContext, a: u64, b: u64) -> None:
        ctx.log.info("%d", a // b)

    with pytest.raises(SimulationFailed, match="the code of reducer 'divide' broke"):
        simulate(module, seed=1)
    simulate(module, seed=1, steps=50, allow=(ZeroDivisionError,))


def test_what_a_module_keeps_outside_of_tables_is_found_by_a_crash() -> None:
    """The mistake that only a restart shows: a global variable instead of a row."""
    total = 0
    module = Module("forgetful")

    @module.table()
    class Item(Row):
        id: u64 = primary_key(auto_inc=True)
        kind: str = index()

    @module.reducer
    def add(ctx: ReducerContext) -> None:
        nonlocal total
        total += 1
        ctx.db[Item].insert(kind="a")

    def total_is_right(db: Database) -> None:
        assert total == len(db.tables.item)

    with pytest.raises(SimulationFailed, match="total_is_right"):
        simulate(module, total_is_right, steps=2_000, seed=1)


def test_the_auditor_finds_a_log_that_is_reported_durable_and_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ForgetfulDisk, "durable", lambda self, path: None)
    with pytest.raises(SimulationFailed, match="was durable and"):
        simulate_some(crashes=True)


def test_the_auditor_finds_a_client_that_was_not_told_of_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stdb.Connection, "tick", lambda self: None)
    with pytest.raises(SimulationFailed, match="rows of account, and there are"):
        simulate_some(crashes=False)


def test_a_database_cannot_be_simulated() -> None:
    with pytest.raises(UsageError, match="simulate takes a module"):
        simulate(Database(make_bank()))


def test_the_disk_is_the_real_one_again_afterwards() -> None:
    real = Disk.files
    simulate(make_bank(), steps=5, seed=1)
    with pytest.raises(SimulationFailed):
        simulate(make_bank(), lambda db: False, steps=5, seed=1)
    assert Disk.files is real


def test_what_a_dead_process_left_is_made_durable_before_it_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was in the memory of the operating system only: the power may still fail."""
    disk = ForgetfulDisk()
    monkeypatch.setattr(Disk, "files", disk)
    bank, path = make_bank(), tmp_path / "db"
    with Database(bank, path=path, durability="sync") as db:
        db.call("open_account", "ann", 1)
    db = Database(bank, path=path, durability=None)
    db.call("open_account", "bob", 1)
    with db._log._flushing:  # type: ignore[union-attr]
        db._log._bring(sync=False)  # type: ignore[union-attr]
    disk.is_off = True
    db.close()
    disk.is_off = False  # the process died; the power did not fail
    db = Database(bank, path=path, durability=None)
    reported = db.durable_offset
    assert reported == db._state.offset == 2
    disk.is_off = True
    db.close()
    disk.lose_power(random.Random(1))
    with Database.open(path, readonly=True) as db:
        assert db._state.offset == reported
        assert len(db.tables.account) == 2
