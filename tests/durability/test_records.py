"""The bytes of the log, against an example worked out by hand, and what replay makes of them."""

import linecache
import random
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.durability.bank import balances, bank, contents

import stdb
from stdb import ConnectionId, Database, Identity, Module, ReducerContext, Row, primary_key, u32
from stdb.durability.format import (
    COMMIT_HEADERS,
    crc32c,
    cut_name,
    frame,
    read_varint,
    varint,
)
from stdb.durability.segments import LogReader
from stdb.durability.skip import fixed_size, make_skipper, skip_value
from stdb.types import algebraic as at

adder = Module("adder")


@adder.table()
class Pair(Row):
    """A row of five bytes and a text."""

    id: u32 = primary_key()
    text: str


@adder.reducer
def add(ctx: ReducerContext) -> None:
    ctx.db[Pair].insert(Pair(id=1, text="ab"))


#: Reducer ``add``, called by bytes 00 to 1f over connection 0, one second after 1970: inserts
#: ``(1, "ab")`` into table 4096.
BODY = bytes.fromhex(
    "a0"
    "3c000000" "03" "616464" + bytes(range(32)).hex() + "00" * 16 + "40420f0000000000"
    "01" "00100000" "01" "01000000" "02000000" "6162"
    "00" "00"
)  # fmt: skip


def test_checksum_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"6789", crc32c(b"12345")) == 0xE3069283


def test_commit_is_laid_out_as_specified() -> None:
    commit = frame(7, 0, BODY)
    assert commit.hex().startswith("07000000000000000000000000000000010053000000a0")
    assert commit[-4:].hex() == "ae339e38"
    old = COMMIT_HEADERS[0].pack(7, 1, len(BODY)) + BODY
    assert crc32c(old) == 0xAB61973C


def test_call_is_recorded_as_specified(tmp_path: Path) -> None:
    db = Database(adder, path=tmp_path / "adder", clock=stdb.ManualClock(1_000_000))
    with db:
        sender = Identity(int.from_bytes(bytes(range(32)), "little"))
        db._run(db._reducers["add"], (), sender, ConnectionId(0))
    *_, last = LogReader(tmp_path / "adder" / "clog").commits()
    assert last.body.hex() == BODY.hex()
    assert (last.offset, last.epoch, last.size) == (1, 0, 1)


@given(st.integers(0, 2**64 - 1))
def test_varint_comes_back(number: int) -> None:
    assert read_varint(b"\xff" + varint(number) + b"\x01", 1) == (number, 1 + len(varint(number)))


def test_long_name_is_cut_between_characters() -> None:
    assert cut_name("é" * 200) == ("é" * 127).encode()
    assert cut_name("short") == b"short"


TYPES = st.recursive(
    st.sampled_from([at.U8, at.I64, at.STRING, at.BYTES, at.U256, at.BOOL, at.UNIT, at.F32]),
    lambda inner: st.one_of(
        inner.map(at.Array),
        inner.map(at.option),
        st.lists(inner, max_size=3).map(
            lambda types: at.Product(tuple(at.Element(f"c{i}", t) for i, t in enumerate(types)))
        ),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda types: at.Sum(tuple(at.Element(f"v{i}", t) for i, t in enumerate(types)))
        ),
    ),
    max_leaves=8,
)


def some_value(type_: at.AlgebraicType, rng: random.Random) -> bytes:
    """The bytes of a random value."""
    size = fixed_size(type_)
    match type_:
        case at.Product(elements=elements):
            return b"".join(some_value(element.type, rng) for element in elements)
        case at.Sum(variants=variants):
            tag = rng.randrange(len(variants))
            return bytes((tag,)) + some_value(variants[tag].type, rng)
        case at.Array(element=element):
            count = rng.randrange(4)
            items = [some_value(element, rng) for _ in range(count)]
            return count.to_bytes(4, "little") + b"".join(items)
    if size is None:
        count = rng.randrange(5)
        return count.to_bytes(4, "little") + b"x" * count
    return rng.randbytes(size)


@given(TYPES, st.integers(0, 2**32))
def test_skipping_ends_where_the_value_ends(type_: at.AlgebraicType, seed: int) -> None:
    """The generated function agrees with its slow twin, and with how the value was made."""
    data = some_value(type_, random.Random(seed))
    padded = b"\x07" + data + b"\x07"
    assert make_skipper(type_)(padded, 1, len(padded)) == 1 + len(data)
    assert skip_value(type_, padded, 1) == 1 + len(data)


# -- interrupts ------------------------------------------------------------------------------------


#: Where a call goes from its commit on; what comes before has tests of its own.
FROM_COMMIT_ON = ("/storage/store.py", "/storage/state.py")


class Interrupt:
    """Raises `KeyboardInterrupt` before the n-th line that the database runs in this thread."""

    def __init__(self, at_line: int) -> None:
        self.left = at_line

    def trace(self, frame_: FrameType, event: str, _argument: object) -> Any:
        name = frame_.f_code.co_filename.replace("\\", "/")
        if "/stdb/durability/" not in name and not name.endswith(FROM_COMMIT_ON):
            return self.trace if "/stdb/" in name else None
        code = linecache.getline(frame_.f_code.co_filename, frame_.f_lineno).strip()
        # Python looks for no interrupt where a `try` begins, nor before it leaves a `with`.
        if event == "line" and code != "try:" and not code.startswith("with "):
            self.left -= 1
            if not self.left:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self.trace


@pytest.mark.parametrize("mode", ["async", "sync", None])
def test_interrupted_call_is_in_memory_and_in_the_log_or_in_neither(
    tmp_path: Path, mode: str | None
) -> None:
    """At every line of a call, the waiting for the disk included: each commit is logged once."""
    path = tmp_path / "bank"
    done = False
    line = 0
    with Database(bank, path=path, durability=mode) as db:  # type: ignore[arg-type]
        db.call("transfer", 1, 2, 1)
        while not done:
            line += 1
            before = balances(db)
            sys.settrace(Interrupt(line).trace)
            try:
                db.call("transfer", 1, 2, 1)
                done = True
            except KeyboardInterrupt:
                pass
            finally:
                sys.settrace(None)
            after = balances(db)
            assert after[2] - before[2] in (0, 1)
            db.check()
            db.flush()  # begins again what the interrupt has stopped
        assert line > 40
        expected = contents(db)
        moved = balances(db)[2] - 1_000
    with Database(bank, path=path) as again:
        assert contents(again) == expected
        assert again.recovery is not None
        assert again.recovery.transactions == 1 + moved
        assert again.recovery.torn == ""
