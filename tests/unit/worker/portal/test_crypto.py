"""The portal's cryptography, to the byte: vectors computed from the rules with made-up keys."""

from base64 import b64decode, b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from portal_sandbox.keys import PortalKeys
from sync_worker.portal.gsp import crypto

APP_KEY = b"0123456789abcdef0123456789abcdef"
EK = bytes(range(0x20))
REK = bytes(range(0x20, 0x40))
JSON = b'{"gstin":"27AAPFU0939F1ZV","fp":"042026"}'
BASE64_TEXT = "eyJnc3RpbiI6IjI3QUFQRlUwOTM5RjFaViIsImZwIjoiMDQyMDI2In0="
OTP_TEXT = "oT1ITcg5+TjYEN2cbCc7BQ=="
SEK = "U13c9ZbPNmQBPIdNhYm7IW+xn0na6p0dXDJsuHtn3OiKo2JB/ejfBU3DJcbGlbie"
REK_TEXT = "YaaTbk6PEBwcwfmTtUKg1OJ0Dor61OTRXQ1mGzguyomfO3UEkm+L024xGOkDpM1K"
DATA = "N4x+ZhaLyd7Qvr4sfXjFcMr8F6nAu9IPkhWjRJmIchkDxEmQK7rCNI+kYXzquiYeOzdoIyH8y7NK2RE3NeF2BA=="
HMAC = "n3v31RY+bmx/w5j57Yo19807RcEjyyP+NjwwHSwB85w="
REFRESH_APP_KEY = "2MlXWOM1PlMPpSvRDnO5htjJV1jjNT5TD6Ur0Q5zuYafO3UEkm+L024xGOkDpM1K"


def test_the_otp_is_sealed_with_the_app_key() -> None:
    assert crypto.encrypt_text(b"575757", APP_KEY) == OTP_TEXT


def test_sek_opens_to_the_session_key() -> None:
    assert crypto.session_key(SEK, APP_KEY) == EK


def test_an_answer_opens_and_its_hmac_is_checked() -> None:
    assert b64encode(JSON).decode() == BASE64_TEXT
    assert crypto.open_answer(rek=REK_TEXT, data=DATA, hmac_text=HMAC, ek=EK) == JSON
    assert crypto.decrypt_text(REK_TEXT, EK) == REK


@pytest.mark.parametrize(
    ("rek", "data", "digest", "ek"),
    [
        (REK_TEXT, DATA, HMAC[::-1], EK),
        (REK_TEXT, DATA, "", EK),
        (REK_TEXT, DATA, "ü", EK),
        (REK_TEXT, DATA[:-4], HMAC, EK),
        (REK_TEXT, "", HMAC, EK),
        ("no base64!", DATA, HMAC, EK),
        (REK_TEXT, DATA, HMAC, REK),
        (SEK, DATA, HMAC, EK),
    ],
)
def test_a_damaged_answer_does_not_open(rek: str, data: str, digest: str, ek: bytes) -> None:
    assert crypto.open_answer(rek=rek, data=data, hmac_text=digest, ek=ek) is None


def test_a_refresh_sends_the_app_key_under_the_session_key() -> None:
    assert crypto.encrypt_text(APP_KEY, EK) == REFRESH_APP_KEY


def test_what_is_under_the_certificate_opens_with_the_private_key() -> None:
    keys = PortalKeys(datetime(2026, 11, 24, tzinfo=UTC))
    certificate = crypto.Certificate.from_pem(keys.certificate_pem)
    sealed = certificate.encrypt(APP_KEY)
    assert keys.open_key(sealed) == APP_KEY
    assert sealed != certificate.encrypt(APP_KEY)
    assert len(b64decode(sealed)) == 256


@pytest.mark.parametrize("pem", [b"", b"<html>", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(pem: bytes) -> None:
    with pytest.raises(crypto.UnusableCertificate):
        crypto.Certificate.from_pem(pem)


@given(st.binary(max_size=200), st.binary(min_size=32, max_size=32))
def test_whatever_is_sealed_opens_again(plain: bytes, key: bytes) -> None:
    assert crypto.decrypt_text(crypto.encrypt_text(plain, key), key) == plain


@given(st.text(max_size=80), st.binary(min_size=32, max_size=32))
def test_no_text_breaks_the_reader(text: str, key: bytes) -> None:
    crypto.decrypt_text(text, key)
    crypto.session_key(text, key)
    crypto.open_answer(rek=text, data=text, hmac_text=text, ek=key)
