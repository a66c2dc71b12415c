"""What a module must be to be run, and how it is prepared."""

from pathlib import Path
from typing import Any

import pytest
import wasmtime
from tests.helpers.wasm_modules import built

import stdb
from stdb.runtime.wasm import load

CALL = "(param i32 i64 i64 i64 i64 i64 i64 i64 i32 i32) (result i32)"
SINK = '(import "spacetime_10.0" "bytes_sink_write" (func $write (param i32 i32 i32) (result i32)))'
LOG = '(import "spacetime_10.0" "console_log" (func $log (param i32 i32 i32 i32 i32 i32 i32 i32)))'
#: An empty definition of format 10, and its length.
EMPTY = r'(data (i32.const 16) "\02\00\00\00\00") (data (i32.const 32) "\05\00\00\00")'


def module(
    path: Path,
    *parts: str,
    imports: str = SINK,
    describe: str = "(drop (call $write (local.get 0) (i32.const 16) (i32.const 32)))",
    memory: str = '(memory (export "memory") 1)',
    reducer: str = f'(func (export "__call_reducer__") {CALL} (i32.const 0))',
) -> Path:
    """Write a module in text form, compiled: by default the least one that loads."""
    text = f"""(module {imports} {memory} {EMPTY}
        (func (export "__describe_module__") (param i32) {describe})
        {reducer} {" ".join(parts)})"""
    file = path / "module.wasm"
    file.write_bytes(wasmtime.wat2wasm(text))
    return file


def start_instance(db: stdb.Database) -> None:
    """Begin with a fresh instance, as the first call would: its log is that of the database."""
    executor: Any = db._program.stop.__self__  # type: ignore[union-attr]
    executor._main.start()


def test_the_least_module_loads(tmp_path: Path) -> None:
    db = stdb.Database(module(tmp_path))
    assert (list(db.tables), list(db.reducers)) == ([], [])


@pytest.mark.parametrize(
    ("imports", "message"),
    [
        ("", "imports nothing from SpacetimeDB"),
        ('(import "env" "f" (func))', "imports nothing from SpacetimeDB"),
        ('(import "spacetime_10.6" "f" (func))', r"version 10\.6 .* this is 10\.5"),
        ('(import "spacetime_9.0" "f" (func))', r"version 9\.0"),
        ('(import "spacetime_11.0" "f" (func))', r"version 11\.0"),
        ('(import "spacetime_ten" "f" (func))', "a malformed version"),
        ('(import "env" "f" (func))' + SINK, r"what is not there: env\.f$"),
        ('(import "spacetime_10.0" "datastore_clear" (func (param i32 i32) (result i32)))' + SINK,
         r"spacetime_10\.0\.datastore_clear$"),
        ('(import "spacetime_10.5" "datastore_clear" (func))' + SINK,
         r"datastore_clear of type \(\) -> \(\), which is \(i32, i32\) -> i32 here"),
        ('(import "env" "g" (global i32)) (import "env" "h" (func))' + SINK,
         r"env\.g, which is no function, env\.h$"),
    ],
)  # fmt: skip
def test_a_module_that_needs_the_unknown_is_refused(
    tmp_path: Path, imports: str, message: str
) -> None:
    """With a list of what is missing."""
    file = module(tmp_path, imports=imports, describe="")
    with pytest.raises(stdb.PublishError, match=message):
        stdb.Module.from_file(file)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"memory": "(memory 1)"}, "no memory called 'memory'"),
        ({"reducer": ""}, "no function __call_reducer__"),
        (
            {"reducer": '(func (export "__call_reducer__"))'},
            r"__call_reducer__ is of type \(\) -> \(\)",
        ),
        ({"memory": '(memory 1) (func (export "memory"))'}, "no memory called 'memory'"),
    ],
)
def test_a_module_must_export_what_is_called(
    tmp_path: Path, arguments: dict[str, str], message: str
) -> None:
    with pytest.raises(stdb.PublishError, match=message):
        stdb.Module.from_file(module(tmp_path, **arguments))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            '(func (export "__setup__"))',
            r"__setup__ is of type \(\) -> \(\), and has to be \(i32\) -> i32",
        ),
        ('(func (export "__preinit__1") (param i32))', r"__preinit__1 is of type \(i32\) -> \(\)"),
        ('(func (export "__call_view__"))', r"__call_view__ is of type"),
        (
            '(global (export "__call_procedure__") i32 (i32.const 0))',
            "__call_procedure__ is no fun",
        ),
    ],
)
def test_optional_exports_have_their_types(tmp_path: Path, part: str, message: str) -> None:
    with pytest.raises(stdb.PublishError, match=message):
        stdb.Module.from_file(module(tmp_path, part))


@pytest.mark.parametrize(
    "describe",
    ["", "(drop (call $write (local.get 0) (i32.const 17) (i32.const 32)))"],
    ids=["nothing", "nonsense"],
)
def test_a_module_that_describes_nothing_is_refused(tmp_path: Path, describe: str) -> None:
    with pytest.raises(stdb.PublishError, match="error decoding the module's description"):
        stdb.Module.from_file(module(tmp_path, describe=describe))


