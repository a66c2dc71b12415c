"""A bar for recoveries that take long: what ``progress=True`` stands for."""

from __future__ import annotations

import sys
import time
from typing import Final

_WIDTH: Final = 30
#: A recovery that is over sooner shows nothing.
_PATIENCE_SECONDS: Final = 0.5


class ProgressBar:
    """Shows on stderr how much of a log was read; to be called with bytes read, and all bytes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._began = time.monotonic()
        self._is_shown = False

    def __call__(self, done: int, total: int) -> None:
        """Draw the bar anew."""
        is_over = done >= total
        if not self._is_shown and (is_over or time.monotonic() - self._began < _PATIENCE_SECONDS):
            return
        self._is_shown = True
        filled = _WIDTH * done // total if total else _WIDTH
        bar = "#" * filled + "." * (_WIDTH - filled)
        text = f"\rrecovering {self._name} [{bar}] {done >> 20:,} of {total >> 20:,} MB"
        sys.stderr.write(text + "\n" * is_over)
        sys.stderr.flush()
