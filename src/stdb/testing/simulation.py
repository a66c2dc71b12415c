"""The simulator: a whole day of a database in a second, the same for the same seed.

Clients come, subscribe, call and go; time passes and timers fire; the process dies, or the power
fails, and the database is opened again. An auditor compares what is there with what must be:

* After a crash the database is exactly as it was after some transaction, and none that was reported
  durable is missing.
* What clients hold of the tables that they subscribed to is what the tables have.
* Every structure of the database is sound, and the user's own invariants hold, after every step.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from blake3 import blake3

from ..clock import ManualClock
from ..database import Database
from ..durability.files import Disk
from ..errors import DatabaseNotFound, Error, ModuleError, UsageError
from .disk import ForgetfulDisk
from .fuzzing import STEPS_S, Plan, choices_of
from .steps import CLIENTS, name_of, shorten_text
from .values import Pool, draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..storage.changes import Changes
    from .modules import Testable
    from .steps import Invariant

_SHOWN: Final = 12
#: The offset of a database before its creation.
_NOTHING: Final = -1
#: How often each kind of step is taken, relative to the others.
_WEIGHTS: Final = {
    "call": 60,
    "advance": 12,
    "tick": 10,
    "connect": 6,
    "disconnect": 4,
    "audit": 4,
    "snapshot": 2,
    "crash": 1,
    "power": 1,
}


class Simulation(msgspec.Struct):
    """What a simulation did.

    Attributes
    ----------
    seed, steps : int
        The seed, and how many steps were taken.
    calls, refusals : int
        How many reducers were called, and how many of the calls failed.
    crashes, lost : int
        How often the database was opened again after a crash, and how many transactions that were
        not durable yet were lost then.
    trace : str
        A hash of all that was done and of the last state: the same for the same seed.
    """

    seed: int
    steps: int = 0
    calls: int = 0
    refusals: int = 0
    crashes: int = 0
    lost: int = 0
    trace: str = ""


class SimulationFailed(AssertionError):  # noqa: N818 - named for what happened, as stdb's errors are
    """Something that must hold did not, in a simulation.

    Attributes
    ----------
    seed, step : int
        The seed, and the step after which it showed.
    reason : str
        What does not hold.
    """

    def __init__(self, seed: int, step: int, reason: str, last: list[str]) -> None:
        lines = [f"{reason}", f"step {step} of the simulation with seed={seed}; the last steps:"]
        super().__init__("\n".join([*lines, *(f"    {line}" for line in last)]))
        self.seed = seed
        self.step = step
        self.reason = reason


def simulate(
    module: Testable,
    *invariants: Invariant,
    steps: int = 1_000,
    seed: int | None = None,
    crashes: bool = True,
    arguments: Mapping[str, Mapping[str, Any]] | None = None,
    reducers: Iterable[str] | None = None,
    allow: tuple[type[BaseException], ...] = (),
) -> Simulation:
    """Run a module with clients, timers and crashes, all by chance, and audit it.

    Where `fuzz` looks for the fewest calls that break an invariant, this looks at everything
    together, over a long time. The same seed does the same.

    Parameters
    ----------
    module : Module or path
        What is tested.
    *invariants : callable
        ``database -> None``: asserts what must hold after every step, or returns False.
    steps : int
        How many steps to take.
    seed : int, optional
        What chance begins with; a failure tells its seed.
    crashes : bool
        Whether the database is durable, in a directory of its own that is deleted at the end, and
        its process and the power fail now and then.
    arguments, reducers, allow
        As for `fuzz`.

    Returns
    -------
    Simulation
        What was done.

    Raises
    ------
    SimulationFailed
        Something that must hold does not.

    Examples
    --------
    >>> import stdb, stdb.testing
    >>> counter = stdb.Module("counter")
    >>> @counter.table(public=True)
    ... class Count(stdb.Row):
    ...     name: str = stdb.primary_key()
    ...     value: stdb.u64
    >>> @counter.reducer
    ... def increment(ctx: stdb.ReducerContext, name: str) -> None:
    ...     count = ctx.db[Count].name.find(name) or Count(name=name, value=0)
    ...     ctx.db[Count].name.insert_or_update(count.replace(value=count.value + 1))
    >>> done = stdb.testing.simulate(counter, steps=200, seed=1)
    >>> done.steps, done.crashes > 0
    (200, True)
    """
    if isinstance(module, Database):
        raise UsageError("simulate takes a module: the database is made anew after each crash")
    chosen = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    plan = Plan(module, None, arguments, reducers)
    plan.base.close()
    checks = tuple((name_of(invariant), invariant) for invariant in invariants)
    if not crashes:
        return _World(module, plan, checks, allow, chosen, None).run(steps)
    real = Disk.files
    with tempfile.TemporaryDirectory(prefix="stdb-simulation-") as directory:
        try:
            Disk.files = ForgetfulDisk()
            world = _World(module, plan, checks, allow, chosen, Path(directory) / "db")
            return world.run(steps)
        finally:
            Disk.files = real


class _World:
    """A database, its clients, and what must be."""

    def __init__(
        self,
        module: Testable,
        plan: Plan,
        checks: tuple[tuple[str, Invariant], ...],
        allow: tuple[type[BaseException], ...],
        seed: int,
        path: Path | None,
    ) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.done = Simulation(seed)
        self._module: Any = module
        self._plan = plan
        self._given = {key: choices_of(choice, seed) for key, choice in plan.given.items()}
        self._checks = checks
        self._allow = allow
        self._path = path
        self._trace = blake3()
        self._last: list[str] = []
        self._clients: dict[str, Any] = {}
        self._clock = ManualClock()
        #: Transaction -> the content of the module's tables after it.
        self._states: dict[int, str] = {}
        self._kinds = [
            kind
            for kind in _WEIGHTS
            if path is not None or kind not in ("crash", "power", "snapshot")
        ]
        self._db: Any = None
        self._open()

    def run(self, steps: int) -> Simulation:
        """Take so many steps, and tell what was done."""
        weights = [_WEIGHTS[kind] for kind in self._kinds]
        try:
            for _ in range(steps):
                self.done.steps += 1
                kind = self.rng.choices(self._kinds, weights)[0]
                getattr(self, f"_{kind}")()
                self._check()
            self._audit()
            self._trace.update(_content(self._db).encode())
        finally:
            self._db.close()
        self.done.trace = self._trace.hexdigest(16)
        return self.done

    # -- steps -----------------------------------------------------------------------------------

    def _note(self, text: str) -> None:
        self._trace.update(text.encode())
        self._last = [*self._last[1 - _SHOWN :], text]

    def _call(self) -> None:
        name = self.rng.choice(list(self._plan.reducers))
        declared = self._plan.reducers[name]
        who = self.rng.choice((None, *self._clients)) if declared.public else None
        pool = Pool.of(self._db, CLIENTS.values())
        args = tuple(
            self.rng.choice(self._given[name, parameter.name])
            if (name, parameter.name) in self._given
            else draw(self.rng, parameter.shape, pool)
            for parameter in declared.parameters
        )
        shown = ", ".join(map(repr, args))
        self.done.calls += 1
        outcome = "done"
        try:
            (self._db if who is None else self._clients[who]).call(name, *args)
        except ModuleError as error:
            if not isinstance(error.__cause__, self._allow):
                self._fail(f"the code of reducer {name!r} broke: {shorten_text(str(error))}")
            outcome = type(error).__name__
        except Error as error:
            outcome = type(error).__name__
        self.done.refusals += outcome != "done"
        self._note(f"{who or 'owner'}: {name}({shown}) -> {outcome}")

    def _advance(self) -> None:
        seconds = self.rng.choice(STEPS_S)
        self._note(f"{seconds} s pass")
        self._clock.advance(seconds)

    def _connect(self) -> None:
        name = self.rng.choice(list(CLIENTS))
        if name in self._clients:
            return
        dispatch = self.rng.choice(("immediate", "manual"))
        self._note(f"{name} connects, {dispatch}")
        try:
            client = self._db.connect(identity=CLIENTS[name], dispatch=dispatch)
        except Error:
            return  # the module does not want it
        self._clients[name] = client
        tables = self._public_tables()
        if tables:
            client.subscribe(*map(_select, tables))

    def _disconnect(self) -> None:
        if self._clients:
            name = self.rng.choice(list(self._clients))
            self._note(f"{name} goes")
            self._clients.pop(name).close()

    def _tick(self) -> None:
        if self._clients:
            name = self.rng.choice(list(self._clients))
            self._note(f"{name} looks")
            self._clients[name].tick()

    def _snapshot(self) -> None:
        self._note("a snapshot")
        self._db.snapshot()

    def _crash(self) -> None:
        self._note("the process dies")
        self._die(lambda disk: setattr(disk, "is_off", False))

    def _power(self) -> None:
        self._note("the power fails")
        self._die(lambda disk: disk.lose_power(self.rng))

    # -- crashes ---------------------------------------------------------------------------------

    def _open(self) -> None:
        keywords: dict[str, Any] = {"clock": self._clock, "name": "simulated"}
        if self._path is not None:
            mode = self.rng.choice(("sync", None))
            keywords.update(path=self._path, durability=mode)
        self._db = Database(self._module, **keywords)
        self._db._logs.tells_logging = False  # thousands of refusals are what it consists of
        self._states[self._db._state.offset] = _content(self._db)
        for name in self._db._store.user_table_names():
            self._db._store.watch(name, self._committed)

    def _committed(self, changes: Changes) -> None:
        self._states[changes.offset] = _content(self._db)

    def _die(self, lose: Callable[[ForgetfulDisk], object]) -> None:
        """Let the process end between two instructions, and open the database again."""
        disk: Any = Disk.files
        old, self._clients = self._db, {}
        with old._log._flushing:
            # What a thread would have written by now is a matter of luck: all of it.
            old._log._bring(sync=False)
        before, safe = old._state.offset, old.durable_offset
        disk.is_off = True
        old.close()
        lose(disk)
        assert self._path is not None
        durable = _NOTHING if safe is None else safe
        try:
            found: Any = Database.open(self._path, self._module, readonly=True, name="auditor")
        except DatabaseNotFound:
            now = _NOTHING  # not even its creation was durable: it is made anew
            self._audit_offsets(now, durable, before)
        else:
            with found:
                now = found._state.offset
                self._audit_offsets(now, durable, before)
                self._audit_content(found, now)
        self.done.crashes += 1
        self.done.lost += before - now
        self._states = {offset: each for offset, each in self._states.items() if offset <= now}
        self._open()

    def _audit_offsets(self, now: int, durable: int, before: int) -> None:
        if not durable <= now <= before:
            self._fail(
                f"after the crash transaction {now} is the last, but {durable} was durable and "
                f"{before} the last that was made"
            )

    def _audit_content(self, found: Any, now: int) -> None:
        expected = self._states[max(offset for offset in self._states if offset <= now)]
        if _content(found) != expected:
            self._fail(f"after the crash the database is not as it was after transaction {now}")

    # -- what must hold --------------------------------------------------------------------------

    def _check(self) -> None:
        for name, invariant in self._checks:
            try:
                held = invariant(self._db)
            except Exception as error:  # noqa: BLE001 - whatever an invariant raises is its answer
                self._fail(f"{name} does not hold: {type(error).__name__}: {error}", error)
            if held is False:
                self._fail(f"{name} does not hold")

    def _audit(self) -> None:
        """Compare what clients hold with what there is, and look whether everything is sound."""
        self._db.check()
        for name, client in self._clients.items():
            client.tick()
            for table in self._public_tables():
                if self._db._store[table].is_event:
                    continue
                held = set(client.db[table])
                there = set(self._db.sql(_select(table), sender=client.identity))
                if held != there:
                    self._fail(
                        f"{name} holds {len(held)} rows of {table}, and there are {len(there)}: "
                        f"too many {list(held - there)[:3]}, missing {list(there - held)[:3]}"
                    )

    def _public_tables(self) -> list[str]:
        store = self._db._store
        return [name for name in store.user_table_names() if store[name].definition.is_public]

    def _fail(self, reason: str, error: BaseException | None = None) -> None:
        failed = SimulationFailed(self.done.seed, self.done.steps, reason, self._last)
        raise failed from error


def _select(table: str) -> str:
    return f'SELECT * FROM "{table}"'  # noqa: S608 - the name of a table of the module


def _content(database: Any) -> str:
    """Return a hash of what the tables of the module hold between transactions."""
    digest = blake3()
    store = database._store
    for name in sorted(store.user_table_names()):
        table = store[name]
        if table.is_event:
            continue
        digest.update(f"{name} {len(table.rows)}\n".encode())
        for encoded in sorted(bytes(table.encode(row)) for row in table.rows.values()):
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest(16)
