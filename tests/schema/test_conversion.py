"""What becomes of names on the way from a raw definition to a validated one."""

from __future__ import annotations

from tests.schema.building import (
    PERSON,
    explicit,
    keyed,
    module,
    module_v9,
    snake,
    table,
    valid,
)

from stdb.schema import Reason, Variant
from stdb.schema.raw_shared import btree, unique
from stdb.schema.raw_v9 import (
    RawConstraintV9,
    RawIndexV9,
    RawSequenceV9,
    RawTableV9,
)
from stdb.schema.raw_v10 import (
    RawConstraintV10,
    RawIndexV10,
    RawReducerV10,
    RawSequenceV10,
)
from stdb.types.algebraic import (
    IDENTITY,
    SCHEDULE_AT,
    STRING,
    U8,
    U32,
    U64,
    UNIT,
    Array,
    Element,
    Product,
    Ref,
    option,
    product,
    sum_of,
)

FRUIT = Product((Element("BasketId", U64), Element("fruitName", STRING), Element("ItemCount", U32)))
FRUIT_TABLE = table(
    "FruitBasket",
    indexes=(
        RawIndexV10("source_a", "byBasket", btree(0, 1)),
        RawIndexV10("source_b", None, Variant("Direct", 2)),
    ),
    constraints=(RawConstraintV10("ignored", unique(2)),),
    sequences=(RawSequenceV10(None, 0),),
)


def test_the_default_policy_converts_tables_columns_and_generated_names() -> None:
    made = valid(snake(FRUIT, named={"fruit_basket": 0}, Tables=(FRUIT_TABLE,)))
    basket = made.tables["fruit_basket"]
    assert basket.accessor_name == "FruitBasket"
    assert [c.name for c in basket.columns] == ["basket_id", "fruit_name", "item_count"]
    assert [c.accessor_name for c in basket.columns] == ["BasketId", "fruitName", "ItemCount"]
    assert [i.name for i in basket.indexes] == [
        "fruit_basket_basket_id_fruit_name_idx_btree",
        "fruit_basket_item_count_idx_direct",
    ]
    assert [i.source_name for i in basket.indexes] == ["source_a", "source_b"]
    assert basket.indexes[0].accessor_name == "byBasket"
    assert basket.constraints[0].name == "fruit_basket_item_count_key"
    assert basket.sequences[0].name == "fruit_basket_basket_id_seq"
    assert made.types.keys() == {"FruitBasket"}


def test_an_explicit_table_name_is_used_verbatim_and_in_generated_names() -> None:
    names = explicit(Table={"FruitBasket": "FB"})
    made = valid(snake(FRUIT, Tables=(FRUIT_TABLE,), ExplicitNames=names))
    basket = made.tables["FB"]
    assert basket.constraints[0].name == "FB_item_count_key"
    assert basket.sequences[0].name == "FB_basket_id_seq"
    assert basket.columns[0].name == "basket_id"


def test_an_explicit_index_name_replaces_the_generated_one() -> None:
    names = explicit(Index={"source_b": "Mine"})
    made = valid(snake(FRUIT, Tables=(FRUIT_TABLE,), ExplicitNames=names))
    assert made.tables["fruit_basket"].indexes[1].name == "Mine"


def test_a_sequence_keeps_its_source_name() -> None:
    parts = {"sequences": (RawSequenceV10("MySeq", 0),)}
    assert (
        valid(snake(FRUIT, Tables=(table(**parts),))).tables["person"].sequences[0].name == "MySeq"
    )


def test_variants_become_camel_case_and_scopes_pascal_case() -> None:
    enum = sum_of(RedApple=UNIT, GreenApple=UNIT)
    made = valid(snake(enum, named={"myLib::utils::metaInfo": 0}))
    assert made.typespace.types == (sum_of(redApple=UNIT, greenApple=UNIT),)
    assert made.source_typespace.types == (enum,)
    [type_] = made.types.values()
    assert type_.scoped_name == "MyLib::Utils::MetaInfo"
    assert (type_.source_scope, type_.source_name) == (("myLib", "utils"), "metaInfo")


def test_fields_are_converted_wherever_they_are() -> None:
    inner = Array(Product((Element("userID", U8),)))
    made = valid(snake(PERSON, inner, named={"P": 0}))
    assert made.typespace.types[1] == Array(product(user_id=U8))


def test_types_with_a_meaning_of_their_own_keep_their_names() -> None:
    nested = option(product(userID=U8))
    row = product(when=SCHEDULE_AT, who=IDENTITY, what=option(STRING))
    made = valid(snake(row, nested, named={"R": 0}))
    assert made.typespace.types == (row, nested)


def test_an_enum_of_some_and_none_becomes_an_option() -> None:
    made = valid(snake(product(c=Ref(1)), sum_of(Some=U8, None_=UNIT), Tables=(table(),)))
    assert made.tables["person"].columns[0].type == option(U8)


def test_parameters_keep_the_names_of_the_source() -> None:
    raw = snake(PERSON, Reducers=(RawReducerV10("addIt", product(userID=U8)),))
    reducer = valid(raw).reducers["add_it"]
    assert reducer.params == product(userID=U8)
    assert reducer.param_names == ("user_id",)


def test_the_policy_none_leaves_every_name_alone() -> None:
    enum = sum_of(RedApple=UNIT)
    made = valid(
        module(
            FRUIT, enum, named={"my::t": 0, "E": 1}, Tables=(FRUIT_TABLE,),
            Reducers=(RawReducerV10("addIt", product(userID=U8)),),
        )
    )  # fmt: skip
    assert made.tables["FruitBasket"].constraints[0].name == "FruitBasket_ItemCount_key"
    assert made.typespace.types == (FRUIT, enum)
    assert made.reducers["addIt"].param_names == ("userID",)
    assert made.types.keys() == {"my::t", "E"}


def test_format_9_leaves_names_alone_and_fills_in_what_is_absent() -> None:
    raw = module_v9(
        RawTableV9(
            "FooBar",
            0,
            primary_key=(0,),
            indexes=(RawIndexV9(None, None, btree(0)),),
            constraints=(RawConstraintV9(None, unique(0)),),
            sequences=(RawSequenceV9(None, 0),),
        )
    )
    made = valid(raw).tables["FooBar"]
    assert made.indexes[0].name == "FooBar_id_idx_btree"
    assert made.constraints[0].name == "FooBar_id_key"
    assert made.sequences[0].name == "FooBar_id_seq"
    assert made.indexes[0].source_name is None


def test_columns_have_their_types_with_and_without_references() -> None:
    made = valid(snake(product(theKind=Ref(1)), sum_of(RedApple=UNIT), Tables=(keyed(
        constraints=(), primary_key=(), indexes=()),)))  # fmt: skip
    [kind] = made.tables["person"].columns
    assert kind.raw_type == Ref(1)
    assert kind.type == sum_of(redApple=UNIT)
    assert made.tables["person"].row_type == product(the_kind=sum_of(redApple=UNIT))


def test_event_and_access_flags_reach_the_table() -> None:
    raw = module(
        Tables=(table("a", is_event=True), table("b", table_access="Private")),
    )
    a, b = valid(raw).tables.values()
    assert (a.is_event, a.is_public, b.is_event, b.is_public) == (True, True, False, False)


def test_a_reason_reads_as_its_message() -> None:
    assert str(Reason("DuplicateName", "the text")) == "the text"
