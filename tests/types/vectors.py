"""Values of documented types, with their bytes and their JSON: computed from the documentation."""

from __future__ import annotations

import uuid
from typing import Any, Final, NamedTuple

from stdb.types import algebraic as at
from stdb.types import shapes as sh
from stdb.types.sums import Err, Ok, Some, unit_variant
from stdb.types.values import ConnectionId, Identity, ScheduleAt, TimeDuration, Timestamp

INF: Final = float("inf")
POINT: Final = at.product(x=at.I32, y=at.I32)
COLOUR: Final = at.sum_of(Red=at.UNIT, Green=at.UNIT, Blue=at.UNIT)
FIGURE: Final = at.sum_of(Circle=at.F64, Rect=POINT, Empty=at.UNIT)
USER: Final = at.product(
    id=at.U64, name=at.STRING, tags=at.Array(at.STRING), owner=at.option(at.IDENTITY)
)
ALICE: Final = "c2000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e"
EPOCH_2023: Final = 1_700_000_000_000_000


class Tag(NamedTuple):
    """A value of a sum: the number of its variant, and what `build` makes the payload of."""

    tag: int
    payload: Any = None


class Vector(NamedTuple):
    """A value, written without the classes that its shape makes, and its encodings."""

    type: at.AlgebraicType
    plain: Any
    bsatn: str
    named: str
    #: Where it differs from `named`.
    untyped: str | None = None


