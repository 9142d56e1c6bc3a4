"""Cancel over HTTP: definite, idempotent, never too late without saying so."""

import asyncio
from typing import Any

import httpx

from tests.component.api.conftest import Api
from tests.component.api.firm import ONLY_2B, firm_of, started
from tests.support import played_aggregator as aggregator
from tests.support.played_aggregator import succeeded


async def running(http: httpx.AsyncClient, api: Api, size: int = 3) -> str:
    await firm_of(api.database, size)
    identity: str = (await started(http, ONLY_2B))["id"]
    return identity


async def cancel(http: httpx.AsyncClient, bucket: str, key: str = "c1", **body: Any) -> httpx.Response:
    body = {"kind": "cancel", **body}
    return await http.post(f"/v1/buckets/{bucket}/actions", json=body, headers={"idempotency-key": key})


async def test_a_cancel_is_asked_for_in_the_bucket_and_told(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    await aggregator.apply(api.database, bucket, {(0, 0): succeeded()})
    answer = await cancel(http, bucket, note="wrong month")
    action = answer.json()
    assert answer.status_code == 202
    counts = action["counts"]
    assert (counts["matched"], counts["eligible"], counts["ineligible"]) == (3, 2, 1)
    stored = await api.database["buckets"].find_one({"_id": bucket})
    assert stored is not None
    assert (stored["control"], stored["control_by"], stored["control_reason"]) == (
        "CANCEL",
        "us_administrator",
        "wrong month",
    )
    told = (await http.get(f"/v1/buckets/{bucket}")).json()
    assert (told["status"], told["cancel"]["reason"]) == ("cancelling", "wrong month")
    assert (await http.get(answer.headers["location"])).json()["id"] == action["id"]


async def test_a_second_cancel_is_the_same_wish(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    first = (await cancel(http, bucket)).json()
    replay = await cancel(http, bucket)
    other = await cancel(http, bucket, "c2")
    assert (replay.json()["id"], replay.headers["idempotent-replayed"]) == (first["id"], "true")
    assert (other.status_code, other.json()["id"]) == (202, first["id"])
    stored = await api.database["buckets"].find_one({"_id": bucket})
    assert stored is not None
    assert len(stored["controls"]) == 1


async def test_the_key_of_a_cancel_is_good_for_one_body(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    assert (await cancel(http, bucket, note="wrong month")).status_code == 202
    assert (await cancel(http, bucket, note="wrong month")).headers["idempotent-replayed"] == "true"
    refused = await cancel(http, bucket, note="another month")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


async def test_parallel_cancels_leave_one_control(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    answers = await asyncio.gather(*(cancel(http, bucket, f"c{n}") for n in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_cancel_after_the_end_changes_nothing(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    await aggregator.everywhere(api.database, bucket, succeeded())
    await aggregator.complete(api.database, bucket)
    before = await api.database["buckets"].find_one({"_id": bucket})
    refused = await cancel(http, bucket)
    assert (refused.status_code, refused.json()["code"]) == (409, "bucket_ended")
    assert refused.json()["final_status"] == "complete"
    assert await api.database["buckets"].find_one({"_id": bucket}) == before


async def test_a_dry_run_tells_what_would_stop_and_stops_nothing(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    path = f"/v1/buckets/{bucket}/actions?dry_run=true"
    answer = await http.post(path, json={"kind": "cancel"}, headers={"idempotency-key": "c1"})
    assert (answer.status_code, answer.json()["counts"]["eligible"], answer.json()["id"]) == (200, 3, None)
    assert (await http.get(f"/v1/buckets/{bucket}")).json()["status"] == "queued"


async def test_who_has_started_a_bucket_may_cancel_it_others_need_the_right(http: httpx.AsyncClient, api: Api) -> None:
    clerk = api.caller("t_one", "buckets:read", "buckets:write", subject="us_clerk")
    bucket = await running(clerk, api)
    colleague = api.caller("t_one", "buckets:read", "buckets:write", subject="us_other")
    refused = await cancel(colleague, bucket)
    assert (refused.status_code, refused.json()["required_scope"]) == (403, "buckets:cancel")
    assert (await cancel(clerk, bucket)).status_code == 202


async def test_other_kinds_are_not_known(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    refused = await cancel(http, bucket, kind="report")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "unknown_value")
    assert (await http.get(f"/v1/buckets/{bucket}/actions/ac_none")).status_code == 404


async def test_a_cancel_takes_no_filter(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    for more in ({"filter": {"states": ["queued"]}}, {"all": True}, {"preview": f"sha256:{'0' * 64}"}):
        refused = await cancel(http, bucket, **more)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed"), more
