"""The pinned key set (JWKS) of a file or address: cached, read again at most once a minute for an unknown key id."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
from jwt import PyJWK, PyJWTError

log = logging.getLogger(__name__)

REFRESH_S: Final = 60.0
FETCH_TIMEOUT_S: Final = 5.0
MAX_KEYS: Final = 50
MAX_BYTES: Final = 262_144
_ALGORITHMS: Final = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}

Read = Callable[[], Awaitable[bytes]]


class KeysUnavailable(ConnectionError):
    """The key set was never read: nobody can be let in."""

    log_safe = True


def parse(document: bytes) -> dict[str, PyJWK]:
    """Signature keys by key id, each for exactly one algorithm; private, shared and other keys are left out."""
    keys = msgspec.json.decode(document, type=dict[str, Any]).get("keys", [])
    found: dict[str, PyJWK] = {}
    for entry in keys[:MAX_KEYS]:
        algorithm = _ALGORITHMS.get((entry.get("kty"), entry.get("crv")))
        if algorithm is None or "d" in entry or entry.get("use", "sig") != "sig" or not entry.get("kid"):
            continue
        if entry.get("alg", algorithm) != algorithm:
            continue
        try:
            found[entry["kid"]] = PyJWK(entry, algorithm)
        except PyJWTError:
            log.warning("key left out", extra={"action": "skip_key"})
    return found


def from_file(path: Path) -> Read:
    """Reads the key set from a file."""

    async def read() -> bytes:
        return await asyncio.to_thread(path.read_bytes)

    return read


def from_url(url: str) -> Read:
    """Reads the key set from its one address; no redirect is followed."""

    async def read() -> bytes:
        async with httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, follow_redirects=False) as client:
            response = await client.get(url)
        response.raise_for_status()
        if len(response.content) > MAX_BYTES:
            raise ValueError("the key set is too large")
        return response.content

    return read


class KeySet:
    """The keys by id. One reader at a time; what was read once stays until something newer could be read."""

    def __init__(self, read: Read, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._keys: Mapping[str, PyJWK] | None = None
        self._tried_at = float("-inf")
        self._reading = asyncio.Lock()

    @property
    def loaded(self) -> bool:
        """Whether the set was read at least once."""
        return self._keys is not None

    async def key(self, kid: str) -> PyJWK | None:
        """The key, None when the set does not hold it. Raises `KeysUnavailable` while the set was never read."""
        if self._keys is None or kid not in self._keys:
            await self.refresh()
        if self._keys is None:
            raise KeysUnavailable("the key set was never read")
        return self._keys.get(kid)

    async def refresh(self) -> None:
        """Read the set again unless that was tried in the last minute (while never read: in the last second)."""
        async with self._reading:
            if self._clock() - self._tried_at < (REFRESH_S if self.loaded else 1.0):
                return
            self._tried_at = self._clock()
            try:
                self._keys = parse(await self._read())
            except (OSError, ValueError, httpx.HTTPError, msgspec.MsgspecError) as error:
                log.warning("key set not read", extra={"action": "read_keys", "cause": type(error).__name__})
