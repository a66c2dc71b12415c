"""What a hostile module cannot do: crash or hang the process, or touch what is not its own."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator

import pytest
from tests.helpers.wasm_modules import ROOT, built

import stdb
from stdb.runtime.wasm.engine import engine

SMALL = stdb.Limits(time_s=0.3, memory_bytes=8 * 1024**2)
#: For what ends otherwise than by time, also on a machine that has little time for it.
PATIENT = stdb.Limits(time_s=60, memory_bytes=8 * 1024**2)


@pytest.fixture
def db() -> Iterator[stdb.Database]:
    with stdb.Database(built("hostile.c"), limits=PATIENT) as database:
        yield database


def survives(db: stdb.Database) -> None:
    """The database is whole, and its module goes on in a fresh instance."""
    db.check()
    db.call("fine", 0, 0)
    db.call("fine", 0, 0)
    numbers = sorted(row.number for row in db.tables.thing)
    assert numbers == [1, 2], "the module began anew, and nothing of the failed call is there"


@pytest.mark.parametrize(
    ("reducer", "x", "y", "reason"),
    [
        ("wild_read", 0xFFFF_FFF0, 0, "out of bounds memory access"),
        ("wild_write", 0x7FFF_FFFF, 1, "out of bounds memory access"),
        ("deep", 0, 0, "call stack exhausted"),
        ("divide", 1, 0, "integer divide by zero"),
        ("unreachable", 0, 0, "unreachable"),
        ("null_pointers", 0, 0, "null pointer"),
        ("null_pointers", 0xFFFF_FFFF, 0, "out of bounds: 0 bytes at 4294967295"),
        ("flood_sink", 0, 0, "it wrote more than 8388608 bytes"),
        ("flood_iterators", 0, 0, "more than .* open"),
        ("flood_timers", 0, 0, "it wrote more than 8388608 bytes"),
        ("bad_table_call", 9999, 0, "undefined element|uninitialized element|out of bounds table"),
    ],
)
def test_a_trap_undoes_the_call(
    db: stdb.Database, reducer: str, x: int, y: int, reason: str
) -> None:
    with pytest.raises(stdb.ModuleError, match=f"^reducer '{reducer}' trapped: .*({reason})") as e:
        db.call(reducer, x, y)
    assert "wasm backtrace:" in str(e.value)
    survives(db)


@pytest.mark.parametrize("reducer", ["spin", "write_and_spin"])
def test_a_loop_without_end_is_ended_and_undone(reducer: str) -> None:
    with stdb.Database(built("hostile.c"), limits=SMALL) as db:
        reason = rf"^reducer '{reducer}' trapped: .*it ran for more than 0\.3 s"
        with pytest.raises(stdb.ModuleError, match=reason) as e:
            db.call(reducer, 7, 0)
        assert "wasm backtrace:" in str(e.value)
        survives(db)


#: Every mistake of a module that a processor, too, would take notice of.
HARM = [
    ("wild_read", 0xFFFF_FFF0, 0), ("wild_read", 0x0200_0000, 0), ("wild_write", 0x7FFF_FFFF, 1),
    ("deep", 0, 0), ("divide", 1, 0), ("unreachable", 0, 0), ("null_pointers", 0, 0),
    ("bad_table_call", 9999, 0), ("flood_sink", 0, 0), ("flood_iterators", 0, 0), ("spin", 0, 0),
]  # fmt: skip


@pytest.mark.parametrize("handlers", ["none", "before", "after"])
def test_no_handler_of_signals_matters(handlers: str) -> None:
    """With traps made of signals, `faulthandler` enabled after the engine ends the process."""
    enable = "import faulthandler; faulthandler.enable()"
    script = "\n".join(
        [
            enable if handlers == "before" else "",
            "import stdb",
            "limits = stdb.Limits(time_s=0.2, memory_bytes=8 * 1024**2)",
            f"db = stdb.Database({str(built('hostile.c'))!r}, limits=limits)",
            enable if handlers == "after" else "",
            f"for reducer, x, y in {HARM!r}:",
            "    try:",
            "        db.call(reducer, x, y)",
            "    except stdb.ModuleError:",
            "        print(reducer)",
            "db.check()",
            "db.call('fine', 0, 0)",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [reducer for reducer, _, _ in HARM]


def test_the_backtrace_names_functions(db: stdb.Database) -> None:
    with pytest.raises(stdb.ModuleError, match=r"wasm!call_reducer"):
        db.call("unreachable", 0, 0)


@pytest.mark.parametrize("function", range(20))
@pytest.mark.parametrize("pointer", [0, 0xFFFF_FFF0, 0x0100_0000])
def test_wild_pointers_in_calls_of_the_host(function: int, pointer: int) -> None:
    db = stdb.Database(built("hostile.c"), limits=SMALL)
    with pytest.raises(stdb.ModuleError, match=r"trapped: (null pointer|out of bounds)"):
        db.call("pointers", function, pointer)
    survives(db)


def test_memory_grows_up_to_the_limit(db: stdb.Database) -> None:
    """Past it, growing is refused, as the module is told."""
    db.call("bomb", 0, 0)
    assert len(db.tables.thing) == 1


def test_handles_that_were_never_given_are_answered(db: stdb.Database) -> None:
    db.call("stray_handles", 0, 0)
    survives_call = db.tables.thing
    assert len(survives_call) == 0


@pytest.mark.parametrize("code", [2, 13, 0xFFFF_FFFF])
def test_an_unknown_code_fails_the_call_and_keeps_the_instance(
    db: stdb.Database, code: int
) -> None:
    shown = code - 2**32 if code >> 31 else code
    with pytest.raises(stdb.ModuleError, match=rf"reducer 'code' broke: .* the code {shown}: why"):
        db.call("code", code, 0)
    db.call("fine", 0, 0)
    assert [row.number for row in db.tables.thing] == [2]


def test_a_failure_of_the_module_is_its_message(db: stdb.Database) -> None:
    with pytest.raises(stdb.ReducerError, match=r"^why$"):
        db.call("code", 1, 0)


def test_the_log_keeps_its_size(db: stdb.Database) -> None:
    db.call("flood_log", 200, 60_000)
    kept = db.logs(None)
    assert 0 < sum(len(record.message) for record in kept) <= 9 * 1024**2
    assert kept[-1].line_number == 199


def test_a_looping_module_leaves_other_threads_their_turn() -> None:
    db = stdb.Database(built("hostile.c"), limits=stdb.Limits(time_s=0.5))
    count = 0
    stop = threading.Event()

    def work() -> None:
        nonlocal count
        while not stop.is_set():
            count += 1
            time.sleep(0.001)

    thread = threading.Thread(target=work)
    thread.start()
    before = count
    with pytest.raises(stdb.ModuleError, match="ran for more than"):
        db.call("spin", 0, 0)
    done = count - before
    stop.set()
    thread.join()
    assert done >= 5


def test_fuel_ends_a_call_after_the_same_work_each_time() -> None:
    left = []
    for _ in range(2):
        db = stdb.Database(built("hostile.c"), limits=stdb.Limits(fuel=100_000))
        with pytest.raises(stdb.ModuleError, match="all fuel consumed"):
            db.call("spin", 0, 0)
        for _ in range(3):
            db.call("fine", 0, 0)
        left.append([row.number for row in db.tables.thing])
    assert left == [[1, 2, 3]] * 2


def test_where_no_clock_ticks_fuel_stands_for_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine(has_fuel=False).ticker, "works", False)
    # The clock of the engine that counts fuel ticks here all the same: of little weight.
    monkeypatch.setattr("stdb.runtime.wasm.lane.TICK_S", 1e-9)
    db = stdb.Database(built("hostile.c"), limits=stdb.Limits(time_s=0.01))
    with pytest.raises(stdb.ModuleError, match="all fuel consumed"):
        db.call("spin", 0, 0)
    db.call("fine", 0, 0)


def test_an_interrupt_ends_a_procedure_too() -> None:
    script = textwrap.dedent(f"""
        import stdb
        db = stdb.Database({str(built("probe.c"))!r})
        db.procedures.probe_outside(19, 0, 0, b"", b"")
        try:
            print("ready", flush=True)
            db.procedures.probe_outside(24, 2**62, 0, b"", b"")
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        print(db.procedures.probe_outside(19, 0, 0, b"", b"").errno)
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("interrupted\n0\n", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_forks_neither_hang_nor_lose_their_clock() -> None:
    """Each falls at another moment of a tick; threads of the C library serve those."""
    script = textwrap.dedent(f"""
        import os, warnings
        import stdb
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        limits = stdb.Limits(time_s=0.1)
        db = stdb.Database({str(built("hostile.c"))!r}, limits=limits)
        db.call("fine", 0, 0)
        for number in range(200):
            child = os.fork()
            if not child:
                db.call("fine", 0, 0)
                if number % 50 == 0:
                    try:
                        db.call("spin", 0, 0)
                    except stdb.ModuleError:
                        os._exit(0)
                    os._exit(1)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        try:
            db.call("spin", 0, 0)
        except stdb.ModuleError:
            print("still ticking")
    """)
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False, cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "still ticking\n", "")


