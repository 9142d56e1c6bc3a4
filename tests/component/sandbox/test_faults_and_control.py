"""Limits, scripted faults, maintenance, journal and the rest of the control port."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.component.sandbox.callers import GSP, PublicCaller, StyleACaller, code_of, unaes
from tests.component.sandbox.conftest import Sandbox, number

SignedIn = Callable[..., Awaitable[StyleACaller]]


async def script(sandbox: Sandbox, name: str, effect: dict[str, Any], times: int | None = None, **match: str) -> None:
    await sandbox.change("PUT", f"/scenarios/{name}", {"match": match, "times": times, "effect": effect})


async def test_call_fails_twice_and_then_succeeds(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    await script(sandbox, "twice", {"kind": "code", "code": "RET13505"}, times=2, action="GET2B", gstin=caller.gstin)
    assert [code_of(await caller.twob("102026")) for _ in range(3)] == ["RET13505", "RET13505", ""]
    assert (await sandbox.ask("/scenarios/twice"))["left"] == 0


async def test_scenario_of_one_part_leaves_the_others_alone(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in(number("RL"))
    await script(sandbox, "part", {"kind": "missing_part"}, section="2", surface="taxpayer", period="102026")
    codes = [code_of(await caller.twob("102026", part)) for part in (1, 2, 3)]
    assert codes == ["", "RET2B1016", ""]


async def test_http_failure_is_no_json(sandbox: Sandbox, public: PublicCaller) -> None:
    await script(sandbox, "down", {"kind": "http", "http": 503, "code": "GSPGSTDOWN"}, times=1)
    headers = {**GSP, "auth_token": public.token}
    answer = await sandbox.portal.get("/commonapi/v1.0/returns?action=RETTRACK", headers=headers)
    assert (answer.status_code, "GSPGSTDOWN" in answer.text) == (503, True)


@pytest.mark.parametrize("kind", ["reset", "hang"])
async def test_cut_connection_over_asgi_is_an_error_of_the_caller(
    sandbox: Sandbox, signed_in: SignedIn, kind: str
) -> None:
    caller = await signed_in()
    await script(sandbox, "cut", {"kind": kind, "delay_ms": 10}, times=1, action="GET2B")
    with pytest.raises(ConnectionResetError):
        await caller.twob("102026")
    assert code_of(await caller.twob("102026")) == ""
    cut = (await sandbox.ask("/journal?code=reset"))["items"]
    assert [entry["http"] for entry in cut] == [0]


async def test_damaged_hmac(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    await script(sandbox, "hmac", {"kind": "bad_hash"}, times=1, action="GET2B")
    with pytest.raises(AssertionError):
        await caller.twob("102026")
    assert code_of(await caller.twob("102026")) == ""


async def test_foreign_body_names_another_taxpayer(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    await script(sandbox, "foreign", {"kind": "foreign_body"}, times=1, action="GET2B")
    assert (await caller.twob("102026"))["data"]["gstin"] == "27AAPFU0939F1ZV"
    assert (await caller.twob("102026"))["data"]["gstin"] == caller.gstin


async def test_wrong_total_spoils_only_the_sums(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    await script(sandbox, "sums", {"kind": "wrong_total"}, times=1, action="GET2B")
    spoiled, whole = (await caller.twob("102026"))["data"], (await caller.twob("102026"))["data"]
    assert spoiled["docdata"] == whole["docdata"]
    assert spoiled["cpsumm"] != whole["cpsumm"]


async def test_dripped_and_delayed_answers_are_whole(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    await script(sandbox, "drip", {"kind": "drip", "delay_ms": 20}, times=1, action="GET2B")
    await script(sandbox, "delay", {"kind": "delay", "delay_ms": 30}, times=1, action="GET2B")
    dripped, delayed = await caller.twob("102026"), await caller.twob("102026")
    assert dripped == delayed
    slow = (await sandbox.ask("/journal?action=GET2B"))["items"]
    assert [entry["ms"] >= least for entry, least in zip(slow, (20, 30), strict=True)] == [True, True]


async def test_scenarios_are_listed_and_deleted(sandbox: Sandbox) -> None:
    await script(sandbox, "one", {"kind": "reset"})
    assert [item["id"] for item in (await sandbox.ask("/scenarios"))["items"]] == ["one"]
    await sandbox.change("DELETE", "/scenarios/one")
    assert (await sandbox.ask("/scenarios"))["items"] == []
    assert (await sandbox.control.get("/control/v1/scenarios/one")).status_code == 404
    assert (await sandbox.control.delete("/control/v1/scenarios/one")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/scenarios/x", {"effect": {"kind": "expired_key"}}),
        ("PUT", "/scenarios/x", {"match": {"gstn": "x"}, "effect": {"kind": "reset"}}),
        ("PUT", "/faults", {"error": 1}),
        ("PUT", "/rates", {"refuse_with": "500"}),
        ("POST", "/clock/advance", {"seconds": -1}),
        ("POST", "/clock/advance", {}),
        ("POST", "/clock/advance", {"to": "2020-01-01T00:00:00Z"}),
        ("POST", "/taxpayers/27AAPFU0939F1ZV", {"twob": "lost"}),
    ],
)
async def test_control_port_refuses_what_it_does_not_know(
    sandbox: Sandbox, method: str, path: str, body: dict[str, Any]
) -> None:
    answer = await sandbox.control.request(method, f"/control/v1{path}", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]


async def test_rate_of_a_gsp_is_refused_with_429(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    await sandbox.change("PUT", "/rates", {"gsp_per_s": 0.001, "gsp_burst": 2})
    answers = [await caller.raw_twob("102026") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "retry-after" not in answers[2].headers
    await sandbox.change("PUT", "/rates", {"gsp_burst": 1, "retry_after": True})
    await caller.raw_twob("102026")
    assert int((await caller.raw_twob("102026")).headers["retry-after"]) > 900


async def test_rate_refused_as_a_business_failure(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    await sandbox.change("PUT", "/rates", {"gsp_per_s": 0.001, "gsp_burst": 1, "refuse_with": "RET13504"})
    assert [code_of(await caller.twob("102026")) for _ in range(2)] == ["", "RET13504"]


async def test_second_call_of_a_registration_at_once_is_refused(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller, other = await signed_in(), await signed_in(number("RB"))
    await sandbox.change("PUT", "/faults", {"latency": {"p50_ms": 60, "p95_ms": 60, "p99_ms": 60}})
    answers = await asyncio.gather(*(each.raw_twob("102026") for each in (caller, caller, other)))
    assert [answer.status_code for answer in answers] == [200, 429, 200]
    assert (await sandbox.ask(f"/journal?gstin={caller.gstin}"))["max_in_flight"] == 2
    assert (await sandbox.ask("/journal"))["max_in_flight"] >= 2


async def test_maintenance_by_the_virtual_clock(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    window = {"from": "2026-11-24T05:00:00Z", "to": "2026-11-24T07:00:00Z"}
    await sandbox.change("PUT", "/faults", {"maintenance": window})
    answer = await caller.raw_twob("102026")
    assert (answer.status_code, code_of(answer.json())) == (500, "GEN5008")
    await sandbox.advance(3600)
    assert code_of(await caller.twob("102026")) == ""


async def test_gsp_wide_errors_and_their_end(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    await sandbox.change("PUT", "/faults", {"error_ratio": 1, "code": "GEN4004"})
    assert code_of(await caller.twob("102026")) == "GEN4004"
    await sandbox.change("PUT", "/faults", {})
    assert code_of(await caller.twob("102026")) == ""


async def test_gateway_gives_up(sandbox: Sandbox, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = await signed_in()
    waited: list[float] = []

    async def at_once(seconds: float) -> None:
        waited.append(seconds)

    latency = {"p50_ms": 0, "p95_ms": 0, "p99_ms": 0, "timeout_ratio": 1}
    await sandbox.change("PUT", "/faults", {"latency": latency})
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "sleep", at_once)
        answer = await caller.raw_twob("102026")
    assert (answer.status_code, waited) == (504, [30.0])


async def test_journal_shows_calls_in_order_without_secrets(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in(number("RL"))
    otp = await sandbox.otp(caller.gstin)
    await caller.twob("102026", 2)
    answer = await sandbox.control.get("/control/v1/journal", params={"gstin": caller.gstin})
    items = answer.json()["items"]
    assert [(item["surface"], item["action"], item["section"]) for item in items] == [
        ("auth", "OTPREQUEST", ""), ("auth", "AUTHTOKEN", ""), ("taxpayer", "GET2B", "2"),
    ]  # fmt: skip
    assert items[2]["period"] == "102026"
    assert all((item["http"], item["code"]) == (200, "") for item in items)
    assert not any(secret in answer.text for secret in (otp, caller.token, caller.username))
    later = await sandbox.ask(f"/journal?since_seq={items[2]['seq']}&action=GET2B&limit=5")
    assert later["next_seq"] == items[2]["seq"] + 1
    await sandbox.change("DELETE", "/journal")
    assert (await sandbox.ask("/journal"))["items"] == []


async def test_journal_filters_by_time_and_refuses_times_without_a_zone(sandbox: Sandbox, signed_in: SignedIn) -> None:
    await signed_in()
    assert (await sandbox.ask("/journal?from=2026-11-25T00:00:00Z"))["items"] == []
    assert len((await sandbox.ask("/journal?to=2026-11-25T00:00:00Z"))["items"]) == 2
    assert (await sandbox.control.get("/control/v1/journal?from=2026-11-25T00:00:00")).status_code == 422


async def test_someone_who_does_not_answer_keeps_the_otp(
    sandbox: Sandbox, style_a: Callable[..., StyleACaller]
) -> None:
    silent = style_a(number("SA"))
    assert (await sandbox.control.get(f"/control/v1/otp/{silent.gstin}")).status_code == 404
    await silent.ask_otp()
    kept = await sandbox.control.get(f"/control/v1/otp/{silent.gstin}")
    assert (kept.status_code, "does not pass" in kept.json()["error"]) == (404, True)
    told = await sandbox.ask(f"/otp/{silent.gstin}?silent=true")
    assert (told["state"], told["tries_left"]) == ("open", 3)


async def test_state_of_a_taxpayer_and_of_a_bad_number(sandbox: Sandbox, signed_in: SignedIn) -> None:
    caller = await signed_in()
    state = await sandbox.ask(f"/taxpayers/{caller.gstin}")
    assert (state["access"], state["sessions"], state["kind"]) == ("enabled", 1, "regular")
    assert state["consent_until"].startswith("2026-12-24")
    assert (await sandbox.control.get("/control/v1/taxpayers/27AAPFU0939F1ZX")).status_code == 404


async def test_health_of_both_ports_and_the_assumptions(sandbox: Sandbox) -> None:
    assert (await sandbox.portal.get("/health")).json() == {"status": "ok"}
    told = (await sandbox.control.get("/health")).json()
    assert (told["status"], told["seed"], told["taxpayers"]) == ("ok", 1, 0)
    assert told["now"].startswith("2026-11-24T06:00")
    shown = await sandbox.ask("/assumptions")
    assert shown["items"]["session.otp_life_s"]["mark"] == "U"


async def test_null_call_counts_and_is_no_portal_call(sandbox: Sandbox) -> None:
    paths = ["/bench/null?delay_ms=20", "/bench/null", "/bench/null?delay_ms=x"]
    answers = await asyncio.gather(*(sandbox.portal.get(path) for path in paths))
    assert {answer.status_code for answer in answers} == {204}
    told = await sandbox.ask("/bench")
    assert (told["calls"], told["ended"]) == (3, 3)
    assert told["last_end_s"] - told["first_start_s"] >= 0.02
    assert (await sandbox.ask("/journal"))["items"] == []
    await sandbox.change("DELETE", "/bench")
    assert (await sandbox.ask("/bench"))["first_start_s"] is None


async def test_response_key_is_new_in_each_answer(signed_in: SignedIn) -> None:
    caller = await signed_in()
    answers = [(await caller.raw_twob("102026")).json() for _ in range(2)]
    assert len({unaes(answer["rek"], caller.session_key) for answer in answers}) == 2
