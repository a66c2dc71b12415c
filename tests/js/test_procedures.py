"""Procedures in TypeScript: requests to the world, transactions of their own, failure."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.helpers.raw_bundles import bundle, open_bundle
from tests.helpers.typescript_modules import bundled

import stdb


class Echo(BaseHTTPRequestHandler):
    """Says what it was asked."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        answer = f"{self.command} {self.path} {body.decode()}".encode()
        self.send_response(200 if self.path != "/missing" else 404)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def db() -> Iterator[stdb.Database]:
    policy = stdb.HttpPolicy(allow_private=True)
    with stdb.Database(bundled("outside"), http=policy) as database:
        yield database
        database.check()


def test_a_request_brings_its_answer_into_a_table(db: stdb.Database, site: str) -> None:
    assert db.procedures.fetch_page(f"{site}/a?b=c", "") == "200 GET /a?b=c "
    assert db.procedures.fetch_page(f"{site}/missing", "hä") == "404 POST /missing hä"
    assert sorted(page.body for page in db.tables.page) == ["GET /a?b=c ", "POST /missing hä"]


def test_a_request_that_is_not_allowed_is_an_error_of_the_procedure(site: str) -> None:
    with (
        stdb.Database(bundled("outside")) as db,
        pytest.raises(stdb.ModuleError, match="private"),
    ):
        db.procedures.fetch_page(f"{site}/a", "")


def test_what_was_committed_stays_and_the_rest_is_undone(db: stdb.Database) -> None:
    with pytest.raises(stdb.ModuleError, match="in the middle"):
        db.procedures.fail_inside("x")
    assert [page.url for page in db.tables.page] == ["x"]


def test_an_isolate_in_which_a_procedure_failed_is_not_used_again(db: stdb.Database) -> None:
    assert [db.procedures.count_calls() for _ in range(3)] == [1, 2, 3]
    with pytest.raises(stdb.ModuleError):
        db.procedures.fail_inside("y")
    assert db.procedures.count_calls() == 1


def test_a_call_that_is_asked_for_at_once_comes_though_its_reducer_fails(tmp_path: Path) -> None:
    """It is in no table and in no transaction."""
    body = "sys.volatile_nonatomic_schedule_immediate('later', new Uint8Array(0)); throw 5;"
    later = "sys.datastore_insert_bsatn(table('account'), row(9, 9), 16);"
    clock = stdb.ManualClock()
    with open_bundle(tmp_path, bundle({"go": body, "later": later}), clock=clock) as database:
        with pytest.raises(stdb.ModuleError):
            database.call("go")
        clock.advance(0.001)
        assert [tuple(row) for row in database.tables.account] == [(9, 9)]
