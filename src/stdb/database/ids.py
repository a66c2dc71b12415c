"""Where a database takes new identities from: chance, or, for tests, its name and a counter."""

from __future__ import annotations

import uuid

from ..types.values import ConnectionId, Identity

#: The issuer of identities that a database makes itself.
ISSUER = "localhost"


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
        return Identity.from_claims(ISSUER, self.subject(role))

    def subject(self, role: str) -> str:
        """Return a new subject, which nobody else is."""
        if self._reproducible:
            text = f"{self._name}/{role}/{self._next()}"
            return str(uuid.uuid5(uuid.NAMESPACE_URL, text))
        return str(uuid.uuid4())

    def connection_id(self) -> ConnectionId:
        """Return a new connection id."""
        return ConnectionId(self._next()) if self._reproducible else ConnectionId.fresh()

    def copy(self) -> Ids:
        """Return one that goes on alone from here."""
        other = Ids(self._name, reproducible=self._reproducible)
        other._count = self._count
        return other

    def _next(self) -> int:
        self._count += 1
        return self._count
