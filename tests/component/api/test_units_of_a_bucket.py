"""What is told of the units of a bucket: one by one, filtered, in groups, with their attempts."""

import base64
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from bucket_api.buckets import attempts
from bucket_api.buckets.units import STATE_CODES
from bucket_api.scope import TenantScope

from tests.component.api.conftest import Api
from tests.component.api.firm import ONLY_2B, firm_of, started
from tests.component.api.mixed_bucket import BOTH, ended, mixed, units_of
from tests.support import played_aggregator as aggregator
from tests.support.played_aggregator import failed, retry, succeeded


async def test_units_say_state_reason_owner_and_next_action(http: httpx.AsyncClient, api: Api) -> None:
    units = {(u["row"], u["column"]): u for u in await units_of(http, await mixed(http, api))}
    asked = units[1, 1]
    assert (asked["state"], asked["reason"]["code"]) == ("needs_action", "otp_required")
    assert (asked["reason"]["owner"], asked["reason"]["action"]) == ("taxpayer", "request_otp")
    broken = units[1, 2]
    assert (broken["reason"]["code"], broken["reason"]["detail"]) == ("totals_mismatch", {"portal_code": "RET13505"})
    again = units[2, 1]
    assert (again["state"], again["counted_failures"], again["attempts_max"]) == ("retrying", 1, 5)
    assert again["next_at"] == "2026-11-23T07:47:40.000Z"
    assert (units[0, 0]["data"]["rows"], units[0, 0]["reason"], units[0, 0]["outcome"]) == (3, None, "changed")
    assert units[0, 2]["reason"]["code"] == "not_yet"
    assert units[2, 0]["reason"]["code"] == "rate_limited"


