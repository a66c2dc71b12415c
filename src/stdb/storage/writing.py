"""A read-write transaction as a ``with``, for what is not called a million times a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from .store import Store


class Writing:
    """Begins a transaction, and commits it at the end or undoes it on an exception."""

    __slots__ = ("_store",)

    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> Store:
        state = self._store.state
        state.check_not_nested()
        try:
            state.begin()
        except BaseException:
            state.end()
            raise
        return self._store

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        state = self._store.state
        try:
            try:
                if kind is None:
                    self._store.commit()
            finally:
                state.end()
        finally:
            # An interrupt may have struck inside the first end: it can be called again.
            state.end_if_begun()
