"""``stdb generate``: the bindings of compiled modules, and programs that use them."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import SHOP, Command
from tests.helpers.compiled import compiled
from tests.helpers.gallery import PRINTED, PROGRAM, written
from tests.helpers.typescript_modules import bundled
from tests.helpers.wasm_modules import built

import stdb as library
from stdb.cli.bindings import bindings

MODULES = ("bank.c", "cases.c", "club.c", "old.c", "spaces.c", "types.c", "versions.c")


def source(name: str, **options: bool) -> str:
    flags = ("-DVERSION=1",) if name == "versions.c" else ()
    return bindings(library.Module.from_file(built(name, *flags)).freeze(), **options)


def test_a_program_uses_sums_namespaces_and_functions(stdb: Command, tmp_path: Path) -> None:
    file = written(tmp_path)
    stdb("generate", "--bin-path", str(file), "--out", "gallery.py")
    (tmp_path / "program.py").write_text(PROGRAM, "utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py", str(file)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == PRINTED


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("name", [*MODULES, "gallery"])
def test_the_source_is_formatted_and_has_no_mistakes(
    tmp_path: Path, name: str, private: bool
) -> None:
    """It has to be as ruff with its defaults would leave it."""
    program = library.Module.from_file(written(tmp_path)).freeze()
    made = tmp_path / "made.py"
    made.write_text(
        bindings(program, include_private=private)
        if name == "gallery"
        else source(name, include_private=private),
        "utf-8",
    )
    for words in (["format", "--check", "--diff"], ["check", "--select=F,I,UP"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--isolated", "--target-version=py311", made],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    subprocess.run([sys.executable, "-W", "error", made], check=True)


def test_the_same_module_gives_the_same_source(stdb: Command, tmp_path: Path) -> None:
    """In any process: nothing hangs on the order of a set."""
    file = str(written(tmp_path))
    sources = set()
    for seed in ("0", "1", "2"):
        stdb.environment["PYTHONHASHSEED"] = seed
        sources.add(stdb("generate", "--bin-path", file))
    assert len(sources) == 1


def test_what_only_the_owner_may_use_is_left_out(tmp_path: Path) -> None:
    program = library.Module.from_file(written(tmp_path)).freeze()
    public, everything = bindings(program), bindings(program, include_private=True)
    for name in ("class Secret", "def whisper"):
        assert name not in public
        assert name in everything


def test_bindings_are_for_one_version_of_a_module(tmp_path: Path) -> None:
    """Whoever connects with those of another version is told so, not given wrong types."""
    first, second = (built("versions.c", f"-DVERSION={number}") for number in (1, 2))
    made: dict[str, object] = {}
    exec(bindings(library.Module.from_file(first).freeze()), made)
    connect, item = made["connect"], made["Item"]
    assert callable(connect)
    assert isinstance(item, type)
    with library.Database(first) as db:
        db.call("add", "one")
        with connect(db) as conn:
            conn.subscribe(item)
            (row,) = conn.db.item
            assert isinstance(row, item)
        db.publish(second)
        with pytest.raises(library.UsageError, match=r"another version.*stdb generate"):
            connect(db)
    with pytest.raises(library.UsageError, match="takes a Database"):
        connect(first)


def test_rows_of_all_databases_of_a_module_are_of_one_class(tmp_path: Path) -> None:
    file = written(tmp_path)
    stored = tmp_path / "stored"
    with library.Database(file, stored) as db:
        db.call("artists.age", 1, 40)
    made: dict[str, object] = {}
    exec(bindings(library.Module.from_file(file).freeze()), made)
    with library.Database(file) as one, library.Database.open(stored) as two:
        one.call("artists.age", 1, 40)
        rows = [next(iter(db.tables["artists.age"])) for db in (one, two)]
    assert {type(row) for row in rows} == {made["ArtistsAge"]}
    assert rows[0] == rows[1]


def test_types_may_have_names_that_the_bindings_use(tmp_path: Path) -> None:
    """Names of types, tables and reducers that the source itself has a use for."""
    module = library.Module("names")

    @module.table(public=True, name="connect")
    class Connection(library.Row):
        UUID: library.u64 = library.primary_key()
        str: str | None
        tuple: list[str]

    @module.table(public=True, name="tables")
    class Tables(library.Row):
        Connection: library.u8

    def self_(ctx: library.ReducerContext, self: library.u8, _self: str) -> None:
        raise AssertionError("it is compiled")

    module.reducer(name="connect")(self_)
    made: dict[str, object] = {}
    text = bindings(library.Module.from_file(compiled(module, tmp_path / "n.wasm")).freeze())
    exec(text, made)
    assert "class Connection_(stdb.Row):" in text
    assert "    str: _str | None" in text
    assert "tuple: _tuple[_str, ...]" in text
    assert "def connect(__self, self: int, _self: str) -> None: ..." in text


def test_a_module_in_python_needs_none(stdb: Command) -> None:
    said = stdb("generate", "--module-path", str(SHOP), code=1)
    assert "import them from it" in said


def test_bindings_of_a_typescript_module(tmp_path: Path) -> None:
    """In another language: the same source but for the description."""
    file = bundled("club")  # skips where its packages cannot be installed
    made: dict[str, object] = {}
    exec(bindings(library.Module.from_file(file).freeze()), made)
    connect, member = made["connect"], made["Member"]
    assert callable(connect)
    assert isinstance(member, type)
    with library.Database(file) as db, connect(db) as conn:
        conn.subscribe(member)
        conn.reducers.join("ann")
        (row,) = conn.db[member]
        assert isinstance(row, member)
        assert row.name == "ann"  # type: ignore[attr-defined]
