"""Python modules that are stored with their database, and run by later processes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import stdb
from stdb import Database, Host, Module, PublishError
from stdb.module.archive import pack, split_program, unpack

if TYPE_CHECKING:
    from pathlib import Path

SHOP = """
import stdb
shop = stdb.Module("shop")

@shop.table(public=True)
class Order(stdb.Row):
    id: stdb.u64 = stdb.primary_key(auto_inc=True)
    count: stdb.u64

@shop.reducer
def order(ctx: stdb.ReducerContext, count: stdb.u64) -> None:
    ctx.db.order.insert(count=count)
"""
WIDER = SHOP.replace("    count: stdb.u64\n", "    count: stdb.u64\n    note: str = '?'\n", 1)
WIDER = WIDER.replace("count=count)", "count=2 * count)")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.py"
    path.write_text(SHOP)
    return path


def test_a_later_process_runs_what_was_published(tmp_path: Path, shop: Path) -> None:
    with Host(tmp_path / "host") as host:
        host.publish("shop", shop)
    shop.write_text("raise SystemExit('not this')")
    code = (
        "import stdb, sys\n"
        "with stdb.Host(sys.argv[1]) as host:\n"
        "    host['shop'].call('order', 5)\n"
        "    print(host['shop'].sql('SELECT count FROM \"order\"').scalar())\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "host")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    assert shown.stdout == "5\n"


def test_another_version_takes_its_place(tmp_path: Path, shop: Path) -> None:
    with Host(tmp_path / "host") as host:
        host.publish("shop", str(shop))
        host["shop"].call("order", 1)
        shop.write_text(WIDER)
        plan = host.publish("shop", str(shop)).plan
        assert "Created column in table order" in str(plan)
        host["shop"].call("order", 2)
    with Host(tmp_path / "host") as host:
        host["shop"].call("order", 3)
        rows = sorted((row.count, row.note) for row in host["shop"].tables.order)
    assert rows == [(1, "?"), (4, "?"), (6, "?")]


def test_other_functions_alone_are_another_version(tmp_path: Path, shop: Path) -> None:
    with Host(tmp_path / "host") as host:
        host.publish("shop", shop)
        before = next(iter(host["shop"].tables["st_module"])).program_hash
        shop.write_text(SHOP.replace("count=count)", "count=7)"))
        assert host.publish("shop", shop).plan.is_empty
        assert next(iter(host["shop"].tables["st_module"])).program_hash != before
        host["shop"].call("order", 1)
        assert [row.count for row in host["shop"].tables.order] == [7]


def test_merely_opening_a_path_runs_no_python(tmp_path: Path, shop: Path) -> None:
    shop.write_text(SHOP + f"\nimport pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n")
    Database(shop, tmp_path / "db").close()
    (tmp_path / "ran").unlink()
    code = "import stdb, sys\nstdb.Database.open(sys.argv[1]).close()\n"
    command = [sys.executable, "-c", code, str(tmp_path / "db")]
    subprocess.run(command, check=True)
    assert not (tmp_path / "ran").exists()
    with Database.open(tmp_path / "db", run_stored=True) as db:
        db.call("order", 1)


def test_stored_python_runs_for_its_owner_only(tmp_path: Path, shop: Path) -> None:
    stranger = stdb.Identity.from_hex("33" * 32)
    Host(tmp_path / "host").publish("shop", shop)
    with Host(tmp_path / "host", owner=stranger) as host:
        with pytest.raises(stdb.UnknownName):
            host["shop"].call("order", 1)
        assert len(host["shop"].tables.order) == 0
    path = next((tmp_path / "host" / "databases").iterdir())
    with pytest.raises(stdb.UsageError, match="belongs to"):
        Database.open(path, owner=stranger, run_stored=True)


def test_what_is_only_read_runs_nothing(tmp_path: Path, shop: Path) -> None:
    Database(shop, tmp_path / "db").close()
    with pytest.raises(stdb.UsageError, match="not only read"):
        Database.open(tmp_path / "db", readonly=True, run_stored=True)


def test_a_package_is_stored_whole(tmp_path: Path) -> None:
    package = tmp_path / "store"
    (package / "parts").mkdir(parents=True)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "x.pyc").write_bytes(b"")
    (package / "__init__.py").write_text("from .parts.rows import shop\n")
    (package / "parts" / "rows.py").write_text(
        SHOP.replace("    ctx.db", "    from ..more import twice\n    ctx.db").replace(
            "count=count)", "count=twice(count))"
        )
    )
    (package / "more.py").write_text("def twice(x):\n    return 2 * x\n")
    Database(package, tmp_path / "db").close()
    for file in package.rglob("*.py"):
        file.unlink()
    with Database.open(tmp_path / "db", run_stored=True) as db:
        db.call("order", 4)
        assert [row.count for row in db.tables.order] == [8]
    entry, files = unpack(split_program(db._program.program_bytes)[1])
    assert (entry.name, sorted(files)) == ("store", ["__init__.py", "more.py", "parts/rows.py"])


def test_a_project_begins_with_its_module_file(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    (project / ".venv").mkdir()
    (project / "tests" / "test_it.py").write_text("raise SystemExit")
    (project / ".venv" / "x.py").write_text("raise SystemExit")
    (project / "module.py").write_text("from .rows import shop\n")
    (project / "rows.py").write_text(SHOP)
    with Database(str(project)) as db:
        db.call("order", 1)
    assert sorted(unpack(pack(project))[1]) == ["module.py", "rows.py"]


def test_the_same_source_has_the_same_hash(tmp_path: Path, shop: Path) -> None:
    first = pack(shop)
    shop.touch()
    assert pack(shop) == first
    with Database(shop) as one, Database(Module.from_file(shop)) as other:
        assert one._program.program_bytes == other._program.program_bytes


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_thing", r"imports 'no_such_thing', which is not installed here"),
        ("import stdb", "makes no stdb.Module"),
        (
            "import stdb\na = stdb.Module('a')\nb = stdb.Module('b')",
            r"several modules: a, b; say which one, as in .*:a",
        ),
        ("1 / 0", "cannot be imported: ZeroDivisionError"),
        ("from . import other", "cannot be imported: ImportError"),
        ("from .other import x", "imports 'other', which is not among its files"),
        ("def f(:", "cannot be imported: SyntaxError"),
    ],
)
def test_source_that_is_no_module(tmp_path: Path, shop: Path, source: str, message: str) -> None:
    shop.write_text(source)
    with pytest.raises(PublishError, match=message):
        Database(shop)


def test_one_of_several_modules(tmp_path: Path, shop: Path) -> None:
    shop.write_text(SHOP + "\nother = stdb.Module('other')\n")
    with Database(f"{shop}:shop") as db:
        db.call("order", 1)
    with pytest.raises(PublishError, match="has no module 'shup'; it has: shop, other"):
        Database(f"{shop}:shup")


def test_a_wrong_declaration_is_said_as_such(shop: Path) -> None:
    shop.write_text(SHOP.replace("count: stdb.u64\n", "count: object\n", 1))
    with pytest.raises(stdb.DefinitionError, match="count"):
        Database(shop)
    shop.write_text(SHOP)
    Database(shop).close()


def test_a_place_without_a_module(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"neither an __init__\.py .* nor a module\.py"):
        Database(tmp_path)
    with pytest.raises(PublishError, match="there is no module at"):
        Database(tmp_path / "none.py")


def test_tracebacks_show_the_source(shop: Path) -> None:
    import traceback

    shop.write_text(SHOP.replace("ctx.db.order.insert(count=count)", "raise RuntimeError(count)"))
    with Database(shop) as db, pytest.raises(stdb.ModuleError) as info:
        db.call("order", 1)
    shown = "".join(traceback.format_exception(info.value.__cause__))
    assert "shop.py" in shown
    assert "raise RuntimeError(count)" in shown


def test_an_archive_that_is_none_is_refused() -> None:
    with pytest.raises(PublishError, match="cannot be read"):
        unpack(b"PK no")
    assert split_program(b"\x02abc") == (b"\x02abc", b"")
