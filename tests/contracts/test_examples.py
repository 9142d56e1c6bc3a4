"""Every message and document ever published has an example that its readers still understand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import sync_contracts
from msgspec import Struct
from sync_contracts import commands, events, notifications, sessions
from sync_contracts.documents import BucketDocument
from sync_contracts.pages import page_document, page_from

Codec = tuple[Callable[[bytes], Struct], Callable[[Struct], bytes], int]

EXAMPLES = Path(sync_contracts.__file__).parent / "examples"
EVENT = (events.decode, events.encode, events.MAX_UNIT_EVENT_BYTES)
CODECS: dict[str, Codec] = {
    "Command": (commands.decode, commands.encode, commands.MAX_BYTES),
    "Started": EVENT,
    "Retry": EVENT,
    "Succeeded": EVENT,
    "Failed": EVENT,
    "Cancelled": EVENT,
    "Dispatched": (events.decode, events.encode, events.MAX_DISPATCHED_BYTES),
    "BucketEnded": (notifications.decode, notifications.encode, 4_096),
    "SessionCommand": (sessions.decode, sessions.encode, sessions.MAX_BYTES),
}
DOCUMENTS = {"Page", "Bucket"}


def example(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EXAMPLES / f"{name}.v1.json").read_text())
    return content


def without_none(value: Any) -> Any:
    """Absent and null mean the same."""
    if isinstance(value, dict):
        return {key: without_none(part) for key, part in value.items() if part is not None}
    return value


def test_there_is_an_example_of_everything_and_a_reader_for_every_example() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == {f"{name}.v1.json" for name in (*CODECS, *DOCUMENTS)}
    assert {kind.__name__ for kind in get_args(events.Event)} <= set(CODECS)


@pytest.mark.parametrize("name", CODECS)
def test_a_message_is_understood_and_written_as_it_was(name: str) -> None:
    decode, encode, max_bytes = CODECS[name]
    content = example(name)
    message = decode(json.dumps(content).encode())
    assert type(message).__name__ == name
    written = encode(message)
    assert without_none(json.loads(written)) == without_none(content)
    assert decode(written) == message
    assert len(written) <= max_bytes


@pytest.mark.parametrize("name", CODECS)
def test_unknown_fields_are_ignored(name: str) -> None:
    decode, _, _ = CODECS[name]
    content = example(name)
    assert decode(json.dumps({**content, "added_later": {"deep": [1]}}).encode()) == decode(
        json.dumps(content).encode()
    )


@pytest.mark.parametrize("name", CODECS)
def test_another_major_version_is_refused(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        CODECS[name][0](json.dumps({**example(name), "v": 2}).encode())


@pytest.mark.parametrize("name", CODECS)
def test_a_message_without_its_address_is_refused(name: str) -> None:
    for field in ("tenant", "bucket" if name != "SessionCommand" else "client"):
        content = {key: value for key, value in example(name).items() if key != field}
        with pytest.raises(msgspec.ValidationError, match=field):
            CODECS[name][0](json.dumps(content).encode())


BAD = [
    ("Command", {"attempt": 0}),
    ("Command", {"attempt": 499_901}),
    ("Command", {"attempt": "2"}),
    ("Command", {"ci": 100}),
    ("Command", {"mi": 500}),
    ("Command", {"page": -1}),
    ("Command", {"bucket": "b 1"}),
    ("Command", {"client": ""}),
    ("Command", {"client": "c" * 65}),
    ("Command", {"cont": "x" * 513}),
    ("Command", {"params": {"period": "x" * 33}}),
    ("Command", {"params": None}),
    ("Command", {"client": "c_1\n"}),
    ("Command", {"issued_at": 2**63}),
    ("Command", {"weight": 0}),
    ("Command", {"weight": 101}),
    ("Started", {"type": "BEGUN"}),
    ("Started", {"type": None}),
    ("Retry", {"code": "NO_SUCH_CODE"}),
    ("Retry", {"counted": 1}),
    ("Retry", {"code": "PORTAL_ERROR", "counted": False}),
    ("Retry", {"code": "RATE_LIMITED", "counted": True}),
    ("Retry", {"code": "OK"}),
    ("Retry", {"delay_ms": -1}),
    ("Retry", {"delay_ms": 86_400_001}),
    ("Retry", {"pcode": "with blanks"}),
    ("Retry", {"pcode": "x" * 25}),
    ("Succeeded", {"flags": 256}),
    ("Succeeded", {"rows": -1}),
    ("Succeeded", {"rows": 2**63}),
    ("Succeeded", {"code": "PORTAL_ERROR"}),
    ("Failed", {"code": None}),
    ("Failed", {"code": "OK"}),
    ("Failed", {"code": "RATE_LIMITED"}),
    ("Cancelled", {"code": "OTP_REQUIRED"}),
    ("Dispatched", {"units": []}),
    ("Dispatched", {"units": [[0, 0]]}),
    ("Dispatched", {"units": [[0, 0, 1]] * 501}),
    ("Dispatched", {"units": [[100, 0, 1]]}),
    ("Dispatched", {"by": "x" * 65}),
    ("BucketEnded", {"status": "RUNNING"}),
    ("BucketEnded", {"counts": {"p": 0}}),
    ("BucketEnded", {"round": 500}),
    ("SessionCommand", {"step": "PASSWORD"}),
    ("SessionCommand", {"secret": "x" * 685}),
]


@pytest.mark.parametrize(("name", "change"), BAD)
def test_a_message_out_of_its_bounds_is_refused(name: str, change: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        CODECS[name][0](json.dumps({**example(name), **change}).encode())


@pytest.mark.parametrize(
    "value", [b"", b"null", b"[]", b"{", b"\xff\xfe", b'"text"', b'{"type":"\xff"}', b"[" * 100_000]
)
@pytest.mark.parametrize("name", ["Command", "Started", "BucketEnded", "SessionCommand"])
def test_what_is_no_message_is_refused_as_such(name: str, value: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, RecursionError, UnicodeDecodeError)):
        CODECS[name][0](value)


def test_the_page_document_is_understood_and_written_as_it_was() -> None:
    document = example("Page")
    assert page_document(page_from(document)) == document


def test_the_bucket_document_has_the_fields_and_types_of_its_description() -> None:
    document = example("Bucket")
    msgspec.convert(document, BucketDocument)
    assert set(document) <= set(BucketDocument.__annotations__)
    for field, wrong in (("control", "STOP"), ("status", "DONE"), ("round", "1"), ("columns", [{"module": "m"}])):
        with pytest.raises(msgspec.ValidationError, match=field):
            msgspec.convert({**document, field: wrong}, BucketDocument)
    del document["shard"]
    with pytest.raises(msgspec.ValidationError, match="shard"):
        msgspec.convert(document, BucketDocument)
