"""How the benchmarks measure and report.

Both sides of a comparison run in the same process and by turns, a round each, so that what the
machine does beside it falls on both; a first round of each is not counted. What counts is the
median of the rounds; the least and greatest are reported too. A ratio says how many times better
stdb is than the other side: above 1 it is faster (or smaller). It is the median of the ratios of
rounds that stood side by side: a machine that is slower for some seconds is so for both. The
garbage collector runs as it does in any program, and is emptied before each round.
"""

import argparse
import gc
import json
import os
import platform
import sqlite3
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Main = Callable[[bool], "list[Measurement]"]


@dataclass(frozen=True)
class Measurement:
    """What one benchmark measured, and what it should have.

    `ours` and `theirs` are the rounds of stdb and of `peer`, less being better. The bar is a
    least ratio (`ratio_min`), a greatest median of ours (`ours_max`), or neither.
    """

    name: str
    unit: str
    peer: str
    ours: list[float]
    theirs: list[float]
    ratio_min: float | None = None
    ours_max: float | None = None
    quick: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times better stdb is than its peer: of rounds side by side, by the median."""
        if len(self.ours) == len(self.theirs) and all(self.ours):
            pairs = zip(self.theirs, self.ours, strict=True)
            return statistics.median(theirs / ours for theirs, ours in pairs)
        return statistics.median(self.theirs) / statistics.median(self.ours)

    @property
    def bar(self) -> str:
        """The bar, in words."""
        if self.ratio_min is not None:
            return f"at least {self.ratio_min:g} x"
        return "" if self.ours_max is None else f"at most {self.ours_max:g} {self.unit}"

    @property
    def is_met(self) -> bool:
        """Whether the bar is met; a quick run says nothing about it and always meets it."""
        if self.quick:
            return True
        if self.ratio_min is not None:
            return self.ratio >= self.ratio_min
        return self.ours_max is None or statistics.median(self.ours) <= self.ours_max


def rounds(
    ours: Callable[[], float], theirs: Callable[[], float], count: int
) -> tuple[list[float], list[float]]:
    """Run both by turns, `count` times after a first time for warmth; each returns its figure."""
    figures: tuple[list[float], list[float]] = ([], [])
    sides = ((ours, figures[0]), (theirs, figures[1]))
    for number in range(count + 1):
        # Neither side always follows the other: every other round begins with the second.
        for side, kept in sides if number % 2 else sides[::-1]:
            gc.collect()
            figure = side()
            if number:
                kept.append(figure)
    return figures


def machine() -> dict[str, str]:
    """Say what this ran on."""
    try:
        stdb_version = version("stdb")
    except PackageNotFoundError:
        stdb_version = "not installed"
    return {
        "processor": _processor(),
        "cpu_count": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite3": sqlite3.sqlite_version,
        "stdb": stdb_version,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _figure(values: Sequence[float]) -> str:
    return f"{_round(statistics.median(values))} ({_round(min(values))} - {_round(max(values))})"


def _round(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def report(measurements: Sequence[Measurement]) -> None:
    """Print the machine and a table: medians, in brackets the least and greatest round."""
    print(" | ".join(f"{name} {value}" for name, value in machine().items()))
    rows = [("benchmark", "unit", "stdb", "peer", "", "ratio", "bar", "")]
    for m in measurements:
        verdict = "" if m.quick or not m.bar else "met" if m.is_met else "MISSED"
        ratio = f"{m.ratio:.2f} x"
        rows.append(
            (m.name, m.unit, _figure(m.ours), m.peer, _figure(m.theirs), ratio, m.bar, verdict)
        )
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    print()
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    notes = {note: None for m in measurements for note in m.notes}
    if notes:
        print()
    for note in notes:
        print(f"* {note}")
    if any(m.quick for m in measurements):
        print("* a quick run: it only shows that the benchmarks work; its figures mean nothing")


def save(path: Path, measurements: Sequence[Measurement]) -> None:
    """Write the measurements, with every round, as JSON."""
    entries = [{**asdict(m), "ratio": m.ratio, "is_met": m.is_met} for m in measurements]
    text = json.dumps({"machine": machine(), "measurements": entries}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def load(path: Path) -> list[Measurement]:
    """Read back what `save` wrote."""
    entries: list[dict[str, Any]] = json.loads(path.read_text())["measurements"]
    derived = {"ratio", "is_met"}
    return [Measurement(**{k: v for k, v in e.items() if k not in derived}) for e in entries]


def run_script(main: Main, description: str | None) -> None:
    """Run one benchmark as a script; the exit status is 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=description)
    add_options(parser)
    options = parser.parse_args()
    finish(main(options.quick), options.json)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every script here has."""
    parser.add_argument("--quick", action="store_true", help="only see whether it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")


def finish(measurements: Sequence[Measurement], path: Path | None) -> None:
    """Report, save and exit."""
    report(measurements)
    if path is not None:
        save(path, measurements)
    sys.exit(0 if all(m.is_met for m in measurements) else 1)
