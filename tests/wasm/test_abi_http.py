"""The ABI, HTTP requests of procedures."""

import struct
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from tests.helpers.probing import Op, Probe

import stdb


class Echo(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("X-Seen", self.headers["X-Said"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[::-1])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/path?secret=1"
        server.shutdown()
        thread.join()


def string(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode()


def request(uri: str) -> bytes:
    """A POST with one header, a timeout of ten seconds and HTTP/1.1."""
    headers = struct.pack("<I", 1) + string("X-Said") + string("hello")
    return b"\x02" + headers + struct.pack("<Bq", 0, 10_000_000) + string(uri) + b"\x02"


def test_a_request_and_its_response(server: str) -> None:
    probe = Probe(http=stdb.HttpPolicy(allow_private=True))
    answer = probe.outside(Op.HTTP, data=request(server), more=b"body")
    assert answer.errno == 0
    assert string("x-seen") + string("hello") in answer.data
    assert answer.data.endswith(struct.pack("<BH", 1, 201) + b"ydob")


def test_requests_that_bring_nothing(server: str) -> None:
    probe = Probe()
    assert probe.outside(Op.HTTP, data=b"\x63").errno == 3
    answer = probe.outside(Op.HTTP, data=request(server))
    assert (answer.errno, b"refusing to connect to private" in answer.data) == (21, True)
    answer = Probe(http=False).outside(Op.HTTP, data=request(server))
    assert (answer.errno, answer.data[4:]) == (21, b"module outbound HTTP requests are disabled")
    assert b"secret" not in answer.data
