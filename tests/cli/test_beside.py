"""The command beside another process, which has the database open."""

import json
import re
import signal
import sys
import threading
from collections.abc import Callable

import pytest
from tests.cli.conftest import Command


def test_queries_work_and_changes_are_told_why_not(
    shop: Command, opened: Callable[[str], None]
) -> None:
    opened('["add", "salt", 1.5]')
    assert "salt" in shop("sql", "shop", "SELECT name FROM item")
    assert "adding salt" in shop("logs", "shop")
    for words in (
        ("call", "shop", "add", "sugar", "1"),
        ("sql", "shop", "DELETE FROM item"),
        ("sql", "shop", "SELECT * FROM mine"),
        ("delete", "shop", "--yes"),
    ):
        printed = shop(*words, code=1)
        assert re.search(r"the database is open in process \d+( \(.*\))?, since 20", printed)
        assert "make them in that process, or end it first" in printed
        assert "Queries (SELECT), logs, describe, subscribe" in printed
    assert "salt" in shop("sql", "shop", "SELECT name FROM item")


def test_a_subscription_follows_until_there_were_enough_updates(
    shop: Command, opened: Callable[[str], None]
) -> None:
    words = ("subscribe", "shop", "SELECT * FROM item WHERE price > 1", "-n", "2")
    process = shop.start(*words, "--print-initial-update")
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert [row["name"] for row in first["item"]["inserts"]] == ["tea"]
    opened('["add", "salt", 0.5]')
    opened('["add", "wine", 9]')
    opened('["add", "oil", 4]')
    names = []
    for line in process.stdout:
        update = json.loads(line)["item"]
        assert update["deletes"] == []
        names += [row["name"] for row in update["inserts"]]
    assert names == ["wine", "oil"]
    assert process.wait() == 0
    printed = shop("subscribe", "shop", "SELECT * FROM item", "-n", "1", "-t", "0.1", code=1)
    assert "subscription timed out after 0.1s after receiving 0/1 updates" in printed
    assert "did you mean" in shop("subscribe", "shop", "SELECT * FROM itm", code=1)


def test_the_log_is_followed_until_ctrl_c(shop: Command, opened: Callable[[str], None]) -> None:
    process = shop.start("logs", "shop", "--follow", "--level", "info")
    assert process.stdout is not None
    assert "INFO: Database initialized" in process.stdout.readline()
    assert "adding tea" in process.stdout.readline()
    assert "adding milk" in process.stdout.readline()
    opened('["add", "salt", 1]')
    line = process.stdout.readline()
    assert line.split(maxsplit=2)[1:2] == ["INFO:"]
    assert line.endswith("adding salt\n")
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert process.stdout.read().strip() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="takes a pseudo-terminal")
def test_the_shell_reads_beside_it(shop: Command, opened: Callable[[str], None]) -> None:
    with shop.terminal("sql", "shop") as terminal:
        terminal.expect("Another process has it open: here it can only be read.")
        terminal.expect("shop>")
        threading.Thread(target=opened, args=('["add", "salt", 1]',)).start()
        for _ in range(50):
            terminal.type("SELECT COUNT(*) AS n FROM item;\r")
            if " 3" in terminal.expect("(1 row)"):
                break
        else:
            pytest.fail("the new row did not come")
        terminal.type("DELETE FROM item;\r")
        terminal.expect("readonly")
