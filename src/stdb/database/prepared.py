"""The calls of a `call_many` on a compiled module: each is made ready before its turn.

A compiled module runs beside Python. Where calls go alone, there is nothing to do but to wait while
it finds the reducer and begins it; checking and encoding the next arguments takes about as long.
Where they go in a row (`turns`), the next one must be ready before the present one is committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..module import CompiledReducer, ReducerDeclaration


class PreparedCalls:
    """The calls of a `call_many`, in order."""

    __slots__ = ("_calls", "_encode", "_next", "_ready", "_take")

    def __init__(
        self, declared: ReducerDeclaration, compiled: CompiledReducer, calls: Sequence[Any]
    ) -> None:
        self._take = declared.take
        self._encode = compiled.encode
        self._calls = calls
        self._next = 0
        self._ready: tuple[tuple[Any, ...], bytes] | None = None

    def prepare(self) -> None:
        """Make the next call ready, unless it is or there is none."""
        if self._ready is not None or self._next >= len(self._calls):
            return
        args = self._calls[self._next]
        if args.__class__ is tuple:
            try:
                taken = self._take(args)
                self._ready = taken, self._encode(taken)
            except Exception:  # noqa: BLE001 - it is found again at its turn, and told then
                return

    @property
    def are_left(self) -> bool:
        """Whether there are calls that were not taken."""
        return self._next < len(self._calls)

    def take(self) -> tuple[Any, bytes | None]:
        """Return ``(arguments, their encoding)`` of the next call.

        The encoding is None, and the arguments are as they were given, where they could not be
        made ready: that is found out again, and told, when they are used.
        """
        self.prepare()
        ready, self._ready = self._ready, None
        given = self._calls[self._next]
        self._next += 1
        return (given, None) if ready is None else ready

    def take_ready(self) -> tuple[tuple[Any, ...], bytes] | None:
        """Return the next call as `take`, unless there is none or it cannot be made ready."""
        if self._ready is None:
            self.prepare()
        ready = self._ready
        if ready is not None:
            self._ready = None
            self._next += 1
        return ready

    def put_back(self) -> None:
        """Take note that the call that was taken last was not done."""
        self._next -= 1
        self._ready = None
