"""Bearer tokens: what makes one acceptable. Pure but for the key look-up, which is handed in."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jwt
from jwt import PyJWK

from bucket_api.scope import TenantScope

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
LEEWAY_S: Final = 30
MAX_TOKEN_LENGTH: Final = 8192
_TENANT: Final = re.compile(r"t_[A-Za-z0-9_-]{1,60}")
_SUBJECT: Final = re.compile(r"[A-Za-z0-9_.@:|-]{1,120}")
_REQUIRED: Final = ["exp", "iss", "aud", "sub", "tenant_id"]


class Forged(Exception):
    """A token that is not accepted: missing, expired, of somebody else or forged. The caller is not told which."""

    log_safe = True


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who may sign, and for whom."""

    name: str
    audience: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: from a verified token only."""

    subject: str
    tenant: TenantScope
    scopes: frozenset[str]
    name: str | None = None


KeyOf = Callable[[str], PyJWK | None]


def key_id(token: str) -> str:
    """The key id that the token names, before anything of it is believed. Raises `Forged`."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise Forged("longer than any token of ours")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise Forged("not a signed token") from None
    if header.get("alg") not in ALGORITHMS:
        raise Forged("algorithm is not allowed")
    if "crit" in header or header.get("b64") is False:
        raise Forged("critical extensions are not understood")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise Forged("names no key")
    return kid


def verified(token: str, key: PyJWK | None, issuer: Issuer) -> Caller:
    """The caller that a token speaks for; `key` is the pinned key of its key id. Raises `Forged`."""
    if key is None:
        raise Forged("key is not known")
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=issuer.audience,
            issuer=issuer.name,
            leeway=LEEWAY_S,
            options={"require": _REQUIRED, "strict_aud": True},
        )
    except jwt.PyJWTError as error:
        raise Forged(type(error).__name__) from None
    except (ValueError, TypeError, OverflowError):
        raise Forged("claims of a wrong type") from None
    return _caller(claims)


def _caller(claims: dict[str, Any]) -> Caller:
    subject, tenant, scope, name = (claims.get(claim) for claim in ("sub", "tenant_id", "scope", "name"))
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise Forged("subject is malformed")
    if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
        raise Forged("tenant is malformed")
    if not isinstance(scope, str | None):
        raise Forged("scope is malformed")
    shown = name[:120] if isinstance(name, str) else None
    return Caller(subject, TenantScope(tenant), frozenset((scope or "").split()), shown)
