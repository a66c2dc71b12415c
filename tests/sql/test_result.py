"""What a result is: a sequence of rows, and a table on the screen.

Results are made by hand here, without SQL: of each shape that a column can have.
"""

import html.parser
import io
import pickle
import re
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sql.results import ANN, COLOUR, FIGURE, NOON, POINT, Colour, Figure, Point, one, result
from tests.types.strategies import shapes_with_values

import stdb
from stdb.sql.result import Result, ResultColumn
from stdb.types import shapes as sh
from stdb.types.exact import NAN
from stdb.types.sums import Err, Ok, Some
from stdb.types.values import ConnectionId, ScheduleAt, TimeDuration

library = stdb.Module("library")


@library.table()
class Book(stdb.Row):
    id: stdb.u64 = stdb.primary_key()
    title: str


@pytest.fixture
def people() -> Result:
    columns = {"id": sh.U64, "name": sh.Option(sh.TEXT)}
    return result(columns, (1, "Ann"), (2, None), (3, "Cid"))


@pytest.fixture
def books() -> Result:
    columns = (ResultColumn("id", sh.U64), ResultColumn("title", sh.TEXT))
    return Result(columns, [Book(id=1, title="Emma"), Book(id=2, title="Ulysses")])


# ------------------------------------------------------------------------------------ a sequence


def test_it_is_a_sequence_of_rows(people: Result) -> None:
    assert len(people) == 3
    assert people[0].name == "Ann"
    assert people[-1] == (3, "Cid")
    assert [number for number, _ in people] == [1, 2, 3]
    assert (2, None) in people
    assert people.index((2, None)) == 1
    assert [row.id for row in reversed(people)] == [3, 2, 1]
    assert people.rows == list(people)


def test_columns_and_schema(people: Result) -> None:
    assert people.columns == ("id", "name")
    assert people.schema == {"id": "u64", "name": "str | None"}


def test_a_slice_is_a_result(people: Result) -> None:
    assert isinstance(people[1:], Result)
    assert people[1:].columns == people.columns
    assert people[:2] == [(1, "Ann"), (2, None)]
    assert people[::-1][0] == (3, "Cid")


def test_it_equals_a_list_of_its_rows(people: Result, books: Result) -> None:
    assert people == [(1, "Ann"), (2, None), (3, "Cid")]
    assert people == ((1, "Ann"), (2, None), (3, "Cid"))
    assert people != [(1, "Ann"), (2, None)]
    assert people != [(1, "Ann"), (2, None), (3, "Dan")]
    assert people != "rows"
    assert books == [Book(id=1, title="Emma"), Book(id=2, title="Ulysses")]
    assert books == [(1, "Emma"), (2, "Ulysses")]
    assert books != [(1, "Emma"), (2, "Persuasion")]
    assert result({"a": sh.U64}) == []


def test_equal_results_have_equal_columns_and_counts(people: Result) -> None:
    same = Result(people._columns, list(people.rows))
    assert same == people
    renamed = result({"id": sh.U64, "called": sh.TEXT}, *people.rows)
    assert renamed != people
    assert Result((), [], inserted=1) != Result((), [], inserted=2)
    with pytest.raises(TypeError, match="unhashable"):
        hash(people)


def test_scalar() -> None:
    assert one(sh.U64, 7).scalar() == 7
    assert one(sh.Option(sh.U64), None).scalar() is None


def test_scalar_says_what_there_is_instead(people: Result) -> None:
    with pytest.raises(stdb.UsageError, match="this result has 3 rows and 2 columns"):
        people.scalar()
    with pytest.raises(stdb.UsageError, match=r"this result has 0 rows and 1 column$"):
        one(sh.U64).scalar()
    with pytest.raises(stdb.UsageError, match="this result has 0 rows and 0 columns"):
        Result((), [], inserted=1).scalar()


def test_to_dicts(people: Result, books: Result) -> None:
    assert people[:2].to_dicts() == [{"id": 1, "name": "Ann"}, {"id": 2, "name": None}]
    assert books[:1].to_dicts() == [{"id": 1, "title": "Emma"}]


