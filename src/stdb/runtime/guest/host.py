"""What a module's host functions work on: one database, as far as a guest can reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...errors import DecodeError
from ...types.bsatn_decode import make_decoder
from .catalog import Catalog

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...storage.state import State
    from ...types.values import Identity
    from ..logs import Logs
    from ..procedure_context import ProcedureContext

#: Number of a level in a module's call -> its name in the log; others are Debug.
LEVELS: Final = {0: "Error", 1: "Warn", 2: "Info", 3: "Debug", 4: "Trace", 101: "Panic"}


class Host:
    """One database for its guests.

    Attributes
    ----------
    catalog : Catalog
        Its tables.
    state : State
        Its present transaction.
    identity : bytes
        Its identity, 32 bytes, the least first.
    now : callable
        Returns the present time in microseconds.
    """

    def __init__(self, database: Any) -> None:
        self.now: Callable[[], int] = database._micros
        self.catalog = Catalog(database._store)
        self.state: State = database._store.state
        self._database = database
        self._logs: Logs = database._logs

    @property
    def identity(self) -> bytes:
        """The identity of the database, 32 bytes, the least first."""
        identity: Identity = self._database.identity
        return identity.value.to_bytes(32, "little")

    def jwt(self, connection_id: int) -> str | None:
        """Return the claims with which a connection came, as JSON; None if it came without."""
        table = self._database._store["st_connection_credentials"]
        found = table.functions["find_0"](connection_id)
        return None if found is None else str(found.jwt_payload)

    def schedule(self, name: str, args: bytes) -> None:
        """Have a function called soon by the database, whatever becomes of the present call."""
        program = self._database._program
        declared = program.reducers.get(name) or program.procedures.get(name)
        if declared is None:
            self._logs.write("Error", f"there is no function {name!r} to call soon")
            return
        values = []
        offset = 0
        try:
            for parameter in declared.parameters:
                value, offset = make_decoder(parameter.shape)(args, offset)
                values.append(value)
        except DecodeError as error:
            self._logs.write("Error", f"{name!r} cannot be called with these arguments: {error}")
            return
        self._database._call_soon(name, tuple(values))

    def end_transaction(self, ctx: ProcedureContext, name: str) -> None:
        """Undo a transaction that a procedure or handler left open."""
        if ctx.call.end():
            self.log(
                0,
                f"aborting dangling anonymous transaction in procedure {name}",
                function=name,
            )

    def log(
        self,
        level: int,
        message: str,
        *,
        function: str | None,
        target: str | None = None,
        filename: str | None = None,
        line_number: int | None = None,
    ) -> None:
        """Write a record of a module to the log."""
        self._logs.write(
            LEVELS.get(level & 0xFF, "Debug"),
            message,
            function=function,
            target=target,
            filename=filename,
            line_number=line_number,
        )


def timing_message(name: str, seconds: float) -> str:
    """Return what the log says of a timer that ended."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'Timing span "{quoted}": {duration_text(seconds)}'


def duration_text(seconds: float) -> str:
    """Return a span of time with the unit that leaves at least one digit before the point."""
    nanoseconds = round(seconds * 1e9)
    for unit, size in (("s", 10**9), ("ms", 10**6), ("µs", 10**3)):
        if nanoseconds >= size:
            digits = f"{nanoseconds / size:.9f}".rstrip("0").rstrip(".")
            return f"{digits}{unit}"
    return f"{nanoseconds}ns"
