"""``ctx.http``: requests of procedures, within limits; against a real server on this machine."""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stdb import (
    AsyncProcedureContext,
    Database,
    DatabaseClosed,
    Headers,
    HttpError,
    HttpPolicy,
    Module,
    ProcedureContext,
    ProcedureTimeout,
    Response,
    TransactionError,
    TypeMismatch,
    UsageError,
)
from stdb.runtime.http import is_private

HERE = HttpPolicy(allow_private=True)


class Site(BaseHTTPRequestHandler):
    """Answers by the path of a request, and notes what it got."""

    protocol_version = "HTTP/1.1"
    seen: list[dict[str, Any]]
    released: threading.Event
    #: Set when a client is gone before it had everything.
    left: threading.Event

    def do_GET(self) -> None:
        self.answer()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = do_GET  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Print nothing."""

    def answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        note = {
            "method": self.command,
            "path": self.path,
            "headers": list(self.headers.items()),
            "body": body.decode("latin-1"),
        }
        self.seen.append(note)
        parts = urlsplit(self.path)
        name, _, argument = parts.path.strip("/").partition("/")
        getattr(self, f"go_{name}", self.go_missing)(argument, note)

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def go_missing(self, _: str, __: dict[str, Any]) -> None:
        self.send(404, b"nothing here")

    def go_echo(self, _: str, note: dict[str, Any]) -> None:
        self.send(200, json.dumps(note).encode(), Content_Type="application/json")

    def go_status(self, argument: str, _: dict[str, Any]) -> None:
        self.send(int(argument), b"so be it")

    def go_latin(self, _: str, __: dict[str, Any]) -> None:
        self.send(200, "café".encode("latin-1"), Content_Type="text/plain; charset=latin-1")

    def go_twice(self, _: str, __: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in (b"one ", b"two"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def go_to(self, argument: str, _: dict[str, Any]) -> None:
        status, _, target = argument.partition("/")
        location = target.replace("%7C", "/") if "%7C" in target else f"/{target}"
        self.send(int(status), b"", Location=location)

    def go_loop(self, argument: str, _: dict[str, Any]) -> None:
        self.send(302, b"", Location=f"/loop/{int(argument or 0) + 1}")

    def go_hang(self, _: str, __: dict[str, Any]) -> None:
        self.released.wait(20)
        self.close_connection = True

    def go_drip(self, _: str, __: dict[str, Any]) -> None:
        """Send a byte now and then: no single wait is long."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(100):
            if self.released.wait(0.05):
                break
            try:
                self.wfile.write(b".")
            except OSError:
                self.left.set()
                break
        self.close_connection = True

    def go_begin(self, connection: str, _: dict[str, Any]) -> None:
        """Send the beginning of a large response, and wait for the other end."""
        self.send_response(200)
        self.send_header("Connection", connection)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"x" * 100_000)
        self.connection.settimeout(3)
        with suppress(ConnectionResetError):
            try:
                self.connection.recv(1)
            except TimeoutError:
                return
        self.left.set()

    def go_big(self, argument: str, _: dict[str, Any]) -> None:
        self.send(200, b"x" * int(argument))


def make_handler() -> type[Site]:
    Site.left = threading.Event()
    return type("Handler", (Site,), {"seen": [], "released": threading.Event()})


@pytest.fixture
def site() -> Iterator[str]:
    """Return the address of a server that runs for the test."""
    handler = make_handler()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    handler.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def ask(
    url: str, *, policy: HttpPolicy | bool = HERE, method: str = "GET", **options: Any
) -> Response:
    """Return what a procedure gets that sends a request."""
    module = Module("asker")
    found: list[Response] = []

    @module.procedure
    def fetch(ctx: ProcedureContext) -> None:
        found.append(ctx.http.request(method, url, **options))

    with Database(module, http=policy) as db:
        db.procedures.fetch()
    return found[0]


# --------------------------------------------------------------------------- requests and responses


def test_a_response_has_status_headers_and_body(site: str) -> None:
    response = ask(f"{site}/echo?a=1")
    assert response.status == 200
    assert response.ok
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["path"] == "/echo?a=1"
    assert response.version == "HTTP/1.1"


