"""The log of a database: what a record says, its levels, its files, and who follows it."""

import json
import logging
import multiprocessing
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stdb import (
    Database,
    LogRecord,
    ManualClock,
    Module,
    ModuleError,
    ReducerContext,
    ReducerError,
    Timestamp,
    TransactionError,
    UnknownName,
    UsageError,
)
from stdb.runtime.log_files import LogFiles, _lines_backwards

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
DAY_S = 86_400

talker = Module("talker")


@talker.reducer
def say(ctx: ReducerContext, level: str, message: str) -> None:
    getattr(ctx.log, level)(message)


@talker.reducer
def refuse(ctx: ReducerContext) -> None:
    raise ReducerError("no")


@talker.reducer
def break_down(ctx: ReducerContext) -> None:
    _inner()


def _inner() -> None:
    raise ZeroDivisionError("a bug")


def said(db: Database, num_lines: int | None = 100, level: str = "trace") -> list[str]:
    return [record.message for record in db.logs(num_lines, level=level)]


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# -- records -------------------------------------------------------------------------------------


def test_a_record_says_what_when_and_where() -> None:
    clock = ManualClock(START)
    db = Database(talker, clock=clock)
    db.call("say", "info", "hello")
    [record] = db.logs()
    assert record == LogRecord(
        level="Info",
        timestamp=Timestamp.from_datetime(START),
        message="hello",
        target=__name__,
        filename=__file__,
        line_number=say.__code__.co_firstlineno + 2,
        function="say",
    )
    assert list(json.loads(record.to_json())) == [
        "level", "ts", "target", "filename", "line_number", "function", "message",
    ]  # fmt: skip


def test_a_refusal_is_the_databases_own_record_at_the_time_of_the_call() -> None:
    clock = ManualClock(START)
    module = Module("slow")

    @module.reducer
    def fail(ctx: ReducerContext) -> None:
        clock.advance(5)
        ctx.log.info("meanwhile")
        raise ReducerError("no")

    db = Database(module, clock=clock)
    with pytest.raises(ReducerError):
        db.call("fail")
    during, failed = db.logs()
    assert during.timestamp > failed.timestamp == Timestamp.from_datetime(START)
    assert (failed.level, failed.message, failed.function) == ("Error", "no", "fail")
    assert (failed.target, failed.filename) == ("__spacetimedb__", "__spacetimedb__")
    assert failed.line_number is None
    with pytest.raises(UnknownName):
        db.call("fial")
    assert (db.logs(1)[0].level, db.logs(1)[0].function) == ("Error", "fial")


def test_a_panic_has_a_trace_from_the_place_where_it_was_raised() -> None:
    db = Database(talker)
    with pytest.raises(ModuleError):
        db.call("break_down")
    [panic] = db.logs()
    assert (panic.level, panic.function, panic.filename) == ("Panic", "break_down", __file__)
    assert [frame["func_name"] for frame in panic.trace][:2] == ["_inner", "break_down"]
    assert panic.trace[0]["module_name"] == f"{__file__}:{panic.line_number}"
    assert "ZeroDivisionError: a bug" in panic.message
    assert json.loads(panic.to_json())["trace"] == list(panic.trace)


RECORDS = st.builds(
    LogRecord,
    level=st.sampled_from(["Trace", "Debug", "Info", "Warn", "Error", "Panic"]),
    timestamp=st.builds(Timestamp, st.integers(-(2**63), 2**63 - 1)),
    message=st.text(),
    target=st.none() | st.text(),
    filename=st.none() | st.text(),
    line_number=st.none() | st.integers(0, 2**32 - 2),
    function=st.none() | st.text(),
    trace=st.lists(st.dictionaries(st.sampled_from(["module_name", "func_name"]), st.text())).map(
        tuple
    ),
)


