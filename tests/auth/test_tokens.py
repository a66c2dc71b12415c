"""Who a client is: the identity of a token, what a token must be, and what functions see of it."""

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from stdb import (
    Database,
    Identity,
    InvalidToken,
    JwtClaims,
    ManualClock,
    Module,
    PermissionDenied,
    ReducerContext,
    ReducerError,
    TokenKeys,
    TypeMismatch,
    UsageError,
)

ISSUER = "https://login.example.com"
NOW_S = 1_735_689_600  # where a ManualClock stands at first
SECRET = b"a secret that nobody guesses: 32"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def claims(**changed: Any) -> dict[str, Any]:
    made = {"iss": ISSUER, "sub": "ann", "iat": NOW_S, **changed}
    return {name: value for name, value in made.items() if value is not ...}


def sign(key: Any = EC, algorithm: str = "ES256", *, kid: str | None = None, **changed: Any) -> str:
    headers = None if kid is None else {"kid": kid}
    return jwt.encode(claims(**changed), key, algorithm, headers=headers)


seen: list[JwtClaims | None] = []
club = Module("club")


@club.client_connected
def enter(ctx: ReducerContext) -> None:
    seen.append(ctx.sender_auth.jwt)


@club.client_disconnected
def leave(ctx: ReducerContext) -> None:
    seen.append(ctx.sender_auth.jwt)


@club.reducer
def admin_only(ctx: ReducerContext) -> None:
    known = ctx.sender_auth.jwt
    if known is None or known.payload.get("role") != "admin":
        raise ReducerError("for admins")


@pytest.fixture(autouse=True)
def _nobody_was_seen() -> None:
    seen.clear()


def make(*keys: TokenKeys, clock: ManualClock | None = None) -> Database:
    return Database(club, clock=clock or ManualClock(), keys=keys)


def by_ec(issuer: str | None = ISSUER) -> TokenKeys:
    return TokenKeys.from_pem(pem(EC), issuer=issuer)


# -- identities ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issuer", "subject", "identity"),
    [
        (
            "localhost",
            "test-subject",
            "c200b3ce65d91b79ecfb7d881cd65bf8da2f647d590af1474ad19faa7aa87e38",
        ),
        (
            "https://auth.spacetimedb.com/oidc",
            "alice",
            "c2009b66b1c680bbb63a1a777002af9c704afd4148ecef968e853b55d08871b6",
        ),
        (
            "https://example.com",
            "user-1",
            "c200ec8b94d34fee5279b6fd8d84ddf66557627249e017aead43b73489c2f183",
        ),
    ],
)
def test_issuer_and_subject_make_the_identity(issuer: str, subject: str, identity: str) -> None:
    assert Identity.from_claims(issuer, subject).hex() == identity
    db = make()
    with db.connect(token=db.issue_token(subject, issuer=issuer)) as conn:
        assert conn.identity.hex() == identity


# -- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "token"),
    [
        (by_ec(), sign()),
        (TokenKeys.from_pem(pem(RSA), issuer=ISSUER), sign(RSA, "RS256")),
        (TokenKeys.from_secret(SECRET, issuer=ISSUER), sign(SECRET, "HS256")),
    ],
    ids=["ES256", "RS256", "HS256"],
)
def test_a_token_is_verified_by_the_key_of_its_issuer(keys: TokenKeys, token: str) -> None:
    with make(keys).connect(token=token) as conn:
        assert conn.identity == Identity.from_claims(ISSUER, "ann")
        assert conn.token == token


def test_a_key_may_lie_in_a_pem_file(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(pem(EC))
    keys = TokenKeys.from_pem(tmp_path / "key.pem", issuer=ISSUER)
    make(keys).connect(token=sign()).close()


def key_set() -> dict[str, Any]:
    entries = []
    for name, key, algorithm in (("one", RSA, "RS256"), ("two", EC, "ES256")):
        entry = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
        entries.append({**entry, "kid": name, "use": "sig"})
    return {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}, *entries]}