def test_what_is_sent_arrives_with_its_headers_in_order(site: str) -> None:
    pairs = [("X-Tag", "one"), ("X-Tag", "two"), ("Accept", "text/plain")]
    seen = ask(f"{site}/echo", method="put", headers=pairs, body=b"\xff\x00").json()
    assert seen["method"] == "PUT"
    assert seen["body"] == "\xff\x00"
    sent = [tuple(pair) for pair in seen["headers"]]
    assert [pair for pair in sent if pair[0] in ("X-Tag", "Accept")] == pairs
    assert ("Content-Length", "2") in sent
    assert ("User-Agent", "stdb") in sent


def test_json_is_sent_with_its_content_type(site: str) -> None:
    module = Module("m")

    @module.procedure
    def fetch(ctx: ProcedureContext) -> list[str]:
        seen = ctx.http.post(f"{site}/echo", json={"café": 1}).json()
        return [seen["body"], dict(seen["headers"])["content-type"]]

    db = Database(module, http=HERE)
    body, content_type = db.procedures.fetch()
    assert json.loads(body.encode("latin-1")) == {"café": 1}
    assert content_type == "application/json"


def test_a_body_and_json_do_not_go_together(site: str) -> None:
    with pytest.raises(UsageError, match="a request has a body or json, not both"):
        ask(site, method="POST", body="x", json=1)


def test_a_response_of_any_status_is_a_response(site: str) -> None:
    assert ask(f"{site}/status/500").text == "so be it"
    assert ask(f"{site}/nowhere").status == 404


def test_headers_that_come_twice_are_kept_apart_and_chunks_joined(site: str) -> None:
    response = ask(f"{site}/twice")
    assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert response.text == "one two"


def test_text_is_read_in_the_charset_that_the_response_names(site: str) -> None:
    assert ask(f"{site}/latin").text == "café"


def test_a_head_request_has_no_body(site: str) -> None:
    response = ask(f"{site}/big/1000", method="HEAD")
    assert (response.status, response.body) == (200, b"")


def test_an_async_procedure_awaits_its_responses(site: str) -> None:
    module = Module("m")

    @module.procedure
    async def fetch(ctx: AsyncProcedureContext) -> list[str]:
        answers = await asyncio.gather(
            ctx.http.get(f"{site}/echo/1"), ctx.http.post(f"{site}/echo/2", "hello")
        )
        return [answer.json()["method"] for answer in answers]

    assert Database(module, http=HERE).procedures.fetch() == ("GET", "POST")


# ---------------------------------------------------------------------------------------- redirects


@pytest.mark.parametrize(
    ("status", "method", "arrives", "body"),
    [
        (301, "POST", "GET", ""),
        (302, "POST", "GET", ""),
        (303, "PUT", "GET", ""),
        (307, "POST", "POST", "data"),
        (308, "PUT", "PUT", "data"),
        (302, "DELETE", "DELETE", "data"),
    ],
)
def test_redirects_are_followed_as_the_standard_says(
    site: str, status: int, method: str, arrives: str, body: str
) -> None:
    seen = ask(f"{site}/to/{status}/echo", method=method, body=b"data").json()
    assert (seen["method"], seen["body"]) == (arrives, body)


def test_too_many_redirects_are_an_error(site: str) -> None:
    with pytest.raises(HttpError, match="more than 10 redirects"):
        ask(f"{site}/loop")


def test_secrets_do_not_follow_a_redirect_to_another_host(site: str) -> None:
    port = urlsplit(site).port
    secret = {"Authorization": "Bearer x", "X-Other": "y"}
    there = ask(f"{site}/to/302/http:||localhost:{port}|echo", headers=secret).json()
    names = [name for name, _ in there["headers"]]
    assert "Authorization" not in names
    assert "X-Other" in names
    here = ask(f"{site}/to/302/echo", headers=secret).json()
    assert "Authorization" in [name for name, _ in here["headers"]]


