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
    "javascript",
