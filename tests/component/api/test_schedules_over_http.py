"""Schedules over HTTP: made, changed by the version seen, started by hand, suspensions, limits and problems."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx

from tests.component.api.conftest import START, Api
from tests.component.api.firm import ONLY_2B, firm_of

Json = dict[str, Any]
EVENT = {
    "kind": "calendar_event", "event": "gstr2b_published", "offset": "PT6H", "repeat_until": "final",
    "repeat_every": "P1D",
}  # fmt: skip
BODY: Json = {"name": "2B from the 14th", "plan": ONLY_2B, "when": EVENT, "window": "PT2H"}


async def made(http: httpx.AsyncClient, **changes: Any) -> Json:
    answer = await http.post("/v1/schedules", json={**BODY, **changes})
    assert answer.status_code == 201, answer.text
    schedule: Json = answer.json()
    return schedule


async def test_a_schedule_tells_when_it_starts_next_and_does_not_change_its_mind(api: Api) -> None:
    http = api.caller()
    answer = await http.post("/v1/schedules", json=BODY)
    schedule = answer.json()

    assert answer.headers["location"] == f"/v1/schedules/{schedule['id']}"
    assert answer.headers["etag"] == '"1"'
    assert (schedule["when"], schedule["window"], schedule["time_zone"]) == (EVENT, "PT2H", "Asia/Kolkata")
    assert (schedule["missed"], schedule["overlap"], schedule["enabled"]) == ("coalesce", "skip", True)
    assert schedule["next"]["slot"] == "2026-12-14T00:30:00.000Z"
    assert 0 <= schedule["next"]["spread_s"] < 7_200
    assert schedule["plan"]["presets"] == ["only_2b"]
    assert schedule["created_by"]["name"] == "Anja"
    api.clock.forward(timedelta(days=10))
    again = (await http.get(f"/v1/schedules/{schedule['id']}")).json()
    assert again == schedule
    listed = (await http.get("/v1/schedules")).json()
    assert (listed["items"], listed["total_size"]) == ([schedule], 1)


async def test_a_long_list_comes_in_pages(api: Api) -> None:
    http = api.caller()
    names = {(await made(http, name=f"n{n}"))["id"] for n in range(5)}
    found: list[str] = []
    parameters: dict[str, Any] = {"page_size": 2}
    for size in (2, 2, 1):
        page = (await http.get("/v1/schedules", params=parameters)).json()
        assert (len(page["items"]), page["total_size"]) == (size, 5)
        found += [item["id"] for item in page["items"]]
        parameters["page_token"] = page.get("next_page_token")
    assert (found, parameters["page_token"]) == (sorted(names), None)


async def test_a_change_needs_the_version_that_was_seen(api: Api) -> None:
    http = api.caller()
    path = f"/v1/schedules/{(await made(http))['id']}"

    blind = await http.patch(path, json={"name": "x"})
    changed = await http.patch(
        path, json={"name": "x", "when": {"kind": "daily", "at": "07:00"}}, headers={"if-match": '"1"'}
    )
    late = await http.patch(path, json={"name": "y"}, headers={"if-match": '"1"'})
    odd = await http.patch(path, json={"name": "y"}, headers={"if-match": "*"})

    assert (blind.status_code, blind.json()["code"]) == (428, "precondition_required")
    assert (late.status_code, late.json()["code"]) == (odd.status_code, odd.json()["code"]) == (412, "version_conflict")
    assert changed.headers["etag"] == '"2"'
    assert (changed.json()["name"], changed.json()["when"]) == ("x", {"kind": "daily", "at": "07:00"})
    assert (await http.delete(path, headers={"if-match": '"1"'})).status_code == 412
    assert (await http.delete(path)).status_code == 428
    assert (await http.delete(path, headers={"if-match": '"2"'})).status_code == 204
    assert (await http.get(path)).status_code == 404


async def test_what_is_not_given_stays_and_switched_off_there_is_no_next_start(api: Api) -> None:
    http = api.caller()
    schedule = await made(http)

    off = await http.patch(f"/v1/schedules/{schedule['id']}", json={"enabled": False}, headers={"if-match": '"1"'})

    assert off.json() == {**schedule, "enabled": False, "next": None}
    occurrences = (await http.get(f"/v1/schedules/{schedule['id']}/occurrences")).json()
    assert occurrences == {"past": [], "next": []}


WRONG: tuple[tuple[Json, str, str], ...] = (
    ({"when": {"kind": "daily", "at": "25:00"}}, "/when/at", "invalid"),
    ({"when": {"kind": "weekly", "days": [], "at": "07:00"}}, "/when/days", "required"),
    ({"when": {"kind": "weekly", "days": ["noday"], "at": "07:00"}}, "/when/days/0", "unknown_value"),
    ({"when": {"kind": "monthly", "day": 32, "at": "07:00"}}, "/when/day", "invalid"),
    ({"when": {"kind": "cron", "expression": "every day at seven"}}, "/when/expression", "invalid"),
    ({"when": {"kind": "cron", "expression": "*/5 * * * *"}}, "/when", "invalid"),
    ({"when": {**EVENT, "event": "diwali"}}, "/when/event", "unknown_value"),
    ({"when": {**EVENT, "offset": "P90D"}}, "/when/offset", "invalid"),
    ({"when": {**EVENT, "repeat_every": "PT5M"}}, "/when/repeat_every", "invalid"),
    ({"when": {"kind": "sometimes"}}, "/when", "invalid"),
    ({"window": "P2D"}, "/window", "invalid"),
    ({"window": "two hours"}, "/window", "invalid"),
    ({"time_zone": "Mars/Olympus"}, "/time_zone", "invalid"),
    ({"missed": "twice"}, "/missed", "unknown_value"),
    ({"name": ""}, "/name", "required"),
    ({"plan": {**ONLY_2B, "presets": ["everything"]}}, "/plan/presets/0", "unknown_value"),
)


async def test_what_cannot_be_followed_is_refused_where_it_is_wrong(http: httpx.AsyncClient) -> None:
    for changes, pointer, code in WRONG:
        answer = await http.post("/v1/schedules", json={**BODY, **changes})
        told = answer.json()
        assert (answer.status_code, told["code"]) == (422, "validation_failed"), (changes, answer.text)
        assert (told["errors"][0]["pointer"], told["errors"][0]["code"]) == (pointer, code), changes


async def test_a_plan_that_can_choose_nothing_is_refused(http: httpx.AsyncClient) -> None:
    for plan, code in (
        ({"selection": {}, "modules": ["notices"]}, "selection_empty"),
        ({"selection": {"all": True}}, "modules_empty"),
    ):
        answer = await http.post("/v1/schedules", json={**BODY, "plan": plan})
        assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_firm_has_at_most_two_hundred_schedules(api: Api) -> None:
    http = api.caller()
    one = await made(http)
    document = await api.database["schedules"].find_one({"_id": one["id"]})
    assert document is not None
    await api.database["schedules"].insert_many([{**document, "_id": f"sc_{n}"} for n in range(199)])

    answer = await http.post("/v1/schedules", json=BODY)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "too_many")
    await firm_of(api.database, 1, "t_two")
    await made(api.caller("t_two"))


async def test_the_next_ten_starts_are_told_with_their_spread(api: Api) -> None:
    http = api.caller()
    schedule = await made(http, when={"kind": "weekly", "days": ["mon", "fri"], "at": "07:00"})

    upcoming = (await http.get(f"/v1/schedules/{schedule['id']}/occurrences")).json()["next"]

    assert len(upcoming) == 10
    assert upcoming[0] == schedule["next"]
    assert [start["slot"] for start in upcoming[:2]] == ["2026-11-27T01:30:00.000Z", "2026-11-30T01:30:00.000Z"]
    assert {start["spread_s"] for start in upcoming} == {schedule["next"]["spread_s"]}


async def test_a_schedule_is_started_by_hand_once_for_a_key_and_its_bucket_names_it(api: Api) -> None:
    http = api.caller()
    await firm_of(api.database, 3)
    schedule = await made(http)
    path = f"/v1/schedules/{schedule['id']}"

    first = await http.post(f"{path}/run", headers={"idempotency-key": "now"})
    again = await http.post(f"{path}/run", headers={"idempotency-key": "now"})
    other = await http.post(f"{path}/run")

    assert first.status_code == again.status_code == other.status_code == 202, first.text
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert (first.json()["state"], first.json()["reason"]) == ("started", None)
    assert (other.json()["state"], other.json()["reason"]) == ("skipped", "overlap")
    bucket = (await http.get(f"/v1/buckets/{first.json()['bucket_id']}")).json()
    assert bucket["origin"] == {"kind": "schedule", "schedule_id": schedule["id"]}
    assert (bucket["name"], bucket["linked"], bucket["rows"]) == ("2B from the 14th", [], 3)
    past = (await http.get(f"{path}/occurrences")).json()["past"]
    assert [(one["state"], one["reason"]) for one in past] == [("skipped", "overlap"), ("started", None)]
    assert (await http.get(path)).json()["last_bucket_id"] == bucket["id"]
    assert (await http.get(path)).json()["next"] == schedule["next"], "its own times go on"


async def test_a_schedule_is_made_once_for_a_key(api: Api) -> None:
    http = api.caller()
    answers = [await http.post("/v1/schedules", json=BODY, headers={"idempotency-key": "k"}) for _ in range(3)]
    other = await http.post("/v1/schedules", json={**BODY, "name": "Other"}, headers={"idempotency-key": "k"})
    theirs = await api.caller("t_two").post("/v1/schedules", json=BODY, headers={"idempotency-key": "k"})

    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert theirs.json()["id"] != answers[0].json()["id"]
    assert (await http.get("/v1/schedules")).json()["total_size"] == 1


async def test_starts_by_hand_at_once_make_one_bucket(api: Api) -> None:
    http = api.caller()
    await firm_of(api.database, 3)
    path = f"/v1/schedules/{(await made(http))['id']}/run"

    answers = await asyncio.gather(*(http.post(path, headers={"idempotency-key": "now"}) for _ in range(8)))

    assert [answer.status_code for answer in answers] == [202] * 8, [answer.text for answer in answers]
    assert len({answer.json()["bucket_id"] for answer in answers}) == 1
    assert {answer.json()["state"] for answer in answers} == {"started"}
    assert (await http.get("/v1/buckets")).json()["total_size"] == 1


async def test_a_start_by_hand_that_cannot_be_is_told_with_its_reason(api: Api) -> None:
    http = api.caller()
    schedule = await made(http)

    answer = await http.post(f"/v1/schedules/{schedule['id']}/run")

    assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (202, "skipped", "selection_empty")


async def test_suspensions_are_told_and_ended(api: Api) -> None:
    http = api.caller()
    schedule = await made(http)
    row = {"tenant_id": "t_one", "schedule": schedule["id"], "n": 10, "first_at": 1_000, "last_at": 2_000, "run": 3}
    places = [("c_1", "notices", "suspended"), ("c_1", "gstr2b", "suspended"), ("c_2", "gstr2b", "warned")]
    await api.database["schedule_streaks"].insert_many(
        {**row, "_id": f"{schedule['id']}:{c}:{m}", "client": c, "module": m, "state": s, "reason": "otp_required"}
        for c, m, s in places
    )
    path = f"/v1/schedules/{schedule['id']}"

    listed = (await http.get(f"{path}/suspensions")).json()
    assert (listed["total_size"], len(listed["items"])) == (3, 3)
    assert listed["items"][-1] == {
        "client_id": "c_2", "module": "gstr2b", "state": "warned", "failures": 10, "reason": "otp_required",
        "first_failed_at": "1970-01-01T00:00:01.000Z", "last_failed_at": "1970-01-01T00:00:02.000Z",
    }  # fmt: skip
    assert (await http.get(path)).json()["suspended_clients"] == 1
    assert (await http.delete(f"{path}/suspensions/c_1", params={"module": "notices"})).status_code == 204
    assert (await http.get(path)).json()["suspended_clients"] == 1
    assert (await http.delete(f"{path}/suspensions/c_1")).status_code == 204
    assert (await http.get(path)).json()["suspended_clients"] == 0
    assert (await http.delete(f"{path}/suspensions/c_1")).status_code == 404
    assert (await http.get(f"{path}/suspensions")).json()["total_size"] == 1


async def test_the_calendar_tells_usual_days_with_their_source_and_moved_ones_with_who_moved_them(api: Api) -> None:
    http = api.caller()
    path = "/v1/calendar/gstr2b_published/2026-11"

    moved = await http.put(path, json={"on": "2026-12-17", "note": "Advisory of the 12th"})
    listed = (await http.get("/v1/calendar", params={"from": "2026-12-01", "to": "2026-12-31"})).json()

    assert moved.status_code == 200, moved.text
    assert [(day["event"], day["period"], day["on"]) for day in listed["items"]] == [
        ("gstr1_due", "2026-11", "2026-12-11"), ("iff_due", "2026-11", "2026-12-13"),
        ("gstr2b_published", "2026-11", "2026-12-17"), ("gstr3b_due", "2026-11", "2026-12-20"),
    ]  # fmt: skip
    assert listed["items"][2] == moved.json()
    assert (moved.json()["usual"], moved.json()["moved"], moved.json()["note"]) == (
        "2026-12-14",
        True,
        "Advisory of the 12th",
    )
    assert (moved.json()["moved_by"], moved.json()["source"] != "") == ("us_administrator", True)
    assert START.date().isoformat() < (await http.get("/v1/calendar")).json()["items"][-1]["on"]


async def test_f34_a4_a_moved_day_moves_the_next_start_at_once_and_for_this_firm_only(api: Api) -> None:
    mine, theirs = api.caller(), api.caller("t_two")
    schedule, other = await made(mine), await made(theirs)
    path = "/v1/calendar/gstr2b_published/2026-11"

    await mine.put(path, json={"on": "2026-12-17"})

    after = (await mine.get(f"/v1/schedules/{schedule['id']}")).json()
    assert after["next"]["slot"] == "2026-12-17T00:30:00.000Z"
    assert after["next"]["spread_s"] == schedule["next"]["spread_s"]
    assert (await theirs.get(f"/v1/schedules/{other['id']}")).json() == other
    given_back = await mine.delete(path)
    assert (given_back.json()["on"], given_back.json()["moved"]) == ("2026-12-14", False)
    assert (await mine.get(f"/v1/schedules/{schedule['id']}")).json() == schedule


async def test_a_day_that_cannot_be_is_refused(http: httpx.AsyncClient) -> None:
    for path, on, status in (
        ("gstr2b_published/2026-11", "2027-06-01", 422),
        ("iff_due/2026-12", "2027-01-13", 422),
        ("gstr2b_published/2026-13", "2026-12-17", 400),
        ("diwali/2026-11", "2026-11-08", 400),
    ):
        answer = await http.put(f"/v1/calendar/{path}", json={"on": on})
        assert answer.status_code == status, (path, answer.text)
    assert (await http.get("/v1/calendar", params={"from": "2026-12-01"})).json()["items"][0]["moved"] is False
