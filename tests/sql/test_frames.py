"""Results as data frames: each shape has a type of its own in each library, and values survive."""

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sql.results import (
    ANN,
    COLOUR,
    FIGURE,
    I128,
    NOON,
    POINT,
    U128,
    U256,
    Colour,
    Figure,
    Point,
    one,
)
from tests.types.strategies import shapes_with_values

import stdb
from stdb.sql.result import Result, ResultColumn
from stdb.types import shapes as sh
from stdb.types.exact import NAN
from stdb.types.sums import Some
from stdb.types.values import TimeDuration, Timestamp

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")

library = stdb.Module("library")


@library.table()
class Book(stdb.Row):
    id: stdb.u64 = stdb.primary_key()
    title: str


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


def test_whole_rows_become_columns() -> None:
    columns = (ResultColumn("id", sh.U64), ResultColumn("title", sh.TEXT))
    books = Result(columns, [Book(id=1, title="Emma"), Book(id=2, title="Ulysses")])
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
def test_a_missing_package_is_named_with_its_extra(without: Any, package: str, extra: str) -> None:
    without(package)
    message = rf'{package} is not installed; pip install "stdb\[{extra}\]" brings it'
    with pytest.raises(ImportError, match=message):
        getattr(one(sh.U64, 1), f"to_{extra}")()