def test_a_key_set_is_a_file_or_a_dict(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text(json.dumps(key_set()), encoding="utf-8")
    for keys in (
        TokenKeys.from_jwks(tmp_path / "jwks.json", issuer=ISSUER),
        TokenKeys.from_jwks(key_set(), issuer=ISSUER),
    ):
        db = make(keys)
        db.connect(token=sign(kid="two")).close()
        db.connect(token=sign(RSA, "RS256", kid="one")).close()
        db.connect(token=sign()).close()
        assert "RS256, ES256" in repr(keys)


def test_the_key_id_of_a_token_picks_the_key() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    entries = [
        {**jwt.get_algorithm_by_name("ES256").to_jwk(key.public_key(), as_dict=True), "kid": name}
        for name, key in (("old", other), ("new", EC))
    ]
    db = make(TokenKeys.from_jwks({"keys": entries}, issuer=ISSUER))
    db.connect(token=sign(kid="new")).close()
    db.connect(token=sign(kid="unknown")).close()  # no such id: every key is tried
    with pytest.raises(InvalidToken, match="no key of this database verifies"):
        db.connect(token=sign(kid="old"))


def test_a_key_is_good_for_its_own_issuer_only() -> None:
    db = make(TokenKeys.from_pem(pem(EC), issuer="https://other.example.com"))
    with pytest.raises(InvalidToken, match=r"there are keys of https://other\.example\.com"):
        db.connect(token=sign())
    make(by_ec(issuer=None)).connect(token=sign()).close()


def test_a_token_cannot_choose_another_algorithm_than_its_key_is_for() -> None:
    db = make(by_ec(), TokenKeys.from_pem(pem(RSA), issuer=ISSUER))
    body = jwt.PyJWS().encode(json.dumps(claims()).encode(), None, "none")
    with pytest.raises(InvalidToken, match="signed with 'none'"):
        db.connect(token=body)
    # The public key, used as if it were a shared secret: signed by hand, libraries refuse to.
    import base64
    import hashlib
    import hmac

    def encoded(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    signed = encoded({"alg": "HS256", "typ": "JWT"}) + b"." + encoded(claims())
    for key in (EC, RSA):
        mark = base64.urlsafe_b64encode(hmac.new(pem(key), signed, hashlib.sha256).digest())
        with pytest.raises(InvalidToken, match="no key of this database"):
            db.connect(token=(signed + b"." + mark.rstrip(b"=")).decode())


def test_nobody_can_pretend_to_be_issued_by_the_database() -> None:
    db = make(by_ec(issuer=None))
    with pytest.raises(InvalidToken, match="its signature is not this database's"):
        db.connect(token=sign(iss="localhost"))


@pytest.mark.parametrize(
    ("make_keys", "said"),
    [
        (lambda: TokenKeys.from_secret(b"short", issuer=None), "at least 32 bytes"),
        (lambda: TokenKeys.from_jwks({"kid": 1}, issuer=None), "an object with a list `keys`"),
        (lambda: TokenKeys.from_jwks({"keys": []}, issuer=None), "no key that can verify"),
        (
            lambda: TokenKeys.from_jwks({"keys": [{"kty": "RSA", "kid": "a"}]}, issuer=None),
            "key 'a' of the set is broken",
        ),
        (lambda: TokenKeys.from_pem("-----BEGIN NOTHING-----", issuer=None), "not a public key"),
        (
            lambda: TokenKeys.from_pem(pem(ec.generate_private_key(ec.SECP384R1())), issuer=None),
            "EC key on P-256",
        ),
        (
            lambda: TokenKeys.from_pem(
                EC.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
                issuer=None,
            ),
            "this is a private key",
        ),
    ],
)
def test_keys_that_cannot_be_are_refused(make_keys: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_keys()


def test_a_key_set_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text("nothing", encoding="utf-8")
    with pytest.raises(UsageError, match="is not JSON"):
        TokenKeys.from_jwks(tmp_path / "jwks.json", issuer=ISSUER)


def test_keys_of_the_wrong_type_are_refused() -> None:
    with pytest.raises(TypeMismatch, match=r"keys are stdb\.TokenKeys"):
        Database(club, keys=["secret"])  # type: ignore[list-item]
    with pytest.raises(TypeMismatch, match="a secret is bytes"):
        TokenKeys.from_secret("text", issuer=None)  # type: ignore[arg-type]


# -- claims --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"iss": ...}, "'iss'"),
        ({"sub": ""}, "'sub' of a token is a text of 1 to 128 bytes, not ''"),
        ({"sub": "é" * 65}, "'sub'"),
        ({"sub": 5}, "'sub'"),
        ({"iat": ...}, "does not say when it was issued"),
        ({"iat": "now"}, "does not say when it was issued"),
        ({"exp": NOW_S}, "expired 0 s ago"),
        ({"exp": NOW_S - 3600}, "expired 3,600 s ago"),
        ({"exp": "soon"}, "'exp' of a token is a number"),
        ({"nbf": NOW_S + 10}, "is good in 10 s"),
        ({"hex_identity": "c200" + "0" * 60}, "its issuer and subject make c200"),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(changed: dict[str, Any], said: str) -> None:
    db = make(by_ec(issuer=None))
    token = jwt.PyJWS().encode(json.dumps(claims(**changed)).encode(), EC, "ES256")
    with pytest.raises(InvalidToken, match=said) as caught:
        db.connect(token=token)
    assert isinstance(caught.value, PermissionDenied)
    assert seen == []
    assert len(db.tables["st_client"]) == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": None},
        {"exp": NOW_S + 1},
        {"nbf": NOW_S},
        {"aud": "anything"},
        {"sub": "é" * 64},
        {"hex_identity": Identity.from_claims(ISSUER, "ann").hex()},
        {"iat": NOW_S + 0.5},
    ],
)
def test_a_token_with_these_claims_is_accepted(changed: dict[str, Any]) -> None:
    make(by_ec()).connect(token=sign(**changed)).close()


def test_expiry_is_looked_at_when_the_token_is_shown_and_not_later() -> None:
    clock = ManualClock()
    db = make(clock=clock)
    token = db.issue_token("ann", expires_in_s=60)
    with db.connect(token=token) as conn:
        clock.advance(3600)
        with pytest.raises(ReducerError, match="for admins"):
            conn.reducers.admin_only()
    with pytest.raises(InvalidToken, match="expired 3,540 s ago"):
        db.connect(token=token)


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "ey.ey.ey", "é.é.é", "Bearer ", "e30.W10.AA"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken, match=r"not a token|signed with None"):
        make().connect(token=token)


