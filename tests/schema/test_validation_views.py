"""What makes a module wrong: views and their primary keys."""

from __future__ import annotations

from typing import Any

import pytest
from tests.schema.building import (
    CONSTRAINT_V9,
    INDEX_V9,
    PERSON,
    QUERY,
    keyed,
    module,
    module_v9,
    reason,
    reasons,
    snake,
    table,
    valid,
    view,
)

from stdb.schema import RawModuleDefV10, Variant
from stdb.schema.raw_v9 import (
    RawProcedureV9,
    RawTableV9,
    RawViewV9,
)
from stdb.schema.raw_v10 import (
    RawViewPrimaryKeyV10,
)
from stdb.types.algebraic import (
    STRING,
    U8,
    UNIT,
    AlgebraicType,
    Array,
    Element,
    Product,
    Ref,
    option,
    product,
    result,
    sum_of,
)


@pytest.mark.parametrize(
    ("returns", "kind"), [(option(Ref(0)), "option"), (Array(Ref(0)), "array"), (QUERY, "query")]
)
def test_a_view_returns_an_option_an_array_or_a_query(returns: AlgebraicType, kind: str) -> None:
    made = valid(module(Views=(view("v", returns, index=7, is_public=False),))).views["v"]
    assert (made.returns, made.product_type_ref, made.index, made.is_public) == (kind, 0, 7, False)
    assert made.row_type == PERSON


@pytest.mark.parametrize(
    "returns",
    [
        Ref(0),
        Array(PERSON),
        option(PERSON),
        result(Ref(0), STRING),
        Array(Array(Ref(0))),
        product(query=Ref(0)),
        product(__query__=Ref(0), more=U8),
        product(__query__=PERSON),
        UNIT,
        U8,
    ],
    ids=str,
)
def test_a_view_returns_nothing_else(returns: AlgebraicType) -> None:
    found = reason(module(Views=(view("v", returns),)))
    assert (found.kind, found.table) == ("InvalidViewReturnType", "v")
    assert f"`{returns}`" in found.message


@pytest.mark.parametrize("ref", [1, 9])
def test_the_rows_of_a_view_are_a_product(ref: int) -> None:
    found = reason(module(PERSON, sum_of(A=UNIT), Views=(view("v", Array(Ref(ref))),)))
    assert (found.kind, found.table) == ("InvalidProductTypeRef", "v")
    assert f"&{ref}" in found.message


@pytest.mark.parametrize("returns", [Array(Ref(0)), QUERY])
def test_the_rows_of_a_view_are_a_named_type(returns: AlgebraicType) -> None:
    found = reason(module(PERSON, named={}, Views=(view("v", returns),)))
    assert found.kind == "ClientCodegenError"
    assert found.message.startswith("error at view `v` return value: ")


def test_the_columns_of_a_view_are_checked_like_those_of_a_table() -> None:
    row = Product((Element(None, U8), Element("b", product(x=U8))))
    found = reasons(module(row, Views=(view("v", Array(Ref(0))),)))
    assert {(r.kind, r.table, r.column) for r in found} == {
        ("UnnamedColumn", "v", "0"),
        ("ClientCodegenError", "v", "b"),
        ("ClientCodegenError", None, None),
    }


def test_the_columns_and_parameters_of_a_view_have_canonical_names() -> None:
    row = product(userID=U8)
    made = valid(snake(row, Views=(view("myView", params=product(minAge=Ref(0))),)))
    [found] = made.views.values()
    assert (found.name, found.accessor_name) == ("my_view", "myView")
    assert [c.name for c in found.columns] == ["user_id"]
    assert [c.name for c in found.param_columns] == ["min_age"]
    assert found.param_columns[0].type == product(user_id=U8)
    assert found.params == product(minAge=Ref(0))


def test_a_view_has_no_parameter_that_contains_itself() -> None:
    raw = module(PERSON, product(me=Array(Ref(1))), Views=(view("v", params=product(p=Ref(1))),))
    found = reason(raw)
    assert found.kind == "RecursiveColumnType"
    assert "view `v` argument 0 (`p`)" in found.message


def view_key(*keys: tuple[str, ...], returns: AlgebraicType | None = None, **more: Any) -> Any:
    entries = tuple(RawViewPrimaryKeyV10(name, tuple(columns)) for name, *columns in keys)
    return module(Views=(view("v", returns),), ViewPrimaryKeys=entries, **more)


def test_a_view_may_have_a_primary_key() -> None:
    assert valid(view_key(("v", "name"))).views["v"].primary_key == 1


def test_a_primary_key_of_a_view_without_columns_says_nothing() -> None:
    assert valid(view_key(("v",))).views["v"].primary_key is None


def test_the_primary_key_of_a_view_is_named_as_in_the_source() -> None:
    row = product(userID=U8)
    keys = (RawViewPrimaryKeyV10("myView", ("userID",)),)
    made = valid(snake(row, Views=(view("myView"),), ViewPrimaryKeys=keys))
    assert made.views["my_view"].primary_key == 0


@pytest.mark.parametrize(
    ("raw", "kind", "table_name", "column", "message"),
    [
        (view_key(("w", "id")), "ViewPrimaryKeyViewNotFound", "w", None, "view `w`"),
        (view_key(("v", "age")), "ViewPrimaryKeyColumnNotFound", "v", "age", "column `age`"),
        (view_key(("v", "id"), ("v", "id")), "RepeatedViewPrimaryKey", "v", None, "view `v`"),
        (
            view_key(("v", "id", "name")),
            "MultipleViewPrimaryKeyColumns",
            "v",
            None,
            "view `v` has multiple primary key columns: id, name",
        ),
    ],
)
def test_a_primary_key_of_a_view_is_one_column_of_one_view(
    raw: RawModuleDefV10, kind: str, table_name: str, column: str | None, message: str
) -> None:
    found = reason(raw)
    assert (found.kind, found.table, found.column) == (kind, table_name, column)
    assert message in found.message


def test_a_query_inherits_the_primary_key_on_which_its_tables_agree() -> None:
    both = (keyed("a"), keyed("b"), table("c"))
    assert valid(view_key(returns=QUERY, Tables=both)).views["v"].primary_key == 0


def test_a_query_inherits_no_primary_key_on_which_its_tables_differ() -> None:
    differ = (keyed("a"), keyed("b", column=1))
    assert valid(view_key(returns=QUERY, Tables=differ)).views["v"].primary_key is None


def test_an_explicit_primary_key_of_a_query_counts_more_than_an_inherited_one() -> None:
    raw = view_key(("v", "name"), returns=QUERY, Tables=(keyed("a"),))
    assert valid(raw).views["v"].primary_key == 1


def test_a_view_of_rows_inherits_no_primary_key() -> None:
    assert (
        valid(view_key(returns=Array(Ref(0)), Tables=(keyed("a"),))).views["v"].primary_key is None
    )


def test_views_and_procedures_of_format_9_are_found_but_have_no_primary_keys() -> None:
    raw = module_v9(
        RawTableV9("t", 0, primary_key=(0,), indexes=INDEX_V9,
                   constraints=CONSTRAINT_V9),
        misc_exports=(
            Variant("View", RawViewV9("v", 3, True, True, Product(), QUERY)),
            Variant("Procedure", RawProcedureV9("p", product(a=U8), U8)),
        ),
    )  # fmt: skip
    made = valid(raw)
    assert made.views["v"].primary_key is None
    assert (made.views["v"].index, made.views["v"].is_anonymous) == (3, True)
    assert made.procedures["p"].return_type == U8
    assert not made.procedures["p"].is_private
