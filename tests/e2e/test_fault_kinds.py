"""F03: what a clerk reads when something goes wrong. One client for each kind of fault, all in one bucket.

F12 A2, A3 and F14 A3, A4 are rows of the same table: what the portal says and what the unit shows.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from sync_contracts.reasons import REASONS

from tests.support.practices import Practice
from tests.support.registrations import Registration, registration
from tests.support.running_stack import RunningStack

Json = dict[str, Any]
MONTH = "2026-10"


@dataclass(frozen=True)
class Fault:
    """What happens to one client's 2B, and what its unit must say. `parts`: of its statement."""

    name: str
    state: str
    reason: str | None
    owner: str = ""
    action: str = ""
    effect: Json = field(default_factory=dict)
    match: Json = field(default_factory=dict)
    portal_code: str | None = None
    times: int | None = None
    counted: int | None = None
    traits: Json = field(default_factory=dict)
    outcome: str | None = None

    def __str__(self) -> str:
        return self.name


def _code(code: str, **more: Any) -> Json:
    return {"effect": {"kind": "code", "code": code}, "portal_code": code, **more}


FAULTS = (
    Fault("error_twice", "done", None, effect={"kind": "code", "code": "RET13505"}, times=2, outcome="changed"),
    Fault("otp_needed", "needs_action", "otp_required", "taxpayer", "request_otp", **_code("RETOTPREQUEST")),
    Fault("access_off", "needs_action", "access_disabled", "taxpayer", "send_steps", **_code("AUTH4037")),
    Fault("wrong_user_name", "needs_action", "credential_invalid", "firm", "fix_credential", **_code("AUTH4032")),
    Fault("password_expired", "needs_action", "password_expired", "taxpayer", "send_steps", **_code("SWEB9033")),
    Fault("account_locked", "needs_action", "account_locked", "taxpayer", "send_steps", **_code("SWEB9035")),
    Fault("our_access_refused", "failed", "service_config", "us", "report", **_code("AUT4031")),
    Fault("our_request_refused", "failed", "request_rejected", "us", "report", **_code("RET11400")),
    Fault("code_nobody_knows", "failed", "unknown", "us", "report", counted=1, **_code("ZZZ99999")),
    Fault("wrong_hash", "failed", "integrity_mismatch", "us", "retry", effect={"kind": "bad_hash"}, counted=1),
    Fault("cut_off", "failed", "retries_exhausted", "portal", "retry", effect={"kind": "truncate"}, counted=5),
    Fault("other_taxpayer", "failed", "integrity_mismatch", "us", "retry", effect={"kind": "foreign_body"}, counted=1),
    Fault("other_totals", "failed", "totals_mismatch", "portal", "retry", effect={"kind": "wrong_total"}),
    Fault(
        "part_missing", "failed", "section_missing", "portal", "retry",
        effect={"kind": "missing_part"}, match={"section": "2"}, traits={"twob": "L"},
    ),
    Fault("always_an_error", "failed", "retries_exhausted", "portal", "retry", counted=5, **_code("RET13505")),
    Fault("gateway_twice", "done", None, effect={"kind": "http", "http": 502}, times=2, outcome="changed"),
    Fault("too_many_sessions", "waiting", "session_cap", "firm", "wait", counted=0, **_code("AUTH403")),
    Fault("file_in_preparation", "waiting", "portal_preparing", "portal", "wait", counted=0, **_code("RTN_24")),
    Fault("line_down", "waiting", "line_down", "portal", "wait", counted=0, **_code("GEN4004")),
    Fault("not_generated", "not_available", "not_yet", "portal", "wait_until", traits={"twob": "N"},
          portal_code="RET2B1023"),
    Fault("3b_not_filed", "not_available", "precondition_unmet", "firm", "show_precondition", traits={"twob": "U"},
          portal_code="GTR2B-002"),
    Fault("not_for_this_kind", "skipped", "not_applicable", "none", "none", traits={"kind": "X"},
          portal_code="GTR2B-001"),
    Fault("no_data", "done", None, traits={"twob": "E"}, outcome="empty"),
    Fault("no_data_by_another_code", "done", None, outcome="empty", effect={"kind": "code", "code": "RET13508"}),
    Fault("ambiguous_code_on_a_read", "done", None, outcome="empty", effect={"kind": "code", "code": "RET13509"}),
    Fault("too_many_calls_once", "done", None, effect={"kind": "http", "http": 429}, times=1, counted=0,
          outcome="changed"),
    Fault("too_many_calls_by_code_once", "done", None, effect={"kind": "code", "code": "RET13504"}, times=1, counted=0,
          outcome="changed"),
    Fault("slow", "done", None, effect={"kind": "delay", "delay_ms": 3000}, outcome="changed"),
    Fault("no_fault", "done", None, outcome="changed"),
    Fault("reset_once", "done", None, effect={"kind": "reset"}, times=1, counted=0, outcome="changed"),
)  # fmt: skip
OPEN = ("waiting", "retrying", "queued", "running")


