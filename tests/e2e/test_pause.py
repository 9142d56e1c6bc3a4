"""F41 A1: a paused bucket rests, whatever is restarted meanwhile, and goes on exactly where it stood."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.eventually import eventually_blocking
from tests.support.practices import Practice, share_ended
from tests.support.registrations import Registration, registrations
from tests.support.running_stack import RunningStack

Json = dict[str, Any]
MONTHS = {
    "rule": "months",
    "months": [f"{year}-{month:02d}" for year in (2025, 2026) for month in range(1, 13) if (year, month) < (2026, 11)],
}
"""Many more units than are published at a time."""
WHY = "the partner looks at the first results"
PROCESSES = ("api", "dispatcher-0", "worker-0", "worker-1", "aggregator-0")


@dataclass
class Paused:
    """A bucket that was paused when a part of it had ended, told at rest, after all processes came back, at its end."""

    practice: Practice
    clients: list[Registration]
    bucket_id: str
    action: Json
    at_rest: Json
    units: dict[str, Json]
    rest_s: float
    restarted: Json
    resumed_s: float
    ended: Json


@pytest.fixture(scope="module")
def paused(running: RunningStack) -> Paused:
    practice, clients = running.practice("pause"), registrations(60)
    practice.take_on(clients)
    with running.sandbox.latency(p50_ms=200):
        bucket_id = practice.start("notices", "return_register", "gstr2b", period=MONTHS)
        practice.when(bucket_id, lambda bucket: share_ended(bucket) >= 0.05)
        action = practice.api.act(bucket_id, {"kind": "pause", "note": WHY})
        eventually_blocking(lambda: _action(practice, bucket_id, action)["done"], what="what was on its way ends")
    at_rest = practice.bucket(bucket_id, fresh=True)
    units = {unit["id"]: unit for unit in practice.units(bucket_id)}
    rest_s = running.sandbox.now()
    for name in PROCESSES:
        running.kill9_and_await_return(name)
    running.stack.wait_ready()
    restarted = practice.bucket(bucket_id, fresh=True)
    resumed_s = running.sandbox.now()
    practice.api.act(bucket_id, {"kind": "resume"})
    ended = practice.ended(bucket_id)
    return Paused(practice, clients, bucket_id, action, at_rest, units, rest_s, restarted, resumed_s, ended)


def _action(practice: Practice, bucket_id: str, action: Json) -> Json:
    return practice.api.get(f"/v1/buckets/{bucket_id}/actions/{action['id']}")


def test_f41_a1_the_pause_survives_a_restart_of_all_processes_and_names_who_and_why(paused: Paused) -> None:
    for bucket in (paused.at_rest, paused.restarted):
        assert (bucket["status"], bucket["verdict"], bucket["paused"]["reason"]) == ("paused", None, WHY)
        assert (bucket["paused"]["by"], bucket["paused"]["at"]) == (
            paused.action["created_by"], paused.action["created_at"],
        )  # fmt: skip
        assert (bucket["counters"]["queued"], bucket["counters"]["running"]) == (0, 0)
    assert paused.at_rest["counters"]["waiting"] > 0
    assert (paused.restarted["version"], paused.restarted["counters"]) == (
        paused.at_rest["version"], paused.at_rest["counters"],
    )  # fmt: skip


def test_f41_a1_what_was_on_its_way_ends_normally_and_the_rest_waits_for_the_reason_paused(paused: Paused) -> None:
    assert {unit["state"] for unit in paused.units.values()} == {"done", "waiting"}
    reasons = {unit["reason"]["code"] for unit in paused.units.values() if unit["state"] == "waiting"}
    assert reasons == {"paused"}


def test_f41_a1_no_portal_call_begins_while_a_bucket_is_paused(paused: Paused, running: RunningStack) -> None:
    gstins = {client.gstin for client in paused.clients}
    calls = [call for call in running.sandbox.data_calls() if call.gstin in gstins]
    while_paused = [call for call in calls if paused.rest_s < call.at_s < paused.resumed_s]
    assert any(call.at_s < paused.rest_s for call in calls)
    assert any(call.at_s > paused.resumed_s for call in calls)
    assert while_paused == []


def test_f41_a1_it_resumes_where_it_stood_and_repeats_nothing(paused: Paused, running: RunningStack) -> None:
    after = {unit["id"]: unit for unit in paused.practice.units(paused.bucket_id)}
    done = {unit_id: unit for unit_id, unit in paused.units.items() if unit["state"] == "done"}
    assert paused.ended["verdict"] == "complete"
    assert all(after[unit_id] == unit for unit_id, unit in done.items())
    done_2b = {(unit["gstin"], unit["period"]) for unit in done.values() if unit["module"] == "gstr2b"}
    again = {
        (call.gstin, f"{call.period[2:]}-{call.period[:2]}")
        for call in running.sandbox.data_calls(since_s=paused.resumed_s)
        if call.action == "GET2B"
    }
    assert again
    assert not again & done_2b


def test_f41_a1_the_deadline_rests_while_a_bucket_is_paused(paused: Paused, running: RunningStack) -> None:
    stored = running.database["buckets"].find_one({"_id": paused.bucket_id})
    assert stored is not None
    pause, resume = stored["controls"]
    moved = stored["deadline_at"] - stored["created_at"] - 72 * 3_600_000
    assert (pause["kind"], resume["kind"], moved) == ("pause", "resume", resume["at"] - pause["at"])
    assert moved > 0
