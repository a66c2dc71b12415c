"""Annotations that are text: of this file, all of them are, by its first import."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import TYPE_CHECKING, Annotated, ClassVar

import pytest

import stdb
from stdb import Database, DefinitionError, Module, Row, index, primary_key, sum_type, u8, u64

if TYPE_CHECKING:
    from decimal import Decimal

    from stdb import ReducerContext, Timestamp

forest = Module("forest")


class Kind(Enum):
    OAK = 1
    PINE = 2


@forest.table(public=True)
class Tree(Row):
    id: u64 = primary_key(auto_inc=True)
    kind: Kind
    place: Annotated[str, index("hash")]
    rings: list[u8] | None = None

    FOREST: ClassVar[str] = "Black"


@forest.reducer
def plant(ctx: ReducerContext, kind: Kind, place: str = "here") -> None:
    ctx.db[Tree].insert(Tree(kind=kind, place=place))


def test_a_module_with_text_for_annotations_runs() -> None:
    db = Database(forest)
    db.call("plant", Kind.PINE)
    assert db.tables.tree.columns == {
        "id": "u64", "kind": "Kind", "place": "str", "rings": "bytes | None",
    }  # fmt: skip
    with db.transaction(readonly=True) as tx:
        assert list(tx.db.tree.place.filter("here")) == [
            Tree(id=1, kind=Kind.PINE, place="here", rings=None)
        ]


def test_text_may_name_what_is_local_to_a_function() -> None:
    module = Module("local")

    @dataclasses.dataclass(frozen=True)
    class Spot:
        x: u8

    @sum_type
    class Size:
        small: None
        large: Spot

    @module.table()
    class Stone(Row):
        spot: Spot
        size: Size
        others: list[Spot]

    @module.reducer
    def drop(ctx: ReducerContext, spot: Spot) -> None:
        ctx.db[Stone].insert(Stone(spot=spot, size=Size.large(spot), others=[spot]))

    db = Database(module)
    db.call("drop", Spot(3))
    assert db.tables.stone.rows() == [
        Stone(spot=Spot(3), size=Size.large(Spot(3)), others=(Spot(3),))  # type: ignore[arg-type]
    ]


def test_text_may_name_what_is_local_to_the_functions_around() -> None:
    class Outer(Enum):
        A = 1

    def make() -> Module:
        module = Module("nested")

        @module.table()
        class Thing(Row):
            outer: Outer

        return module

    assert Database(make()).tables.thing.columns == {"outer": "Outer"}


def test_a_name_that_only_checkers_see_is_told() -> None:
    module = Module("unseen")
    with pytest.raises(
        DefinitionError,
        match=r"column 'price': the annotation 'Decimal' names 'Decimal', which is not visible "
        r"there when the module runs \(is it imported only for type checking\?\)",
    ):

        @module.table()
        class Priced(Row):
            price: Decimal

    with pytest.raises(DefinitionError, match="parameter 'when': the annotation 'Timestamp' names"):

        @module.reducer
        def at(ctx: ReducerContext, when: Timestamp) -> None: ...


def test_a_context_that_only_checkers_see_does_no_harm() -> None:
    assert "ReducerContext" not in globals()
    assert stdb.Database(forest).describe()["reducers"][0]["params"][0] == {
        "name": "kind",
        "type": "Kind",
    }
