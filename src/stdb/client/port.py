"""`Port`: what a connection asks of its database, which it does not import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .cache import TableInfo
    from .client import Client
    from .dispatch import Dispatcher
    from .handle import Subscription
    from .taking import Taking

R = TypeVar("R")


class Renewal(Protocol):
    """All that a client's subscriptions give at one moment, for one table.

    `key` is that of the only row that they may give, or `one_row.MANY`.
    """

    info: TableInfo
    key: Any
    rows: dict[Any, Any]
    counts: dict[Any, int]
    sources: tuple[int, int]


class Port(Protocol):
    """What a connection asks of its database."""

    dispatcher: Dispatcher

    @property
    def name(self) -> str:
        """The database's name."""

    def connected(self, client: Client) -> None:
        """Take a new client, or raise what its ``client_connected`` raised."""

    def disconnected(self, client: Client) -> None:
        """Let a client go."""

    def call(self, client: Client, reducer: str, args: tuple[Any, ...]) -> None:
        """Run a reducer for a client."""

    def sign(self, payload: str) -> str:
        """Return the token of a payload that the database made."""

    def reducers(self, client: Client, call: Callable[[str, tuple[Any, ...]], Any]) -> Any:
        """Return the reducers that a client may call, as functions that use `call`."""

    def procedures(self, client: Client, call: Callable[[str, tuple[Any, ...]], Any]) -> Any:
        """Return the procedures that a client may call, as functions that use `call`."""

    def is_async(self, client: Client, procedure: str) -> bool:
        """Return whether a procedure that a client may call is to be awaited in an event loop."""

    def call_procedure(self, client: Client, procedure: str, args: tuple[Any, ...]) -> Any:
        """Run a procedure for a client and return its value; see `is_async`."""

    def text_of(self, query: object) -> str:
        """Return what somebody subscribes to as SQL."""

    def subscribe(self, client: Client, handle: Subscription) -> None:
        """Begin a subscription; an item with its rows is left then."""

    def unsubscribe(self, client: Client, handle: Subscription) -> None:
        """End a subscription; an item that says so is left then."""

    def ended(self, client: Taking, handle: Subscription) -> None:
        """Give up what is kept for a subscription that is over. Can be done again."""

    def renew(self, client: Taking) -> Mapping[str, Renewal]:
        """Return all that a client's subscriptions give now; what is left has no rows any more."""

    def table(self, client: Taking, key: object) -> TableInfo:
        """Return the table of that name or row class, if the client may read it."""

    def table_names(self, client: Taking) -> list[str]:
        """Return the names of the tables that a client may read."""

    def micros(self) -> int:
        """Return the time of the database's clock."""

    @property
    def settle(self) -> Callable[[], None] | None:
        """What waits for the disk before a commit is told of, where the database promises that."""

    @property
    def confirm(self) -> Callable[[], None] | None:
        """What waits until all that was committed is on the disk; None where there is no disk."""

    def when_confirmed(self, call: Callable[[], object]) -> None:
        """Call something as soon as all that was committed is on the disk, on any thread."""

    def report(self, text: str) -> None:
        """Write something that went wrong to the database's log."""

    def run_if_free(self, work: Callable[[], R]) -> tuple[bool, R | None]:
        """Do `work` unless it would have to wait; return whether, and what it returned."""


__all__ = ["Port", "Renewal"]
