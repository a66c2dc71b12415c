"""Cells of a notebook: run one after another in one namespace, and again after a change.

A cell is compiled under a name of its own and executed as Jupyter does it, without an importable
module behind it.
"""

import itertools
from typing import Any

import pytest

from stdb import DefinitionError, TypeMismatch, UsageError

IMPORTS = """
import enum
import stdb
from stdb import Database, Module, ReducerContext, Row, primary_key, u8, u64
"""
MODULE = 'zoo = Module("zoo")'
TABLE = """
@zoo.table()
class Animal(Row):
    id: u64 = primary_key(auto_inc=True)
    name: str
"""
REDUCER = """
@zoo.reducer
def buy(ctx: ReducerContext, name: str) -> None:
    ctx.db[Animal].insert(Animal(name=name))
"""


class Notebook:
    """A namespace, and the cells that were run in it."""

    def __init__(self, *cells: str) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.numbers = itertools.count(1)
        for cell in (IMPORTS, *cells):
            self.run(cell)

    def run(self, cell: str) -> None:
        exec(compile(cell, f"<cell {next(self.numbers)}>", "exec"), self.names)

    def __getitem__(self, name: str) -> Any:
        return self.names[name]


@pytest.fixture
def notebook() -> Notebook:
    return Notebook(MODULE, TABLE, REDUCER, "db = Database(zoo)", 'db.call("buy", "ape")')


def names(db: Any) -> list[str]:
    return [row.name for row in db.tables.animal]


def test_a_module_written_in_cells_runs(notebook: Notebook) -> None:
    assert names(notebook["db"]) == ["ape"]


def test_a_cell_may_be_run_again_unchanged(notebook: Notebook) -> None:
    notebook.run(TABLE)
    notebook.run(REDUCER)
    notebook.run("db = Database(zoo)")
    notebook.run('db.call("buy", "bear")')
    assert names(notebook["db"]) == ["bear"]


def test_a_changed_cell_replaces_what_it_declared(notebook: Notebook) -> None:
    notebook.run(TABLE + "    legs: u8 = 4\n")
    notebook.run(REDUCER.replace("name=name", "name=name.upper()"))
    notebook.run("db = Database(zoo)")
    notebook.run('db.call("buy", "bear")')
    assert names(notebook["db"]) == ["BEAR"]
    assert list(notebook["db"].tables.animal.columns) == ["id", "name", "legs"]


def test_a_database_goes_on_with_what_it_was_made_with(notebook: Notebook) -> None:
    old_class, db = notebook["Animal"], notebook["db"]
    notebook.run(REDUCER.replace("name=name", 'name="new"'))
    db.call("buy", "cat")
    assert names(db) == ["ape", "cat"]
    assert type(db.tables.animal.rows()[0]) is old_class


def test_a_row_of_the_class_before_is_refused_with_that_explanation(notebook: Notebook) -> None:
    db = notebook["db"]
    notebook.run(TABLE)
    with pytest.raises(UsageError, match="this Animal is not the class that the database knows"):
        db.call("buy", "cat")
    with db.transaction() as tx:
        with pytest.raises(TypeMismatch, match="its class was declared again or elsewhere since"):
            tx.db.animal.insert(notebook["Animal"](name="cat"))
        assert tx.db.animal.insert(name="dog").name == "dog"
    assert names(db) == ["ape", "dog"]


def test_a_table_is_renamed_with_a_new_module(notebook: Notebook) -> None:
    """What was declared under the old name stays: nothing tells that it is gone."""
    renamed = TABLE.replace("zoo.table()", 'zoo.table("beast")')
    notebook.run(renamed)
    with pytest.raises(DefinitionError, match="'animal' and 'beast' are of two classes Animal"):
        notebook.run("db = Database(zoo)")
    notebook.run(MODULE)
    notebook.run(renamed)
    notebook.run("db = Database(zoo)")
    assert list(notebook["db"].tables) == ["beast"]


def test_annotations_as_text_are_found_in_the_namespace_of_the_cells() -> None:
    notebook = Notebook(
        MODULE,
        "class Kind(enum.Enum):\n    SMALL = 1\n    LARGE = 2",
        "from __future__ import annotations\n"
        "@zoo.table()\nclass Cage(Row):\n    kind: Kind\n    size: u8 | None = None",
        "db = Database(zoo)",
        "with db.transaction() as tx:\n    tx.db[Cage].insert(kind=Kind.LARGE)",
    )
    assert notebook["db"].tables.cage.columns == {"kind": "Kind", "size": "u8 | None"}


def test_a_mistake_in_a_cell_can_be_mended_in_it(notebook: Notebook) -> None:
    wrong = TABLE + "    born: dict = None\n"
    with pytest.raises(DefinitionError, match="column 'born': dict is not a type"):
        notebook.run(wrong)
    notebook.run(TABLE + "    born: u64 | None = None\n")
    notebook.run("db = Database(zoo)")
    assert list(notebook["db"].tables.animal.columns) == ["id", "name", "born"]


def test_an_error_in_a_reducer_names_the_cell(notebook: Notebook) -> None:
    notebook.run(REDUCER.replace("Animal(name=name)", "Animal(name=name) / 0"))
    notebook.run("db = Database(zoo)")
    with pytest.raises(notebook["stdb"].ModuleError, match="reducer 'buy' broke: TypeError"):
        notebook["db"].call("buy", "cat")
    assert 'File "<cell 7>", line 4, in buy' in notebook["db"].logs()[-1].message
