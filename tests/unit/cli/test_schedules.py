"""Schedules from the terminal: options to rules, answers to words, and what goes where."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from syncbucket_cli.exits import Exit
from syncbucket_cli.plans import BadPlan
from syncbucket_cli.whens import in_words, when

from tests.support.terminal import Answering, run, served

NOTHING: dict[str, Any] = {
    "at": None, "days": None, "day": None, "cron": None, "event": None, "offset": None, "until_final": False,
}  # fmt: skip
FROM_THE_14TH = {
    "kind": "calendar_event", "event": "gstr2b_published", "offset": "PT6H", "repeat_until": "final",
    "repeat_every": "P1D",
}  # fmt: skip
SCHEDULE = {
    "id": "sc_1", "name": "2B from the 14th", "enabled": True, "when": FROM_THE_14TH, "window": "PT2H",
    "missed": "coalesce", "overlap": "skip", "suspended_clients": 3, "last_bucket_id": "b_1",
    "told": [{"at": "2026-11-20T05:00:00.000Z", "state": "suspended", "client_modules": 3, "bucket_id": "b_7"}],
    "next": {"at": "2026-12-14T01:17:00.000Z"},
}  # fmt: skip
PAST = {"slot": "2026-11-14T00:30:00.000Z", "state": "skipped", "reason": "overlap", "bucket_id": "b_0"}
STARTED = {"slot": "2026-11-24T05:00:00.000Z", "state": "started", "reason": None, "bucket_id": "b_9"}


@pytest.mark.parametrize(
    ("options", "rule", "told"),
    [
        ({"at": "07:00"}, {"kind": "daily", "at": "07:00"}, "daily at 07:00"),
        (
            {"at": "07:00", "days": "Mon, fri"},
            {"kind": "weekly", "days": ["mon", "fri"], "at": "07:00"},
            "mon, fri at 07:00",
        ),
        ({"at": "07:00", "day": 31}, {"kind": "monthly", "day": 31, "at": "07:00"}, "on day 31 of the month at 07:00"),
        ({"cron": "0 7 * * 1-5"}, {"kind": "cron", "expression": "0 7 * * 1-5"}, "0 7 * * 1-5"),
    ],
)
def test_options_make_a_rule_and_a_rule_is_told_in_words(options: Any, rule: Any, told: str) -> None:
    assert when(**{**NOTHING, **options}) == rule
    assert in_words(rule) == told


def test_an_event_of_the_calendar_is_told_in_the_words_of_tax() -> None:
    made = when(**{**NOTHING, "event": "gstr2b_published", "offset": "PT6H", "until_final": True})

    assert made == {name: value for name, value in FROM_THE_14TH.items() if name != "repeat_every"}
    assert in_words(FROM_THE_14TH) == "the day the 2B is published + PT6H, then every P1D until final"
    before = {"kind": "calendar_event", "event": "gstr3b_due", "offset": "-P1D"}
    assert in_words(before) == "the day 3B is due -P1D"


@pytest.mark.parametrize(
    "options",
    [{}, {"at": "07:00", "cron": "0 7 * * *"}, {"days": "mon"}, {"at": "07:00", "days": "mon", "day": 1},
     {"at": "07:00", "until_final": True}, {"cron": "0 7 * * *", "offset": "PT1H"}],
)  # fmt: skip
def test_options_that_tell_no_rule_or_two_are_refused(options: Any) -> None:
    with pytest.raises(BadPlan):
        when(**{**NOTHING, **options})


class Service(Answering, BaseHTTPRequestHandler):
    """A few answers of the API; keeps what was sent."""

    seen: list[tuple[str, str, Any, str | None]]

    def do_GET(self) -> None:
        answers: dict[str, Any] = {
            "/v1/schedules": {"items": [SCHEDULE]},
            "/v1/schedules/sc_1": SCHEDULE,
            "/v1/schedules/sc_1/occurrences": {"past": [PAST], "next": [SCHEDULE["next"]]},
        }
        self.answer(200, answers[self.path.partition("?")[0]], ETag='"4"')

    def do_POST(self) -> None:
        sent = self.body()
        self.seen.append(("POST", self.path, sent, self.headers.get("Idempotency-Key")))
        running = self.path.endswith("/run")
        told = (STARTED if len(self.seen) == 2 else PAST) if running else SCHEDULE
        self.answer(202 if running else 201, told, ETag='"4"')

    def do_DELETE(self) -> None:
        self.seen.append(("DELETE", self.path, None, self.headers.get("If-Match")))
        self.send_response(204)
        self.end_headers()


@pytest.fixture
def address() -> Iterator[str]:
    Service.seen = []
    with served(Service) as url:
        yield url


def test_a_schedule_is_made_listed_shown_started_and_deleted(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = ("--event", "gstr2b_published", "--offset", "PT6H", "--until-final", "--window", "PT2H")
    plan = ("--name", "2B from the 14th", "--preset", "only_2b", "--all")
    schedules = ("--url", address, "schedules")

    assert run(monkeypatch, *schedules, "create", *plan, *rule) == Exit.OK
    assert "next start 2026-12-14T01:17" in capsys.readouterr().out
    assert run(monkeypatch, *schedules, "list") == Exit.OK
    assert "2B from the 14th" in capsys.readouterr().out
    assert run(monkeypatch, *schedules, "show", "sc_1") == Exit.OK
    assert "2026-11-14T00:30:00.000Z · overlap · b_0" in capsys.readouterr().out
    assert run(monkeypatch, *schedules, "run", "sc_1", "--key", "k") == Exit.OK
    assert "b_9" in capsys.readouterr().out
    assert run(monkeypatch, *schedules, "run", "sc_1", "--key", "k2") == Exit.REFUSED
    assert run(monkeypatch, *schedules, "delete", "sc_1", "--json") == Exit.OK

    made, started, _, deleted = Service.seen
    assert made[2]["when"]["repeat_until"] == "final"
    assert (made[2]["window"], made[2]["plan"]["selection"]) == ("PT2H", {"all": True})
    assert started == ("POST", "/v1/schedules/sc_1/run", None, "k")
    assert deleted == ("DELETE", "/v1/schedules/sc_1", None, '"4"')


def test_a_rule_that_is_missing_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "schedules", "create", "--name", "x", "--preset", "only_2b", "--all") == Exit.USAGE
