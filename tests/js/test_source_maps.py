"""Places in a bundle are told as places in the author's files."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stdb.runtime.js.source_map import Place, SourceMap
from stdb.runtime.js.stacks import frames_of, thrown


def bundle(**data: object) -> str:
    encoded = base64.b64encode(json.dumps(data).encode()).decode()
    return f"let x;\n//# sourceMappingURL=data:application/json;charset=utf-8;base64,{encoded}\n"


def encode(*numbers: int) -> str:
    """Write numbers as a segment of a source map, by its definition."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    text = ""
    for number in numbers:
        left = abs(number) << 1 | (number < 0)
        while True:
            digit, left = left & 31, left >> 5
            text += alphabet[digit | (32 if left else 0)]
            if not left:
                break
    return text


def test_a_place_is_found_in_its_segment() -> None:
    mappings = f"{encode(0, 0, 0, 0)},{encode(10, 0, 5, 2)};;{encode(4, 1, -3, 7)}"
    found = SourceMap.of(bundle(version=3, sources=["a.ts", "b.ts"], mappings=mappings))
    assert found is not None
    assert found.place(1, 1) == Place("a.ts", 1, 1)
    assert found.place(1, 10) == Place("a.ts", 1, 1)
    assert found.place(1, 11) == Place("a.ts", 6, 3)
    assert found.place(2, 1) is None
    assert found.place(3, 2) is None
    assert found.place(3, 5) == Place("b.ts", 3, 10)
    assert found.place(99, 1) is None


@given(st.lists(st.integers(-(10**6), 10**6), min_size=4, max_size=5))
def test_numbers_of_every_size_are_read(numbers: list[int]) -> None:
    start, source, line, column = abs(numbers[0]), 0, abs(numbers[2]), abs(numbers[3])
    found = SourceMap(encode(start, source, line, column), ["a.ts"])
    assert found.place(1, start + 1) == Place("a.ts", line + 1, column + 1)


@pytest.mark.parametrize(
    "text",
    [
        "let x;",
        "//# sourceMappingURL=bundle.js.map",
        "//# sourceMappingURL=data:application/json;base64,!!!!",
        "//# sourceMappingURL=data:application/json;base64,e30=",
        bundle(sources=[], mappings="*"),
        bundle(sources=3, mappings="AAAA"),
        bundle(sources=[], mappings=5),
    ],
)
def test_a_map_that_cannot_be_read_is_none(text: str) -> None:
    assert SourceMap.of(text) is None


@given(st.text(alphabet="ABCDgz+/;,09", max_size=40))
def test_any_mappings_are_read_or_refused(mappings: str) -> None:
    found = SourceMap.of(bundle(sources=["a.ts"], mappings=mappings))
    if found is not None:
        found.place(1, 1)


STACK = """\
RangeError: not so much
    at withdraw (spacetimedb_module:12:9)
    at spacetimedb_module:1:450
    at __spacetimedb_end_short_backtrace (spacetimedb_module:99:1)
    at ModuleHooksImpl.__call_reducer__ (spacetimedb_module:100:1)
    at run (stdb_shim:743:28)"""


def test_a_stack_ends_where_the_authors_code_does() -> None:
    frames = frames_of(STACK, first_column=400, source_map=None)
    assert [str(frame) for frame in frames] == [
        "at withdraw (spacetimedb_module:12:9)",
        "at spacetimedb_module:1:50",
    ]


def test_what_was_thrown_is_told_as_v8_tells_it() -> None:
    mappings = ";" * 11 + encode(0, 0, 6, 2)
    found = thrown(f"RangeError\0not so much\0{STACK}", 400, SourceMap(mappings, ["src/bank.ts"]))
    assert str(found) == (
        "Uncaught RangeError: not so much\n"
        "\tat withdraw (src/bank.ts:7:3)\n"
        "\tat spacetimedb_module:1:50"
    )


def test_a_thrown_value_without_a_name_is_shown_as_it_is() -> None:
    assert str(thrown("\x005\0", 0, None)) == "Uncaught 5"
