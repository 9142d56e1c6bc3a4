import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sync_runtime.logging import configure, log_loop_error
from sync_runtime.settings import RuntimeSettings, SettingsRefused

CANARIES = {
    "gstin": "27ABCPE1234F1Z5",
    "pan": "ABCPE1234F",
    "tan": "MUMA12345B",
    "password": "Canary#Pass1",
    "token": "canary-token-8f3a",
}

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure(RuntimeSettings(instance_id="worker-0"), "sync-worker", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_one_json_object_with_its_action(lines: Lines) -> None:
    logging.getLogger("fold").info("page %d\nfolded", 7, extra={"action": "fold", "units": 500, "bucket": "b_1"})

    (line,) = lines()
    assert line["message"] == "page 7\nfolded"
    assert (line["action"], line["units"], line["bucket"]) == ("fold", 500, "b_1")
    assert (line["service"], line["instance"], line["level"]) == ("sync-worker", "worker-0", "INFO")


LEAKS: list[tuple[str, tuple[object, ...], dict[str, object]]] = [
    ("client {gstin} of {pan}", (), {}),
    ("client %s", ("{gstin}",), {}),
    ("file /data/{gstin}_2b.json, id x{gstin}y", (), {}),
    ("lower {pan_lower}", (), {}),
    ("deductor {tan}", (), {}),
    ("x", (), {"gstin": "{gstin}"}),
    ("x", (), {"detail": {"user": {"pan": "{pan}"}, "list": ["{gstin}", "{pan}"]}}),
    ("x", (), {"password": "{password}"}),
    ("x", (), {"portal_password": "{password}"}),
    ("x", (), {"headers": {"X-API-Key": "{token}", "auth-token": "{token}", "Client-Secret": "{token}"}}),
    ("x", (), {"body": {"app_key": "{token}", "sek": "{token}", "rek": "{token}", "ek": "{token}", "txn": "{token}"}}),
    ("x", (), {"otp": "{token}", "cookies": {"Set-Cookie": "{token}"}}),
    ("request auth-token: {token}", (), {}),
    ("request auth_token={token}&otp={token}", (), {}),
    ("body {body}", (), {}),
    ("header Authorization: Bearer {token}", (), {}),
    ("sent with bearer {token}", (), {}),
    ("%s", ({"app_key": "{token}"},), {}),
    ("mongodb://user:{token}@127.0.0.1/db", (), {}),
    ("raw", (), {"raw": b"{token}"}),
    ("nested", (), {"deep": {"a": {"b": {"c": {"d": {"e": {"f": {"g": "{token}"}}}}}}}}),
    ("error %s", (ValueError("{token} {gstin}"),), {}),
    ("x", (), {"cause": ValueError("{token}")}),
]


def _filled(value: Any) -> Any:
    if isinstance(value, str):
        body = json.dumps({"password": CANARIES["password"], "sek": CANARIES["token"]})
        filled = value.replace("{body}", body).replace("{pan_lower}", CANARIES["pan"].lower())
        for name, canary in CANARIES.items():
            filled = filled.replace(f"{{{name}}}", canary)
        return filled
    if isinstance(value, bytes):
        return _filled(value.decode()).encode()
    if isinstance(value, ValueError):
        return ValueError(_filled(str(value)))
    if isinstance(value, dict):
        return {key: _filled(item) for key, item in value.items()}
    return [_filled(item) for item in value]


@pytest.mark.parametrize(("message", "arguments", "extra"), LEAKS)
def test_no_canary_reaches_a_log_line(
    lines: Lines, message: str, arguments: tuple[object, ...], extra: dict[str, object]
) -> None:
    logging.getLogger("leak").warning(_filled(message), *_filled(list(arguments)), extra=_filled(extra))

    (line,) = lines()
    written = json.dumps(line).lower()
    assert [name for name, canary in CANARIES.items() if canary.lower() in written] == []
    assert any(mark in written for mark in ("redacted", "valueerror", "bytes]"))


def test_the_canaries_would_be_seen_without_the_filter(lines: Lines) -> None:
    logging.getLogger().handlers[0].filters.clear()
    logging.getLogger("leak").warning("client %s", CANARIES["gstin"])

    assert CANARIES["gstin"] in lines()[0]["message"]


def test_an_exception_shows_class_and_place_but_not_its_text(lines: Lines) -> None:
    def fail() -> None:
        raise RuntimeError(CANARIES["token"]) from KeyError(CANARIES["password"])

    try:
        fail()
    except RuntimeError:
        logging.getLogger("x").exception("unit failed", extra={"action": "unit"})

    (line,) = lines()
    assert line["error"] == ["RuntimeError", "KeyError"]
    assert any("test_logging.py" in frame for frame in line["frames"])
    assert CANARIES["password"] not in json.dumps(line)
    assert CANARIES["token"] not in json.dumps(line)


def test_an_exception_that_holds_no_data_shows_its_text(lines: Lines) -> None:
    logging.getLogger("x").error("refused", extra={"cause": SettingsRefused("SB_HEALTH_PORT: required")})

    assert lines()[0]["cause"] == "SettingsRefused: SB_HEALTH_PORT: required"


def test_a_message_whose_arguments_do_not_fit_is_still_written(lines: Lines) -> None:
    too_few = ("page %d of %d", 1)
    logging.getLogger("x").warning(*too_few)

    assert "arguments do not fit" in lines()[0]["message"]


def test_ordinary_texts_stay_as_they_are(lines: Lines) -> None:
    text = "bucket b_5f2c1d0e-11aa-5bcd-9f00-abcdef123456 page 17: 500 units in 12.5 ms, 2026-10, gst.sync.events.v1"
    logging.getLogger("x").info(text)

    assert lines()[0]["message"] == text


def test_a_formatted_traceback_is_left_out(lines: Lines) -> None:
    text = f'failed: Traceback (most recent call last):\n  File "x.py"\nValueError: {CANARIES["password"]}'
    logging.getLogger("library").warning(text)

    assert lines()[0]["message"] == "failed: [traceback left out]"


async def test_an_error_that_nobody_awaited_is_logged_without_its_text(lines: Lines) -> None:
    error = ValueError(CANARIES["password"])
    message = f"Task exception was never retrieved: {error!r}"
    log_loop_error(asyncio.get_running_loop(), {"message": message, "exception": error})

    (line,) = lines()
    assert (line["message"], line["error"]) == ("event loop: Task exception was never retrieved", ["ValueError"])
    assert CANARIES["password"] not in json.dumps(line)
