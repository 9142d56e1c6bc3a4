"""What is told of a bucket while it runs and when it has ended: one truth in every answer."""

import base64
import hashlib
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
from tests.component.api.firm import ONLY_2B, add_clients, client_document, firm_of, start, started
from tests.support import played_aggregator as aggregator
from tests.support.played_aggregator import failed, retry, succeeded

BOTH = {"selection": {"all": True}, "presets": ["only_2b", "notice_return_register"]}
MIXED = {
    (0, 0): succeeded(rows=3),
    (0, 1): succeeded(code="UNCHANGED", rows=7),
    (0, 2): succeeded(code="NOT_YET", rows=None),
    (1, 0): succeeded(code="EMPTY", rows=0),
    (1, 1): failed("OTP_REQUIRED"),
    (1, 2): failed("TOTALS_MISMATCH", pcode="RET13505"),
    (2, 0): retry("RATE_LIMITED", counted=False),
    (2, 1): retry("PORTAL_ERROR", counted=True),
}


async def mixed(http: httpx.AsyncClient, api: Api) -> str:
    """A bucket of three clients with a unit in nearly every state."""
    await firm_of(api.database, 3)
    bucket = await started(http, BOTH)
    await aggregator.apply(api.database, bucket["id"], MIXED)
    identity: str = bucket["id"]
    return identity


async def ended(http: httpx.AsyncClient, api: Api) -> str:
    bucket = await mixed(http, api)
    await aggregator.everywhere(api.database, bucket, succeeded(attempt=2))
    await aggregator.complete(api.database, bucket)
    return bucket


async def units_of(http: httpx.AsyncClient, bucket: str, **params: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await http.get(f"/v1/buckets/{bucket}/units", params=params)).json()["items"]
    return items


