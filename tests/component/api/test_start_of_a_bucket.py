"""Start over HTTP: what is stored, what is refused, and that one wish makes one bucket."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.component.api.conftest import Api
from tests.component.api.firm import ONLY_2B, add_clients, client_document, firm_of, start, started
from tests.support import played_aggregator as aggregator


async def test_a_started_bucket_is_stored_whole_before_it_is_answered(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 250)
    answer = await start(http, ONLY_2B)
    bucket = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/buckets/{bucket['id']}")
    assert bucket["columns"] == [{"index": 0, "module": "gstr2b", "period": "2026-10"}]
    assert bucket["counters"]["total"] == bucket["counters"]["queued"] == 250
    assert (bucket["status"], bucket["verdict"], bucket["rows"]) == ("queued", None, 250)
    assert bucket["trace_id"] == answer.headers["x-trace-id"]
    assert bucket["created_by"] == {"kind": "user", "id": "us_administrator", "name": "Anja"}
    pages = await api.database["bucket_pages"].find({"b": bucket["id"]}).sort("p", 1).to_list(None)
    assert [len(page["c"]) for page in pages] == [100, 100, 50]
    assert bucket["version"] == sum(page["v"] for page in pages)
    fresh = (await http.get(f"/v1/buckets/{bucket['id']}", params={"fresh": "true"})).json()
    assert fresh["counters"] == bucket["counters"]


async def test_rows_stand_in_the_order_of_names(http: httpx.AsyncClient, api: Api) -> None:
    names = ["Delta", "alpha", "Charlie", "Bravo"]
    await add_clients(api.database, (client_document("t_one", n, name=name) for n, name in enumerate(names, 1)))
    bucket = await started(http, ONLY_2B)
    units = (await http.get(f"/v1/buckets/{bucket['id']}/units")).json()["items"]
    assert [unit["client_name"] for unit in units] == ["Bravo", "Charlie", "Delta", "alpha"]


async def test_units_that_cannot_run_are_born_final_with_their_reason(http: httpx.AsyncClient, api: Api) -> None:
    kinds: list[dict[str, Any]] = [
        {"name": "A regular"},
        {"name": "B quarterly", "filing_frequency": "quarterly"},
        {"name": "C composition", "filing_frequency": "composition"},
        {"name": "D cancelled", "registration_status": "cancelled", "cancelled_on": "2026-09-03"},
        {"name": "E inactive", "status": "inactive"},
        {"name": "F guarded"},
    ]
    documents = [client_document("t_one", n, **kind) for n, kind in enumerate(kinds)]
    await add_clients(api.database, documents)
    await add_clients(api.database, [client_document("t_one", 9, name="G without access")], access=False)
    guard = {"cred_ver": 1, "day": "2026-11-20", "failures": 2, "blocked": True}
    await api.database["portal_sessions"].insert_one(
        {"_id": f"t_one:{documents[5]['_id']}", "fence": 0, "guard": guard}
    )
    everyone = [d["_id"] for d in documents] + ["c_one_9"]
    presets = ["only_2b", "notice_return_register"]
    bucket = await started(http, {"selection": {"add": everyone}, "presets": presets})
    assert [(c["module"], c["period"]) for c in bucket["columns"]] == [
        ("notices", None),
        ("return_register", "2026-27"),
        ("gstr2b", "2026-09"),
        ("gstr2b", "2026-10"),
    ]
    units = (await http.get(f"/v1/buckets/{bucket['id']}/units", params={"page_size": 500})).json()["items"]
    told = {
        name: "".join(_letter(unit) for unit in units if unit["client_name"].startswith(name[0]))
        for name in ("A", "B", "C", "D", "E", "F", "G")
    }
    assert told == {
        "A": "QQ-Q",  # Q queued, - not applicable, I inactive, N no access, L log-in guard
        "B": "QQQ-",
        "C": "QQ--",
        "D": "QQ--",
        "E": "II-I",
        "F": "LQ-L",
        "G": "NQ-N",
    }
    assert bucket["counters"]["gaps"] == told["E"].count("I") + told["F"].count("L") + told["G"].count("N")


def _letter(unit: dict[str, Any]) -> str:
    if unit["state"] == "queued":
        return "Q"
    letters = {"not_applicable": "-", "client_inactive": "I", "no_access": "N", "login_guard": "L"}
    return letters[unit["reason"]["code"]]


async def test_the_same_key_and_body_is_the_same_bucket(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 3)
    first = await start(http, ONLY_2B)
    again = await start(http, ONLY_2B)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    assert again.json()["id"] == first.json()["id"]
    assert await api.database["buckets"].count_documents({}) == 1


async def test_the_same_key_with_another_body_is_refused(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 3)
    await started(http, ONLY_2B)
    refused = await start(http, {**ONLY_2B, "presets": ["notice_return_register"]})
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_key_belongs_to_its_tenant(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 2)
    await firm_of(api.database, 3, "t_two")
    mine = await started(http, ONLY_2B)
    theirs = await started(api.caller("t_two"), ONLY_2B)
    assert (mine["rows"], theirs["rows"]) == (2, 3)
    assert mine["id"] != theirs["id"]


async def test_a_replay_gives_the_first_bucket_although_the_clients_have_changed(
    http: httpx.AsyncClient, api: Api
) -> None:
    await firm_of(api.database, 3)
    first = await started(http, ONLY_2B)
    await add_clients(api.database, [client_document("t_one", 99)])
    again = await started(http, ONLY_2B)
    assert (again["id"], again["rows"]) == (first["id"], 3)


async def test_another_start_of_a_running_plan_opens_the_same_bucket(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 3)
    first = await started(http, ONLY_2B)
    colleague = api.caller("t_one", subject="us_colleague")
    other = await start(colleague, {"selection": {"all": True}, "modules": ["gstr2b"], "name": "Mine"}, "k2")
    assert (other.status_code, other.headers["bucket-reused"]) == (200, "true")
    assert (other.json()["id"], other.json()["created_by"]["id"]) == (first["id"], "us_administrator")
    replay = await start(colleague, {"selection": {"all": True}, "modules": ["gstr2b"], "name": "Mine"}, "k2")
    assert (replay.status_code, replay.json()["id"], replay.headers["bucket-reused"]) == (200, first["id"], "true")
    assert replay.headers["idempotent-replayed"] == "true"
    changed = await start(colleague, ONLY_2B, "k2")
    assert changed.json()["code"] == "idempotency_key_reused"


async def test_an_ended_plan_can_be_started_again(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 3)
    first = await started(http, ONLY_2B)
    await aggregator.everywhere(api.database, first["id"], aggregator.succeeded())
    await aggregator.complete(api.database, first["id"])
    second = await started(http, ONLY_2B, "k2")
    assert second["id"] != first["id"]


@pytest.mark.parametrize("keys", [["same"] * 40, [f"key{n}" for n in range(25)]], ids=["one key", "many keys"])
async def test_parallel_starts_make_one_bucket(http: httpx.AsyncClient, api: Api, keys: list[str]) -> None:
    await firm_of(api.database, 120)
    answers = await asyncio.gather(*(start(http, ONLY_2B, key) for key in keys))
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await api.database["buckets"].count_documents({}) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"selection": {"all": True}, "presets": ["everything"]}, 422, "validation_failed"),
        ({"selection": {"all": True}, "modules": ["gstr99"]}, 422, "validation_failed"),
        ({"selection": {"all": True}}, 422, "modules_empty"),
        ({"selection": {}, "presets": ["only_2b"]}, 422, "selection_empty"),
        ({"selection": {"filter": {"tag": ["nobody"]}}, "presets": ["only_2b"]}, 422, "selection_empty"),
        ({"selection": {"add": ["c_unknown"]}, "presets": ["only_2b"]}, 422, "validation_failed"),
        ({"selection": {"all": True}, "presets": ["only_2b"], "extra": 1}, 400, "invalid_request"),
        ({"selection": {"all": "maybe"}, "presets": ["only_2b"]}, 400, "invalid_request"),
        ({"presets": ["only_2b"]}, 422, "validation_failed"),
        (
            {"selection": {"all": True}, "presets": ["only_2b"], "period": {"rule": "months", "months": ["2027-01"]}},
            422,
            "period_invalid",
        ),
        (
            {"selection": {"all": True}, "presets": ["only_2b"], "period": {"rule": "months", "months": ["2020-07"]}},
            422,
            "period_invalid",
        ),
        ({"selection": {"all": True}, "presets": ["only_2b"], "name": "x" * 121}, 422, "validation_failed"),
    ],
)
async def test_a_plan_that_makes_no_sense_is_refused(
    http: httpx.AsyncClient, api: Api, body: dict[str, Any], status: int, code: str
) -> None:
    await firm_of(api.database, 2)
    refused = await start(http, body)
    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
    assert await api.database["buckets"].count_documents({}) == 0
    assert await api.database["bucket_pages"].count_documents({}) == 0


async def test_unknown_clients_are_named_by_their_place(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 2)
    await firm_of(api.database, 1, "t_two")
    add = ["c_one_1", "c_nobody", "c_one_2", "c_two_1"]
    refused = (await start(http, {"selection": {"add": add}, "presets": ["only_2b"]})).json()
    assert [(e["pointer"], e["code"]) for e in refused["errors"]] == [
        ("/selection/add/1", "client_unknown"),
        ("/selection/add/3", "client_unknown"),
    ]


async def test_a_missing_key_is_asked_for_whatever_else_is_wrong(http: httpx.AsyncClient) -> None:
    for path, body in (
        ("/v1/buckets", ONLY_2B),
        ("/v1/buckets", {"selection": 1}),
        ("/v1/buckets/b_1/actions", {"kind": "cancel"}),
        ("/v1/clients/c_1/otp-requests", {"consent": "forever"}),
    ):
        refused = await http.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (428, "idempotency_key_required")
        assert "errors" not in refused.json()


async def test_ten_thousand_clients_are_accepted_and_one_more_is_not(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 10_000)
    months = {"rule": "months", "months": ["2026-08", "2026-09", "2026-10"]}
    body = {"selection": {"all": True}, "presets": ["only_2b", "notice_return_register"], "period": months}
    bucket = await started(http, body)
    assert (bucket["rows"], bucket["counters"]["total"]) == (10_000, 50_000)
    assert await api.database["bucket_pages"].count_documents({"b": bucket["id"]}) == 100
    await add_clients(api.database, [client_document("t_one", 10_001)])
    refused = (await start(http, body, "k2")).json()
    assert (refused["code"], refused["errors"][0]["code"]) == ("validation_failed", "too_many")


async def test_f42_a2_the_twenty_first_active_bucket_is_refused_with_limit_use_and_time(
    http: httpx.AsyncClient, api: Api
) -> None:
    await firm_of(api.database, 21)
    for n in range(1, 21):
        await started(http, {"selection": {"add": [f"c_one_{n}"]}, "presets": ["only_2b"]}, f"k{n}")
    refused = await start(http, {"selection": {"add": ["c_one_21"]}, "presets": ["only_2b"]}, "k21")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_active_buckets")
    assert (refused.json()["limit"], refused.json()["used"], refused.headers["retry-after"]) == (20, 20, "30")
    pace = {"n_units": 1_000, "summary.p": 500, "summary.s": 500}
    await api.database["buckets"].update_one({"idem_key": "k7"}, {"$set": pace})
    api.clock.forward(timedelta(minutes=4))
    refused = await start(http, {"selection": {"add": ["c_one_21"]}, "presets": ["only_2b"]}, "k21")
    assert (refused.json()["retry_after_s"], refused.headers["retry-after"]) == (240, "240")
    assert "20 of at most 20 are open" in refused.json()["detail"]


async def test_queued_units_of_a_tenant_are_limited(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 2)
    await started(http, {"selection": {"add": ["c_one_1"]}, "presets": ["only_2b"]})
    await api.database["buckets"].update_one({}, {"$set": {"summary.p": 199_999}})
    one_more = {"selection": {"add": ["c_one_2"]}, "presets": ["only_2b"]}
    assert (await start(http, one_more, "k2")).status_code == 202
    refused = await start(http, {"selection": {"all": True}, "presets": ["only_2b"]}, "k3")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_queued_units")


async def test_a_selection_can_be_a_tag_with_some_added_and_some_left_out(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 4, tags=["south"])
    await add_clients(api.database, [client_document("t_one", 50), client_document("t_one", 51)])
    selection = {"filter": {"tag": ["south"]}, "add": ["c_one_50"], "exclude": ["c_one_2"]}
    bucket = await started(http, {"selection": selection, "presets": ["only_2b"]})
    units = (await http.get(f"/v1/buckets/{bucket['id']}/units")).json()["items"]
    assert [unit["client_id"] for unit in units] == ["c_one_1", "c_one_3", "c_one_4", "c_one_50"]
    assert bucket["selection"] == selection


async def test_before_the_fourteenth_the_month_before_last_is_asked_for(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    api.clock.forward(timedelta(days=-10, hours=-11, minutes=-1))  # 12 November, 23:59 in India
    bucket = await started(http, ONLY_2B)
    assert bucket["columns"][0]["period"] == "2026-09"
