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

from _thread import allocate_lock
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
    """

    __slots__ = ("_closed", "_opening")

    def __init__(self) -> None:
        self._closed: deque[tuple[int, LockType]] = deque()
        self._opening: deque[LockType] = deque()

    @property
    def are_opening(self) -> bool:
        """Whether some who need not wait any more are still to be woken."""
        return bool(self._opening)

    def add(self, target: int) -> LockType:
        """Return a new gate for who waits until all before transaction `target` is on the disk."""
        gate = allocate_lock()
        gate.acquire()
        self._closed.append((target, gate))
        return gate

    def wait(self, gate: LockType, seconds: float) -> bool:
        """Wait at a gate, at most so long, and return whether it was opened."""
        is_open = False
        try:
            is_open = gate.acquire(True, seconds)
        finally:
            if not is_open:
                self.leave(gate)
        return is_open

    def leave(self, gate: LockType) -> None:
        """Leave a gate without having come through."""
        with suppress(RuntimeError):  # it was opened just now
            gate.release()

    def open(self, durable: int) -> None:
        """Let go those whose records are on the disk, one by one, and one more: to lead next."""
        closed, opening = self._closed, self._opening
        with suppress(IndexError):  # another thread opens as well
            while closed:
                target, gate = closed.popleft()
                if target <= durable:
                    opening.append(gate)
                elif _open(gate):
                    break
        self.pass_on()

    def pass_on(self) -> None:
        """Open the next gate. Whoever comes through one does that, or leaves one behind."""
        opening = self._opening
        with suppress(IndexError):  # another thread was faster
            while opening and not _open(opening.popleft()):
                pass

    def open_all(self) -> None:
        """Let everybody go."""
        with suppress(IndexError):
            while True:
                _open(self._closed.popleft()[1])
        with suppress(IndexError):
            while True:
                _open(self._opening.popleft())


def _open(gate: LockType) -> bool:
    """Open a gate; return whether there was anybody behind it."""
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

    def came(self) -> None:
        """Note that all who were expected have come."""
        if self._vain and self.size > 1:
            self._vain -= 1

    def stayed_away(self) -> None:
        """Note that somebody waited in vain: twice as many syncs as the last time begin at once."""
        self._vain = self._rest = min(2 * self._vain + 1, _REST_MAX)
