"""HTTP messages: what a module's handlers take and give, and what ``ctx.http`` brings back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..errors import TypeMismatch, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Patterns are compiled at their first use, by `re` itself: importing stdb is to be quick.
_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CHARSET: Final = r'(?i)charset="?([\w.:-]+)'
_FORBIDDEN: Final = r"[\x00-\x08\x0a-\x1f\x7f]"


class Headers(Mapping[str, str]):
    """Headers of HTTP: a mapping whose names have no case, with every value of each in order.

    ``headers["accept"]`` joins the values of a name with commas; `get_all` keeps them apart.

    Parameters
    ----------
    headers : mapping or iterable of (name, value)
        Bytes are read as Latin-1, as HTTP does.

    Raises
    ------
    TypeMismatch
        A name or value that HTTP cannot send.

    Examples
    --------
    >>> import stdb
    >>> headers = stdb.Headers([("Accept", "text/plain"), ("accept", "text/html")])
    >>> headers["ACCEPT"]
    'text/plain, text/html'
    >>> headers.get_all("accept")
    ['text/plain', 'text/html']
    """

    __slots__ = ("pairs",)

    def __init__(self, headers: AnyHeaders | None = None) -> None:
        items: Any = headers.pairs if isinstance(headers, Headers) else headers or ()
        if not hasattr(items, "__iter__"):
            raise TypeMismatch(
                f"headers are a mapping or pairs of name and value, not {shorten(items)}", got=items
            )
        pairs = items.items() if isinstance(items, Mapping) else items
        #: Every header as ``(name, value)``, as it was given.
        self.pairs: tuple[tuple[str, str], ...] = tuple(_checked_pair(pair) for pair in pairs)

    def __getitem__(self, name: str) -> str:
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name, _ in self.pairs))

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self.pairs})

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_all(name))

    def get_all(self, name: str) -> list[str]:
        """Return every value of a name, in order."""
        lower = name.lower()
        return [value for key, value in self.pairs if key.lower() == lower]

    def __repr__(self) -> str:
        return f"Headers({list(self.pairs)!r})"


AnyHeaders: TypeAlias = "Headers | Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]"


def _checked_pair(pair: Any) -> tuple[str, str]:
    try:
        name, value = (x.decode("latin-1") if isinstance(x, bytes) else x for x in pair)
    except (TypeError, ValueError):
        raise TypeMismatch(f"a header is a (name, value), not {shorten(pair)}", got=pair) from None
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeMismatch(f"a header's name and value are str, not {shorten(pair)}", got=pair)
    if not re.fullmatch(_NAME, name) or re.search(_FORBIDDEN, value):
        raise TypeMismatch(f"HTTP cannot send the header {shorten(pair)}", got=pair)
    return name, value.strip()


class _Message:
    """What requests and responses have in common."""

    headers: Headers
    body: bytes

    @cached_property
    def text(self) -> str:
        """The body as text, in the charset that its content type names; UTF-8 without one."""
        found = re.search(
            r'charset="?([\w.:-]+)', self.headers.get("content-type", ""), re.IGNORECASE
        )
        try:
            return self.body.decode(found[1] if found else "utf-8", errors="replace")
        except LookupError:
            return self.body.decode(errors="replace")

    def json(self) -> Any:
        """Return what the body says as JSON.

        Raises
        ------
        ValueError
            It is no JSON.
        """
        import json

        return json.loads(self.body)


class Request(_Message):
    """An HTTP request.

    Attributes
    ----------
    method : str
        In capitals.
    uri : str
        Scheme, host, path and query.
    headers : Headers
    body : bytes
    version : str
        As in ``"HTTP/1.1"``.
    """

    def __init__(
        self,
        method: str,
        uri: str,
        headers: AnyHeaders | None = None,
        body: bytes | str = b"",
        *,
        version: str = "HTTP/1.1",
    ) -> None:
        given: Any = (method, uri)
        if not isinstance(given[0], str) or not re.fullmatch(_NAME, method):
            raise TypeMismatch(f"a method is a word such as 'GET', not {shorten(method)}")
        if not isinstance(given[1], str):
            raise TypeMismatch(f"a URI is a str, not {shorten(uri)}", got=uri)
        self.method: str = method.upper()
        self.uri = uri
        self.headers: Headers = Headers(headers)
        self.body: bytes = as_body(body)
        self.version = version

    @property
    def path(self) -> str:
        """The path of the URI."""
        from urllib.parse import urlsplit

        return urlsplit(self.uri).path

    @property
    def query(self) -> dict[str, str]:
        """The query of the URI: name -> value, the last one when a name comes twice."""
        from urllib.parse import parse_qsl, urlsplit

        return dict(parse_qsl(urlsplit(self.uri).query, keep_blank_values=True))

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri}>"


class Response(_Message):
    """An HTTP response: what a handler returns, and what ``ctx.http`` brings back.

    Parameters
    ----------
    body : bytes or str
        Text is sent as UTF-8.
    status : int
        100 to 599.
    headers : mapping or iterable of (name, value)
        Text without a content type is sent as ``text/plain``.

    Raises
    ------
    TypeMismatch
        A status, body or header that HTTP does not have.

    Examples
    --------
    >>> import stdb
    >>> stdb.Response("no such user", status=404)
    <Response 404, 12 bytes>
    >>> stdb.Response.of_json({"online": 3}).text
    '{"online": 3}'
    """

    def __init__(
        self,
        body: bytes | str = b"",
        status: int = 200,
        headers: AnyHeaders | None = None,
        *,
        version: str = "HTTP/1.1",
    ) -> None:
        if status.__class__ is not int or not 100 <= status <= 599:
            raise TypeMismatch(f"a status is a number of 100 to 599, not {shorten(status)}")
        self.status = status
        self.headers: Headers = Headers(headers)
        self.body: bytes = as_body(body)
        self.version = version
        if isinstance(body, str) and body and "content-type" not in self.headers:
            plain = ("content-type", "text/plain; charset=utf-8")
            self.headers = Headers([*self.headers.pairs, plain])

    @classmethod
    def of_json(cls, value: Any, status: int = 200, headers: AnyHeaders | None = None) -> Response:
        """Return a response that says `value` as JSON."""
        import json

        pairs = [*Headers(headers).pairs, ("content-type", "application/json")]
        return cls(json.dumps(value, ensure_ascii=False), status, pairs)

    @property
    def ok(self) -> bool:
        """Whether the status is one of success, 200 to 299."""
        return 200 <= self.status <= 299

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.body)} bytes>"


def as_body(body: Any) -> bytes:
    """Return the bytes of a body that was given as text or bytes."""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    hint = "; Response(status=…) takes the status by name" if isinstance(body, int) else ""
    raise TypeMismatch(f"a body is bytes or str, not {shorten(body)}{hint}", got=body)
