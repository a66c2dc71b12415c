"""What the demo shows: a progress bar and tables on a terminal, plain lines everywhere else."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

Cell = str | int | float
SHORT_WIDTH = 14


class Screen:
    """Prints with rich when standard output is a terminal, and plainly when it is not."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._start_s = time.perf_counter()

    def say(self, text: str) -> None:
        """Print a line, with the seconds since the start in front of it."""
        elapsed = f"{time.perf_counter() - self._start_s:6.1f} s"
        if self._console.is_terminal:
            self._console.print(f"[dim]{elapsed}[/]  {escape(text)}", soft_wrap=True)
        else:
            print(f"{elapsed}  {text}")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Print a table; numbers stand right, a fraction with one digit."""
        right = [not isinstance(cell, str) for cell in (rows[0] if rows else columns)]
        lines = [[_text(cell) for cell in row] for row in rows]
        widths = [max(map(len, cells)) for cells in zip(columns, *lines, strict=True)]
        if self._console.is_terminal:
            table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
            for name, is_right, width in zip(columns, right, widths, strict=True):
                # On a narrow terminal only the long columns are folded.
                table.add_column(
                    name,
                    justify="right" if is_right else "left",
                    no_wrap=width <= SHORT_WIDTH,
                )
            for line in lines:
                table.add_row(*map(escape, line))
            self._console.print()
            self._console.print(table)
            return
        print(f"\n{title}")
        for line in ([*columns], ["-" * width for width in widths], *lines):
            cells = [
                cell.rjust(width) if is_right else cell.ljust(width)
                for cell, width, is_right in zip(line, widths, right, strict=True)
            ]
            print("  " + "  ".join(cells).rstrip())

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[int, int], None]]:
        """Give a function to tell of progress: of calls done and the minute (of 1970) reached."""
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            with Progress(*columns, console=self._console, transient=True) as bar:
                task = bar.add_task("", total=total)
                yield lambda done, minute: bar.update(
                    task, completed=done, description=_day(minute)
                )
            return
        told = 0

        def tell(done: int, minute: int) -> None:
            nonlocal told
            if done == total or done - told >= total / 5:
                told = done
                self.say(f"{_day(minute)}: {done:,} of {total:,} calls")

        yield tell


def _text(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:,.1f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _day(minute: int) -> str:
    return f"{datetime.fromtimestamp(minute * 60, UTC):%Y-%m-%d}"
