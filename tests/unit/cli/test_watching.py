"""Pace, cells and the loop that follows a bucket."""

import base64
from typing import Any, cast

import pytest
from syncbucket_cli.cells import counts_by_column
from syncbucket_cli.client import Client, Refused, Unreachable
from syncbucket_cli.tables import duration, plain_line
from syncbucket_cli.watching import Pace, View, watch

COUNTERS = dict.fromkeys(
    (
        "queued",
        "waiting",
        "running",
        "retrying",
        "done",
        "not_available",
        "needs_action",
        "failed",
        "skipped",
        "cancelled",
    ),
    0,
)


class Story:
    """The service as one bucket sees it: each look finds the next state."""

    def __init__(self, *ended: int, total: int = 4) -> None:
        self._ended = list(ended)
        self._total = total
        self.looks = 0
        self.snapshots = 0
        self.troubles: dict[int, Exception] = {}
        self.requests = 0
        self.paused_from: int | None = None

    def get(self, path: str, **_: Any) -> dict[str, Any]:
        if path.endswith("/groups"):
            return {"items": []}
        self.requests += 1
        if trouble := self.troubles.get(self.requests):
            raise trouble
        done = self._ended[min(self.looks, len(self._ended) - 1)]
        self.looks += 1
        verdict = "complete" if done == self._total else None
        counters = COUNTERS | {"total": self._total, "done": done, "queued": self._total - done}
        paused = self.paused_from is not None and self.looks >= self.paused_from and not verdict
        return {
            "status": "paused" if paused else verdict or "running",
            "verdict": verdict,
            "counters": counters,
            "version": done,
        }

    def snapshot(self, _: str) -> dict[str, Any]:
        self.snapshots += 1
        return {"columns": [], "cells": ""}


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def follow(story: Story, timeout_s: float | None = None) -> tuple[View, list[View]]:
    time, shown = Time(), list[View]()
    client = cast("Client", story)
    return watch(client, "b_1", shown.append, timeout_s=timeout_s, clock=time.clock, sleep=time.sleep), shown


def test_watching_ends_with_the_verdict_and_shows_every_look() -> None:
    last, shown = follow(Story(0, 1, 4))
    assert last.ended
    assert [view.bucket["counters"]["done"] for view in shown] == [0, 1, 4]


def test_watching_stops_when_the_time_is_over_and_the_bucket_goes_on() -> None:
    last, shown = follow(Story(1), timeout_s=2.0)
    assert not last.ended
    assert len(shown) == 3


def test_cells_are_read_again_only_when_the_version_has_changed() -> None:
    story = Story(1, 1, 1, 4)
    follow(story)
    assert (story.looks, story.snapshots) == (4, 2)


def test_a_service_that_asks_to_slow_down_is_obeyed() -> None:
    story, time = Story(0, 4), Time()
    story.troubles = {2: Refused({"code": "rate_limited"}, retry_after_s=7.0)}
    last = watch(cast("Client", story), "b_1", lambda _: None, clock=time.clock, sleep=time.sleep)
    assert last.ended
    assert time.now_s == 1.0 + 3 * 7.0


def test_a_restart_of_the_service_is_waited_for() -> None:
    story = Story(0, 4)
    story.troubles = {request: Unreachable("gone") for request in range(2, 20)}
    assert follow(story)[0].ended


def test_a_service_that_stays_away_is_told_after_half_a_minute() -> None:
    story, time = Story(0, 4), Time()
    story.troubles = {request: Unreachable("gone") for request in range(2, 200)}
    with pytest.raises(Unreachable):
        watch(cast("Client", story), "b_1", lambda _: None, clock=time.clock, sleep=time.sleep)
    assert 30.0 <= time.now_s <= 32.0


def test_a_service_that_was_never_there_and_other_refusals_are_told_at_once() -> None:
    for trouble in (Unreachable("gone"), Refused({"code": "not_found"})):
        story, time = Story(0), Time()
        story.troubles = {1: trouble}
        with pytest.raises(type(trouble)):
            watch(cast("Client", story), "b_1", lambda _: None, clock=time.clock, sleep=time.sleep)
        assert time.now_s == 0.0


def test_pace_is_units_a_second_over_the_window_and_unknown_at_first() -> None:
    pace = Pace()
    pace.note(0.0, 0)
    assert pace.eta_s(10) is None
    pace.note(2.0, 10)
    assert (pace.per_s, pace.eta_s(10)) == (5.0, 2.0)


def test_pace_forgets_what_is_older_than_its_window() -> None:
    pace = Pace()
    for second in range(100):
        pace.note(float(second), 0 if second < 80 else (second - 80) * 7)
    assert pace.per_s == 7.0


def test_cells_are_counted_by_column_without_the_hidden_ones() -> None:
    cells = bytes([0x14, 0, 0x24, 7, 15, 9])
    snapshot = {"columns": [{}, {}], "cells": base64.b64encode(cells).decode()}
    assert counts_by_column(snapshot) == [{"done": 2}, {"queued": 1, "failed": 1, "cancelled": 1}]


def test_a_line_of_progress_names_only_states_that_occur() -> None:
    last, _ = follow(Story(4))
    assert plain_line(last) == "complete 4/4 done=4"


def test_durations_are_told_as_people_do() -> None:
    assert [duration(s) for s in (9, 130, 3900)] == ["9 s", "2 min 10 s", "1 h 05 min"]


def test_a_pause_is_looked_at_though_no_unit_has_changed() -> None:
    story = Story(1, 1, 1, 4)
    story.paused_from = 2
    _, shown = follow(story)
    assert [view.bucket["status"] for view in shown] == ["running", "paused", "paused", "complete"]
    assert story.snapshots == 3
