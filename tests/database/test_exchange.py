"""Exports and imports: tables as JSON lines and as Parquet."""

import json
import uuid
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.types.strategies import shapes, values_of

import stdb
from stdb import Database, Identity, Module, Row, ScheduleAt, Timestamp, index, primary_key, unique
from stdb.sql import from_arrow, to_arrow
from stdb.types import shapes as sh


class Color(Enum):
    RED = "r"
    GREEN = "g"


@stdb.sum_type
class Shape:
    circle: float
    nothing: None


zoo = Module("zoo")


@zoo.table(public=True)
class Animal(Row):
    id: stdb.u64 = primary_key(auto_inc=True)
    name: str = unique()
    owner: Identity | None = None
    seen: Timestamp = index()
    color: Color
    shape: Shape
    tags: list[str] = ()
    huge: stdb.u256
    wide: stdb.i128
    tag: uuid.UUID
    raw: bytes
    when: ScheduleAt
    maybe: stdb.Ok[stdb.u8] | stdb.Err[str]
    ratio: stdb.f32 = 0.5


@zoo.table()
class Pair(Row):
    left: stdb.i16
    right: bool


@zoo.table(event=True)
class Roar(Row):
    text: str


@zoo.view(public=True)
def everything(ctx: stdb.AnonymousViewContext) -> list[Pair]:
    return list(ctx.db[Pair])


FORMATS = ["jsonl", "parquet"]


def animal(name: str, **columns: Any) -> Animal:
    given: dict[str, Any] = {
        "owner": Identity(5), "seen": Timestamp(2**61), "color": Color.GREEN,
        "shape": Shape.circle(1.5), "tags": ["a", "ü"], "huge": 2**255, "wide": -(2**126),
        "tag": uuid.UUID(int=7), "raw": b"\0\xff", "when": ScheduleAt.at(Timestamp(-1)),
        "maybe": stdb.Err("no"),
    }  # fmt: skip
    return Animal(name=name, **{**given, **columns})


@pytest.fixture
def db() -> Database:
    db = Database(zoo)
    with db.transaction() as tx:
        tx.db[Animal].insert(animal("ape"))
        tx.db[Animal].insert(animal("bee", owner=None, shape=Shape.nothing, maybe=stdb.Ok(3)))
        tx.db[Pair].insert_many([Pair(left=-1, right=True), Pair(left=2, right=False)])
    return db


def held(db: Database) -> dict[str, set[Any]]:
    with db.transaction(readonly=True) as tx:
        return {table.__name__: set(tx.db[table]) for table in (Animal, Pair)}


@pytest.mark.parametrize("format_", FORMATS)
def test_what_is_exported_comes_back(db: Database, tmp_path: Path, format_: Any) -> None:
    counts = stdb.export_database(db, tmp_path / "out", format=format_)
    assert counts == {"animal": 2, "pair": 2}  # neither views nor events
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"animal.{format_}", "database.json", f"pair.{format_}"]
    copy = Database(zoo)
    assert stdb.import_database(copy, tmp_path / "out") == counts
    assert held(copy) == held(db)
    copy.check()
    # Rows that are there stay, and are no error.
    assert stdb.import_database(copy, tmp_path / "out") == counts
    assert held(copy) == held(db)


def test_json_lines_are_what_one_expects(db: Database, tmp_path: Path) -> None:
    stdb.export_database(db, tmp_path / "out", tables=["pair"])
    lines = (tmp_path / "out" / "pair.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"left": -1, "right": True},
        {"left": 2, "right": False},
    ]
    described = json.loads((tmp_path / "out" / "database.json").read_text())
    assert (described["name"], described["format"]) == ("zoo", "jsonl")
    assert [column["name"] for column in described["tables"][0]["columns"]] == ["left", "right"]


