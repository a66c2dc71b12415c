"""HTTP messages as modules write and read them.

=========  ====================================================================================
 request    method (a sum of 10), headers, timeout (option of microseconds), URI, version
 response   headers, version, status (u16)
 headers    a list of name and value; a name that has several values comes several times
=========  ====================================================================================

A body is beside them, as it is.

Source: SpacetimeDB's ABI for modules, version 10.3; its layouts are frozen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ...module.messages import Headers, Request, Response
from ...types.reader import Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

_METHODS: Final = (
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
)  # fmt: skip
_VERSIONS: Final = ("HTTP/0.9", "HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3")
_DURATION_SIGN: Final = 1 << 63


class GuestRequest(NamedTuple):
    """A request that a module wants sent; `timeout_s` is None for the usual one."""

    request: Request
    timeout_s: float | None


def decode_request(data: bytes, body: bytes) -> GuestRequest:
    """Return what a module wants sent.

    Raises
    ------
    DecodeError
        The bytes are no request.
    TypeMismatch
        HTTP has no such method or header.
    """
    reader = Reader(data)
    tag = reader.tag(len(_METHODS) + 1, "Method")
    method = _METHODS[tag] if tag < len(_METHODS) else reader.str()
    headers = _headers(reader)
    micros = reader.opt(reader.u64)
    uri = reader.str()
    version = _VERSIONS[reader.tag(len(_VERSIONS), "Version")]
    if micros is not None and micros & _DURATION_SIGN:
        micros = 0
    timeout = None if micros is None else micros / 1_000_000
    return GuestRequest(Request(method, uri, headers, body, version=version), timeout)


def encode_request(request: Request) -> bytes:
    """Return a request as a module's handler reads it; its body goes beside it."""
    writer = Writer()
    if request.method in _METHODS:
        writer.u8(_METHODS.index(request.method))
    else:
        writer.u8(len(_METHODS))
        writer.str(request.method)
    _write_headers(writer, request.headers)
    writer.u8(1)
    writer.str(request.uri)
    writer.u8(_version_tag(request.version))
    return writer.finish()


def encode_response(response: Response) -> bytes:
    """Return a response as a module reads it; its body goes beside it. Names are in lower case."""
    writer = Writer()
    _write_headers(writer, response.headers, str.lower)
    writer.u8(_version_tag(response.version))
    writer.u16(response.status)
    return writer.finish()


def decode_response(data: bytes, body: bytes) -> Response:
    """Return what a module's handler answers.

    Raises
    ------
    DecodeError
        The bytes are no response.
    TypeMismatch
        HTTP has no such status or header.
    """
    reader = Reader(data)
    headers = _headers(reader)
    version = _VERSIONS[reader.tag(len(_VERSIONS), "Version")]
    return Response(body, reader.u16(), headers, version=version)


def _headers(reader: Reader) -> Headers:
    pairs = reader.vec(lambda: (reader.str(), reader.bytes()), 8)
    return Headers(pairs)


def _write_headers(
    writer: Writer, headers: Headers, change_name: Callable[[str], str] = str
) -> None:
    def write(pair: tuple[str, str]) -> None:
        writer.str(change_name(pair[0]))
        writer.bytes(pair[1].encode("latin-1", errors="replace"))

    writer.vec(headers.pairs, write)


def _version_tag(version: str) -> int:
    return _VERSIONS.index(version) if version in _VERSIONS else _VERSIONS.index("HTTP/1.1")
