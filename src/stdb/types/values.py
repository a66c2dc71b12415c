"""The special values: identities, moments, spans of time, schedules.

All are frozen, hashable, ordered as SATS orders them, and checked when they are made: an
`Identity` that exists is a valid one. A ``Uuid`` column holds Python's own `uuid.UUID`.

Source: SpacetimeDB documentation, "SATS"; text forms of identities as its tools print them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Self, overload

import msgspec

from ..errors import shorten

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)
I64_MIN: Final = -(2**63)
I64_MAX: Final = 2**63 - 1


def _check_micros(kind: str, micros: object) -> None:
    if micros.__class__ is not int:
        raise TypeError(f"{kind} takes microseconds as an int, not {shorten(micros)}")
    if not I64_MIN <= micros <= I64_MAX:
        raise OverflowError(f"{kind} of {micros} µs does not fit into 64 bits")


class Timestamp(msgspec.Struct, frozen=True, gc=False, order=True):
    """A moment: microseconds since 1970-01-01 UTC, 64 bits, no leap seconds.

    Examples
    --------
    >>> from stdb import TimeDuration, Timestamp
    >>> t = Timestamp.from_micros(1_700_000_000_000_000)
    >>> str(t)
    '2023-11-14T22:13:20+00:00'
    >>> t.to_datetime()
    datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.timezone.utc)
    >>> (t + TimeDuration.from_micros(1500)) - t
    TimeDuration(micros=1500)
    """

    micros: int

    def __post_init__(self) -> None:
        if self.micros.__class__ is not int or not I64_MIN <= self.micros <= I64_MAX:
            _check_micros("Timestamp", self.micros)

    @classmethod
    def from_micros(cls, micros: int) -> Self:
        """Return the moment `micros` microseconds after 1970-01-01 UTC."""
        return cls(micros)

    @classmethod
    def now(cls) -> Self:
        """Return the present moment by the machine's clock; in a reducer use ``ctx.timestamp``."""
        return cls.from_datetime(datetime.now(UTC))

    @classmethod
    def from_datetime(cls, moment: datetime) -> Self:
        """Return `moment` exactly. It must be aware: a naive one would mean different moments."""
        if not isinstance(moment, datetime):
            raise TypeError(f"expected a datetime, not {shorten(moment)}")
        if moment.tzinfo is None or moment.utcoffset() is None:
            raise TypeError(
                f"{shorten(moment)} has no time zone: use datetime.now(UTC) or .replace(tzinfo=…)"
            )
        return cls((moment - _EPOCH) // _MICRO)

    @classmethod
    def from_rfc3339(cls, text: str) -> Self:
        """Return the moment that `text` writes, as in ``2023-11-14T22:13:20.5+00:00``."""
        if not _RFC3339.fullmatch(text):
            raise ValueError(f"not an RFC 3339 time: {shorten(text)}")
        return cls.from_datetime(datetime.fromisoformat(text.upper()))

    def to_datetime(self) -> datetime:
        """Return the moment as an aware datetime in UTC.

        Raises
        ------
        OverflowError
            The moment is outside the years 1 to 9999.
        """
        return _EPOCH + timedelta(microseconds=self.micros)

    def __str__(self) -> str:
        try:
            moment = self.to_datetime()
        except OverflowError:
            return repr(self)
        micros = moment.microsecond
        precision = "seconds" if not micros else "microseconds" if micros % 1000 else "milliseconds"
        return moment.isoformat(timespec=precision)

    def __add__(self, span: TimeDuration | timedelta) -> Self:
        if not isinstance(span, TimeDuration | timedelta):
            return NotImplemented
        return type(self)(self.micros + _span_micros(span))

    __radd__ = __add__

    @overload
    def __sub__(self, other: Timestamp) -> TimeDuration: ...
    @overload
    def __sub__(self, other: TimeDuration | timedelta) -> Self: ...
    def __sub__(self, other: Timestamp | TimeDuration | timedelta) -> Self | TimeDuration:
        if isinstance(other, Timestamp):
            return TimeDuration(self.micros - other.micros)
        if not isinstance(other, TimeDuration | timedelta):
            return NotImplemented
        return type(self)(self.micros - _span_micros(other))


class TimeDuration(msgspec.Struct, frozen=True, gc=False, order=True):
    """A span of time in microseconds, 64 bits, perhaps negative.

    Examples
    --------
    >>> from stdb import TimeDuration
    >>> from datetime import timedelta
    >>> str(TimeDuration.from_timedelta(timedelta(seconds=1.5)))
    '+1.500000'
    """

    micros: int

    def __post_init__(self) -> None:
        if self.micros.__class__ is not int or not I64_MIN <= self.micros <= I64_MAX:
            _check_micros("TimeDuration", self.micros)

    @classmethod
    def from_micros(cls, micros: int) -> Self:
        """Return the span of `micros` microseconds."""
        return cls(micros)

    @classmethod
    def from_timedelta(cls, span: timedelta) -> Self:
        """Return `span` exactly."""
        if not isinstance(span, timedelta):
            raise TypeError(f"expected a timedelta, not {shorten(span)}")
        return cls(span // _MICRO)

    def to_timedelta(self) -> timedelta:
        """Return the span as a timedelta."""
        return timedelta(microseconds=self.micros)

    def __str__(self) -> str:
        seconds, micros = divmod(abs(self.micros), 1_000_000)
        return f"{'-' if self.micros < 0 else '+'}{seconds}.{micros:06}"

    def __add__(self, other: TimeDuration | timedelta) -> Self:
        if not isinstance(other, TimeDuration | timedelta):
            return NotImplemented
        return type(self)(self.micros + _span_micros(other))

    __radd__ = __add__

    def __sub__(self, other: TimeDuration | timedelta) -> Self:
        if not isinstance(other, TimeDuration | timedelta):
            return NotImplemented
        return type(self)(self.micros - _span_micros(other))

    def __mul__(self, factor: int) -> Self:
        if not isinstance(factor, int):
            return NotImplemented
        return type(self)(self.micros * factor)

    __rmul__ = __mul__

    def __neg__(self) -> Self:
        return type(self)(-self.micros)

    def __abs__(self) -> Self:
        return type(self)(abs(self.micros))

    def __bool__(self) -> bool:
        return self.micros != 0


def _span_micros(span: TimeDuration | timedelta) -> int:
    return span.micros if isinstance(span, TimeDuration) else span // _MICRO


_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class ScheduleAt(msgspec.Struct, frozen=True, gc=False):
    """When a scheduled function runs: once at a moment, or every so often.

    Make one with `at` or `every`. Ordered with all intervals before all moments.

    Examples
    --------
    >>> from datetime import timedelta
    >>> from stdb import ScheduleAt, Timestamp
    >>> ScheduleAt.every(timedelta(seconds=5)).interval
    TimeDuration(micros=5000000)
    >>> ScheduleAt.at(Timestamp.from_micros(0)).time
    Timestamp(micros=0)
    """

    moment: Timestamp | TimeDuration

    def __post_init__(self) -> None:
        if self.moment.__class__ is not Timestamp and self.moment.__class__ is not TimeDuration:
            raise TypeError(
                f"ScheduleAt takes a Timestamp or a TimeDuration, not {shorten(self.moment)}; "
                "see ScheduleAt.at() and ScheduleAt.every()"
            )

    @classmethod
    def at(cls, moment: Timestamp | datetime) -> Self:
        """Return the schedule that fires once, at `moment` (a datetime must be aware)."""
        if isinstance(moment, datetime):
            moment = Timestamp.from_datetime(moment)
        if not isinstance(moment, Timestamp):
            raise TypeError(f"expected a Timestamp or an aware datetime, not {shorten(moment)}")
        return cls(moment)

    @classmethod
    def every(cls, interval: TimeDuration | timedelta) -> Self:
        """Return the schedule that fires again and again, each `interval`."""
        if isinstance(interval, timedelta):
            interval = TimeDuration.from_timedelta(interval)
        if not isinstance(interval, TimeDuration):
            raise TypeError(f"expected a TimeDuration or a timedelta, not {shorten(interval)}")
        return cls(interval)

    @property
    def interval(self) -> TimeDuration | None:
        """The interval, or None when it fires once."""
        return self.moment if isinstance(self.moment, TimeDuration) else None

    @property
    def time(self) -> Timestamp | None:
        """The moment, or None when it fires again and again."""
        return self.moment if isinstance(self.moment, Timestamp) else None

    def sort_key(self) -> tuple[int, int]:
        """Return ``(tag, micros)``, which orders schedules as SATS does."""
        return (self.moment.__class__ is Timestamp, self.moment.micros)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, ScheduleAt):
            return NotImplemented
        return self.sort_key() < other.sort_key()

    def __le__(self, other: object) -> bool:
        if not isinstance(other, ScheduleAt):
            return NotImplemented
        return self.sort_key() <= other.sort_key()

    def __gt__(self, other: object) -> bool:
        if not isinstance(other, ScheduleAt):
            return NotImplemented
        return self.sort_key() > other.sort_key()

    def __ge__(self, other: object) -> bool:
        if not isinstance(other, ScheduleAt):
            return NotImplemented
        return self.sort_key() >= other.sort_key()


def _number_from_hex(text: str, kind: str, digits: int) -> int:
    if not isinstance(text, str):
        raise TypeError(f"expected {digits} hex digits as a str, not {shorten(text)}")
    bare = text[2:] if text[:2] in ("0x", "X'") else text
    if not re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", bare):
        raise ValueError(f"{kind} takes exactly {digits} hex digits, got {shorten(text)}")
    return int(bare, 16)


def _number_from_bytes(data: bytes, kind: str, size: int) -> int:
    if len(data) != size:
        raise ValueError(f"{kind} takes {size} bytes, got {len(data)}")
    return int.from_bytes(data, "little")


class Identity(msgspec.Struct, frozen=True, gc=False, order=True):
    """Who someone is: 256 bits, the same in every database; shown as 64 hex digits.

    `value` is the number; identities are ordered by it.

    Examples
    --------
    >>> from stdb import Identity
    >>> someone = Identity.from_claims("http://localhost", "alice")
    >>> str(someone)
    'c2005bed7d1568285f2d8c211c9464ba93678ff552324a0d04c83bbeaabd6b96'
    >>> Identity.from_hex(str(someone)) == someone
    True
    """

    value: int

    def __post_init__(self) -> None:
        if self.value.__class__ is not int or not 0 <= self.value < 1 << 256:
            raise ValueError(f"an Identity is a number of 256 bits, not {shorten(self.value)}")

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """Return the identity of 64 hex digits, of any case, with or without ``0x``."""
        return cls(_number_from_hex(text, "Identity", 64))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the identity of 32 little-endian bytes, as BSATN has them."""
        return cls(_number_from_bytes(data, "Identity", 32))

    @classmethod
    def from_claims(cls, issuer: str, subject: str) -> Self:
        """Return the identity of an OpenID Connect issuer and subject.

        Its big-endian bytes are ``c2 00``, four bytes of checksum, and the first 26 bytes of the
        BLAKE3 hash of ``issuer|subject``; the checksum is the start of the BLAKE3 hash of the rest.
        """
        from blake3 import blake3

        body = b"\xc2\x00" + blake3(f"{issuer}|{subject}".encode()).digest()[:26]
        checksum = blake3(body).digest()[:4]
        return cls(int.from_bytes(body[:2] + checksum + body[2:], "big"))

    @classmethod
    def fresh(cls) -> Self:
        """Return a new identity that nobody else has: that of a random subject."""
        import uuid

        return cls.from_claims("localhost", str(uuid.uuid4()))

    def to_bytes(self) -> bytes:
        """Return the 32 little-endian bytes that BSATN has."""
        return self.value.to_bytes(32, "little")

    def hex(self) -> str:
        """Return the 64 hex digits."""
        return f"{self.value:064x}"

    __str__ = hex

    def __repr__(self) -> str:
        return f"Identity.from_hex('{self.value:064x}')"


class ConnectionId(msgspec.Struct, frozen=True, gc=False, order=True):
    """One connection of an identity: 128 bits, shown as 32 hex digits; 0 stands for none."""

    value: int

    def __post_init__(self) -> None:
        if self.value.__class__ is not int or not 0 <= self.value < 1 << 128:
            raise ValueError(f"a ConnectionId is a number of 128 bits, not {shorten(self.value)}")

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """Return the connection id of 32 hex digits, of any case, with or without ``0x``."""
        return cls(_number_from_hex(text, "ConnectionId", 32))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the connection id of 16 little-endian bytes, as BSATN has them."""
        return cls(_number_from_bytes(data, "ConnectionId", 16))

    @classmethod
    def fresh(cls) -> Self:
        """Return a random connection id, never 0."""
        import secrets

        return cls(secrets.randbits(128) or 1)

    def to_bytes(self) -> bytes:
        """Return the 16 little-endian bytes that BSATN has."""
        return self.value.to_bytes(16, "little")

    def hex(self) -> str:
        """Return the 32 hex digits."""
        return f"{self.value:032x}"

    __str__ = hex

    def __repr__(self) -> str:
        return f"ConnectionId.from_hex('{self.value:032x}')"
