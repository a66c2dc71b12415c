"""Which words are names depends on the place."""

import pytest
from tests.sql.people import make_database

import stdb
from stdb.sql import tokens

DATABASE = make_database()
#: Words that are keywords somewhere.
WORDS = sorted(
    tokens.FIRST_IN_SELECT
    | tokens.AS_TABLE
    | tokens.AS_INSERT_TABLE
    | tokens.AS_TABLE_ALIAS
    | tokens.AS_COLUMN_ALIAS
    | {"DATE", "TIMESTAMP", "SESSION", "VALUES", "COUNT", "ASC", "INSERT", "KEY", "ALL", "STAR"}
)


def is_name(sql: str) -> bool:
    """Whether the statement fails, if at all, only because there is nothing of that name."""
    try:
        DATABASE.sql(sql, strict=True)
    except stdb.SqlError as error:
        named = ("is in scope", "is not in scope", "no such table", "no field", "unexpected type")
        return any(words in error.message for words in named)
    return True


@pytest.mark.parametrize("word", WORDS)
def test_words(word: str) -> None:
    lower = word.lower()
    assert is_name(f"SELECT {lower} FROM person") == (word not in tokens.FIRST_IN_SELECT)
    assert is_name(f"SELECT id, {word} FROM person") == (word not in tokens.IN_EXPRESSIONS)
    in_where = is_name(f"SELECT * FROM person WHERE {word} = 1")
    assert in_where == (word not in tokens.IN_EXPRESSIONS)
    assert is_name(f"SELECT person.{word} FROM person")
    assert is_name(f"SELECT * FROM {word}") == (word not in tokens.AS_TABLE)
    assert is_name(f"SELECT * FROM person {word}") == (word not in tokens.AS_TABLE_ALIAS)
    assert is_name(f"SELECT * FROM person AS {word}")
    if word != "FROM":  # a table called FROM
        assert is_name(f"SELECT id {word} FROM person") == (word not in tokens.AS_COLUMN_ALIAS)
    assert is_name(f"SELECT id AS {word} FROM person")
    assert is_name(f"UPDATE pair SET {word} = 1")
    assert is_name(f'SELECT "{lower}" FROM "{lower}" "{lower}" WHERE "{lower}" = 1')
    if word != "INTO":
        is_table = is_name(f"INSERT INTO {word} ({word}) VALUES (1)")
        assert is_table == (word not in tokens.AS_INSERT_TABLE)
