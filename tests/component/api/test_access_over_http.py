"""Portal users, sessions and OTP requests over HTTP. The worker is played by the bus."""

import base64
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sync_contracts.sessions import SessionCommand

from tests.component.api.conftest import Api
from tests.component.api.firm import ONLY_2B, add_clients, client_document, firm_of, started

ACCESS = "/v1/clients/c_one_1/access"
CREDENTIAL = "/v1/clients/c_one_1/credential"
NO_WAIT = {"prefer": "wait=0"}


def worker(api: Api, **states: dict[str, Any]) -> Callable[[SessionCommand], Awaitable[None]]:
    """A worker that ends each step as told: `OTP_REQUEST={"state": …}`."""

    async def reply(command: SessionCommand) -> None:
        if command.step in states:
            await api.database["otp_requests"].update_one({"_id": command.request}, {"$set": states[command.step]})

    return reply


async def ask(
    http: httpx.AsyncClient, key: str = "o1", headers: dict[str, str] = NO_WAIT, **body: Any
) -> httpx.Response:
    path = "/v1/clients/c_one_1/otp-requests"
    return await http.post(path, json=body, headers={"idempotency-key": key, **headers})


async def submit(http: httpx.AsyncClient, request: str, otp: str = "575757") -> httpx.Response:
    return await http.post(f"/v1/otp-requests/{request}/submit", json={"otp": otp}, headers=NO_WAIT)


async def test_a_portal_user_is_written_and_never_read(http: httpx.AsyncClient, api: Api) -> None:
    await add_clients(api.database, [client_document("t_one", 1)], access=False)
    assert (await http.get(ACCESS)).json()["reason"] == "no_access"
    assert (await http.put(CREDENTIAL, json={"username": "goldfish"})).status_code == 204
    told = await http.get(ACCESS)
    assert (told.json()["reason"], told.json()["credential"]["set"]) == ("otp_required", True)
    assert "goldfish" not in told.text
    stored = await api.database["credentials"].find_one({"client": "c_one_1"})
    tenant = await api.database["tenants"].find_one({"_id": "t_one"})
    assert stored is not None
    assert tenant is not None
    assert b"goldfish" not in stored["username_enc"]
    opened = api.kek.decryptor("t_one", {1: tenant["data_key_wrapped"]})
    assert opened.decrypt(stored["username_enc"], "c_one_1", "username_enc") == b"goldfish"


