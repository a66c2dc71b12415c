"""Making a failure short: the fewest steps, then the simplest arguments, that fail the same way."""

from __future__ import annotations

import time
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import msgspec

from .values import simpler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..module import ReducerDeclaration
    from .steps import InvariantBroken, Step

#: Up to here an integer may be the number of a row.
_NUMBER_MAX: Final = 100
#: Integers above are lowered by halving.
_SMALL: Final = 8
#: How many integers are tried in pairs.
_PAIRED_MAX: Final = 8


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
    shrinker = _Shrinker(broken, attempt, time.process_time() + budget_s)
    try:
        while shrinker.leave_out() or shrinker.simplify(reducers) or shrinker.lower_together():
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
        if time.process_time() > self._until:
            raise TimeoutError
        found = self._attempt(steps)
        if found is None or found.invariant != self.broken.invariant:
            return False
        self.broken = found
        return True

    def leave_out(self) -> bool:
        """Take as many steps away as can be, large pieces first; whether there were any."""
        before = len(self.broken.calls)
        size = before // 2
        while size:
            begin = len(self.broken.calls) - size
            while begin >= 0:
                steps = self.broken.calls
                self._fails(steps[:begin] + steps[begin + size :])
                begin = min(begin, len(self.broken.calls)) - size
            size //= 2
        while any(self._fails(steps) for steps in _renumbered(self.broken.calls)):
            pass
        return len(self.broken.calls) < before

    def lower_together(self) -> bool:
        """Lower two integers at a time; whether that did anything."""
        changed = False
        while any(self._fails(steps) for steps in _lowered_pairs(self.broken.calls)):
            changed = True
        return changed

    def simplify(self, reducers: Mapping[str, ReducerDeclaration]) -> bool:
        """Make each step as simple as can be; whether that changed any."""
        changed = False
        position = 0
        while position < len(self.broken.calls):
            for place, arg in enumerate(self.broken.calls[position].args):
                if type(arg) is int and arg > _SMALL:
                    changed |= self._lower(position, place, arg)
            while position < len(steps := self.broken.calls):
                others = _simpler_step(steps[position], reducers)
                if not any(self._fails(_replaced(steps, position, other)) for other in others):
                    break
                changed = True
            position += 1
        return changed

    def _lower(self, position: int, place: int, value: int) -> bool:
        """Lower an argument to the least that fails, as if all above it did too."""
        least, lowest = 0, value
        while least < lowest and position < len(self.broken.calls):
            middle = (least + lowest) // 2
            step = self.broken.calls[position]
            args = (*step.args[:place], middle, *step.args[place + 1 :])
            other = msgspec.structs.replace(step, args=args)
            if self._fails(_replaced(self.broken.calls, position, other)):
                lowest = middle
            else:
                least = middle + 1
        return lowest < value


def _replaced(steps: list[Step], position: int, step: Step) -> list[Step]:
    return [*steps[:position], step, *steps[position + 1 :]]


def _lowered_pairs(steps: list[Step]) -> Iterator[list[Step]]:
    """Yield the steps with two integers lowered by as much: one may be a bound of the other."""
    places = [
        (number, place)
        for number, step in enumerate(steps)
        for place, arg in enumerate(step.args)
        if type(arg) is int and arg > 0 and step.kind == "call"
    ]
    for first, second in combinations(places[:_PAIRED_MAX], 2):
        stride = min(steps[number].args[place] for number, place in (first, second))
        while stride:
            lowered = list(steps)
            for number, place in (first, second):
                args = list(lowered[number].args)
                args[place] -= stride
                lowered[number] = msgspec.structs.replace(lowered[number], args=tuple(args))
            yield lowered
            stride //= 2


def _renumbered(steps: list[Step]) -> Iterator[list[Step]]:
    """Yield the steps without one of them, and with lower numbers in those behind it.

    What it created may have been the first of several rows: the numbers that a sequence gave to
    the others move down.
    """
    for begin in range(len(steps) - 1):
        for lowered in _lower_numbers(steps[begin + 1 :]):
            yield steps[:begin] + lowered


def _lower_numbers(steps: list[Step]) -> Iterator[list[Step]]:
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
