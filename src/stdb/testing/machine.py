"""The reducers of a module as a state machine of Hypothesis, to combine with rules of one's own.

`fuzz` does the same without Hypothesis, and much faster; this one is for those who want to add
rules, or to keep the failures in Hypothesis's own database of examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from .fuzzing import STEPS_S, Plan
from .steps import CLIENTS, Run, Step, name_of
from .strategies import values_of
from .values import Pool, neighbour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..database import Database
    from ..module import Parameter, ReducerDeclaration
    from .modules import Testable
    from .steps import Invariant


class ModuleMachine(RuleBasedStateMachine):
    """A run of a module; `state_machine` makes a subclass with a rule for each reducer.

    Attributes
    ----------
    db : Database
        The database of this run, in memory.
    clock : ManualClock
        Its clock.
    """

    plan: Plan
    checks: tuple[tuple[str, Invariant], ...]
    allowed: tuple[type[BaseException], ...]

    def __init__(self) -> None:
        super().__init__()
        self.run = Run(self.plan.base, self.checks, self.allowed)
        self.db = self.run.db
        self.clock = self.run.clock
        self.run.check()

    def teardown(self) -> None:
        """End the run."""
        self.run.close()

    def call(self, data: st.DataObject, declared: ReducerDeclaration) -> None:
        """Call a reducer with arguments that are drawn."""
        who = data.draw(st.sampled_from([None, *CLIENTS])) if declared.public else None
        pool = Pool.of(self.db, CLIENTS.values())
        args = tuple(self._argument(data, declared, p, pool) for p in declared.parameters)
        self.run.take(Step("call", declared.name, args, who))

    def _argument(
        self, data: st.DataObject, declared: ReducerDeclaration, parameter: Parameter, pool: Pool
    ) -> Any:
        choice = self.plan.given.get((declared.name, parameter.name))
        if choice is not None:
            return data.draw(_as_strategy(choice), label=parameter.name)
        known = pool.of_kind(parameter.shape)
        if not known or data.draw(st.integers(0, 3)) == 0:
            return data.draw(values_of(parameter.shape), label=parameter.name)
        value = data.draw(st.sampled_from(known), label=parameter.name)
        return neighbour(parameter.shape, value, data.draw(st.sampled_from((0, 1, -1))))

    def connect_or_leave(self, who: str) -> None:
        """Let a client come or go."""
        kind = "disconnect" if who in self.run.connections else "connect"
        self.run.take(Step(kind, who=who))

    def turn_the_clock(self, seconds: float) -> None:
        """Let time pass."""
        self.run.take(Step("advance", args=(seconds,)))


def state_machine(
    module: Testable,
    *invariants: Invariant,
    setup: Callable[[Database], object] | None = None,
    arguments: Mapping[str, Mapping[str, Any]] | None = None,
    reducers: Iterable[str] | None = None,
    allow: tuple[type[BaseException], ...] = (),
) -> type[ModuleMachine]:
    """Return a Hypothesis state machine that calls the reducers of a module at random.

    Its ``TestCase`` is a test for pytest and unittest; a subclass may add rules and invariants,
    with ``self.db`` and ``self.clock``. The arguments are those of `fuzz`.

    Examples
    --------
    >>> import stdb, stdb.testing
    >>> notes = stdb.Module("notes")
    >>> @notes.table()
    ... class Note(stdb.Row):
    ...     id: stdb.u64 = stdb.primary_key(auto_inc=True)
    ...     text: str
    >>> @notes.reducer
    ... def write(ctx: stdb.ReducerContext, text: str) -> None:
    ...     ctx.db[Note].insert(text=text)
    >>> def ids_are_positive(db):
    ...     return all(note.id > 0 for note in db.tables.note)
    >>> TestNotes = stdb.testing.state_machine(notes, ids_are_positive).TestCase
    """
    plan = Plan(module, setup, arguments, reducers)
    namespace: dict[str, Any] = {
        "plan": plan,
        "checks": tuple((name_of(invariant), invariant) for invariant in invariants),
        "allowed": allow,
        "turn_the_clock": rule(seconds=st.sampled_from(STEPS_S))(ModuleMachine.turn_the_clock),
    }
    for name, declared in plan.reducers.items():
        namespace[_rule_name(name)] = _call_rule(declared)
    if plan.clients_matter:
        namespace["connect_or_leave"] = rule(who=st.sampled_from(sorted(CLIENTS)))(
            ModuleMachine.connect_or_leave
        )
    return type(f"Machine_{plan.base.name}", (ModuleMachine,), namespace)


def _call_rule(declared: ReducerDeclaration) -> Any:
    def call(self: ModuleMachine, data: st.DataObject) -> None:
        self.call(data, declared)

    call.__name__ = _rule_name(declared.name)
    return rule(data=st.data())(call)


def _rule_name(reducer: str) -> str:
    return f"call_{reducer.replace('.', '__')}"


def _as_strategy(choice: Any) -> st.SearchStrategy[Any]:
    if isinstance(choice, st.SearchStrategy):
        return choice
    if isinstance(choice, list | tuple | range | set | frozenset):
        return st.sampled_from(list(choice))
    return st.just(choice)
