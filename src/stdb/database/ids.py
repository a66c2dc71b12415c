"""Where a database takes new identities from: chance, or, for tests, its name and a counter."""

from __future__ import annotations

from ..types.values import ConnectionId, Identity

ISSUER = "stdb"


class Ids:
    """Gives out identities and connection ids.

    Parameters
    ----------
    name : str
        The database.
    reproducible : bool
        Whether the same database gives the same ids at every run.
    """

    def __init__(self, name: str, *, reproducible: bool) -> None:
        self._name = name
        self._reproducible = reproducible
        self._count = 0

    def identity(self, role: str) -> Identity:
        """Return a new identity: of the database itself, its owner, or a client."""
        if not self._reproducible:
            return Identity.fresh()
        return Identity.from_claims(ISSUER, f"{self._name}/{role}/{self._next()}")

    def connection_id(self) -> ConnectionId:
        """Return a new connection id."""
        return ConnectionId(self._next()) if self._reproducible else ConnectionId.fresh()

    def _next(self) -> int:
        self._count += 1
        return self._count
