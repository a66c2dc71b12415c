"""A run: steps that a database takes, one by one, and what must hold after each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..clock import ManualClock
from ..errors import Error, ModuleError, shorten
from ..types.values import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..client import Connection
    from ..database import Database

    Invariant = Callable[[Database], object]

#: Who calls, beside the owner.
CLIENTS: Final = {
    name: Identity.from_claims("stdb.testing", name) for name in ("ann", "bob", "carl")
}


class Step(msgspec.Struct, frozen=True):
    """One step of a run.

    Attributes
    ----------
    kind : str
        ``call``, ``connect``, ``disconnect`` or ``advance``.
    name : str
        The reducer that is called.
    args : tuple
        Its arguments; of ``advance``, the seconds.
    who : str or None
        The client; None for the owner.
    """

    kind: str
    name: str = ""
    args: tuple[Any, ...] = ()
    who: str | None = None

    def __str__(self) -> str:
        shown = ", ".join(map(repr, self.args))
        match self.kind:
            case "advance":
                return f"clock.advance({shown})"
            case "connect":
                return f"{self.who}_conn = db.connect(identity={self.who})"
            case "disconnect":
                return f"{self.who}_conn.close()"
            case "call":
                arguments = f"{self.name!r}" + (f", {shown}" if shown else "")
                return f"db.call({arguments}{'' if self.who is None else f', sender={self.who}'})"
        return f"{self.kind}({shown})"


class InvariantBroken(AssertionError):  # noqa: N818 - named for what happened, as stdb's errors are
    """An invariant does not hold after some calls: the fewest that could be found.

    Attributes
    ----------
    invariant : str
        Its name.
    calls : list of Step
        What was done, in order.
    database : Database
        The database in that state.
    """

    def __init__(
        self, invariant: str, calls: list[Step], database: Database, reason: str, note: str = ""
    ) -> None:
        count = len(calls)
        lines = [f"{invariant} does not hold after {count} step{'s' * (count != 1)}:"]
        who = sorted({step.who for step in calls if step.who is not None})
        lines += [f"    {name} = Identity.from_claims('stdb.testing', {name!r})" for name in who]
        lines += [f"    {step}" for step in calls]
        super().__init__("\n".join([*lines, *filter(None, (reason, note))]))
        self.invariant = invariant
        self.calls = calls
        self.database = database
        self.reason = reason


class Run:
    """A database that takes steps, in memory and beginning with a fork of another one.

    Parameters
    ----------
    base : Database
        What it begins with.
    invariants : tuple of (name, callable)
        What must hold after each step.
    allow : tuple of exception classes
        What the code of a reducer may raise without being broken.
    """

    def __init__(
        self,
        base: Database,
        invariants: tuple[tuple[str, Invariant], ...],
        allow: tuple[type[BaseException], ...],
    ) -> None:
        self.clock = ManualClock(base._micros())
        self.db = base.fork(schedules=True, clock=self.clock)
        self.db._logs.tells_logging = False  # thousands of refusals are what a run consists of
        self.steps: list[Step] = []
        self.connections: dict[str, Connection] = {}
        self._invariants = invariants
        self._allow = allow

    def take(self, step: Step) -> Error | None:
        """Take a step, check what must hold, and return what the step raised.

        Raises
        ------
        InvariantBroken
            Something does not hold.
        """
        self.steps.append(step)
        error: Error | None = None
        try:
            self._act(step)
        except ModuleError as raised:
            error = raised
            if not isinstance(raised.__cause__, self._allow):
                self._broken(f"the code of reducer {step.name!r}", raised.__cause__ or raised)
        except Error as raised:
            error = raised
        self.check()
        return error

    def _act(self, step: Step) -> None:
        who = step.who
        if step.kind == "advance":
            self.clock.advance(*step.args)
        elif step.kind == "call":
            connection = None if who is None else self.connections.get(who)
            if connection is not None and connection.is_active:
                connection.call(step.name, *step.args)
            else:
                sender = None if who is None else CLIENTS[who]
                self.db.call(step.name, *step.args, sender=sender)
        elif who is not None:
            if who in self.connections:
                self.connections.pop(who).close()
            if step.kind == "connect":
                self.connections[who] = self.db.connect(identity=CLIENTS[who])

    def check(self) -> None:
        """Check what must hold.

        Raises
        ------
        InvariantBroken
            It does not.
        """
        for name, invariant in self._invariants:
            try:
                held = invariant(self.db)
            except Exception as error:  # noqa: BLE001 - whatever an invariant raises is its answer
                self._broken(name, error)
            if held is False:
                self._broken(name, None)

    def _broken(self, name: str, error: BaseException | None) -> None:
        reason = "" if error is None else f"{type(error).__name__}: {shorten_text(str(error))}"
        raise InvariantBroken(name, list(self.steps), self.db, reason.rstrip(": ")) from error

    def close(self) -> None:
        """End the run."""
        self.db.close()


def shorten_text(text: str, limit: int = 500) -> str:
    """Return a text, cut where it is long."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def name_of(invariant: Invariant) -> str:
    """Return what to call an invariant."""
    return getattr(invariant, "__name__", None) or shorten(invariant)
