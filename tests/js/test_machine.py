"""What the machine tells the host of V8."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: A parent looks at its memory before it forks, so that the child has what the parent opened.
SCRIPT = """
import os
from stdb.runtime.js.machine import resident_memory

def check(size=1 << 26):
    before = resident_memory()
    array = b"x" * size
    assert 0.9 * size < resident_memory() - before < 1.5 * size
    del array

check()
child = os.fork()
check()
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has now")
def test_memory_that_a_process_takes_is_seen_in_the_process_itself() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
