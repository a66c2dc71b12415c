"""SQL: statements, checked, planned, compiled, and what they give.

The way of a statement: `parser` (text to syntax tree), `check_*` (names, rights, types: a typed
query), `rules` (row-level security), `plan` (tables in order, an index for each), `generate*`
(Python source), `run` (the compiled statement) and `dml`.

Importing this package does not import the parser; its names do, at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .frames import to_arrow
    from .frames_read import from_arrow
    from .names import OWNER, Rights
    from .run import prepare
    from .subscription import check_subscription, declare_rule

_HOMES = {
    "OWNER": "names",
    "Rights": "names",
    "check_subscription": "subscription",
    "declare_rule": "subscription",
    "from_arrow": "frames_read",
    "prepare": "run",
    "to_arrow": "frames",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


__all__ = [
    "OWNER",
    "Rights",
    "check_subscription",
    "declare_rule",
    "from_arrow",
    "prepare",
    "to_arrow",
]
