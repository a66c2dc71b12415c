"""Publishing, listing, renaming, deleting; prompts and colours in a terminal."""

import json
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import SHOP, Command

terminals = pytest.mark.skipif(sys.platform == "win32", reason="takes a pseudo-terminal")


def changed(directory: Path, old: str, new: str) -> str:
    """Write the shop's module with a change, and return its path."""
    source = SHOP.read_text("utf-8")
    assert old in source
    path = directory / "changed.py"
    path.write_text(source.replace(old, new), "utf-8")
    return str(path)


@terminals
def test_the_plan_is_shown_and_breaking_clients_is_asked(shop: Command, tmp_path: Path) -> None:
    last = "    note: str | None = column(default=None)"
    path = changed(tmp_path, last, f"{last}\n    size: u64 = column(default=7)")
    words = ("publish", "shop", "--module-path", path)
    with shop.terminal(*words) as terminal:
        terminal.expect("Database Migration Plan")
        terminal.expect("BREAK existing clients. Do you want to proceed? [y/N]")
        assert "\x1b[1" in terminal.raw
        terminal.type("n\r")
        terminal.expect("Aborting")
        assert terminal.end() == 1
    shop.environment["NO_COLOR"] = "1"
    with shop.terminal(*words) as terminal:
        terminal.expect("[y/N]")
        assert "\x1b" not in terminal.raw
        terminal.type("yes\r")
        terminal.expect("Updated database with name: shop, identity: c200")
        assert terminal.end() == 0, terminal.raw
    assert "7" in shop("sql", "shop", "SELECT size FROM item WHERE id = 1")


def test_tables_that_cannot_follow_are_kept_unless_told(shop: Command, tmp_path: Path) -> None:
    path = changed(tmp_path, "price: f64 = column(default=1.0)", "price: str")
    printed = shop("publish", "shop", "-p", path, "--yes", code=1)
    assert "item" in printed
    assert "(2 rows)" in shop("sql", "shop", "SELECT * FROM item")
    printed = shop("publish", "shop", "-p", path, "--delete-data=on-conflict", stdin="no\n", code=1)
    assert "This will DESTROY the current shop module, and ALL corresponding data." in printed
    assert "(2 rows)" in shop("sql", "shop", "SELECT * FROM item")
    shop("publish", "shop", "-p", path, "--delete-data=on-conflict", "--yes")
    assert "(0 rows)" in shop("sql", "shop", "SELECT * FROM item")


def test_a_module_that_is_wrong_is_no_database(stdb: Command, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("import nowhere_to_be_found\n")
    assert "'nowhere_to_be_found', which is not installed" in stdb("publish", "shop", code=1)
    (tmp_path / "module.py").write_text("def f(:\n")
    assert "SyntaxError" in stdb("publish", "shop", code=1)
    (tmp_path / "module.py").unlink()
    assert "there is no module here" in stdb("publish", "shop", code=1)
    assert "lower-case" in stdb("publish", "My_Shop", "-p", str(SHOP), code=1)
    assert "No databases found" in stdb("list")


def test_names_come_and_go(shop: Command) -> None:
    assert "Name set to store" in shop("rename", "shop", "--to", "store")
    [about] = json.loads(shop("list", "--json"))
    assert about["names"] == ["store"]
    assert "is now locked" in shop("lock", "store")
    assert "is locked and cannot be deleted" in shop("delete", "store", "-y", code=1)
    assert "(locked)" in shop("list")
    shop("unlock", "store")
    assert "Aborting" in shop("delete", "store", stdin="n\n")
    assert "Skipping confirmation due to --yes" in shop("delete", "store", "--yes")
    assert "No databases found" in shop("list")


def test_calls_have_arguments_callers_and_results(shop: Command) -> None:
    somebody = "c2" + "00" * 31
    shop("call", "shop", "add", "oil", "4.25", "--as", somebody)
    assert shop("call", "shop", "total") == "7.5\n"
    assert "2" in shop("sql", "shop", "SELECT COUNT(*) AS n FROM visitor")  # the caller connects
    for words, message in (
        (("add", "oil"), "2 parameters were expected, but 1 was provided:"),
        (("add", "oil", "dear"), "add, argument 'price': dear is no f64 in JSON"),
        (("ad", "oil", "1"), "did you mean 'add'"),
        (("give", "99", somebody), "there is no item 99"),
        (("came",), "came"),
    ):
        assert message in shop("call", "shop", *words, code=1)


def test_copies_exports_and_history(shop: Command, tmp_path: Path) -> None:
    assert "up to transaction" in shop("backup", "shop", "copy.stdb")
    assert "(2 rows)" in shop("sql", "./copy.stdb", "SELECT * FROM item")
    assert "item: 2 rows" in shop("export", "shop", "rows")
    assert "is there already" in shop("export", "shop", "rows", code=1)
    shop("sql", "shop", "DELETE FROM item; DELETE FROM secret")
    assert "item: 2 rows" in shop("import", "shop", "rows", "--table", "item")
    assert "milk" in shop("sql", "shop", "SELECT name FROM item")
    assert "(0 rows)" in shop("sql", "shop", "SELECT * FROM secret")
    lines = shop("history", "shop", "--json", "--from", "1").splitlines()
    assert [json.loads(line)["reducer"] for line in lines[:2]] == ["add", "add"]
    assert "+ item Item(id=1" in shop("history", "shop", "--rows")
    assert "No damage" in shop("repair", "shop")


def test_damage_is_cut_off_when_told(shop: Command) -> None:
    [about] = json.loads(shop("list", "--json"))
    [log] = Path(about["path"], "clog").glob("*.stdb.log")
    content = bytearray(log.read_bytes())
    content[content.index(b"\x03\0\0\0tea") + 4] ^= 0xFF  # in a transaction before others
    log.write_bytes(content)
    assert log.name in shop("repair", "shop", code=1)
    assert log.name in shop("sql", "shop", "SELECT name FROM item", code=1)
    assert "1 transaction left" in shop("repair", "shop", "--discard", "--yes")
    assert "(0 rows)" in shop("sql", "shop", "SELECT name FROM item")


def test_what_a_module_has_is_described(shop: Command) -> None:
    printed = shop("describe", "shop")
    for line in (
        "table item (public)",
        "    id: u64  primary key, auto_inc",
        "view mine (public, per sender)",
        "reducer add(name: str, price: f64)",
        "reducer came()  [client_connected]",
        "procedure total() -> f64",
    ):
        assert line in printed.splitlines()
    described = json.loads(shop("describe", "shop", "--json"))
    assert "Tables" in {key for section in described["sections"] for key in section}
    table = json.loads(shop("describe", "shop", "table", "item", "--json"))
    assert table["source_name"] == "item"
    assert "did you mean 'item'" in shop("describe", "shop", "table", "itm", code=1)


def test_only_publishing_makes_a_directory(stdb: Command) -> None:
    assert "No databases found" in stdb("list")
    assert stdb("list", "--json") == "[]\n"
    assert "there are no databases in" in stdb("sql", "shop", "SELECT * FROM item", code=1)
    assert not stdb.databases.exists()


def test_the_shell_completes_commands_and_databases(shop: Command) -> None:
    shop.environment["_STDB_COMPLETE"] = "bash_complete"
    for words, position, found in (
        ("stdb pub", 1, "plain,publish"),
        ("stdb sql sh", 2, "plain,shop"),
        ("stdb sql nothing", 2, ""),
    ):
        shop.environment.update(COMP_WORDS=words, COMP_CWORD=str(position))
        assert shop().strip() == found
