"""A lane: where a module runs, one call at a time.

A lane owns the host functions of the module, made once, and the instance that they serve at the
moment. An instance that did not come back from a call as it should (a trap, an interrupt, a limit)
is given up, and the next call begins with a fresh one, as SpacetimeDB does.

What a host function raises is kept (`Lane.error`) while wasmtime unwinds the module, and raised
again by whoever called it.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any, Final

from ...errors import Error, InternalError, ModuleError, PublishError
from ..guest.catalog import Catalog
from ..guest.errno import Trap
from ..guest.iterators import Handles, RowIterator
from . import abi
from .engine import take_error, take_failure
from .imports import define_all
from .memory import Memory
from .numbers import signed, word
from .ticker import TICK_S

if TYPE_CHECKING:
    from ...types.values import ConnectionId, Identity
    from ..guest.host import Host
    from ..guest.limits import Limits
    from ..procedure_context import ProcedureCall, ProcedureContext
    from .module import CompiledModule

_TABLE_ELEMENTS_MAX: Final = 1_000_000
_VALUES_MAX: Final = 16
_PANIC: Final = 101
_DEADLINE_TYPE: Final = "wasmtime_error_t *(wasmtime_context_t *, void *, uint64_t *, uint8_t *)"


_lanes: weakref.WeakSet[Lane] = weakref.WeakSet()


def _in_child() -> None:
    """Let each lane of a forked process begin with a fresh instance, and so with a clock."""
    for lane in list(_lanes):
        lane.is_sound = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


class OutOfTime(Exception):  # noqa: N818 - never leaves the library
    """A call ran longer than its limit."""


class Lane:
    """One place where a module runs.

    Parameters
    ----------
    module : CompiledModule
    host : Host or None
        The database; None for a module that is only to describe itself.
    limits : Limits
    gives_way : bool
        Whether other threads may run Python while the module runs. Then each host function has to
        get the interpreter's lock back, so only calls that may wait are made so.

    Attributes
    ----------
    memory : Memory
    sources : dict of int to bytes or memoryview
        What the module may read, by handle.
    sinks : dict of int to list of bytes
        What it wrote.
    iterators : Handles
        The rows that it is reading: encoded rows that go out at once, or a `RowIterator`.
    timers : Handles
        Its timers: name and beginning.
    in_transaction : bool
        Whether it may use the tables now.
    reads : ReadSet or None
        Where a view's reads are noted.
    procedure : ProcedureCall or None
        The procedure that runs, for its transactions.
    function : str or None
        What runs, for the log.
    panic : str
        What the module said of a mistake of its own in this call.
    is_sound : bool
        Whether the instance can take the next call.
    """

    def __init__(
        self, module: CompiledModule, host: Host | None, limits: Limits, *, gives_way: bool = False
    ) -> None:
        self.module = module
        self.host = host
        self.catalog: Catalog = Catalog(None) if host is None else host.catalog
        self.api = module.engine.api
        self.memory = Memory(self.api)
        self.sources: dict[int, bytes | memoryview] = {}
        self.sinks: dict[int, list[bytes]] = {}
        self.iterators: Handles[bytes | RowIterator] = Handles("iterators")
        self.timers: Handles[tuple[str, float]] = Handles("timers")
        self.in_transaction = False
        self.procedure: ProcedureCall | None = None
        self.written = 0
        self.reads: Any = None
        self.function: str | None = None
        self.error: BaseException | None = None
        self.panic = ""
        self.last_handle = 0
        self._limits = limits
        self._ticks = 0
        self._ticks_max = None if limits.time_s is None else max(1, int(limits.time_s / TICK_S))
        self._fuel = module.fuel(limits)
        self._call = self.api.call_unlocked if gives_way else self.api.call_locked
        self._make_values()
        self._callbacks: list[Any] = []
        self._store: Any = None
        self._context = 0
        self.is_sound = False
        self._sender: Identity | None = None
        self._connection: ConnectionId | None = None
        self._functions: dict[str, Any] = {}
        self._link()
        _lanes.add(self)

    def _make_values(self) -> None:
        ffi = self.api.ffi
        self.values = ffi.new("int64_t[]", 2 * _VALUES_MAX)
        self._values_address = int(ffi.cast("uintptr_t", self.values))
        self._trap = ffi.new("wasm_trap_t **")
        self._trap_address = int(ffi.cast("uintptr_t", self._trap))

    def _link(self) -> None:
        """Make the host functions, and check that they are all that the module needs."""
        ffi, lib = self.api.ffi, self.api.lib
        self.linker = ffi.gc(
            lib.wasmtime_linker_new(self.module.engine.pointer), lib.wasmtime_linker_delete
        )
        self._callbacks = define_all(self)
        made = ffi.new("wasmtime_instance_pre_t **")
        error = lib.wasmtime_linker_instantiate_pre(self.linker, self.module.pointer, made)
        if error != ffi.NULL:
            raise PublishError(f"the module cannot be linked: {take_error(self.api, error)}")
        self._pre = ffi.gc(made[0], lib.wasmtime_instance_pre_delete)

        def deadline(_context: Any, _data: Any, delta: Any, kind: Any) -> Any:
            # Being Python, it lets signal handlers and other threads have their turn.
            self._tick()
            delta[0] = 1
            kind[0] = 0
            return ffi.NULL

        def interrupted(_kind: object, error: BaseException, _trace: object) -> Any:
            self.error = error
            return lib.wasmtime_error_new(b"interrupted")

        self._deadline = ffi.callback(_DEADLINE_TYPE, deadline, onerror=interrupted)

    def _tick(self) -> None:
        self._ticks += 1
        if self._ticks_max is not None and self._ticks > self._ticks_max:
            raise OutOfTime(f"it ran for more than {self._limits.time_s:g} s")

    # -- the instance ------------------------------------------------------------------------------

    def start(self) -> bytes:
        """Begin with a fresh instance, and return what it describes itself to be.

        Raises
        ------
        ModuleError
            It broke on the way.
        """
        self.stop()
        self.module.engine.ticker.ensure()
        ffi, lib = self.api.ffi, self.api.lib
        self._new_store()
        context = lib.wasmtime_store_context(self._store)
        instance = ffi.new("wasmtime_instance_t *")
        self.function = None
        self.in_transaction = False
        self.error = None
        error = lib.wasmtime_instance_pre_instantiate(self._pre, context, instance, self._trap)
        self._context = int(ffi.cast("uintptr_t", context))
        if error != ffi.NULL or self._trap[0] != ffi.NULL:
            self._fail("the module", error)
        self._take_exports(context, instance)
        description = self._prepare()
        self.is_sound = True
        return description

    def _new_store(self) -> None:
        ffi, lib = self.api.ffi, self.api.lib
        store = lib.wasmtime_store_new(self.module.engine.pointer, ffi.NULL, ffi.NULL)
        self._store = ffi.gc(store, lib.wasmtime_store_delete)
        lib.wasmtime_store_limiter(
            store, self._limits.memory_bytes, _TABLE_ELEMENTS_MAX, -1, -1, -1
        )
        lib.wasmtime_store_epoch_deadline_callback(store, self._deadline, ffi.NULL, ffi.NULL)
        context = lib.wasmtime_store_context(store)
        lib.wasmtime_context_set_epoch_deadline(context, 1)
        self._ticks = self.written = 0
        if self._fuel is not None:
            lib.wasmtime_context_set_fuel(context, self._fuel)

    def _take_exports(self, context: Any, instance: Any) -> None:
        ffi, lib = self.api.ffi, self.api.lib
        self._functions.clear()
        for name, export in self.module.exports.items():
            if export.type is None and not (export.is_memory and name == "memory"):
                continue
            found = ffi.new("wasmtime_extern_t *")
            encoded = name.encode()
            lib.wasmtime_instance_export_get(context, instance, encoded, len(encoded), found)
            if export.is_memory:
                # The view keeps the structure alive.
                self.memory.attach(context, ffi.addressof(found.of, "memory"))
                self._kept_memory = found
            else:
                function = ffi.addressof(found.of, "func")
                self._functions[name] = (int(ffi.cast("uintptr_t", function)), found)
        self._reducer_address = self._functions[abi.REDUCER][0]

    def _prepare(self) -> bytes:
        """Run what a module runs before its first call."""
        exports = self.module.exports
        initialize = exports.get(abi.INITIALIZE)
        if initialize is not None and initialize.type == ":":
            self.run(abi.INITIALIZE, 0)
        for name in self.module.preinits:
            self.run(name, 0)
        if abi.SETUP in exports:
            self.values[0] = sink = self.open_sink()
            code = self.run(abi.SETUP, 1)
            message = self.take_sink(sink).decode(errors="replace")
            self.forget_handles()
            if code:
                raise ModuleError(f"the module's setup failed: {message or f'code {code}'}")
        self.values[0] = sink = self.open_sink()
        self.run(abi.DESCRIBE, 1)
        description = self.take_sink(sink)
        self.forget_handles()
        return description

    def stop(self) -> None:
        """Give up the instance; the next call begins with a fresh one."""
        self.is_sound = False
        self.in_transaction = False
        self.reads = self.procedure = None
        self.memory.detach()
        self._functions.clear()
        self.iterators.clear()
        self.timers.clear()
        self.forget_handles()
        self._sender = self._connection = None
        store, self._store = self._store, None
        if store is not None:
            self.api.ffi.release(store)

    # -- handles -----------------------------------------------------------------------------------

    def open_source(self, data: bytes) -> int:
        """Return the handle under which the module reads `data`: 0 for nothing."""
        if not data:
            return 0
        self.last_handle = handle = self.last_handle + 1
        self.sources[handle] = data
        return handle

    def open_sink(self) -> int:
        """Return a handle under which the module can write."""
        self.last_handle = handle = self.last_handle + 1
        self.sinks[handle] = []
        return handle

    def take_sink(self, handle: int) -> bytes:
        """Return what the module wrote."""
        return b"".join(self.sinks.pop(handle, ()))

    def forget_handles(self) -> None:
        """Begin handles anew: a call is over."""
        self.sources.clear()
        self.sinks.clear()
        self.last_handle = 0

    def count_written(self, size: int) -> None:
        """Count what the module writes in a call: as much as its memory may have, at most."""
        self.written += size
        if self.written > self._limits.memory_bytes:
            raise Trap(f"it wrote more than {self._limits.memory_bytes} bytes")

    @property
    def identity(self) -> bytes:
        """The identity of the database, 32 bytes, the least first."""
        return bytes(32) if self.host is None else self.host.identity

    def log(
        self,
        level: int,
        message: str,
        *,
        target: str | None = None,
        filename: str | None = None,
        line_number: int | None = None,
    ) -> None:
        """Write a record of the module to the log of the database."""
        if level == _PANIC:
            self.panic = message
        if self.host is not None:
            self.host.log(
                level,
                message,
                function=self.function,
                target=target,
                filename=filename,
                line_number=line_number,
            )

    def schedule(self, name: str, args: bytes) -> None:
        """Have a function called soon, whatever becomes of this call."""
        if self.host is not None:
            self.host.schedule(name, args)

    # -- calls -------------------------------------------------------------------------------------

    def begin(self, function: str) -> None:
        """Get ready for a call of `function`, with a fresh instance if the last one is spoilt."""
        if not self.is_sound:
            self.start()
        # Until it came back as it should.
        self.is_sound = False
        self.function = function
        self._ticks = self.written = 0
        self.panic = ""
        if self._fuel is not None:
            context = self.api.lib.wasmtime_store_context(self._store)
            self.api.lib.wasmtime_context_set_fuel(context, self._fuel)

    def end(self) -> None:
        """Note that a call came back as it should."""
        self.is_sound = True
        if self.last_handle:
            self.forget_handles()

    def has(self, export: str) -> bool:
        """Whether the module exports a function of this name."""
        return export in self.module.exports

    def run(self, export: str, count: int, what: str = "") -> int:
        """Call an export with the first `count` of `values`, and return what it returns.

        `what` is for messages: what is called.

        Raises
        ------
        ModuleError
            It trapped.
        """
        error = self._call(
            self._context, self._functions[export][0], self._values_address,
            max(count, 1), self._trap_address,
        )  # fmt: skip
        if error or self._trap[0]:
            self._fail(what or export, error)
        return signed(self.values[0])

    def call_reducer(
        self,
        number: int,
        name: str,
        sender: Identity,
        connection: ConnectionId | None,
        micros: int,
        args: bytes,
    ) -> tuple[int, list[bytes]]:
        """Run a reducer; return its code and what it wrote. The hot path: spelt out here."""
        if not self.is_sound or self._fuel is not None:
            self.begin(name)
        else:
            self.is_sound = False
            self.function = name
            self._ticks = self.written = 0
            self.panic = ""
        values = self.values
        if sender is not self._sender or connection is not self._connection:
            self.set_caller(sender, connection)
        values[0] = number
        values[14] = micros
        written: list[bytes] = []
        if args:
            self.sources[1] = args
            self.sinks[2] = written
            self.last_handle = 2
            values[16] = 1
            values[18] = 2
        else:
            self.sinks[1] = written
            self.last_handle = 1
            values[16] = 0
            values[18] = 1
        self.in_transaction = True
        error = self._call(
            self._context, self._reducer_address, self._values_address, 10, self._trap_address
        )
        self.in_transaction = False
        if error or self._trap[0]:
            self._fail(f"reducer {name!r}", error)
        code = signed(values[0])
        self.is_sound = True
        self.sinks.clear()
        if self.sources:
            self.sources.clear()
        self.last_handle = 0
        return code, written

    def call_view(
        self, number: int, name: str, sender: Identity | None, reads: Any
    ) -> tuple[int, bytes]:
        """Run a view, for everybody if there is no sender; return its code and what it wrote."""
        self.begin(name)
        values = self.values
        values[0] = number
        at = 2
        if sender is not None:
            self.set_identity(sender)
            at = 10
        values[at] = 0
        values[at + 2] = sink = self.open_sink()
        export = abi.ANONYMOUS_VIEW if sender is None else abi.VIEW
        self._sender = None
        self.reads = reads
        self.in_transaction = True
        try:
            code = self.run(export, at // 2 + 2, f"view {name!r}")
        finally:
            self.in_transaction = False
            self.reads = None
        written = self.take_sink(sink)
        self.end()
        return code, written

    def call_procedure(
        self, number: int, name: str, ctx: ProcedureContext, args: bytes
    ) -> tuple[int, bytes]:
        """Run a procedure; return its code and what it wrote."""
        self.begin(name)
        values = self.values
        self.set_caller(ctx.sender, ctx.connection_id)
        values[0] = number
        values[14] = ctx.timestamp.micros
        values[16] = self.open_source(args)
        values[18] = sink = self.open_sink()
        self.procedure = ctx.call
        try:
            code = self.run(abi.PROCEDURE, 10, f"procedure {name!r}")
        finally:
            self.in_transaction = False
            self.procedure = None
        written = self.take_sink(sink)
        self.end()
        return code, written

    def call_handler(
        self, number: int, name: str, ctx: ProcedureContext, request: bytes, body: bytes
    ) -> tuple[int, bytes, bytes]:
        """Run an HTTP handler; return its code, the response and its body."""
        self.begin(name)
        self._sender = None
        values = self.values
        values[0] = number
        values[2] = ctx.timestamp.micros
        values[4] = self.open_source(request)
        values[6] = self.open_source(body)
        values[8] = sink = self.open_sink()
        values[10] = body_sink = self.open_sink()
        self.procedure = ctx.call
        try:
            code = self.run(abi.HTTP_HANDLER, 6, f"HTTP handler {name!r}")
        finally:
            self.in_transaction = False
            self.procedure = None
        written, written_body = self.take_sink(sink), self.take_sink(body_sink)
        self.end()
        return code, written, written_body

    def set_caller(self, sender: Identity, connection: ConnectionId | None) -> None:
        """Put the caller into `values`: four numbers from the second on, and two."""
        self._sender = self._connection = None
        self.set_identity(sender)
        number = 0 if connection is None else connection.value
        self.values[10] = word(number, 0)
        self.values[12] = word(number, 1)
        self._sender, self._connection = sender, connection

    def set_identity(self, identity: Identity) -> None:
        """Put an identity into `values`, as four numbers from the second on."""
        self._sender = None
        for i in range(4):
            self.values[2 + 2 * i] = word(identity.value, i)

    def _fail(self, what: str, error: Any) -> None:
        """Raise what a call failed with; the instance is given up."""
        text = take_failure(self.api, error, self._trap)
        raised, self.error = self.error, None
        self.in_transaction = False
        self.stop()
        trace = text.partition("\n")[2]
        if raised is None:
            if self.panic:
                raise ModuleError(f"{what} panicked: {self.panic}\n{trace}".rstrip())
            raise ModuleError(f"{what} trapped: {text}")
        if isinstance(raised, Trap | OutOfTime):
            raise ModuleError(f"{what} trapped: {raised}\n{trace}".rstrip()) from None
        if isinstance(raised, Error) or not isinstance(raised, Exception):
            raise raised
        raise InternalError(f"a host function of {what} broke: {raised!r}") from raised
