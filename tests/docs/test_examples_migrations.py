"""The example of migrations runs from the first version to the last."""

import subprocess
import sys
from pathlib import Path

import stdb

ROOT = Path(__file__).parents[2]


def test_the_game_goes_through_all_of_its_versions(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "migrations" / "run.py"), str(tmp_path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "+ coins: U64 (default: 100)" in shown
    assert "table 'player' cannot be removed while it holds 3 rows" in shown
    assert "▸ Removed table: player" in shown
    with stdb.Host(tmp_path) as host:
        rows = {row.name: row for row in host["my-game"].tables.ranked_player}
    assert sorted(rows) == ["ann", "bob", "cid"]
    assert (rows["ann"].wins, rows["ann"].coins, rows["ann"].rank.name) == (21, 260, "LEGEND")
    assert (rows["bob"].wins, rows["bob"].coins) == (1, 110)
