"""Tests of a module in TypeScript: `npm install && npm run build`, and then `pytest`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import stdb

BUNDLE = Path(__file__).with_name("dist") / "bundle.js"


@pytest.fixture
def bank() -> Iterator[stdb.Database]:
    """A fresh database for each test, in memory."""
    with stdb.Database(BUNDLE) as db:
        db.call("open_account", "ann", 100)
        db.call("open_account", "ben", 0)
        yield db


def balances(db: stdb.Database) -> dict[str, int]:
    """Return what is in each account."""
    return {account.owner: account.balance for account in db.tables.account}


def test_a_transfer_moves_money(bank: stdb.Database) -> None:
    """What one loses the other gets."""
    bank.call("transfer", "ann", "ben", 30)
    assert balances(bank) == {"ann": 70, "ben": 30}


def test_nobody_gives_what_he_does_not_have(bank: stdb.Database) -> None:
    """A `SenderError` of the module is a `ReducerError` here, and nothing has changed."""
    with pytest.raises(stdb.ReducerError, match="insufficient funds"):
        bank.call("transfer", "ann", "ben", 101)
    assert balances(bank) == {"ann": 100, "ben": 0}


def test_who_watches_sees_the_change(bank: stdb.Database) -> None:
    """Clients subscribe to tables of the module like to any."""
    seen = []
    with bank.connect() as client:
        client.subscribe("SELECT * FROM account WHERE owner = 'ben'")
        client.db.account.on_update(
            lambda _event, old, new: seen.append((old.balance, new.balance))
        )
        bank.call("transfer", "ann", "ben", 5)
    assert seen == [(0, 5)]
