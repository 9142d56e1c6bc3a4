"""F16, F02 A5: what did not succeed is run again, in the same bucket, and nothing else."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from syncbucket_cli.cells import FINAL
from syncbucket_cli.client import Refused

from tests.support.practices import Practice, states
from tests.support.registrations import Registration, registration, registrations
from tests.support.running_stack import RunningStack

Json = dict[str, Any]
BROKEN = 38
SLOW_MS = 8_000


@dataclass
class Mended:
    """A bucket of which 38 units failed by the portal's fault and two wait for a person; the fault is over."""

    practice: Practice
    broken: list[Registration]
    without_session: Registration
    without_access: Registration
    bucket_id: str
    first_end: Json
    dry_run: Json = field(default_factory=dict)
    action: Json = field(default_factory=dict)
    since_s: float = 0.0
    second_end: Json = field(default_factory=dict)


@pytest.fixture(scope="module")
def mended(running: RunningStack) -> Mended:
    practice = running.practice("retry")
    broken, good, without_access = registrations(BROKEN), registrations(10), registration()
    without_session = registration()
    practice.take_on([*broken, *good, without_access])
    practice.import_clients([without_session])
    with ExitStack() as scripted:
        for client in broken:
            fault = running.sandbox.fault("wrong_total", gstin=client.gstin, action="GET2B")
            scripted.enter_context(fault)
        off = running.sandbox.fault("code", code="AUTH4037", gstin=without_access.gstin, action="GET2B")
        scripted.enter_context(off)
        bucket_id = practice.start("gstr2b", "return_register")
        first = practice.ended(bucket_id)
    story = Mended(practice, broken, without_session, without_access, bucket_id, first)
    story.dry_run = practice.retry(bucket_id, all=True, dry_run=True)
    story.since_s = running.sandbox.now()
    story.action = practice.retry(bucket_id, all=True, preview=story.dry_run["preview"], key="again")
    story.second_end = practice.ended(bucket_id)
    return story


def test_f16_a1_a_retry_runs_exactly_the_eligible_units_and_no_other_unit_calls_the_portal(
    mended: Mended, running: RunningStack
) -> None:
    assert mended.action["run"] == 2
    assert (mended.action["counts"]["matched"], mended.action["counts"]["eligible"]) == (BROKEN + 2, BROKEN)
    calls = running.sandbox.data_calls(since_s=mended.since_s)
    assert {call.gstin for call in calls} == {client.gstin for client in mended.broken}
    assert {call.action for call in calls} == {"GET2B"}
    again = mended.practice.units(mended.bucket_id, module="gstr2b", state="done")
    assert sum(unit["run"] == 2 for unit in again) == BROKEN
    results = list(mended.practice.api.pages(f"/v1/buckets/{mended.bucket_id}/actions/{mended.action['id']}/results"))
    taken = [result for result in results if result["eligible"]]
    assert {(result["state"], result["run"]) for result in taken} == {("done", 2)}
    assert {result["client_id"] for result in taken} == {mended.practice.ids[c.gstin] for c in mended.broken}
    left = {result["client_id"]: result["ineligible_code"] for result in results if not result["eligible"]}
    waiting = (mended.without_session, mended.without_access)
    assert left == {mended.practice.ids[client.gstin]: "action_outstanding" for client in waiting}


def test_f16_a1_the_action_says_what_came_of_it(mended: Mended) -> None:
    action = mended.practice.api.get(f"/v1/buckets/{mended.bucket_id}/actions/{mended.action['id']}")
    counts = action["counts"]
    assert (action["done"], counts["attempted"], counts["succeeded"], counts["failed"]) == (True, BROKEN, BROKEN, 0)
    assert (mended.dry_run["id"], mended.dry_run["preview"]) == (None, action["preview"])


def test_the_same_key_is_the_same_retry(mended: Mended) -> None:
    again = mended.practice.retry(mended.bucket_id, all=True, preview=mended.dry_run["preview"], key="again")
    assert again["id"] == mended.action["id"]
    assert len(mended.practice.bucket(mended.bucket_id)["runs"]) == 2


def test_f02_a5_counters_equal_a_recount_and_the_first_run_is_told_unchanged(mended: Mended) -> None:
    bucket = mended.practice.bucket(mended.bucket_id, fresh=True)
    counted = states(mended.practice.units(mended.bucket_id))
    assert {name: bucket["counters"][name] for name in FINAL if bucket["counters"][name]} == dict(counted)
    assert bucket["counters"]["done"] == mended.first_end["counters"]["done"] + BROKEN
    first, second = mended.practice.api.get(f"/v1/buckets/{mended.bucket_id}/runs")["items"]
    assert first["counters"] == mended.first_end["counters"]
    assert (first["verdict"], first["version"]) == (mended.first_end["verdict"], mended.first_end["version"])
    assert (second["kind"], second["units"], second["counters"]) == ("retry", BROKEN, bucket["counters"])
    assert second == mended.practice.api.get(f"/v1/buckets/{mended.bucket_id}/runs/2")


