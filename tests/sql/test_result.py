"""What a result is: a sequence of rows, a table on the screen, a data frame.

Results are made by hand here, without SQL: of each shape that a column can have.
"""

import dataclasses
import html.parser
import io
import pickle
import re
import sys
import uuid
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.types.strategies import shapes_with_values, sum_type

import stdb
from stdb.sql.result import Result, ResultColumn, row_class
from stdb.types import shapes as sh
from stdb.types.exact import NAN
from stdb.types.sums import Err, Ok, Some
from stdb.types.values import ConnectionId, Identity, ScheduleAt, TimeDuration, Timestamp

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")


class Colour(Enum):
    red = 1
    green = 2


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    at: Timestamp


@sum_type
class Figure:
    Circle: stdb.f64
    Empty: None


COLOUR = sh.PlainEnum(Colour, "Colour", tuple(Colour), ("red", "green"))
sh.tag_members(tuple(Colour))
POINT = sh.Record(Point, "Point", (sh.Field("x", "x", sh.U64), sh.Field("at", "at", sh.TIMESTAMP)))
FIGURE = sh.Tagged(
    Figure,
    "Figure",
    (("Circle", sh.F64), ("Empty", sh.UNIT)),
    Figure.__stdb_variant_classes__,  # type: ignore[attr-defined]
)
I128, U128, I256, U256 = (sh.INTS[bits, signed] for bits in (128, 256) for signed in (True, False))
ANN = Identity.from_claims("http://localhost", "ann")
NOON = Timestamp.from_rfc3339("2025-01-02T12:00:00.25Z")

library = stdb.Module("library")


@library.table()
class Book(stdb.Row):
    id: stdb.u64 = stdb.primary_key()
    title: str


def result(columns: dict[str, sh.Shape], *rows: tuple[Any, ...]) -> Result:
    """A result of columns, as a projection gives it."""
    cls: Any = row_class(tuple(columns))
    made = [cls(*row) for row in rows]
    return Result(tuple(ResultColumn(*column) for column in columns.items()), made)


def one(shape: sh.Shape, *values: Any) -> Result:
    """A result of one column."""
    return result({"v": shape}, *((value,) for value in values))


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


# ------------------------------------------------------------------------------------ data frames

#: shape, values, what pandas, Polars and Arrow call the type.
TYPES: list[tuple[sh.Shape, list[Any], str, str, str]] = [
    (sh.BOOL, [True, False], "bool", "Boolean", "bool"),
    (sh.INTS[8, True], [-128, 127], "int8", "Int8", "int8"),
    (sh.U64, [0, 2**64 - 1], "uint64", "UInt64", "uint64"),
    (sh.I64, [-(2**63), 2**63 - 1], "int64", "Int64", "int64"),
    (sh.F32, [0.5, float("inf")], "float32", "Float32", "float"),
    (sh.F64, [0.1, -0.0], "float64", "Float64", "double"),
    (sh.TEXT, ["", "é"], "str", "String", "string"),
    (sh.BLOB, [b"", b"\xff"], "object", "Binary", "binary"),
    (sh.IDENTITY, [ANN], "str", "String", "string"),
    (sh.TIMESTAMP, [NOON], "datetime64[us, UTC]", "Datetime(time_unit='us', time_zone='UTC')",
     "timestamp[us, tz=UTC]"),
    (sh.TIME_DURATION, [TimeDuration(-1)], "timedelta64[us]", "Duration(time_unit='us')",
     "duration[us]"),
    (COLOUR, [Colour.red], "category", "Enum(categories=['red', 'green'])",
     "dictionary<values=string, indices=int32, ordered=0>"),
    (I128, [-(2**127)], "object", "Int128", "decimal256(39, 0)"),
    (U128, [2**128 - 1], "object", "UInt128", "decimal256(39, 0)"),
    (U256, [2**256 - 1], "object", "String", "string"),
    (sh.Sequence(sh.U64), [(1, 2), ()], "object", "List(UInt64)", "list<item: uint64>"),
    (sh.Option(sh.U64), [None, 2**64 - 1], "UInt64", "UInt64", "uint64"),
    (sh.Option(sh.BOOL), [None, True], "boolean", "Boolean", "bool"),
    (sh.Option(sh.F64), [None, NAN, 1.0], "Float64", "Float64", "double"),
    (sh.Option(sh.TEXT), [None, "None"], "string", "String", "string"),
    (sh.UNIT, [None], "object", "Null", "null"),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "values", "_pandas", "_polars", "arrow"), TYPES)
def test_types_of_arrow(
    shape: sh.Shape, values: list[Any], _pandas: str, _polars: str, arrow: str
) -> None:
    for held in (values, []):
        table = one(shape, *held).to_arrow()
        assert str(table.schema.field("v").type) == arrow
        assert table.schema.field("v").nullable is (isinstance(shape, sh.Option | sh.Unit))
        assert table.num_rows == len(held)
        table.validate(full=True)


@pytest.mark.parametrize(("shape", "values", "_pandas", "polars_", "_arrow"), TYPES)
def test_types_of_polars(
    shape: sh.Shape, values: list[Any], _pandas: str, polars_: str, _arrow: str
) -> None:
    for held in (values, []):
        frame = one(shape, *held).to_polars()
        assert str(frame.schema["v"]) == polars_
        assert frame.height == len(held)


@pytest.mark.parametrize(("shape", "values", "pandas_", "_polars", "_arrow"), TYPES)
def test_types_of_pandas(
    shape: sh.Shape, values: list[Any], pandas_: str, _polars: str, _arrow: str
) -> None:
    for held in (values, []):
        frame = one(shape, *held).to_pandas()
        assert str(frame["v"].dtype) == pandas_
        assert len(frame) == len(held)


