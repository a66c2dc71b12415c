"""``ctx.http``: requests of procedures to the world, within limits.

urllib3 speaks HTTP. What is ours is what a database must not leave to chance: which hosts may be
asked, that no address of the own network is reached unless that is allowed, redirects that are
checked like the first request, one time limit from the name's look-up to the last byte, and a
largest size. Addresses are looked up and checked here, and the connection goes to the very address
that was checked.

Source: SpacetimeDB documentation, "Procedures", version 2.8; RFC 6890 for special addresses.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address, ip_network
from threading import Timer
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from ..errors import HttpError, TypeMismatch, UsageError, shorten
from ..module.messages import AnyHeaders, Headers, Request, Response
from ..types.values import TimeDuration
from .http_policy import HttpPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .waiting import Deadline, Waits

TIMEOUT_MAX: Final = 180.0
REDIRECTS_MAX: Final = 10
#: The special-purpose ranges of RFC 6890, but for multicast.
_PRIVATE: Final = tuple(
    ip_network(text)
    for text in """
        0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
        192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24
        198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4
        ::1/128 ::/128 64:ff9b::/96 64:ff9b:1::/48 ::ffff:0:0/96 100::/64 100:0:0:1::/64 2001::/23
        2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10
    """.split()  # noqa: SIM905 - a table reads best as one
)
_PRIVATE_MESSAGE: Final = "refusing to connect to private or special-purpose addresses"
_DISABLED_MESSAGE: Final = "module outbound HTTP requests are disabled"
#: Headers that are for the host they were written for alone.
_SECRET: Final = frozenset({"authorization", "cookie", "proxy-authorization"})


def is_private(address: str) -> bool:
    """Return whether an IP address belongs to a private or special-purpose range."""
    parsed = ip_address(address.partition("%")[0])
    return any(parsed in network for network in _PRIVATE if network.version == parsed.version)


class HttpClient:
    """Sends the HTTP requests of a procedure: ``ctx.http``.

    A response of any status is returned; `HttpError` means that there is none. Up to ten redirects
    are followed. Not to be used while the procedure has a transaction.

    Examples
    --------
    >>> import stdb
    >>> weather = stdb.Module("weather")
    >>> @weather.procedure
    ... def fetch(ctx: stdb.ProcedureContext, city: str) -> str:
    ...     return ctx.http.get(f"https://wttr.example/{city}", timeout=5).text
    >>> stdb.Database(weather, http=False).procedures.fetch("rome")
    Traceback (most recent call last):
    stdb.HttpError: module outbound HTTP requests are disabled
    """

    def __init__(
        self,
        policy: HttpPolicy,
        waits: Waits,
        deadline: Deadline,
        check: Callable[[], None],
    ) -> None:
        self._policy = policy
        self._waits = waits
        self._deadline = deadline
        self._check = check

    def get(
        self,
        url: str,
        *,
        headers: AnyHeaders | None = None,
        timeout: float | timedelta | TimeDuration | None = None,
    ) -> Response:
        """Send a GET request; see `request`."""
        return self.request("GET", url, headers=headers, timeout=timeout)

    def post(
        self,
        url: str,
        body: bytes | str = b"",
        *,
        headers: AnyHeaders | None = None,
        json: Any = None,
        timeout: float | timedelta | TimeDuration | None = None,
    ) -> Response:
        """Send a POST request; see `request`."""
        return self.request("POST", url, body, headers=headers, json=json, timeout=timeout)

    def request(
        self,
        method: str,
        url: str,
        body: bytes | str = b"",
        *,
        headers: AnyHeaders | None = None,
        json: Any = None,
        timeout: float | timedelta | TimeDuration | None = None,
    ) -> Response:
        """Send a request and return the response, whatever its status.

        Parameters
        ----------
        method, url, body, headers
            What to send; `url` begins with ``http://`` or ``https://``.
        json : object
            What to send as JSON, instead of a body.
        timeout : float, timedelta or TimeDuration, optional
            Seconds for all of it; at most 180. That of the database's `HttpPolicy` otherwise.

        Raises
        ------
        HttpError
            No response: the host is not allowed or not there, took too long, or sent too much.
        TransactionError
            The procedure has a transaction open: everybody would wait.
        UsageError
            Both a body and `json`, or urllib3 is not installed: ``pip install "stdb[http]"``.
        """
        pairs = list(Headers(headers).pairs)
        if json is not None:
            if body:
                raise UsageError("a request has a body or json, not both")
            from json import dumps

            body = dumps(json, ensure_ascii=False)
            if not any(name.lower() == "content-type" for name, _ in pairs):
                pairs.append(("content-type", "application/json"))
        return self.send(Request(method, url, pairs, body), timeout)

    def send(
        self, request: Request, timeout: float | timedelta | TimeDuration | None = None
    ) -> Response:
        """Send a request that is made already; see `request`."""
        self._check()
        seconds = self._policy.timeout if timeout is None else _seconds(timeout)
        seconds = min(max(seconds, 0.0), TIMEOUT_MAX)
        left = self._deadline.left()
        exchange = _Exchange(self._policy, seconds if left is None else min(seconds, left))
        try:
            self._waits.add(exchange.abort)
            return exchange.run(request)
        except HttpError:
            self._waits.check()
            self._deadline.left()
            raise
        finally:
            self._waits.discard(exchange.abort)


class AsyncHttpClient:
    """The `HttpClient` of an ``async def`` procedure: the same methods, to be awaited."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def get(
        self,
        url: str,
        *,
        headers: AnyHeaders | None = None,
        timeout: float | timedelta | TimeDuration | None = None,  # noqa: ASYNC109 - of the exchange
    ) -> Response:
        """Send a GET request; see `HttpClient.request`."""
        return await self.request("GET", url, headers=headers, timeout=timeout)

    async def post(
        self,
        url: str,
        body: bytes | str = b"",
        *,
        headers: AnyHeaders | None = None,
        json: Any = None,
        timeout: float | timedelta | TimeDuration | None = None,  # noqa: ASYNC109 - of the exchange
    ) -> Response:
        """Send a POST request; see `HttpClient.request`."""
        return await self.request("POST", url, body, headers=headers, json=json, timeout=timeout)

    async def request(
        self,
        method: str,
        url: str,
        body: bytes | str = b"",
        *,
        headers: AnyHeaders | None = None,
        json: Any = None,
        timeout: float | timedelta | TimeDuration | None = None,  # noqa: ASYNC109 - of the exchange
    ) -> Response:
        """Send a request and return the response; see `HttpClient.request`."""
        import asyncio

        return await asyncio.to_thread(
            self._client.request, method, url, body, headers=headers, json=json, timeout=timeout
        )


