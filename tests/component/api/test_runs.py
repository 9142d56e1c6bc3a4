"""Runs and results over HTTP: what each came to, page by page, for its tenant only."""

from typing import Any

import httpx

from tests.component.api.conftest import Api
from tests.component.api.firm import ONLY_2B, firm_of, started
from tests.support import played_aggregator as aggregator
from tests.support.played_aggregator import failed, succeeded


async def retried(http: httpx.AsyncClient, api: Api, size: int = 5) -> tuple[str, dict[str, Any]]:
    """A bucket all of whose units failed, and the retry of all but the first."""
    await firm_of(api.database, size)
    bucket: str = (await started(http, ONLY_2B))["id"]
    await aggregator.everywhere(api.database, bucket, failed("TOTALS_MISMATCH"))
    await aggregator.complete(api.database, bucket)
    units = [f"u_{row}_0" for row in range(1, size)]
    body = {"kind": "retry", "filter": {"unit_ids": units}, "note": "again"}
    answer = await http.post(f"/v1/buckets/{bucket}/actions", json=body, headers={"idempotency-key": "r"})
    assert answer.status_code == 202
    return bucket, answer.json()


async def pages(http: httpx.AsyncClient, path: str, size: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token: str | None = None
    for _ in range(20):
        more = {"page_token": token} if token else {}
        page = (await http.get(path, params={"page_size": size, **more})).json()
        found += page["items"]
        token = page["next_page_token"]
        if token is None:
            return found
    raise AssertionError("the list did not end")


async def test_runs_are_told_oldest_first_the_open_one_with_the_numbers_of_now(
    http: httpx.AsyncClient, api: Api
) -> None:
    bucket, action = await retried(http, api)
    first, second = await pages(http, f"/v1/buckets/{bucket}/runs", 1)
    assert (first["run"], first["kind"], first["verdict"], first["counters"]["failed"]) == (1, "start", "failed", 5)
    assert (second["run"], second["units"], second["verdict"], second["ended_at"]) == (2, 4, None, None)
    assert (second["action_id"], second["created_by"]) == (action["id"], "us_administrator")
    assert second["filter"] == {"unit_ids": [f"u_{row}_0" for row in range(1, 5)]}
    assert (await http.get(f"/v1/buckets/{bucket}/runs/2")).json() == second


async def test_f02_a5_the_first_run_is_told_unchanged_when_the_second_has_ended(
    http: httpx.AsyncClient, api: Api
) -> None:
    bucket, _ = await retried(http, api)
    before = (await http.get(f"/v1/buckets/{bucket}/runs/1")).json()
    await aggregator.carry(api.database, bucket)
    await aggregator.everywhere(api.database, bucket, succeeded(1001))
    await aggregator.complete(api.database, bucket)
    assert (await http.get(f"/v1/buckets/{bucket}/runs/1")).json() == before
    second = (await http.get(f"/v1/buckets/{bucket}/runs/2")).json()
    assert (second["verdict"], second["counters"]["done"], second["counters"]["failed"]) == ("complete_with_gaps", 4, 1)
    told = (await http.get(f"/v1/buckets/{bucket}")).json()
    assert (told["counters"], [run["status"] for run in told["runs"]]) == (
        second["counters"], ["failed", "complete_with_gaps"],
    )  # fmt: skip


async def test_a_run_that_is_not_there_is_said(http: httpx.AsyncClient, api: Api) -> None:
    bucket, _ = await retried(http, api)
    assert (await http.get(f"/v1/buckets/{bucket}/runs/3")).json()["code"] == "not_found"
    for wrong in ("0", "501", "two"):
        assert (await http.get(f"/v1/buckets/{bucket}/runs/{wrong}")).json()["code"] == "invalid_request"


async def test_results_of_a_retry_are_its_units_each_once_however_they_change(
    http: httpx.AsyncClient, api: Api
) -> None:
    bucket, action = await retried(http, api)
    path = f"/v1/buckets/{bucket}/actions/{action['id']}/results"
    before = await pages(http, path, 10)
    assert [result["unit_id"] for result in before] == ["u_1_0", "u_2_0", "u_3_0", "u_4_0"]
    assert {(result["state"], result["reason"]) for result in before} == {("failed", "totals_mismatch")}
    await aggregator.carry(api.database, bucket)
    first = (await http.get(path, params={"page_size": 3})).json()
    await aggregator.everywhere(api.database, bucket, succeeded(1001))
    rest = (await http.get(path, params={"page_size": 3, "page_token": first["next_page_token"]})).json()
    listed = first["items"] + rest["items"]
    assert [result["unit_id"] for result in listed] == ["u_1_0", "u_2_0", "u_3_0", "u_4_0"]
    assert {result["state"] for result in listed} == {"queued"}
    assert (first["total_size"], first["version"]) == (4, rest["version"])
    assert {(result["state"], result["run"]) for result in await pages(http, path, 10)} == {("done", 2)}


async def test_results_are_gone_with_the_details_the_action_stays(http: httpx.AsyncClient, api: Api) -> None:
    bucket, action = await retried(http, api)
    await api.database["buckets"].update_one({"_id": bucket}, {"$set": {"pages_purged_at": 1}})
    path = f"/v1/buckets/{bucket}/actions/{action['id']}"
    assert (await http.get(f"{path}/results")).json()["code"] == "expired"
    assert (await http.get(path)).json()["counts"]["eligible"] == 4


async def test_runs_and_results_belong_to_their_tenant(http: httpx.AsyncClient, api: Api) -> None:
    bucket, action = await retried(http, api)
    stranger = api.caller("t_two")
    for path in ("runs", "runs/1", "actions", f"actions/{action['id']}", f"actions/{action['id']}/results"):
        assert (await stranger.get(f"/v1/buckets/{bucket}/{path}")).status_code == 404, path
    unknown = await http.get(f"/v1/buckets/{bucket}/actions/ac_none/results")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


async def test_a_token_of_one_action_is_none_of_another(http: httpx.AsyncClient, api: Api) -> None:
    bucket, action = await retried(http, api)
    path = f"/v1/buckets/{bucket}/actions"
    cancel = await http.post(path, json={"kind": "cancel"}, headers={"idempotency-key": "c"})
    first = (await http.get(f"{path}/{action['id']}/results", params={"page_size": 1})).json()
    other = await http.get(
        f"{path}/{cancel.json()['id']}/results", params={"page_token": first["next_page_token"], "page_size": 1}
    )
    assert (other.status_code, other.json()["code"]) == (400, "page_token_mismatch")
