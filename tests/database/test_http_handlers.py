"""HTTP handlers: plain functions that a web server can ask, for anybody."""

import asyncio
from typing import Any

import pytest

from stdb import (
    AsyncProcedureContext,
    Database,
    DatabaseClosed,
    DefinitionError,
    Identity,
    ManualClock,
    Module,
    ProcedureContext,
    ReducerError,
    Request,
    Response,
    Row,
    TransactionError,
    TypeMismatch,
    primary_key,
    u64,
)

site = Module("site")


@site.table()
class Visit(Row):
    id: u64 = primary_key(auto_inc=True)
    path: str
    visitor: Identity


@site.http("GET", "/visits")
def count_visits(ctx: ProcedureContext, request: Request) -> Response:
    with ctx.transaction() as tx:
        return Response.of_json({"visits": tx.db[Visit].count()})


@site.http("POST", "/visits")
@site.http("PUT", "/visits")
def visit(ctx: ProcedureContext, request: Request) -> Response:
    with ctx.transaction() as tx:
        tx.db[Visit].insert(Visit(path=request.text, visitor=tx.sender))
    return Response(status=201)


@site.http("ANY", "/echo")
def echo(ctx: ProcedureContext, request: Request) -> Response:
    shown = [request.method, request.uri, request.path, request.query, request.headers.pairs]
    return Response.of_json([*shown, request.body.decode(), request.version])


@site.http("GET", "")
def bare(ctx: ProcedureContext, request: Request) -> Response:
    return Response("bare")


@site.http("get", "/")
def slash(ctx: ProcedureContext, request: Request) -> Response:
    return Response("slash")


@site.http("GET", "/later")
async def later(ctx: AsyncProcedureContext, request: Request) -> Response:
    await ctx.sleep(0)
    return Response("later")


@site.http("GET", "/broken")
def broken(ctx: ProcedureContext, request: Request) -> Response:
    with ctx.transaction() as tx:
        tx.db[Visit].insert(Visit(path="stays", visitor=ctx.sender))
    raise KeyError("oops")


@site.http("GET", "/refuses")
def refuses(ctx: ProcedureContext, request: Request) -> Response:
    raise ReducerError("not for you")


@site.http("GET", "/wrong")
def wrong(ctx: ProcedureContext, request: Request) -> Response:
    return "text"  # type: ignore[return-value]


@site.http("GET", "/open")
def leave_open(ctx: ProcedureContext, request: Request) -> Response:
    ctx.transaction().__enter__()
    return Response()


@site.http("GET", "/header")
def bad_header(ctx: ProcedureContext, request: Request) -> Response:
    return Response(headers={"a": "b\nc"})


@site.http("GET", "/who")
def who(ctx: ProcedureContext, request: Request) -> Response:
    with ctx.transaction() as tx:
        assert tx.sender_auth.is_internal
    return Response(f"{ctx.sender} {ctx.connection_id} {ctx.timestamp.micros}")


@pytest.fixture
def db() -> Database:
    return Database(site, clock=ManualClock(5))


def test_a_request_goes_to_the_handler_of_its_method_and_path(db: Database) -> None:
    assert db.handle_http("POST", "/visits", body="/index").status == 201
    assert db.handle_http("put", "/visits", [("A", "b")], b"/about").status == 201
    assert db.handle_http("GET", "/visits").json() == {"visits": 2}
    assert [v.path for v in db.tables.visit] == ["/index", "/about"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/visits"),
        ("GET", "/visits/"),
        ("GET", "//"),
        ("GET", "/nowhere"),
        ("HEAD", "/visits"),
    ],
)
def test_what_no_route_matches_exactly_is_not_found(db: Database, method: str, path: str) -> None:
    response = db.handle_http(method, path)
    assert response.status == 404
    assert response.text == "Database has not registered a handler for this route"


def test_the_empty_path_and_the_slash_are_two_paths(db: Database) -> None:
    assert db.handle_http("GET", "").text == "bare"
    assert db.handle_http("GET", "/").text == "slash"


def test_a_handler_sees_all_of_the_request(db: Database) -> None:
    headers = [("Host", "example.org"), ("X-A", "1"), ("X-A", "2")]
    method, uri, path, query, pairs, body, version = db.handle_http(
        "PATCH", "/echo?a=1&b=&a=2", headers, "text", version="HTTP/2"
    ).json()
    assert (method, uri) == ("PATCH", "http://example.org/echo?a=1&b=&a=2")
    assert (path, query) == ("/echo", {"a": "2", "b": ""})
    assert [tuple(pair) for pair in pairs] == headers
    assert (body, version) == ("text", "HTTP/2")