@given(RECORDS)
def test_a_record_is_read_back_from_its_line(record: LogRecord) -> None:
    line = record.to_json()
    assert "\n" not in line
    assert LogRecord.from_json(line) == record


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "5", '{"level": "Info"}', '{"ts": 1}', '{"ts": 1.5}']
)
def test_what_is_no_line_of_a_log_is_refused(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec's own errors are among them
        LogRecord.from_json(line)


def test_logging_gets_the_place_in_the_module(caplog: pytest.LogCaptureFixture) -> None:
    db = Database(talker)
    with caplog.at_level(logging.INFO, logger="stdb.talker"):
        db.call("say", "debug", "hidden")
        db.call("say", "warning", "shown")
    [told] = caplog.records
    assert (told.name, told.levelno, told.getMessage()) == (
        "stdb.talker", logging.WARNING, "say: shown",
    )  # fmt: skip
    assert (told.pathname, told.lineno) == (__file__, say.__code__.co_firstlineno + 2)
    assert told.funcName == "say"


# -- levels --------------------------------------------------------------------------------------


def test_a_level_gives_the_last_records_that_are_as_severe() -> None:
    db = Database(talker)
    for level in ("error", "trace", "debug", "info", "warning"):
        db.call("say", level, level)
    with pytest.raises(ModuleError):
        db.call("break_down")
    assert [r.level for r in db.logs(level="warn")] == ["Error", "Warn", "Panic"]
    assert [r.level for r in db.logs(2, level="Warning")] == ["Warn", "Panic"]
    assert [r.level for r in db.logs(level="panic")] == ["Panic"]
    assert len(db.logs(level="trace")) == 6
    with pytest.raises(UsageError, match="one of trace, debug, info, warn, error, panic, not 'w"):
        db.logs(level="wrong")


# -- files ---------------------------------------------------------------------------------------


def test_a_durable_database_has_a_file_for_each_day(tmp_path: Path) -> None:
    clock = ManualClock(START)
    with Database(talker, path=tmp_path / "db", clock=clock) as db:
        db.call("say", "info", "on the first")
        clock.advance(DAY_S)
        db.call("say", "info", "on the second")
        db.call("say", "info", "ünïcode\nin two lines")
        assert said(db) == ["on the first", "on the second", "ünïcode\nin two lines"]
    files = sorted((tmp_path / "db" / "module_logs").iterdir())
    assert [file.name for file in files] == ["2025-06-01.log", "2025-06-02.log"]
    assert [line["message"] for line in lines(files[1])] == [
        "on the second", "ünïcode\nin two lines",
    ]  # fmt: skip


def test_a_record_of_an_earlier_time_does_not_go_back_to_an_earlier_file(tmp_path: Path) -> None:
    files = LogFiles(tmp_path / "logs")
    for micros in (0, 86_400_000_000, 1):
        files.write(LogRecord(level="Info", timestamp=Timestamp(micros), message=str(micros)))
    files.close()
    assert [len(lines(tmp_path / "logs" / name)) for name in files.names()] == [1, 2]


def test_logs_reach_back_to_before_the_database_was_opened(tmp_path: Path) -> None:
    clock = ManualClock(START)
    for number in range(3):
        with Database(talker, path=tmp_path / "db", clock=clock) as db:
            db.call("say", "info", f"a{number}")
            db.call("say", "error", f"b{number}")
            clock.advance(DAY_S)
    with Database(talker, path=tmp_path / "db") as db:
        assert said(db, None) == ["a0", "b0", "a1", "b1", "a2", "b2"]
        assert said(db, 3) == ["b1", "a2", "b2"]
        assert said(db, 2, "error") == ["b1", "b2"]
        assert said(db, 0) == []
        db.call("say", "info", "new")
        assert said(db, 2) == ["b2", "new"]
        assert said(db, 1) == ["new"]


def test_a_failed_call_is_in_the_file_though_nothing_else_is_left_of_it(tmp_path: Path) -> None:
    with Database(talker, path=tmp_path / "db") as db, pytest.raises(ReducerError):
        db.call("refuse")
    with Database.open(tmp_path / "db", readonly=True) as db:
        assert said(db) == ["no"]


def test_a_creation_that_failed_can_be_tried_again(tmp_path: Path) -> None:
    module = Module("shy")
    failing = True

    @module.init
    def start(ctx: ReducerContext) -> None:
        if failing:
            raise ReducerError("not yet")

    with pytest.raises(ReducerError, match="not yet"):
        Database(module, path=tmp_path / "db")
    failing = False
    with Database(module, path=tmp_path / "db") as db:
        assert said(db) == ["not yet"]


def test_a_line_that_a_crash_cut_short_is_passed_over(tmp_path: Path) -> None:
    clock = ManualClock(START)
    with Database(talker, path=tmp_path / "db", clock=clock) as db:
        db.call("say", "info", "one")
    file = tmp_path / "db" / "module_logs" / "2025-06-01.log"
    with file.open("a") as end:
        end.write('{"level":"Info","ts":17')
    with Database(talker, path=tmp_path / "db", clock=clock) as db:
        assert said(db) == ["one"]
        db.call("say", "info", "two")
        assert said(db, 10) == ["one", "two"]


def test_a_disk_that_takes_no_log_does_not_fail_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: LogFiles, record: LogRecord) -> None:
        raise OSError(28, "No space left on device")

    with Database(talker, path=tmp_path / "db") as db:
        db.call("say", "info", "written")
        with monkeypatch.context() as patched:
            patched.setattr(LogFiles, "write", full)
            db.call("say", "info", "lost")
            db.call("say", "info", "lost too")
        db.call("say", "info", "written again")
        assert said(db, 4) == ["written", "lost", "lost too", "written again"]
    told = [record for record in caplog.records if "not written" in record.getMessage()]
    assert len(told) == 1
    with Database.open(tmp_path / "db", readonly=True) as db:
        assert said(db) == ["written", "written again"]


