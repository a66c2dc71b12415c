"""`Dispatcher`: after a commit, on its thread, whoever was concerned takes what is new.

Only one thread at a time takes what is new for a client: the one that has claimed it. A thread that
finds a client claimed leaves it to the other. While a thread is at it (inside a callback) nothing
that it commits is taken at once: that comes after what it is at.
"""

from __future__ import annotations

from threading import Condition, get_ident
from typing import TYPE_CHECKING, TypeVar

from .events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from .taking import Taking

R = TypeVar("R")


class Progress:
    """How far a database has come: what commits up to `done` left may be taken."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = 0


class Dispatcher:
    """The clients of one database and the threads that run their callbacks.

    Attributes
    ----------
    due : dict
        Thread -> the clients that its commits concern.
    claims : dict
        Client -> the thread that takes what is new for it: while it is inside a callback, at least.
    waiting : dict
        Client -> how many threads wait to claim it.
    progress : Progress
    """

    __slots__ = ("_idle", "claims", "due", "progress", "waiting")

    def __init__(self, due: dict[int, list[Taking]]) -> None:
        self.due = due
        self.claims: dict[Taking, int] = {}
        self.waiting: dict[Taking, int] = {}
        self.progress = Progress()
        self._idle = Condition()

    def deliver(self) -> None:
        """Have the clients that the commits of this thread concern take what is new.

        Inside a callback nothing happens: whoever called that goes on with what comes up. After
        an interrupt, the next call goes on with what is left.
        """
        # All in one: with many clients, this is half of what they add to a commit.
        me = get_ident()
        due, claims = self.due, self.claims
        woken = due.get(me)
        if woken is None or (claims and me in claims.values()):
            return
        done, waiting = self.progress.done, self.waiting
        try:
            for client in woken:  # callbacks that commit make it longer
                store = client.quick
                if store is None or claims.setdefault(client, me) != me:
                    client.wake()
                    continue
                # There is one cache only, so the item is about that one.
                item = client.item
                if item is None or client.more:
                    self._drain(client)
                    continue
                commit, _, key, new, old = item
                if new is None or old is None or new == old or commit[0] > done:
                    self._drain(client)
                    continue
                # Again, after an interrupt, does no harm until the item is taken out.
                if store is True:
                    client.row = new
                else:
                    store[key] = new
                told = client.told
                if told is None:
                    client.item = None
                else:
                    event = (
                        Event(item, commit[1])
                        if commit[2] is not client
                        else client.event(commit, item)
                    )
                    client.item = None
                    try:
                        told(event, old, new)
                    except Exception as error:  # noqa: BLE001 - a callback breaks nothing
                        client.report(told, error)
                del claims[client]
                if waiting or client.item is not None:
                    self._hand_over(client)
            rest = due.pop(me, woken)
        except BaseException:
            self._stop(me)
            raise
        if rest is not woken:
            # A signal's handler committed in between, and saw to those that were woken so far.
            due[me] = rest
            self.deliver()

    def _drain(self, claimed: Taking) -> None:
        """Have a client take all that is new, and let another thread claim it."""
        claimed.drain()
        del self.claims[claimed]
        if self.waiting or claimed.item is not None or claimed.more:
            self._hand_over(claimed)

    def _hand_over(self, client: Taking) -> None:
        """Let whoever waits go on, and see to what another thread may have left to this one."""
        if self.waiting:
            with self._idle:
                self._idle.notify_all()
        client.wake()

    def wake(self, client: Taking) -> None:
        """Have a client take what is new, unless another thread is at it or waits to be.

        This thread is not inside a callback of that client.
        """
        me = get_ident()
        while client.has_news and client not in self.waiting and self._claim(client, me):
            is_through = client.drain()
            self._release(client)
            if not is_through:
                return

    def take_now(self, client: Taking) -> None:
        """Have a client take what is new, and wait for a thread that is at it.

        Inside a callback nobody waits: then it is taken after what this thread is at.
        """
        me = get_ident()
        if me in self.claims.values():
            if self.claims.get(client) != me:
                self.due.setdefault(me, []).append(client)
            return
        newest = client.newest
        while True:
            try:
                self._claim_in_turn(client, me)
                client.drain()
                self._release(client)
                self.wake(client)
            except BaseException:
                self._stop(me)
                raise
            self.deliver()
            # It may have been handed to another thread that waits before its turn came.
            if newest is None or all(item is not newest for item in client.items()):
                return

    def undisturbed(self, client: Taking, work: Callable[[], R]) -> R:
        """Do `work` while nothing new is taken for a client (as in any callback of it)."""
        me = get_ident()
        if self.claims.get(client) == me:
            return work()
        try:
            try:
                self._claim_in_turn(client, me)
                return work()
            finally:
                self._give_back(client, me)
        finally:
            # An interrupt may have struck inside the first: it can be called again.
            self._give_back(client, me)

    def _give_back(self, client: Taking, me: int) -> None:
        if self.claims.get(client) == me:
            self._release(client)
            if client.has_news:
                self.due.setdefault(me, []).append(client)
                self.deliver()

    # -- claims ----------------------------------------------------------------------------------

    def _claim(self, client: Taking, me: int) -> bool:
        return self.claims.setdefault(client, me) == me

    def _claim_in_turn(self, client: Taking, me: int) -> None:
        """Claim a client as soon as nobody else has."""
        while not self._claim(client, me):
            waiting = self.waiting
            with self._idle:
                try:
                    waiting[client] = waiting.get(client, 0) + 1
                    while client in self.claims:
                        self._idle.wait()
                finally:
                    left = waiting.pop(client, 1) - 1
                    if left > 0:
                        waiting[client] = left

    def _release(self, client: Taking) -> None:
        """Let another thread claim a client."""
        del self.claims[client]
        if self.waiting:
            with self._idle:
                self._idle.notify_all()

    def _stop(self, me: int) -> None:
        """Give up what this thread has claimed: it was interrupted."""
        for client, thread in list(self.claims.items()):
            if thread == me:
                self._release(client)


__all__ = ["Dispatcher", "Progress"]
