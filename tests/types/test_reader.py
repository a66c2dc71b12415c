"""The hand-laid-out BSATN of `stdb.types.reader`."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stdb.errors import DecodeError, TypeMismatch
from stdb.types.reader import EMPTY_ITEMS_MAX, Reader, Writer

WIDTHS = {"u8": (8, False), "u16": (16, False), "u32": (32, False), "u64": (64, False)}
WIDTHS["i128"] = (128, True)


def limits(name: str) -> tuple[int, int]:
    bits, signed = WIDTHS[name]
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


@pytest.mark.parametrize("name", WIDTHS)
def test_an_integer_is_little_endian_and_as_wide_as_its_name_says(name: str) -> None:
    bits, signed = WIDTHS[name]
    for value in (*limits(name), 1):
        writer = Writer()
        getattr(writer, name)(value)
        assert writer.finish() == value.to_bytes(bits // 8, "little", signed=signed)
        assert getattr(Reader(writer.finish()), name)() == value


@pytest.mark.parametrize("name", WIDTHS)
def test_an_integer_out_of_range_is_not_written(name: str) -> None:
    low, high = limits(name)
    for value in (low - 1, high + 1, 1.0, "1", None):
        with pytest.raises(TypeMismatch) as caught:
            getattr(Writer(), name)(value)
        assert caught.value.expected == name
        assert caught.value.got == value


@pytest.mark.parametrize("name", WIDTHS)
def test_too_few_bytes_for_an_integer_say_how_many_there_should_be(name: str) -> None:
    size = WIDTHS[name][0] // 8
    reader = Reader(b"\0" * 7 + b"\1" * (size - 1), 7)
    with pytest.raises(DecodeError) as caught:
        getattr(reader, name)()
    text = f"at byte 7: data too short for {name}: expected {size} bytes, given {size - 1}"
    assert str(caught.value) == text
    assert caught.value.offset == 7


def test_a_string_is_its_length_in_bytes_and_utf8() -> None:
    writer = Writer()
    writer.str("é☃")
    assert writer.finish() == bytes.fromhex("05000000c3a9e29883")
    assert Reader(writer.finish()).str() == "é☃"


def test_a_string_longer_than_the_input_is_refused() -> None:
    with pytest.raises(DecodeError, match=r"data too short for \[u8\]: expected 3 bytes, given 1"):
        Reader(bytes.fromhex("0300000061")).str()


def test_bytes_that_are_no_utf8_are_refused_where_they_stop_being_it() -> None:
    with pytest.raises(DecodeError, match="invalid utf8") as caught:
        Reader(bytes.fromhex("0200000061ff")).str()
    assert caught.value.offset == 5


@pytest.mark.parametrize("value", [b"text", 1, "\ud800"])
def test_only_text_is_written_as_a_string(value: object) -> None:
    with pytest.raises(TypeMismatch, match="is not a str"):
        Writer().str(value)


def test_only_bytes_are_written_as_bytes() -> None:
    with pytest.raises(TypeMismatch, match="'de' is not bytes"):
        Writer().bytes("de")


def test_a_bool_is_one_byte() -> None:
    writer = Writer()
    writer.bool(True)
    writer.bool(False)
    assert writer.finish() == b"\1\0"
    reader = Reader(writer.finish())
    assert [reader.bool(), reader.bool()] == [True, False]


def test_a_bool_byte_above_one_is_refused_with_its_value() -> None:
    reader = Reader(b"\0\2", 1)
    with pytest.raises(DecodeError, match="a bool is 0 or 1, not 2") as caught:
        reader.bool()
    assert caught.value.offset == 1


def test_only_a_bool_is_written_as_a_bool() -> None:
    with pytest.raises(TypeMismatch, match="1 is not a bool"):
        Writer().bool(1)


def test_an_option_has_zero_for_a_value_and_one_for_none() -> None:
    writer = Writer()
    writer.opt(7, writer.u8)
    writer.opt(None, writer.u8)
    assert writer.finish() == bytes.fromhex("000701")
    reader = Reader(writer.finish())
    assert [reader.opt(reader.u8), reader.opt(reader.u8)] == [7, None]


def test_another_tag_of_an_option_is_refused() -> None:
    reader = Reader(b"\2")
    with pytest.raises(DecodeError, match="unknown tag 0x2 for sum type option"):
        reader.opt(reader.u8)


def test_a_tag_without_variant_is_refused_in_hex_with_the_name_of_the_sum() -> None:
    with pytest.raises(DecodeError, match="unknown tag 0x1f for sum type Fruit") as caught:
        Reader(b"\x1f").tag(3, "Fruit")
    assert caught.value.offset == 0
    with pytest.raises(DecodeError, match="for sum type <unknown>"):
        Reader(b"\3").tag(3)


def test_a_list_is_its_count_and_its_items() -> None:
    writer = Writer()
    writer.vec([1, 2], writer.u16)
    assert writer.finish() == bytes.fromhex("0200000001000200")
    reader = Reader(writer.finish())
    assert reader.vec(reader.u16, 2) == (1, 2)


def test_a_count_that_the_input_cannot_hold_is_refused_before_anything_is_read() -> None:
    reader = Reader(bytes.fromhex("ffffffff0102"))
    read = []
    with pytest.raises(DecodeError, match=r"expected 8589934590 bytes, given 2"):
        reader.vec(lambda: read.append(reader.u16()), 2)
    assert read == []


def test_many_items_without_bytes_are_refused_at_once() -> None:
    reader = Reader(bytes.fromhex("ffffffff"))
    start = time.process_time()
    with pytest.raises(DecodeError, match="4294967295 items without bytes"):
        reader.vec(lambda: None, 0)
    assert time.process_time() - start < 1


def test_a_few_items_without_bytes_are_read() -> None:
    reader = Reader(EMPTY_ITEMS_MAX.to_bytes(4, "little"))
    assert len(reader.vec(lambda: None, 0)) == EMPTY_ITEMS_MAX


def test_reading_starts_at_the_offset_and_leaves_what_is_behind() -> None:
    reader = Reader(memoryview(b"xx\5yy"), 2)
    assert reader.u8() == 5
    assert (reader.offset, reader.remaining) == (3, 2)


def test_nesting_is_limited_and_leaving_makes_room() -> None:
    reader = Reader(b"")
    for _ in range(3):
        reader.enter(3)
    with pytest.raises(DecodeError, match="nested more than 3 deep"):
        reader.enter(3)
    reader.leave()
    reader.leave()
    reader.enter(3)


@given(st.lists(st.tuples(st.text(), st.none() | st.binary(), st.booleans())))
def test_what_is_written_is_read_again(rows: list[tuple[str, bytes | None, bool]]) -> None:
    writer = Writer()
    writer.vec(
        rows,
        lambda row: (writer.str(row[0]), writer.opt(row[1], writer.bytes), writer.bool(row[2])),
    )
    reader = Reader(writer.finish())
    read = reader.vec(lambda: (reader.str(), reader.opt(reader.bytes), reader.bool()), 6)
    assert list(read) == rows
    assert reader.remaining == 0
