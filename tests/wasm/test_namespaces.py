"""Names: those of a module that another one includes, and those that have another case."""

import pytest
from tests.helpers.wasm_modules import built

import stdb


@pytest.fixture
def db() -> stdb.Database:
    return stdb.Database(built("spaces.c"))


def test_functions_and_tables_of_a_namespace(db: stdb.Database) -> None:
    db.call("add_thing")
    db.call("lib.add_thing")
    db.call("lib.add_thing")
    assert [row.place for row in db.tables["thing"]] == ["outer"]
    assert [row.place for row in db.tables["lib.thing"]] == ["inner", "inner"]
    assert db.sql("SELECT COUNT(*) AS n FROM lib.thing").scalar() == 2
    assert (db.call_procedure("number"), db.call_procedure("lib.number")) == (0, 1)
    db.check()


def test_views_of_a_namespace(db: stdb.Database) -> None:
    db.call("lib.add_thing")
    assert [row[0] for row in db.sql("SELECT place FROM lib.things").rows] == ["inner"]
    assert db.sql("SELECT place FROM things").rows == []


def test_rows_of_each_are_of_classes_of_their_own(db: stdb.Database) -> None:
    with db.transaction() as tx:
        outer = tx.db["thing"].insert(place="x")
        inner = tx.db["lib.thing"].insert(place="x")
    assert type(outer) is not type(inner)
    with pytest.raises(stdb.TypeMismatch), db.transaction() as tx:
        tx.db["lib.thing"].insert(outer)


def test_names_of_another_case() -> None:
    """The database has them in snake_case; the module goes on to use its own."""
    db = stdb.Database(built("cases.c"))
    db.call("add_thing", "x")
    db.reducers.add_thing(itsName="y")
    assert db.sql("SELECT the_id, its_name FROM all_things").rows == [(1, "x"), (2, "y")]
    assert [(row.the_id, row.its_name) for row in db.tables.all_things] == [(1, "x"), (2, "y")]
    with db.transaction() as tx:
        assert tx.db.all_things.the_id.find(2).its_name == "y"
        assert tx.db.all_things.theId.find(1).its_name == "x"
    with pytest.raises(stdb.ReducerError, match="no name"):
        db.call("add_thing", "")
