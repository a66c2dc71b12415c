"""An ``__exit__`` that cannot be missed.

Python handles Ctrl-C when it enters a function, so a ``with`` may call an ``__exit__`` of which
not one instruction runs. A transaction would stay open for ever, with the lock held. What a
``with`` is going to call, only the ``with`` itself holds; so it is made for it here, and when it
goes away, called in vain or not called at all, the transaction is ended.
"""

from __future__ import annotations

import weakref
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Abandonable(Protocol):
    """A context manager whose ``__exit__`` is a `SureExit`.

    Attributes
    ----------
    _guard : object
        The `SureExit`'s own. ``__enter__`` keeps it; ``__exit__`` sets it to None when it is done.
    _begun : bool
        Whether ``__enter__`` has run: what asks for ``__exit__`` from then on is no ``with``.
    """

    _guard: object
    _begun: bool

    def _abandon(self, _: object = None) -> None:
        """End what is still open."""


class SureExit:
    """The descriptor to assign to ``__exit__``.

    Parameters
    ----------
    exit_ : callable
        ``__exit__`` itself, as a function of the instance and the exception.
    """

    def __init__(self, exit_: Callable[..., None]) -> None:
        self._exit = exit_
        self.__doc__ = exit_.__doc__

    def __get__(self, instance: Abandonable | None, _: object = None) -> Callable[..., Any]:
        if instance is None:
            return self._exit
        if instance._begun:
            return MethodType(self._exit, instance)
        call = partial(self._exit, instance)
        instance._guard = weakref.ref(call, instance._abandon)
        return call