@given(st.text(st.characters(codec="ascii"), max_size=60), st.booleans())
def test_no_text_breaks_the_reading_of_tokens(text: str, dotted: bool) -> None:
    with pytest.raises(InvalidToken):
        make().connect(token=f"{text}.{text}.{text}" if dotted else text)


def test_a_changed_token_is_refused() -> None:
    db = make()
    head, body, mark = db.issue_token("ann", role="user").split(".")
    other = db.issue_token("ann", role="admin").split(".")[1]
    with pytest.raises(InvalidToken):
        db.connect(token=f"{head}.{other}.{mark}")
    with pytest.raises(InvalidToken):
        db.connect(token=f"{head}.{body}.{mark[:-4]}AAAA")


# -- tokens of the database's own ----------------------------------------------------------------


def test_an_anonymous_client_comes_back_with_its_token() -> None:
    db = make()
    with db.connect() as conn:
        first, token = conn.identity, conn.token
    assert token is not None
    with db.connect(token=token) as again, db.connect() as other:
        assert again.identity == first
        assert other.identity != first
    with db.connect(token=f"Bearer {token}") as again:
        assert again.identity == first


def test_the_claims_of_an_anonymous_client_are_those_of_spacetimedb() -> None:
    db = make()
    with db.connect() as conn:
        [payload] = [row.jwt_payload for row in db.tables["st_connection_credentials"]]
        assert json.loads(payload) == {
            "hex_identity": conn.identity.hex(),
            "sub": json.loads(payload)["sub"],
            "iss": "localhost",
            "aud": ["spacetimedb"],
            "iat": NOW_S,
            "exp": None,
        }
        assert conn.token is not None
        assert jwt.get_unverified_header(conn.token) == {"alg": "ES256", "typ": "JWT"}


def test_a_database_does_not_accept_the_tokens_of_another_one() -> None:
    token = make().issue_token()
    with pytest.raises(InvalidToken, match="its signature is not this database's"):
        make().connect(token=token)


def test_a_fork_accepts_the_tokens_of_its_original() -> None:
    db = make()
    fork = db.fork()
    fork.connect(token=db.issue_token("ann")).close()


