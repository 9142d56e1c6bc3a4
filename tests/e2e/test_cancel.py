"""F15: a bucket is cancelled in the middle."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sync_contracts import events
from sync_contracts.events import Succeeded
from sync_contracts.outcomes import Code
from sync_contracts.topics import AGGREGATOR_GROUP, EVENTS
from syncbucket_cli.client import Refused

from tests.support.practices import Practice, share_ended, states
from tests.support.raw_topics import RawTopics
from tests.support.registrations import Registration, registrations
from tests.support.running_stack import RunningStack

Json = dict[str, Any]
MONTHS = {"rule": "months", "months": ["2026-08", "2026-09", "2026-10"]}
STOPPED_WITHIN_S = 5.0


@dataclass
class Cancelled:
    """A bucket that was cancelled when a part of it had ended."""

    practice: Practice
    clients: list[Registration]
    bucket_id: str
    before: dict[str, Json]
    """Units as they were right before the cancel, by id."""
    at_s: float
    """The portal's time when the cancel had been answered."""
    ended: Json


@pytest.fixture(scope="module")
def cancelled(running: RunningStack) -> Iterator[Cancelled]:
    practice, clients = running.practice("cancel"), registrations(60)
    practice.take_on(clients)
    with running.sandbox.latency(p50_ms=700):
        bucket_id = practice.start("notices", "return_register", "gstr2b", period=MONTHS)
        practice.when(bucket_id, lambda bucket: share_ended(bucket) >= 0.2)
        before = {unit["id"]: unit for unit in practice.units(bucket_id)}
        practice.api.cancel(bucket_id, "wrong month")
        at_s = running.sandbox.now()
        yield Cancelled(practice, clients, bucket_id, before, at_s, practice.ended(bucket_id))


def test_f15_a1_no_new_portal_call_begins_more_than_five_seconds_after_the_cancel(
    cancelled: Cancelled, running: RunningStack
) -> None:
    gstins = {client.gstin for client in cancelled.clients}
    calls = [call for call in running.sandbox.data_calls() if call.gstin in gstins]
    late = [call.at_s - cancelled.at_s for call in calls if call.at_s > cancelled.at_s + STOPPED_WITHIN_S]

    assert any(call.at_s < cancelled.at_s for call in calls)
    assert late == []


def test_f15_a1_finished_units_stay_and_units_in_flight_reach_a_final_state(cancelled: Cancelled) -> None:
    after = {unit["id"]: unit for unit in cancelled.practice.units(cancelled.bucket_id)}
    counts = states(list(after.values()))

    assert cancelled.ended["verdict"] == "cancelled"
    assert counts.keys() == {"done", "cancelled"}
    assert counts["cancelled"] > 0
    done = {unit_id: unit for unit_id, unit in cancelled.before.items() if unit["state"] == "done"}
    assert done
    assert all(after[unit_id] == unit for unit_id, unit in done.items())
    reasons = {unit["reason"]["code"] for unit in after.values() if unit["state"] == "cancelled"}
    assert reasons == {"cancelled_by_user"}


def test_f15_a2_a_cancel_after_the_end_changes_nothing(cancelled: Cancelled) -> None:
    with pytest.raises(Refused) as refused:
        cancelled.practice.api.cancel(cancelled.bucket_id, None)

    assert (refused.value.problem["status"], refused.value.problem["code"]) == (409, "bucket_ended")
    again = cancelled.practice.bucket(cancelled.bucket_id, fresh=True)
    assert (again["version"], again["counters"]) == (cancelled.ended["version"], cancelled.ended["counters"])


async def test_f15_a4_a_success_that_comes_later_does_not_change_a_cancelled_unit(
    cancelled: Cancelled, running: RunningStack
) -> None:
    stored = running.database["buckets"].find_one({"_id": cancelled.bucket_id})
    assert stored is not None
    (unit, *_) = cancelled.practice.units(cancelled.bucket_id, state="cancelled")
    page, ci = divmod(unit["row"], stored["clients_per_page"])
    late = Succeeded(
        tenant=cancelled.practice.tenant,
        bucket=cancelled.bucket_id,
        page=page,
        ci=ci,
        mi=unit["column"],
        attempt=max(unit["attempt"], 1),
        code=Code.OK,
        rows=1,
    )
    topics = RawTopics(running.settings.kafka_bootstrap)

    await topics.publish(EVENTS.name, events.encode(late), key=b"late", partition=stored["shard"])
    await topics.consumed(AGGREGATOR_GROUP, EVENTS.name, stored["shard"])

    after = await asyncio.to_thread(cancelled.practice.units, cancelled.bucket_id)
    assert next(each for each in after if each["id"] == unit["id"]) == unit
    bucket = await asyncio.to_thread(cancelled.practice.bucket, cancelled.bucket_id, fresh=True)
    assert bucket["counters"] == cancelled.ended["counters"]


def test_f15_a3_cancelled_units_can_be_run_again(cancelled: Cancelled) -> None:
    practice = cancelled.practice
    count = cancelled.ended["counters"]["cancelled"]

    again = practice.retry(cancelled.bucket_id, filter={"states": ["cancelled"]})

    assert (again["counts"]["eligible"], again["run"]) == (count, 2)
    ended = practice.ended(cancelled.bucket_id)
    assert (ended["verdict"], ended["counters"]["cancelled"]) == ("complete", 0)
    first, second = practice.api.get(f"/v1/buckets/{cancelled.bucket_id}/runs")["items"]
    assert (first["verdict"], first["counters"]) == ("cancelled", cancelled.ended["counters"])
    assert second["verdict"] == "complete"