@dataclass
class Troubles:
    """The bucket of all faults, once nothing changes any more."""

    practice: Practice
    clients: dict[str, Registration]
    bucket_id: str
    began_s: float

    def unit(self, fault: str, module: str = "gstr2b") -> Json:
        return self.practice.unit(self.bucket_id, self.clients[fault], module)


@pytest.fixture(scope="module")
def troubles(running: RunningStack) -> Iterator[Troubles]:
    practice = running.practice("troubles")
    clients = {fault.name: registration(**fault.traits) for fault in FAULTS}
    practice.take_on(list(clients.values()))
    with ExitStack() as scripted:
        for fault in FAULTS:
            if fault.effect:
                match = {"action": "GET2B", **fault.match}
                scripted.enter_context(
                    running.sandbox.fault(**fault.effect, times=fault.times, gstin=clients[fault.name].gstin, **match)
                )
        began_s = running.sandbox.now()
        bucket_id = practice.start("gstr2b", "return_register", period={"rule": "default"})
        waiting = sum(fault.state == "waiting" for fault in FAULTS)
        practice.when(bucket_id, lambda bucket: _open_units(bucket) == waiting, 100)
        yield Troubles(practice, clients, bucket_id, began_s)
        practice.api.cancel(bucket_id, "nobody waits for these any more")
        practice.ended(bucket_id)


def _open_units(bucket: Json) -> int:
    return sum(int(bucket["counters"][state]) for state in OPEN)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_f03_a1_each_kind_of_fault_shows_its_reason_owner_and_next_action(troubles: Troubles, fault: Fault) -> None:
    unit = troubles.unit(fault.name)

    assert (unit["state"], unit["outcome"]) == (fault.state, fault.outcome)
    if fault.reason is None:
        assert unit["reason"] is None
    else:
        reason = unit["reason"]
        assert (reason["code"], reason["owner"], reason["action"]) == (fault.reason, fault.owner, fault.action)
        assert reason["detail"].get("portal_code") == fault.portal_code
    if fault.counted is not None:
        assert unit["counted_failures"] == fault.counted
    if fault.state == "waiting":
        assert unit["next_at"]


@pytest.mark.parametrize(("fault", "http", "code"), [("error_twice", 200, "RET13505"), ("gateway_twice", 502, None)])
def test_each_passing_error_is_counted_unless_it_was_everybodys(
    troubles: Troubles, fault: str, http: int, code: str | None
) -> None:
    """An error that enough others meet at the same moment is the line's, and not counted against a unit."""
    unit = troubles.unit(fault)
    path = f"/v1/buckets/{troubles.bucket_id}/units/{unit['id']}/attempts"
    attempts = troubles.practice.api.get(path)["items"]
    erred = [one for one in attempts if (one["http"], one["portal_code"]) == (http, code)]

    assert len(erred) == 2
    assert {one["answer"] for one in erred} <= {"PORTAL_ERROR", "LINE_DOWN"}
    assert all(one["counted"] == (one["answer"] == "PORTAL_ERROR") for one in erred)
    assert unit["counted_failures"] == sum(one["counted"] for one in attempts)


