"""How a caller proved who it is: the claims of its token, as a function sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..types.values import ConnectionId, Identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..storage import Tables


class JwtClaims:
    """The claims of a verified token, as ``ctx.sender_auth.jwt`` gives them.

    Parameters
    ----------
    raw_payload : str
        The payload of the token: a JSON object.

    Examples
    --------
    >>> import stdb
    >>> claims = stdb.JwtClaims('{"iss": "https://example.com", "sub": "user-1", "role": "admin"}')
    >>> claims.issuer, claims.subject, claims.audience
    ('https://example.com', 'user-1', ())
    >>> claims.payload["role"]
    'admin'
    """

    __slots__ = ("_payload", "raw_payload")

    def __init__(self, raw_payload: str) -> None:
        #: The payload as text, exactly as it was signed.
        self.raw_payload = raw_payload
        self._payload: dict[str, Any] | None = None

    @property
    def payload(self) -> Mapping[str, Any]:
        """All claims by their names."""
        if self._payload is None:
            self._payload = msgspec.json.decode(self.raw_payload, type=dict[str, Any])
        return self._payload

    @property
    def issuer(self) -> str:
        """Who issued the token: ``iss``."""
        return str(self.payload["iss"])

    @property
    def subject(self) -> str:
        """Whom the issuer speaks of: ``sub``."""
        return str(self.payload["sub"])

    @property
    def audience(self) -> tuple[str, ...]:
        """For whom the token is meant: the texts of ``aud``."""
        audience = self.payload.get("aud")
        if isinstance(audience, str):
            return (audience,)
        if not isinstance(audience, list):
            return ()
        return tuple(each for each in audience if isinstance(each, str))

    @property
    def identity(self) -> Identity:
        """The identity of issuer and subject."""
        return Identity.from_claims(self.issuer, self.subject)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, JwtClaims):
            return NotImplemented
        return self.raw_payload == other.raw_payload

    def __hash__(self) -> int:
        return hash(self.raw_payload)

    def __repr__(self) -> str:
        return f"<claims of {self.subject!r}, issued by {self.issuer!r}>"


class SenderAuth:
    """How the caller of a function proved who it is: ``ctx.sender_auth``.

    Examples
    --------
    >>> import stdb
    >>> club = stdb.Module("club")
    >>> @club.reducer
    ... def enter(ctx: stdb.ReducerContext) -> None:
    ...     if ctx.sender_auth.jwt is None:
    ...         raise stdb.ReducerError("show a token")
    >>> stdb.Database(club).call("enter")
    Traceback (most recent call last):
    ...
    stdb.ReducerError: show a token
    """

    __slots__ = ("_connection", "_db")

    def __init__(self, db: Tables, connection: ConnectionId | None) -> None:
        self._db = db
        self._connection = connection

    @property
    def is_internal(self) -> bool:
        """Whether the database itself runs the function (``init``, schedules)."""
        return self._connection is None

    @property
    def has_jwt(self) -> bool:
        """Whether there are claims."""
        return self.jwt is not None

    @property
    def jwt(self) -> JwtClaims | None:
        """The claims of the caller's token.

        None for the database itself, the host's own calls, and clients whose identity the host
        vouched for (``db.connect(identity=…)``).
        """
        if self._connection is None:
            return None
        known = self._db["st_connection_credentials"].connection_id
        row: Any = known.find(self._connection.value)
        return None if row is None else JwtClaims(row.jwt_payload)

    def __repr__(self) -> str:
        who = "the database itself" if self.is_internal else self.jwt or "a caller without token"
        return f"<sender auth: {who}>"
