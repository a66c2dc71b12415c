"""Run all benchmarks and print one table: ``python benchmarks/run.py [--quick] [--json FILE]``.

Each runs in a process of its own, so that none measures what another left behind. The exit status
is 1 when a bar is missed; with `--quick`, which measures nothing, only when one does not work.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from _measure import Measurement, add_options, finish, load

BENCHMARKS = (
    "transfer",
    "durability",
    "find",
    "insert_many",
    "range_scan",
    "sql",
    "memory",
    "import_time",
    "wasm",
    "views",
    "javascript",
    "schedules",
    "command",
    "subscriptions",
)


def main(names: tuple[str, ...], *, quick: bool) -> list[Measurement]:
    """Run these benchmarks one after the other."""
    measurements: list[Measurement] = []
    with tempfile.TemporaryDirectory() as directory:
        for name in names:
            print(f"{name} ...", file=sys.stderr, flush=True)
            script = Path(__file__).with_name(f"{name}.py")
            result = Path(directory, f"{name}.json")
            command = [sys.executable, str(script), "--json", str(result)]
            done = subprocess.run(
                [*command, "--quick"] if quick else command,
                check=False,
                capture_output=True,
                text=True,
            )
            if not result.exists():  # It broke; a missed bar is reported with the others.
                sys.exit(f"{name} does not work:\n{done.stdout}{done.stderr}")
            measurements += load(result)
    return measurements


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME")
    add_options(parser)
    options = parser.parse_args()
    finish(main(tuple(options.names) or BENCHMARKS, quick=options.quick), options.json)