async def test_a_unit_whose_retries_are_used_up_keeps_the_last_reason(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    bucket = (await started(http, ONLY_2B))["id"]
    for attempt in range(1, 6):
        await aggregator.apply(api.database, bucket, {(0, 0): retry("PORTAL_ERROR", attempt, counted=True)})
    (unit,) = await units_of(http, bucket)
    assert (unit["state"], unit["reason"]["code"]) == ("failed", "retries_exhausted")
    assert unit["reason"]["detail"] == {"last_reason": "portal_error"}


async def test_units_can_be_filtered(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await mixed(http, api)
    for params, count in (
        ({"state": ["failed", "needs_action"]}, 2),
        ({"state": "done", "outcome": "empty"}, 1),
        ({"module": "gstr2b"}, 3),
        ({"reason": "otp_required"}, 1),
        ({"owner": "portal"}, 2),
        ({"client_id": "c_one_2", "module": "notices"}, 1),
    ):
        assert len(await units_of(http, bucket, **params)) == count, params
    wrong = await http.get(f"/v1/buckets/{bucket}/units", params={"state": "odd"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_request")


async def test_the_gap_list_is_as_long_as_the_gap_counter(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api)
    gaps = (await http.get(f"/v1/buckets/{bucket}/gaps")).json()
    told = (await http.get(f"/v1/buckets/{bucket}")).json()
    assert gaps["total_size"] == len(gaps["items"]) == told["counters"]["gaps"] == 2
    assert gaps["summary_by_owner"] == {"taxpayer": 1, "portal": 1}


async def test_groups_gather_gaps_by_reason(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 5)
    bucket = (await started(http, BOTH))["id"]
    facts = {(ci, mi): failed("OTP_REQUIRED") for ci in range(3) for mi in (0, 2)} | {(4, 1): failed("UNKNOWN")}
    await aggregator.apply(api.database, bucket, facts)
    groups = (await http.get(f"/v1/buckets/{bucket}/groups")).json()["items"]
    assert [(g["reason"], g["units"], g["clients"], g["action"]) for g in groups] == [
        ("otp_required", 6, 3, "request_otp"),
        ("unknown", 1, 1, "report"),
    ]
    assert {row["module"]: row["units"] for row in groups[0]["modules"]} == {"notices": 3, "gstr2b": 3}


async def test_cells_of_the_snapshot_equal_its_counters_and_the_units(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await mixed(http, api)
    snapshot = (await http.get(f"/v1/buckets/{bucket}/snapshot")).json()
    cells = base64.b64decode(snapshot["cells"])
    units = await units_of(http, bucket)
    assert [STATE_CODES[cell & 15] for cell in cells] == [unit["state"] for unit in units]
    assert snapshot["counters"]["done"] == sum(cell & 15 == STATE_CODES.index("done") for cell in cells)
    accept = {"accept": "application/vnd.sync-bucket.cells"}
    binary = (await http.get(f"/v1/buckets/{bucket}/snapshot", headers=accept)).content
    length = struct.unpack("<I", binary[4:8])[0]
    header = msgspec.json.decode(binary[8 : 8 + length])
    assert (binary[:4], binary[8 + length :]) == (b"SBC1", cells)
    assert header["counters"] == snapshot["counters"]


async def test_pages_of_units_are_those_of_the_first_page_whatever_changes_meanwhile(
    http: httpx.AsyncClient, api: Api
) -> None:
    await firm_of(api.database, 230)
    bucket = (await started(http, BOTH))["id"]
    params: dict[str, Any] = {"page_size": 70, "state": "queued"}
    seen, token, version = [], None, None
    while True:
        page = (
            await http.get(f"/v1/buckets/{bucket}/units", params=params | ({"page_token": token} if token else {}))
        ).json()
        version = version or page["version"]
        assert (page["total_size"], page["version"]) == (690, version)
        seen += [(unit["id"], unit["state"]) for unit in page["items"]]
        token = page["next_page_token"]
        if token is None:
            break
        number = len(seen) // 70
        await aggregator.apply(api.database, bucket, {(number, 0): succeeded(), (number, 1): failed("UNKNOWN")}, page=1)
    assert len(seen) == len(set(seen)) == 690
    assert {state for _, state in seen} == {"queued"}


async def test_a_token_of_another_list_or_too_old_is_refused(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 5)
    bucket = (await started(http, BOTH))["id"]
    path = f"/v1/buckets/{bucket}/units"
    token = (await http.get(path, params={"page_size": 2})).json()["next_page_token"]
    for other, params in ((path, {"state": "done"}), (f"/v1/buckets/{bucket}/gaps", {}), ("/v1/clients", {})):
        refused = await http.get(other, params={**params, "page_token": token})
        assert (refused.status_code, refused.json()["code"]) == (400, "page_token_mismatch")
    for broken in ("x", "!!!", "a" * 300, token[:-3]):
        assert (await http.get(path, params={"page_token": broken})).status_code == 400
    api.clock.forward(timedelta(minutes=11))
    refused = await http.get(path, params={"page_size": 2, "page_token": token})
    assert (refused.status_code, refused.json()["code"]) == (410, "page_token_expired")


async def test_one_unit_tells_what_is_stored_of_its_data(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await mixed(http, api)
    await api.database["datasets"].insert_one(
        {
            "_id": "t_one:c_one_1:gstr2b:2026-10",
            "tenant_id": "t_one",
            "client": "c_one_1",
            "fetched_at": datetime(2026, 11, 30, tzinfo=UTC),
            "rows": 118,
            "sections": {"kept": 10, "expected": 11, "missing": ["cdnr"]},
            "delta": {"added": 1, "updated": 0, "removed": 0},
            "obs": {"code": "NOT_YET", "detail": {"available_from": "2026-11-14"}},
        }
    )
    unit = (await http.get(f"/v1/buckets/{bucket}/units/u_0_2")).json()
    assert unit["data"] == {
        "rows": 118,
        "as_of": "2026-11-30T00:00:00.000Z",
        "changed": {"added": 1, "updated": 0, "removed": 0},
        "sections": {"kept": 10, "expected": 11, "missing": ["cdnr"]},
    }
    assert unit["newer_data_stored"] is True
    assert unit["reason"]["detail"] == {"available_from": "2026-11-14"}
    for unknown in ("u_9_0", "u_0_9", "u_x", "u_00_1"):
        assert (await http.get(f"/v1/buckets/{bucket}/units/{unknown}")).status_code == 404


async def test_attempts_are_told_once_each(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await mixed(http, api)
    first = [1, 1, 1, "PORTAL_ERROR", True, aggregator.NOW_MS, 5, 800, 2, 500, "RET1", None]
    second = [
        1,
        1,
        2,
        "OTP_REQUIRED",
        False,
        aggregator.NOW_MS + 5,
        5,
        80,
        1,
        200,
        None,
        f"00-{'ab' * 16}-{'cd' * 8}-01",
    ]
    other = [0, 1, 1, None, False, aggregator.NOW_MS, 0, 0, 0, 0, None, None]
    rows = [
        {"b": bucket, "p": 0, "u": [second, other]},
        {"b": bucket, "p": 0, "u": [first]},
        {"b": bucket, "p": 0, "u": [first]},
    ]
    await api.database["attempts"].insert_many(rows)
    items = (await http.get(f"/v1/buckets/{bucket}/units/u_1_1/attempts")).json()["items"]
    assert [(a["attempt"], a["answer"], a["counted"], a["portal_code"]) for a in items] == [
        (1, "PORTAL_ERROR", True, "RET1"),
        (2, "OTP_REQUIRED", False, None),
    ]
    assert items[1]["trace_id"] == "ab" * 16


async def test_attempts_of_a_unit_are_found_among_those_of_a_busy_page(
    http: httpx.AsyncClient, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MAX_DOCUMENTS", 2)
    bucket = await mixed(http, api)
    rest = ["PORTAL_ERROR", True, aggregator.NOW_MS, 5, 800, 2, 500, None, None]
    rows = [{"b": bucket, "p": 0, "u": [[0, 1, n, *rest]]} for n in range(9)]
    await api.database["attempts"].insert_many(
        [*rows, {"b": bucket, "p": 0, "u": [[0, 0, 1, *rest], [1, 1, 1, *rest]]}]
    )
    items = (await http.get(f"/v1/buckets/{bucket}/units/u_1_1/attempts")).json()["items"]
    assert [item["attempt"] for item in items] == [1]


async def test_numbers_and_attempts_are_those_of_the_own_buckets_only(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await mixed(http, api)
    rest = ["PORTAL_ERROR", True, aggregator.NOW_MS, 5, 800, 2, 500, None, None]
    await api.database["attempts"].insert_one({"b": bucket, "p": 0, "u": [[1, 1, 1, *rest]]})
    own, foreign = TenantScope("t_one"), TenantScope("t_two")
    services = api.app.state.services
    assert await services.attempts.of(own, bucket, 0, 1, 1)
    assert await services.attempts.of(foreign, bucket, 0, 1, 1) == []
    assert await services.buckets.views(own, bucket)
    assert await services.buckets.views(foreign, bucket) == []
