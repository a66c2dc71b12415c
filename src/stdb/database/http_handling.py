"""Answering HTTP requests with the handlers of a module."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ..errors import Error, ModuleError, shorten
from ..module.messages import AnyHeaders, Headers, Request, Response
from ..runtime import log_panic
from ..runtime.procedure_context import AsyncProcedureContext, ProcedureContext
from ..runtime.waiting import Deadline
from ..types.values import Identity
from .procedure_calls import ProcedureTransactions, run_alone, run_alone_async

if TYPE_CHECKING:
    from ..module.handlers import HandlerDeclaration
    from .core import Core

_NO_ROUTE: Final = "Database has not registered a handler for this route"
_NOBODY: Final = Identity(0)


def make_request(
    method: str,
    path: str,
    headers: AnyHeaders | None,
    body: bytes | str,
    uri: str | None,
    version: str,
) -> Request:
    """Return the request, with the URI that its client asked for."""
    known = Headers(headers)
    if uri is None:
        scheme = known.get("x-forwarded-proto", "http")
        host = known.get("x-forwarded-host") or known.get("host", "localhost")
        uri = f"{scheme}://{host}{path}"
    return Request(method, uri, known, body, version=version)


def handle(database: Core, request: Request, path: str) -> Any:
    """Return the response of the handler for a request; in an event loop, perhaps to be awaited."""
    database._check_not_closed()
    database._check_writable()
    database._state.check_not_nested()
    handler = _find(database, request.method, path)
    if handler is None:
        return Response(_NO_ROUTE, 404)
    call = ProcedureTransactions(database, handler.name, _NOBODY, None, Deadline(None, ""))
    if not handler.is_async:
        return _perform(database, handler, call, request)
    work = _perform_async(database, handler, call, request)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    return work


def _find(database: Core, method: str, path: str) -> HandlerDeclaration | None:
    program = database._program
    for route in program.definition.http_routes:
        if route.path == path and route.method in (None, method):
            return program.handlers.get(route.handler_name)
    return None


def _perform(
    database: Core, handler: HandlerDeclaration, call: ProcedureTransactions, request: Request
) -> Response:
    ctx = ProcedureContext(call, database._micros())
    try:
        return _checked(handler, run_alone(call, handler.function, ctx, (request,)))
    except Exception as error:  # noqa: BLE001 - every failure is answered
        return _failed(database, handler, error)


async def _perform_async(
    database: Core, handler: HandlerDeclaration, call: ProcedureTransactions, request: Request
) -> Response:
    ctx = AsyncProcedureContext(call, database._micros())
    try:
        return _checked(handler, await run_alone_async(call, handler.function, ctx, (request,)))
    except Exception as error:  # noqa: BLE001 - every failure is answered
        return _failed(database, handler, error)


def _checked(handler: HandlerDeclaration, answer: Any) -> Response:
    if not isinstance(answer, Response):
        raise ModuleError(
            f"HTTP handler {handler.name!r} returned {shorten(answer)}, not a stdb.Response"
        )
    return answer


def _failed(database: Core, handler: HandlerDeclaration, error: Exception) -> Response:
    """Log what a handler raised, and return the answer for it."""
    if isinstance(error, Error):
        database._logs.system("Error", str(error), function=handler.name)
        return Response(str(error), 500)
    log_panic(database._logs, handler.name, error)
    return Response(f"HTTP handler {handler.name!r} broke: {type(error).__name__}: {error}", 500)
