"""F18: the portal fails for everybody; calls stop, nothing is spent, and everything goes on by itself afterwards."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.conftest import NARROW_PER_S
from tests.support.eventually import eventually_blocking
from tests.support.lines import OperatedLine, operated_line
from tests.support.practices import share_ended, states
from tests.support.registrations import registrations
from tests.support.running_stack import RunningStack

Json = dict[str, Any]
TOLERANT = {"gsp_per_s": 1_000, "gsp_burst": 1_000, "gstin_concurrency": 4}
OPENS_WITHIN_S = 60.0
FAILING = 0.75
"""Of calls, drawn at random: clearly above the share that closes a gate, or chance decides whether it does."""
IN_FLIGHT_S = 2.0
"""A call that had its permit when the gate closed has ended by then."""


@pytest.fixture
def line(narrow: RunningStack) -> Iterator[OperatedLine]:
    narrow.sandbox.limit(**TOLERANT)
    with operated_line(narrow) as operated:
        operated.when(lambda line: line["breaker"] == "closed", what="the line is open")
        operated.set_limit(NARROW_PER_S)
        yield operated


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_f18_a1_and_a4_an_outage_stops_calls_spends_no_attempt_and_ends_by_itself(
    narrow: RunningStack, line: OperatedLine
) -> None:
    practice = narrow.practice("outage")
    practice.take_on(registrations(120), sessions=False)
    before = len(line.outages())
    began_s = narrow.sandbox.now()
    with narrow.sandbox.outage(FAILING, surface="public"):
        bucket_id = practice.start("return_register")
        line.when(lambda _: line.family("public")["breaker"] == "open", OPENS_WITHIN_S, what="the gate closes")
        opened_s = narrow.sandbox.now()

        def waiting() -> list[Json]:
            found = practice.units(bucket_id, state="waiting")
            return [unit for unit in found if unit["reason"]["code"] == "line_down"]

        down = eventually_blocking(waiting, what="units wait for the portal") or []
        told = line.family("public")
    ended = practice.ended(bucket_id)
    counted, free = line.codes(bucket_id)
    outages = line.outages()[: len(line.outages()) - before]

    assert opened_s - began_s <= OPENS_WITHIN_S
    assert told["state"] in {"down", "up"}, "up: a probe was answered meanwhile"
    assert all(unit["next_at"] for unit in down)
    assert ended["verdict"] == "complete"
    assert free["LINE_DOWN"] > 0
    assert counted == {}, "no attempt was spent"
    assert {outage["family"] for outage in outages} == {"public"}
    assert all(seconds(outage["from"]) < seconds(outage["to"]) for outage in outages)
    assert all(outage["reason"] == "line_down" and outage["errors"] >= 12 for outage in outages)


def test_f18_a2_while_the_portal_is_down_one_call_at_a_time_looks_whether_it_is_back(
    narrow: RunningStack, line: OperatedLine
) -> None:
    practice = narrow.practice("probes")
    practice.take_on(registrations(60), sessions=False)
    with narrow.sandbox.outage(1.0, surface="public"):
        bucket_id = practice.start("return_register")
        line.when(lambda _: line.family("public")["breaker"] == "open", OPENS_WITHIN_S, what="the gate closes")
        closed_s = seconds(line.family("public")["since"])

        def probes() -> list[float]:
            calls = narrow.sandbox.data_calls(since_s=closed_s + IN_FLIGHT_S)
            return sorted(call.at_s for call in calls)

        seen = eventually_blocking(lambda: probes() if len(probes()) >= 2 else None, what="two probes") or []
        assert line.family("public")["breaker"] in {"open", "half_open"}
        assert line.family("public")["since"] is not None
    assert practice.ended(bucket_id)["verdict"] == "complete"
    assert line.codes(bucket_id)[0] == {}
    assert seen[0] - closed_s >= 2.9, "3 s until the first"
    assert seen[1] - seen[0] >= 5.9, "twice as long until the next"


def test_f18_a3_an_outage_of_one_section_leaves_the_others_alone(narrow: RunningStack, line: OperatedLine) -> None:
    practice = narrow.practice("section")
    practice.take_on(registrations(25))
    with narrow.sandbox.outage(1.0, action="GET2B"):
        bucket_id = practice.start("notices", "return_register", "gstr2b")
        line.when(
            lambda _: line.family("returns")["breaker"] == "open", OPENS_WITHIN_S, what="the family's gate closes"
        )
        assert line.now()["breaker"] == "closed"

        def others() -> bool:
            found = [unit for unit in practice.units(bucket_id) if unit["module"] != "gstr2b"]
            return states(found).keys() == {"done"}

        eventually_blocking(others, what="the other modules end meanwhile")
        assert line.family("notices")["breaker"] == line.family("public")["breaker"] == "closed"
        assert line.now()["state"] == "slow"
    assert practice.ended(bucket_id)["verdict"] == "complete"


def test_f18_a3_a_registration_that_always_fails_closes_no_gate(narrow: RunningStack, line: OperatedLine) -> None:
    practice, clients = narrow.practice("lonely"), registrations(8)
    practice.take_on(clients, sessions=False)
    before = line.outages()
    with narrow.sandbox.fault("http", http=502, gstin=clients[0].gstin):
        bucket_id = practice.start("return_register")
        practice.when(bucket_id, lambda bucket: share_ended(bucket) >= 7 / 8)
        eventually_blocking(lambda: line.codes(bucket_id)[0]["PORTAL_ERROR"] >= 2, what="it is tried again")
    assert line.outages() == before
    assert practice.ended(bucket_id)["verdict"] == "complete"


def test_a_maintenance_window_of_the_operator_stops_calls_and_spends_no_attempt(
    narrow: RunningStack, line: OperatedLine
) -> None:
    practice = narrow.practice("planned")
    practice.take_on(registrations(10), sessions=False)
    start_s = narrow.sandbox.now()
    body = {"line_id": "up_gst_1", "from": stamp(start_s - 1), "to": stamp(start_s + 600), "note": "drill"}
    made = line.api.request("POST", "/v1/maintenance-windows", json=body).json()
    bucket_id = practice.start("return_register")

    def waiting() -> list[Json]:
        found = practice.units(bucket_id, state="waiting")
        return [unit for unit in found if unit["reason"]["code"] == "portal_maintenance"]

    eventually_blocking(waiting, what="units wait for the end of the maintenance")
    assert (line.now()["state"], line.now()["reason"]) == ("maintenance", "portal_maintenance")
    assert narrow.sandbox.data_calls(since_s=start_s) == []
    line.api.request("DELETE", f"/v1/maintenance-windows/{made['id']}")
    assert practice.ended(bucket_id)["verdict"] == "complete"
    assert line.codes(bucket_id)[0] == {}
    assert line.now()["state"] == "up"


def stamp(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s).astimezone().isoformat()
