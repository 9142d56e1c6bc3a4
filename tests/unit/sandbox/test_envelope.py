from base64 import b64decode
from typing import Any

import msgspec
import pytest
from portal_sandbox.assumptions import Value, load_assumptions
from portal_sandbox.crypto import decrypt_text, mac
from portal_sandbox.envelope import Envelopes, Payload, Refusal, Reply

BODY = b'{"gstin":"27AAPFU0939F1ZV"}'


def envelopes(**overrides: Value) -> Envelopes:
    return Envelopes(load_assumptions({name.replace("__", "."): value for name, value in overrides.items()}))


def fields(reply: Reply) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(reply.body)
    return decoded


def test_business_failure_is_http_200_with_status_zero() -> None:
    reply = envelopes().refusal(Refusal("RET2B1023"))
    assert (reply.http, reply.code) == (200, "RET2B1023")
    told = fields(reply)
    assert told["status_cd"] == "0"
    assert told["error"]["error_cd"] == "RET2B1023"


def test_spelling_follows_the_assumptions() -> None:
    other = envelopes(
        envelope__status_cd="integer", envelope__error_code_field="errorCode", envelope__error_text_field="error_desc"
    )
    told = fields(other.refusal(Refusal("AUTH4033")))
    assert told == {"status_cd": 0, "error": {"errorCode": "AUTH4033", "error_desc": "Invalid session"}}


def test_encrypted_answer_opens_with_the_session_key_and_a_new_response_key_each_time() -> None:
    key = b"k" * 32
    one, two = (fields(envelopes().encrypted(Payload(BODY), key)) for _ in range(2))
    assert one["rek"] != two["rek"]
    response_key = decrypt_text(one["rek"], key)
    assert response_key is not None
    text = decrypt_text(one["data"], response_key)
    assert text is not None
    assert b64decode(text) == BODY
    assert one["hmac"] == mac(text, response_key)


def test_damaged_answer_has_another_hmac() -> None:
    key = b"k" * 32
    told = fields(envelopes().encrypted(Payload(BODY), key, damaged=True))
    response_key = decrypt_text(told["rek"], key)
    assert response_key is not None
    text = decrypt_text(told["data"], response_key)
    assert text is not None
    assert told["hmac"] != mac(text, response_key)


@pytest.mark.parametrize("form", ["base64_data", "plain"])
def test_public_answer_in_both_forms(form: str) -> None:
    told = fields(envelopes(public__answer=form).public(Payload(BODY)))
    if form == "plain":
        assert told == msgspec.json.decode(BODY)
    else:
        assert told["status_cd"] == "1"
        assert b64decode(told["data"]) == BODY


def test_style_b_marks_the_first_answer_of_a_multi_part_statement() -> None:
    told = fields(envelopes().style_b(Payload(BODY, "3"), {"txn": "t"}))
    assert (told["status_cd"], told["header"], told["data"]) == ("3", {"txn": "t"}, msgspec.json.decode(BODY))
