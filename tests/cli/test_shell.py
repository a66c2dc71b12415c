"""``stdb sql`` without a statement: the shell, in a terminal."""

import sys

import pytest
from tests.cli.conftest import Command

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="takes a pseudo-terminal")


def test_statements_take_several_lines_and_errors_are_told(shop: Command) -> None:
    with shop.terminal("sql", "shop") as terminal:
        terminal.expect("shop>")
        terminal.type("SELECT name FROM item\r")
        terminal.expect("...>")
        terminal.type("WHERE name = ';' OR id = 2;\r")
        assert "tea" not in terminal.expect("(1 row)")
        terminal.expect("shop>")
        terminal.type("SELECT nam FROM item;\r")
        terminal.expect("did you mean name?")
        assert "\x1b[31m" in terminal.raw  # in red
        terminal.type("DELETE FROM item WHERE id = 1; SELECT COUNT(*) AS n FROM item;\r")
        terminal.expect("1 row deleted")
        terminal.expect("(1 row)")
        terminal.type(".nothing\r")
        terminal.expect("there is no .nothing")
        terminal.expect("shop>")
        terminal.type("\x04")
        assert terminal.end() == 0, terminal.raw


def test_tab_completes_and_ctrl_c_drops_what_is_typed(shop: Command) -> None:
    with shop.terminal("sql", "shop") as terminal:
        terminal.expect("shop>")
        terminal.type("SELECT wo\t")
        terminal.expect("rd")  # the end of it: only what is new may be drawn
        terminal.type(" FROM sec\t")
        terminal.expect("ret")
        terminal.type(";\r")
        terminal.expect("xyzzy")
        terminal.type("DELETE FROM secret;\x03")
        terminal.expect("shop>")
        terminal.type(".tables\r")
        terminal.expect("visitor")
        terminal.type(".schema item\r")
        terminal.expect("item (id: u64, owner: Identity, name: str")
        terminal.type(".format json\r.exit\r")
        assert terminal.end() == 0, terminal.raw
    assert "xyzzy" in shop("sql", "shop", "SELECT word FROM secret")


def test_what_was_typed_is_there_the_next_time(shop: Command) -> None:
    with shop.terminal("sql", "shop") as terminal:
        terminal.expect("shop>")
        terminal.type("SELECT name FROM item WHERE id = 2;\r")
        terminal.expect("milk")
        terminal.type(".exit\r")
        assert terminal.end() == 0, terminal.raw
    with shop.terminal("sql", "shop") as terminal:
        terminal.expect("shop>")
        terminal.type("\x1b[A\x1b[A\r")  # twice up
        terminal.expect("milk")


def test_a_long_query_is_interrupted_and_the_shell_goes_on(shop: Command) -> None:
    rows = ", ".join(f"('word {number}')" for number in range(3000))
    shop("sql", "shop", stdin=f"INSERT INTO secret (word) VALUES {rows}")
    with shop.terminal("sql", "shop") as terminal:
        terminal.expect("shop>")
        terminal.type("SELECT COUNT(*) AS n FROM secret a JOIN secret b ON a.word <> b.word"
                      " JOIN secret c ON c.word <> b.word AND c.word <> a.word;\r")  # fmt: skip
        terminal.press_until("\x03", "interrupted")
        terminal.type("SELECT name FROM item;\r")
        terminal.expect("milk")


def test_the_input_may_be_a_pipe(shop: Command) -> None:
    printed = shop("sql", "shop", "--interactive", stdin=".format csv\nSELECT name\nFROM item;")
    assert "name\ntea\nmilk\n" in printed
