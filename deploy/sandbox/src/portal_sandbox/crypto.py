"""The portal's side of the style A cryptography: AES-256-ECB with PKCS#7 padding, HMAC-SHA256, base64 text.

ECB is what the portal's protocol prescribes; nothing here is a model for other uses.
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_BYTES = 32
_BLOCK = 16


class Sealed(NamedTuple):
    """The three texts of an encrypted answer."""

    rek: str
    data: str
    hmac: str


def encrypt(plain: bytes, key: bytes) -> bytes:
    padding = _BLOCK - len(plain) % _BLOCK
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the portal's protocol
    return encryptor.update(plain + bytes((padding,)) * padding) + encryptor.finalize()


def decrypt(cipher_text: bytes, key: bytes) -> bytes | None:
    """The plain bytes, or None when length or padding is wrong (another key, damaged text)."""
    if not cipher_text or len(cipher_text) % _BLOCK:
        return None
    decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305 - the portal's protocol
    padded = decryptor.update(cipher_text) + decryptor.finalize()
    padding = padded[-1]
    if not 1 <= padding <= _BLOCK or padded[-padding:] != bytes((padding,)) * padding:
        return None
    return padded[:-padding]


def encrypt_text(plain: bytes, key: bytes) -> str:
    return b64encode(encrypt(plain, key)).decode()


def decrypt_text(text: str, key: bytes) -> bytes | None:
    cipher_text = from_base64(text)
    return None if cipher_text is None else decrypt(cipher_text, key)


def from_base64(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return None


def mac(text: bytes, key: bytes) -> str:
    return b64encode(hmac.digest(key, text, "sha256")).decode()


def seal(json_body: bytes, session_key: bytes, response_key: bytes) -> Sealed:
    """An answer: the JSON as base64 text under the response key, the response key under the session key."""
    text = b64encode(json_body)
    return Sealed(encrypt_text(response_key, session_key), encrypt_text(text, response_key), mac(text, response_key))


def open_request(data: str, digest: str, session_key: bytes) -> bytes | None:
    """The JSON of a request with a body, or None when the text or its HMAC does not fit the session key."""
    text = decrypt_text(data, session_key)
    if text is None or not hmac.compare_digest(mac(text, session_key), digest):
        return None
    return from_base64(text.decode("ascii", "replace"))
