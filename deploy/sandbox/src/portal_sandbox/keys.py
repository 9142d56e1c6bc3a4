"""The portal's RSA key pair with its X.509 certificate; it can be rotated while clients still hold the old one."""

from collections import deque
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from portal_sandbox.crypto import KEY_BYTES, from_base64

_BITS = 2048
_RETIRED_KEPT = 4


class KeyFault(Enum):
    """Why a text under the public key is of no use."""

    UNREADABLE = "not encrypted under the certificate in force"
    NOT_A_KEY = "readable, but not 32 bytes"


class PortalKeys:
    """Key pair in force, its certificate (PEM) and the last few retired pairs; the first pair is made when needed."""

    def __init__(self, now: datetime) -> None:
        self._since = now
        self._pair: _Pair | None = None
        self._retired: deque[_Pair] = deque(maxlen=_RETIRED_KEPT)

    @property
    def certificate_pem(self) -> bytes:
        return self._in_force.certificate_pem

    @property
    def _in_force(self) -> "_Pair":
        if self._pair is None:
            self._pair = _Pair.new(self._since)
        return self._pair

    def rotate(self, now: datetime) -> None:
        """A new pair and certificate; texts under the old one are unreadable from now on."""
        self._retired.append(self._in_force)
        self._pair = _Pair.new(now)

    def private_pem(self) -> str:
        """The private key in force, unencrypted."""
        encoding, shape = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return self._in_force.private.private_bytes(encoding, shape, serialization.NoEncryption()).decode()

    def adopt(self, private_pem: str, now: datetime) -> None:
        """Go on with a key pair of before; whoever holds its certificate may go on too."""
        private = serialization.load_pem_private_key(private_pem.encode(), password=None)
        if isinstance(private, rsa.RSAPrivateKey):
            self._pair = _Pair(private, _certificate(private, now))

    def open_key(self, text: str) -> bytes | KeyFault:
        """The 32-byte app key in a base64 text under RSA PKCS#1 v1.5."""
        plain = self.open_text(text)
        if plain is None:
            return KeyFault.UNREADABLE
        return plain if len(plain) == KEY_BYTES else KeyFault.NOT_A_KEY

    def open_text(self, text: str) -> bytes | None:
        """The plain bytes, or None when the text was not made with the certificate in force."""
        cipher_text = from_base64(text)
        if cipher_text is None or len(cipher_text) != _BITS // 8:
            return None
        try:
            plain = self._in_force.private.decrypt(cipher_text, padding.PKCS1v15())  # the portal's protocol
        except ValueError:
            return None
        doubtful = self._retired or len(plain) != KEY_BYTES
        return None if doubtful and not _well_padded(cipher_text, self._in_force.private) else plain


class _Pair(NamedTuple):
    """A private key with the certificate of its public half."""

    private: rsa.RSAPrivateKey
    certificate_pem: bytes

    @classmethod
    def new(cls, now: datetime) -> "_Pair":
        private = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
        return cls(private, _certificate(private, now))


def _well_padded(cipher_text: bytes, private: rsa.RSAPrivateKey) -> bool:
    """Whether the text was made for this key.

    The library answers a foreign text with random bytes on purpose (implicit rejection), so the padding is looked at
    here.
    """
    numbers = private.private_numbers()
    value = pow(int.from_bytes(cipher_text, "big"), numbers.d, numbers.public_numbers.n)
    padded = value.to_bytes(_BITS // 8, "big")
    return padded[:2] == b"\x00\x02" and padded.find(b"\x00", 2) >= 10


def _certificate(private: rsa.RSAPrivateKey, now: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Simulated portal")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(private, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