def test_f03_a2_an_unknown_code_is_kept_and_shown(troubles: Troubles) -> None:
    unknown = troubles.practice.units(troubles.bucket_id, reason="unknown")

    assert [unit["reason"]["detail"]["portal_code"] for unit in unknown] == ["ZZZ99999"]
    (group,) = [
        group
        for group in troubles.practice.api.get(f"/v1/buckets/{troubles.bucket_id}/groups")["items"]
        if group["reason"] == "unknown"
    ]
    assert group["sample"]["portal_code"] == "ZZZ99999"


def test_f03_a3_code_and_text_are_those_of_the_catalogue_in_api_and_command_line(troubles: Troubles) -> None:
    catalogue = {row["reason"]: row["text"] for row in troubles.practice.api.get("/v1/reasons")["items"]}
    told = [unit for unit in troubles.practice.units(troubles.bucket_id) if unit["reason"]]
    printed = troubles.practice.command_line().run("units", troubles.bucket_id).answer

    assert catalogue == {reason.reason: reason.text for reason in REASONS.values()}
    assert {(unit["reason"]["code"], unit["reason"]["text"]) for unit in told} <= catalogue.items()
    assert {unit["id"]: unit["reason"] for unit in printed if unit["reason"]} == {u["id"]: u["reason"] for u in told}


@pytest.mark.parametrize("fault", ["code_nobody_knows", "wrong_hash", "part_missing", "access_off"])
def test_f03_a4_an_error_of_one_unit_leaves_the_clients_other_units_alone(troubles: Troubles, fault: str) -> None:
    assert troubles.unit(fault, "return_register")["state"] == "done"


def test_f03_a5_the_same_code_in_the_otp_step_is_a_refused_otp(troubles: Troubles, running: RunningStack) -> None:
    client = troubles.clients["ambiguous_code_on_a_read"]
    asked = troubles.practice.ask_otp(client.gstin)
    otp = running.sandbox.otp(client.gstin)
    assert otp is not None

    with running.sandbox.fault("code", code="RET13509", times=1, surface="auth", gstin=client.gstin):
        answer = troubles.practice.try_otp(asked, otp)

    assert answer["problem"]["code"] == "otp_rejected"


def test_f12_a3_a_system_failure_is_never_no_data(troubles: Troubles) -> None:
    failures = ("always_an_error", "cut_off", "line_down", "code_nobody_knows", "wrong_hash")

    assert all(troubles.unit(fault)["outcome"] is None for fault in failures)


@pytest.mark.parametrize("fault", ["other_taxpayer", "wrong_hash", "other_totals", "cut_off", "code_nobody_knows"])
def test_f14_a3_and_a4_what_fails_a_check_is_never_stored(
    troubles: Troubles, running: RunningStack, fault: str
) -> None:
    client = troubles.practice.ids[troubles.clients[fault].gstin]
    stored = running.dataset(troubles.practice.tenant, client, "gstr2b", MONTH)

    assert stored is None or "ver" not in stored


def test_f14_a3_a_stored_answer_names_the_client_and_month_asked_for(troubles: Troubles, running: RunningStack) -> None:
    client = troubles.clients["no_fault"]
    stored = running.dataset(troubles.practice.tenant, troubles.practice.ids[client.gstin], "gstr2b", MONTH)
    assert stored is not None

    body = running.plain(stored)

    assert f'"gstin":"{client.gstin}"'.encode() in body
    assert b'"rtnprd":"102026"' in body


def test_f02_a4_a_unit_in_back_off_is_shown_as_retrying(running: RunningStack) -> None:
    practice, client = running.practice("backoff"), registration()
    practice.take_on([client])
    with running.sandbox.fault("code", code="RET13505", gstin=client.gstin, action="GET2B"):
        bucket_id = practice.start("gstr2b")
        practice.when(bucket_id, lambda bucket: bucket["counters"]["retrying"] == 1)
        unit = practice.unit(bucket_id, client, "gstr2b")

    assert unit["state"] == "retrying"
    assert 1 <= unit["counted_failures"] < unit["attempts_max"] == 5
    assert unit["reason"]["code"] == "portal_error"
    assert unit["next_at"]
    assert practice.ended(bucket_id)["verdict"] == "complete"
