"""What a host says of its databases, and what it takes for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from ..errors import UsageError
from ..types.values import Identity
from .names import as_identity

if TYPE_CHECKING:
    from pathlib import Path

    from ..schema import MigrationPlan
    from .catalog import Catalog

DeleteData: TypeAlias = bool | Literal["always", "on-conflict", "never"]


class HostedDatabase(NamedTuple):
    """What a host says of one of its databases.

    Attributes
    ----------
    identity : Identity
    names : tuple of str
        In the order in which they were given; none for one that was published without.
    owner : Identity
    path : Path
        Its directory.
    created : str
        When it was first published: UTC, as ISO 8601.
    is_locked : bool
        Whether it may not be deleted or emptied.
    """

    identity: Identity
    names: tuple[str, ...]
    owner: Identity
    path: Path
    created: str
    is_locked: bool


class Published(NamedTuple):
    """What `Host.publish` did.

    Attributes
    ----------
    name : str or None
        The name that was given, if it was one.
    identity : Identity
        Of the database.
    op : {"created", "updated"}
    plan : MigrationPlan or None
        What changed in the tables; None when the database was made or emptied.
    """

    name: str | None
    identity: Identity
    op: Literal["created", "updated"]
    plan: MigrationPlan | None = None


def identity_of(catalog: Catalog, name: object) -> Identity | None:
    """Return the identity that a name has, or that is given itself."""
    if isinstance(name, Identity):
        return name
    if not isinstance(name, str):
        raise UsageError(f"a database goes by its name or identity, not {name!r}")
    return as_identity(name) or catalog.names.get(name.lower())


def called(catalog: Catalog, identity: Identity) -> str:
    """Return what messages call a database."""
    names = catalog.names_of(identity)
    return repr(names[0]) if names else identity.hex()


def old(path: Path) -> Path:
    """Return where a database goes that is being deleted."""
    return path.with_suffix(".old")


def delete_mode(said: object) -> str:
    """Return what a caller wants to become of the data."""
    modes = {True: "always", False: "never"}
    mode = modes.get(said, said) if isinstance(said, bool) else said
    if mode not in ("always", "on-conflict", "never"):
        raise UsageError(
            f'delete_data is True, False, "always", "on-conflict" or "never", not {said!r}'
        )
    return str(mode)
