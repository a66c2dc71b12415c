"""The examples of clients run, and find that their caches are right."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*command: str) -> str:
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=True, timeout=120
    ).stdout


def test_chat_in_an_event_loop() -> None:
    shown = run(str(EXAMPLES / "chat_asyncio.py"))
    for name in ("Alice", "Bob", "Carol"):
        assert shown.count(f"{name}'s screen: ") == 5
    assert "Alice's screen: I: Hello!" in shown
    assert "Bob's screen: Alice: Hello!" in shown
    assert shown.endswith("5 messages; still online: 0\n")


def test_the_live_board_of_the_flights() -> None:
    shown = run(str(EXAMPLES / "live_board.py"), "--limit", "600")
    assert "Newark (EWR): " in shown
    assert "every cache holds what SQL finds in the tables" in shown
