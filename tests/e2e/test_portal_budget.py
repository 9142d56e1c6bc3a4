"""F09: the portal is never asked more often than the line allows, and waiting for that is a state, not a failure."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import NARROW_BURST, NARROW_PER_S
from tests.support.call_windows import needed_burst
from tests.support.eventually import eventually_blocking
from tests.support.lines import OperatedLine, operated_line
from tests.support.practices import Practice, share_ended, states
from tests.support.registrations import registrations
from tests.support.running_stack import RunningStack
from tests.support.sandbox_control import Call

Json = dict[str, Any]
ALL = ("notices", "return_register", "gstr2b")
EFFECTIVE_S = 5.0
TOLERANT = {"gsp_per_s": 1_000, "gsp_burst": 1_000, "gstin_concurrency": 4}


@pytest.fixture(autouse=True)
def line(narrow: RunningStack) -> Iterator[OperatedLine]:
    """The narrow line at its limit, before a portal that tolerates more than it does."""
    narrow.sandbox.limit(**TOLERANT)
    with operated_line(narrow) as operated:
        operated.when(lambda _: True, what="the line is known")
        operated.set_limit(NARROW_PER_S)
        yield operated
        operated.set_limit(NARROW_PER_S)


def calls_since(running: RunningStack, at_s: float, practice: Practice | None = None) -> list[Call]:
    """Calls in the order in which the portal saw them; of one practice's clients, or all."""
    found = running.sandbox.calls(since_s=at_s)
    return sorted((call for call in found if practice is None or call.gstin in practice.ids), key=lambda c: c.seq)


def test_f09_a1_and_a5_the_line_holds_in_every_window_and_a_registration_is_asked_for_one_thing_at_a_time(
    narrow: RunningStack,
) -> None:
    practice, since_s = narrow.practice("budget"), narrow.sandbox.now()
    practice.take_on(registrations(30))
    with narrow.sandbox.latency(p50_ms=150):
        bucket_id = practice.start(*ALL)
        practice.when(bucket_id, lambda bucket: share_ended(bucket) >= 0.2)
        narrow.kill9_and_await_return("worker-1")
        ended = practice.ended(bucket_id)
    calls = calls_since(narrow, since_s)

    assert ended["verdict"] == "complete"
    assert len(calls) >= 150
    assert needed_burst([call.at_s for call in calls], NARROW_PER_S) <= NARROW_BURST, "of every window"
    assert {call.gstin_in_flight for call in calls if call.gstin in practice.ids} == {1}
    assert {call.http for call in calls} <= {0, 200}, "0: cut off with the worker that was killed"


def test_f09_a5_two_firms_that_hold_one_registration_do_not_wait_for_each_other(narrow: RunningStack) -> None:
    clients = registrations(3)
    firms = [narrow.practice("first"), narrow.practice("second")]
    for firm in firms:
        firm.take_on(clients, sessions=False)
    since_s = narrow.sandbox.now()
    with narrow.sandbox.latency(p50_ms=8_000):
        buckets = [firm.start("return_register") for firm in firms]
        for firm, bucket_id in zip(firms, buckets, strict=True):
            assert firm.ended(bucket_id)["verdict"] == "complete"
    calls = [call for call in calls_since(narrow, since_s, firms[0]) if call.action == "RETTRACK"]

    assert len(calls) == 6
    assert max(call.gstin_in_flight for call in calls) == 2


@pytest.mark.parametrize("refusal", [{}, {"retry_after": True}, {"refuse_with": "RET13504"}], ids=str)
def test_f09_a2_too_many_calls_spend_no_attempt(narrow: RunningStack, line: OperatedLine, refusal: Json) -> None:
    practice = narrow.practice("throttled")
    practice.take_on(registrations(20), sessions=False)
    usual = {"refuse_with": "429", "retry_after": False}
    narrow.sandbox.limit(**(usual | refusal), gsp_per_s=5, gsp_burst=2)
    bucket_id = practice.start("return_register")
    ended = practice.ended(bucket_id)
    narrow.sandbox.limit(**usual)
    counted, free = line.codes(bucket_id)

    assert ended["verdict"] == "complete"
    assert free["RATE_LIMITED"] > 0, "the portal did refuse"
    assert counted == {}
    learned = [line.now()["rate"], *(family["rate"] for family in line.now()["families"] if family["rate"])]
    assert any(rate["learned"] for rate in learned)


def test_f09_a3_each_waiting_unit_tells_when_it_is_tried_next(narrow: RunningStack, line: OperatedLine) -> None:
    practice = narrow.practice("waiting")
    practice.take_on(registrations(30), sessions=False)
    narrow.sandbox.limit(gsp_per_s=2, gsp_burst=1)
    bucket_id = practice.start("return_register")

    def some() -> list[Json]:
        return practice.units(bucket_id, state="waiting")

    waiting = eventually_blocking(some, what="units wait") or []
    narrow.sandbox.limit(**TOLERANT)
    told = [unit for unit in waiting if unit["state"] == "waiting" and unit["reason"]["code"] == "rate_limited"]

    assert told
    assert all(unit["next_at"] is not None for unit in told)
    assert practice.ended(bucket_id)["verdict"] == "complete"
    assert line.codes(bucket_id)[0] == {}


def test_f09_a4_another_limit_is_kept_within_five_seconds_without_a_restart(
    narrow: RunningStack, line: OperatedLine
) -> None:
    practice = narrow.practice("operated")
    practice.take_on(registrations(150), sessions=False)
    pids = [narrow.stack.pid(f"worker-{n}") for n in range(2)]
    bucket_id = practice.start("return_register")
    practice.when(bucket_id, lambda bucket: share_ended(bucket) >= 0.05)
    line.set_limit(4)
    changed_s = narrow.sandbox.now()

    def long_enough() -> bool:
        return narrow.sandbox.now() > changed_s + EFFECTIVE_S + 5

    eventually_blocking(long_enough, what="the new limit has been kept for a while")
    line.set_limit(200)
    raised_s = narrow.sandbox.now()
    ended = practice.ended(bucket_id)
    calls = [call.at_s for call in calls_since(narrow, changed_s)]
    slow = [at_s for at_s in calls if changed_s + EFFECTIVE_S < at_s <= raised_s]

    assert ended["verdict"] == "complete"
    assert [narrow.stack.pid(f"worker-{n}") for n in range(2)] == pids
    assert slow
    assert needed_burst(slow, 4) <= NARROW_BURST * 4 / NARROW_PER_S + 1
    assert line.now()["rate"]["current_per_s"] == 200
    assert states(practice.units(bucket_id)).keys() <= {"done", "not_available"}
