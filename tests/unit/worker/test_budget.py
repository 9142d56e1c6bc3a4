"""Rates, pure: whatever the processes do with their leases, the portal never sees more than the line tolerates."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sync_worker.limits.breaker import Rules, Seen
from sync_worker.limits.budget import Closed, Granted, LineRate, NotYet, lease_of, leased

from tests.support.call_windows import needed_burst

START = datetime(2026, 11, 24, 6, tzinfo=UTC)
RULES = Rules()
NOTHING = Seen()

rates = st.sampled_from([0.5, 3.0, 20.0, 100.0, 180.0])
bursts = st.sampled_from([2.0, 10.0, 50.0, 100.0])
steps = st.lists(
    st.tuples(st.integers(0, 900), st.sampled_from(["returns", "notices"]), st.integers(1, 10), st.floats(0, 1)),
    min_size=1,
    max_size=60,
)
"""Milliseconds since the last lease, family, permits asked for, and when in its slot each lease is used."""


@given(rates, bursts, steps)
def test_calls_of_any_window_stay_within_rate_and_tolerated_burst(
    rate: float, burst: float, asked: list[tuple[int, str, int, float]]
) -> None:
    document: dict[str, Any] = {}
    calls, now = list[float](), START
    for pause_ms, family, n, used_at in asked:
        now += timedelta(milliseconds=pause_ms)
        document = leased(document, family, n, NOTHING, profile=LineRate(rate, burst), rules=RULES, now=now)
        match lease_of(document, family):
            case Granted() as got:
                used_ms = now.timestamp() * 1000 + got.start_in_ms + got.slot_ms * used_at
                calls += [used_ms] * got.n
    assert needed_burst((at_ms / 1000 for at_ms in calls), rate) <= burst + 1e-3, "of every window"


@given(rates, bursts)
def test_a_line_that_is_always_asked_is_used_to_its_rate(rate: float, burst: float) -> None:
    document: dict[str, Any] = {}
    used, now, end = 0, START, START + timedelta(seconds=60)
    while now < end:
        document = leased(document, "returns", 10, NOTHING, profile=LineRate(rate, burst), rules=RULES, now=now)
        match lease_of(document, "returns"):
            case Granted(n=n):
                used += n
            case NotYet(wait_ms=wait_ms):
                now += timedelta(milliseconds=wait_ms)
    assert used >= rate * 60 - 10


def test_a_lowered_family_does_not_hold_up_the_others() -> None:
    slow = {"families": {"returns": {"rate": 1.0, "tat": 0.0, "clean_at": START}}}
    now = START + timedelta(seconds=0.5)
    profile = LineRate(100, 50)
    for _ in range(60):
        slow = leased(slow, "returns", 1, NOTHING, profile=profile, rules=RULES, now=now)
    assert isinstance(lease_of(slow, "returns"), NotYet)
    other = leased(slow, "public", 5, NOTHING, profile=profile, rules=RULES, now=now)
    assert isinstance(lease_of(other, "public"), Granted)


def test_a_rate_recovers_by_two_percent_a_clean_second_and_never_above_its_limit() -> None:
    document: dict[str, Any] = {"rate": 90.0, "rate_max": 100.0, "burst": 50.0, "tat": 0.0, "clean_at": START}
    now, seen = START, []
    for _ in range(9):
        now += timedelta(seconds=1.5)
        document = leased(document, "returns", 1, NOTHING, profile=LineRate(100, 50), rules=RULES, now=now)
        seen.append(document["rate"])
    assert seen[0] == 90 * 1.02
    assert seen[1] == 90 * 1.02 * 1.02
    assert seen[-1] == 100


def test_a_half_open_gate_grants_one_permit_and_closes_behind_it() -> None:
    gate = {"reason": "errors", "since": START, "closed_until": START, "closed_ms": 60_000}
    shut = {"families": {"returns": gate}}
    document = leased(shut, "returns", 10, NOTHING, profile=LineRate(100, 50), rules=RULES, now=START)
    assert lease_of(document, "returns") == Granted(1, 0.0, 250.0, ("returns",))
    again = leased(document, "returns", 10, NOTHING, profile=LineRate(100, 50), rules=RULES, now=START)
    assert lease_of(again, "returns") == Closed(10_001, "errors")
    other = leased(document, "public", 10, NOTHING, profile=LineRate(100, 50), rules=RULES, now=START)
    assert isinstance(lease_of(other, "public"), Granted)


def test_a_maintenance_window_closes_what_it_names_while_it_lasts() -> None:
    window = {"id": "mw_1", "from": START, "to": START + timedelta(minutes=5), "family": "notices"}
    document = {"windows": [window]}
    for family, moment, closed in (
        ("notices", START, True),
        ("notices", START + timedelta(minutes=5), False),
        ("notices", START - timedelta(milliseconds=1), False),
        ("returns", START, False),
    ):
        after = leased(document, family, 1, NOTHING, profile=LineRate(100, 50), rules=RULES, now=moment)
        assert isinstance(lease_of(after, family), Closed) is closed
    shut = lease_of(leased(document, "notices", 1, NOTHING, profile=LineRate(9, 9), rules=RULES, now=START), "notices")
    assert shut == Closed(300_001, "maintenance", window)
