"""Calls of reducers: the path that everything else is built around.

The arguments are checked, the transaction begins, the reducer runs, the transaction commits, or is
undone when anything was raised.
"""

from __future__ import annotations

from threading import get_ident
from time import time_ns
from typing import TYPE_CHECKING, Any, NoReturn, cast

from ..errors import (
    Error,
    ModuleError,
    PermissionDenied,
    UnknownName,
    UsageError,
    ViewError,
    shorten,
    unknown_name,
)
from ..runtime import ReducerContext, log_panic
from ..types.values import Identity
from .core import Core, refuse_identity
from .prepared import PreparedCalls
from .reducers import Reducers
from .turns import CallTurn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..module import CompiledReducer, ReducerDeclaration
    from ..types.values import ConnectionId


class Calls(Core):
    """What a `Database` can do with its reducers."""

    @property
    def reducers(self) -> Reducers:
        """Its reducers as functions: ``db.reducers.send_message("hello")``, called as the owner."""
        return Reducers(self._callable, self._call_declared)

    def call(self, reducer: str, /, *args: Any, sender: Identity | None = None) -> None:
        """Run a reducer in a transaction of its own.

        Parameters
        ----------
        reducer : str
            Its name.
        *args
            Its arguments, by position.
        sender : Identity, optional
            Who calls; the owner when not given. No lifecycle reducer runs for it.

        Raises
        ------
        ReducerError
            The reducer raised it; nothing changed. A `ModuleError` when its code broke.
        TypeMismatch, UsageError
            Arguments of the wrong type or number.
        UnknownName
            There is no such reducer, or `sender` may not know of it.
        TransactionError
            This thread is already in a transaction of this database.
        """
        declared = self._callable.get(reducer)
        if declared is None or not (declared.public or sender is None or sender == self._owner):
            self._refuse_reducer(reducer)
        if sender is None:
            sender = self._owner
        elif sender.__class__ is not Identity:
            refuse_identity("sender", sender)
        self._run(declared, args, sender, self._host_connection)

    def _call_declared(self, declared: ReducerDeclaration, args: tuple[Any, ...]) -> None:
        self._run(declared, args, self._owner, self._host_connection)

    def _run(
        self,
        declared: ReducerDeclaration,
        args: tuple[Any, ...],
        sender: Identity,
        connection: ConnectionId | None,
        encoded: bytes | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Check the arguments, and run the reducer in a transaction.

        Arguments that come with their encoding are checked already. A compiled module may call
        `meanwhile` when there is time for it.
        """
        if encoded is None:
            args = declared.take(args)
        state = self._state
        if state.thread == get_ident() or state.readers:
            state.check_not_nested()
        started = time_ns()
        micros = started // 1000 if self._by_machine else self._micros()
        log = self._log
        try:
            try:
                state.begin(micros)
                if self._closed:
                    self._refuse_closed()
                if self._was_published:
                    declared, args, encoded = self._declared_now(declared, args, encoded)
                try:
                    if declared.compiled is None:
                        declared.function(
                            ReducerContext(
                                self._tables, sender, connection, micros, self._services,
                                declared.name,
                            ),
                            *args,
                        )  # fmt: skip
                    else:
                        encode, run, _ = declared.compiled
                        if encoded is None:
                            encoded = encode(args)
                        run(sender, connection, micros, encoded, meanwhile)
                except Exception as error:  # noqa: BLE001 - every failure is reported to the caller
                    self._reducer_failed(declared.name, error, micros)
                if log is None:
                    self._store.commit()
                else:
                    call = (declared.name, declared.parameters, sender, connection, micros, args)
                    self._store.commit(call)
            except ViewError as error:
                raise error.during(f"reducer {declared.name!r}") from error.__cause__
            finally:
                state.end()
        except Exception as error:
            self._meter.failed(declared.name, sender, micros, started, error)
            raise
        finally:
            # An interrupt may have struck inside the first end: it can be called again.
            state.end_if_begun()
        self._counts[declared.name] += 1
        if not started & self._untimed:
            self._meter.took(declared.name, sender, micros, started)
        if log is not None and log.waits:
            log.settle()
        if self._due:
            self._dispatcher.deliver()

    def _declared_now(
        self, declared: ReducerDeclaration, args: tuple[Any, ...], encoded: bytes | None
    ) -> tuple[ReducerDeclaration, tuple[Any, ...], bytes | None]:
        """Return a reducer and its arguments as the module has them that was published meanwhile.

        A call may have waited for its turn while another module took over.
        """
        now = self._callable.get(declared.name)
        if now is declared:
            return declared, args, encoded
        if now is None:
            self._refuse_reducer(declared.name)
        return now, now.take(args), None

    def _invoke(
        self,
        declared: ReducerDeclaration,
        args: tuple[Any, ...],
        sender: Identity,
        connection: ConnectionId | None,
        micros: int | None = None,
    ) -> None:
        """Run a reducer in the open transaction; `micros` is its timestamp, now when not given."""
        micros = self._micros() if micros is None else micros
        with self._meter.measured(declared.name, sender, micros):
            try:
                declared.function(
                    ReducerContext(
                        self._tables, sender, connection, micros, self._services, declared.name
                    ),
                    *args,
                )
            except Exception as error:  # noqa: BLE001 - every failure is reported to the caller
                self._reducer_failed(declared.name, error, micros)

    def _reducer_failed(self, name: str, error: Exception, micros: int) -> NoReturn:
        """Log what a reducer raised, and raise what the caller gets."""
        if isinstance(error, Error):
            self._logs.system("Error", str(error), function=name, micros=micros)
            raise error
        log_panic(self._logs, name, error)
        raise ModuleError(f"reducer {name!r} broke: {type(error).__name__}: {error}") from error

    def call_many(
        self,
        reducer: str,
        calls: Iterable[tuple[Any, ...]],
        *,
        sender: Identity | None = None,
    ) -> list[Error | None]:
        """Call a reducer once for each tuple of arguments, each in a transaction of its own.

        Returns
        -------
        list
            For each call None, or the error it failed with; the others are done all the same.

        Raises
        ------
        UnknownName
            There is no such reducer.
        UsageError
            A call whose arguments are not a tuple. The calls before it are done.
        """
        declared = self._callable.get(reducer)
        if declared is None:
            self._refuse_reducer(reducer)
        self._state.check_not_nested()
        self._check_not_closed()
        # What a generator gives may depend on the call before.
        if declared.compiled is not None and (calls.__class__ is list or calls.__class__ is tuple):
            caller = self._owner if sender is None else sender
            if caller.__class__ is Identity and (declared.public or caller == self._owner):
                known = cast("Sequence[Any]", calls)
                return self._call_prepared(declared, declared.compiled, known, caller)
        outcomes: list[Error | None] = []
        for args in calls:
            given = _as_tuple(args)
            try:
                self.call(reducer, *given, sender=sender)
            except Error as error:
                outcomes.append(error)
            else:
                outcomes.append(None)
        return outcomes

    def _call_prepared(
        self,
        declared: ReducerDeclaration,
        compiled: CompiledReducer,
        calls: Sequence[Any],
        sender: Identity,
    ) -> list[Error | None]:
        """Do what `call_many` does, with calls of a compiled module that are all known."""
        prepared = PreparedCalls(declared, compiled, calls)
        prepare, take_turn = prepared.prepare, compiled.take_turn
        reducers, connection = self._callable, self._host_connection
        outcomes: list[Error | None] = []
        turn = CallTurn(self, declared, prepared, sender, connection, outcomes)
        while prepared.are_left:
            if take_turn is not None and turn.run(take_turn):
                continue
            given, encoded = prepared.take()
            args = _as_tuple(given) if encoded is None else given
            try:
                if self._callable is reducers:
                    self._run(declared, args, sender, connection, encoded, prepare)
                else:
                    # Another module was published meanwhile.
                    self.call(declared.name, *args, sender=sender)
            except Error as error:
                outcomes.append(error)
            else:
                outcomes.append(None)
        return outcomes

    def _refuse_reducer(self, name: str) -> NoReturn:
        if not isinstance(name, str):
            hint = getattr(name, "__name__", "…")
            raise UsageError(
                f"a reducer is called by its name, as in db.call({hint!r}, …), not {shorten(name)}"
            )
        if self._is_readonly:
            self._check_writable()
        declared = self._reducers.get(name)
        if declared is not None and declared.lifecycle is not None:
            error: Error = PermissionDenied(
                f"reducer {name!r} is the {declared.lifecycle} reducer: the database calls it "
                "itself, nobody else can"
            )
        elif name in self._program.views and self._program.views[name].is_public:
            error = UnknownName(
                f"no reducer {name!r}: it is a view, which db.sql(…, sender=…) reads", unknown=name
            )
        else:
            public = [n for n, r in self._callable.items() if r.public]
            error = unknown_name("reducer", name, public)
            procedure = self._program.procedures.get(name)
            if procedure is not None and procedure.public:
                error = UnknownName(
                    f"{name!r} is a procedure: db.procedures.{name}(…)", unknown=name
                )
        self._logs.system("Error", str(error), function=str(name))
        raise error


def _as_tuple(args: object) -> tuple[Any, ...]:
    """Return the arguments of one call of a `call_many`."""
    if not isinstance(args, tuple | list):
        shown = shorten(args)
        raise UsageError(
            f"call_many takes a tuple of arguments for each call, [({shown},)], not {shown}"
        )
    return tuple(args)
