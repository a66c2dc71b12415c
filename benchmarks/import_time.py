"""How long `import stdb` takes, next to `import asyncio` of the standard library.

Each round starts a fresh interpreter that times the one import; what starting Python costs is not
counted. Compiled bytecode is there before the first counted round, in a folder of its own, whatever
the environment says about writing it.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

from _measure import Measurement, rounds, run_script

PROGRAM = """
import time
start = time.perf_counter()
import {module}
print((time.perf_counter() - start) * 1e3)
"""


def import_of(module: str, bytecode: str) -> Callable[[], float]:
    """Return what measures the import of this module, in milliseconds."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", PROGRAM.format(module=module)]

    def measure() -> float:
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        return float(done.stdout)

    return measure


def main(quick: bool) -> list[Measurement]:
    """Measure milliseconds per import."""
    with tempfile.TemporaryDirectory() as bytecode:
        ours, theirs = import_of("stdb", bytecode), import_of("asyncio", bytecode)
        measured = rounds(ours, theirs, 1 if quick else 15)
    return [
        Measurement(
            "import",
            "ms",
            "import asyncio",
            *measured,
            ratio_min=0.5,
            quick=quick,
            notes=["import: in fresh interpreters; at most twice as long is 0.5 x"],
        )
    ]


if __name__ == "__main__":
    run_script(main, __doc__)
