"""``stdb dev``: what is saved is published."""

import signal
import subprocess
from pathlib import Path

from tests.cli.conftest import SHOP, Command


def _wait_for(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return
    raise AssertionError(f"{text!r} did not come:\n{''.join(seen)}")


def test_what_is_saved_is_published_and_the_log_shown(stdb: Command, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    module = project / "module.py"
    source = SHOP.read_text("utf-8").replace(
        'word="xyzzy"))', 'word="xyzzy"))\n    ctx.log.info("filled")'
    )
    module.write_text(source)
    process = stdb.start("dev", "shop", "--module-path", str(project), "--yes")
    _wait_for(process, "Published shop: created.")
    _wait_for(process, "filled")
    assert "xyzzy" in stdb("sql", "shop", "SELECT word FROM secret")
    module.write_text(source.replace("ctx.db.item.insert(", "ctx.db.item.insert(("))
    _wait_for(process, "SyntaxError")
    _wait_for(process, "Waiting for next change...")
    module.write_text(source + "\n@shop.table(public=True)\nclass Extra(Row):\n    word: str\n")
    _wait_for(process, "Published shop: updated.")
    assert "(0 rows)" in stdb("sql", "shop", "SELECT word FROM extra")
    module.write_text(source.replace("price: f64 = column(default=1.0)", "price: str"))
    _wait_for(process, "Proceeding with database clear due to --delete-data=on-conflict.")
    _wait_for(process, "Published shop: updated.")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stdout is not None
    assert "Traceback" not in process.stdout.read()
    assert "price" in stdb("describe", "shop", "table", "item")


def test_a_database_that_is_open_elsewhere_ends_it(shop: Command, opened: object) -> None:
    assert "open" in shop("dev", "shop", "--module-path", str(SHOP), code=1)
