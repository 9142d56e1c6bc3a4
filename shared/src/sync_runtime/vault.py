"""Envelope encryption: one data key per tenant, wrapped by a key-encryption key; AES-256-GCM with random nonces.

A ciphertext is bound to its place: tenant, context (client and field, or dataset, version and part) and key version
are authenticated, so one that was moved is refused. Deleting a tenant's wrapped key makes its data unreadable.

Layout: `0x01 ‖ key version (4 bytes, big endian) ‖ nonce (12 bytes) ‖ ciphertext and tag`.
"""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LAYOUT = 1
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
HEADER_BYTES = 5
_WRAP_CONTEXT = "data key"


class DecryptionRefused(Exception):
    """Bytes that this key and this place do not open: altered, moved, or of an unknown layout or key version."""

    log_safe = True


class KeyFileRefused(Exception):
    """The file of key-encryption keys is missing or malformed; the text names the file and the cure."""

    log_safe = True


class KeyEncryptionKeys:
    """Key-encryption keys by version. The newest wraps; older ones still open what they wrapped (rotation).

    File: one line per key, `<version> <32 bytes in base64>`.
    """

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
            raise ValueError("key-encryption keys have 32 bytes each, and one is needed")
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}
        self._newest = max(keys)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read the keys; raises `KeyFileRefused`."""
        try:
            lines = [line.split() for line in path.read_text("ascii").splitlines() if line.strip()]
            return cls({int(version): base64.b64decode(key, validate=True) for version, key in lines})
        except FileNotFoundError:
            raise KeyFileRefused(f"{path} does not exist; set SB_KEK_FILE or make it with the local stack") from None
        except (ValueError, OSError):
            raise KeyFileRefused(f"{path} is not readable as lines of '<version> <32 bytes in base64>'") from None

    @staticmethod
    def write_new_file(path: Path) -> None:
        """Make a file with one random key, readable by its owner only; an existing file is never touched."""
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"1 {base64.b64encode(os.urandom(KEY_BYTES)).decode()}\n")

    def new_wrapped_key(self, tenant_id: str) -> bytes:
        """A random data key for a tenant, wrapped; what `tenants.data_key_wrapped` holds."""
        return self._wrap(os.urandom(KEY_BYTES), tenant_id)

    def rewrap(self, wrapped: bytes, tenant_id: str) -> bytes:
        """The same data key under the newest key-encryption key."""
        return self._wrap(self._unwrap(wrapped, tenant_id), tenant_id)

    def encryptor(self, tenant_id: str, wrapped: bytes, key_version: int) -> "Encryptor":
        """Encrypts with the tenant's current data key."""
        return Encryptor(tenant_id, self._unwrap(wrapped, tenant_id), key_version)

    def decryptor(self, tenant_id: str, wrapped_by_version: Mapping[int, bytes]) -> "Decryptor":
        """Opens what any of the tenant's data keys has closed."""
        keys = {version: self._unwrap(wrapped, tenant_id) for version, wrapped in wrapped_by_version.items()}
        return Decryptor(tenant_id, keys)

    def _wrap(self, data_key: bytes, tenant_id: str) -> bytes:
        return _seal(self._ciphers[self._newest], self._newest, data_key, (tenant_id, _WRAP_CONTEXT))

    def _unwrap(self, wrapped: bytes, tenant_id: str) -> bytes:
        return _open(self._ciphers, wrapped, (tenant_id, _WRAP_CONTEXT))


class Encryptor:
    """Closes secrets of one tenant. It has no way to open them again."""

    def __init__(self, tenant_id: str, data_key: bytes, key_version: int) -> None:
        self._cipher = AESGCM(data_key)
        self._tenant_id = tenant_id
        self.key_version = key_version

    def encrypt(self, plain: bytes, *context: str) -> bytes:
        """Ciphertext bound to tenant and context, for example `(client_id, "secret_enc")`."""
        return _seal(self._cipher, self.key_version, plain, (self._tenant_id, *context))


class Decryptor:
    """Opens secrets of one tenant, for one use; the caller keeps no plain text."""

    def __init__(self, tenant_id: str, keys: Mapping[int, bytes]) -> None:
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}
        self._tenant_id = tenant_id

    def decrypt(self, sealed: bytes, *context: str) -> bytes:
        """The plain text; raises `DecryptionRefused` unless tenant, context and key version are those of `encrypt`."""
        return _open(self._ciphers, sealed, (self._tenant_id, *context))


def _seal(cipher: AESGCM, key_version: int, plain: bytes, place: tuple[str, ...]) -> bytes:
    header = bytes([LAYOUT]) + key_version.to_bytes(4, "big")
    nonce = os.urandom(NONCE_BYTES)
    return header + nonce + cipher.encrypt(nonce, plain, _authenticated(header, place))


def _open(ciphers: Mapping[int, AESGCM], sealed: bytes, place: tuple[str, ...]) -> bytes:
    if len(sealed) < HEADER_BYTES + NONCE_BYTES + TAG_BYTES or sealed[0] != LAYOUT:
        raise DecryptionRefused("the bytes have no known layout")
    header, nonce, body = sealed[:HEADER_BYTES], sealed[HEADER_BYTES:][:NONCE_BYTES], sealed[17:]
    cipher = ciphers.get(int.from_bytes(header[1:], "big"))
    if cipher is None:
        raise DecryptionRefused("the bytes were closed with a key version that is not at hand")
    try:
        return cipher.decrypt(nonce, body, _authenticated(header, place))
    except InvalidTag:
        raise DecryptionRefused("the bytes were altered or belong to another place") from None


def _authenticated(header: bytes, place: tuple[str, ...]) -> bytes:
    """Header and place, each part with its length in front: no two places have the same bytes."""
    parts = [part.encode() for part in place]
    return header + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
