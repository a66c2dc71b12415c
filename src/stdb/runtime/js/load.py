"""From a bundle to a program, and to the executor that runs it on a database."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import DecodeError, PublishError
from ...module import JAVASCRIPT, Program
from ...schema import decode_module_def, validate
from ..guest.host import Host
from ..guest.limits import Limits
from ..guest.program import unbound_program
from .bundle import Bundle
from .lane import NotStarted
from .worker import Worker

if TYPE_CHECKING:
    from ...schema import ModuleDef
    from ...types.values import ConnectionId, Identity


def read_javascript(program: bytes) -> Program:
    """Return the program of a bundle.

    Raises
    ------
    PublishError
        It is none that can run here: the message says why.
    DefinitionError
        It is not JavaScript, or what it describes itself to be is not valid.
    """
    bundle = Bundle(program)
    worker = Worker(bundle, None, Limits())
    try:
        description = worker.describe()
    finally:
        worker.close()
    return unbound_program(
        _definition(description), program, JAVASCRIPT, partial(JavaScriptExecutor, bundle)
    )


def _definition(description: bytes) -> ModuleDef:
    try:
        raw = decode_module_def(description)
    except DecodeError as error:
        raise PublishError(
            f"error decoding the module's description of itself ({len(description)} bytes): {error}"
        ) from error
    return validate(raw)


class JavaScriptExecutor:
    """A bundle at work on one database.

    Reducers and views run in one isolate, whose globals last; it is made anew when V8 cannot go on.
    """

    def __init__(self, bundle: Bundle, database: Any) -> None:
        self._bundle = bundle
        self._host = Host(database)
        self._limits: Limits = database._limits or Limits()
        self._main: Worker | None = self._new_worker()

    def _new_worker(self) -> Worker:
        return Worker(self._bundle, self._host, self._limits)

    def call_reducer(
        self,
        number: int,
        name: str,
        sender: Identity,
        connection: ConnectionId | None,
        micros: int,
        args: bytes,
    ) -> None:
        """Run a reducer in the open transaction; see `Executor`."""
        caller = sender.value, 0 if connection is None else connection.value
        try:
            self._worker().reducer(number, name, *caller, micros, args)
        except NotStarted:
            self._worker().reducer(number, name, *caller, micros, args)

    def _worker(self) -> Worker:
        """Return the worker of reducers and views, anew if V8 could not go on in the last one."""
        worker = self._main
        if worker is not None and worker.is_lost:
            worker.close()
            worker = None
        if worker is None:
            worker = self._main = self._new_worker()
        return worker

    def close(self) -> None:
        """End it."""
        worker, self._main = self._main, None
        if worker is not None:
            worker.close()
