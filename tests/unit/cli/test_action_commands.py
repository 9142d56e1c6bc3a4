"""Retry, pause, resume and cancel from the terminal: what is sent, what is said, with which exit status."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from syncbucket_cli.exits import Exit

from tests.support.terminal import Answering, run, served
from tests.unit.cli.test_commands import BUCKET

LEFT = [{"code": "action_outstanding", "units": 12}, {"code": "already_running", "units": 2}]
ACTION = {
    "id": "ac_1",
    "run": 2,
    "preview": "sha256:ab",
    "counts": {"matched": 618, "eligible": 604, "ineligible": 14},
    "ineligible_by_reason": LEFT,
}
RUNS = [
    {
        "run": run,
        "units": units,
        "status": "complete",
        "counters": {"done": 604, "gaps": 14},
        "ended_with": 2,
        "started_at": "2026-11-23T02:36:00.000Z",
        "ended_at": "2026-11-23T02:38:00.000Z",
    }
    for run, units in ((1, 618), (2, 604))
]
NOTHING = {"code": "nothing_eligible", "title": "No unit can be run again", "trace_id": "4bf9"}


class Service(Answering, BaseHTTPRequestHandler):
    """Answers actions, and keeps what was asked."""

    asked: list[tuple[str, dict[str, Any], str]]

    def do_POST(self) -> None:
        body = self.body()
        self.asked.append((self.path, body, self.headers["Idempotency-Key"]))
        if body.get("filter") == {"states": ["skipped"]}:
            self.answer(422, NOTHING)
        else:
            self.answer(202, ACTION | ({"id": None, "run": None} if "dry_run" in self.path else {}))

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        answers: dict[str, Any] = {
            "/v1/buckets/b_1": BUCKET,
            "/v1/buckets/b_1/groups": {"items": []},
            "/v1/buckets/b_1/runs": {"items": RUNS, "next_page_token": None},
            "/v1/buckets/b_1/snapshot": {"columns": [{"module": "gstr2b", "period": "2026-10"}], "cells": "FAc="},
        }
        self.answer(200, answers[path])


class Terminal:
    """Commands against the service."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        self._monkeypatch = monkeypatch
        self._url = url

    def run(self, *arguments: str) -> int:
        return run(self._monkeypatch, "--url", self._url, *arguments)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for _, body, _ in Service.asked]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    Service.asked = []
    with served(Service) as url:
        yield Terminal(monkeypatch, url)


def test_a_retry_sends_its_filter_and_says_what_it_leaves(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert terminal.run("retry", "b_1", "--reason", "retries_exhausted", "--module", "gstr2b", "--key", "k") == Exit.OK
    ((path, body, key),) = Service.asked
    assert (path, key) == ("/v1/buckets/b_1/actions", "k")
    assert body == {"kind": "retry", "filter": {"reasons": ["retries_exhausted"], "modules": ["gstr2b"]}}
    said = capsys.readouterr().out
    assert "604 of 618 units run again in run 2" in said
    assert "14 stay as they are: action outstanding 12; already running 2" in said


def test_a_dry_run_asks_for_nothing_and_prints_its_preview(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert terminal.run("retry", "b_1", "--all", "--dry-run") == Exit.OK
    assert Service.asked[0][0].endswith("?dry_run=true")
    assert terminal.bodies == [{"kind": "retry", "all": True}]
    said = capsys.readouterr().out
    assert "would run again" in said
    assert "sha256:ab" in said


def test_json_is_the_action_as_it_was_answered(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.run("retry", "b_1", "--all", "--preview", "sha256:ab", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == ACTION
    assert terminal.bodies == [{"kind": "retry", "all": True, "preview": "sha256:ab"}]


def test_a_watched_retry_ends_with_the_status_of_the_verdict(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert terminal.run("retry", "b_1", "--state", "failed", "--watch", "--json") == Exit.GAPS
    assert json.loads(capsys.readouterr().out)["id"] == "b_1"


def test_a_retry_that_can_run_nothing_is_refused(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.run("retry", "b_1", "--state", "skipped") == Exit.REFUSED
    assert "nothing_eligible" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [(), ("--all", "--state", "failed"), ("--all", "--dry-run", "--watch")], ids=["none", "both", "watch"]
)
def test_units_are_chosen_in_one_way(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    assert terminal.run("retry", "b_1", *arguments) == Exit.USAGE
    assert Service.asked == []


def test_runs_say_what_each_came_to(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.run("runs", "b_1") == Exit.OK
    first, second = capsys.readouterr().out.splitlines()[1:]
    assert "complete with run 2" in first
    assert "with run" not in second
    assert terminal.run("runs", "b_1", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == RUNS


def test_pause_resume_and_cancel_send_their_kind_and_reason(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert terminal.run("pause", "b_1", "--reason", "lunch") == Exit.OK
    assert terminal.run("resume", "b_1") == Exit.OK
    assert terminal.run("cancel", "b_1", "--note", "wrong month") == Exit.OK
    assert terminal.bodies == [
        {"kind": "pause", "note": "lunch"},
        {"kind": "resume"},
        {"kind": "cancel", "note": "wrong month"},
    ]
    assert "604 units" in capsys.readouterr().out