@given(st.lists(st.text("ab\u00e9", min_size=1, max_size=30)), st.booleans(), st.integers(1, 7))
def test_lines_are_read_backwards_whatever_the_size_of_a_block(
    texts: list[str], ended: bool, block: int
) -> None:
    import tempfile

    from stdb.runtime import log_files

    whole = "\n".join(texts).encode() + (b"\n" if ended and texts else b"")
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patched:
        patched.setattr(log_files, "_BLOCK", block)
        path = Path(directory) / "lines"
        path.write_bytes(whole)
        assert [line.decode() for line in _lines_backwards(path)] == texts[::-1]


# -- following -----------------------------------------------------------------------------------


def test_following_gives_what_is_severe_enough_until_the_end() -> None:
    db = Database(talker)
    db.call("say", "error", "before")
    db.call("say", "info", "hidden")
    seen: list[str] = []
    first = threading.Event()

    def follow() -> None:
        for record in db.logs(1, follow=True, level="warn"):
            seen.append(record.message)
            first.set()

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    assert first.wait(20)
    db.call("say", "info", "hidden")
    db.call("say", "error", "after")
    db.close()
    follower.join(20)
    assert seen == ["before", "after"]


def _write_in_another_process(path: str) -> None:
    with Database(talker, path=path) as db:
        db.call("say", "info", "from over there")


def test_a_reader_follows_what_another_process_writes(tmp_path: Path) -> None:
    path = str(tmp_path / "db")
    with Database(talker, path=path) as db:
        db.call("say", "info", "before")
    with Database.open(path, readonly=True) as reader:
        followed = reader.logs(follow=True)
        assert next(followed).message == "before"
        writer = multiprocessing.get_context("spawn").Process(
            target=_write_in_another_process, args=(path,)
        )
        writer.start()
        assert next(followed).message == "from over there"
        writer.join(60)
        assert writer.exitcode == 0
    assert list(followed) == []


def test_a_reader_of_logs_writes_none(tmp_path: Path) -> None:
    with Database(talker, path=tmp_path / "db"):
        pass
    with Database.open(tmp_path / "db", readonly=True) as db, pytest.raises(TransactionError):
        db.call("say", "info", "x")
    assert os.listdir(tmp_path / "db").count("module_logs") == 0  # noqa: PTH208 - a list to count
