"""`Dispatcher`: after a commit, on its thread, whoever was concerned takes what is new.

Only one thread at a time takes what is new for a client: the one that has claimed it. A thread that
finds a client claimed leaves it to the other. While a thread is at it (inside a callback) nothing
that it commits is taken at once: that comes after what it is at.
"""

from __future__ import annotations

from threading import Condition, get_ident
from typing import TYPE_CHECKING

from .events import Event

if TYPE_CHECKING:
    from .core import Client


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
        Client -> the thread that takes what is new for it.
    waiting : dict
        Client -> how many threads wait to claim it.
    progress : Progress
    """

    __slots__ = ("_active", "_idle", "claims", "due", "progress", "waiting")

    def __init__(self, due: dict[int, list[Client]]) -> None:
        self.due = due
        self.claims: dict[Client, int] = {}
        self.waiting: dict[Client, int] = {}
        self.progress = Progress()
        self._active: set[int] = set()
        self._idle = Condition()

    @property
    def is_active(self) -> bool:
        """Whether this thread is taking what is new for some client: inside a callback."""
        return get_ident() in self._active

    def deliver(self) -> None:
        """Have the clients that the commits of this thread concern take what is new.

        Inside a callback nothing happens: whoever called that goes on with what comes up. After
        an interrupt, the next call goes on with what is left.
        """
        me = get_ident()
        woken = self.due.get(me)
        if woken is None or me in self._active:
            return
        try:
            self._active.add(me)
            self._take_each(woken, me)
            del self.due[me]
            self._active.discard(me)
        except BaseException:
            self._stop(me)
            raise

    def take_now(self, client: Client) -> None:
        """Have a client take what is new, and wait for a thread that is at it.

        Inside a callback nobody waits: then it is taken after what this thread is at.
        """
        me = get_ident()
        if me in self._active:
            if self.claims.get(client) != me:
                self.due.setdefault(me, []).append(client)
            return
        newest = client.newest
        while True:
            while not self._claim(client, me):
                self._wait_for(client)
            self._run(me, client)
            # It may have been handed to another thread that waits before its turn came.
            if newest is None or all(item is not newest for item in client.items()):
                return

    def _claim(self, client: Client, me: int) -> bool:
        return self.claims.setdefault(client, me) == me

    def _wait_for(self, client: Client) -> None:
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

    def release(self, client: Client) -> None:
        """Let another thread claim a client."""
        del self.claims[client]
        if self.waiting:
            with self._idle:
                self._idle.notify_all()

    def _run(self, me: int, claimed: Client) -> None:
        try:
            self._active.add(me)
            claimed.drain()
            self.release(claimed)
            self.wake(claimed)
            woken = self.due.get(me)
            if woken is not None:
                self._take_each(woken, me)
                del self.due[me]
            self._active.discard(me)
        except BaseException:
            self._stop(me)
            raise

    def _stop(self, me: int) -> None:
        """Give up what this thread has claimed: it was interrupted."""
        self._active.discard(me)
        for client in [each for each, thread in self.claims.items() if thread == me]:
            self.release(client)

    def _take_each(self, woken: list[Client], me: int) -> None:
        """Have each take what is new: here where that is a changed row and one callback for it."""
        claims, progress = self.claims, self.progress
        for client in woken:  # callbacks that commit make it longer
            cache = client.plain
            if cache is None or claims.setdefault(client, me) != me:
                client.wake()
                continue
            # It has one cache only, so this is about that one.
            item = client.item
            if item is None or client.more or len(item) != 5 or item[0][0] > progress.done:
                client.drain()
            else:
                commit, _, key, new, old = item
                if new is None or old is None:
                    client.drain()
                elif new == old:
                    client.item = None
                else:
                    # Again, after an interrupt, does no harm until the item is taken out.
                    cache.rows[key] = new
                    callback = cache.update_callback
                    if callback is None:
                        client.item = None
                    else:
                        event = (
                            Event("transaction", commit[1], None, item)
                            if commit[2] is not client
                            else client.event(commit, item)
                        )
                        client.item = None
                        try:
                            callback(event, old, new)
                        except Exception as error:  # noqa: BLE001 - a callback breaks nothing
                            client.report(callback, error)
            del claims[client]
            if self.waiting or client.item is not None or client.more:
                # Another thread may have left it to this one.
                self._hand_over(client)

    def _hand_over(self, client: Client) -> None:
        if self.waiting:
            with self._idle:
                self._idle.notify_all()
        client.wake()

    def wake(self, client: Client) -> None:
        """Have a client take what is new, unless another thread is at it or waits to be.

        This thread is active, and not inside a callback of that client.
        """
        me = get_ident()
        while client.has_news and client not in self.waiting and self._claim(client, me):
            is_through = client.drain()
            self.release(client)
            if not is_through:
                return


class Claimed:
    """Nothing new is taken for a client while this is open (as in any callback of it)."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._dispatcher = client._port.dispatcher
        self._is_ours = False

    def __enter__(self) -> None:
        dispatcher, me = self._dispatcher, get_ident()
        if dispatcher.claims.get(self._client) == me:
            return
        while not dispatcher._claim(self._client, me):
            dispatcher._wait_for(self._client)
        self._is_ours = True

    def __exit__(self, *_: object) -> None:
        if self._is_ours:
            dispatcher = self._dispatcher
            dispatcher.release(self._client)
            if self._client.has_news:
                dispatcher.due.setdefault(get_ident(), []).append(self._client)
                dispatcher.deliver()


__all__ = ["Claimed", "Dispatcher", "Progress"]
