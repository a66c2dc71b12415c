"""Values to call reducers with: random ones of any shape, those of the database, simpler ones.

A module's mistakes lie where arguments meet what is stored: the id of a row that is there, an
amount that is one more than the balance. A `Pool` collects the values of a database by type, and
`draw` prefers them and their neighbours to values out of the blue. `simpler` is what a failure is
made readable with.
"""

from __future__ import annotations

import string
import struct
import uuid
from typing import TYPE_CHECKING, Any, Final

from ..types import shapes as sh
from ..types.exact import NAN
from ..types.sums import Err, Ok, Some
from ..types.values import ConnectionId, Identity, ScheduleAt, TimeDuration, Timestamp

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator

    from ..database import Database

#: How many rows of each table are looked at, from its beginning and its end.
_ROWS_MAX: Final = 16
_ITEMS_MAX: Final = 4
_CHARACTERS: Final = string.ascii_letters + string.digits + " '\"\\%_-é☃😀\n\0"
_FLOATS: Final = (0.0, -0.0, 1.0, -1.0, 0.5, float("inf"), float("-inf"), NAN, 1e300, 1e-300)
#: 2000 to 2100, in microseconds: what `datetime` shows without trouble.
SOME_TIMES: Final = (946_684_800_000_000, 4_102_444_800_000_000)
WRAP: Final[dict[type[Any], Callable[[int], Any]]] = {
    Identity: Identity,
    ConnectionId: ConnectionId,
    Timestamp: Timestamp,
    TimeDuration: TimeDuration,
    uuid.UUID: lambda number: uuid.UUID(int=number),
}


def key_of(shape: sh.Shape) -> object:
    """Return what values of one kind have in common, to tell where a value might fit."""
    if isinstance(shape, sh.Int):
        return int  # a balance of 64 bits is compared with an amount of 32
    return shape.cls if isinstance(shape, sh.Record | sh.PlainEnum | sh.Tagged) else str(shape)


class Pool:
    """The values that a database holds, each once, by the kind of their type."""

    def __init__(self) -> None:
        self._values: dict[object, dict[Any, None]] = {}
        #: Those of unique columns: an argument often names a row.
        self._keys: dict[object, dict[Any, None]] = {}

    @classmethod
    def of(cls, database: Database, identities: Iterable[Identity] = ()) -> Pool:
        """Return the values of a database's tables, and some identities."""
        pool = cls()
        for identity in identities:
            pool._add(sh.IDENTITY, identity)
        with database._store.reading() as store:
            for name in store.user_table_names():
                table = store[name]
                kept = list(table.rows.values())
                if len(kept) > 2 * _ROWS_MAX:
                    kept = kept[:_ROWS_MAX] + kept[-_ROWS_MAX:]
                fields = table.shape.fields
                keys = {c.columns[0] for c in table.definition.constraints if len(c.columns) == 1}
                for row in kept:
                    for position, field in enumerate(fields):
                        value = getattr(row, field.attribute)
                        pool._add(field.shape, value)
                        if position in keys:
                            pool._keys.setdefault(key_of(field.shape), {})[value] = None
        return pool

    def of_kind(self, shape: sh.Shape, *, keys: bool = False) -> list[Any]:
        """Return the values that a parameter of this shape could take, or only keys of rows."""
        known = (self._keys if keys else self._values).get(key_of(shape), ())
        if isinstance(shape, sh.Int):
            return [value for value in known if shape.low <= value <= shape.high]
        return list(known)

    def _add(self, shape: sh.Shape, value: Any) -> None:
        match shape:
            case sh.Record(fields=fields):
                for field in fields:
                    self._add(field.shape, getattr(value, field.attribute))
            case sh.Option(some=some):
                if value is not None:
                    self._add(some, value.value if shape.wraps else value)
                return
            case sh.Sequence(element=element):
                for each in value[:_ROWS_MAX]:
                    self._add(element, each)
                return
        self._values.setdefault(key_of(shape), {})[value] = None


def neighbour(shape: sh.Shape, value: Any, step: int) -> Any:
    """Return an integer, or a moment, moved by `step` within its range; others as they are."""
    if isinstance(shape, sh.Int):
        return min(max(value + step, shape.low), shape.high)
    if shape is sh.TIMESTAMP or shape is sh.TIME_DURATION:
        whole = sh.I64
        return type(value)(min(max(value.micros + step, whole.low), whole.high))
    return value


def draw(rng: random.Random, shape: sh.Shape, pool: Pool) -> Any:
    """Return a value: of the database, next to one of those, or any."""
    kind = rng.random()
    known = pool.of_kind(shape, keys=kind < 0.4)
    if not known or kind > 0.75:
        return any_value(rng, shape)
    return neighbour(shape, rng.choice(known), rng.choice((0, 0, 0, 1, -1)))


