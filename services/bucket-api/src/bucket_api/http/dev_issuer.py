"""The development issuer: signs tokens for a demonstration, with a key made at the first start. Never in production."""

import hashlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from bucket_api.http.tokens import Issuer

Role = Literal["clerk", "reviewer", "partner", "administrator", "operator"]

LIVES: Final = timedelta(hours=12)
_READ: Final = ("clients:read", "access:read", "buckets:read", "data:read", "users:read", "upstreams:read")
SCOPES_OF: Final[Mapping[Role, tuple[str, ...]]] = {
    "clerk": (*_READ, "otp:write", "buckets:write"),
    "reviewer": (*_READ, "exports:write"),
    "partner": (*_READ, "buckets:write", "buckets:cancel", "exports:write", "audit:read", "usage:read"),
    "administrator": (
        *_READ,
        "clients:write",
        "access:write",
        "otp:write",
        "buckets:write",
        "buckets:cancel",
        "exports:write",
        "webhooks:write",
        "audit:read",
        "usage:read",
    ),
    "operator": ("upstreams:read", "upstreams:admin"),
}
"""The operator runs the service and belongs to no tenant; the token still names one."""


class DevIssuer:
    """Signs with an ES256 key; its public part is the key set that the service trusts."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, issuer: Issuer) -> None:
        self._key = key
        self._issuer = issuer
        public: dict[str, Any] = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self._kid = hashlib.sha256(msgspec.json.encode([public["x"], public["y"]])).hexdigest()[:16]
        self.jwks = {"keys": [{**public, "kid": self._kid, "alg": "ES256", "use": "sig"}]}

    @classmethod
    def at(cls, key_file: Path, jwks_file: Path, issuer: Issuer) -> "DevIssuer":
        """The issuer with the key in a file; key and key set are made when they are not there."""
        if not key_file.exists():
            _write_new(key_file, _pem(ec.generate_private_key(ec.SECP256R1())))
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{key_file} holds no EC key")
        made = cls(key, issuer)
        _replace(jwks_file, msgspec.json.encode(made.jwks))
        return made

    def token(self, tenant: str, subject: str, scopes: tuple[str, ...], *, name: str | None = None) -> str:
        """A token for twelve hours."""
        now = datetime.now(UTC)
        claims = {
            "iss": self._issuer.name,
            "aud": self._issuer.audience,
            "sub": subject,
            "tenant_id": tenant,
            "scope": " ".join(scopes),
            "iat": now,
            "nbf": now,
            "exp": now + LIVES,
            **({"name": name} if name else {}),
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._kid})


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_new(path: Path, content: bytes) -> None:
    """Written whole under a name of its own, then linked: of two processes that start at once one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    try:
        os.link(own, path)
    except FileExistsError:
        pass
    finally:
        own.unlink()


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_suffix(f".{os.getpid()}")
    own.write_bytes(content)
    own.replace(path)