def test_one_database_cannot_touch_another() -> None:
    module = stdb.Module.from_file(built("hostile.c"))
    one, two = (stdb.Database(module, limits=SMALL) for _ in range(2))
    two.call("fine", 0, 0)
    with pytest.raises(stdb.ModuleError):
        one.call("write_and_spin", 1, 0)
    two.call("fine", 0, 0)
    assert sorted(row.number for row in two.tables.thing) == [1, 2]
    assert len(one.tables.thing) == 0


@pytest.mark.parametrize("limits", ["", "limits=stdb.Limits(time_s=None)"])
def test_an_interrupt_ends_a_looping_reducer(limits: str) -> None:
    """Ctrl-C in the main thread, while nothing but the module runs."""
    script = textwrap.dedent(f"""
        import stdb
        db = stdb.Database({str(built("hostile.c"))!r}, {limits})
        try:
            print("ready", flush=True)
            db.call("write_and_spin", 7, 0)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        db.check()
        db.call("fine", 0, 0)
        print([row.number for row in db.tables.thing])
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("interrupted\n[1]\n", 0)


def test_limits_that_are_none() -> None:
    for arguments in ({"time_s": 0}, {"time_s": "1"}, {"memory_bytes": 10}, {"fuel": -1}):
        with pytest.raises(stdb.TypeMismatch):
            stdb.Limits(**arguments)
    with pytest.raises(stdb.TypeMismatch, match=r"limits is a stdb\.Limits"):
        stdb.Database(built("hostile.c"), limits=5)  # type: ignore[arg-type]
