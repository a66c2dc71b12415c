"""The fuzzer finds planted mistakes soon, and tells of them in as few calls as there can be."""

import time
import unittest
from enum import Enum

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test
from tests.helpers.fuzzed_bank import MISTAKES, make_bank, no_overdraft
from tests.helpers.wasm_modules import built

import stdb
from stdb import (
    Database,
    Identity,
    ManualClock,
    Module,
    ReducerContext,
    ReducerError,
    Row,
    Timestamp,
    UnknownName,
    UsageError,
    primary_key,
    u8,
    u32,
    u64,
)
from stdb.testing import InvariantBroken, ModuleMachine, fuzz, simulate, state_machine


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_overdraft_is_found_in_5_seconds_and_told_in_two_calls(mistake: str) -> None:
    began = time.process_time()
    with pytest.raises(InvariantBroken, match="no_overdraft does not hold after 2 steps") as caught:
        fuzz(make_bank(MISTAKES[mistake]), no_overdraft, seed=1)
    assert time.process_time() - began < 5
    first, second = caught.value.calls
    assert first.name == "open_account"
    assert second.name in ("withdraw", "transfer")
    assert caught.value.invariant == "no_overdraft"


def test_a_bank_without_mistakes_passes() -> None:
    fuzz(make_bank(), no_overdraft, runs=30, seed=1)


def test_the_calls_that_are_told_can_be_run_and_break_the_invariant() -> None:
    bank = make_bank(MISTAKES["one too many"])
    with pytest.raises(InvariantBroken) as caught:
        fuzz(bank, no_overdraft, seed=2)
    lines = [line.strip() for line in str(caught.value).splitlines() if line.startswith("    ")]
    scope = {"db": Database(bank), "Identity": Identity, "clock": ManualClock()}
    exec("\n".join(lines), scope)
    with pytest.raises(AssertionError):
        no_overdraft(scope["db"])  # type: ignore[arg-type]


def test_the_same_seed_finds_the_same_and_the_message_tells_it() -> None:
    def found() -> str:
        with pytest.raises(InvariantBroken) as caught:
            fuzz(make_bank(MISTAKES["twice the balance"]), no_overdraft, seed=7)
        return str(caught.value)

    assert found() == found()
    assert "(found with seed=7)" in found()


def test_without_a_seed_the_message_tells_one_that_finds_it_again() -> None:
    bank = make_bank(MISTAKES["one too many"])
    with pytest.raises(InvariantBroken) as caught:
        fuzz(bank, no_overdraft)
    seed = int(str(caught.value).rpartition("seed=")[2].rstrip(")"))
    with pytest.raises(InvariantBroken) as again:
        fuzz(bank, no_overdraft, seed=seed)
    assert str(again.value) == str(caught.value)


def test_an_invariant_may_be_a_function_that_returns_false() -> None:
    def few(db: Database) -> bool:
        return len(db.tables.account) < 3

    with pytest.raises(InvariantBroken, match="few does not hold after 3 steps") as caught:
        fuzz(make_bank(), few, seed=1)
    assert [str(step) for step in caught.value.calls] == ["db.call('open_account', '', 0)"] * 3
    assert len(caught.value.database.tables.account) == 3


