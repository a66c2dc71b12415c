"""What `Module.view` and `Module.client_visibility_filter` take, and what they say of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Optional

import pytest

import stdb
from stdb import AnonymousViewContext, DefinitionError, Module, Query, Row, ViewContext, u32
from stdb.schema import decode_module_def

if TYPE_CHECKING:
    from stdb import ViewContext as OnlyForCheckers  # noqa: F401

shop = Module("shop")


@shop.table(public=True)
class Item(Row):
    id: u32 = stdb.primary_key()
    name: str


@shop.table()
class Secret(Row):
    text: str


def view_of(module: Module) -> Any:
    return next(iter(module.definition().views.values()))


def module_with(function: Any, **options: Any) -> Module:
    module = Module("m")
    module.table(name="item", public=True)(Item)
    module.view(**options)(function)
    return module


def test_the_annotations_say_what_a_view_is() -> None:
    def a(ctx: ViewContext) -> list[Item]: ...
    def b(ctx: AnonymousViewContext) -> Item | None: ...
    def c(ctx: stdb.ViewContext) -> Query[Item]: ...
    def d(ctx: ViewContext) -> Optional[Item]: ...  # noqa: UP045 - the other spelling
    def e(ctx: AnonymousViewContext) -> Iterator[Item]: ...
    def f(ctx: ViewContext) -> tuple[Item, ...]: ...
    def g(ctx: stdb.AnonymousViewContext) -> list["Item"]: ...  # noqa: UP037 - a name in quotes

    module = Module("m")
    module.table(name="item")(Item)
    for function in (a, b, c, d, e, f, g):
        module.view(function)
    views = module.definition().views
    assert {name: (view.returns, view.is_anonymous) for name, view in views.items()} == {
        "a": ("array", False),
        "b": ("option", True),
        "c": ("query", False),
        "d": ("option", False),
        "e": ("array", True),
        "f": ("array", False),
        "g": ("array", True),
    }
    # Those with a sender are numbered apart from those without.
    assert [view.index for view in views.values()] == [0, 0, 1, 2, 1, 3, 2]
    assert [view.primary_key for view in views.values()] == [None, None, 0, None, None, None, None]


def test_a_context_may_be_imported_for_type_checkers_only() -> None:
    def v(ctx: stdb.AnonymousViewContext) -> list[Item]: ...

    v.__annotations__["ctx"] = "not_there.AnonymousViewContext"
    assert view_of(module_with(v)).is_anonymous


def test_options_of_a_view() -> None:
    def v(ctx: ViewContext) -> list[Item]: ...

    view = view_of(module_with(v, name="shown", public=True, primary_key="name"))
    assert (view.name, view.is_public, view.primary_key) == ("shown", True, 1)
    assert not view_of(module_with(v)).is_public


def test_declaring_a_view_again_replaces_it_and_another_of_its_name_is_refused() -> None:
    module = Module("m")
    module.table(name="item")(Item)

    def declare() -> Any:
        def v(ctx: ViewContext) -> list[Item]: ...

        return v

    module.view(declare())
    module.view(declare())

    def other(ctx: ViewContext) -> list[Item]: ...

    with pytest.raises(DefinitionError, match="has a view 'v' already"):
        module.view(name="v")(other)


@pytest.mark.parametrize(
    ("context", "returns", "message"),
    [
        (None, list[Item], "annotate its context"),
        (int, list[Item], "annotate its context"),
        (stdb.ReducerContext, list[Item], "ViewContext.* for rows"),
        (ViewContext, None, "annotate what it returns"),
        (ViewContext, Item, r"returns list\[R\], R | None or Query\[R\] for rows of R, not Item"),
        (ViewContext, list, "not list"),
        (ViewContext, list[int], "it returns rows, and i64 is none"),
        (ViewContext, tuple[Item, Item], "for rows of R, not tuple"),
        (ViewContext, dict[int, Item], "for rows of R, not dict"),
    ],
)
def test_a_signature_that_is_none_of_a_view(context: Any, returns: Any, message: str) -> None:
    def v(ctx): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202

    v.__annotations__ = {
        key: value for key, value in (("ctx", context), ("return", returns)) if value is not None
    }
    with pytest.raises(DefinitionError, match=message) as caught:
        module_with(v)
    assert "view 'v'" in str(caught.value)


def test_other_things_that_are_no_view() -> None:
    def two(ctx: ViewContext, room: str) -> list[Item]: ...
    def none() -> list[Item]: ...
    async def waiting(ctx: ViewContext) -> list[Item]: ...

    for function, message in (
        (two, "'two': a view takes only the context, and 'room'"),
        (none, "'none': its parameter is the context"),
        (waiting, "no async"),
        (3, "a view is a function, not 3"),
    ):
        with pytest.raises(DefinitionError, match=message):
            module_with(function)

    class Bare(Row):
        x: u32

    def bare(ctx: ViewContext) -> list[Bare]: ...

    with pytest.raises(DefinitionError, match="Bare is not the class of a table's rows"):
        module_with(bare)

    def keyed(ctx: ViewContext) -> list[Item]: ...

    with pytest.raises(DefinitionError, match=r"primary_key: no column 'nmae'.* 'name'"):
        module_with(keyed, primary_key="nmae")


def test_views_and_tables_have_different_names() -> None:
    def item(ctx: ViewContext) -> list[Item]: ...

    with pytest.raises(DefinitionError, match="item"):
        module_with(item).definition()


def test_a_view_of_rows_of_an_older_class_is_refused() -> None:
    module = Module("m")
    module.table(name="item")(Item)

    class Item2(Row):
        id: u32

    Item2.__name__ = "Item"
    other = Module("other")
    newer = other.table(name="item")(Item2)

    def v(ctx: ViewContext) -> list[Item]: ...

    v.__annotations__["return"] = list[newer]  # type: ignore[valid-type]
    module.view(v)
    with pytest.raises(DefinitionError, match="view 'v' returns rows of another class Item"):
        module.definition()


def test_a_module_without_views_has_the_definition_it_had() -> None:
    kinds = {section.kind for section in decode_module_def(shop.freeze().program_bytes).sections}
    assert not kinds & {"Views", "ViewPrimaryKeys", "RowLevelSecurity"}


#### Visibility filters


def filtered(*filters: str) -> stdb.Database:
    module = Module("m")
    module.table(name="item", public=True)(Item)
    module.table(name="secret")(Secret)

    def shown(ctx: AnonymousViewContext) -> list[Item]: ...

    module.view(public=True)(shown)
    for sql in filters:
        module.client_visibility_filter(sql)
    return stdb.Database(module)


def test_filters_are_in_the_definition_and_in_the_system_table_once() -> None:
    sql = "SELECT * FROM item WHERE id > 1"
    db = filtered(sql, sql)
    assert db.describe()["row_level_security"] == [sql]
    (row,) = db.sql("SELECT * FROM st_row_level_security")
    assert row.sql == sql
    assert row.table_id == db._store["item"].table_id


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FROM itme", "did you mean item"),
        ("SELECT id FROM item", "whole rows of one table"),
        ("SELECT * FROM item WHERE colour = 'red'", "colour"),
        ("DELETE FROM item", "SELECT"),
        ("SELECT * FROM secret", "table 'secret' is private"),
        ("SELECT * FROM shown", "'shown' is a view"),
    ],
)
def test_a_filter_that_cannot_be_fails_the_publishing(sql: str, message: str) -> None:
    with pytest.raises(stdb.PublishError, match=message) as caught:
        filtered(sql)
    assert "client_visibility_filter" in str(caught.value)


def test_a_filter_is_text() -> None:
    with pytest.raises(DefinitionError, match="a visibility filter is SQL text"):
        Module("m").client_visibility_filter(Item)  # type: ignore[arg-type]