class _Exchange:
    """One request with its redirects, in a limited time."""

    def __init__(self, policy: HttpPolicy, seconds: float) -> None:
        self._policy = policy
        self._seconds = seconds
        self._until = monotonic() + seconds
        #: Another descriptor of the connection that is open, which TLS does not take over.
        self._lever: socket.socket | None = None
        self._connected: socket.socket | None = None
        self._aborted = False

    def abort(self) -> None:
        """Break the exchange off: whatever waits for the socket goes on with an error."""
        self._aborted = True
        lever = self._lever
        if lever is not None:
            with suppress(OSError):
                lever.shutdown(socket.SHUT_RDWR)

    def run(self, request: Request) -> Response:
        try:
            import urllib3
        except ImportError:
            raise UsageError(
                'ctx.http needs urllib3, which is not installed: pip install "stdb[http]"'
            ) from None
        timer = Timer(self._seconds, self.abort)
        timer.daemon = True
        timer.start()
        try:
            for _ in range(REDIRECTS_MAX + 1):
                response = self._one(request)
                following = _redirected(request, response)
                if following is None:
                    return response
                request = following
            raise HttpError(f"more than {REDIRECTS_MAX} redirects, the last to {_shown(request)}")
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise HttpError(self._failure(request, error)) from error
        finally:
            timer.cancel()

    def _failure(self, request: Request, error: Exception) -> str:
        if monotonic() >= self._until:
            return f"no response from {_shown(request)} within {self._seconds:g} s"
        chain: list[str] = []
        cause: BaseException | None = error
        while cause is not None and len(chain) < 5:
            text = str(cause) or type(cause).__name__
            if not chain or text not in chain[-1]:
                chain.append(text)
            cause = cause.__cause__ or cause.__context__
        return f"request to {_shown(request)} failed: {': '.join(chain)}"

    def _one(self, request: Request) -> Response:
        import urllib3

        scheme, host, port, target = self._destination(request.uri)
        connection = self._connection(scheme, host, port)
        try:
            headers = urllib3.HTTPHeaderDict()
            for name, value in request.headers.pairs:
                headers.add(name, value)
            headers.setdefault("User-Agent", "stdb")
            with suppress(BrokenPipeError):  # a server may answer before it has read everything
                connection.request(
                    request.method,
                    target,
                    body=request.body or None,
                    headers=headers,
                    preload_content=False,
                    decode_content=False,
                )
            answer = connection.getresponse()
            pairs = [(name.lower(), value) for name, value in answer.headers.items()]
            version = {9: "HTTP/0.9", 10: "HTTP/1.0"}.get(answer.version, "HTTP/1.1")
            body = b"" if request.method == "HEAD" else b"".join(self._body(answer, request))
            if self._aborted:
                raise urllib3.exceptions.HTTPError("broken off")
            return Response(body, answer.status, pairs, version=version)
        finally:
            connection.close()
            self._disconnect()

    def _disconnect(self) -> None:
        """Close what an exchange may have left open, each in one step."""
        for each in (self._connected, self._lever):
            if each is not None:
                _close_at_once(each)
        self._connected = self._lever = None

    def _body(self, answer: Any, request: Request) -> Iterator[bytes]:
        size, limit = 0, self._policy.size_max
        for part in answer.stream(65_536, decode_content=False):
            size += len(part)
            if size > limit:
                raise HttpError(
                    f"the response of {_shown(request)} is larger than {limit:,} bytes "
                    "(size_max of the database's HttpPolicy)"
                )
            yield part

    def _destination(self, uri: str) -> tuple[str, str, int, str]:
        """Return scheme, host, port and target of a URI that may be asked."""
        if self._policy.hosts == ():
            raise HttpError(_DISABLED_MESSAGE)
        parts = urlsplit(uri)
        host = parts.hostname
        if parts.scheme not in ("http", "https") or not host:
            raise HttpError(f"a URL begins with http:// or https:// and a host, not {_cut(uri)!r}")
        if not self._policy.allows(host):
            allowed = ", ".join(self._policy.hosts or ())
            raise HttpError(f"the host {host!r} is not among those allowed here: {allowed}")
        try:
            target_host = host if ":" in host else host.encode("idna").decode()
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise HttpError(f"no such host or port in {_cut(uri)!r}: {error}") from None
        target = parts.path or "/"
        if parts.query:
            target += f"?{parts.query}"
        from urllib.parse import quote

        return parts.scheme, target_host, port, quote(target, safe="!#$%&'()*+,/:;=?@[]~")

    def _connection(self, scheme: str, host: str, port: int) -> Any:
        """Return a connection of urllib3 that goes to an address that was checked."""
        from urllib3 import connection as connections

        exchange = self

        class Checked:
            sock: socket.socket

            def _new_conn(self) -> socket.socket:
                return exchange._connect(host, port)

            def connect(self) -> None:
                super().connect()  # type: ignore[misc] # of urllib3's class beside it
                # The connection forgets its socket as soon as a response is to be its last.
                exchange._connected = self.sock

        class Plain(Checked, connections.HTTPConnection):
            pass

        class Secure(Checked, connections.HTTPSConnection):
            pass

        left = max(self._until - monotonic(), 0.001)
        if scheme == "http":
            return Plain(host, port, timeout=left)
        import ssl

        return Secure(host, port, timeout=left, ssl_context=ssl.create_default_context())

    def _connect(self, host: str, port: int) -> socket.socket:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if not self._policy.allow_private:
            found = [each for each in found if not is_private(str(each[4][0]))]
            if not found:
                raise HttpError(
                    f"{_PRIVATE_MESSAGE}: {host!r} has no other; "
                    "Database(…, http=HttpPolicy(allow_private=True)) permits them"
                )
        failure: OSError | None = None
        for family, kind, protocol, _, address in found:
            left = self._until - monotonic()
            if left <= 0 or self._aborted:
                break
            attempt = self._connected = socket.socket(family, kind, protocol)
            try:
                self._lever = attempt.dup()
                attempt.settimeout(left)
                attempt.connect(address)
                attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                self._disconnect()
                failure = error
            else:
                return attempt
        raise failure or TimeoutError("timed out")