def test_a_column_may_have_any_name() -> None:
    odd = result({"class": sh.U64, "count": sh.U64, "_x": sh.U64, "a b": sh.U64}, (1, 2, 3, 4))
    row = odd[0]
    assert (row.class_, row.count, row.x) == (1, 2, 3)
    assert odd.to_dicts() == [{"class": 1, "count": 2, "_x": 3, "a b": 4}]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling(people: Result, books: Result, protocol: int) -> None:
    for each in (people, books, Result((), [], 1, 2, 3)):
        copy = pickle.loads(pickle.dumps(each, protocol))
        assert copy == each
        assert copy.schema == each.schema
        assert repr(copy) == repr(each)
    assert pickle.loads(pickle.dumps(people))[0].name == "Ann"
    assert pickle.loads(pickle.dumps(people[0])) == people[0]


# ------------------------------------------------------------------------------------------- text


def test_a_table(people: Result) -> None:
    assert repr(people).splitlines() == [
        " id | name",
        "u64 | str | None",
        "----+-----------",
        "  1 | Ann",
        "  2 | None",
        "  3 | Cid",
        "(3 rows)",
    ]
    assert str(people) == repr(people)


def test_an_empty_table() -> None:
    assert repr(one(sh.U64)).splitlines() == ["  v", "u64", "---", "(0 rows)"]


def test_a_long_table_is_cut_in_the_middle() -> None:
    many = one(sh.U64, *range(1000))
    lines = str(many).splitlines()
    assert lines[3:13] == [f"{n:3}" for n in range(10)]
    assert lines[13] == "  …"
    assert lines[14:24] == [f"{n:3}" for n in range(990, 1000)]
    assert lines[24:] == ["(1,000 rows, 20 shown)"]
    assert many.to_text(rows_max=3).splitlines()[3:] == [
        "  0", "  1", "  …", "999", "(1,000 rows, 3 shown)"
    ]  # fmt: skip
    assert len(many.to_text(rows_max=None).splitlines()) == 1004
    assert "…" not in str(many[:20])


def test_wide_values_are_shortened() -> None:
    wide = result({"a": sh.TEXT, "b": sh.BLOB, "c": sh.IDENTITY}, ("x" * 100, bytes(1000), ANN))
    text, blob, identity = str(wide).splitlines()[3].split(" | ")
    assert text == "x" * 39 + "…"
    assert blob == "0x" + "0" * 37 + "…"
    assert identity == f"{ANN.hex()[:19]}…{ANN.hex()[-19:]}"
    assert wide.to_text(width_max=10).splitlines()[3] == (
        f"xxxxxxxxx… | 0x0000000… | c200…{ANN.hex()[-4:]}"
    )
    assert wide.to_text(width_max=None).splitlines()[3].startswith("x" * 100 + " | 0x00")


def test_a_table_of_few_columns_has_wider_cells() -> None:
    assert str(one(sh.IDENTITY, ANN)).splitlines()[3] == ANN.hex()
    assert str(one(sh.TEXT, "x" * 1000)).splitlines()[3] == "x" * 119 + "…"


def test_double_width_letters_stay_aligned() -> None:
    table = str(result({"a": sh.TEXT, "b": sh.U64}, ("日本", 1), ("e\u0301", 2), ("abcd", 3)))
    assert table.splitlines()[3:6] == ["日本 |   1", "e\u0301    |   2", "abcd |   3"]
    assert one(sh.TEXT, "日" * 100).to_text(width_max=40).splitlines()[3] == "日" * 19 + "…"


def test_text_cannot_break_out_of_its_cell() -> None:
    assert str(one(sh.TEXT, "a\nb\x1b[31m\t")).splitlines()[3] == r"a\nb\x1b[31m\t"