# Each line is one vector, to be compared with the documentation by eye.
# fmt: off
VECTORS: Final = [
    Vector(at.BOOL, True, "01", "true"),
    Vector(at.BOOL, False, "00", "false"),
    Vector(at.U8, 255, "ff", "255"),
    Vector(at.I8, -1, "ff", "-1"),
    Vector(at.I8, -128, "80", "-128"),
    Vector(at.U16, 0x1234, "3412", "4660"),
    Vector(at.I16, -2, "feff", "-2"),
    Vector(at.U32, 0x12345678, "78563412", "305419896"),
    Vector(at.I32, -123456, "c01dfeff", "-123456"),
    Vector(at.U64, 2**64 - 1, "ff" * 8, "18446744073709551615"),
    Vector(at.U64, 2**53 + 1, "0100000000002000", "9007199254740993"),
    Vector(at.I64, -1, "ff" * 8, "-1"),
    Vector(at.I64, -(2**63), "0000000000000080", "-9223372036854775808"),
    Vector(at.U128, 2**64, "00000000000000000100000000000000", "18446744073709551616"),
    Vector(at.U128, 2**128 - 1, "ff" * 16, "340282366920938463463374607431768211455"),
    Vector(at.I128, -2, "fe" + "ff" * 15, "-2"),
    Vector(at.U256, 42, "2a" + "00" * 31, '"0x2a"'),
    Vector(at.U256, 0, "00" * 32, '"0x0"'),
    Vector(at.U256, 2**255, "00" * 31 + "80", f'"0x8{"0" * 63}"'),
    Vector(at.I256, -42, "d6" + "ff" * 31, '"-0x2a"'),
    Vector(at.F32, 1.0, "0000803f", "1.0"),
    Vector(at.F32, 0.10000000149011612, "cdcccc3d", "0.1"),
    Vector(at.F32, -0.0, "00000080", "-0.0"),
    Vector(at.F32, 2.0**24, "0000804b", "16777216.0"),
    Vector(at.F64, 3.14, "1f85eb51b81e0940", "3.14"),
    Vector(at.F64, 1e16, "0080e03779c34143", "1e16"),
    Vector(at.F64, 1e15, "00003426f56b0c43", "1000000000000000.0"),
    Vector(at.F64, 1e-5, "f168e388b5f8e43e", "0.00001"),
    Vector(at.F64, 1e-6, "8dedb5a0f7c6b03e", "1e-6"),
    Vector(at.STRING, "", "00000000", '""'),
    Vector(at.STRING, "hi", "020000006869", '"hi"'),
    Vector(at.STRING, "é☃", "05000000c3a9e29883", '"é☃"'),
    Vector(at.BYTES, b"", "00000000", '""'),
    Vector(at.BYTES, b"\xde\xad\xbe\xef", "04000000deadbeef", '"deadbeef"'),
    Vector(at.Array(at.U16), (1, 2), "0200000001000200", "[1,2]"),
    Vector(at.Array(at.STRING), ("a", "bc"), "020000000100000061020000006263", '["a","bc"]'),
    Vector(at.Array(at.Array(at.BOOL)), ((True,), ()), "02000000010000000100000000", "[[true],[]]"),
    Vector(at.UNIT, None, "", "[]"),
    Vector(POINT, (1, -1), "01000000ffffffff", '{"x":1,"y":-1}', "[1,-1]"),
    Vector(at.Array(POINT), ((1, 2),), "010000000100000002000000", '[{"x":1,"y":2}]', "[[1,2]]"),
    Vector(at.option(at.U32), Tag(0, 7), "0007000000", '{"some":7}', "[0,7]"),
    Vector(at.option(at.U32), Tag(1), "01", '{"none":[]}', "[1,[]]"),
    Vector(at.option(at.option(at.U8)), Tag(0, Tag(1)), "0001",
           '{"some":{"none":[]}}', "[0,[1,[]]]"),
    Vector(at.result(at.U8, at.STRING), Tag(0, 42), "002a", '{"ok":42}', "[0,42]"),
    Vector(at.result(at.U8, at.STRING), Tag(1, "no"), "01020000006e6f", '{"err":"no"}', '[1,"no"]'),
    Vector(COLOUR, Tag(2), "02", '{"Blue":[]}', "[2,[]]"),
    Vector(FIGURE, Tag(0, 0.5), "00000000000000e03f", '{"Circle":0.5}', "[0,0.5]"),
    Vector(FIGURE, Tag(1, (3, 4)), "010300000004000000", '{"Rect":{"x":3,"y":4}}', "[1,[3,4]]"),
    Vector(FIGURE, Tag(2), "02", '{"Empty":[]}', "[2,[]]"),
    Vector(at.IDENTITY, Identity.from_hex(ALICE),
           "1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100c2",
           f'{{"__identity__":"0x{ALICE}"}}', f'["0x{ALICE}"]'),
    Vector(at.IDENTITY, Identity(0), "00" * 32, '{"__identity__":"0x0"}', '["0x0"]'),
    Vector(at.CONNECTION_ID, ConnectionId.from_hex("ff0102030405060708090a0b0c0d0e0f"),
           "0f0e0d0c0b0a090807060504030201ff",
           '{"__connection_id__":338958372025759790396521755767219228175}',
           "[338958372025759790396521755767219228175]"),
    Vector(at.TIMESTAMP, Timestamp(EPOCH_2023), "00401e18240a0600",
           '{"__timestamp_micros_since_unix_epoch__":1700000000000000}', "[1700000000000000]"),
    Vector(at.TIMESTAMP, Timestamp(-1), "ff" * 8,
           '{"__timestamp_micros_since_unix_epoch__":-1}', "[-1]"),
    Vector(at.TIME_DURATION, TimeDuration(10_000), "1027000000000000",
           '{"__time_duration_micros__":10000}', "[10000]"),
    Vector(at.SCHEDULE_AT, ScheduleAt(TimeDuration(10_000)), "001027000000000000",
           '{"Interval":{"__time_duration_micros__":10000}}', "[0,[10000]]"),
    Vector(at.SCHEDULE_AT, ScheduleAt(Timestamp(EPOCH_2023)), "0100401e18240a0600",
           '{"Time":{"__timestamp_micros_since_unix_epoch__":1700000000000000}}',
           "[1,[1700000000000000]]"),
    Vector(at.UUID, uuid.UUID("01888d6e-5c00-7000-8000-000000000000"),
           "00000000000000800070005c6e8d8801",
           '{"__uuid__":2038248931870793702824066173118709760}',
           "[2038248931870793702824066173118709760]"),
    Vector(USER, (1, "Ann", ("x",), Tag(1)), "010000000000000003000000416e6e01000000010000007801",
           '{"id":1,"name":"Ann","tags":["x"],"owner":{"none":[]}}', '[1,"Ann",["x"],[1,[]]]'),
]
# fmt: on


def build(shape: sh.Shape, plain: Any) -> Any:
    """The exact value of `shape` that `plain` writes."""
    match shape:
        case sh.Sequence(element=element):
            return tuple(build(element, item) for item in plain)
        case sh.Record(cls=cls, fields=fields):
            parts = zip(fields, plain, strict=True)
            return cls(**{f.attribute: build(f.shape, part) for f, part in parts})
        case sh.Option(some=some):
            if plain.tag == 1:
                return None
            value = build(some, plain.payload)
            return Some(value) if shape.wraps else value
        case sh.Result(ok=ok, err=err):
            return Err(build(err, plain.payload)) if plain.tag else Ok(build(ok, plain.payload))
        case sh.PlainEnum(members=members):
            return members[plain.tag]
        case sh.Tagged(variants=variants, classes=classes):
            cls, payload = classes[plain.tag], variants[plain.tag][1]
            if isinstance(payload, sh.Unit):
                return unit_variant(cls)
            return cls(build(payload, plain.payload))
    return plain
