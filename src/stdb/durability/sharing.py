"""How threads that commit at the same time share a sync: who waits where, and who for whom.

One thread leads: it writes and syncs what all have handed over (`Log._share`). The others wait,
each at a gate of its own. When the leader is done it does not open all of these gates: Python runs
one thread at a time, and those that were woken together would take the processor from the one
that runs, only to sleep again. It opens one, and whoever comes through opens the next: that thread
is awake by the time this one sleeps again. A thread passes this on whatever happens to it, and
waits at its gate for a limited time, so that an interrupt cannot keep the others waiting.

Those who committed along the last time are about to do it again, and a sync for all of them is
worth waiting for the last one: it leads. When they do not come, the first one whose patience ends
does, and for a while nobody waits for company.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _thread import LockType

#: How many times as long as a sync a thread waits for company. Eight threads, whose transactions
#: take longer than a quick disk, come back within that time.
_PATIENCE: Final = 3
#: For how many syncs nobody waits at most, after waiting was in vain again and again.
_REST_MAX: Final = 64


class Gates:
    """Where threads wait, each at a gate of its own, until a transaction is on the disk.

    A gate is a lock that is held. An open one has nobody behind it.

    Attributes
    ----------
    closed : deque
        ``(target, gate)`` of those who wait until all before transaction `target` is on the disk.
    opening : deque
        The gates of those who need not wait any more, and are still to be woken.
    """

    __slots__ = ("closed", "opening")

    def __init__(self) -> None:
        self.closed: deque[tuple[int, LockType]] = deque()
        self.opening: deque[LockType] = deque()

    def open(self, durable: int) -> None:
        """Let go those whose records are on the disk, one by one, and one more: to lead next."""
        closed, opening = self.closed, self.opening
        with suppress(IndexError):  # another thread opens as well
            while closed:
                target, gate = closed.popleft()
                if target <= durable:
                    opening.append(gate)
                elif leave(gate):
                    break
        self.pass_on()

    def pass_on(self) -> None:
        """Open the next gate. Whoever comes through one does that, or leaves one behind."""
        opening = self.opening
        while opening:
            try:
                opening.popleft().release()
            except RuntimeError:
                continue  # nobody waits there any more
            except IndexError:
                pass  # another thread was faster
            return

    def open_all(self) -> None:
        """Let everybody go."""
        with suppress(IndexError):
            while True:
                leave(self.closed.popleft()[1])
        with suppress(IndexError):
            while True:
                leave(self.opening.popleft())


def leave(gate: LockType) -> bool:
    """Leave a gate open; return whether it was not open yet."""
    try:
        gate.release()
    except RuntimeError:
        return False
    return True


class Company:
    """How many transactions the next sync should be for, and how long that is worth waiting for.

    Its methods are for whoever leads, or is about to.

    Attributes
    ----------
    size : int
        How many transactions to wait for; 0 when nobody should wait.
    patience : float
        For how many seconds.
    """

    __slots__ = ("_before", "_rest", "_vain", "patience", "size")

    def __init__(self) -> None:
        self.size = 0
        self.patience = 0.0
        self._before = 0  # how many there were at the sync before
        self._vain = 0  # how often waiting was in vain, more or less
        self._rest = 0  # for how many syncs nobody waits from now on

    def synced(self, count: int, seconds: float) -> None:
        """Note a sync: when it ended there were `count` transactions, those for the next included.

        The greater of two such numbers counts. Threads that commit now and then come by chance,
        and their number hardly ever twice: waiting for them is soon found to be in vain.
        """
        self.patience = _PATIENCE * seconds
        if self._rest:
            self._rest -= 1
            self.size = 0
        else:
            self.size = max(count, self._before)
        self._before = count

    def noted(self, *, is_there: bool) -> None:
        """Note whether all who were expected have come, or somebody waited in vain.

        After the second, twice as many syncs as the last time begin at once.
        """
        if not is_there:
            self._vain = self._rest = min(2 * self._vain + 1, _REST_MAX)
        elif self._vain and self.size > 1:
            self._vain -= 1
