"""What only procedures do: transactions, waiting, HTTP; and calls that a module asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....errors import DecodeError, HttpError, TypeMismatch
from ....types.reader import Writer
from ...guest.errno import (
    BSATN_DECODE_ERROR,
    HTTP_ERROR,
    TRANSACTION_NOT_ANONYMOUS,
    WOULD_BLOCK_TRANSACTION,
    Trap,
)
from ...guest.messages import decode_request, encode_response

if TYPE_CHECKING:
    from ...procedure_context import ProcedureCall
    from ..lane import Lane


def make(lane: Lane) -> dict[str, Any]:
    """Return the functions of this file for a lane, by name."""
    null = lane.api.ffi.NULL
    memory = lane.memory

    def volatile_nonatomic_schedule_immediate(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        name = memory.text(a[0], a[4])
        lane.schedule(name, memory.read(a[8], a[12]))
        return null

    def procedure_sleep_until(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        call = _procedure(lane, "procedure_sleep_until")
        if call.is_open:
            raise Trap("it would wait while its transaction keeps everybody waiting")
        micros = a[0] | a[1] << 32
        now = call.now()
        if not micros >> 63 and micros > now:
            now = call.wait_until(micros)
        a[0], a[1] = now & 0xFFFF_FFFF, now >> 32 & 0xFFFF_FFFF
        return null

    def procedure_start_mut_tx(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        call = lane.procedure
        if call is None or call.is_open:
            a[0] = WOULD_BLOCK_TRANSACTION
            return null
        memory.check(a[0], 8)
        micros = call.begin()
        lane.in_transaction = True
        memory.write_u64(a[0], micros & (1 << 64) - 1)
        a[0] = 0
        return null

    def procedure_commit_mut_tx(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        call = lane.procedure
        if call is None or not call.is_open:
            a[0] = TRANSACTION_NOT_ANONYMOUS
            return null
        lane.in_transaction = False
        call.commit()
        a[0] = 0
        return null

    def procedure_abort_mut_tx(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        call = lane.procedure
        if call is None or not call.is_open:
            a[0] = TRANSACTION_NOT_ANONYMOUS
            return null
        lane.in_transaction = False
        call.rollback()
        a[0] = 0
        return null

    def procedure_http_request(_env: Any, _caller: Any, a: Any, _n: int) -> Any:
        out = a[16]
        request, body = memory.read(a[0], a[4]), memory.read(a[8], a[12])
        call = _procedure(lane, "procedure_http_request")
        memory.check(out, 8)
        a[0] = _send(lane, call, request, body, out)
        return null

    return {
        "volatile_nonatomic_schedule_immediate": volatile_nonatomic_schedule_immediate,
        "procedure_sleep_until": procedure_sleep_until,
        "procedure_start_mut_tx": procedure_start_mut_tx,
        "procedure_commit_mut_tx": procedure_commit_mut_tx,
        "procedure_abort_mut_tx": procedure_abort_mut_tx,
        "procedure_http_request": procedure_http_request,
    }


def _send(lane: Lane, call: ProcedureCall, request: bytes, body: bytes, out: int) -> int:
    """Send a request, let the module read what came of it, and return what it is answered."""
    try:
        wanted = decode_request(request, body)
    except DecodeError:
        return BSATN_DECODE_ERROR
    except TypeMismatch as error:
        return _http_error(lane, str(error), out)
    if call.is_open:
        return WOULD_BLOCK_TRANSACTION
    try:
        response = call.http().send(wanted.request, wanted.timeout_s)
    except HttpError as error:
        return _http_error(lane, str(error), out)
    lane.memory.write_u32(out, lane.open_source(encode_response(response)))
    lane.memory.write_u32(out + 4, lane.open_source(response.body))
    return 0


def _http_error(lane: Lane, message: str, out: int) -> int:
    writer = Writer()
    writer.str(message)
    lane.memory.write_u32(out, lane.open_source(writer.finish()))
    return HTTP_ERROR


def _procedure(lane: Lane, name: str) -> ProcedureCall:
    if lane.procedure is None:
        raise Trap(f"{name} is only for procedures")
    return lane.procedure