def test_values_survive_exactly() -> None:
    for shape, values, *_ in TYPES:
        expected = [
            value if not isinstance(shape, sh.Wrapped | sh.PlainEnum) else None for value in values
        ]
        if None in expected and not isinstance(shape, sh.Option):
            continue
        got = one(shape, *values).to_arrow()["v"].to_pylist()
        if isinstance(shape, sh.Sequence):
            got = [tuple(value) for value in got]
        if shape is U256:
            got = [int(value) for value in got]
        assert repr(got) == repr(expected) or got == expected, shape
        if shape is not U256:
            ours = one(shape, *values).to_polars()["v"].to_list()
            ours = [tuple(v) if isinstance(v, list) else v for v in ours]
            assert repr(ours) == repr(expected) or ours == expected, shape


def test_moments_are_aware() -> None:
    moments = one(sh.TIMESTAMP, NOON)
    expected = NOON.to_datetime()
    assert moments.to_arrow()["v"][0].as_py() == expected
    assert moments.to_polars()["v"][0] == expected
    assert moments.to_pandas()["v"][0].to_pydatetime() == expected
    assert moments.to_pandas()["v"][0].tzinfo is not None


def test_moments_that_no_datetime_holds_stay_exact() -> None:
    far = one(sh.TIMESTAMP, Timestamp.from_micros(2**62))
    assert far.to_arrow()["v"].cast("int64").to_pylist() == [2**62]
    assert far.to_polars()["v"].to_physical().to_list() == [2**62]
    assert far.to_pandas()["v"].astype("int64").tolist() == [2**62]


def test_missing_values() -> None:
    spans = one(sh.Option(sh.TIME_DURATION), None, TimeDuration(1_000_000))
    assert spans.to_pandas()["v"].isna().tolist() == [True, False]
    assert spans.to_polars()["v"].null_count() == 1
    assert spans.to_arrow()["v"].null_count == 1
    colours = one(sh.Option(COLOUR), None, Colour.green)
    assert colours.to_pandas()["v"].tolist()[1] == "green"
    assert colours.to_pandas()["v"].isna().tolist() == [True, False]
    assert colours.to_polars()["v"].to_list() == [None, "green"]
    assert colours.to_arrow()["v"].to_pylist() == [None, "green"]
    numbers = one(sh.Option(sh.F64), None, NAN)
    assert numbers.to_pandas()["v"].isna().tolist() == [True, False]


def test_products_lists_and_sums() -> None:
    point = one(sh.Sequence(POINT), (Point(1, NOON),))
    noon = NOON.to_datetime()
    assert point.to_arrow()["v"].to_pylist() == [[{"x": 1, "at": noon}]]
    assert point.to_polars()["v"].to_list() == [[{"x": 1, "at": noon}]]
    assert point.to_pandas()["v"].tolist() == [[{"x": 1, "at": NOON}]]
    figures = one(FIGURE, Figure.Circle(1.5), Figure.Empty)  # type: ignore[operator]
    plain = [{"variant": "Circle", "Circle": 1.5}, {"variant": "Empty", "Circle": None}]
    assert figures.to_arrow()["v"].to_pylist() == plain
    assert figures.to_polars()["v"].to_list() == plain
    assert figures.to_pandas()["v"].tolist() == [Figure.Circle(1.5), Figure.Empty]  # type: ignore[operator]
    nested = one(sh.Option(sh.Option(sh.U64)), None, Some(None), Some(1))
    assert nested.to_arrow()["v"].to_pylist() == [None, {"value": None}, {"value": 1}]


def test_whole_rows_become_columns(books: Result) -> None:
    assert books.to_pandas()["title"].tolist() == ["Emma", "Ulysses"]
    assert books.to_polars()["id"].to_list() == [1, 2]
    assert books.to_arrow().column_names == ["id", "title"]


def test_a_change_is_an_empty_frame() -> None:
    change = Result((), [], inserted=2)
    assert change.to_pandas().shape == (0, 0)
    assert change.to_polars().shape == (0, 0)
    assert change.to_arrow().shape == (0, 0)


def test_a_type_that_contains_itself_is_refused() -> None:
    tree = sh.Record(Point, "Tree")
    tree.fields = (sh.Field("x", "x", sh.Option(tree)),)
    for convert in ("to_arrow", "to_polars"):
        with pytest.raises(stdb.UsageError, match="column 'v' has no place in a data frame"):
            getattr(one(tree), convert)()


@settings(max_examples=60)
@given(st.data())
def test_values_of_any_shape_go_everywhere(data: st.DataObject) -> None:
    shape, *values = data.draw(shapes_with_values(3))
    held = one(shape, *values)
    assert len(held.to_text().splitlines()) == 7
    Tags(held._repr_html_())
    held.to_arrow().validate(full=True)
    assert held.to_polars().height == 3
    assert len(held.to_pandas()) == 3


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that hides a package from imports."""
    return lambda name: monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize(
    ("package", "extra"), [("pandas", "pandas"), ("polars", "polars"), ("pyarrow", "arrow")]
)
def test_a_missing_package_is_named_with_its_extra(
    people: Result, without: Any, package: str, extra: str
) -> None:
    without(package)
    message = rf'{package} is not installed; pip install "stdb\[{extra}\]" brings it'
    with pytest.raises(ImportError, match=message):
        getattr(people, f"to_{extra}")()
