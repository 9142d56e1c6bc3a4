"""How a dataset's bytes lie in the database: compressed, cut, encrypted for the tenant and for their place."""

import asyncio
import zlib
from hashlib import sha256
from typing import Final, Protocol

from sync_worker.modules.port import Unloadable

INLINE_LIMIT: Final = 16 * 1024
CHUNK_BYTES: Final = 4 * 1024 * 1024 - 1024
"""Below 4 MiB with what encryption adds."""
INLINE_PLACE: Final = "data"
_LEVEL: Final = 1
_BIG: Final = 256 * 1024


class TenantVault(Protocol):
    """Closes and opens bytes of a tenant, bound to a place."""

    async def seal(self, tenant: str, plain: bytes, *place: str) -> bytes: ...
    async def unseal(self, tenant: str, sealed: bytes, *place: str) -> bytes | None: ...


class Unreadable(Unloadable):
    """Stored bytes do not open: altered, moved, or closed with a key that is gone."""


def digest_of(body: bytes) -> str:
    """SHA-256 of the canonical plain text, hex: what tells changed from unchanged."""
    return sha256(body).hexdigest()


async def packed(body: bytes) -> bytes:
    """Compressed; large ones beside the event loop."""
    if len(body) > _BIG:
        return await asyncio.to_thread(zlib.compress, body, _LEVEL)
    return zlib.compress(body, _LEVEL)


async def unpacked(data: bytes) -> bytes:
    """The plain text again."""
    if len(data) > _BIG:
        return await asyncio.to_thread(zlib.decompress, data)
    return zlib.decompress(data)


def pieces(data: bytes) -> list[bytes]:
    """Chunks of at most 4 MiB."""
    return [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]


async def opened(vault: TenantVault, tenant: str, sealed: bytes, *place: str) -> bytes:
    """Plain bytes of something sealed; raises `Unreadable`."""
    plain = await vault.unseal(tenant, sealed, *place)
    if plain is None:
        raise Unreadable("stored data does not open")
    return plain
