"""The command line as a cron job meets it: exit statuses and what goes where."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from syncbucket_cli.__main__ import main
from syncbucket_cli.exits import Exit

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
    "counters": {"total": 2, "done": 1, "failed": 1}
    | dict.fromkeys(
        ("queued", "waiting", "running", "retrying", "not_available", "needs_action", "skipped", "cancelled"), 0
    ),
}
ANSWERS: dict[str, Any] = {
    "/v1/buckets/b_1": BUCKET,
    "/v1/buckets/b_1/groups": {"items": []},
    "/v1/buckets/b_1/snapshot": {"columns": [{"module": "gstr2b", "period": "2026-10"}], "cells": "FAc="},
}


class Service(BaseHTTPRequestHandler):
    """A few answers of the API."""

    def do_GET(self) -> None:
        answer = ANSWERS.get(self.path.partition("?")[0])
        body = json.dumps(answer or PROBLEM).encode()
        self.send_response(200 if answer else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)
    server.server_close()


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["syncbucket", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    code = ended.value.code
    assert isinstance(code, int)
    return code


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
    assert run(monkeypatch, "--url", address, "show", "b_2") == Exit.REFUSED
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
