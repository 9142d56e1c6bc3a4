"""What is told of a bucket while it runs and when it has ended: one truth in every answer."""

import hashlib
from datetime import UTC, datetime, timedelta

import httpx
from bucket_api.buckets.units import STATE_CODES

from tests.component.api.conftest import Api
from tests.component.api.firm import ONLY_2B, add_clients, client_document, firm_of, start, started
from tests.component.api.mixed_bucket import BOTH, ended, mixed
from tests.support import played_aggregator as aggregator
from tests.support.played_aggregator import failed, succeeded


async def test_f31_a2_a_bucket_tells_its_end_or_why_it_cannot_and_its_place_before_it_begins(
    http: httpx.AsyncClient, api: Api
) -> None:
    await firm_of(api.database, 4)
    first = (await started(http, ONLY_2B))["id"]
    api.clock.forward(timedelta(seconds=10))
    second = (await started(http, {**ONLY_2B, "presets": ["notice_return_register"]}, "k2"))["id"]
    waiting = (await http.get(f"/v1/buckets/{second}")).json()
    assert (waiting["eta"], waiting["eta_unknown"]) == (None, "queued")
    assert waiting["queue"] == {"position": 2, "starts_in_s": None, "limited_by": "none"}
    await aggregator.apply(api.database, first, {(0, 0): succeeded(), (1, 0): succeeded()})
    api.clock.forward(timedelta(seconds=10))

    told = (await http.get(f"/v1/buckets/{first}", params={"fresh": "true"})).json()

    assert (told["eta_unknown"], told["queue"]) == (None, None)
    assert told["eta"] == {
        "from": told["eta"]["to"], "to": "2026-11-23T05:30:40.000Z", "limited_by": "none", "confidence": None,
    }  # fmt: skip
    listed = (await http.get("/v1/buckets")).json()["items"]
    assert {bucket["eta_unknown"] for bucket in listed} == {"not_asked"}


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
