"""The test vectors of the portal's cryptography, to the byte."""

from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from portal_sandbox.crypto import decrypt, decrypt_text, encrypt, encrypt_text, mac, open_request, seal

APP_KEY = b"0123456789abcdef0123456789abcdef"
EK = bytes(range(0x20))
REK = bytes(range(0x20, 0x40))
FILE_KEY = bytes(range(0x40, 0x60))
JSON_BODY = b'{"gstin":"27AAPFU0939F1ZV","fp":"042026"}'


def test_otp_under_the_app_key() -> None:
    assert encrypt_text(b"575757", APP_KEY) == "oT1ITcg5+TjYEN2cbCc7BQ=="


def test_sek_holds_the_session_key_under_the_app_key() -> None:
    assert encrypt_text(EK, APP_KEY) == "U13c9ZbPNmQBPIdNhYm7IW+xn0na6p0dXDJsuHtn3OiKo2JB/ejfBU3DJcbGlbie"


def test_sealed_answer() -> None:
    sealed = seal(JSON_BODY, EK, REK)
    assert sealed.rek == "YaaTbk6PEBwcwfmTtUKg1OJ0Dor61OTRXQ1mGzguyomfO3UEkm+L024xGOkDpM1K"
    assert sealed.data == "N4x+ZhaLyd7Qvr4sfXjFcMr8F6nAu9IPkhWjRJmIchkDxEmQK7rCNI+kYXzquiYeOzdoIyH8y7NK2RE3NeF2BA=="
    assert sealed.hmac == "n3v31RY+bmx/w5j57Yo19807RcEjyyP+NjwwHSwB85w="


def test_app_key_of_a_refresh_under_the_session_key() -> None:
    text = "2MlXWOM1PlMPpSvRDnO5htjJV1jjNT5TD6Ur0Q5zuYafO3UEkm+L024xGOkDpM1K"
    assert encrypt_text(APP_KEY, EK) == text
    assert decrypt_text(text, EK) == APP_KEY


def test_request_with_a_body_opens_and_a_foreign_hmac_does_not() -> None:
    data = "17gmAAVgfIbb3Hnqv8rItx3XV9SXpx3YJ32577DYVrxOvtg+GutPghy0/OvB3OnLtyqJQWuvF6EO1wmeLlN66w=="
    digest = "G2DGXYxipGFapBgDH4909s/JTpocnKs2Jrax78udizo="
    assert open_request(data, digest, EK) == JSON_BODY
    assert open_request(data, mac(b"other", EK), EK) is None
    assert open_request(data, digest, REK) is None


def test_file_part_under_the_file_key() -> None:
    assert b64encode(FILE_KEY).decode() == "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="
    member = "F6eR/+xIRX+u7cFZitDxkPgTkkXwIoQyQLJQu9xfcK0RBebOPm09mtOzna8r5tKTYDyIXl3k2l5qvBNzNm+8lQ=="
    assert encrypt_text(b64encode(JSON_BODY), FILE_KEY) == member


def test_file_key_under_the_session_key_and_json_without_base64() -> None:
    assert encrypt_text(FILE_KEY, EK) == "o37fP5dauu+Te2LHjVuxV5dLQSc45Q9Fx/nbJUE/J0ufO3UEkm+L024xGOkDpM1K"
    member = "QUHKWKLm7HlJx3/zcU8x2Kt+/kEv4VYhzFJ8Fj/YYOEuhu+7vWkjxilG1QQzcHaG"
    assert encrypt_text(JSON_BODY, FILE_KEY) == member


@given(st.binary(max_size=200), st.binary(min_size=32, max_size=32))
def test_decrypt_undoes_encrypt(plain: bytes, key: bytes) -> None:
    assert decrypt(encrypt(plain, key), key) == plain


@pytest.mark.parametrize("text", ["", "!", "AAAA", "oT1ITcg5"])
def test_damaged_text_opens_to_nothing(text: str) -> None:
    assert decrypt_text(text, APP_KEY) is None


def test_foreign_key_never_gives_the_plain_text() -> None:
    keys = [sha256(bytes((index,))).digest() for index in range(50)]
    assert all(decrypt(b64decode("oT1ITcg5+TjYEN2cbCc7BQ=="), key) != b"575757" for key in keys)
