"""Subscriptions: which queries a commit concerns, and what it changes in their results.

After a commit only the changes are computed, by code that was generated for each query; a query
that reads none of the changed rows costs nothing. Results that are kept inside the database follow
in the same way, before the commit.
"""

from .evaluator import Calling, Evaluator
from .incremental import IncrementalQueries, KeptQuery
from .query import LiveQuery
from .sink import Commit, Pair, Progress, Sink
from .template import Template

__all__ = [
    "Calling",
    "Commit",
    "Evaluator",
    "IncrementalQueries",
    "KeptQuery",
    "LiveQuery",
    "Pair",
    "Progress",
    "Sink",
    "Template",
]
