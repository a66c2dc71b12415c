"""What docs/migrations.md says of each change: the rows of its tables."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

_PAGE = Path(__file__).parents[2] / "docs" / "migrations.md"


class Row(NamedTuple):
    """A change, and whether it is allowed."""

    #: Of "yes", "no", "breaks" and "rows".
    allowed: frozenset[str]
    #: Whether modules in Python cannot bring it.
    compiled_only: bool


@cache
def documented() -> dict[str, Row]:
    """Return change -> what the page says of it."""
    text = _PAGE.read_text("utf-8").split("## What may change")[1].split("### What cannot")[0]
    found = re.findall(r"^\| (.+?) \| (.+?) \| .*\|$", text, re.MULTILINE)
    return {
        change.removesuffix(" †"): Row(frozenset(allowed.split(", ")), change.endswith(" †"))
        for change, allowed in found
        if change not in ("change", "---")
    }


def check_kept(rows: tuple[str, ...], breaks: list[bool], refusals: int) -> None:
    """Compare what happened in a test of one row with what the page says.

    Parameters
    ----------
    rows : tuple of str
        The changes that the test shows.
    breaks : list of bool
        For each module that was published whether that broke clients.
    refusals : int
        How many were refused.
    """
    if len(rows) != 1:
        return
    allowed = documented()[rows[0]].allowed
    if "no" in allowed:
        assert not breaks, f"{rows[0]}: it is allowed"
        return
    assert all(each is ("breaks" in allowed) for each in breaks), f"{rows[0]}: clients"
    assert breaks or (refusals and "rows" in allowed), f"{rows[0]}: it is not allowed"