async def test_a_fresh_read_recounts_from_the_pages(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await mixed(http, api)
    stale = (await http.get(f"/v1/buckets/{bucket}")).json()
    fresh = (await http.get(f"/v1/buckets/{bucket}", params={"fresh": "true"})).json()
    assert stale["counters"]["queued"] == 9
    counters = fresh["counters"]
    assert {name: count for name, count in counters.items() if count and name != "done_by_outcome"} == {
        "total": 9,
        "queued": 1,
        "waiting": 1,
        "retrying": 1,
        "done": 3,
        "not_available": 1,
        "needs_action": 1,
        "failed": 1,
        "gaps": 2,
        "final": 6,
    }
    assert counters["done_by_outcome"] == {"changed": 1, "unchanged": 1, "empty": 1}
    assert fresh["version"] > stale["version"]
    assert sum(counters[state] for state in STATE_CODES) == counters["total"]


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


async def test_the_statement_is_recounted_from_storage_and_adds_up(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api)
    stored = [("c_one_1", "notices", "-", "aa", 3), ("c_one_1", "return_register", "2026-27", "bb", 7)]
    stored += [("c_one_3", "return_register", "2026-27", "cc", 10), ("c_two_1", "notices", "-", "dd", 1)]
    for client, module, period, sha, rows in stored:
        await api.database["datasets"].insert_one(
            {
                "_id": f"t_one:{client}:{module}:{period}",
                "tenant_id": "t_one",
                "client": client,
                "sha256": sha,
                "rows": rows,
                "fetched_at": datetime(2026, 11, 23, tzinfo=UTC),
                "totals": {"taxable": {"ours": f"{rows}.10", "portal": f"{rows}.10"}},
            }
        )
    statement = (await http.get(f"/v1/buckets/{bucket}/statement")).json()
    verification = statement["verification"]
    assert statement["verdict"] == "complete_with_gaps"
    assert (verification["expected"], verification["final"], verification["agrees"]) == (9, 9, True)
    parts = ("with_data", "not_available", "gaps", "not_applicable")
    assert [verification[part] for part in parts] == [6, 1, 2, 0]
    assert sum(verification[part] for part in parts) == verification["expected"]
    register = next(m for m in statement["modules"] if m["module"] == "return_register")
    assert register["sha256"] == hashlib.sha256(b"bbcc").hexdigest()
    assert (register["obtained"], register["rows"]) == ({"changed": 1, "unchanged": 1, "empty": 0}, 17)
    assert [(t["module"], t["total"], t["ours"], t["portal"], t["agrees"]) for t in statement["control_totals"]] == [
        ("notices", "taxable", "3.10", "3.10", True),
        ("return_register", "taxable", "17.20", "17.20", True),
    ]
    assert {check["check"]: (check["units"], check["mismatches"]) for check in verification["checks"]} == {
        "row_totals": (6, 1),
        "identity": (6, 0),
        "file_hash": (0, 0),
    }
    assert [(row["reason"], row["owner"], row["action"]) for row in statement["gaps"]] == [
        ("otp_required", "taxpayer", "request_otp"),
        ("totals_mismatch", "portal", "retry"),
    ]
    told = (await http.get(f"/v1/buckets/{bucket}")).json()
    assert statement["trace_id"] == told["trace_id"]
    assert {**told["verification"], "checks": None, "agrees": None} == {**verification, "checks": None, "agrees": None}


async def test_a_differing_total_is_told_and_spoils_the_agreement(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api)
    totals = {"taxable": {"ours": "3.10", "portal": "3.11"}}
    document = {"_id": "t_one:c_one_1:notices:-", "tenant_id": "t_one", "client": "c_one_1", "totals": totals}
    await api.database["datasets"].insert_one(document)
    statement = (await http.get(f"/v1/buckets/{bucket}/statement")).json()
    assert statement["verification"]["agrees"] is False
    assert statement["control_totals"][0]["agrees"] is False


async def test_there_is_no_statement_while_the_bucket_runs(http: httpx.AsyncClient, api: Api) -> None:
    refused = await http.get(f"/v1/buckets/{await mixed(http, api)}/statement")
    assert (refused.status_code, refused.json()["code"]) == (409, "bucket_running")


async def test_a_bucket_with_one_gap_is_never_complete(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 3)
    bucket = (await started(http, ONLY_2B))["id"]
    await aggregator.apply(api.database, bucket, {(1, 0): failed("UNKNOWN")})
    await aggregator.everywhere(api.database, bucket, succeeded())
    await aggregator.complete(api.database, bucket)
    told = (await http.get(f"/v1/buckets/{bucket}")).json()
    assert (told["status"], told["verdict"]) == ("complete_with_gaps", "complete_with_gaps")
    assert told["runs"][0]["status"] == "complete_with_gaps"


async def test_nothing_but_units_that_do_not_apply_and_a_gap_is_a_failure(http: httpx.AsyncClient, api: Api) -> None:
    documents = [client_document("t_one", 1), client_document("t_one", 2, filing_frequency="composition")]
    await add_clients(api.database, documents)
    bucket = (await started(http, ONLY_2B))["id"]
    await aggregator.everywhere(api.database, bucket, failed("UNKNOWN"))
    await aggregator.complete(api.database, bucket)
    assert (await http.get(f"/v1/buckets/{bucket}")).json()["verdict"] == "failed"


async def test_not_changed_is_answered_without_a_body(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 2)
    bucket = (await started(http, ONLY_2B))["id"]
    etag = (await http.get(f"/v1/buckets/{bucket}")).headers["etag"]
    same = await http.get(f"/v1/buckets/{bucket}", headers={"if-none-match": etag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    await aggregator.apply(api.database, bucket, {(0, 0): succeeded()})
    changed = await http.get(f"/v1/buckets/{bucket}?fresh=true", headers={"if-none-match": etag})
    assert changed.status_code == 200


async def test_buckets_are_listed_newest_first_and_by_status(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 5)
    ids = []
    for n in range(1, 6):
        api.clock.forward(timedelta(seconds=1))
        ids.append((await started(http, {"selection": {"add": [f"c_one_{n}"]}, "presets": ["only_2b"]}, f"k{n}"))["id"])
    await aggregator.everywhere(api.database, ids[2], succeeded())
    await aggregator.complete(api.database, ids[2])
    listed, params = [], {"page_size": "2"}
    while True:
        page = (await http.get("/v1/buckets", params=params)).json()
        assert page["total_size"] == 5
        listed += [bucket["id"] for bucket in page["items"]]
        if page["next_page_token"] is None:
            break
        params["page_token"] = page["next_page_token"]
    assert listed == ids[::-1]
    running = (await http.get("/v1/buckets", params={"status": "running"})).json()
    assert [bucket["id"] for bucket in running["items"]] == [i for i in ids[::-1] if i != ids[2]]
    assert (await http.get("/v1/buckets", params={"status": ["complete", "failed"]})).json()["total_size"] == 1
    await http.post(f"/v1/buckets/{ids[0]}/actions", json={"kind": "cancel"}, headers={"idempotency-key": "c"})
    assert (await http.get("/v1/buckets", params={"status": "running"})).json()["total_size"] == 3
    assert (await http.get("/v1/buckets", params={"status": "cancelling"})).json()["total_size"] == 1
    mine = await api.caller("t_one", subject="us_other").get("/v1/buckets", params={"created_by": "me"})
    assert mine.json()["total_size"] == 0


async def test_a_replayed_start_of_an_ended_bucket_tells_its_end(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api)
    again = await start(http, BOTH)
    assert (again.json()["id"], again.json()["verdict"]) == (bucket, "complete_with_gaps")


async def test_a_bucket_whose_details_are_gone_still_tells_its_end(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api)
    before = (await http.get(f"/v1/buckets/{bucket}")).json()
    await api.database["buckets"].update_one({"_id": bucket}, {"$set": {"pages_purged_at": aggregator.NOW_MS}})
    await api.database["bucket_pages"].delete_many({})
    after = (await http.get(f"/v1/buckets/{bucket}", params={"fresh": "true"})).json()
    assert (after["counters"], after["verdict"]) == (before["counters"], before["verdict"])
    assert after["details_purged_at"] == "2026-11-23T07:46:40.000Z"
    for details in ("units", "gaps", "groups", "snapshot", "statement", "units/u_0_0", "units/u_0_0/attempts"):
        gone = await http.get(f"/v1/buckets/{bucket}/{details}")
        assert (gone.status_code, gone.json()["code"]) == (410, "expired"), details


async def test_the_snapshot_of_fifty_thousand_units_is_small(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 10_000)
    months = {"rule": "months", "months": ["2026-08", "2026-09", "2026-10"]}
    bucket = (await started(http, {**BOTH, "period": months}))["id"]
    path = f"/v1/buckets/{bucket}/snapshot"
    headers = {"accept": "application/vnd.sync-bucket.cells", "accept-encoding": "gzip"}
    async with http.stream("GET", path, headers=headers) as answer:
        packed = sum([len(piece) async for piece in answer.aiter_raw()])
        assert answer.headers["content-encoding"] == "gzip"
    assert packed <= 15_000
