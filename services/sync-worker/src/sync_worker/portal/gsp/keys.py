"""What opens a taxpayer's session, and how it lies in the database: one JSON text, encrypted for the tenant."""

from typing import Protocol

import msgspec
from msgspec import Struct


class Keys(Struct, frozen=True):
    """An open session. `token`: the portal's token (passthrough), or the GSP's handle (managed, both keys empty)."""

    style: str
    username: str
    token: str
    app_key: bytes = b""
    ek: bytes = b""


class Handshake(Struct, frozen=True):
    """A log-in between the two OTP steps; `handle` is what the GSP answered to the first (managed)."""

    style: str
    username: str
    request: str
    app_key: bytes = b""
    handle: str = ""


class KeyRing(Struct, frozen=True):
    """The plain content of `portal_sessions.token_enc`."""

    current: Keys | None = None
    pending: Handshake | None = None


class TenantVault(Protocol):
    """Closes and opens secrets of a tenant; a text that was moved to another place does not open."""

    async def seal(self, tenant: str, plain: bytes, *place: str) -> bytes:
        """Ciphertext bound to tenant and place."""
        ...

    async def unseal(self, tenant: str, sealed: bytes, *place: str) -> bytes | None:
        """The plain bytes; None when they were altered, moved, or closed with a key that is gone."""
        ...


encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(KeyRing)

TOKEN_FIELD = "token_enc"  # noqa: S105 - the name of a field
USERNAME_FIELD = "username_enc"


async def sealed_ring(vault: TenantVault, tenant: str, client: str, ring: KeyRing) -> bytes:
    """What `portal_sessions.token_enc` holds."""
    return await vault.seal(tenant, encode(ring), client, TOKEN_FIELD)


async def opened_ring(vault: TenantVault, tenant: str, client: str, sealed: bytes | None) -> KeyRing:
    """The key ring; an empty one where there is none or it does not open any more."""
    plain = None if sealed is None else await vault.unseal(tenant, sealed, client, TOKEN_FIELD)
    try:
        return KeyRing() if plain is None else _decoder.decode(plain)
    except msgspec.DecodeError:
        return KeyRing()