def test_the_uri_is_the_one_that_the_client_asked_for(db: Database) -> None:
    behind = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example", "Host": "inner"}
    assert db.handle_http("GET", "/echo", behind).json()[1] == "https://shop.example/echo"
    given = "https://example.org/v1/database/site/route/echo"
    assert db.handle_http("GET", "/echo", uri=given).json()[1] == given


def test_the_sender_is_nobody(db: Database) -> None:
    assert db.handle_http("GET", "/who").text == f"{'0' * 64} None 5"
    db.handle_http("POST", "/visits", {"Authorization": "Bearer nonsense"})
    assert db.tables.visit.rows()[0].visitor == Identity(0)


def test_an_async_handler_answers_with_and_without_an_event_loop(db: Database) -> None:
    assert db.handle_http("GET", "/later").text == "later"

    async def main() -> str:
        response: Response = await db.handle_http("GET", "/later")
        return response.text

    assert asyncio.run(main()) == "later"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/broken", "HTTP handler 'broken' broke: KeyError: 'oops'"),
        ("/refuses", "not for you"),
        ("/wrong", "HTTP handler 'wrong' returned 'text', not a stdb.Response"),
        ("/open", "'leave_open' returned with an open transaction, which was undone; use"),
        ("/header", "HTTP cannot send the header"),
    ],
)
def test_a_handler_that_fails_is_answered_with_500_and_logged(
    db: Database, path: str, text: str
) -> None:
    response = db.handle_http("GET", path)
    assert response.status == 500
    assert response.text.startswith(text)
    assert len(db.logs()) == 1
    db.handle_http("POST", "/visits")


def test_what_a_handler_committed_before_it_failed_stays(db: Database) -> None:
    db.handle_http("GET", "/broken")
    assert [v.path for v in db.tables.visit] == ["stays"]


def test_a_request_inside_a_transaction_or_after_the_end_is_refused(db: Database) -> None:
    with pytest.raises(TransactionError), db.transaction():
        db.handle_http("GET", "/visits")
    db.close()
    with pytest.raises(DatabaseClosed):
        db.handle_http("GET", "/visits")


def test_a_request_that_is_none_is_refused(db: Database) -> None:
    with pytest.raises(TypeMismatch, match="a method is a word such as 'GET'"):
        db.handle_http("G T", "/visits")
    with pytest.raises(TypeMismatch, match="a body is bytes or str"):
        db.handle_http("GET", "/visits", body=5)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------- declarations


def test_routes_are_in_the_definition() -> None:
    definition = site.definition()
    routes = [(r.method, r.path, r.handler_name) for r in definition.http_routes]
    assert ("PUT", "/visits", "visit") in routes
    assert ("POST", "/visits", "visit") in routes
    assert (None, "/echo", "echo") in routes


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("FETCH", "/a", "a route is for GET, HEAD, .* or ANY, not 'FETCH'"),
        (None, "/a", "a route is for GET, HEAD, .* or ANY, not None"),
        ("GET", "a", "the path of a route is empty or begins with /: '/a'"),
        ("GET", "/A", "the path of a route has the characters a-z"),
        ("GET", "/{id}", "and no parameters: '/{id}'"),
    ],
)
def test_a_route_that_cannot_be_is_refused(method: Any, path: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Module("m").http(method, path)(bare)


@pytest.mark.parametrize(("one", "other"), [("GET", "GET"), ("ANY", "POST"), ("POST", "ANY")])
def test_two_handlers_of_one_route_are_refused(one: str, other: str) -> None:
    module = Module("m")
    module.http(one, "/a")(bare)
    module.http(other, "/a")(slash)
    with pytest.raises(DefinitionError, match=r"HTTP route .* `/a` duplicates another route"):
        module.freeze()


def test_a_handler_takes_a_context_and_a_request() -> None:
    def alone(ctx: ProcedureContext) -> Response:
        return Response()

    with pytest.raises(DefinitionError, match="HTTP handler 'alone' takes a context and a request"):
        Module("m").http("GET", "/a")(alone)


def test_handlers_differ_in_their_names() -> None:
    module = Module("m")
    module.http("GET", "/a")(bare)
    with pytest.raises(DefinitionError, match="has an HTTP handler 'bare' already"):
        module.http("GET", "/b", name="bare")(slash)
