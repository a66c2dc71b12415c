"""Names of databases, and what may stand in the place of one.

A name is of lower-case letters, digits and hyphens, with no hyphen at an end or beside another:
``^[a-z0-9]+(-[a-z0-9]+)*$``. What looks like an identity is one.

Source: SpacetimeDB documentation, "Databases", 2.8.
"""

from __future__ import annotations

import re
from typing import Final

from ..errors import UsageError
from ..types.values import Identity

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_IDENTITY: Final = re.compile(r"(0[xX])?[0-9a-fA-F]{64}\Z")


def check_name(name: object) -> str:
    """Return a name that a database may have, or raise `UsageError` with what is wrong with it.

    Examples
    --------
    >>> check_name("my-game-2")
    'my-game-2'
    """
    if not isinstance(name, str):
        raise UsageError(f"the name of a database is a str, not {name!r}")
    if not name:
        raise UsageError("the name of a database is not empty")
    if _IDENTITY.match(name):
        raise UsageError(f"{name!r} is an identity; a database is not called that")
    if _NAME.match(name):
        return name
    if re.search(r"[^a-z0-9-]", name):
        lower = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        hint = f", as in {lower!r}" if lower else ""
        raise UsageError(
            f"{name!r}: the name of a database has lower-case letters, digits and hyphens only"
            + hint
        )
    raise UsageError(
        f"{name!r}: in the name of a database, a hyphen stands between letters or digits, one at a "
        "time"
    )


def as_identity(text: str) -> Identity | None:
    """Return the identity that `text` is, or None when it is none."""
    if not _IDENTITY.match(text):
        return None
    return Identity.from_hex(text[-64:].lower())
