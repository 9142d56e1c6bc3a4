"""F19, F41 A2, F42 A1: tenants, persons and buckets that want the portal at the same time. Counted, never timed.

The line is narrowed for these stories, so that a window of calls is small beside the work of a big firm.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from bucket_api.dispatch.shares import evenness
from sync_contracts import events
from sync_contracts.events import Dispatched
from sync_contracts.topics import EVENTS

from tests.support.eventually import eventually_blocking
from tests.support.practices import Practice, share_ended
from tests.support.raw_topics import RawTopics
from tests.support.registrations import registrations
from tests.support.running_stack import RunningStack
from tests.support.sandbox_control import Call

Json = dict[str, Any]
LINE = "/v1/upstreams/up_gst_1"
RATE_PER_S = 20
WINDOW = RATE_PER_S * 6
"""Calls of a second and five more: what may be in flight on the line."""
REGISTER = "return_register"
EACH = 45


@pytest.fixture(scope="module", autouse=True)
def narrowed(running: RunningStack) -> Iterator[Callable[[float], None]]:
    """The line is narrow; what is given sets another limit."""
    operator = running.practice("operator").colleague("operator")
    usual = operator.get(LINE)["rate"]["limit_per_s"]

    def limit(per_s: float) -> None:
        operator.request("PATCH", LINE, json={"limit_per_s": per_s})

    with operator:
        limit(RATE_PER_S)
        yield limit
        limit(usual)


def firm(running: RunningStack, name: str, clients: int, *, sessions: bool = False) -> Practice:
    practice = running.practice(name)
    practice.take_on(registrations(clients), sessions=sessions)
    return practice


@contextmanager
def busy(practice: Practice, *modules: str, **plan: Any) -> Iterator[str]:
    """A bucket of which something has ended and most has not; cancelled at the end of the block if it still runs."""
    bucket_id = practice.start(*modules, **plan)
    practice.when(bucket_id, lambda bucket: share_ended(bucket) > 0)
    yield bucket_id
    if practice.bucket(bucket_id)["verdict"] is None:
        practice.api.cancel(bucket_id, "enough was seen")
        practice.ended(bucket_id)


def calls_since(running: RunningStack, at_s: float) -> list[Call]:
    return sorted(running.sandbox.data_calls(since_s=at_s), key=lambda call: call.seq)


def places(calls: list[Call], practice: Practice) -> list[int]:
    """Which of the calls, counted from 1, were this firm's."""
    return [place for place, call in enumerate(calls, 1) if call.gstin in practice.ids]


def test_f19_a1_a_small_firm_behind_a_big_one_ends_within_twice_its_own_calls_and_two_windows(
    running: RunningStack,
) -> None:
    big, small = firm(running, "big", 500), firm(running, "small", 50)
    with busy(big, REGISTER) as queued:
        at_s = running.sandbox.now()
        assert small.ended(small.start(REGISTER))["verdict"] == "complete"
        assert share_ended(big.bucket(queued, fresh=True)) < 1
    seen = places(calls_since(running, at_s), small)
    assert len(seen) == 50
    assert seen[-1] <= 2 * 50 + 2 * WINDOW


def test_f19_a3_firms_are_served_evenly_and_a_newcomer_within_two_windows(
    running: RunningStack, narrowed: Callable[[float], None]
) -> None:
    """The line is all but closed until all have started, or the first would be at its end before the last begins."""
    firms = [firm(running, f"firm{number}", EACH) for number in range(8)]
    newcomer = firm(running, "newcomer", 5)
    narrowed(1)
    buckets = [practice.start(REGISTER) for practice in firms]
    begun_s = running.sandbox.now()
    narrowed(RATE_PER_S)
    at_s = running.sandbox.now()
    newcomer.ended(newcomer.start(REGISTER))
    for practice, bucket_id in zip(firms, buckets, strict=True):
        assert practice.ended(bucket_id)["verdict"] == "complete"

    assert places(calls_since(running, at_s), newcomer)[0] <= 2 * WINDOW
    calls = calls_since(running, begun_s)
    own = [places(calls, practice) for practice in firms]
    all_busy = range(max(places[0] for places in own), min(places[-1] for places in own))
    assert len(all_busy) >= len(calls) / 3
    assert evenness(sum(place in all_busy for place in places) for places in own) >= 0.95


