"""When a bucket ends, about: a band by measured numbers, or the reason why there is none."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bucket_api.buckets.counters import Reading
from bucket_api.buckets.outlook import Outlook, Place, outlook
from hypothesis import given
from hypothesis import strategies as st
from sync_contracts.units import DISPLAY_STATES

BEGUN = 1_790_000_000_000
NOW = datetime.fromtimestamp(BEGUN / 1000, UTC) + timedelta(seconds=100)
NOW_MS = BEGUN + 100_000
LINE = {"_id": "up_1", "rate": 10.0}
BUCKET = {"status": "RUNNING", "control": "RUN", "round": 0, "retries": [], "created_at": BEGUN}


def told(
    shown: dict[str, int],
    line: dict[str, Any] | None = LINE,
    share: dict[str, Any] | None = None,
    ahead: int = 0,
    **changes: Any,
) -> Outlook:
    reading = Reading(1, {}, dict.fromkeys(DISPLAY_STATES, 0) | shown, NOW_MS)
    return outlook({**BUCKET, **changes}, reading, line=line, share=share, ahead=ahead, now_ms=NOW_MS)


def test_the_band_reaches_from_what_the_line_permits_to_the_pace_so_far() -> None:
    found = told({"queued": 300, "running": 100, "changed": 200}, share={"units_waiting": 7})
    assert (found.from_ms, found.to_ms) == (NOW_MS + 40_000, NOW_MS + 200_000)
    assert (found.limited_by, found.unknown) == ("portal_rate", None)


def test_without_a_rate_the_pace_is_all_that_is_known() -> None:
    found = told({"queued": 400, "changed": 200}, line=None, share={"units_waiting": 7})
    assert found.from_ms == found.to_ms == NOW_MS + 200_000
    assert found.limited_by == "capacity"


def test_what_was_born_ended_is_no_pace() -> None:
    assert told({"queued": 400, "running": 100, "skipped": 300, "needs_action": 200}).unknown == "estimating"


def test_a_retry_has_a_pace_of_its_own() -> None:
    retry = {"round": 1, "n": 100, "at": NOW_MS - 10_000}
    found = told({"changed": 950, "queued": 50}, round=1, retries=[retry])
    assert (found.from_ms, found.to_ms) == (NOW_MS + 5_000, NOW_MS + 10_000)


@pytest.mark.parametrize(
    ("shown", "changes", "unknown"),
    [
        ({"changed": 5}, {"status": "COMPLETED"}, "ended"),
        ({"queued": 5, "changed": 5}, {"control": "PAUSE"}, "paused"),
        ({"queued": 5, "changed": 5}, {"control": "CANCEL"}, "cancelling"),
        ({"queued": 970, "changed": 30}, {}, "estimating"),
        ({"queued": 10}, {}, "queued"),
    ],
)
def test_where_nobody_can_know_the_reason_is_told(shown: dict[str, int], changes: dict[str, Any], unknown: str) -> None:
    found = told(shown, **changes)
    assert (found.from_ms, found.to_ms, found.unknown) == (None, None, unknown)


def test_f31_a2_a_bucket_that_waits_for_its_start_has_a_place_and_a_cause() -> None:
    closed = {**LINE, "closed_until": NOW + timedelta(seconds=30)}
    assert told({"queued": 9}, ahead=2).queue == Place(3, None, "none")
    assert told({"queued": 9}, closed).queue == Place(1, 30, "portal_down")
    assert told({"queued": 9}, share={"units_waiting": 9}).queue == Place(1, None, "portal_rate")
    assert told({"queued": 9, "running": 1}).queue is None


def test_while_the_line_is_closed_no_end_is_told() -> None:
    closed = {**LINE, "closed_until": NOW + timedelta(seconds=30)}
    found = told({"queued": 300, "changed": 200}, closed)
    assert (found.unknown, found.limited_by, found.to_ms) == ("portal_down", "portal_down", None)


def test_units_that_wait_for_their_files_limit_what_nothing_else_does() -> None:
    found = told({"waiting": 100, "changed": 200}, share={"units_waiting": 0})
    assert found.limited_by == "portal_preparing"


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.floats(0.1, 1_000))
def test_the_soonest_end_is_never_after_the_latest_and_both_lie_ahead(left: int, worked: int, rate: float) -> None:
    found = told({"queued": left, "changed": worked}, {"rate": rate})
    if found.unknown is None:
        assert found.from_ms is not None
        assert found.to_ms is not None
        assert NOW_MS < found.from_ms <= found.to_ms
