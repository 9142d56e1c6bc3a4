"""The pass-through cryptography of the GST portal, pure: AES-256-ECB with PKCS#7, RSA PKCS#1 v1.5, HMAC-SHA256, base64.

ECB and PKCS#1 v1.5 are what the portal's protocol prescribes; nothing here is a model for other uses.
Whatever does not open is `None`: another key, a damaged text and a foreign padding look the same.
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from datetime import datetime
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_BYTES: Final = 32
_BLOCK_BYTES: Final = 16


class UnusableCertificate(Exception):
    """What the portal served as its certificate is none, or holds no RSA key."""

    log_safe = True


class Certificate:
    """The portal's public certificate: what app keys and passwords are encrypted with."""

    def __init__(self, key: rsa.RSAPublicKey, not_after: datetime) -> None:
        self._key = key
        self.not_after = not_after

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read a PEM X.509 certificate; raises `UnusableCertificate`."""
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            key = certificate.public_key()
        except ValueError:
            raise UnusableCertificate("the portal's certificate is not a PEM X.509 certificate") from None
        if not isinstance(key, rsa.RSAPublicKey):
            raise UnusableCertificate("the portal's certificate holds no RSA key")
        return cls(key, certificate.not_valid_after_utc)

    def encrypt(self, plain: bytes) -> str:
        """RSA PKCS#1 v1.5 as base64 text; random by design."""
        return b64encode(self._key.encrypt(plain, padding.PKCS1v15())).decode()


def encrypt_text(plain: bytes, key: bytes) -> str:
    """AES-256-ECB with PKCS#7 as base64 text."""
    padding_bytes = _BLOCK_BYTES - len(plain) % _BLOCK_BYTES
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the portal's protocol
    padded = plain + bytes((padding_bytes,)) * padding_bytes
    return b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def decrypt_text(text: str | bytes, key: bytes) -> bytes | None:
    """What `encrypt_text` closed."""
    cipher_text = from_base64(text)
    if not cipher_text or len(cipher_text) % _BLOCK_BYTES:
        return None
    decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305 - the portal's protocol
    padded = decryptor.update(cipher_text) + decryptor.finalize()
    count = padded[-1]
    if not 1 <= count <= _BLOCK_BYTES or padded[-count:] != bytes((count,)) * count:
        return None
    return padded[:-count]


def session_key(sek: str, app_key: bytes) -> bytes | None:
    """EK out of `sek`; always under the app key, also after a refresh."""
    return _key(decrypt_text(sek, app_key))


def open_answer(*, rek: str, data: str, hmac_text: str, ek: bytes) -> bytes | None:
    """The JSON of an answer. The HMAC is over the base64 text inside `data` and is checked before that is decoded."""
    response_key = _key(decrypt_text(rek, ek))
    if response_key is None:
        return None
    text = decrypt_text(data, response_key)
    if text is None or not hmac.compare_digest(_mac(text, response_key).encode(), hmac_text.encode()):
        return None
    return from_base64(text)


def file_key(ek: str, session_ek: bytes) -> bytes | None:
    """The key of a file: the 32 bytes themselves, or closed under the session key where a portal closes it."""
    raw = from_base64(ek)
    if raw is None or len(raw) == KEY_BYTES:
        return raw
    return _key(decrypt_text(ek, session_ek)) if len(session_ek) == KEY_BYTES else None


def open_file(text: bytes, key: bytes) -> bytes | None:
    """The JSON of a file's member: closed text of its base64 text, or of the JSON itself; either may be in quotes."""
    plain = decrypt_text(_unquoted(text), key)
    if plain is None:
        return None
    inner = _unquoted(plain)
    return inner if inner[:1] in {b"{", b"["} else from_base64(inner)


def from_base64(text: str | bytes) -> bytes | None:
    """Strictly decoded bytes."""
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return None


def _key(plain: bytes | None) -> bytes | None:
    return plain if plain is not None and len(plain) == KEY_BYTES else None


def _unquoted(text: bytes) -> bytes:
    stripped = text.strip()
    quoted = len(stripped) > 1 and stripped[:1] == stripped[-1:] == b'"'
    return stripped[1:-1] if quoted else stripped


def _mac(text: bytes, key: bytes) -> str:
    return b64encode(hmac.digest(key, text, "sha256")).decode()