def test_f19_a4_two_persons_of_one_firm_share_its_part_evenly(running: RunningStack) -> None:
    practice = firm(running, "two_persons", 300)
    gstins = list(practice.ids)
    hers, mine = gstins[:60], [gstins[first : first + 80] for first in (60, 140, 220)]
    with ExitStack() as started:
        clerk = started.enter_context(practice.colleague("clerk"))
        for part in mine:
            started.enter_context(busy(practice, REGISTER, selection={"add": [practice.ids[one] for one in part]}))
        at_s = running.sandbox.now()
        asked = {"selection": {"add": [practice.ids[one] for one in hers]}, "modules": [REGISTER]}
        assert practice.ended(str(clerk.start(asked)[0]["id"]))["verdict"] == "complete"
        calls = calls_since(running, at_s)
    own = [place for place, call in enumerate(calls, 1) if call.gstin in hers]
    meanwhile = own[-1] - own[0] + 1
    assert len(own) == len(hers)
    assert 1 / 3 <= len(hers) / meanwhile < 1, "were all buckets alike, it would be a quarter"


def test_f41_a2_a_paused_bucket_holds_no_share_of_the_line(running: RunningStack) -> None:
    paused, other = firm(running, "paused", 300), firm(running, "other", 500)
    with busy(paused, REGISTER) as resting, busy(other, REGISTER):
        standing = running.database["line_shares"]

        def told() -> tuple[int, int] | None:
            share = standing.find_one({"tenant_id": other.tenant})
            return (share["tenants_active"], share["window"]) if share else None

        eventually_blocking(lambda: told() == (2, WINDOW // 2), what="both firms share the line")
        paused.api.act(resting, {"kind": "pause"})
        eventually_blocking(lambda: told() == (1, WINDOW), what="the other firm has the whole line")
        paused.api.act(resting, {"kind": "resume"})
        eventually_blocking(lambda: told() == (2, WINDOW // 2), what="both firms share the line again")


def test_f42_a1_notices_go_before_the_history_of_their_own_bucket_which_ends_too(running: RunningStack) -> None:
    practice = firm(running, "history", 20, sessions=True)
    months = [f"{year}-{month:02}" for year in (2024, 2025) for month in range(3, 10)]
    at_s = running.sandbox.now()
    bucket_id = practice.start("gstr2b", "notices", period={"rule": "months", "months": months})
    assert practice.ended(bucket_id)["verdict"] == "complete"
    calls = calls_since(running, at_s)
    assert sum(call.action == "NOTICELIST" for call in calls) == 20
    assert sum(call.action == "GET2B" for call in calls) == 20 * len(months)
    asked = asyncio.run(dispatched_columns(running, bucket_id))
    notices = [place for place, column in enumerate(asked, 1) if column == ("notices", None)]
    assert len(notices) == 20
    assert notices[-1] <= WINDOW


async def dispatched_columns(running: RunningStack, bucket_id: str) -> list[tuple[str, str | None]]:
    """Module and period of the bucket's units, in the order in which they were sent to the workers."""
    bucket = running.database["buckets"].find_one({"_id": bucket_id})
    assert bucket is not None
    columns = [(column["module"], column["period"]) for column in bucket["columns"]]
    log = await RawTopics(running.settings.kafka_bootstrap).records(EVENTS.name)
    said = [events.decode(record.value) for record in log if record.key == bucket_id.encode()]
    return [columns[mi] for event in said if isinstance(event, Dispatched) for _, mi, _ in event.units]
