"""Tokens: what proves to a database who a client is.

A token is a JSON Web Token. Its claims ``iss`` and ``sub`` make the identity; its signature is
checked first with the database's own key, which may sign for any issuer, then with the keys that
the database was given for that issuer. Nothing is fetched from anywhere.

Source: SpacetimeDB documentation, "Authentication", version 2.8; RFC 7519 (JWT), 7517 (JWK).
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, Self

import msgspec

from ..errors import InvalidToken, TypeMismatch, UsageError, shorten
from ..types.values import Identity
from .ids import ISSUER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType

    from ..clock import Clock

AUDIENCE: Final = "spacetimedb"
#: How long an issuer or a subject may be, in bytes of UTF-8.
CLAIM_SIZE_MAX: Final = 128
_SECRET_SIZE_MIN: Final = 32
_ALGORITHMS: Final = ("ES256", "RS256", "HS256")


class Credentials(NamedTuple):
    """What a token says: its payload as it was signed, and whose it is."""

    payload: str
    identity: Identity


class _Key(msgspec.Struct, frozen=True):
    """A key, and the one algorithm that it is for: a token cannot choose another."""

    algorithm: str
    material: Any
    id: str | None = None


class TokenKeys:
    """Keys of an issuer, by which a database knows its tokens: ``Database(…, keys=…)``.

    Made by `from_jwks`, `from_pem` or `from_secret`; needs ``pip install "stdb[auth]"``.

    Attributes
    ----------
    issuer : str or None
        Whose tokens they verify: those with exactly this ``iss``. None for any issuer: whoever
        has the key can then be anybody.
    """

    def __init__(self, keys: Iterable[_Key], issuer: str | None) -> None:
        if issuer is not None and (issuer.__class__ is not str or not issuer):
            raise TypeMismatch(f"issuer is a non-empty str or None, not {shorten(issuer)}")
        self._keys = tuple(keys)
        self.issuer = issuer

    @classmethod
    def from_jwks(
        cls, source: str | os.PathLike[str] | Mapping[str, Any], *, issuer: str | None
    ) -> Self:
        """Return the keys of a JSON Web Key Set: of a file, or of the set itself as a dict.

        Keys of other kinds than RSA and EC P-256, and keys for encryption, are passed over.

        Raises
        ------
        UsageError
            It is no key set, or none of its keys can verify a token.
        """
        jwt = _jwt()
        if isinstance(source, str | os.PathLike):
            try:
                content = msgspec.json.decode(Path(source).read_bytes())
            except msgspec.DecodeError as error:
                raise UsageError(f"{source} is not JSON: {error}") from None
        else:
            content = source
        listed = content.get("keys") if isinstance(content, dict) else None
        if not isinstance(listed, list):
            raise UsageError(
                f"a key set is an object with a list `keys`, not {shorten(content)}; a single key "
                "in PEM form is for TokenKeys.from_pem"
            )
        keys = []
        for entry in listed:
            if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
                continue
            kind: Any = (entry.get("kty"), entry.get("crv"))
            algorithm = {("RSA", None): "RS256", ("EC", "P-256"): "ES256"}.get(kind)
            if algorithm is None or entry.get("alg", algorithm) != algorithm:
                continue
            try:
                keys.append(_Key(algorithm, jwt.PyJWK(entry, algorithm).key, entry.get("kid")))
            except (jwt.PyJWTError, ValueError) as error:
                raise UsageError(
                    f"key {entry.get('kid')!r} of the set is broken: {error}"
                ) from None
        if not keys:
            raise UsageError(
                "the key set has no key that can verify a token: an RSA key for RS256 or an EC key "
                "on P-256 for ES256"
            )
        return cls(keys, issuer)

    @classmethod
    def from_pem(cls, source: str | bytes | os.PathLike[str], *, issuer: str | None) -> Self:
        """Return the public key of a PEM file, or of its content: RSA, or EC on P-256.

        A str or bytes that begins with ``-----BEGIN`` is the content, everything else a path.

        Raises
        ------
        UsageError
            It holds no such key.
        """
        text = source
        if isinstance(text, os.PathLike) or text.strip()[:10] not in ("-----BEGIN", b"-----BEGIN"):
            text = Path(os.fsdecode(source)).read_bytes()
        return cls([_public_key(text.encode() if isinstance(text, str) else text)], issuer)

    @classmethod
    def from_secret(cls, secret: bytes, *, issuer: str | None) -> Self:
        """Return a secret that issuer and database share: HS256. Whoever has it can sign too.

        Raises
        ------
        UsageError
            It has fewer than 32 bytes, and could be guessed.
        """
        if not isinstance(secret, bytes):
            raise TypeMismatch(f"a secret is bytes, not {type(secret).__name__}", expected="bytes")
        if len(secret) < _SECRET_SIZE_MIN:
            raise UsageError(
                f"a secret for HS256 has at least {_SECRET_SIZE_MIN} bytes, this one has "
                f"{len(secret)}; secrets.token_bytes({_SECRET_SIZE_MIN}) makes one"
            )
        _jwt()
        return cls([_Key("HS256", secret)], issuer)

    def find(self, algorithm: str, key_id: object) -> list[_Key]:
        """Return the keys to try: the one of that id if there is one, else all."""
        named = [key for key in self._keys if key_id is not None and key.id == key_id]
        return [key for key in named or self._keys if key.algorithm == algorithm]

    def __repr__(self) -> str:
        kinds = ", ".join(key.algorithm for key in self._keys)
        return f"<keys of {self.issuer or 'any issuer'}: {kinds}>"


class Authority:
    """What a database verifies tokens with, and signs its own.

    Parameters
    ----------
    clock : Clock
        The database's clock, by which tokens expire.
    keys : sequence of TokenKeys
        Those it was given.
    directory : Path or None
        Where its own key pair lies, made when it is first needed; None keeps it in memory.
    """

    def __init__(self, clock: Clock, keys: tuple[TokenKeys, ...], directory: Path | None) -> None:
        self._clock = clock
        self._given = keys
        self._directory = directory
        self._signing: Any = None

    def anonymous(self, subject: str) -> Credentials:
        """Return the claims of a client that brings no token; it is signed when asked for."""
        return self._credentials(ISSUER, subject, None, {})

    def sign(self, payload: str) -> str:
        """Return the token of a payload, signed with the database's own key."""
        jwt = _jwt()
        token: str = jwt.PyJWS().encode(payload.encode(), self._own_key(), "ES256")
        return token

    def issue(
        self, issuer: str, subject: str, expires_in_s: float | None, extra: Mapping[str, Any]
    ) -> str:
        """Return a token for a subject."""
        for name, claim in (("issuer", issuer), ("subject", subject)):
            if claim.__class__ is not str or not 0 < len(claim.encode()) <= CLAIM_SIZE_MAX:
                raise UsageError(
                    f"the {name} of a token is a text of 1 to {CLAIM_SIZE_MAX} bytes, not "
                    f"{shorten(claim)}"
                )
        return self.sign(self._credentials(issuer, subject, expires_in_s, extra).payload)

    def _credentials(
        self, issuer: str, subject: str, expires_in_s: float | None, extra: Mapping[str, Any]
    ) -> Credentials:
        identity = Identity.from_claims(issuer, subject)
        now = self._clock.micros() // 1_000_000
        claims = {
            "hex_identity": identity.hex(),
            "sub": subject,
            "iss": issuer,
            "aud": [AUDIENCE],
            "iat": now,
            "exp": None if expires_in_s is None else now + round(expires_in_s),
            **extra,
        }
        return Credentials(msgspec.json.encode(claims).decode(), identity)

    def verify(self, token: str) -> Credentials:
        """Return what a token says, if it can be trusted.

        Raises
        ------
        InvalidToken
            It cannot, with the reason.
        """
        if token.__class__ is not str:
            raise TypeMismatch(f"a token is a str, not {type(token).__name__}", expected="str")
        jwt = _jwt()
        token = token.removeprefix("Bearer ").strip()
        try:
            header = jwt.get_unverified_header(token)
            payload = _payload_of(token)
            claims = msgspec.json.decode(payload)
        except (jwt.PyJWTError, binascii.Error, ValueError, RecursionError) as error:
            raise InvalidToken(f"this is not a token: {error}") from None
        if not isinstance(claims, dict):
            raise InvalidToken("this is not a token: its payload is not a JSON object")
        algorithm = header.get("alg")
        if algorithm not in _ALGORITHMS:
            raise InvalidToken(
                f"the token is signed with {shorten(algorithm)}; a database accepts "
                f"{', '.join(_ALGORITHMS)}"
            )
        self._check_signature(jwt, token, algorithm, header.get("kid"), claims.get("iss"))
        return Credentials(payload, self._check_claims(claims))

    def _check_signature(
        self, jwt: ModuleType, token: str, algorithm: str, key_id: object, issuer: object
    ) -> None:
        candidates = []
        if algorithm == "ES256" and self._has_own_key():
            candidates.append(_Key("ES256", self._own_key().public_key()))
        if issuer != ISSUER:
            for keys in self._given:
                if keys.issuer in (None, issuer):
                    candidates += keys.find(algorithm, key_id)
        for key in candidates:
            try:
                jwt.PyJWS().decode(token, key.material, algorithms=[key.algorithm])
            except jwt.PyJWTError:
                continue
            return
        if issuer == ISSUER:
            raise InvalidToken(
                "the token says that this database issued it, but its signature is not this "
                "database's"
            )
        known = sorted({keys.issuer or "any issuer" for keys in self._given})
        hint = f"; there are keys of {', '.join(known)}" if known else " and has no other keys"
        raise InvalidToken(
            f"no key of this database verifies the {algorithm} signature of the token, whose "
            f"issuer is {shorten(issuer)}{hint}; Database(…, keys=stdb.TokenKeys.from_jwks(…)) "
            "gives it keys"
        )

    def _check_claims(self, claims: dict[str, Any]) -> Identity:
        for name in ("iss", "sub"):
            claim = claims.get(name)
            if not isinstance(claim, str) or not 0 < len(claim.encode()) <= CLAIM_SIZE_MAX:
                raise InvalidToken(
                    f"the claim {name!r} of a token is a text of 1 to {CLAIM_SIZE_MAX} bytes, not "
                    f"{shorten(claim)}"
                )
        if not _is_number(claims.get("iat")):
            raise InvalidToken(
                "the token does not say when it was issued: its claim 'iat' is a number of seconds"
            )
        self._check_time(claims)
        identity = Identity.from_claims(claims["iss"], claims["sub"])
        if claims.get("hex_identity") not in (None, identity.hex()):
            raise InvalidToken(
                f"the token says it is for {shorten(claims['hex_identity'])}, but its issuer and "
                f"subject make {identity.hex()}"
            )
        return identity

    def _check_time(self, claims: dict[str, Any]) -> None:
        now_s = self._clock.micros() / 1_000_000
        for name in ("exp", "nbf"):
            moment = claims.get(name)
            if moment is None:
                continue
            if not _is_number(moment):
                raise InvalidToken(f"the claim {name!r} of a token is a number of seconds")
            if name == "exp" and moment <= now_s:
                raise InvalidToken(f"the token expired {now_s - moment:,.0f} s ago; get a new one")
            if name == "nbf" and moment > now_s:
                raise InvalidToken(f"the token is good in {moment - now_s:,.0f} s, not yet")

    # -- the database's own key ------------------------------------------------------------------

    def _has_own_key(self) -> bool:
        return self._signing is not None or (
            self._directory is not None and (self._directory / _PRIVATE).exists()
        )

    def _own_key(self) -> Any:
        if self._signing is None:
            self._signing = _new_key() if self._directory is None else _key_in(self._directory)
        return self._signing