def test_a_reducer_that_breaks_is_found_without_any_invariant() -> None:
    module = Module("divider")

    @module.reducer
    def divide(ctx: ReducerContext, a: u32, b: u32) -> None:
        ctx.log.info("%d", a // b)

    with pytest.raises(InvariantBroken, match="the code of reducer 'divide'") as caught:
        fuzz(module, seed=1)
    assert [step.args for step in caught.value.calls] == [(0, 0)]
    assert "ZeroDivisionError" in str(caught.value)
    fuzz(module, allow=(ZeroDivisionError,), runs=5, seed=1)


def test_a_failure_that_needs_two_rows_is_renumbered_to_the_first_ones() -> None:
    module = Module("friends")

    @module.table()
    class Friend(Row):
        id: u64 = primary_key(auto_inc=True)
        of: u64

    @module.reducer
    def add(ctx: ReducerContext, of: u64) -> None:
        if of and ctx.db[Friend].id.find(of) is None:
            raise ReducerError("nobody")
        ctx.db[Friend].insert(Friend(of=of))

    def shallow(db: Database) -> bool:
        rows = {row.id: row.of for row in db.tables.friend}
        return not any(rows.get(of) for of in rows.values())

    with pytest.raises(InvariantBroken) as caught:
        fuzz(module, shallow, seed=3)
    assert [step.args for step in caught.value.calls] == [(0,), (1,), (2,)]


def test_what_is_set_up_is_there_in_every_run_and_left_as_it_is() -> None:
    made: list[Database] = []

    def rich(db: Database) -> None:
        made.append(db)
        db.call("open_account", "bank", 1_000)

    def is_rich(db: Database) -> bool:
        return any(account.balance == 1_000 for account in db.tables.account)

    fuzz(make_bank(), is_rich, setup=rich, reducers=["open_account"], runs=5, seed=1)
    assert len(made) == 1


def test_a_database_is_forked_and_stays_as_it_is() -> None:
    db = Database(make_bank(MISTAKES["one too many"]))
    db.call("open_account", "ann", 5)
    with pytest.raises(InvariantBroken) as caught:
        fuzz(db, no_overdraft, seed=1)
    assert len(caught.value.calls) == 1
    assert [account.balance for account in db.tables.account] == [5]
    db.call("open_account", "bob", 5)


def test_an_invariant_that_does_not_hold_at_the_start_needs_no_step() -> None:
    with pytest.raises(InvariantBroken, match="after 0 steps") as caught:
        fuzz(make_bank(), lambda db: False, seed=1)
    assert caught.value.calls == []


def test_arguments_may_be_chosen_from_a_list_or_a_strategy() -> None:
    seen: set[tuple[str, int]] = set()

    def note(db: Database) -> None:
        seen.update((account.owner, account.balance) for account in db.tables.account)

    fuzz(
        make_bank(),
        note,
        arguments={"open_account": {"owner": ["ann", "bob"], "deposit": st.integers(3, 4)}},
        reducers=["open_account"],
        runs=5,
        seed=1,
    )
    assert seen == {("ann", 3), ("ann", 4), ("bob", 3), ("bob", 4)}


def test_clients_come_and_go_where_the_module_wants_to_know() -> None:
    module = Module("door")

    @module.table()
    class Guest(Row):
        identity: Identity = primary_key()

    @module.client_connected
    def come(ctx: ReducerContext) -> None:
        ctx.db[Guest].insert(Guest(identity=ctx.sender))

    @module.client_disconnected
    def leave(ctx: ReducerContext) -> None:
        ctx.db[Guest].identity.delete(ctx.sender)

    @module.reducer
    def knock(ctx: ReducerContext) -> None:
        pass

    def two_at_most(db: Database) -> bool:
        return len(db.tables.guest) <= 2

    with pytest.raises(InvariantBroken) as caught:
        fuzz(module, two_at_most, seed=1)
    assert [step.kind for step in caught.value.calls] == ["connect"] * 3
    assert "ann_conn = db.connect(identity=ann)" in str(caught.value)


def test_time_passes() -> None:
    module = Module("timed")

    @module.table()
    class Seen(Row):
        at: Timestamp = primary_key()

    @module.reducer
    def look(ctx: ReducerContext) -> None:
        ctx.db[Seen].at.insert_or_update(Seen(at=ctx.timestamp))

    def a_day_at_most(db: Database) -> bool:
        moments = [row.at.micros for row in db.tables.seen]
        return not moments or max(moments) - min(moments) < 86_400_000_000

    with pytest.raises(InvariantBroken) as caught:
        fuzz(module, a_day_at_most, seed=1)
    kinds = [step.kind for step in caught.value.calls]
    assert kinds[0] == kinds[-1] == "call"
    assert "clock.advance(86400)" in str(caught.value)


class Color(Enum):
    RED = 0
    BLUE = 1


@given(st.integers(0, 2**32))
def test_arguments_of_every_type_are_exact(seed: int) -> None:
    module = Module("types")

    @module.reducer
    def take(
        ctx: ReducerContext,
        a: u8,
        b: list[int] | None,
        c: Color,
        d: stdb.f32,
        e: bytes,
        f: Identity,
        g: Timestamp,
        h: stdb.ScheduleAt,
        i: stdb.Ok[int] | stdb.Err[str],
        j: bool,
        k: tuple[float, ...],
    ) -> None:
        pass

    fuzz(module, runs=1, steps=5, seed=seed)


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({"reducers": ["transfr"]}, UnknownName),
        ({"arguments": {"transfr": {}}}, UnknownName),
        ({"arguments": {"transfer": {"sum": [1]}}}, UnknownName),
        ({"reducers": []}, UsageError),
        ({"arguments": {"transfer": {"amount": []}}}, UsageError),
    ],
)
def test_mistakes_in_what_is_asked_are_told(
    keywords: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        fuzz(make_bank(), **keywords)  # type: ignore[arg-type]


# -- the state machine of Hypothesis -------------------------------------------------------------


QUICK = hypothesis.settings(max_examples=20, stateful_step_count=10, deadline=None)


def test_a_state_machine_finds_it_too() -> None:
    bank = make_bank(MISTAKES["only large amounts are checked"])
    machine = state_machine(bank, no_overdraft, reducers=["open_account", "withdraw"])
    with pytest.raises(InvariantBroken, match="no_overdraft"):
        run_state_machine_as_test(
            machine,
            settings=hypothesis.settings(
                max_examples=200, phases=[hypothesis.Phase.generate], deadline=None
            ),
        )


def test_a_state_machine_takes_rules_and_invariants_of_ones_own() -> None:
    base = state_machine(
        make_bank(), no_overdraft, arguments={"open_account": {"deposit": st.integers(0, 5)}}
    )
    opened: list[int] = []

    class Machine(base):  # type: ignore[valid-type, misc]
        @rule(deposit=st.integers(6, 9))
        def open_rich(self, deposit: int) -> None:
            self.db.call("open_account", "rich", deposit)
            opened.append(deposit)

        @invariant()
        def balances_are_small(self) -> None:
            assert all(account.balance < 1_000_000 for account in self.db.tables.account)

    assert issubclass(Machine, ModuleMachine)
    run_state_machine_as_test(Machine, settings=QUICK)
    assert opened


def test_the_test_case_of_a_state_machine_runs() -> None:
    case = state_machine(make_bank(), no_overdraft).TestCase
    case.settings = QUICK
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun == 1
    assert result.wasSuccessful()


# -- modules of other kinds ----------------------------------------------------------------------


def test_a_compiled_module_is_fuzzed_like_any_other() -> None:
    module = Module.from_file(built("bank.c"))

    def few(db: Database) -> bool:
        return len(db.tables.account) < 2

    with pytest.raises(InvariantBroken) as caught:
        fuzz(module, few, seed=1)
    assert len(caught.value.calls) == 2
    machine = state_machine(module, arguments={"transfer": {"amount": [1]}})
    run_state_machine_as_test(machine, settings=QUICK)


def test_functions_in_a_namespace_are_called_by_their_full_names() -> None:
    auth = Module("auth")

    @auth.table(public=True)
    class User(Row):
        id: u64 = primary_key(auto_inc=True)
        name: str

    @auth.reducer
    def register(ctx: ReducerContext, name: str) -> None:
        ctx.db.user.insert(name=name)

    app = Module("app")
    app.include(auth, namespace="auth")

    def few(db: Database) -> bool:
        return len(db.sql("SELECT * FROM auth.user")) < 2

    with pytest.raises(InvariantBroken) as caught:
        fuzz(app, few, seed=1)
    assert [str(step) for step in caught.value.calls] == ["db.call('auth.register', '')"] * 2
    run_state_machine_as_test(state_machine(app), settings=QUICK)
    simulate(app, steps=50, seed=1, crashes=False)