@pytest.mark.parametrize(
    "part",
    [
        '(func (export "__preinit__1") unreachable)',
        '(func (export "_initialize") unreachable)',
        "(func $s unreachable) (start $s)",
    ],
)
def test_a_module_that_breaks_while_it_is_prepared_is_refused(tmp_path: Path, part: str) -> None:
    with pytest.raises(stdb.PublishError, match=r"(?s)breaks when it is loaded: .*unreachable"):
        stdb.Module.from_file(module(tmp_path, part))


@pytest.mark.parametrize(
    ("describe", "reason"),
    [
        ("(loop $l (br $l))", "ran for more than 0.2 s"),
        (
            "(loop $l (drop (call $write (local.get 0) (i32.const 16) (i32.const 48))) (br $l))",
            "wrote more than 1048576 bytes",
        ),
    ],
)
def test_a_description_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, describe: str, reason: str
) -> None:
    monkeypatch.setattr(load, "_DESCRIBING", stdb.Limits(time_s=0.2, memory_bytes=2**20))
    size = r'(data (i32.const 48) "\00\80\00\00")'
    with pytest.raises(stdb.PublishError, match=reason):
        stdb.Module.from_file(module(tmp_path, size, describe=describe))


def test_a_setup_that_fails_says_why(tmp_path: Path) -> None:
    part = """(data (i32.const 64) "no luck") (data (i32.const 80) "\\07\\00\\00\\00")
        (func (export "__setup__") (param i32) (result i32)
            (drop (call $write (local.get 0) (i32.const 64) (i32.const 80))) (i32.const 1))"""
    with pytest.raises(stdb.PublishError, match="the module's setup failed: no luck"):
        stdb.Module.from_file(module(tmp_path, part))


def test_the_order_of_preparation(tmp_path: Path) -> None:
    """`_initialize`, the preinits by the bytes of their names, setup, description."""

    def say(letter: str, at: int) -> tuple[str, str]:
        nothing = "(i32.const 0) " * 5
        call = f"(call $log (i32.const 2) {nothing} (i32.const {at}) (i32.const 1))"
        return f'(data (i32.const {at}) "{letter}")', call

    parts = []
    for at, (name, letter) in enumerate(
        [("__preinit__b", "3"), ("__preinit__B", "2"), ("_initialize", "1"), ("__preinit__é", "4")]
    ):
        data, line = say(letter, 100 + at)
        parts.append(f'{data} (func (export "{name}") {line})')
    data, line = say("5", 120)
    setup = f'(func (export "__setup__") (param i32) (result i32) {line} (i32.const 0))'
    parts += [data, setup]
    data, line = say("6", 121)
    describe = f"{line} (drop (call $write (local.get 0) (i32.const 16) (i32.const 32)))"
    file = module(tmp_path, data, *parts, imports=SINK + LOG, describe=describe)
    db = stdb.Database(file)
    start_instance(db)
    assert "".join(record.message for record in db.logs(None)) == "123456"
    assert {record.function for record in db.logs(None)} == {None}


def test_a_view_without_its_export_fails_when_it_is_asked(tmp_path: Path) -> None:
    """The module loads; only the call finds nothing."""
    db = stdb.Database(built("old.c"))
    executor: Any = db._program.stop.__self__  # type: ignore[union-attr]
    del executor._module.exports["__call_view_anon__"]
    with pytest.raises(stdb.ViewError, match="does not export __call_view_anon__"):
        db.sql("SELECT * FROM adults")


def test_inert_wasi_is_there(tmp_path: Path) -> None:
    """What a C library links in answers that there is nothing, and prints into the log."""
    functions = {
        "fd_write": "(func $out (param i32 i32 i32 i32) (result i32))",
        "environ_sizes_get": "(func $env (param i32 i32) (result i32))",
        "random_get": "(func $random (param i32 i32) (result i32))",
        "fd_close": "(func $close (param i32) (result i32))",
    }
    imports = SINK + "".join(
        f'(import "wasi_snapshot_preview1" "{name}" {type_})' for name, type_ in functions.items()
    )
    part = r"""(data (i32.const 200) "hello\n") (data (i32.const 220) "\c8\00\00\00\06\00\00\00")
        (func $must (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
        (func (export "__preinit__1")
            (call $must (i32.eqz (call $out
                (i32.const 2) (i32.const 220) (i32.const 1) (i32.const 240))))
            (call $must (i32.eq (i32.load (i32.const 240)) (i32.const 6)))
            (call $must (i32.eqz (call $env (i32.const 240) (i32.const 244))))
            (call $must (i32.eqz (i32.load (i32.const 240))))
            (call $must (i32.eqz (call $random (i32.const 240) (i32.const 8))))
            (call $must (i32.eq (call $close (i32.const 3)) (i32.const 8))))"""
    db = stdb.Database(module(tmp_path, part, imports=imports))
    start_instance(db)
    assert [(record.level, record.message) for record in db.logs(None)] == [("Warn", "hello")]
