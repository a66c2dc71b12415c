"""Tests of modules: strategies, a fuzzer, a simulator, golden replays, and fixtures for pytest.

``pip install "stdb[testing]"`` brings pytest and Hypothesis. The fixtures `stdb_db`, `stdb_clock`
and `stdb_connect` are there for every test of an environment that has stdb: pytest loads
`stdb.testing.plugin` by itself.
"""

import typing

if typing.TYPE_CHECKING:
    from .fuzzing import fuzz
    from .machine import ModuleMachine, state_machine
    from .recording import Recording, record
    from .replay import ReplayDiffers, assert_replays
    from .simulation import Simulation, SimulationFailed, simulate
    from .state import fingerprint
    from .steps import InvariantBroken
    from .strategies import arguments, rows

__all__ = [
    "InvariantBroken",
    "ModuleMachine",
    "Recording",
    "ReplayDiffers",
    "Simulation",
    "SimulationFailed",
    "arguments",
    "assert_replays",
    "fingerprint",
    "fuzz",
    "record",
    "rows",
    "simulate",
    "state_machine",
]

#: Each name and the file it comes from, at its first use: pytest loads this package in every run.
_FILES = {
    "InvariantBroken": "steps",
    "ModuleMachine": "machine",
    "Recording": "recording",
    "ReplayDiffers": "replay",
    "Simulation": "simulation",
    "SimulationFailed": "simulation",
    "arguments": "strategies",
    "assert_replays": "replay",
    "fingerprint": "state",
    "record": "recording",
    "fuzz": "fuzzing",
    "rows": "strategies",
    "simulate": "simulation",
    "state_machine": "machine",
}


def __getattr__(name: str) -> object:
    if name not in _FILES:
        raise AttributeError(f"module 'stdb.testing' has no attribute {name!r}")
    from importlib import import_module

    try:
        found = getattr(import_module(f"{__name__}.{_FILES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise ImportError(
            f"stdb.testing.{name} needs Hypothesis, which is not installed; "
            'pip install "stdb[testing]" brings it',
            name="hypothesis",
        ) from None
    found.__module__ = __name__
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
