"""``stdb sql`` in pipes: what it prints, whom it asks for, how it ends."""

import csv
import io
import json
import subprocess

from tests.cli.conftest import COMMAND, Command

SOMEBODY = "c2" + "00" * 31


def test_a_table_has_its_columns_under_their_names(shop: Command) -> None:
    printed = shop("sql", "shop", "SELECT id, name, note FROM item ORDER BY id")
    assert printed == (
        " id | name | note\n----+------+------\n  1 | tea  | None\n  2 | milk | None\n(2 rows)\n"
    )


def test_json_and_csv_are_read_back_by_their_readers(shop: Command) -> None:
    shop("sql", "shop", "UPDATE item SET name = 'a, \"b\" ☕' WHERE id = 1")
    rows = json.loads(shop("sql", "shop", "SELECT id, name FROM item ORDER BY id", "--json"))
    assert rows == [{"id": 1, "name": 'a, "b" ☕'}, {"id": 2, "name": "milk"}]
    printed = shop("sql", "shop", "SELECT name, note FROM item ORDER BY id", "--format", "csv")
    assert list(csv.reader(io.StringIO(printed))) == [
        ["name", "note"], ['a, "b" ☕', ""], ["milk", ""],
    ]  # fmt: skip
    assert json.loads(shop("sql", "shop", "SELECT * FROM item WHERE id = 9", "--json")) == []


def test_statements_come_one_after_the_other_from_a_pipe(shop: Command) -> None:
    printed = shop(
        "sql", "shop", "--format", "csv",
        stdin="-- first; \nDELETE FROM item WHERE name = 'tea';\nSELECT name FROM item;\n",
    )  # fmt: skip
    assert printed == "1 row deleted\n\nname\nmilk\n"
    assert "there is no statement" in shop("sql", "shop", stdin=" ; -- nothing\n", code=1)


def test_an_error_shows_the_place_and_the_nearest_name(shop: Command) -> None:
    printed = shop("sql", "shop", "SELECT nam FROM item", code=1)
    assert "did you mean name?" in printed
    assert "  SELECT nam FROM item\n         ^" in printed
    assert "did you mean 'shop'" in shop("sql", "shp", "SELECT * FROM item", code=1)
    assert "--json" in shop("sql", "shop", "SELECT * FROM item", "--jsn", code=2)


def test_somebody_else_sees_public_tables_and_changes_nothing(shop: Command) -> None:
    assert "(1 row)" in shop("sql", "shop", "SELECT * FROM secret")
    somebody = ("--as", SOMEBODY)
    assert "(2 rows)" in shop("sql", "shop", "SELECT * FROM item", *somebody)
    assert "secret" in shop("sql", "shop", "SELECT * FROM secret", *somebody, code=1)
    assert "not authorized" in shop("sql", "shop", "DELETE FROM item", "--anonymous", code=1)
    assert "64 hex digits" in shop("sql", "shop", "SELECT 1", "--as", "ann", code=1)
    assert "not both" in shop(
        "sql", "shop", "SELECT 1", "--as", SOMEBODY, "--anonymous", code=2
    )  # fmt: skip


def test_a_view_is_of_who_asks(shop: Command) -> None:
    assert "(2 rows)" in shop("sql", "shop", "SELECT name FROM mine")
    shop("call", "shop", "give", "1", SOMEBODY)
    printed = shop("sql", "shop", "SELECT name FROM item WHERE id = 2; SELECT name FROM mine")
    assert printed.split("\n\n")[1] == " name\n------\n milk\n(1 row)\n"
    assert "tea" in shop("sql", "shop", "SELECT name FROM mine", "--as", f"0x{SOMEBODY}")


def test_a_reader_that_goes_away_is_no_error(shop: Command) -> None:
    rows = ", ".join(f"('word {number}')" for number in range(20_000))
    shop("sql", "shop", stdin=f"INSERT INTO secret (word) VALUES {rows}")
    done = subprocess.run(
        f"{' '.join(COMMAND)} sql shop 'SELECT * FROM secret' | head -n 3",
        shell=True, env=shop.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[0] == " word"
    assert (done.returncode, done.stderr) == (0, "")


def test_a_database_is_also_found_by_its_directory_and_identity(shop: Command) -> None:
    [about] = json.loads(shop("list", "--json"))
    for database in (about["identity"], about["path"]):
        assert "(2 rows)" in shop("sql", database, "SELECT * FROM item")
    assert "there is no database" in shop("logs", "./nowhere", code=1)
