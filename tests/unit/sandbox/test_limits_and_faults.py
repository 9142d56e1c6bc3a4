from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from portal_sandbox.calls import Call
from portal_sandbox.envelope import Refusal
from portal_sandbox.faults import (
    Effect,
    FaultState,
    GspFaults,
    Match,
    Scenario,
    Scenarios,
    TooManyScenarios,
    Window,
)
from portal_sandbox.latency import LatencyProfile, surge
from portal_sandbox.throttle import Limits, Throttle, TokenBucket
from portal_sandbox.txns import Transactions

GET2B = Call("taxpayer", "GET2B", "27AAPFU0939F1ZV", "102026", "2", "gsp")


def scripted(times: int | None = None, *, name: str = "s", kind: str = "code", **match: str) -> Scenario:
    effect = Effect("code" if kind == "code" else "http", code=name)
    return Scenario(effect=effect, match=Match(**match), times=times, id=name)


def test_bucket_lets_the_burst_through_and_then_the_rate() -> None:
    bucket = TokenBucket(5, 5, 0.0)
    assert [bucket.take(0.0) for _ in range(5)] == [0.0] * 5
    assert bucket.take(0.0) == pytest.approx(0.2)
    assert bucket.take(0.2) == 0.0
    assert bucket.take(0.2) > 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_bucket_never_exceeds_burst_plus_rate(steps: list[float]) -> None:
    bucket, now_s, taken = TokenBucket(10, 4, 0.0), 0.0, 0
    for step in steps:
        now_s += step
        taken += bucket.take(now_s) == 0
    assert taken <= 4 + 10 * now_s + 1e-6


def test_each_gsp_has_a_bucket_of_its_own() -> None:
    throttle = Throttle(Limits(1, 1, 1))
    assert throttle.take("a", 0.0) == 0
    assert throttle.take("b", 0.0) == 0
    assert throttle.take("a", 0.0) > 0


def test_registration_has_one_slot_until_it_is_released() -> None:
    throttle = Throttle(Limits(1, 1, 1))
    assert throttle.occupy("x")
    assert not throttle.occupy("x")
    assert throttle.occupy("y")
    throttle.release("x")
    assert throttle.occupy("x")


def test_refusal_and_retry_after_by_limits() -> None:
    assert Throttle(Limits(1, 1, 1)).refusal() == Refusal("429", http=429)
    assert Throttle(Limits(1, 1, 1)).retry_after(2.5) == ()
    assert Throttle(Limits(1, 1, 1, retry_after=True)).retry_after(2.5) == (("retry-after", "3"),)
    business = Throttle(Limits(1, 1, 1, refuse_with="RET13504", retry_after=True))
    assert business.refusal() == Refusal("RET13504")
    assert business.retry_after(2.5) == ()


def test_scenario_fails_twice_and_then_lets_through() -> None:
    scenarios = Scenarios()
    scenarios.put(scripted(2, action="GET2B"))
    assert [scenarios.take(GET2B) is not None for _ in range(4)] == [True, True, False, False]
    kept = scenarios.get("s")
    assert kept is not None
    assert kept.left == 0


def test_first_matching_scenario_with_calls_left_wins() -> None:
    scenarios = Scenarios()
    scenarios.put(scripted(1, name="first"))
    scenarios.put(scripted(name="second"))
    codes = [effect.code for effect in (scenarios.take(GET2B), scenarios.take(GET2B)) if effect]
    assert codes == ["first", "second"]


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({}, True),
        ({"gstin": "27AAPFU0939F1ZV", "surface": "taxpayer", "section": "2", "period": "102026"}, True),
        ({"section": "1"}, False),
        ({"surface": "public"}, False),
        ({"gstin": "29AAGCB7383J1Z4"}, False),
    ],
)
def test_absent_match_field_fits_everything(match: dict[str, str], fits: bool) -> None:
    assert Match(**match).fits(GET2B) == fits


def test_scenarios_are_dropped_and_bounded() -> None:
    scenarios = Scenarios()
    for index in range(1000):
        scenarios.put(scripted(name=str(index)))
    with pytest.raises(TooManyScenarios):
        scenarios.put(scripted(name="one more"))
    assert scenarios.drop("0")
    assert not scenarios.drop("0")
    assert len(scenarios.all()) == 999


def test_maintenance_holds_within_its_window() -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    faults = GspFaults()
    faults.change(FaultState(maintenance=Window(now, now + timedelta(hours=1))))
    assert faults.refusal(now, GET2B) == Refusal("GEN5008", http=500)
    assert faults.refusal(now + timedelta(hours=1), GET2B) is None
    assert faults.refusal(now - timedelta(seconds=1), GET2B) is None


def test_an_outage_of_some_calls_leaves_the_others_alone() -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    faults = GspFaults()
    faults.change(FaultState(error_ratio=1, code="RET13505", http=500, match=Match(action="GET2B")))
    assert faults.refusal(now, GET2B) == Refusal("RET13505", http=500)
    assert faults.refusal(now, Call("taxpayer", "NOTICELIST")) is None


def test_error_ratio_is_kept_and_repeats() -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)

    def drawn() -> list[bool]:
        faults = GspFaults()
        faults.change(FaultState(error_ratio=0.3, code="GEN4004"))
        return [faults.refusal(now, GET2B) == Refusal("GEN4004") for _ in range(1000)]

    assert 250 < sum(drawn()) < 350
    assert drawn() == drawn()
    assert GspFaults().refusal(now, GET2B) is None


@given(st.floats(0, 1), st.floats(0, 1))
def test_delay_grows_with_the_share(one: float, two: float) -> None:
    profile = LatencyProfile(800, 4000, 15000)
    low, high = sorted((one, two))
    assert profile.delay_ms(low) <= profile.delay_ms(high)


def test_delay_meets_the_quantiles() -> None:
    profile = LatencyProfile(800, 4000, 15000)
    assert [round(profile.delay_ms(share)) for share in (0.5, 0.95, 0.99)] == [800, 4000, 15000]
    assert LatencyProfile(0, 0, 0).delay_ms(0.7) == 0


def test_surge_on_filing_days_only() -> None:
    assert surge(date(2026, 11, 20), (11, 20), 2.0) == 2.0
    assert surge(date(2026, 11, 21), (11, 20), 2.0) == 1.0


def test_transaction_number_is_fresh_once_and_32_characters_long() -> None:
    seen = Transactions()
    assert seen.is_fresh("gsp", "a" * 32)
    assert not seen.is_fresh("gsp", "a" * 32)
    assert seen.is_fresh("other", "a" * 32)
    assert not any(seen.is_fresh("gsp", text) for text in ("", "a" * 31, "a" * 33, "-" * 32))
