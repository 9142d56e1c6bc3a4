"""Page tokens: opaque, bound to tenant, route and filter, valid for ten minutes. Pure.

A token holds a position only. It gives no access: whatever it says, the tenant of the request's own token decides.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from sync_contracts.buckets import digest

from bucket_api.refusal import Refusal
from bucket_api.scope import TenantScope

VALID_MS: Final = 600_000


class Position(Struct, frozen=True, omit_defaults=True):
    """Where the next page begins: after an id, or at an offset of a frozen list."""

    after: str | None = None
    offset: int = 0
    list_id: str | None = None


class _Token(Struct, frozen=True):
    b: str
    t: int
    p: Position


def binding(tenant: TenantScope, route: str, filters: Mapping[str, Any]) -> str:
    """What a token belongs to."""
    return digest([tenant.tenant_id, route, dict(filters)])[:16]


def issue(bound_to: str, position: Position, now_ms: int) -> str:
    """The token for the next page."""
    return base64.urlsafe_b64encode(msgspec.json.encode(_Token(bound_to, now_ms, position))).rstrip(b"=").decode()


def read(token: str | None, bound_to: str, now_ms: int) -> Position:
    """The position; the beginning without a token. Raises `page_token_mismatch` or `page_token_expired`."""
    if token is None:
        return Position()
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        known = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=_Token)
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError):
        raise Refusal("page_token_mismatch") from None
    if known.b != bound_to:
        raise Refusal("page_token_mismatch")
    if not 0 <= now_ms - known.t <= VALID_MS:
        raise Refusal("page_token_expired")
    return known.p
