"""Pause and resume over HTTP: who and why is told, nothing is queued meanwhile, the deadline rests."""

from datetime import timedelta
from typing import Any

import httpx
from sync_contracts.units import DEFAULT_LIMITS

from tests.component.api.conftest import Api
from tests.component.api.firm import ONLY_2B, firm_of, started
from tests.support import played_aggregator as aggregator
from tests.support.played_aggregator import began, failed, retry, succeeded


async def running(http: httpx.AsyncClient, api: Api, size: int = 3) -> str:
    await firm_of(api.database, size)
    identity: str = (await started(http, ONLY_2B))["id"]
    return identity


async def act(http: httpx.AsyncClient, bucket: str, kind: str, key: str = "", **body: Any) -> httpx.Response:
    path = f"/v1/buckets/{bucket}/actions"
    return await http.post(path, json={"kind": kind, **body}, headers={"idempotency-key": key or kind})


async def told(http: httpx.AsyncClient, bucket: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await http.get(f"/v1/buckets/{bucket}", params={"fresh": "true"})).json()
    return answer


async def test_a_pause_names_the_person_and_the_reason_until_it_is_over(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    answer = await act(http, bucket, "pause", note="the partner wants to look first")
    assert (answer.status_code, answer.json()["kind"], answer.json()["state"]) == (202, "pause", "done")
    now = await told(http, bucket)
    assert now["status"] == "paused"
    assert now["paused"] == {
        "by": "us_administrator",
        "at": answer.json()["created_at"],
        "reason": "the partner wants to look first",
    }
    assert (await act(http, bucket, "resume")).status_code == 202
    after = await told(http, bucket)
    assert (after["status"], after["paused"]) == ("queued", None)
    kinds = [item["kind"] for item in (await http.get(f"/v1/buckets/{bucket}/actions")).json()["items"]]
    assert sorted(kinds) == ["pause", "resume"]


async def test_units_of_a_paused_bucket_wait_for_the_reason_paused_everywhere(
    http: httpx.AsyncClient, api: Api
) -> None:
    bucket = await running(http, api, 4)
    await aggregator.apply(
        api.database, bucket, {(0, 0): succeeded(), (1, 0): began(), (2, 0): retry("RATE_LIMITED", counted=False)}
    )
    before = (await told(http, bucket))["counters"]
    await act(http, bucket, "pause")
    now = (await told(http, bucket))["counters"]
    assert (before["queued"], before["waiting"], now["queued"], now["waiting"]) == (1, 1, 0, 2)
    assert (now["total"], now["running"], now["done"]) == (4, 1, 1)
    units = (await http.get(f"/v1/buckets/{bucket}/units", params={"state": "waiting"})).json()["items"]
    assert [unit["reason"]["code"] for unit in units] == ["rate_limited", "paused"]
    assert units[1]["reason"]["action"] == "resume"
    paused = (await http.get(f"/v1/buckets/{bucket}/units", params={"reason": "paused"})).json()
    assert [unit["id"] for unit in paused["items"]] == ["u_3_0"]
    snapshot = (await http.get(f"/v1/buckets/{bucket}/snapshot", headers={"accept": "application/json"})).json()
    assert (snapshot["counters"], snapshot["status"]) == (now, "paused")
    one = (await http.get(f"/v1/buckets/{bucket}/units/u_3_0")).json()
    assert (one["state"], one["reason"]["code"]) == ("waiting", "paused")


async def test_a_pause_is_done_when_what_was_on_its_way_has_ended(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api, 2)
    await aggregator.apply(api.database, bucket, {(0, 0): began()})
    first = await act(http, bucket, "pause")
    assert (first.json()["done"], first.json()["counts"]["eligible"]) == (False, 2)
    await aggregator.apply(api.database, bucket, {(0, 0): succeeded()})
    assert (await http.get(first.headers["location"])).json()["done"] is True


async def test_the_deadline_rests_while_paused(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    first = await api.database["buckets"].find_one({"_id": bucket})
    await act(http, bucket, "pause")
    api.clock.forward(timedelta(hours=5))
    await act(http, bucket, "resume")
    after = await api.database["buckets"].find_one({"_id": bucket})
    assert first is not None
    assert after is not None
    assert after["deadline_at"] - first["deadline_at"] == 5 * 3_600_000


async def test_a_retry_during_a_pause_gets_the_whole_time_after_it_and_no_more(
    http: httpx.AsyncClient, api: Api
) -> None:
    bucket = await running(http, api)
    await aggregator.apply(api.database, bucket, {(0, 0): failed("TOTALS_MISMATCH")})
    await act(http, bucket, "pause")
    api.clock.forward(timedelta(hours=5))
    body = {"kind": "retry", "all": True}
    retried = await http.post(f"/v1/buckets/{bucket}/actions", json=body, headers={"idempotency-key": "r"})
    assert retried.status_code == 202, retried.text
    api.clock.forward(timedelta(hours=2))
    await act(http, bucket, "resume")
    after = await api.database["buckets"].find_one({"_id": bucket})
    assert after is not None
    assert after["deadline_at"] == round(api.clock().timestamp() * 1000) + DEFAULT_LIMITS.bucket_ms


async def test_what_is_so_already_is_the_same_wish(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    nothing = await act(http, bucket, "resume", "r0")
    assert (nothing.status_code, nothing.json()["id"], nothing.json()["done"]) == (200, None, True)
    first = (await act(http, bucket, "pause", "p1")).json()
    again = await act(http, bucket, "pause", "p2")
    replay = await act(http, bucket, "pause", "p1")
    assert (again.status_code, again.json()["id"]) == (202, first["id"])
    assert (replay.json()["id"], replay.headers["idempotent-replayed"]) == (first["id"], "true")
    await act(http, bucket, "resume", "r1")
    late = await act(http, bucket, "pause", "p1")
    assert (late.json()["id"], (await told(http, bucket))["status"]) == (first["id"], "queued")


async def test_the_key_of_a_pause_is_good_for_one_body(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    await act(http, bucket, "pause", "k", note="lunch")
    for kind, note in (("pause", "dinner"), ("resume", "lunch"), ("cancel", "lunch")):
        refused = await act(http, bucket, kind, "k", note=note)
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert (await told(http, bucket))["status"] == "paused"


async def test_too_late_is_said(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    await act(http, bucket, "pause")
    await act(http, bucket, "cancel")
    for kind in ("pause", "resume"):
        refused = await act(http, bucket, kind, f"{kind}-late")
        assert (refused.status_code, refused.json()["code"]) == (409, "bucket_cancelling")
    await aggregator.everywhere(api.database, bucket, succeeded())
    await aggregator.complete(api.database, bucket)
    for kind in ("pause", "resume", "cancel"):
        refused = await act(http, bucket, kind, f"{kind}-ended")
        assert (refused.status_code, refused.json()["code"]) == (409, "bucket_ended")
        assert refused.json()["final_status"] == "complete"


async def test_a_dry_run_tells_how_much_would_wait_and_pauses_nothing(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    path = f"/v1/buckets/{bucket}/actions?dry_run=true"
    answer = await http.post(path, json={"kind": "pause"}, headers={"idempotency-key": "p"})
    assert (answer.status_code, answer.json()["counts"]["eligible"], answer.json()["state"]) == (200, 3, "dry_run")
    assert (await told(http, bucket))["status"] == "queued"


async def test_a_pause_needs_the_right_to_start_and_belongs_to_its_tenant(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    reviewer = api.caller("t_one", "buckets:read")
    assert (await act(reviewer, bucket, "pause")).status_code == 403
    assert (await act(api.caller("t_two"), bucket, "pause")).status_code == 404
    assert (await told(http, bucket))["status"] == "queued"


async def test_paused_buckets_are_listed(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    await act(http, bucket, "pause")
    listed = (await http.get("/v1/buckets", params={"status": "paused"})).json()["items"]
    assert [(item["id"], item["status"], item["counters"]["queued"]) for item in listed] == [(bucket, "paused", 0)]