def test_a_redirect_is_checked_like_a_first_request(site: str) -> None:
    port = urlsplit(site).port
    policy = HttpPolicy(hosts=("127.0.0.1",), allow_private=True)
    with pytest.raises(HttpError, match=r"'localhost' is not among those allowed here: 127.0.0.1"):
        ask(f"{site}/to/302/http:||localhost:{port}|echo", policy=policy)
    with pytest.raises(HttpError, match="a URL begins with http:// or https://"):
        ask(f"{site}/to/302/file:|||etc|passwd")


# ------------------------------------------------------------------------------------------- limits


def test_http_may_be_forbidden(site: str) -> None:
    with pytest.raises(HttpError, match=r"^module outbound HTTP requests are disabled$"):
        ask(site, policy=False)


def test_only_hosts_of_the_list_are_asked(site: str) -> None:
    policy = HttpPolicy(hosts=("*.example.org", "127.0.0.*"), allow_private=True)
    assert ask(f"{site}/status/200", policy=policy).ok
    with pytest.raises(HttpError, match=r"the host 'example.com' is not among those allowed"):
        ask("http://example.com/", policy=policy)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0", "2130706433", "0x7f.1"])
def test_addresses_of_the_own_network_are_refused(site: str, host: str) -> None:
    """However they are written, since the address that is connected to is what is looked at."""
    message = r"refusing to connect to private .* addresses: '.+' has .*allow_private|failed: .*"
    with pytest.raises(HttpError, match=message):
        ask(f"http://{host}:{urlsplit(site).port}/status/200", policy=True)


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("172.31.255.255", True),
        ("172.32.0.0", False),
        ("169.254.169.254", True),
        ("100.64.0.1", True),
        ("224.0.0.1", False),
        ("255.255.255.255", True),
        ("93.184.216.34", False),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("fe80::1%eth0", True),
        ("fd00::1", True),
        ("2606:4700::1", False),
    ],
)
def test_private_addresses_are_known(address: str, private: bool) -> None:
    assert is_private(address) is private


def test_a_request_takes_no_longer_than_its_timeout(site: str) -> None:
    for path in ("hang", "drip"):
        began = time.monotonic()
        with pytest.raises(HttpError, match=rf"no response from GET .*/{path} within 0.3 s"):
            ask(f"{site}/{path}?secret=1", timeout=timedelta(seconds=0.3))
        assert time.monotonic() - began < 15


def test_the_policy_says_how_long_a_request_may_take(site: str) -> None:
    with pytest.raises(HttpError, match=r"within 0.2 s"):
        ask(f"{site}/hang", policy=HttpPolicy(allow_private=True, timeout=0.2))


def test_a_response_that_is_too_large_is_refused(site: str) -> None:
    policy = HttpPolicy(allow_private=True, size_max=1000)
    assert len(ask(f"{site}/big/1000", policy=policy).body) == 1000
    with pytest.raises(HttpError, match="is larger than 1,000 bytes"):
        ask(f"{site}/big/1001", policy=policy)


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_a_response_that_is_refused_ends_its_connection_although_the_error_is_kept(
    site: str, connection: str
) -> None:
    policy = HttpPolicy(allow_private=True, size_max=1000)
    with pytest.raises(HttpError, match="is larger than 1,000 bytes") as kept:
        ask(f"{site}/begin/{connection}", policy=policy)
    assert Site.left.wait(10)
    assert kept.value.__traceback__ is not None  # which holds the response


def test_a_host_that_is_not_there_is_an_error_without_the_query() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(HttpError, match=rf"request to GET http://127.0.0.1:{port}/x failed") as e:
        ask(f"http://me:word@127.0.0.1:{port}/x?token=secret")
    assert "secret" not in str(e.value)
    assert "word" not in str(e.value)


@pytest.mark.parametrize("url", ["ftp://example.org/", "example.org", "http:///x", "http://a:b/"])
def test_a_url_that_cannot_be_asked_is_an_error(url: str) -> None:
    with pytest.raises(HttpError, match=r"a URL begins with|no such host or port"):
        ask(url)


