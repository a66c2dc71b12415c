"""A module in C does its work: calls, failures, what people see of it."""

import inspect
from pathlib import Path

import pytest
from tests.helpers.wasm_modules import built

import stdb


@pytest.fixture
def db() -> stdb.Database:
    return stdb.Database(built("bank.c"))


def balances(db: stdb.Database) -> list[int]:
    return [account.balance for account in sorted(db.tables.account, key=lambda a: a.id)]


def test_a_reducer_changes_tables(db: stdb.Database) -> None:
    alice = stdb.Identity.from_hex("a1" * 32)
    db.call("open_account", 100, sender=alice)
    db.call("open_account", 5)
    db.call("transfer", 1, 2, 30)
    assert balances(db) == [70, 35]
    with db.transaction(readonly=True) as tx:
        first = tx.db.account.id.find(1)
        assert (first.id, first.owner, first.balance) == (1, alice, 70)
        assert tx.db.account.id.find(2).owner == db.owner


def test_a_failed_reducer_changes_nothing(db: stdb.Database) -> None:
    """The money is taken before the other account is looked for."""
    db.call("open_account", 100)
    with pytest.raises(stdb.ReducerError, match=r"^no such account to give to$"):
        db.call("transfer", 1, 7, 30)
    assert balances(db) == [100]
    db.check()


def test_arguments_are_checked_before_the_module_runs(db: stdb.Database) -> None:
    with pytest.raises(stdb.TypeMismatch, match=r"reducer 'transfer', argument 'amount'.*u64"):
        db.call("transfer", 1, 2, -1)
    with pytest.raises(stdb.UsageError, match="takes 3 arguments, got 1"):
        db.reducers.transfer(1)


def test_reducers_have_signature_and_documentation(db: stdb.Database) -> None:
    transfer = db.reducers.transfer
    assert str(inspect.signature(transfer)) == "(source: u32, target: u32, amount: u64)"
    assert "transfer(source: u32, target: u32, amount: u64)" in transfer.__doc__
    with pytest.raises(stdb.UnknownName, match="'transfer'"):
        db.reducers.transferr(1, 2, 3)


def test_rows_can_be_written_from_python_too(db: stdb.Database) -> None:
    with db.transaction() as tx:
        row = tx.db.account.insert(owner=db.owner, balance=9)
        assert row.replace(balance=10) == tx.db.account.id.update(row.replace(balance=10))
    assert db.sql("SELECT balance FROM account").rows == [(10,)]
    db.call("open_account", 1)
    db.call("transfer", 1, 2, 10)
    assert balances(db) == [0, 11]


def test_a_module_is_read_once_and_run_often() -> None:
    module = stdb.Module.from_file(built("bank.c"))
    assert repr(module) == "<module 'bank' from a file, 1 table, 2 reducers>"
    first, second = stdb.Database(module), stdb.Database(module, name="other")
    first.call("open_account", 1)
    assert (balances(first), balances(second)) == ([1], [])
    assert (first.name, second.name) == ("bank", "other")


def test_a_fork_runs_on_its_own_tables(db: stdb.Database) -> None:
    db.call("open_account", 1)
    fork = db.fork()
    fork.call("open_account", 2)
    assert (balances(db), balances(fork)) == ([1], [1, 2])


def test_a_durable_database_keeps_the_module(tmp_path: Path) -> None:
    place = tmp_path / "bank.stdb"
    with stdb.Database(built("bank.c"), place) as db:
        db.call("open_account", 100)
        db.call("open_account", 1)
        assert db.module_bytes == built("bank.c").read_bytes()
    with stdb.Database.open(place) as again:
        again.call("transfer", 1, 2, 30)
        assert balances(again) == [70, 31]
        again.call("open_account", 0)
        # Numbers go on behind the batch that was set aside before the restart.
        assert max(account.id for account in again.tables.account) == 4097
    with stdb.Database(built("bank.c"), place) as once_more:
        assert balances(once_more) == [70, 31, 0]
    with stdb.Database.open(place, readonly=True) as looked_at:
        assert balances(looked_at) == [70, 31, 0]


def test_a_file_that_is_no_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(stdb.PublishError, match="cannot be read: No such file"):
        stdb.Database(tmp_path / "nothing.wasm")
    with pytest.raises(stdb.UsageError, match=r"of these kinds: .*\.wasm"):
        stdb.Database("module.txt")
    broken = tmp_path / "broken.wasm"
    broken.write_bytes(b"not wasm at all")
    with pytest.raises(stdb.PublishError, match="does not compile"):
        stdb.Module.from_file(broken)
