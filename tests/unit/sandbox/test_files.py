"""Files: tokens, waiting, links, and archives that open to the very documents of the section."""

import io
import tarfile
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
from portal_sandbox.assumptions import Value
from portal_sandbox.calls import Call, Spoil
from portal_sandbox.crypto import decrypt_text, encrypt_text
from portal_sandbox.envelope import Refusal
from portal_sandbox.files import archive, member_text
from portal_sandbox.handlers import files

from tests.unit.sandbox.books import OCTOBER, Books, decoded, innermost, number

ALL = number(digits="0900")
EK = bytes(range(0x20))
FILE_KEY = bytes(range(0x40, 0x60))
JSON = b'{"gstin":"27AAPFU0939F1ZV","fp":"042026"}'
SMALL: dict[str, Value] = {"profile.instant.file_threshold": 10, "profile.instant.file_items": 7}
Opened = list[dict[str, Any]]


def test_vector_of_the_file_encryption() -> None:
    assert b64encode(FILE_KEY) == b"QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="
    assert member_text(JSON, FILE_KEY) == (
        "F6eR/+xIRX+u7cFZitDxkPgTkkXwIoQyQLJQu9xfcK0RBebOPm09mtOzna8r5tKTYDyIXl3k2l5qvBNzNm+8lQ=="
    )
    wrapped = "o37fP5dauu+Te2LHjVuxV5dLQSc45Q9Fx/nbJUE/J0ufO3UEkm+L024xGOkDpM1K"
    assert encrypt_text(FILE_KEY, EK) == wrapped
    assert member_text(JSON, FILE_KEY, "json") == "QUHKWKLm7HlJx3/zcU8x2Kt+/kEv4VYhzFJ8Fj/YYOEuhu+7vWkjxilG1QQzcHaG"


def test_archive_has_one_json_member_and_is_the_same_each_time() -> None:
    packed = archive(JSON, FILE_KEY)
    assert packed == archive(JSON, FILE_KEY)
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        (member,) = tar.getmembers()
    assert member.name.endswith(".json")
    assert opened(packed, FILE_KEY) == {"gstin": "27AAPFU0939F1ZV", "fp": "042026"}


def opened(packed: bytes, key: bytes) -> Any:
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        inside = tar.extractfile(tar.getmembers()[0])
        assert inside is not None
        plain = decrypt_text(inside.read().decode(), key)
    assert plain is not None
    return decoded(b64decode(plain))


def link_call(link: dict[str, Any], gstin: str = ALL, spoil: Spoil = "") -> Call:
    path, _, query = link["ul"].partition("?")
    return Call(surface="file", action="FILE", gstin=gstin, path=path, parameters=dict(parse_qsl(query)), spoil=spoil)


def requested(books: Books, family: str, action: str, **parameters: str) -> str:
    token: str = books.read(ALL, family, action, "" if family == "ims" else OCTOBER, **parameters)["token"]
    return token


def details(books: Books, token: str, family: str = "returns") -> Any:
    return books.read(ALL, family, "FILEDETL" if family == "einvoice" else "FILEDET", token=token)


def fetched(books: Books, told: Any) -> list[bytes]:
    packed = [files.download(books.portal.data, link_call(link)) for link in told["urls"]]
    assert all(isinstance(body, bytes) for body in packed)
    return [body for body in packed if isinstance(body, bytes)]


CASES: list[tuple[str, str, dict[str, str], str]] = [
    ("gstr1", "B2B", {}, "b2b"),
    ("gstr2a", "B2B", {}, "b2b"),
    ("ims", "GETINV", {"section": "B2B"}, "b2b"),
    ("einvoice", "EINV", {"sec": "B2B"}, "b2b"),
]


@pytest.mark.parametrize(("family", "action", "parameters", "name"), CASES)
def test_parts_of_a_file_are_the_documents_of_the_section(
    family: str, action: str, parameters: dict[str, str], name: str
) -> None:
    books, whole = Books(SMALL), Books({"profile.instant.file_threshold": 10_000})
    token = requested(books, family, action, **parameters)
    books.advance(60)
    told = details(books, token, family if family in {"ims", "einvoice"} else "returns")
    packed = fetched(books, told)
    assert len(packed) == told["fc"] == len(told["urls"]) > 1
    assert [sha256(body).hexdigest() for body in packed] == [link["hash"] for link in told["urls"]]
    rows: Opened = []
    for link, body in zip(told["urls"], packed, strict=True):
        part = opened(body, b64decode(told["ek"]))
        assert part["gstin"] == ALL
        found = innermost(part[name], name)
        assert len(found) == link["ic"] <= 7
        rows += found
    period = "" if family == "ims" else OCTOBER
    assert rows == innermost(whole.read(ALL, family, action, period, **parameters)[name], name)


