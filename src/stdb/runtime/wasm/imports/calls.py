"""What only procedures do, and calls that a module asks for: transactions, waiting, HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...guest.errno import TRANSACTION_NOT_ANONYMOUS, WOULD_BLOCK_TRANSACTION, Trap

if TYPE_CHECKING:
    from ..lane import Lane


def make(lane: Lane) -> dict[str, Any]:
    """Return the functions of this file for a lane, by name."""
    null = lane.api.ffi.NULL
    memory = lane.memory

    def volatile_nonatomic_schedule_immediate(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        name = memory.text(a[0], a[4])
        args = memory.read(a[8], a[12])
        lane.schedule(name, args)
        return null

    def procedure_sleep_until(_env: Any, _caller: Any, _a: Any, _n: int) -> Any:
        _procedure(lane, "procedure_sleep_until")
        raise NotImplementedError

    def procedure_start_mut_tx(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        a[0] = WOULD_BLOCK_TRANSACTION
        return null

    def procedure_commit_mut_tx(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        a[0] = TRANSACTION_NOT_ANONYMOUS
        return null

    def procedure_http_request(_env: Any, _caller: Any, _a: Any, _n: int) -> Any:
        _procedure(lane, "procedure_http_request")
        raise NotImplementedError

    return {
        "volatile_nonatomic_schedule_immediate": volatile_nonatomic_schedule_immediate,
        "procedure_sleep_until": procedure_sleep_until,
        "procedure_start_mut_tx": procedure_start_mut_tx,
        "procedure_commit_mut_tx": procedure_commit_mut_tx,
        "procedure_abort_mut_tx": procedure_commit_mut_tx,
        "procedure_http_request": procedure_http_request,
    }


def _procedure(lane: Lane, name: str) -> Any:
    if lane.procedure is None:
        raise Trap(f"{name} is only for procedures")
    return lane.procedure
