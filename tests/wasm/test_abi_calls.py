"""The ABI, everything but rows: bytes, the log, timers, who is who, procedures' own functions."""

import re
import struct

import pytest
from tests.helpers.probing import Op, Probe

import stdb


@pytest.fixture
def probe() -> Probe:
    return Probe(clock=stdb.ManualClock(1_700_000_000_000_000))


# -- bytes ---------------------------------------------------------------------------------------


def test_bytes_end_with_the_last_of_them(probe: Probe) -> None:
    """The arguments were read to their end, which ended the source too."""
    for handle in (0, 1, 2, 99):
        assert probe(Op.SOURCE_READ, handle, 16).errno == 8
        assert probe(Op.SOURCE_LENGTH, handle).errno == 8


def test_a_sink_takes_all(probe: Probe) -> None:
    """It is the sink of the reducer's error, which nobody reads after success."""
    assert probe(Op.SINK_WRITE, 2, data=b"abc")[:2] == (0, 3)
    assert probe(Op.SINK_WRITE, 3, data=b"abc").errno == 8
    assert probe(Op.SINK_WRITE, 0, data=b"abc").errno == 8


# -- the log -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (0, "Error"),
        (1, "Warn"),
        (2, "Info"),
        (3, "Debug"),
        (4, "Trace"),
        (101, "Panic"),
        (77, "Debug"),
    ],
)
def test_levels_of_the_log(probe: Probe, level: int, name: str) -> None:
    probe(Op.LOG, level, 12, "héllo\udcff".encode(errors="surrogateescape"))
    record = probe.db.logs(1)[0]
    assert (record.level, record.message, record.function) == (name, "héllo\ufffd", "probe")
    assert (record.target, record.filename, record.line_number) == ("target", "file.c", 12)


def test_a_record_without_a_line(probe: Probe) -> None:
    probe(Op.LOG, 2, 0xFFFF_FFFF, b"x")
    assert probe.db.logs(1)[0].line_number is None


def test_a_record_that_cannot_be_read_is_none(probe: Probe) -> None:
    count = len(probe.db.logs(None))
    for target, message in ((0xFFFF_FFFF, 4096), (4096, 0xFFFF_FFFF), (4096, 0)):
        assert probe(Op.RAW_LOG, target, message, b"four").errno == 0
    assert len(probe.db.logs(None)) == count
    assert probe(Op.RAW_LOG, 0, 4096, b"four").errno == 0
    assert len(probe.db.logs(None)) == count + 1


def test_timers_are_told_of_when_they_end(probe: Probe) -> None:
    assert probe(Op.TIMER, 0, 1, b'load "all"')[:2] == (0, 1)
    message = probe.db.logs(1)[0].message
    assert re.fullmatch(r'Timing span "load \\"all\\"": [\d.]+(ns|µs|ms|s)', message)
    first, second = probe(Op.TIMER, 0, 0, b"a").out, probe(Op.TIMER, 0, 0, b"b").out
    assert (first, second) == (1, 2)
    assert probe(Op.TIMER_END, first).errno == 0
    assert probe(Op.TIMER_END, first).errno == 7
    assert probe(Op.TIMER_END, 99).errno == 7


# -- who is who ----------------------------------------------------------------------------------


def test_the_identity_of_the_database(probe: Probe) -> None:
    little_endian = probe.db.identity.value.to_bytes(32, "little")
    assert probe(Op.IDENTITY).data == little_endian
    assert probe.outside(Op.IDENTITY).data == little_endian


def test_the_claims_of_a_connection(probe: Probe) -> None:
    assert probe(Op.JWT, data=bytes(16)) == (0, 0, b"")
    with probe.db.connect() as connection:
        key = connection.connection_id.value.to_bytes(16, "little")
        answer = probe(Op.JWT, data=key)
        assert answer.errno == 0
        assert answer.out > 0
        assert b'"sub"' in answer.data


# -- transactions of procedures ------------------------------------------------------------------


def test_what_is_for_procedures_is_not_for_reducers(probe: Probe) -> None:
    assert probe(Op.START_TX).errno == 17
    assert probe(Op.COMMIT_TX).errno == 18
    assert probe(Op.ABORT_TX).errno == 18
    for operation, name in (
        (Op.SLEEP, "procedure_sleep_until"),
        (Op.HTTP, "procedure_http_request"),
    ):
        with pytest.raises(stdb.ModuleError, match=f"{name} is only for procedures"):
            probe(operation)


def test_a_transaction_that_is_left_open_is_undone(probe: Probe) -> None:
    answer = probe.outside(Op.START_TX)
    assert (answer.errno, answer.out) == (0, 1_700_000_000_000_000)
    record = probe.db.logs(1)[0]
    assert record.message == "aborting dangling anonymous transaction in procedure probe_outside"
    assert probe.outside(Op.COMMIT_TX).errno == 18
    assert probe.outside(Op.ABORT_TX).errno == 18


def test_sleeping_turns_a_manual_clock(probe: Probe) -> None:
    start = 1_700_000_000_000_000
    assert probe.outside(Op.SLEEP, start + 5).out == start + 5
    assert probe.outside(Op.SLEEP, start).out == start + 5
    assert probe.outside(Op.SLEEP, 2**64 - 1).out == start + 5


# -- calls that a module asks for ----------------------------------------------------------------


def test_a_call_that_comes_soon_whatever_becomes_of_this_one() -> None:
    clock = stdb.ManualClock(0)
    probe = Probe(clock=clock)
    args = struct.pack("<IQQ", Op.LOG, 2, 7) + struct.pack("<I5sI", 5, b"later", 0)
    assert probe(Op.SCHEDULE, data=b"probe", more=args).errno == 0
    clock.advance(1)
    assert [record.message for record in probe.db.logs(1)] == ["later"]


def test_a_call_that_cannot_come_is_told_in_the_log(probe: Probe) -> None:
    probe(Op.SCHEDULE, data=b"nothing", more=b"x")
    assert probe.db.logs(1)[0].message == "there is no function 'nothing' to call soon"
    probe(Op.SCHEDULE, data=b"probe", more=b"x")
    assert "'probe' cannot be called with these arguments" in probe.db.logs(1)[0].message
    with pytest.raises(stdb.ModuleError, match="is no UTF-8"):
        probe(Op.SCHEDULE, data=b"\xff", more=b"x")
