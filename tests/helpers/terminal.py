"""A program in a pseudo-terminal, and what a person sees and types there."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ESCAPE = r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r"


class Terminal:
    """A program that runs in a terminal of its own, until the ``with`` ends."""

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> None:
        import pty  # which not every system has

        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.chdir(directory)
            os.execvpe(words[0], list(words), {**environment, "TERM": "xterm-256color"})
        self._raw = ""
        self._at = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        os.close(self._fd)

    @property
    def raw(self) -> str:
        """All that the program wrote, with its escape sequences."""
        return self._raw

    def type(self, text: str) -> None:
        """Type keys."""
        os.write(self._fd, text.encode())

    def expect(self, text: str, timeout: float = 30) -> str:
        """Wait for a text behind the one that was waited for last; return what came until then.

        Escape sequences do not count, unless `text` has some itself.
        """
        ends = time.monotonic() + timeout
        pattern = re.compile(f"(?:{_ESCAPE})*".join(map(re.escape, text)))
        while (found := pattern.search(self._raw, self._at)) is None:
            assert time.monotonic() < ends, f"{text!r} did not come; there is\n{self._raw!r}"
            assert self._read(), f"it ended without {text!r}:\n{self._raw!r}"
        seen = self._raw[self._at : found.end()]
        self._at = found.end()
        return re.sub(_ESCAPE, "", seen)

    def press_until(self, key: str, text: str) -> None:
        """Press a key again and again until a text comes."""
        for _ in range(60):
            self.type(key)
            with contextlib.suppress(AssertionError):
                self.expect(text, timeout=0.5)
                return
        raise AssertionError(f"{text!r} did not come; there is\n{self._raw!r}")

    def end(self) -> int:
        """Wait for the end of the program, and return its exit code."""
        ends = time.monotonic() + 30
        while self._read():
            assert time.monotonic() < ends, f"it does not end:\n{self._raw!r}"
        _, status = os.waitpid(self._pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        """Read what is there, waiting a moment for it; return False at the end."""
        if select.select([self._fd], [], [], 0.2)[0]:
            try:
                read = os.read(self._fd, 65536)
            except OSError:  # how Linux tells that the other end is closed
                return False
            if not read:
                return False
            self._raw += read.decode(errors="replace")
            for _ in range(read.count(b"\x1b[6n")):
                os.write(self._fd, b"\x1b[1;1R")  # where the cursor is, when it is asked
        return True
