"""The fuzzer: calls reducers at random until an invariant breaks, and finds the fewest calls.

Arguments are drawn from the database's own values, their neighbours, and anything else that the
types allow. A run begins with a fork of one database, so that what was set up is set up once. When
a run breaks an invariant, its steps are taken again and again with fewer of them and simpler
arguments (`shrinking`).
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

from ..errors import UsageError, unknown_name
from .modules import start
from .shrinking import shrink
from .steps import CLIENTS, InvariantBroken, Run, Step, name_of
from .values import Pool, draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..database import Database
    from ..module import ReducerDeclaration
    from .modules import Testable
    from .steps import Invariant

STEPS_S: Final = (0.001, 1, 60, 3600, 86_400)
#: How long a failure is made shorter at a time, in seconds of this process.
_SHRINK_S: Final = 1.5
_TRIES: Final = 300


class Plan:
    """What a fuzzer does with a module: the database to begin with, and which steps there are."""

    def __init__(
        self,
        module: Testable,
        setup: Callable[[Database], object] | None,
        arguments: Mapping[str, Mapping[str, Any]] | None,
        reducers: Iterable[str] | None,
    ) -> None:
        self.base = start(module)
        if setup is not None:
            setup(self.base)
        known = self.base._callable
        names = list(known) if reducers is None else list(reducers)
        for name in (*names, *(arguments or {})):
            if name not in known:
                raise unknown_name("reducer", name, known)
        if not names:
            raise UsageError(f"{self.base.name!r} has no reducers to call")
        self.reducers: dict[str, ReducerDeclaration] = {name: known[name] for name in names}
        self.given: dict[tuple[str, str], Any] = {}
        for name, chosen in (arguments or {}).items():
            parameters = [parameter.name for parameter in known[name].parameters]
            for parameter, choice in chosen.items():
                if parameter not in parameters:
                    raise unknown_name("parameter", parameter, parameters, f" of {name!r}")
                self.given[name, parameter] = choice
        lifecycles = {each.lifecycle for each in self.base._reducers.values()}
        self.clients_matter = bool(lifecycles & {"client_connected", "client_disconnected"})


def fuzz(
    module: Testable,
    *invariants: Invariant,
    setup: Callable[[Database], object] | None = None,
    arguments: Mapping[str, Mapping[str, Any]] | None = None,
    reducers: Iterable[str] | None = None,
    allow: tuple[type[BaseException], ...] = (),
    runs: int = 200,
    steps: int = 50,
    seed: int | None = None,
) -> None:
    """Call the reducers of a module at random, and look for calls that break an invariant.

    Clients call them, and the owner; where the module wants to know, clients come and go; and time
    passes. A reducer may refuse a call. It must not break: an exception that it did not mean to
    raise (a `ModuleError`) is reported too.

    Parameters
    ----------
    module : Module, Database or path
        What is tested. Of a database, a fork is: each run begins with it as it is.
    *invariants : callable
        ``database -> None``: asserts what must hold after every step, or returns False.
    setup : callable, optional
        ``database -> None``: what there is before the first call, done once.
    arguments : mapping, optional
        ``reducer -> {parameter: choice}``, where anything that the types allow is too much. A
        choice is a list of values, or a Hypothesis strategy.
    reducers : iterable of str, optional
        The only ones to call.
    allow : tuple of exception classes
        What the code of a reducer may raise.
    runs, steps : int
        How many runs, and how many steps in each.
    seed : int, optional
        The same seed gives the same runs; a failure tells its seed.

    Raises
    ------
    InvariantBroken
        One does not hold, after the fewest and simplest calls that were found.

    Examples
    --------
    >>> import stdb, stdb.testing
    >>> shop = stdb.Module("shop")
    >>> @shop.table()
    ... class Item(stdb.Row):
    ...     id: stdb.u64 = stdb.primary_key(auto_inc=True)
    ...     price: stdb.i64
    >>> @shop.reducer
    ... def add(ctx: stdb.ReducerContext, price: stdb.i64) -> None:
    ...     ctx.db[Item].insert(price=price)
    >>> def prices_are_positive(db):
    ...     assert all(item.price > 0 for item in db.tables.item)
    >>> stdb.testing.fuzz(shop, prices_are_positive, seed=1)
    Traceback (most recent call last):
    ...
    stdb.testing.InvariantBroken: prices_are_positive does not hold after 1 step:
        db.call('add', 0)
    AssertionError
    (found with seed=1)
    """
    plan = Plan(module, setup, arguments, reducers)
    checks = tuple((name_of(invariant), invariant) for invariant in invariants)
    chosen = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    given = {key: choices_of(choice, chosen) for key, choice in plan.given.items()}

    def attempt(planned: list[Step]) -> InvariantBroken | None:
        run = Run(plan.base, checks, allow)
        try:
            run.check()
            for step in planned:
                run.take(step)
        except InvariantBroken as broken:
            return broken
        finally:
            run.close()
        return None

    try:
        for number in range(runs):
            found = _run(plan, Run(plan.base, checks, allow), given, f"{chosen}/{number}", steps)
            if found is None:
                continue
            shortest = shrink(found, attempt, plan.reducers, _SHRINK_S)
            rng = random.Random(f"{chosen}/{number}/shorter")  # noqa: S311 - to be repeated
            while (shorter := _shorter(plan, shortest, given, rng, attempt)) is not None:
                shortest = shrink(shorter, attempt, plan.reducers, _SHRINK_S)
            raise InvariantBroken(
                shortest.invariant,
                shortest.calls,
                shortest.database,
                shortest.reason,
                f"(found with seed={chosen})",
            ) from shortest.__cause__
    finally:
        plan.base.close()


def _run(
    plan: Plan, run: Run, given: dict[tuple[str, str], list[Any]], seed: str, count: int
) -> InvariantBroken | None:
    """Take random steps, and return what broke."""
    rng = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    # Each run prefers other reducers: some mistakes need many calls of one, and few of another.
    names = list(plan.reducers)
    weights = [rng.choice((1, 1, 5)) for _ in names]
    try:
        run.check()
        for _ in range(count):
            run.take(_step(plan, run, given, rng, rng.choices(names, weights)[0]))
    except InvariantBroken as broken:
        return broken
    finally:
        run.close()
    return None


def _shorter(
    plan: Plan,
    broken: InvariantBroken,
    given: dict[tuple[str, str], list[Any]],
    rng: random.Random,
    attempt: Callable[[list[Step]], InvariantBroken | None],
) -> InvariantBroken | None:
    """Look for a failure of one call less that ends in another call, which shrinking cannot find.

    All but the last call stay, less one of them; last calls are drawn anew. One that is refused
    leaves the database as it is, so that the next can be tried on it.
    """
    until = time.process_time() + _SHRINK_S
    names = list(plan.reducers)
    seen: set[str] = set()
    for left_out in range(len(broken.calls) - 1):
        prefix = broken.calls[:left_out] + broken.calls[left_out + 1 : -1]
        if repr(prefix) in seen:
            continue
        seen.add(repr(prefix))
        run: Run | None = None
        for _ in range(_TRIES):
            if time.process_time() > until:
                return None
            if run is None:
                run = Run(plan.base, (), (Exception,))
                for step in prefix:
                    run.take(step)
            step = _step(plan, run, given, rng, rng.choice(names))
            if run.take(step) is not None:
                continue
            run.close()
            run = None
            found = attempt([*prefix, step])
            if found is not None and found.invariant == broken.invariant:
                return found
    return None


def _step(
    plan: Plan,
    run: Run,
    given: dict[tuple[str, str], list[Any]],
    rng: random.Random,
    name: str,
) -> Step:
    kind = rng.random()
    if kind < 0.05:
        return Step("advance", args=(rng.choice(STEPS_S),))
    if kind < 0.2 and plan.clients_matter:
        who = rng.choice(list(CLIENTS))
        return Step("disconnect" if who in run.connections else "connect", who=who)
    declared = plan.reducers[name]
    caller = rng.choice((None, *CLIENTS)) if declared.public else None
    pool = Pool.of(run.db, CLIENTS.values())
    args = tuple(
        rng.choice(given[name, parameter.name])
        if (name, parameter.name) in given
        else draw(rng, parameter.shape, pool)
        for parameter in declared.parameters
    )
    return Step("call", name, args, caller)


def choices_of(choice: Any, seed: int) -> list[Any]:
    """Return the values to choose from: those of a list, or some that a strategy gives."""
    if isinstance(choice, list | tuple | range | set | frozenset):
        values = list(choice)
        if not values:
            raise UsageError("a list of arguments to choose from is empty")
        return values
    if not hasattr(choice, "map"):
        return [choice]
    import hypothesis
    from hypothesis import strategies as st

    drawn: list[Any] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        database=None,
        max_examples=20,
        deadline=None,
        phases=(hypothesis.Phase.generate,),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.lists(choice, min_size=1, max_size=20))
    def collect(values: list[Any]) -> None:
        drawn.extend(values)

    collect()
    return drawn