def any_value(rng: random.Random, shape: sh.Shape) -> Any:
    """Return a random exact value of a shape, more often a small or an extreme one."""
    match shape:
        case sh.Bool():
            return rng.random() < 0.5
        case sh.Int():
            return _integer(rng, shape)
        case sh.Float(bits=bits):
            chosen = rng.choice(_FLOATS) if rng.random() < 0.5 else rng.uniform(-1000, 1000)
            return _narrow(chosen) if bits == 32 else chosen
        case sh.Text():
            return "".join(rng.choices(_CHARACTERS, k=rng.choice((0, 1, 3, 12))))
        case sh.Blob():
            return rng.randbytes(rng.choice((0, 1, 8)))
        case sh.Unit():
            return None
        case sh.Wrapped(cls=cls):
            if shape is sh.TIMESTAMP and rng.random() < 0.8:
                return Timestamp(rng.randint(*SOME_TIMES))
            return WRAP[cls](_integer(rng, sh.INTS[shape.bits, shape.signed]))
        case sh.Schedule():
            return ScheduleAt(any_value(rng, rng.choice((sh.TIME_DURATION, sh.TIMESTAMP))))
        case sh.Sequence(element=element):
            return tuple(any_value(rng, element) for _ in range(rng.choice((0, 1, _ITEMS_MAX))))
        case sh.Option(some=some, wraps=wraps):
            if rng.random() < 0.4:
                return None
            value = any_value(rng, some)
            return Some(value) if wraps else value
        case sh.Result(ok=ok, err=err):
            return Ok(any_value(rng, ok)) if rng.random() < 0.5 else Err(any_value(rng, err))
        case sh.Record(cls=cls, fields=fields):
            return cls(**{f.attribute: any_value(rng, f.shape) for f in fields})
        case sh.PlainEnum(members=members):
            return rng.choice(members)
        case sh.Tagged():
            return _variant(rng, shape)
    raise TypeError(f"no values of {shape!r}")


def _variant(rng: random.Random, shape: sh.Tagged) -> Any:
    tag = rng.randrange(len(shape.variants))
    name, payload = shape.variants[tag]
    if isinstance(payload, sh.Unit):
        return getattr(shape.cls, str(name))
    return shape.classes[tag](any_value(rng, payload))


def _integer(rng: random.Random, shape: sh.Int) -> int:
    low, high = shape.low, shape.high
    kind = rng.random()
    if kind < 0.5:
        return rng.randint(max(low, -10), min(high, 10))
    if kind < 0.75:
        return rng.randint(max(low, -10_000), min(high, 10_000))
    if kind < 0.85:
        return rng.choice((low, high))
    return rng.randint(low, high)


def _narrow(value: float) -> float:
    try:
        narrow: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return 0.0
    return NAN if narrow != narrow else narrow


def simpler(shape: sh.Shape, value: Any) -> Iterator[Any]:
    """Yield values of a shape that are simpler than `value`, the simplest first."""
    match shape:
        case sh.Bool():
            yield from (False,) if value else ()
        case sh.Int():
            yield from (other for other in _simpler_integers(value) if other <= shape.high)
        case sh.Float():
            if value not in (0.0, 1.0):
                yield from (0.0, 1.0)
                if abs(value) < 1e15 and value != int(value):
                    yield float(int(value))
        case sh.Text() | sh.Blob() | sh.Sequence():
            half = len(value) // 2
            if value:
                yield value[:0]
            if half:
                yield from (value[:half], value[half:], value[1:])
            if isinstance(shape, sh.Sequence):
                for position, each in enumerate(value):
                    for other in simpler(shape.element, each):
                        yield (*value[:position], other, *value[position + 1 :])
        case sh.Option(some=some, wraps=wraps):
            if value is not None:
                yield None
                for other in simpler(some, value.value if wraps else value):
                    yield Some(other) if wraps else other
        case sh.Record(cls=cls, fields=fields):
            parts = {f.attribute: getattr(value, f.attribute) for f in fields}
            for field in fields:
                for other in simpler(field.shape, parts[field.attribute]):
                    yield cls(**{**parts, field.attribute: other})
        case sh.PlainEnum(members=members):
            yield from members[: members.index(value)]
        case sh.Wrapped(cls=cls, attribute=attribute):
            if cls in (Timestamp, TimeDuration):
                for number in _simpler_integers(getattr(value, attribute)):
                    if number <= sh.I64.high:
                        yield cls(number)


def _simpler_integers(value: int) -> Iterator[int]:
    """Yield integers nearer to 0, and a positive one for a negative one."""
    if value > 0:
        yield from sorted({0, value // 2, value - 1})
    elif value < 0:
        yield -value
        yield from sorted({0, -(-value // 2), value + 1}, reverse=True)
