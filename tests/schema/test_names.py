"""Identifiers, case conversion, generated names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stdb.schema import names
from stdb.schema.names import check_identifier

# name -> snake, camel, pascal
CONVERSIONS = {
    "FruitBasket": ("fruit_basket", "fruitBasket", "FruitBasket"),
    "deliveryRecord": ("delivery_record", "deliveryRecord", "DeliveryRecord"),
    "Apple_name": ("apple_name", "appleName", "AppleName"),
    "player1": ("player_1", "player1", "Player1"),
    "Player2Score": ("player_2_score", "player2Score", "Player2Score"),
    "HTTPServer": ("http_server", "httpServer", "HttpServer"),
    "userID": ("user_id", "userId", "UserId"),
    "_private": ("private", "private", "Private"),
    "__init__": ("init", "init", "Init"),
    "a__b": ("a_b", "aB", "AB"),
    "trailing_": ("trailing", "trailing", "Trailing"),
    "3d": ("3_d", "3D", "3D"),
    "pos3D": ("pos_3_d", "pos3D", "Pos3D"),
    "u64Value": ("u_64_value", "u64Value", "U64Value"),
    "Http2Only": ("http_2_only", "http2Only", "Http2Only"),
    "ÀbcDef": ("àbc_def", "àbcDef", "ÀbcDef"),
    "_": ("", "", ""),
    "table_v2": ("table_v_2", "tableV2", "TableV2"),
    "Some": ("some", "some", "Some"),
    "None": ("none", "none", "None"),
    # Delimiters other than the underscore; nothing at all.
    "kebab-case name": ("kebab_case_name", "kebabCaseName", "KebabCaseName"),
    "": ("", "", ""),
    # Letters without case bound nothing; only ASCII digits are digits.
    "日本Go": ("日本go", "日本go", "日本go"),
    "go٣Go": ("go٣go", "go٣go", "Go٣go"),
    # One letter may become two.
    "maßeEinheit": ("maße_einheit", "maßeEinheit", "MaßeEinheit"),
    "ßa": ("ßa", "ßa", "SSa"),
    # A titlecase letter is neither upper nor lower case.
    "ǆa": ("ǆa", "ǆa", "Ǆa"),
    "aǅ": ("aǆ", "aǆ", "Aǆ"),
}


@pytest.mark.parametrize(("name", "expected"), CONVERSIONS.items())
def test_a_name_is_converted_by_its_words(name: str, expected: tuple[str, str, str]) -> None:
    converted = names.snake_case(name), names.camel_case(name), names.pascal_case(name)
    assert converted == expected


def test_a_mark_belongs_to_its_letter() -> None:
    """A decomposed letter has the case of the letter, and a digit with a mark is no digit."""
    acute, keycap = "\u0301", "\u20e3"
    assert names.split_words(f"cafe{acute}Noir") == [f"cafe{acute}", "Noir"]
    assert names.split_words(f"E{acute}E{acute}Cole") == [f"E{acute}E{acute}", "Cole"]
    assert names.split_words(f"a1{keycap}b") == [f"a1{keycap}b"]
    assert names.split_words(f"a_{acute}b") == [f"a_{acute}b"]


@given(st.text())
def test_no_letter_is_lost_by_splitting(name: str) -> None:
    rest = name
    for delimiter in "_- ":
        rest = rest.replace(delimiter, "")
    joined = "".join(names.split_words(name))
    assert joined.replace("_", "").replace("-", "").replace(" ", "") == rest


@given(st.from_regex(r"[A-Za-z0-9_]{0,12}", fullmatch=True))
def test_snake_case_is_stable(name: str) -> None:
    once = names.snake_case(name)
    assert names.snake_case(once) == once
    assert once == once.lower()
    assert "__" not in once


@pytest.mark.parametrize(
    "name", ["a", "_", "_a", "a1", "Ünï", "日本", "x٣", "a·b", "select", "class", "None", "ªb"]
)  # fmt: skip
def test_an_identifier_is_a_letter_or_underscore_and_letters_and_digits(name: str) -> None:
    assert check_identifier(name) is None


@pytest.mark.parametrize(
    ("name", "rule", "message"),
    [
        ("", "Empty", "empty identifiers are forbidden"),
        ("e\u0301", "NotCanonicalized", "`e\u0301` is not in Unicode normalization form C"),
        ("1\u212b", "NotCanonicalized", "normalization form C"),
        ("3d", "InvalidStart", "`3d` has an invalid starting character '3'"),
        (".a", "InvalidStart", "'.'"),
        ("·a", "InvalidStart", "'·'"),
        ("a.b", "InvalidContinue", "`a.b` has an invalid character '.'"),
        ("a b-c", "InvalidContinue", "' '"),
        ("a\0", "InvalidContinue", "'\\u{0}'"),
        ("a\u200db", "InvalidContinue", "'\\u{200d}'"),
        ("\u037a", "InvalidStart", "'\u037a'"),
    ],
)
def test_what_is_no_identifier_says_the_first_rule_that_it_breaks(
    name: str, rule: str, message: str
) -> None:
    problem = check_identifier(name)
    assert problem is not None
    assert problem.rule == rule
    assert message in problem.message


def test_a_reserved_name_is_refused_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "RESERVED", frozenset({"SELECT"}))
    for name in ("select", "SELECT", "Select"):
        problem = check_identifier(name)
        assert problem is not None
        assert problem.rule == "Reserved"
        assert f"`{name}` is reserved by spacetimedb" in problem.message


def test_generated_names_are_made_of_table_columns_and_sort() -> None:
    assert names.index_name("t", ["a", "b"], "btree") == "t_a_b_idx_btree"
    assert names.index_name("t", ["a"], "hash") == "t_a_idx_hash"
    assert names.index_name("t", ["a"], "direct") == "t_a_idx_direct"
    assert names.constraint_name("t", ["a", "b"]) == "t_a_b_key"
    assert names.sequence_name("t", "a") == "t_a_seq"
    assert names.schedule_name("t") == "t_sched"