@pytest.fixture
def secure_site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Return the address of a server that speaks TLS, and the certificate that it made itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    trusted, both = tmp_path / "trusted.pem", tmp_path / "both.pem"
    trusted.write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both.write_bytes(private + certificate.public_bytes(pem))
    handler = make_handler()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://localhost:{server.server_port}", trusted
    server.shutdown()
    server.server_close()
    thread.join()


def test_https_needs_a_certificate_that_is_trusted_and_of_that_host(
    secure_site: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, trusted = secure_site
    with pytest.raises(HttpError, match=r"(?i)certificate.verify.failed"):
        ask(f"{url}/status/200")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    assert ask(f"{url}/status/200").ok
    with pytest.raises(HttpError, match=r"(?i)certificate"):
        ask(f"{url.replace('localhost', '127.0.0.1')}/status/200")


def test_https_keeps_to_the_time_limit_although_bytes_keep_coming(
    secure_site: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, trusted = secure_site
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with pytest.raises(HttpError, match=r"no response from .* within 0.4 s"):
        ask(f"{url}/drip", timeout=0.4)
    assert Site.left.wait(10)


def test_a_request_inside_a_transaction_is_refused(site: str) -> None:
    module = Module("m")

    @module.procedure
    def fetch(ctx: ProcedureContext) -> None:
        client = ctx.http
        with ctx.transaction():
            client.get(f"{site}/echo")

    with pytest.raises(TransactionError, match="would hold up everybody"):
        Database(module, http=HERE).procedures.fetch()


def test_a_procedure_in_a_request_keeps_its_own_time_limit(site: str) -> None:
    module = Module("m")

    @module.procedure(timeout=0.3)
    def fetch(ctx: ProcedureContext) -> None:
        ctx.http.get(f"{site}/hang")

    with pytest.raises(ProcedureTimeout, match=r"timeout of 0.3 s"):
        Database(module, http=HERE).procedures.fetch()


def test_closing_the_database_breaks_a_request_off(site: str) -> None:
    module = Module("m")
    asking = threading.Event()
    failures: list[Exception] = []

    @module.procedure
    def fetch(ctx: ProcedureContext) -> None:
        asking.set()
        ctx.http.get(f"{site}/hang")

    db = Database(module, http=HERE)

    def run() -> None:
        try:
            db.procedures.fetch()
        except DatabaseClosed as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert asking.wait(10)
    time.sleep(0.05)
    db.close()
    thread.join(10)
    assert "was closed while a procedure ran" in str(failures[0])


def test_a_policy_is_checked() -> None:
    for wrong in ("api.example.org", [5]):
        with pytest.raises(TypeMismatch, match="hosts is a tuple of str or None"):
            HttpPolicy(hosts=wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeMismatch, match=r"http is a stdb.HttpPolicy, True or False, not 'no'"):
        Database(Module("m"), http="no")  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------- messages


def test_headers_know_no_case_and_keep_their_order() -> None:
    headers = Headers({"B": "1", "a": "2"})
    assert (headers["b"], headers["A"], list(headers), len(headers)) == ("1", "2", ["b", "a"], 2)
    assert "B" in headers
    assert headers.get("c") is None


@pytest.mark.parametrize("pair", [("a b", "x"), ("a", "x\r\nEvil: 1"), ("", "x"), ("a", 5), "ab:"])
def test_headers_that_http_cannot_send_are_refused(pair: Any) -> None:
    with pytest.raises(TypeMismatch, match="header"):
        Headers([pair])


def test_responses_are_checked() -> None:
    for status in (99, 600, "200", True):
        with pytest.raises(TypeMismatch, match="a status is a number of 100 to 599"):
            Response(status=status)  # type: ignore[arg-type]
    with pytest.raises(TypeMismatch, match=r"bytes or str, not 404; Response\(status=…\)"):
        Response(404)  # type: ignore[arg-type]
    assert Response("hé").headers["content-type"] == "text/plain; charset=utf-8"
    assert Response("<p>", headers={"Content-Type": "text/html"}).headers.get_all(
        "content-type"
    ) == ["text/html"]
