"""Lines over HTTP: how they stand, limits and maintenance windows of the operator, outages as evidence."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.component.api.conftest import START, Api

LINE = "up_gst_1"
SECOND = timedelta(seconds=1)
OPEN = {"rate": 20.0, "rate_max": 20.0, "burst": 10.0}
IN_FORCE = {"id": "mw_1", "family": None, "from": START, "to": START + SECOND, "note": None}
SHUT = {"reason": "errors", "since": START - SECOND, "closed_until": START + 60 * SECOND, "closed_ms": 60_000}


async def keep(api: Api, **fields: Any) -> None:
    await api.database["upstreams"].replace_one({"_id": LINE}, {"_id": LINE, **OPEN, **fields}, upsert=True)


async def told(http: httpx.AsyncClient) -> dict[str, Any]:
    answer = await http.get(f"/v1/upstreams/{LINE}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert (await http.get("/v1/upstreams")).json()["items"] == [body]
    return body


async def test_a_line_that_is_up(api: Api, http: httpx.AsyncClient) -> None:
    await keep(api, win={"at": START, "n": 40, "err": 1, "clients": [], "families": []}, families={"returns": {}})
    line = await told(http)
    assert (line["state"], line["breaker"], line["since"], line["reason"]) == ("up", "closed", None, None)
    assert line["rate"] == {"current_per_s": 20.0, "limit_per_s": 20.0, "learned": False}
    assert line["error_ratio"] == 0.025
    assert line["your_share"] is None
    assert (line["name"], line["simulated"]) == (LINE, False)
    await keep(api, name="GST portal", simulated=True)
    line = await told(http)
    assert (line["name"], line["simulated"]) == ("GST portal", True)


async def test_f43_latency_errors_and_capacity_are_added_up_over_the_workers_that_live(
    api: Api, http: httpx.AsyncClient
) -> None:
    await keep(api)
    line = await told(http)
    assert (line["error_ratio_5m"], line["latency_ms"]) == (None, None)
    assert line["capacity"] == {"workers": 0, "busy": 0, "slots": 0}
    fresh, gone = START - 5 * SECOND, START - 60 * SECOND
    for name, at, took in (("w_0", fresh, {"20": 90}), ("w_1", fresh, {"39": 10}), ("w_2", gone, {"70": 1_000})):
        calls = sum(took.values())
        report = {"line_id": LINE, "slots": 64, "busy": 20, "calls": calls, "errors": calls // 10, "took": took}
        await api.database["worker_reports"].insert_one({"_id": name, **report, "at": at})
    line = await told(http)
    assert line["latency_ms"] == {"p50": 38, "p95": 1_024}
    assert (line["error_ratio_5m"], line["capacity"]) == (0.1, {"workers": 2, "busy": 40, "slots": 128})


async def test_without_any_call_there_is_no_line(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/upstreams")).json() == {"items": []}
    assert (await http.get(f"/v1/upstreams/{LINE}")).status_code == 404
    assert (await http.get(f"/v1/upstreams/{LINE}/history")).status_code == 404


@pytest.mark.parametrize(
    ("fields", "state", "reason"),
    [
        (SHUT, "down", "line_down"),
        ({**SHUT, "reason": "maintenance"}, "maintenance", "portal_maintenance"),
        ({"families": {"returns": SHUT, "notices": {}}}, "slow", None),
        ({"families": {"returns": SHUT, "auth": {}}}, "down", None),
        ({"rate": 10.0}, "slow", None),
        ({"windows": [IN_FORCE]}, "maintenance", "portal_maintenance"),
    ],
)
async def test_how_a_line_stands(
    api: Api, http: httpx.AsyncClient, fields: Mapping[str, Any], state: str, reason: str | None
) -> None:
    await keep(api, **fields)
    line = await told(http)
    assert (line["state"], line["reason"]) == (state, reason)
    assert (line["since"] is None) is (state == "slow")


async def test_a_closed_family_tells_since_and_until_when(api: Api, http: httpx.AsyncClient) -> None:
    half_open = {**SHUT, "closed_until": START - SECOND}
    await keep(api, families={"notices": {**half_open, "rate": 5.0}, "returns": SHUT})
    notices, returns = (await told(http))["families"]
    assert (notices["family"], notices["breaker"], notices["state"]) == ("notices", "half_open", "down")
    assert notices["rate"] == {"current_per_s": 5.0, "limit_per_s": 20.0, "learned": True}
    assert (returns["breaker"], returns["reason"], returns["rate"]) == ("open", "line_down", None)
    assert returns["since"] == "2026-11-23T05:29:59.000Z"
    assert returns["closed_until"] == "2026-11-23T05:31:00.000Z"


async def test_a_firm_sees_its_own_part_and_others_only_as_a_number(api: Api, http: httpx.AsyncClient) -> None:
    await keep(api)
    shares = [
        {"_id": f"{tenant}:{LINE}", "tenant_id": tenant, "line_id": LINE, "measured": measured, "tenants_active": 2,
         "units_waiting": waiting, "at": START}
        for tenant, measured, waiting in (("t_one", 0.25, 70), ("t_two", 0.75, 9_000))
    ]  # fmt: skip
    await api.database["line_shares"].insert_many(shares)
    line = await told(http)
    assert (line["your_share"], line["tenants_active"], line["units_waiting"]) == (0.25, 2, 70)
    api.clock.forward(timedelta(minutes=1))
    assert (await told(http))["your_share"] is None, "what is old says nothing"


async def test_an_operator_changes_the_limit_and_the_burst_goes_with_it(api: Api) -> None:
    await keep(api, rate=14.0)
    operator = api.caller("t_operator", "upstreams:read", "upstreams:admin")
    answer = await operator.patch(f"/v1/upstreams/{LINE}", json={"limit_per_s": 40})
    assert answer.json()["rate"] == {"current_per_s": 40.0, "limit_per_s": 40.0, "learned": False}
    stored = await api.database["upstreams"].find_one({"_id": LINE})
    assert stored is not None
    assert (stored["burst"], stored["limit_by"]) == (20.0, "us_administrator")
    of_family = await operator.patch(f"/v1/upstreams/{LINE}", json={"limit_per_s": 3, "family": "notices"})
    (family,) = of_family.json()["families"]
    assert family["rate"] == {"current_per_s": 3.0, "limit_per_s": 3.0, "learned": False}
    assert of_family.json()["rate"]["limit_per_s"] == 40.0


async def test_a_limit_that_is_given_back_gives_back_the_burst(api: Api) -> None:
    await keep(api)
    operator = api.caller("t_operator", "upstreams:admin")
    for limit_per_s in (1, 20):
        await operator.patch(f"/v1/upstreams/{LINE}", json={"limit_per_s": limit_per_s})
    stored = await api.database["upstreams"].find_one({"_id": LINE})
    assert stored is not None
    assert (stored["rate"], stored["burst"]) == (20.0, pytest.approx(10.0))


@pytest.mark.parametrize("body", [{"limit_per_s": 0}, {"limit_per_s": -1}, {}, {"limit_per_s": 5, "family": "gst"}])
async def test_a_limit_that_makes_no_sense_is_refused(api: Api, body: dict[str, Any]) -> None:
    await keep(api)
    operator = api.caller("t_operator", "upstreams:admin")
    assert (await operator.patch(f"/v1/upstreams/{LINE}", json=body)).status_code == 422
    assert (await operator.patch("/v1/upstreams/up_nothing", json={"limit_per_s": 5})).status_code == 404


async def test_no_role_of_a_firm_may_change_a_line(api: Api, http: httpx.AsyncClient) -> None:
    await keep(api)
    firm = api.caller("t_one", "upstreams:read", "clients:write", "buckets:write")
    for answer in (
        await firm.patch(f"/v1/upstreams/{LINE}", json={"limit_per_s": 1}),
        await firm.post("/v1/maintenance-windows", json=window()),
        await firm.delete("/v1/maintenance-windows/mw_1"),
    ):
        assert (answer.status_code, answer.json()["required_scope"]) == (403, "upstreams:admin")
    assert (await told(http))["rate"]["limit_per_s"] == 20.0


def window(start_h: float = 1, hours: float = 2, **changes: Any) -> dict[str, Any]:
    start = START + timedelta(hours=start_h)
    return {
        "line_id": LINE,
        "from": start.isoformat(),
        "to": (start + timedelta(hours=hours)).isoformat(),
        "note": "announced",
        **changes,
    }


async def test_a_maintenance_window_is_kept_told_and_taken_back(api: Api) -> None:
    await keep(api)
    operator = api.caller("t_operator", "upstreams:read", "upstreams:admin")
    made = await operator.post("/v1/maintenance-windows", json=window(family="notices"))
    assert made.status_code == 201
    body = made.json()
    assert (body["family"], body["from"], body["to"]) == (
        "notices",
        "2026-11-23T06:30:00.000Z",
        "2026-11-23T08:30:00.000Z",
    )
    assert (await operator.get("/v1/maintenance-windows")).json() == {"items": [body]}
    api.clock.forward(timedelta(hours=4))
    assert (await operator.get("/v1/maintenance-windows")).json() == {"items": []}
    other = (await operator.post("/v1/maintenance-windows", json=window(5))).json()
    line = await api.database["upstreams"].find_one({"_id": LINE})
    assert line is not None
    assert [kept["id"] for kept in line["windows"]] == [other["id"]], "those that are over go"
    assert (await operator.delete(f"/v1/maintenance-windows/{other['id']}")).status_code == 204
    assert (await operator.delete(f"/v1/maintenance-windows/{other['id']}")).status_code == 404


async def test_taking_back_a_window_in_force_lets_a_probe_through_at_once(api: Api) -> None:
    await keep(api)
    operator = api.caller("t_operator", "upstreams:read", "upstreams:admin")
    made = (await operator.post("/v1/maintenance-windows", json=window(0))).json()
    shut = {"reason": "maintenance", "closed_until": START + timedelta(days=9_999), "since": START, "closed_ms": 1}
    await api.database["upstreams"].update_one({"_id": LINE}, {"$set": shut})
    await operator.delete(f"/v1/maintenance-windows/{made['id']}")
    line = await api.database["upstreams"].find_one({"_id": LINE})
    assert line is not None
    assert line["closed_until"] < START + timedelta(days=9_000)


@pytest.mark.parametrize(
    "body",
    [window(hours=0), window(hours=-1), window(hours=169), window(-4), window(91 * 24), window(family="gst"),
     {**window(), "from": "2026-11-25T00:00:00"}],
)  # fmt: skip
async def test_a_window_that_makes_no_sense_is_refused(api: Api, body: dict[str, Any]) -> None:
    await keep(api)
    assert (await api.caller("t_operator").post("/v1/maintenance-windows", json=body)).status_code == 422


async def test_a_line_has_room_for_fifty_windows(api: Api) -> None:
    await keep(api, windows=[{"id": f"mw_{n}", "family": None, "from": START, "to": START + SECOND, "note": None}
                             for n in range(49)])  # fmt: skip
    operator = api.caller("t_operator")
    assert (await operator.post("/v1/maintenance-windows", json=window())).status_code == 201
    assert (await operator.post("/v1/maintenance-windows", json=window())).status_code == 422
    assert (await operator.post("/v1/maintenance-windows", json=window(line_id="up_x"))).status_code == 404


async def test_outages_are_told_newest_first_with_what_was_seen(api: Api, http: httpx.AsyncClient) -> None:
    await keep(api)
    outages = [
        {"_id": f"o{n}", "line": LINE, "family": family, "since": START + n * SECOND, "reason": reason,
         "seen": {"n": 21.0, "err": 14.0}, **more}
        for n, (family, reason, more) in enumerate(
            [("returns", "errors", {"until": START + 5 * SECOND}), (None, "maintenance", {})]
        )
    ]  # fmt: skip
    await api.database["upstream_outages"].insert_many([*outages, {**outages[0], "_id": "other", "line": "up_2"}])
    newest, oldest = (await http.get(f"/v1/upstreams/{LINE}/history")).json()["items"]
    assert newest == {
        "family": None, "reason": "portal_maintenance", "from": "2026-11-23T05:30:01.000Z", "to": None, "calls": 21,
        "errors": 14,
    }  # fmt: skip
    assert (oldest["family"], oldest["reason"], oldest["to"]) == ("returns", "line_down", "2026-11-23T05:30:05.000Z")
    later = {"from": (START + 6 * SECOND).isoformat(), "to": (START + 60 * SECOND).isoformat()}
    assert (await http.get(f"/v1/upstreams/{LINE}/history", params=later)).json()["items"] == [newest]
