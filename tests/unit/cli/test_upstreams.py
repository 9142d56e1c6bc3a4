"""The commands of lines: what goes to the service and what people read."""

import json
from io import StringIO
from typing import Any

import httpx
import pytest
from rich.console import Console
from syncbucket_cli.client import Client
from syncbucket_cli.context import Context
from syncbucket_cli.upstreams_commands import app, line_table, outage_table, window_table
from typer.testing import CliRunner

FAMILY = {"family": "returns", "state": "down", "breaker": "open", "since": "2026-11-23T05:29:59.000Z", "rate": None}
QUIET = {"family": "public", "state": "up", "breaker": "closed", "since": None, "rate": None}
LINE = {
    "id": "up_gst_1",
    "simulated": True,
    "state": "slow",
    "since": None,
    "breaker": "closed",
    "rate": {"current_per_s": 14.0, "limit_per_s": 20.0, "learned": True},
    "error_ratio": 0.025,
    "families": [FAMILY, QUIET],
}
OUTAGE = {"family": None, "reason": "portal_maintenance", "from": "a", "to": None, "calls": 1_200, "errors": 800}
WINDOW = {"id": "mw_1", "line_id": "up_gst_1", "family": None, "from": "a", "to": "b", "note": None}


class Played(Context):
    """A context whose service answers what the test says."""

    def __init__(self) -> None:
        super().__init__("http://service.invalid", None, False, Console(file=StringIO()), Console(file=StringIO()))
        self.asked: list[tuple[str, str, Any]] = []

    @property
    def client(self) -> Client:
        made = Client(self.url, None)
        made._http = httpx.Client(transport=httpx.MockTransport(self._answer), base_url=self.url)
        return made

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, request.url.path, json.loads(request.content or b"null")))
        if request.method == "GET":
            items = {"/v1/upstreams": [LINE], "/v1/maintenance-windows": [WINDOW]}.get(request.url.path, [OUTAGE])
            return httpx.Response(200, json={"items": items})
        return httpx.Response(200, json=WINDOW if request.method == "POST" else LINE)


@pytest.fixture
def played() -> Played:
    return Played()


def text_of(table: Any) -> str:
    console = Console(file=StringIO(), width=200)
    console.print(table)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def run(played: Played, *arguments: str) -> int:
    return CliRunner().invoke(app, list(arguments), obj=played).exit_code


def test_a_line_shows_its_learned_rate_and_only_the_families_that_differ() -> None:
    text = text_of(line_table([LINE]))
    assert "up_gst_1 (simulated)" in text
    assert "14" in text
    assert "2.5%" in text
    assert "returns" in text
    assert "calls stopped" in text
    assert "public" not in text


def test_outages_and_windows_name_what_they_stop() -> None:
    text = text_of(outage_table([OUTAGE])) + text_of(window_table([WINDOW]))
    assert text.count("the whole line") == 2
    assert "still" in text
    assert "1,200" in text


def test_each_command_asks_for_one_thing(played: Played) -> None:
    window = ("--from", "2026-11-30T21:00:00Z", "--to", "2026-11-30T23:00:00Z", "--note", "drill")
    for arguments, asked in (
        ((), ("GET", "/v1/upstreams", None)),
        (("limit", "up_gst_1", "40"), ("PATCH", "/v1/upstreams/up_gst_1", {"limit_per_s": 40})),
        (
            ("limit", "up_gst_1", "3", "--family", "notices"),
            ("PATCH", "/v1/upstreams/up_gst_1", {"limit_per_s": 3, "family": "notices"}),
        ),
        (("history", "up_gst_1"), ("GET", "/v1/upstreams/up_gst_1/history", None)),
        (("windows",), ("GET", "/v1/maintenance-windows", None)),
        (
            ("plan-window", "up_gst_1", *window),
            (
                "POST",
                "/v1/maintenance-windows",
                {"line_id": "up_gst_1", "from": window[1], "to": window[3], "note": "drill"},
            ),
        ),
        (("drop-window", "mw_1"), ("DELETE", "/v1/maintenance-windows/mw_1", None)),
    ):
        assert run(played, *arguments) == 0, arguments
        assert played.asked.pop() == asked


def test_a_limit_of_nothing_is_refused_before_it_is_sent(played: Played) -> None:
    assert run(played, "limit", "up_gst_1", "0") == 2
    assert played.asked == []