def test_f16_a2_what_waits_for_a_person_is_listed_and_runs_only_after_the_act(
    mended: Mended, running: RunningStack
) -> None:
    practice, bucket_id = mended.practice, mended.bucket_id
    assert mended.action["ineligible_by_reason"] == [{"code": "action_outstanding", "units": 2}]
    with pytest.raises(Refused) as refused:
        practice.retry(bucket_id, filter={"states": ["needs_action"]})
    assert refused.value.problem["code"] == "nothing_eligible"
    assert refused.value.problem["ineligible_by_reason"] == [{"code": "action_outstanding", "units": 2}]

    practice.log_in([mended.without_session.gstin])
    retried = practice.retry(bucket_id, filter={"states": ["needs_action"]})
    assert (retried["counts"]["eligible"], retried["ineligible_by_reason"]) == (
        1, [{"code": "action_outstanding", "units": 1}],
    )  # fmt: skip
    assert practice.ended(bucket_id)["verdict"] == "complete_with_gaps"
    assert practice.unit(bucket_id, mended.without_session, "gstr2b")["state"] == "done"

    practice.log_in([mended.without_access.gstin])
    line = practice.command_line()
    would = line.run("retry", bucket_id, "--all", "--dry-run")
    assert (would.status, would.answer["counts"]["eligible"]) == (0, 1)
    watched = line.run("retry", bucket_id, "--all", "--preview", would.answer["preview"], "--watch")
    assert (watched.status, watched.answer["verdict"]) == (0, "complete")
    assert line.run("retry", bucket_id, "--all").status == 1
    assert practice.bucket(bucket_id)["counters"]["gaps"] == 0
    statement = practice.api.get(f"/v1/buckets/{bucket_id}/statement")
    assert (statement["verdict"], statement["verification"]["agrees"]) == ("complete", True)


def test_f16_a3_a_retry_while_the_first_run_works_shares_its_verdict(running: RunningStack) -> None:
    practice, broken, slow = running.practice("retry_early"), registrations(3), registrations(10)
    practice.take_on([*broken, *slow])
    with ExitStack() as scripted:
        for client in slow:
            fault = running.sandbox.fault("delay", delay_ms=SLOW_MS, gstin=client.gstin, action="GET2B")
            scripted.enter_context(fault)
        with ExitStack() as until_failed:
            for client in broken:
                fault = running.sandbox.fault("wrong_total", gstin=client.gstin, action="GET2B")
                until_failed.enter_context(fault)
            bucket_id = practice.start("gstr2b")
            asked = practice.when(bucket_id, lambda bucket: bucket["counters"]["failed"] == len(broken))
        action = practice.retry(bucket_id, filter={"modules": ["gstr2b"]})
    left = {row["code"]: row["units"] for row in action["ineligible_by_reason"]}
    assert asked["verdict"] is None
    assert action["counts"]["eligible"] == len(broken)
    assert set(left) <= {"not_final", "already_running", "already_done"}
    assert left.get("not_final", 0) + left.get("already_running", 0) > 0
    ended = practice.ended(bucket_id)
    first, second = practice.api.get(f"/v1/buckets/{bucket_id}/runs")["items"]
    assert ended["verdict"] == first["verdict"] == second["verdict"] == "complete"
    assert (first["ended_with"], second["ended_with"], first["counters"]) == (2, 2, second["counters"])


def test_f01_a2_a_retry_that_was_answered_is_carried_out_whatever_dies_right_after(running: RunningStack) -> None:
    practice, broken = running.practice("retry_kills"), registrations(12)
    practice.take_on(broken)
    with ExitStack() as scripted:
        for client in broken:
            scripted.enter_context(running.sandbox.fault("wrong_total", gstin=client.gstin, action="GET2B"))
        bucket_id = practice.start("gstr2b")
        assert practice.ended(bucket_id)["verdict"] == "failed"
    action = practice.retry(bucket_id, filter={"states": ["failed"]}, key="once")
    for name in ("api", "aggregator-0", "dispatcher-0", "worker-0"):
        running.kill9_and_await_return(name)
    running.stack.wait_ready()

    ended = practice.ended(bucket_id)

    assert practice.retry(bucket_id, filter={"states": ["failed"]}, key="once")["id"] == action["id"]
    assert (ended["verdict"], ended["counters"]["done"], len(ended["runs"])) == ("complete", len(broken), 2)
    assert {unit["run"] for unit in practice.units(bucket_id)} == {2}