def test_a_durable_database_keeps_its_key(tmp_path: Path) -> None:
    with Database(club, path=tmp_path / "club.stdb") as db, db.connect() as conn:
        token, identity = conn.token, conn.identity
    private = tmp_path / "club.stdb" / "keys" / "id_ecdsa"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert private.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    public = private.with_suffix(".pub")
    assert public.read_text().startswith("-----BEGIN PUBLIC KEY-----")
    with Database(club, path=tmp_path / "club.stdb") as db, db.connect(token=token) as conn:
        assert conn.identity == identity
    public.unlink()
    with (
        Database(club, path=tmp_path / "club.stdb") as db,
        pytest.raises(UsageError, match=r"id_ecdsa\.pub is not"),
    ):
        db.connect(token=token)


def test_no_key_is_made_for_clients_without_tokens(tmp_path: Path) -> None:
    with Database(club, path=tmp_path / "club.stdb") as db:
        db.connect().close()
    assert not (tmp_path / "club.stdb" / "keys").exists()


def test_a_token_that_could_not_be_accepted_is_not_issued() -> None:
    with pytest.raises(UsageError, match="subject of a token is a text of 1 to 128 bytes"):
        make().issue_token("")
    with pytest.raises(UsageError, match="issuer of a token"):
        make().issue_token("ann", issuer="x" * 129)


# -- what functions see --------------------------------------------------------------------------


def test_functions_see_the_claims_from_connect_to_disconnect() -> None:
    db = make()
    token = db.issue_token("ann", issuer=ISSUER, aud=["a", 5, "b"], role="admin")
    with db.connect(token=token) as conn:
        conn.reducers.admin_only()
    for known in seen:
        assert known is not None
        assert (known.issuer, known.subject, known.audience) == (ISSUER, "ann", ("a", "b"))
        assert known.identity == conn.identity
        assert known.payload["role"] == "admin"
        assert json.loads(known.raw_payload) == known.payload
        assert repr(known) == f"<claims of 'ann', issued by '{ISSUER}'>"
    assert len(seen) == 2
    assert len(db.tables["st_connection_credentials"]) == 0


def test_the_payload_is_kept_as_it_was_signed() -> None:
    body = b'{ "sub":"ann",  "iss":"https://login.example.com","iat":1,"x":1e2 }'
    db = make(by_ec())
    db.connect(token=jwt.PyJWS().encode(body, EC, "ES256")).close()
    assert seen[0] is not None
    assert seen[0].raw_payload == body.decode()
    assert seen[0].audience == ()


def test_who_the_host_vouches_for_has_no_claims() -> None:
    db = make()
    with db.connect(identity=Identity.from_claims("a", "b")) as conn:
        assert conn.token is None
        with pytest.raises(ReducerError, match="for admins"):
            conn.reducers.admin_only()
    with pytest.raises(ReducerError, match="for admins"):
        db.call("admin_only")
    assert seen == [None, None]


def test_an_identity_and_a_token_do_not_go_together() -> None:
    db = make()
    with pytest.raises(UsageError, match="not both"):
        db.connect(identity=Identity(1), token=db.issue_token())
    with pytest.raises(TypeMismatch, match="a token is a str"):
        db.connect(token=b"bytes")  # type: ignore[arg-type]


def test_a_refused_client_leaves_no_credentials() -> None:
    module = Module("closed")

    @module.client_connected
    def refuse(ctx: ReducerContext) -> None:
        assert ctx.sender_auth.has_jwt
        raise ReducerError("closed")

    db = Database(module)
    with pytest.raises(ReducerError, match="closed"):
        db.connect()
    assert len(db.tables["st_connection_credentials"]) == 0


def test_credentials_are_not_for_clients_to_read() -> None:
    db = make()
    with db.connect(), pytest.raises(Exception, match="st_connection_credentials"):
        db.sql("SELECT * FROM st_connection_credentials", sender=Identity(1))


# -- without the extra ---------------------------------------------------------------------------


def test_without_the_extra_only_tokens_are_missing() -> None:
    code = (
        "import sys; sys.modules['jwt'] = None\n"
        "import stdb\n"
        "db = stdb.Database(stdb.Module('club'))\n"
        "conn = db.connect()\n"
        "try:\n"
        "    conn.token\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "stdb[auth]"' in done.stdout
