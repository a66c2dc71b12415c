"""Clients in the same process."""

from .client import Client, Dispatch
from .connection import Connection, loop_runs
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
