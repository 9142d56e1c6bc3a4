"""The command line as a cron job meets it: exit statuses and what goes where."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from syncbucket_cli.exits import Exit

from tests.support.terminal import Answering, run, served

PROBLEM = {"code": "not_found", "title": "There is nothing at this address", "trace_id": "4bf9", "status": 404}
BUCKET = {
    "id": "b_1",
    "name": "October",
    "status": "complete_with_gaps",
    "verdict": "complete_with_gaps",
    "version": 7,
    "created_by": {"name": "the clerk"},
    "created_at": "2026-11-23T02:35:00.000Z",
    "ended_at": "2026-11-23T02:36:00.000Z",
    "runs": [{"run": 1}],
    "paused": None,
    "cancel": {"by": "us_a", "at": "2026-11-23T02:35:50.000Z", "reason": "wrong month"},
    "counters": {"total": 2, "done": 1, "failed": 1}
    | dict.fromkeys(
        ("queued", "waiting", "running", "retrying", "not_available", "needs_action", "skipped", "cancelled"), 0
    ),
}
UNIT = {
    "id": "u_0_0",
    "gstin": "09FGTRP0787R1ZT",
    "client_name": "Foo",
    "module": "gstr2b",
    "period": "2026-10",
    "state": "skipped",
    "outcome": None,
    "reason": {"title": "No permission on file", "text": "No portal user is on file.", "owner": "firm", "action": "x"},
    "data": None,
}
REQUEST = {
    "id": "otp_1",
    "state": "sent",
    "reason": None,
    "expires_at": "2026-11-23T02:45:00.000Z",
    "session_until": None,
}
IMPORT = {
    "id": "i_1",
    "columns_unknown": ["tag"],
    "counts": {"rows": 1, "create": 1, "update": 0, "unchanged": 0, "error": 0},
}
NOBODY = {"matched": [], "unknown": [{"line": 1, "text": "29AABCX0000K1ZL", "code": "unknown"}]}
ANSWERS: dict[str, Any] = {
    "/v1/buckets": {"items": [BUCKET | {"id": "b_2"}, BUCKET], "next_page_token": None},
    "/v1/buckets/b_2": BUCKET | {"id": "b_2"},
    "/v1/buckets/b_1/gaps": {"items": [UNIT], "next_page_token": None},
    "/v1/clients/c_1/otp-requests": REQUEST,
    "/v1/otp-requests/otp_1/submit": REQUEST | {"state": "accepted", "session_until": "2026-11-23T08:45:00.000Z"},
    "/v1/client-imports": IMPORT,
    "/v1/buckets/b_1": BUCKET,
    "/v1/buckets/b_1/groups": {"items": []},
    "/v1/buckets/b_1/snapshot": {"columns": [{"module": "gstr2b", "period": "2026-10"}], "cells": "FAc="},
}


class Service(Answering, BaseHTTPRequestHandler):
    """A few answers of the API."""

    def do_GET(self) -> None:
        answer = ANSWERS.get(self.path.partition("?")[0])
        self.answer(200 if answer else 404, answer or PROBLEM)

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/v1/client-lookups":
            known = json.loads(sent)["lines"] == [UNIT["gstin"]]
            self.answer(200, {"matched": [{"line": 1, "client_id": "c_1"}], "unknown": []} if known else NOBODY)
        elif b"wrong" in sent:
            self.answer(422, {"code": "otp_rejected", "title": "The OTP was not accepted", "tries_left": 2})
        else:
            self.do_GET()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(Service) as url:
        yield url


def test_json_may_stand_after_the_command_and_is_one_value(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--url", address, "show", "b_1", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == BUCKET


def test_watch_ends_with_the_status_of_the_verdict(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--url", address, "watch", "b_1") == Exit.GAPS
    assert "done=1 failed=1" in capsys.readouterr().err


def test_a_problem_is_one_line_with_its_code_and_trace(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--url", address, "show", "b_9") == Exit.REFUSED
    said = capsys.readouterr()
    assert said.out == ""
    assert "not_found" in said.err
    assert "4bf9" in said.err


def test_no_service_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--url", "http://127.0.0.1:9", "show", "b_1") == Exit.UNREACHABLE
    assert "make up" in capsys.readouterr().err


def test_a_token_that_cannot_be_sent_is_refused_here(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--url", address, "--token", "two\nlines", "show", "b_1") == Exit.REFUSED
    assert "invalid_request" in capsys.readouterr().err


def test_options_that_make_no_plan_are_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "start", "--all") == Exit.USAGE


def test_a_key_or_a_token_beyond_ascii_is_refused_here(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--url", address, "--token", "tökén", "show", "b_1") == Exit.REFUSED
    plan = ("start", "--preset", "only_2b", "--all", "--key", "ünï")
    assert run(monkeypatch, "--url", address, *plan) == Exit.REFUSED
    assert capsys.readouterr().err.count("invalid_request") == 2


@pytest.mark.parametrize("bucket", ["../clients", "..", "b_1/gaps", "b_1?x"])
def test_an_id_never_reaches_another_address(
    bucket: str, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--url", address, "show", bucket) == Exit.REFUSED
    assert "not_found" in capsys.readouterr().err


def test_buckets_are_listed_as_the_service_orders_them_up_to_the_limit(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--url", address, "list") == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["id", "b_2", "b_1"]
    assert run(monkeypatch, "--url", address, "list", "--limit", "1", "--json") == Exit.OK
    assert [bucket["id"] for bucket in json.loads(capsys.readouterr().out)] == ["b_2"]


def test_without_an_id_the_newest_bucket_is_meant(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--url", address, "show", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["id"] == "b_2"


def test_gaps_name_the_client_and_explain_themselves(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--url", address, "gaps", "b_1") == Exit.OK
    said = capsys.readouterr().out
    assert "09FGTRP0787R1ZT" in said
    assert "No portal user is on file." in said


def test_columns_that_are_not_known_are_named_on_standard_error(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "clients.csv"
    file.write_text("gstin,name,tag\n")
    assert run(monkeypatch, "--url", address, "clients", "import", str(file), "--dry-run") == Exit.OK
    said = capsys.readouterr()
    assert "ignored columns: tag" in said.err
    assert "ignored" not in said.out


def test_an_otp_is_asked_for_by_gstin_and_entered(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--url", address, "otp", "ask", "09fgtrp0787r1zt", "--consent", "30d") == Exit.OK
    assert "syncbucket otp enter otp_1 CODE" in capsys.readouterr().out
    assert run(monkeypatch, "--url", address, "otp", "enter", "otp_1", "123456") == Exit.OK
    assert "lasts until 2026-11-23T08:45" in capsys.readouterr().out


def test_a_wrong_code_is_refused_with_the_tries_left(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--url", address, "otp", "enter", "otp_1", "wrong") == Exit.REFUSED
    assert "tries left: 2" in capsys.readouterr().err


def test_gstins_that_are_not_in_the_client_master_are_named(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "gstins.txt"
    file.write_text("29AABCX0000K1ZL\n")
    assert run(monkeypatch, "--url", address, "otp", "ask", "29AABCX0000K1ZL") == Exit.REFUSED
    plan = ("start", "--preset", "only_2b", "--clients", str(file))
    assert run(monkeypatch, "--url", address, *plan) == Exit.REFUSED
    assert capsys.readouterr().err.count("29AABCX0000K1ZL") == 2


def test_a_clients_file_that_is_no_text_is_wrong_usage(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "bin.txt"
    file.write_bytes(b"\xff\xfe")
    plan = ("start", "--preset", "only_2b", "--clients", str(file))
    assert run(monkeypatch, "--url", address, *plan) == Exit.USAGE
    assert "not UTF-8 text" in capsys.readouterr().err


def test_help_names_the_presets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "start", "--help") == Exit.OK
    assert "notice_return_register" in capsys.readouterr().out


def test_show_says_who_cancelled_and_why(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--url", address, "show", "b_1") == Exit.OK
    assert "by us_a at 2026-11-23T02:35:50.000Z: wrong month" in capsys.readouterr().out
