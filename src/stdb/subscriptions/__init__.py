"""Subscriptions: which queries a commit concerns, and what it changes in their results.

After a commit only the changes are computed, by code that was generated for each query; a query
that reads none of the changed rows costs nothing.
"""

from .evaluator import Calling, Evaluator
from .query import LiveQuery
from .sink import Commit, Pair, Progress, Sink

__all__ = ["Calling", "Commit", "Evaluator", "LiveQuery", "Pair", "Progress", "Sink"]