def test_estimate_is_text_and_waiting_has_its_codes() -> None:
    books = Books(SMALL)
    answer = books.read(ALL, "gstr2a", "B2B", OCTOBER)
    assert answer == {"token": answer["token"], "est": "1"}
    assert books.code(ALL, "gstr2a", "B2B", OCTOBER) == "RTN_32"
    assert books.code(ALL, "returns", "FILEDET", token=answer["token"]) == "RTN_24"
    books.advance(59)
    assert books.code(ALL, "returns", "FILEDET", token=answer["token"]) == "RTN_24"
    books.advance(1)
    assert books.code(ALL, "returns", "FILEDET", token=answer["token"]) == ""
    assert requested(books, "gstr2a", "B2B") != answer["token"]


def test_lists_of_invoice_management_wait_with_their_own_code() -> None:
    books = Books(SMALL)
    token = requested(books, "ims", "GETINV", section="B2B")
    assert books.code(ALL, "ims", "GETINV", section="B2B") == "IMS_FILEGEN_03"
    assert books.code(ALL, "ims", "FILEDET", token=token) == "IMS_FILEGEN_03"
    assert books.code(ALL, "returns", "FILEDET", token=token) == "AUTH143"


def test_einvoices_wait_with_their_own_code() -> None:
    books = Books(SMALL)
    token = requested(books, "einvoice", "EINV", sec="B2B")
    assert books.code(ALL, "einvoice", "EINV", OCTOBER, sec="B2B") == "EINV30109"
    assert books.code(ALL, "einvoice", "FILEDETL", token=token) == "EINV30109"
    assert books.code(ALL, "ims", "FILEDET", token=token) == "AUTH143"


def test_failed_generation_is_asked_for_anew() -> None:
    books = Books(SMALL)
    books.spoil = "file_failed"
    token = requested(books, "gstr2a", "B2B")
    books.spoil = ""
    books.advance(60)
    assert books.code(ALL, "returns", "FILEDET", token=token) == "RTN_25"
    again = requested(books, "gstr2a", "B2B")
    books.advance(60)
    assert books.code(ALL, "returns", "FILEDET", token=again) == ""


def test_token_belongs_to_its_registration() -> None:
    books = Books(SMALL)
    token = requested(books, "gstr2a", "B2B")
    assert books.code(number(), "returns", "FILEDET", token=token) == "AUTH143"
    assert books.code(ALL, "returns", "FILEDET", token="0" * 32) == "AUTH143"
    assert books.code(ALL, "returns", "FILEDET") == "AUTH141"


def told_with(spoil: Spoil) -> tuple[Books, Any]:
    books = Books(SMALL)
    token = requested(books, "gstr2a", "B2B")
    books.advance(60)
    books.spoil = spoil
    return books, details(books, token)


def refused(books: Books, call: Call) -> str:
    found = files.download(books.portal.data, call)
    return found.code if isinstance(found, Refusal) else ""


def test_links_expire_and_cannot_be_forged() -> None:
    books, told = told_with("")
    call = link_call(told["urls"][0])
    assert refused(books, call) == ""
    forged = {**call.parameters, "expires": str(int(call.parameters["expires"]) + 1)}
    assert refused(books, msgspec.structs.replace(call, parameters=forged)) == "LINK_EXPIRED"
    assert refused(books, msgspec.structs.replace(call, gstin=number())) == "LINK_EXPIRED"
    books.advance(24 * 3600)
    assert refused(books, call) == "LINK_EXPIRED"


def _first_hash_is_wrong(books: Books, told: Any) -> bool:
    return bool(sha256(fetched(books, told)[0]).hexdigest() != told["urls"][0]["hash"])


def _a_link_is_missing(_books: Books, told: Any) -> bool:
    return bool(len(told["urls"]) == told["fc"] - 1)


def _all_links_are_expired(books: Books, told: Any) -> bool:
    return {refused(books, link_call(link)) for link in told["urls"]} == {"LINK_EXPIRED"}


@pytest.mark.parametrize(
    ("spoil", "shows"),
    [
        ("bad_hash", _first_hash_is_wrong),
        ("missing_part", _a_link_is_missing),
        ("expired_link", _all_links_are_expired),
    ],
)
def test_spoiled_details(spoil: Spoil, shows: Callable[[Books, Any], bool]) -> None:
    assert shows(*told_with(spoil))
    assert not shows(*told_with(""))


def test_spoiled_downloads() -> None:
    books, told = told_with("")
    link = told["urls"][0]
    damaged = files.download(books.portal.data, link_call(link, spoil="bad_hash"))
    assert isinstance(damaged, bytes)
    assert sha256(damaged).hexdigest() != link["hash"]
    for spoil in ("expired_link", "missing_part"):
        assert refused(books, link_call(link, spoil=spoil)) == "LINK_EXPIRED"
