from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from portal_sandbox.keys import KeyFault, PortalKeys

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def under(certificate_pem: bytes, plain: bytes) -> str:
    public = x509.load_pem_x509_certificate(certificate_pem).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    return b64encode(public.encrypt(plain, padding.PKCS1v15())).decode()


@pytest.fixture(scope="module")
def rotated() -> tuple[PortalKeys, bytes]:
    """Keys after a rotation, and the certificate from before it."""
    keys = PortalKeys(NOW)
    old = keys.certificate_pem
    keys.rotate(NOW)
    return keys, old


def test_app_key_opens_and_the_certificate_lasts_a_year() -> None:
    keys = PortalKeys(NOW)
    assert keys.open_key(under(keys.certificate_pem, b"k" * 32)) == b"k" * 32
    certificate = x509.load_pem_x509_certificate(keys.certificate_pem)
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc
    assert certificate.not_valid_after_utc == NOW + timedelta(days=365)


def test_short_key_is_told_apart_from_a_foreign_certificate(rotated: tuple[PortalKeys, bytes]) -> None:
    keys, old = rotated
    assert keys.open_key(under(keys.certificate_pem, b"short")) is KeyFault.NOT_A_KEY
    assert keys.open_key(under(keys.certificate_pem, b"k" * 32)) == b"k" * 32
    for _ in range(100):
        assert keys.open_key(under(old, b"k" * 32)) is KeyFault.UNREADABLE


@pytest.mark.parametrize("text", ["", "%%%", "AAAA", b64encode(b"\x01" * 255).decode()])
def test_text_that_is_no_rsa_block_is_unreadable(rotated: tuple[PortalKeys, bytes], text: str) -> None:
    assert rotated[0].open_key(text) is KeyFault.UNREADABLE
