"""Rows of a compiled module are pleasant in Python, whatever their types and names."""

import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies
from msgspec.structs import replace as changed  # the method is hidden by a column
from tests.helpers.wasm_modules import built
from tests.types.strategies import values_of

import stdb


@pytest.fixture(scope="module")
def db() -> stdb.Database:
    return stdb.Database(built("types.c"))


def columns(db: stdb.Database) -> dict[str, Any]:
    """Return a value for each column but the first."""
    shapes = {field.attribute: field.shape for field in db._store["import"].shape.fields}
    shape, point, color = (shapes[name].cls for name in ("shape", "point", "color"))
    return {
        "from_": True, "class_": -128, "insert": 255, "replace": -5, "u_16": 65_535, "i_32": -7,
        "u_32": 7, "i_64": -(2**63), "u_64": 2**64 - 1, "i_128": -(2**127), "u_128": 2**128 - 1,
        "i_256": -(2**255), "u_256": 2**256 - 1, "f_32": 0.5, "f_64": float("nan"), "text": "héllo",
        "blob": b"\0\1", "numbers": [1, -2], "texts": ["a", ""], "maybe": None,
        "nested": stdb.Some(None), "result": stdb.Err("no"), "who": stdb.Identity(2**255),
        "where": stdb.ConnectionId(5), "when": stdb.Timestamp(-1), "span": stdb.TimeDuration(9),
        "uuid": uuid.UUID(int=77), "color": color.Green, "shape": shape.Box((1, 2)),
        "point": point(x=1, lambda_=-1), "points": [point(x=2, lambda_=3)],
        "colors": [color.Red, color.None_],
    }  # fmt: skip


def test_a_row_of_every_type_goes_through_the_module(db: stdb.Database) -> None:
    given_columns = columns(db)
    row = db._store["import"].shape.cls(**given_columns)
    assert row.id == 0
    db.reducers.put(row)
    db.call("put", changed(row, maybe="here", nested=None, result=stdb.Ok(5)))
    db.call("copy", 1)
    rows = sorted(db.tables["import"], key=lambda each: each.id)
    copies = sorted(db.tables["count"], key=lambda each: each.id)
    assert rows == copies
    assert rows[0] == changed(row, id=1)
    assert (rows[1].maybe, rows[1].nested, rows[1].result) == ("here", None, stdb.Ok(5))
    assert rows[0].numbers == (1, -2)
    assert str(rows[0]).startswith("Everything(id=1, from_=True, class_=-128, insert=255,")
    db.check()


def test_names_that_python_reserves(db: stdb.Database) -> None:
    with db.transaction() as tx:
        handle = tx.db["import"]
        found = handle.insert(**columns(db))
        assert handle.id.find(found.id) == found
        # An index whose name a method has is reached by its name.
        assert tx.db["count"]["filter"].find(10_000) is None
        handle.id.delete(found.id)
    assert db.sql('SELECT "from", class FROM import LIMIT 1').columns == ("from", "class")


def test_arguments_that_contain_themselves(db: stdb.Database) -> None:
    tree = db._reducers["put_tree"].parameters[0].shape.cls
    leaf = tree(label="leaf", children=())
    root = tree(label="root", children=(tree(label="twig", children=(leaf,)), leaf))
    db.call("put_tree", root, 3)
    db.reducers.put_tree(from_=root, depth=3)
    with pytest.raises(stdb.ReducerError, match="another depth"):
        db.call("put_tree", root, 2)


def test_enums_and_sums_are_classes_with_members(db: stdb.Database) -> None:
    fields = {field.attribute: field.shape for field in db._store["import"].shape.fields}
    color, shape = fields["color"].cls, fields["shape"].cls
    assert [member.name for member in color] == ["Red", "Green", "None_"]
    assert shape.Circle(2.5).value == 2.5
    assert shape.Circle(2.5) != shape.Nothing


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=strategies.data())
def test_any_row_comes_back_as_it_was(db: stdb.Database, data: Any) -> None:
    shape = db._store["import"].shape
    row = changed(data.draw(values_of(shape)), id=0)
    with db.transaction() as tx:
        tx.db["import"].clear()
        tx.db["count"].clear()
    db.call("put", row)
    (stored,) = db.tables["import"]
    db.call("copy", stored.id)
    assert list(db.tables["count"]) == [stored]
    assert changed(stored, id=0) == row
