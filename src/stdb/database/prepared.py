"""The calls of a `call_many`: each is made ready while the module runs the one before.

A compiled module runs beside Python: while it finds the reducer and begins it, there is nothing to
do but to wait. Checking and encoding the next arguments takes about as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..module import CompiledReducer, ReducerDeclaration


class PreparedCalls:
    """Gives ``(arguments, their encoding)`` of each call, in order.

    The encoding is None, and the arguments are as they were given, where they could not be made
    ready: that is found out again, and told, when their turn has come.
    """

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

    def __iter__(self) -> Iterator[tuple[Any, bytes | None]]:
        while self._next < len(self._calls):
            self.prepare()
            ready, self._ready = self._ready, None
            given = self._calls[self._next]
            self._next += 1
            yield (given, None) if ready is None else ready