def _close_at_once(used: socket.socket) -> None:
    """Close a socket although a response may still hold it, which an interrupt left half read."""
    number = used.detach()
    if number >= 0:
        socket.close(number)


def _redirected(request: Request, response: Response) -> Request | None:
    """Return the request that a response redirects to, if it does."""
    location = response.headers.get("location")
    if response.status not in (301, 302, 303, 307, 308) or not location:
        return None
    uri = urljoin(request.uri, location)
    method, body = request.method, request.body
    dropped: set[str] = {"host"}
    # As browsers do, and the standard allows: what was posted is not posted again elsewhere.
    if (response.status == 303 and method != "HEAD") or (
        response.status in (301, 302) and method == "POST"
    ):
        method, body = "GET", b""
        dropped |= {"content-length", "content-type", "transfer-encoding"}
    old, new = urlsplit(request.uri), urlsplit(uri)
    if (old.scheme, old.netloc) != (new.scheme, new.netloc):
        dropped |= _SECRET
    pairs = [pair for pair in request.headers.pairs if pair[0].lower() not in dropped]
    return Request(method, uri, pairs, body)


def _shown(request: Request) -> str:
    return f"{request.method} {_cut(request.uri)}"


def _cut(uri: str) -> str:
    """Return a URI without its query, its fragment, and the password it may have."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _seconds(timeout: Any) -> float:
    if isinstance(timeout, timedelta):
        return timeout.total_seconds()
    if isinstance(timeout, TimeDuration):
        return timeout.micros / 1_000_000
    if isinstance(timeout, int | float) and not isinstance(timeout, bool):
        return timeout
    raise TypeMismatch(
        f"timeout is seconds, a timedelta or a TimeDuration, not {shorten(timeout)}", got=timeout
    )


__all__ = ["AsyncHttpClient", "HttpClient", "is_private"]
