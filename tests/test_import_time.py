"""`import stdb` is quick: nothing heavy is loaded before it is used.

The measure is `import asyncio` in the same kind of interpreter, timed in turns with stdb, so the
test means the same on a slow machine. Of several runs the fastest counts: noise only ever adds.
"""

import json
import os
import subprocess
import sys

HEAVY = {
    "IPython",
    "cffi",
    "lark",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "rich",
    "wasmtime",
}
RATIO_MAX = 2.0
ROUNDS = 7
ATTEMPTS = 3


def python(code: str) -> str:
    """What a fresh interpreter prints that runs the code.

    It keeps what it compiled, as interpreters do: who forbids it (PYTHONDONTWRITEBYTECODE) would
    see the compiler measured.
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout


def seconds_to_import(name: str) -> float:
    """The time of the import alone, without the start of the interpreter."""
    return float(
        python(
            "from time import perf_counter\n"
            "started = perf_counter()\n"
            f"import {name}\n"
            "print(perf_counter() - started)\n"
        )
    )


def ratio() -> float:
    """How many times longer stdb takes than asyncio, each at its fastest."""
    stdb: list[float] = []
    asyncio: list[float] = []
    for _ in range(ROUNDS):
        stdb.append(seconds_to_import("stdb"))
        asyncio.append(seconds_to_import("asyncio"))
    return min(stdb) / min(asyncio)


def test_importing_stdb_takes_at_most_twice_as_long_as_asyncio() -> None:
    seconds_to_import("stdb")  # compiles what was never imported before
    ratios: list[float] = []
    for _ in range(ATTEMPTS):
        ratios.append(ratio())
        if ratios[-1] <= RATIO_MAX:
            return
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    message = (
        f"import stdb takes {shown} times as long as import asyncio; at most {RATIO_MAX} is "
        "agreed. See what takes the time: python -X importtime -c 'import stdb'"
    )
    raise AssertionError(message)


def test_importing_stdb_loads_nothing_heavy() -> None:
    code = "import sys, json, stdb; print(json.dumps(list(sys.modules)))"
    loaded = set(json.loads(python(code)))
    assert "stdb" in loaded
    assert loaded & HEAVY == set()