async def test_a_changed_portal_user_releases_the_log_in_guard(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    guard = {"cred_ver": 1, "day": "2026-11-23", "failures": 2, "blocked": True}
    await api.database["portal_sessions"].insert_one({"_id": "t_one:c_one_1", "fence": 0, "guard": guard})
    assert (await http.get(ACCESS)).json()["reason"] == "login_guard"
    await http.put(CREDENTIAL, json={"username": "other"})
    released = (await http.get(ACCESS)).json()
    assert (released["reason"], released["login_guard"]["failures_today"]) == ("otp_required", 0)
    bucket = await started(http, ONLY_2B)
    assert bucket["counters"]["queued"] == 1


async def test_a_live_session_is_ready_until_it_ends(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    now = api.clock()
    session = {
        "_id": "t_one:c_one_1",
        "fence": 0,
        "token_enc": b"secret",
        "token_exp": now + timedelta(hours=6),
        "consent_until": now + timedelta(days=2, hours=1),
        "consent_source": "declared",
        "cred_ref": "gst_portal_user:1",
    }
    await api.database["portal_sessions"].insert_one(session)
    told = (await http.get(ACCESS)).json()
    assert (told["ready"], told["reason"], told["session"]["until"]) == (True, None, "2026-11-23T11:30:00.000Z")
    assert told["consent"] == {
        "enabled": True,
        "until": "2026-11-25T06:30:00.000Z",
        "source": "declared",
        "days_left": 2,
        "warn": True,
    }
    assert (await http.get("/v1/clients")).json()["items"][0]["access"]["ready"] is True
    api.clock.forward(timedelta(hours=7))
    assert (await http.get(ACCESS)).json()["reason"] == "otp_required"
    api.clock.forward(timedelta(days=3))
    assert (await http.get(ACCESS)).json()["reason"] == "consent_expired"


async def test_a_session_of_an_earlier_portal_user_counts_for_nothing(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    session = {"token_exp": api.clock() + timedelta(hours=1), "cred_ref": "gst_portal_user:0", "fence": 0}
    await api.database["portal_sessions"].insert_one({"_id": "t_one:c_one_1", **session})
    assert (await http.get(ACCESS)).json()["ready"] is False


async def test_an_otp_request_is_stored_first_then_told_to_the_worker(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    answer = await ask(http, consent="30d")
    assert (answer.status_code, answer.json()["state"]) == (202, "requested")
    (command,) = api.bus.commands
    assert (command.step, command.request, command.tenant, command.client) == (
        "OTP_REQUEST",
        answer.json()["id"],
        "t_one",
        "c_one_1",
    )
    stored = await api.database["otp_requests"].find_one({"_id": command.request})
    assert stored is not None
    assert (stored["state"], stored["consent"], stored["by"]) == ("requested", "30d", "us_administrator")
    assert (await http.get(answer.headers["location"])).json() == answer.json()


async def test_the_answer_waits_for_the_worker(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    api.bus.reply = worker(api, OTP_REQUEST={"state": "sent", "sent_at": api.clock(), "tries_left": 3})
    answer = await ask(http, headers={"prefer": "wait=5"})
    assert (answer.status_code, answer.json()["state"], answer.json()["tries_left"]) == (201, "sent", 3)
    assert (await http.get(ACCESS)).json()["open_otp_request_id"] == answer.json()["id"]


async def test_the_same_key_sends_one_otp(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    first, again = await ask(http), await ask(http)
    assert (first.json()["id"], again.headers["idempotent-replayed"]) == (again.json()["id"], "true")
    assert len(api.bus.commands) == 1
    assert (await ask(http, consent="6h")).json()["code"] == "idempotency_key_reused"


async def test_a_newer_request_closes_the_older_one(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    api.bus.reply = worker(api, OTP_REQUEST={"state": "sent"})
    old = (await ask(http)).json()["id"]
    await ask(http, "o2")
    closed = await submit(http, old)
    assert (closed.status_code, closed.json()["code"]) == (409, "otp_closed")


async def test_the_code_travels_encrypted_for_one_request_and_lies_nowhere(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    until = api.clock() + timedelta(hours=6)
    api.bus.reply = worker(api, OTP_REQUEST={"state": "sent"}, OTP_SUBMIT={"state": "accepted", "session_until": until})
    request = (await ask(http)).json()["id"]
    answer = await submit(http, request, "998877")
    assert (answer.status_code, answer.json()["state"]) == (200, "accepted")
    assert answer.json()["session_until"] == "2026-11-23T11:30:00.000Z"
    command = api.bus.commands[-1]
    assert command.secret is not None
    sealed = base64.b64decode(command.secret)
    assert b"998877" not in sealed
    tenant = await api.database["tenants"].find_one({"_id": "t_one"})
    assert tenant is not None
    opened = api.kek.decryptor("t_one", {1: tenant["data_key_wrapped"]})
    assert opened.decrypt(sealed, "c_one_1", request) == b"998877"
    async for document in api.database["otp_requests"].find():
        assert "998877" not in repr(document)


@pytest.mark.parametrize(
    ("ending", "status", "code"),
    [
        ({"state": "rejected", "tries_left": 2}, 422, "otp_rejected"),
        ({"state": "failed", "reason": "portal_error"}, 409, "otp_closed"),
        ({"state": "expired"}, 409, "otp_closed"),
    ],
)
async def test_a_code_that_is_not_accepted_is_told(
    http: httpx.AsyncClient, api: Api, ending: dict[str, Any], status: int, code: str
) -> None:
    await firm_of(api.database, 1)
    api.bus.reply = worker(api, OTP_REQUEST={"state": "sent"}, OTP_SUBMIT=ending)
    request = (await ask(http)).json()["id"]
    refused = await submit(http, request)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert refused.json().get("tries_left") == ending.get("tries_left")


async def test_a_wrong_code_leaves_another_try_open(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    api.bus.reply = worker(api, OTP_REQUEST={"state": "sent"}, OTP_SUBMIT={"state": "rejected", "tries_left": 1})
    request = (await ask(http)).json()["id"]
    await submit(http, request, "000000")
    api.bus.reply = worker(api, OTP_SUBMIT={"state": "accepted"})
    assert (await submit(http, request)).status_code == 200


async def test_an_expired_request_takes_no_code(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    api.bus.reply = worker(api, OTP_REQUEST={"state": "sent"})
    request = (await ask(http)).json()["id"]
    api.clock.forward(timedelta(minutes=11))
    assert (await submit(http, request)).json()["code"] == "otp_closed"


async def test_a_lost_submit_is_told_and_may_be_repeated(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    api.bus.reply = worker(api, OTP_REQUEST={"state": "sent"}, OTP_SUBMIT={"state": "accepted"})
    request = (await ask(http)).json()["id"]
    api.bus.fail = ConnectionError("not acknowledged")
    lost = await submit(http, request)
    assert (lost.status_code, lost.json()["code"], lost.headers["retry-after"]) == (503, "unavailable", "5")
    api.bus.fail = None
    assert (await submit(http, request)).status_code == 200


async def test_an_otp_cannot_be_asked_for_without_a_portal_user(http: httpx.AsyncClient, api: Api) -> None:
    await add_clients(api.database, [client_document("t_one", 1)], access=False)
    refused = await ask(http)
    assert refused.status_code == 422
    assert api.bus.commands == []


async def test_removing_the_portal_user_ends_the_session(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    assert (await http.delete(CREDENTIAL)).status_code == 204
    (command,) = api.bus.commands
    assert command.step == "LOGOUT"
    stored = await api.database["otp_requests"].find_one({"_id": command.request})
    assert stored is not None
    assert stored["state"] == "requested"
    assert (await http.get(f"/v1/otp-requests/{command.request}")).status_code == 404
    assert (await http.delete(CREDENTIAL)).status_code == 404


async def test_access_is_listed_by_reason(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 5)
    await add_clients(api.database, [client_document("t_one", 9)], access=False)
    waiting = (await http.get("/v1/access", params={"reason": "otp_required", "page_size": 3})).json()
    assert (waiting["total_size"], len(waiting["items"])) == (5, 3)
    params = {"reason": "otp_required", "page_size": 3, "page_token": waiting["next_page_token"]}
    rest = (await http.get("/v1/access", params=params)).json()
    assert len({item["client_id"] for item in waiting["items"] + rest["items"]}) == 5
    assert rest["next_page_token"] is None
    without = (await http.get("/v1/access", params={"reason": "no_access"})).json()
    assert [item["client_id"] for item in without["items"]] == ["c_one_9"]
    assert (await http.get("/v1/access", params={"ready": "true"})).json()["total_size"] == 0
    await api.database["portal_sessions"].insert_one({"_id": "t_one:c_one_2", "fence": 0, "ended": "account_locked"})
    locked = (await http.get("/v1/access", params={"reason": "account_locked"})).json()
    assert [item["client_id"] for item in locked["items"]] == ["c_one_2"]


async def test_each_submission_has_a_number_of_its_own(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    api.bus.reply = worker(api, OTP_REQUEST={"state": "sent"}, OTP_SUBMIT={"state": "rejected", "tries_left": 1})
    request = (await ask(http)).json()["id"]
    for _ in range(2):
        await submit(http, request, "000000")
    assert [c.submission for c in api.bus.commands if c.step == "OTP_SUBMIT"] == [1, 2]
    stored = await api.database["otp_requests"].find_one({"_id": request})
    assert stored is not None
    assert stored["submission"] == 2


@pytest.mark.parametrize("error", [ConnectionError("not acknowledged"), RuntimeError("the producer is broken")])
async def test_an_otp_request_that_was_not_told_to_a_worker_ends_as_failed(
    http: httpx.AsyncClient, api: Api, error: Exception
) -> None:
    await firm_of(api.database, 1)
    api.bus.fail = error
    assert (await ask(http)).status_code in (500, 503)
    api.bus.fail = None
    again = await ask(http)
    assert (again.json()["state"], again.json()["reason"]) == ("failed", "interrupted")
    assert (await ask(http, "o2")).json()["state"] == "requested"


async def test_a_code_may_be_entered_again_after_whatever_went_wrong(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    api.bus.reply = worker(api, OTP_REQUEST={"state": "sent"}, OTP_SUBMIT={"state": "accepted"})
    request = (await ask(http)).json()["id"]
    api.bus.fail = RuntimeError("the producer is broken")
    assert (await submit(http, request)).status_code == 500
    api.bus.fail = None
    assert (await submit(http, request)).status_code == 200
    assert api.bus.commands[-1].submission == 2, "the lost code, should it come after all, is no later one"


async def test_a_step_that_nobody_answers_is_told_as_failed(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    request = (await ask(http)).json()["id"]
    api.clock.forward(timedelta(minutes=14))
    assert (await http.get(f"/v1/otp-requests/{request}")).json()["state"] == "requested"
    api.clock.forward(timedelta(minutes=2))
    told = (await http.get(f"/v1/otp-requests/{request}")).json()
    assert (told["state"], told["reason"]) == ("failed", "interrupted")


async def test_a_check_of_the_session_leaves_the_open_request_open(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    until = api.clock() + timedelta(hours=6)
    api.bus.reply = worker(api, OTP_REQUEST={"state": "sent"}, CHECK={"state": "accepted", "session_until": until})
    request = (await ask(http)).json()["id"]
    check = await http.post("/v1/clients/c_one_1/access-checks", headers=NO_WAIT)
    assert (check.status_code, check.json()["state"]) == (200, "accepted")
    assert check.json()["session_until"] == "2026-11-23T11:30:00.000Z"
    assert api.bus.commands[-1].step == "CHECK"
    assert (await http.get(ACCESS)).json()["open_otp_request_id"] == request


async def test_a_check_that_is_still_out_is_told_as_such(http: httpx.AsyncClient, api: Api) -> None:
    await firm_of(api.database, 1)
    check = await http.post("/v1/clients/c_one_1/access-checks", headers=NO_WAIT)
    assert (check.status_code, check.json()["state"]) == (202, "requested")
