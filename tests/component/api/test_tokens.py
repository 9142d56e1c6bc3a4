"""Forged, expired and foreign tokens: all the same 401. Keys come from the pinned set only."""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from bucket_api.http.dev_issuer import DevIssuer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from sync_runtime.logging import RedactionFilter

from tests.component.api.conftest import ISSUER, Api

_RSA = rsa.generate_private_key(65537, 2048)
_OTHER = ec.generate_private_key(ec.SECP256R1())


def claims(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    made = {
        "iss": ISSUER.name,
        "aud": ISSUER.audience,
        "sub": "us_x",
        "tenant_id": "t_one",
        "scope": "buckets:read clients:read",
        "iat": now,
        "exp": now + timedelta(hours=1),
    } | changes
    return {name: value for name, value in made.items() if value is not None}


class Forger:
    """Makes tokens with the right key and wrong ones."""

    def __init__(self, issuer: DevIssuer) -> None:
        self.key = issuer._key
        self.kid = issuer.jwks["keys"][0]["kid"]

    def signed(
        self, key: Any = None, algorithm: str = "ES256", head: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        headers = {"kid": self.kid} | (head or {})
        return jwt.encode(claims(**changes), key or self.key, algorithm=algorithm, headers=headers)

    def by_hand(self, header: dict[str, Any], signature: bytes = b"", body: dict[str, Any] | None = None) -> str:
        stamp = {name: int(v.timestamp()) if isinstance(v, datetime) else v for name, v in (body or claims()).items()}
        return ".".join((_b64(json.dumps(header).encode()), _b64(json.dumps(stamp).encode()), _b64(signature)))

    def with_public_key_as_secret(self) -> str:
        public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        unsigned = self.by_hand({"alg": "HS256", "kid": self.kid}).rsplit(".", 1)[0]
        return f"{unsigned}.{_b64(hmac.new(public, unsigned.encode(), hashlib.sha256).digest())}"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _past(**by: float) -> datetime:
    return datetime.now(UTC) - timedelta(**by)


def _other_jwk() -> dict[str, Any]:
    return dict(jwt.algorithms.ECAlgorithm.to_jwk(_OTHER.public_key(), as_dict=True))


FORGED: dict[str, Callable[[Forger], str]] = {
    "no signature algorithm": lambda f: f.by_hand({"alg": "none", "kid": f.kid}),
    "None with capital": lambda f: f.by_hand({"alg": "None", "kid": f.kid}),
    "public key as shared secret": lambda f: f.with_public_key_as_secret(),
    "shared secret": lambda f: f.signed("s" * 64, "HS256"),
    "shared secret 512": lambda f: f.signed("s" * 64, "HS512"),
    "algorithm outside the list": lambda f: f.signed(ec.generate_private_key(ec.SECP384R1()), "ES384"),
    "probabilistic RSA": lambda f: f.signed(_RSA, "PS256"),
    "other key of the right kind": lambda f: f.signed(_OTHER),
    "RSA key under the known id": lambda f: f.signed(_RSA, "RS256"),
    "Ed25519 key under the known id": lambda f: f.signed(ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    "unknown key id": lambda f: f.signed(head={"kid": "unknown"}),
    "key id of another type": lambda f: f.by_hand({"alg": "ES256", "kid": 7}),
    "no key id": lambda f: jwt.encode(claims(), f.key, algorithm="ES256"),
    "key in the header": lambda f: f.signed(_OTHER, head={"jwk": _other_jwk()}),
    "key set named in the header": lambda f: f.signed(_OTHER, head={"jku": "https://evil.example/jwks"}),
    "certificate named in the header": lambda f: f.signed(_OTHER, head={"x5u": "https://evil.example/x"}),
    "path as key id": lambda f: f.signed(_OTHER, head={"kid": "../../dev/null"}),
    "critical extension": lambda f: f.signed(head={"crit": ["exp"]}),
    "wrong issuer": lambda f: f.signed(iss="https://evil.example"),
    "no issuer": lambda f: f.signed(iss=None),
    "wrong audience": lambda f: f.signed(aud="another-service"),
    "audience list": lambda f: f.signed(aud=["sync-bucket", "another"]),
    "no audience": lambda f: f.signed(aud=None),
    "expired": lambda f: f.signed(exp=_past(minutes=2)),
    "no expiry": lambda f: f.signed(exp=None),
    "expiry as text": lambda f: f.by_hand({"alg": "ES256", "kid": f.kid}, body=claims(exp="soon")),
    "not valid yet": lambda f: f.signed(nbf=_past(minutes=-2)),
    "issued in the future": lambda f: f.signed(iat=_past(minutes=-5)),
    "no subject": lambda f: f.signed(sub=None),
    "no tenant": lambda f: f.signed(tenant_id=None),
    "malformed tenant": lambda f: f.signed(tenant_id="t_one$ne"),
    "tenant as object": lambda f: f.signed(tenant_id={"$ne": "x"}),
    "scope as list": lambda f: f.signed(scope=["buckets:read"]),
    "changed payload": lambda f: _changed_payload(f.signed()),
    "signature cut": lambda f: f.signed()[:-4],
    "no signature": lambda f: f.signed().rsplit(".", 1)[0] + ".",
    "two signatures": lambda f: f.signed() + "." + f.signed().rsplit(".", 1)[1],
    "encrypted form": lambda _: "eyJhbGciOiJkaXIifQ..aa.bb.cc",
    "one megabyte": lambda f: f.signed(note="x" * 1_000_000),
    "not a token": lambda _: "abc",
    "empty": lambda _: "",
}


def _changed_payload(token: str) -> str:
    head, _, signature = token.split(".")
    body = {name: int(v.timestamp()) if isinstance(v, datetime) else v for name, v in claims(tenant_id="t_two").items()}
    return f"{head}.{_b64(json.dumps(body).encode())}.{signature}"


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_token_is_refused(api: Api, dev_issuer: DevIssuer, forge: Callable[[Forger], str]) -> None:
    http = api.anonymous()
    header = {"authorization": f"Bearer {forge(Forger(dev_issuer))}"}
    refused = await http.get("/v1/me", headers=header)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["detail"] == refused.json()["title"] + "."


async def test_a_genuine_token_is_accepted(api: Api, dev_issuer: DevIssuer) -> None:
    forger, http = Forger(dev_issuer), api.anonymous()
    for token in (forger.signed(), forger.signed(exp=_past(seconds=10)), forger.signed(nbf=_past(seconds=-10))):
        answer = await http.get("/v1/me", headers={"authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["tenant"]["id"]) == (200, "t_one")


@pytest.mark.parametrize("header", [None, "", "Basic dXNlcjpwYXNz", "Bearer", "bearer ", "Token x"])
async def test_without_a_bearer_token_nobody_gets_in(
    api: Api, header: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        refused = await api.anonymous().get("/v1/me", headers={"authorization": header} if header is not None else {})
    assert refused.status_code == 401
    assert "caller refused: no token in the header" in _written(caplog)


async def test_the_log_tells_why_a_caller_was_refused(
    api: Api, dev_issuer: DevIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    token = Forger(dev_issuer).signed(exp=_past(seconds=3_600))
    with caplog.at_level(logging.INFO):
        await api.anonymous().get("/v1/me", headers={"authorization": f"Bearer {token}"})
    assert "caller refused: ExpiredSignatureError" in _written(caplog)


def _written(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Messages as they leave the process."""
    kept = RedactionFilter()
    return [record.getMessage() for record in caplog.records if kept.filter(record)]


async def test_identity_in_other_headers_counts_for_nothing(api: Api, http: httpx.AsyncClient) -> None:
    spoofed = {
        "x-tenant-id": "t_two",
        "x-user-id": "us_root",
        "x-forwarded-user": "root",
        "x-scopes": "upstreams:admin",
    }
    me = (await http.get("/v1/me", headers=spoofed)).json()
    assert (me["tenant"]["id"], me["user"]["id"]) == ("t_one", "us_administrator")
    assert (await api.anonymous().get("/v1/me", headers=spoofed)).status_code == 401
