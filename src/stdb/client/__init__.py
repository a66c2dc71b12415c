"""Clients in the same process."""

from .connection import Connection, Dispatch, loop_runs
from .core import Client
from .dispatch import Dispatcher
from .events import Event, ReducerEvent, TableEvents
from .handle import Subscription
from .tables import CachedTable

__all__ = [
    "CachedTable",
    "Client",
    "Connection",
    "Dispatch",
    "Dispatcher",
    "Event",
    "ReducerEvent",
    "Subscription",
    "TableEvents",
    "loop_runs",
]
