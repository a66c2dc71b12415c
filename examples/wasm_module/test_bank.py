"""How to test a module with pytest: ``pytest examples/wasm_module``.

The module here is `bank.c`, compiled by the ``ziglang`` package before the first test. A module in
Rust or C# is tested the same way: build it, and give `Database` the path of the ``.wasm`` file.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stdb

HERE = Path(__file__).parent
ALICE = stdb.Identity.from_hex("a1" * 32)


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled module, built once."""
    built = tmp_path_factory.mktemp("module") / "bank.wasm"
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-freestanding", "-O2",
         "-nostdlib", "-Wl,--no-entry", "-o", str(built), str(HERE / "bank.c")],
        check=True,
    )  # fmt: skip
    return built


@pytest.fixture
def db(module: Path) -> Iterator[stdb.Database]:
    """A fresh database for each test, in memory, with a clock that only the test turns."""
    with stdb.Database(module, clock=stdb.ManualClock(0)) as database:
        yield database


def balances(db: stdb.Database) -> dict[int, int]:
    """Return what is in each account."""
    return {account.id: account.balance for account in db.tables.account}


def test_money_moves(db: stdb.Database) -> None:
    """A reducer is called by name, or as a function."""
    db.call("open_account", 100, sender=ALICE)
    db.reducers.open_account(deposit=5)
    db.call("transfer", 1, 2, 30)
    assert balances(db) == {1: 70, 2: 35}


def test_a_failed_transfer_changes_nothing(db: stdb.Database) -> None:
    """The module takes the money before it looks for the other account."""
    db.call("open_account", 100)
    with pytest.raises(stdb.ReducerError, match="no such account to give to"):
        db.call("transfer", 1, 99, 30)
    assert balances(db) == {1: 100}


def test_a_client_sees_what_it_subscribed_to(db: stdb.Database) -> None:
    """Connections work as they do for a module in Python."""
    with db.connect(identity=ALICE) as alice:
        alice.subscribe("SELECT * FROM account WHERE balance > 50")
        alice.reducers.open_account(100)
        db.call("open_account", 10)
        assert [(row.owner == ALICE, row.balance) for row in alice.db.account] == [(True, 100)]


def test_money_is_never_lost(db: stdb.Database) -> None:
    """Whatever is asked for, the sum stays."""
    for _ in range(5):
        db.call("open_account", 100)
    db.call_many("transfer", [(a, b, 40) for a in range(7) for b in range(7)])
    assert sum(balances(db).values()) == 500