@pytest.mark.parametrize(
    ("shape", "value", "text"),
    [
        (sh.BOOL, True, "True"),
        (sh.INTS[8, True], -3, " -3"[1:]),
        (sh.F64, 0.1, "0.1"),
        (sh.F32, 0.10000000149011612, "0.1"),
        (sh.F32, NAN, "nan"),
        (sh.BLOB, b"hi", "0x6869"),
        (sh.TIMESTAMP, NOON, "2025-01-02T12:00:00.250+00:00"),
        (sh.TIME_DURATION, TimeDuration.from_micros(-1_500_000), "-1.500000"),
        (sh.CONNECTION_ID, ConnectionId(255), "0" * 30 + "ff"),
        (sh.UUID, uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (COLOUR, Colour.green, "green"),
        (sh.Option(COLOUR), None, "None"),
        (sh.Sequence(sh.TEXT), ("a", "b'"), """['a', "b'"]"""),
        (sh.Sequence(sh.U64), (), "[]"),
        (sh.Option(sh.Option(sh.TEXT)), Some(None), "Some(None)"),
        (sh.Option(sh.Option(sh.TEXT)), Some("a"), "Some('a')"),
        (sh.Result(sh.U64, sh.TEXT), Ok(1), "Ok(1)"),
        (sh.Result(sh.U64, sh.TEXT), Err("no"), "Err('no')"),
        (FIGURE, Figure.Empty, "Empty"),
        (FIGURE, Figure.Circle(1.5), "Circle(1.5)"),  # type: ignore[operator]
        (sh.SCHEDULE, ScheduleAt(TimeDuration(5_000_000)), "every +5.000000"),
        (sh.SCHEDULE, ScheduleAt(NOON), "at 2025-01-02T12:00:00.250+00:00"),
        (sh.UNIT, None, "None"),
    ],
)
def test_each_value_has_a_text(shape: sh.Shape, value: Any, text: str) -> None:
    assert one(shape, value).to_text().splitlines()[3].strip() == text


def test_a_product_is_written_with_its_parts() -> None:
    shown = one(POINT, Point(1, NOON)).to_text(width_max=None).splitlines()[3]
    assert shown == "Point(x=1, at=2025-01-02T12:00:00.250+00:00)"


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ((0, 0, 0), "no rows changed"),
        ((1, 0, 0), "1 row inserted"),
        ((0, 1234, 0), "1,234 rows updated"),
        ((2, 0, 3), "2 rows inserted, 3 rows deleted"),
    ],
)
def test_changes_show_their_counts(counts: tuple[int, int, int], text: str) -> None:
    change = Result((), [], *counts)
    assert repr(change) == str(change) == text
    assert change._repr_html_() == f"<p>{text}</p>"
    assert (change.inserted, change.updated, change.deleted) == counts
    assert change.columns == ()
    assert change == []


# ------------------------------------------------------------------------------------------- HTML


class Tags(html.parser.HTMLParser):
    """Collects what a page has: tags in order, and the texts of its cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.cells: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag != "br":
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data


def test_a_page_escapes_names_and_values() -> None:
    page = result({"<i>": sh.TEXT}, ("<script>alert('&')</script>",))._repr_html_()
    parsed = Tags(page)
    assert "script" not in parsed.tags
    assert "i" not in parsed.tags
    assert parsed.cells == ["<script>alert('&')</script>"]
    assert parsed.open == []


def test_a_long_page_is_cut_in_the_middle() -> None:
    page = one(sh.U64, *range(1000))._repr_html_()
    assert page.count("<tr>") == 22
    assert "1,000 rows, 20 shown" in page


def test_rich_draws_it(people: Result) -> None:
    console = pytest.importorskip("rich.console").Console(file=io.StringIO(), width=60)
    console.print(people)
    drawn = console.file.getvalue()
    assert re.search(r"u64.*str \| None", drawn)
    assert "Ann" in drawn
    assert "3 rows" in drawn
    console.print(Result((), [], inserted=1))
    assert "1 row inserted" in console.file.getvalue()


@settings(max_examples=60)
@given(st.data())
def test_values_of_any_shape_have_a_text(data: st.DataObject) -> None:
    shape, *values = data.draw(shapes_with_values(3))
    held = one(shape, *values)
    assert len(held.to_text().splitlines()) == 7
    assert Tags(held._repr_html_()).open == []
