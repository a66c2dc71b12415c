"""What must not be left when clients have gone."""

from __future__ import annotations

from stdb import Database


def check_no_subscription_is_left(db: Database) -> None:
    """Nothing is evaluated for anybody when a transaction commits."""
    evaluator = db._clients and db._clients._evaluator
    if evaluator:
        assert not evaluator.queries
        assert not evaluator._feeds
        assert not db._store.evaluated
