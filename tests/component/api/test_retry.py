"""Retry over HTTP: exactly the eligible units, once for a key, and a definite word about all the others."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.component.api.conftest import Api
from tests.component.api.firm import ONLY_2B, firm_of, start, started
from tests.support import played_aggregator as aggregator
from tests.support.played_aggregator import failed, succeeded


async def running(http: httpx.AsyncClient, api: Api, size: int = 3) -> str:
    await firm_of(api.database, size)
    identity: str = (await started(http, ONLY_2B))["id"]
    return identity


async def ended(http: httpx.AsyncClient, api: Api, *codes: str) -> str:
    """A bucket with one unit per code that has ended."""
    bucket = await running(http, api, len(codes))
    facts = {(ci, 0): succeeded() if code == "OK" else failed(code) for ci, code in enumerate(codes)}
    await aggregator.apply(api.database, bucket, facts)
    await aggregator.complete(api.database, bucket)
    return bucket


async def retry(
    http: httpx.AsyncClient, bucket: str, key: str = "r1", *, dry_run: bool = False, **body: Any
) -> httpx.Response:
    path = f"/v1/buckets/{bucket}/actions" + ("?dry_run=true" if dry_run else "")
    body = {"kind": "retry", **(body or {"all": True})}
    return await http.post(path, json=body, headers={"idempotency-key": key})


async def stored(api: Api, bucket: str) -> dict[str, Any]:
    found = await api.database["buckets"].find_one({"_id": bucket})
    assert found is not None
    return found


def left(answer: httpx.Response) -> dict[str, int]:
    return {row["code"]: row["units"] for row in answer.json()["ineligible_by_reason"]}


async def test_f16_a1_a_retry_adds_a_run_with_exactly_the_eligible_units(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api, "OK", "TOTALS_MISMATCH", "REQUEST_REJECTED", "SECTION_MISSING")

    answer = await retry(http, bucket, filter={"states": ["failed", "done"]}, note="portal is back")

    action = answer.json()
    assert (answer.status_code, action["run"], action["state"]) == (202, 2, "running")
    assert action["counts"] == {
        "matched": 4, "eligible": 2, "ineligible": 2, "attempted": 0, "succeeded": 0, "failed": 0,
    }  # fmt: skip
    assert left(answer) == {"already_done": 1, "never_retryable": 1}
    document = await stored(api, bucket)
    assert document["retries"][0]["sel"] == {"0": b"\x0a"}
    assert (document["round"], document["status"], document["active"], document["control"]) == (
        1,
        "RUNNING",
        True,
        "RUN",
    )
    assert "purge_at" not in document
    told = (await http.get(f"/v1/buckets/{bucket}")).json()
    assert (told["status"], told["verdict"], [run["kind"] for run in told["runs"]]) == (
        "running",
        None,
        ["start", "retry"],
    )


async def test_f16_a1_only_selected_units_run_again_and_the_action_tells_what_came_of_them(
    http: httpx.AsyncClient, api: Api
) -> None:
    bucket = await ended(http, api, "OK", "TOTALS_MISMATCH", "SECTION_MISSING")
    location = (await retry(http, bucket)).headers["location"]
    await aggregator.carry(api.database, bucket)
    await aggregator.apply(api.database, bucket, {(1, 0): succeeded(1001)})
    halfway = (await http.get(location)).json()
    assert (halfway["done"], halfway["counts"]["attempted"], halfway["counts"]["succeeded"]) == (False, 1, 1)
    await aggregator.apply(api.database, bucket, {(2, 0): failed("SECTION_MISSING", 1001)})
    await aggregator.complete(api.database, bucket)
    done = (await http.get(location)).json()
    counts = done["counts"]
    assert (done["done"], counts["attempted"], counts["succeeded"], counts["failed"]) == (True, 2, 1, 1)
    assert (await http.get(f"/v1/buckets/{bucket}")).json()["verdict"] == "complete_with_gaps"


async def test_a_dry_run_tells_the_same_and_stores_nothing(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api, "OK", "TOTALS_MISMATCH")
    before = await stored(api, bucket)
    answer = await retry(http, bucket, dry_run=True)
    assert (answer.status_code, answer.json()["counts"]["eligible"], answer.json()["estimate"]) == (
        200,
        1,
        {"calls": 2, "seconds": None, "basis": "rate_unknown"},
    )
    assert await stored(api, bucket) == before
    done = await retry(http, bucket, all=True, preview=answer.json()["preview"])
    assert (done.status_code, done.json()["preview"]) == (202, answer.json()["preview"])


async def test_a_dry_run_tells_how_long_its_calls_take_by_the_lines_rate_and_the_firms_part_of_it(
    http: httpx.AsyncClient, api: Api
) -> None:
    bucket = await ended(http, api, "OK", "TOTALS_MISMATCH")
    line = (await stored(api, bucket))["line_id"]
    await api.database["upstreams"].insert_one({"_id": line, "rate": 0.25, "rate_max": 0.25, "burst": 1.0})
    alone = (await retry(http, bucket, dry_run=True)).json()["estimate"]
    assert alone == {"calls": 2, "seconds": 8, "basis": "whole_line"}
    share = {"_id": f"t_one:{line}", "tenant_id": "t_one", "line_id": line, "share": 0.5, "at": api.clock()}
    await api.database["line_shares"].insert_one(share)
    beside_another = (await retry(http, bucket, dry_run=True)).json()["estimate"]
    assert beside_another == {"calls": 2, "seconds": 16, "basis": "your_share"}
    closed = {"closed_until": api.clock() + timedelta(seconds=60), "reason": "errors"}
    await api.database["upstreams"].update_one({"_id": line}, {"$set": closed})
    assert (await retry(http, bucket, dry_run=True)).json()["estimate"]["seconds"] == 76


async def test_f08_a4_a_unit_whose_data_is_inside_its_cool_down_runs_again_only_by_force(
    http: httpx.AsyncClient, api: Api
) -> None:
    bucket = await ended(http, api, "TOTALS_MISMATCH", "SECTION_MISSING")
    document = await stored(api, bucket)
    (column,) = document["columns"]
    page = await api.database["bucket_pages"].find_one({"b": bucket})
    assert page is not None
    client = page["c"][0]["id"]
    data = {"client": client, "module": column["module"], "period": column["period"], "tenant_id": "t_one"}
    await api.database["datasets"].insert_one({"_id": "fresh", **data, "fetched_at": api.clock()})
    seen = await retry(http, bucket, dry_run=True)
    assert (left(seen), seen.json()["counts"]["eligible"]) == ({"cooldown": 1}, 1)
    forced = await retry(http, bucket, all=True, force=True)
    assert (forced.status_code, left(forced), forced.json()["force"]) == (202, {}, True)
    assert (await stored(api, bucket))["forced"] == 1, "workers obey it for this run"


async def test_f30_a3_results_list_also_what_was_not_taken_and_why(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api, "OK", "TOTALS_MISMATCH", "REQUEST_REJECTED")
    action = (await retry(http, bucket, filter={"modules": ["gstr2b"]})).json()
    path = f"/v1/buckets/{bucket}/actions/{action['id']}/results"

    results = (await http.get(path)).json()

    assert [(row["unit_id"], row["eligible"], row["ineligible_code"]) for row in results["items"]] == [
        ("u_0_0", False, "already_done"),
        ("u_1_0", True, None),
        ("u_2_0", False, "never_retryable"),
    ]
    assert results["total_size"] == action["counts"]["matched"]
    first = (await http.get(path, params={"page_size": 2})).json()
    second = (await http.get(path, params={"page_size": 2, "page_token": first["next_page_token"]})).json()
    assert [row["ineligible_code"] for row in second["items"]] == ["never_retryable"]


async def test_a_preview_that_is_not_true_any_more_is_refused(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    await aggregator.apply(api.database, bucket, {(0, 0): failed("TOTALS_MISMATCH")})
    preview = (await retry(http, bucket, dry_run=True)).json()["preview"]
    await aggregator.apply(api.database, bucket, {(1, 0): failed("TOTALS_MISMATCH")})
    refused = await retry(http, bucket, all=True, preview=preview)
    assert (refused.status_code, refused.json()["code"], refused.json()["retryable"]) == (409, "preview_stale", True)
    assert (await stored(api, bucket))["round"] == 0


async def test_a_retry_is_one_for_its_key_and_its_body(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api, "TOTALS_MISMATCH", "SECTION_MISSING")
    first = await retry(http, bucket, filter={"reasons": ["section_missing"]})
    replay = await retry(http, bucket, filter={"reasons": ["section_missing"]})
    other = await retry(http, bucket, filter={"reasons": ["totals_mismatch"]})
    control = await http.post(
        f"/v1/buckets/{bucket}/actions", json={"kind": "cancel"}, headers={"idempotency-key": "r1"}
    )
    assert (replay.status_code, replay.json()["id"], replay.headers["idempotent-replayed"]) == (
        202, first.json()["id"], "true",
    )  # fmt: skip
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (control.status_code, control.json()["code"]) == (422, "idempotency_key_reused")
    assert (await stored(api, bucket))["round"] == 1


async def test_f16_a3_units_that_are_not_final_are_left_and_the_run_shares_the_verdict(
    http: httpx.AsyncClient, api: Api
) -> None:
    bucket = await running(http, api, 3)
    await aggregator.apply(api.database, bucket, {(0, 0): failed("TOTALS_MISMATCH"), (1, 0): aggregator.began()})
    answer = await retry(http, bucket, filter={"modules": ["gstr2b"]})
    assert (answer.status_code, left(answer)) == (202, {"already_running": 1, "not_final": 1})
    await aggregator.carry(api.database, bucket)
    await aggregator.apply(api.database, bucket, {(0, 0): succeeded(1001), (1, 0): succeeded(1), (2, 0): succeeded(1)})
    await aggregator.complete(api.database, bucket)
    runs = (await http.get(f"/v1/buckets/{bucket}")).json()["runs"]
    assert [run["status"] for run in runs] == ["complete", "complete"]


async def test_what_an_earlier_retry_has_selected_is_not_selected_again(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api, "TOTALS_MISMATCH", "SECTION_MISSING")
    assert (await retry(http, bucket, "a", filter={"reasons": ["section_missing"]})).status_code == 202
    second = await retry(http, bucket, "b")
    assert (second.status_code, second.json()["counts"]["eligible"], left(second)) == (202, 1, {"not_final": 1})
    third = await retry(http, bucket, "c")
    assert (third.status_code, third.json()["code"]) == (422, "nothing_eligible")
    assert third.json()["ineligible_by_reason"] == [{"code": "not_final", "units": 2}]


async def test_f16_a2_a_unit_that_waits_for_a_person_is_eligible_only_after_the_act(
    http: httpx.AsyncClient, api: Api
) -> None:
    bucket = await ended(http, api, "OTP_REQUIRED", "TOTALS_MISMATCH")
    waiting = {"reasons": ["otp_required"]}
    refused = await retry(http, bucket, filter=waiting)
    assert (refused.status_code, refused.json()["code"], left(refused)) == (
        422, "nothing_eligible", {"action_outstanding": 1},
    )  # fmt: skip
    await log_in(api, 1)
    assert (await retry(http, bucket, filter=waiting)).json()["counts"]["eligible"] == 1


@pytest.mark.parametrize("code", ["ACCESS_DISABLED", "PASSWORD_EXPIRED", "ACCOUNT_LOCKED", "CONSENT_EXPIRED"])
async def test_f16_a2_a_session_from_before_the_refusal_shows_nothing(
    http: httpx.AsyncClient, api: Api, code: str
) -> None:
    bucket = await ended(http, api, code)
    await log_in(api, 1)
    assert left(await retry(http, bucket, dry_run=True)) == {"action_outstanding": 1}
    api.clock.forward(timedelta(hours=5))
    await accepted_otp(api, 1)
    assert (await retry(http, bucket, dry_run=True)).json()["counts"]["eligible"] == 1


@pytest.mark.parametrize("code", ["PASSWORD_EXPIRED", "ACCOUNT_LOCKED"])
async def test_f11_a4_what_a_person_said_to_have_mended_can_run_again(
    http: httpx.AsyncClient, api: Api, code: str
) -> None:
    bucket = await ended(http, api, code)
    other = {"PASSWORD_EXPIRED": "account_locked", "ACCOUNT_LOCKED": "password_expired"}[code]
    await log_in(api, 1)
    api.clock.forward(timedelta(hours=5))
    for reason, eligible in ((other, 0), (code.lower(), 1)):
        said = await http.post("/v1/clients/c_one_1/mended", json={"reason": reason})
        assert said.status_code == 204
        assert (await retry(http, bucket, dry_run=True)).json()["counts"]["eligible"] == eligible
    unknown = await http.post("/v1/clients/c_one_1/mended", json={"reason": "otp_required"})
    assert (unknown.status_code, unknown.json()["errors"][0]["code"]) == (422, "unknown_value")


async def test_f16_a2_a_wrong_user_name_needs_another_one_and_a_log_in(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api, "CREDENTIAL_INVALID")
    await log_in(api, 1)
    assert left(await retry(http, bucket, dry_run=True)) == {"action_outstanding": 1}
    api.clock.forward(timedelta(hours=5))
    await http.put("/v1/clients/c_one_1/credential", json={"username": "another"})
    assert left(await retry(http, bucket, dry_run=True)) == {"action_outstanding": 1}
    await log_in(api, 1)
    assert (await retry(http, bucket, dry_run=True)).json()["counts"]["eligible"] == 1


async def test_f11_a2_only_another_user_name_releases_the_log_in_guard_retrying_does_not(
    http: httpx.AsyncClient, api: Api
) -> None:
    bucket = await ended(http, api, "LOGIN_GUARD", "TOTALS_MISMATCH")
    guard = {"cred_ver": 1, "day": "2026-11-23", "failures": 2, "blocked": True}
    for number in (1, 2):
        await log_in(api, number, guard=guard)
    refused = await retry(http, bucket)
    assert (refused.json()["code"], left(refused)) == ("nothing_eligible", {"login_guard": 2})
    await http.put("/v1/clients/c_one_1/credential", json={"username": "another"})
    assert left(await retry(http, bucket, dry_run=True)) == {"action_outstanding": 1, "login_guard": 1}
    await log_in(api, 1, guard=guard)
    assert (await retry(http, bucket)).json()["counts"]["eligible"] == 1


async def test_units_of_a_client_that_is_not_active_are_left(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api, "TOTALS_MISMATCH")
    await api.database["clients"].update_one({"_id": "c_one_1"}, {"$set": {"status": "inactive"}})
    assert left(await retry(http, bucket, dry_run=True)) == {"action_outstanding": 1}


@pytest.mark.parametrize(
    "wanted",
    [
        {"states": ["failed"]},
        {"reasons": ["totals_mismatch"]},
        {"owners": ["portal"]},
        {"modules": ["gstr2b"], "reasons": ["totals_mismatch"]},
        {"columns": [0], "states": ["failed"]},
        {"client_ids": ["c_one_2"]},
        {"unit_ids": ["u_1_0"]},
        {"tags": ["south"]},
        {"q": "Client 00002"},
        {"q": "totals_mismatch"},
    ],
)
async def test_each_field_of_the_filter_selects(http: httpx.AsyncClient, api: Api, wanted: dict[str, Any]) -> None:
    bucket = await ended(http, api, "OK", "TOTALS_MISMATCH", "OTP_REQUIRED")
    await api.database["clients"].update_one({"_id": "c_one_2"}, {"$set": {"tags": ["south"]}})
    answer = await retry(http, bucket, dry_run=True, filter=wanted)
    assert (answer.json()["counts"]["eligible"], answer.json()["counts"]["matched"]) == (1, 1), answer.text


async def test_a_retry_says_which_units_it_means(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api, "TOTALS_MISMATCH")
    bodies: tuple[dict[str, Any], ...] = ({"filter": {}}, {"all": False}, {"filter": {"states": []}})
    for body in bodies:
        refused = await retry(http, bucket, **body)
        assert (refused.status_code, refused.json()["code"]) == (422, "filter_required"), body
    both = await retry(http, bucket, all=True, filter={"states": ["failed"]})
    assert (both.status_code, both.json()["code"]) == (422, "validation_failed")
    unknown = await retry(http, bucket, filter={"states": ["broken"]})
    assert (unknown.status_code, unknown.json()["errors"][0]["code"]) == (422, "unknown_value")


async def test_a_bucket_that_is_being_cancelled_takes_no_retry(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await running(http, api)
    await http.post(f"/v1/buckets/{bucket}/actions", json={"kind": "cancel"}, headers={"idempotency-key": "c"})
    refused = await retry(http, bucket)
    assert (refused.status_code, refused.json()["code"]) == (409, "bucket_cancelling")


async def test_a_bucket_whose_details_are_gone_takes_no_retry(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api, "TOTALS_MISMATCH")
    await api.database["buckets"].update_one({"_id": bucket}, {"$set": {"pages_purged_at": 1}})
    refused = await retry(http, bucket)
    assert (refused.status_code, refused.json()["code"]) == (410, "expired")


async def test_a_bucket_takes_ten_retries_that_are_not_taken_up_and_499_in_all(
    http: httpx.AsyncClient, api: Api
) -> None:
    bucket = await ended(http, api, *["TOTALS_MISMATCH"] * 11)
    for n in range(10):
        assert (await retry(http, bucket, f"r{n}", filter={"unit_ids": [f"u_{n}_0"]})).status_code == 202
    refused = await retry(http, bucket, "r10")
    assert (refused.status_code, refused.json()["code"], refused.json()["retryable"]) == (409, "too_many_runs", True)
    await aggregator.carry(api.database, bucket)
    await api.database["buckets"].update_one({"_id": bucket}, {"$set": {"round": 499}})
    refused = await retry(http, bucket, "r11")
    assert (refused.status_code, refused.json()["code"], refused.json()["limit"]) == (409, "too_many_runs", 500)
    assert refused.json()["retryable"] is False


async def test_an_ended_bucket_whose_plan_runs_elsewhere_is_not_started_again(
    http: httpx.AsyncClient, api: Api
) -> None:
    bucket = await ended(http, api, "TOTALS_MISMATCH")
    other = (await start(http, ONLY_2B, "another")).json()["id"]
    refused = await retry(http, bucket)
    assert (refused.status_code, refused.json()["code"], refused.json()["bucket_id"]) == (409, "plan_active", other)
    assert (await stored(api, bucket))["status"] == "PARTIAL" or (await stored(api, bucket))["status"] == "FAILED"


async def test_f42_a2_a_retry_beyond_the_limits_is_refused_as_a_start_is(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api, *["TOTALS_MISMATCH"] * 21)
    for n in range(1, 21):
        await started(http, {"selection": {"add": [f"c_one_{n}"]}, "presets": ["only_2b"]}, f"k{n + 1}")
    refused = await retry(http, bucket)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_active_buckets")
    assert (refused.json()["limit"], refused.json()["used"], refused.headers["retry-after"]) == (20, 20, "30")
    assert (await stored(api, bucket))["round"] == 0


async def test_a_retry_needs_the_right_to_start_and_belongs_to_its_tenant(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api, "TOTALS_MISMATCH")
    reader = api.caller("t_one", "buckets:read")
    assert (await retry(reader, bucket)).status_code == 403
    stranger = api.caller("t_two")
    assert (await retry(stranger, bucket)).status_code == 404
    assert (await retry(stranger, bucket, dry_run=True)).status_code == 404
    assert (await stored(api, bucket))["round"] == 0


async def test_actions_are_listed_newest_first_page_by_page(http: httpx.AsyncClient, api: Api) -> None:
    bucket = await ended(http, api, "TOTALS_MISMATCH", "SECTION_MISSING")
    made = []
    for n, reason in enumerate(("totals_mismatch", "section_missing")):
        made.append((await retry(http, bucket, f"r{n}", filter={"reasons": [reason]})).json()["id"])
        api.clock.forward(timedelta(seconds=1))
    cancel = {"kind": "cancel", "note": "enough"}
    path = f"/v1/buckets/{bucket}/actions"
    made.append((await http.post(path, json=cancel, headers={"idempotency-key": "c"})).json()["id"])
    first = (await http.get(path, params={"page_size": 2})).json()
    rest = (await http.get(path, params={"page_size": 2, "page_token": first["next_page_token"]})).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == made[::-1]
    assert (first["total_size"], rest["next_page_token"], first["items"][0]["note"]) == (3, None, "enough")


async def log_in(api: Api, number: int, **more: Any) -> None:
    """A live session of the user name on file, as the worker stores it."""
    client = f"c_one_{number}"
    credential = await api.database["credentials"].find_one({"client": client})
    assert credential is not None
    session = {
        "fence": 0,
        "token_exp": api.clock() + timedelta(hours=6),
        "cred_ref": f"gst_portal_user:{credential['cred_ver']}",
        **more,
    }
    await api.database["portal_sessions"].replace_one({"_id": f"t_one:{client}"}, session, upsert=True)


async def accepted_otp(api: Api, number: int) -> None:
    """A one-time password that was asked for now and accepted."""
    request = {
        "_id": f"otp_{number}",
        "tenant_id": "t_one",
        "client": f"c_one_{number}",
        "state": "accepted",
        "created_at": api.clock(),
    }
    await api.database["otp_requests"].insert_one(request)