def test_parquet_is_read_by_others(db: Database, tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    stdb.export_database(db, tmp_path / "out", format="parquet")
    frame = polars.read_parquet(tmp_path / "out" / "pair.parquet")
    assert frame.sort("left").to_dicts() == [
        {"left": -1, "right": True}, {"left": 2, "right": False},
    ]  # fmt: skip


@pytest.mark.parametrize("format_", FORMATS)
def test_numbers_go_on_behind_those_that_came_in(
    db: Database, tmp_path: Path, format_: Any
) -> None:
    with db.transaction() as tx:
        tx.db[Animal].insert(animal("cat", id=10_000))
    stdb.export_database(db, tmp_path / "out", format=format_)
    path = tmp_path / "copy"
    with Database(zoo, path=path) as copy:
        stdb.import_database(copy, tmp_path / "out")
        with copy.transaction() as tx:
            assert tx.db[Animal].insert(animal("dog")).id == 10_001
    with Database(zoo, path=path) as copy, copy.transaction() as tx:
        assert tx.db[Animal].insert(animal("eel")).id > 10_001


def test_an_import_is_all_or_nothing(db: Database, tmp_path: Path) -> None:
    stdb.export_database(db, tmp_path / "out")
    copy = Database(zoo)
    with copy.transaction() as tx:
        tx.db[Animal].insert(animal("bee", wide=1))
    before = held(copy)
    (tmp_path / "out" / "pair.jsonl").rename(tmp_path / "out" / "a.jsonl")
    with pytest.raises(stdb.UnknownName, match="'a'"):
        stdb.import_database(copy, tmp_path / "out")
    (tmp_path / "out" / "a.jsonl").rename(tmp_path / "out" / "pair.jsonl")
    with pytest.raises(stdb.UniqueConstraintViolation):
        stdb.import_database(copy, tmp_path / "out")
    assert held(copy) == before


def test_what_is_no_row_is_named_with_its_line(db: Database, tmp_path: Path) -> None:
    stdb.export_database(db, tmp_path / "out", tables=["pair"])
    path = tmp_path / "out" / "pair.jsonl"
    path.write_text('{"left":1,"right":true}\n\n{"left":70000,"right":true}\n')
    with pytest.raises(stdb.UsageError, match=r"pair.jsonl, line 3: .*left"):
        stdb.import_database(db, tmp_path / "out")
    assert len(db.tables.pair) == 2


def test_parquet_of_another_kind_is_named_with_its_column(db: Database, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    for columns, message in (
        ({"left": [1]}, "has no column 'right'"),
        ({"left": ["x"], "right": [True]}, "column 'left'"),
        ({"left": [1], "right": [3]}, "pair.*right"),
    ):
        parquet.write_table(pa.table(columns), tmp_path / "pair.parquet")
        with pytest.raises(stdb.Error, match=message):
            stdb.import_database(db, tmp_path)
    assert len(db.tables.pair) == 2


def test_floats_that_json_does_not_know_are_refused(db: Database, tmp_path: Path) -> None:
    with db.transaction() as tx:
        tx.db[Animal].insert(animal("nan", ratio=float("nan")))
    with pytest.raises(stdb.UsageError, match='NaN and the infinities have no JSON; format="parq'):
        stdb.export_database(db, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    stdb.export_database(db, tmp_path / "out", format="parquet")
    copy = Database(zoo)
    stdb.import_database(copy, tmp_path / "out")
    assert held(copy) == held(db)


def test_wrong_arguments_are_named(db: Database, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(stdb.UsageError, match="is there already"):
        stdb.export_database(db, tmp_path / "taken")
    with pytest.raises(stdb.UsageError, match='format is "jsonl" or "parquet", not '):
        stdb.export_database(db, tmp_path / "out", format="csv")  # type: ignore[arg-type]
    with pytest.raises(stdb.UnknownName, match="'pairs'"):
        stdb.export_database(db, tmp_path / "out", tables=["pairs"])
    with pytest.raises(stdb.UsageError, match="is no directory"):
        stdb.import_database(db, tmp_path / "none")
    with pytest.raises(stdb.UsageError, match="no file of table 'pair'"):
        stdb.import_database(db, tmp_path / "taken", tables=["pair"])
    with pytest.raises(stdb.Error, match="everything"):
        stdb.export_database(db, tmp_path / "out", tables=["everything"])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_values_of_any_type_come_back_from_arrow(data: st.DataObject) -> None:
    shape = data.draw(shapes())
    values = data.draw(st.lists(values_of(shape), min_size=1, max_size=4))
    try:
        column = to_arrow((("column", shape),), [values]).column("column")
    except stdb.UsageError:
        return  # a type that contains itself has no place in a frame
    back = from_arrow(shape, column)
    assert repr(back) == repr([sh_exact(shape, value) for value in values])


def sh_exact(shape: sh.Shape, value: Any) -> Any:
    from stdb.types.exact import exact

    return exact(shape, value)
