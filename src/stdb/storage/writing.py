"""Transactions as a ``with``, for what is not called a million times a second."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING

from ..errors import ViewError
from .sure_exit import SureExit

if TYPE_CHECKING:
    from types import TracebackType

    from .store import Store


class Writing:
    """Begins a transaction, and commits it at the end or undoes it on an exception.

    `call` may be set until then: see `Store.commit`.
    """

    __slots__ = ("__weakref__", "_begun", "_guard", "_is_open", "_store", "call")

    def __init__(self, store: Store, call: object = None) -> None:
        self._store = store
        self.call = call
        self._is_open = False
        self._begun = False
        self._guard: object = None

    def __enter__(self) -> Store:
        state = self._store.state
        state.check_not_nested()
        self._begun = True
        try:
            state.begin()
            self._is_open = True
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
                    self._commit()
            finally:
                state.end()
        finally:
            # An interrupt may have struck inside the first end: it can be called again.
            state.end_if_begun()
        self._is_open = False
        self._guard = None

    def _commit(self) -> None:
        try:
            self._store.commit(self.call)
        except ViewError as failure:
            raise failure.during("the transaction") from failure.__cause__

    def _abandon(self, _: object = None) -> None:
        """End the transaction if ``__exit__`` was interrupted before it did."""
        if self._is_open:
            self._store.state.end_if_begun()


class WritingSchema(Writing):
    """A transaction that may change the tables themselves."""

    __slots__ = ()

    def _commit(self) -> None:
        self._store.commit_schema()


class Reading:
    """Begins a read-only transaction, and ends it."""

    __slots__ = ("__weakref__", "_begun", "_guard", "_store", "_thread")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = 0
        self._begun = False
        self._guard: object = None

    def __enter__(self) -> Store:
        state = self._store.state
        state.check_not_nested()
        self._begun = True
        try:
            self._thread = get_ident()
            state.begin_reading()
        except BaseException:
            state.end_reading(self._thread)
            raise
        return self._store

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._store.state.end_reading(self._thread)
        finally:
            self._abandon()
        self._guard = None

    def _abandon(self, _: object = None) -> None:
        """End the transaction if ``__exit__`` was interrupted before it did."""
        if self._thread in self._store.state.readers:
            self._store.state.end_reading(self._thread)


if not TYPE_CHECKING:
    Writing.__exit__ = SureExit(Writing.__exit__)
    Reading.__exit__ = SureExit(Reading.__exit__)
