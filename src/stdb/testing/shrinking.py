"""Making a failure short: the fewest steps, then the simplest arguments, that fail the same way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from .values import simpler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..module import ReducerDeclaration
    from .steps import InvariantBroken, Step

#: Up to here an integer may be the number of a row.
_NUMBER_MAX: Final = 100


def shrink(
    broken: InvariantBroken,
    attempt: Callable[[list[Step]], InvariantBroken | None],
    reducers: Mapping[str, ReducerDeclaration],
    budget_s: float,
) -> InvariantBroken:
    """Return the failure with the fewest and simplest steps that could be found.

    Parameters
    ----------
    broken : InvariantBroken
        What was found.
    attempt : callable
        ``steps -> the failure of a run of just these, or None``.
    reducers : mapping
        Name -> declaration: what their arguments may be.
    budget_s : float
        When to be content with what there is, in seconds.
    """
    shrinker = _Shrinker(broken, attempt, time.monotonic() + budget_s)
    try:
        while shrinker.leave_out() | shrinker.simplify(reducers):
            pass
    except TimeoutError:
        pass
    return shrinker.broken


class _Shrinker:
    """The failure as short as it is by now, and the attempts to make it shorter."""

    def __init__(
        self,
        broken: InvariantBroken,
        attempt: Callable[[list[Step]], InvariantBroken | None],
        until: float,
    ) -> None:
        self.broken = broken
        self._attempt = attempt
        self._until = until

    def _fails(self, steps: list[Step]) -> bool:
        """Whether these steps fail the same way; then they are the failure from now on."""
        if time.monotonic() > self._until:
            raise TimeoutError
        found = self._attempt(steps)
        if found is None or found.invariant != self.broken.invariant:
            return False
        self.broken = found
        return True

    def leave_out(self) -> bool:
        """Take as many steps away as can be; whether there were any."""
        before = len(self.broken.calls)
        while any(self._fails(steps) for steps in _fewer(self.broken.calls)):
            pass
        return len(self.broken.calls) < before

    def simplify(self, reducers: Mapping[str, ReducerDeclaration]) -> bool:
        """Make each step as simple as can be; whether that changed any."""
        changed = False
        position = 0
        while position < len(steps := self.broken.calls):
            others = _simpler_step(steps[position], reducers)
            if any(
                self._fails([*steps[:position], other, *steps[position + 1 :]]) for other in others
            ):
                changed = True
            else:
                position += 1
        return changed


def _fewer(steps: list[Step]) -> Iterator[list[Step]]:
    """Yield the steps without some of them: large pieces first, then single ones."""
    size = len(steps) // 2
    while size:
        for begin in range(len(steps) - size, -1, -size):
            rest = steps[begin + size :]
            yield steps[:begin] + rest
            if size == 1 and rest:
                # What the step created may have been the first of several rows: the numbers that
                # sequences gave to the others move down.
                for lowered in _renumbered(rest):
                    yield steps[:begin] + lowered
        size //= 2


def _renumbered(steps: list[Step]) -> Iterator[list[Step]]:
    """Yield the steps with some small integers lowered by one: all, or those of one parameter."""
    places = {
        (step.name, place)
        for step in steps
        for place, arg in enumerate(step.args)
        if type(arg) is int and 1 < arg <= _NUMBER_MAX
    }
    if not places:
        return
    for least in (1, 2, 3):
        yield [_lowered(step, least, places) for step in steps]
    if len(places) > 1:
        for place in sorted(places):
            yield [_lowered(step, 2, {place}) for step in steps]


def _lowered(step: Step, least: int, places: set[tuple[str, int]]) -> Step:
    args = tuple(
        arg - 1
        if (step.name, place) in places and type(arg) is int and least <= arg <= _NUMBER_MAX
        else arg
        for place, arg in enumerate(step.args)
    )
    return msgspec.structs.replace(step, args=args)


def _simpler_step(step: Step, reducers: Mapping[str, ReducerDeclaration]) -> Iterator[Step]:
    if step.kind == "call":
        if step.who is not None:
            yield msgspec.structs.replace(step, who=None)
        parameters: Any = reducers[step.name].parameters
        for place, (parameter, arg) in enumerate(zip(parameters, step.args, strict=True)):
            for value in simpler(parameter.shape, arg):
                args = (*step.args[:place], value, *step.args[place + 1 :])
                yield msgspec.structs.replace(step, args=args)