# -- keys and bytes ----------------------------------------------------------------------------

_PRIVATE: Final = "id_ecdsa"
_PUBLIC: Final = "id_ecdsa.pub"


def as_keys(keys: TokenKeys | Iterable[TokenKeys]) -> tuple[TokenKeys, ...]:
    """Return the keys that a database was given, or raise `TypeMismatch`."""
    given = (keys,) if isinstance(keys, TokenKeys) else tuple(keys)
    for each in given:
        if not isinstance(each, TokenKeys):
            raise TypeMismatch(
                f"keys are stdb.TokenKeys, not {shorten(each)}; see TokenKeys.from_jwks, from_pem "
                "and from_secret"
            )
    return given


def _jwt() -> ModuleType:
    try:
        import jwt
        import jwt.algorithms

        if not jwt.algorithms.has_crypto:
            _refuse_without_extra("cryptography")
    except ImportError as error:
        _refuse_without_extra(error.name or "PyJWT")
    return jwt


def _refuse_without_extra(name: str) -> NoReturn:
    raise ImportError(
        f'tokens need {name}, which is not installed; pip install "stdb[auth]" brings it', name=name
    ) from None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _payload_of(token: str) -> str:
    part = token.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()


def _public_key(pem: bytes) -> _Key:
    _jwt()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if b"PRIVATE KEY" in pem:
        raise UsageError(
            "this is a private key; a database needs the public one "
            "(openssl pkey -in private.pem -pubout)"
        )
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError as error:
        raise UsageError(f"this is not a public key in PEM form: {error}") from None
    if isinstance(key, rsa.RSAPublicKey):
        return _Key("RS256", key)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return _Key("ES256", key)
    raise UsageError("a token's key is an RSA key (RS256) or an EC key on P-256 (ES256)")


def _new_key() -> Any:
    _jwt()
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _key_in(directory: Path) -> Any:
    """Return the key pair of a directory, made there when there is none."""
    _jwt()
    from cryptography.hazmat.primitives import serialization as form

    private, public = directory / _PRIVATE, directory / _PUBLIC
    if private.exists() != public.exists():
        missing, present = (public, private) if private.exists() else (private, public)
        raise UsageError(
            f"{present} is there and {missing} is not: put it back, or delete the other one, and "
            "new keys are made, which do not accept the tokens of the old ones"
        )
    if private.exists():
        return form.load_pem_private_key(private.read_bytes(), password=None)
    key = _new_key()
    directory.mkdir(parents=True, exist_ok=True)
    secret = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    shown = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)
    public.write_bytes(shown)
    return key
