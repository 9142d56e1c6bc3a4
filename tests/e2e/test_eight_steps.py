"""The eight steps, told as a story: a practice with 120 clients, from its client file to the verified statement.

Every test is a chapter; the chapters stand in the order in which they happen.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from portal_sandbox.roster import clients as roster
from sync_contracts.units import DISPLAY_STATES
from syncbucket_cli.cells import FINAL, counts_by_column
from syncbucket_cli.client import Refused

from tests.support.eventually import eventually_blocking
from tests.support.practices import Practice, share_ended, states
from tests.support.registrations import Registration, client_file
from tests.support.running_stack import RunningStack

Json = dict[str, Any]
SEED = 1
PRESETS = ("only_2b", "notice_return_register")
NON_FINAL = {"queued", "waiting", "running", "retrying"}


@dataclass
class Story:
    """What the chapters hand on."""

    practice: Practice
    clients: list[Registration]
    otp: dict[str, Json] = field(default_factory=dict)
    bucket_id: str = ""
    looks: list[Json] = field(default_factory=list)
    began_s: float = 0.0

    def tagged(self, tag: str) -> list[Registration]:
        """Clients with a tag."""
        return [client for client in self.clients if tag in client.tags.split(";")]

    def statement(self) -> Json:
        """The completion statement."""
        return self.practice.api.get(f"/v1/buckets/{self.bucket_id}/statement")


@pytest.fixture(scope="module")
def story(running: RunningStack) -> Story:
    """The practice of the story, still empty."""
    rows = [Registration(row.gstin, row.name, row.filing_frequency, row.tags, row.status) for row in roster(120, SEED)]
    return Story(running.practice("story"), rows, began_s=running.sandbox.now())


def _states_of(bucket: Json) -> dict[str, int]:
    return {name: bucket["counters"][name] for name in FINAL | NON_FINAL}


def test_step_1_a_client_file_is_checked_and_nothing_is_saved(story: Story) -> None:
    broken = client_file(story.clients) + b"\n29ABCDE1234F1Z0,Wrong Check Character,monthly,,nobody,active"

    checked = story.practice.api.import_clients(broken, "clients.csv")

    assert checked["counts"] == {"rows": 121, "create": 120, "update": 0, "unchanged": 0, "error": 1}
    (bad,) = story.practice.api.pages(f"/v1/client-imports/{checked['id']}/rows", result="error")
    assert (bad["row"], bad["errors"][0]["code"]) == (122, "gstin_invalid")
    assert list(story.practice.api.pages("/v1/clients")) == []


def test_step_1_the_client_master_is_filled(story: Story) -> None:
    saved = story.practice.import_clients(story.clients)

    assert saved["counts"]["create"] == len(story.clients) == len(story.practice.ids)


def test_f10_a1_importing_clients_asks_nobody_for_an_otp(story: Story) -> None:
    assert story.practice.sandbox.calls(since_s=story.began_s, action="OTPREQUEST") == []


def test_f10_a4_a_wrong_otp_leaves_the_request_open_and_says_how_many_tries_are_left(story: Story) -> None:
    gstin = next(client.gstin for client in story.clients if client.gstin[5] == "R")
    asked = story.practice.ask_otp(gstin)
    assert asked["state"] == "sent"

    with pytest.raises(Refused) as refused:
        story.practice.submit_otp(asked, "0000")

    assert refused.value.problem["code"] == "otp_rejected"
    assert refused.value.problem["tries_left"] == 1, "two refused log-ins a day are the most that we allow"
    otp = story.practice.sandbox.otp(gstin)
    assert otp is not None
    assert story.practice.submit_otp(asked, otp)["state"] == "accepted"


def test_sessions_open_for_every_taxpayer_who_answers(story: Story) -> None:
    waiting = [access["client_id"] for access in story.practice.api.pages("/v1/access", reason="otp_required")]
    gstins = {client: gstin for gstin, client in story.practice.ids.items()}

    story.otp = story.practice.log_in(gstins[client] for client in waiting)

    silent, off = story.tagged("otp-unanswered"), story.tagged("api-access-off")
    assert {story.otp[client.gstin]["state"] for client in silent} == {"sent"}
    assert {story.otp[client.gstin]["reason"] for client in off} == {"access_disabled"}
    accepted = sum(request["state"] == "accepted" for request in story.otp.values())
    assert accepted == len(waiting) - len(silent) - len(off)


def test_steps_2_to_6_select_all_choose_presets_start(story: Story) -> None:
    """Four columns: notices, register, the newest 2B of monthly filers, and that of quarterly filers."""
    story.began_s = story.practice.sandbox.now()
    started, reused = story.practice.api.start({"selection": {"all": True}, "presets": list(PRESETS)})
    story.bucket_id = started["id"]

    assert not reused
    assert started["counters"]["total"] == len(started["columns"]) * len(story.clients) == 4 * len(story.clients)
    assert started["modules"] == ["notices", "return_register", "gstr2b"]
    assert started["verdict"] is None


def test_f08_a5_a_second_start_of_the_same_plan_opens_the_running_bucket(story: Story) -> None:
    with story.practice.colleague("clerk") as clerk:
        opened, reused = clerk.start({"selection": {"all": True}, "presets": list(PRESETS)})

    assert reused
    assert opened["id"] == story.bucket_id
    assert opened["created_by"]["id"]


def test_step_7_it_runs_to_its_end_while_somebody_looks_now_and_then(story: Story) -> None:
    def look() -> bool:
        story.looks.append(story.practice.bucket(story.bucket_id))
        return story.looks[-1]["verdict"] is not None

    eventually_blocking(look, 90, what="the bucket ends")
    assert len({look["version"] for look in story.looks}) > 1, "nothing was seen of its progress"


def test_f02_a1_the_states_add_up_to_the_total_in_every_look(story: Story) -> None:
    for seen in story.looks:
        assert sum(_states_of(seen).values()) == seen["counters"]["total"], seen["version"]


def test_f02_a1_bucket_units_cells_and_command_line_say_the_same_at_the_end(story: Story) -> None:
    practice, wanted = story.practice, _states_of(story.looks[-1])
    shown = {name: count for name, count in wanted.items() if count}
    units = practice.units(story.bucket_id)
    cells = sum(counts_by_column(practice.api.snapshot(story.bucket_id)), start=Counter[str]())
    line = practice.command_line()

    assert states(units) == cells == shown
    assert _states_of(line.run("show", story.bucket_id).answer) == wanted
    assert states(line.run("units", story.bucket_id).answer) == shown


def test_f02_a6_progress_never_goes_back(story: Story) -> None:
    versions = [look["version"] for look in story.looks]
    shares = [share_ended(look) for look in story.looks]
    assert versions == sorted(versions)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_f02_a2_a_bucket_with_gaps_is_not_called_complete(story: Story) -> None:
    ended = story.looks[-1]
    assert ended["counters"]["gaps"] > 0
    assert ended["verdict"] == ended["status"] == "complete_with_gaps"


def test_f02_a3_and_f12_a1_what_the_portal_does_not_have_is_no_failure_and_is_named(story: Story) -> None:
    unavailable = story.practice.units(story.bucket_id, state="not_available")
    gaps = {unit["id"] for unit in story.practice.api.pages(f"/v1/buckets/{story.bucket_id}/gaps")}
    expected = {client.gstin: "not_yet" for client in story.tagged("2b-not-generated")}
    expected |= {client.gstin: "precondition_unmet" for client in story.tagged("previous-3b-open")}

    assert expected
    assert {unit["gstin"]: unit["reason"]["code"] for unit in unavailable} == expected
    assert gaps.isdisjoint(unit["id"] for unit in unavailable)
    verification = story.statement()["verification"]
    assert verification["not_available"] == len(expected)
    assert {row["reason"] for row in story.statement()["not_available"]} == set(expected.values())


def test_f10_a1_units_without_a_session_need_a_person_and_no_otp_was_sent_for_them(
    story: Story, running: RunningStack
) -> None:
    without = {story.practice.ids[client.gstin] for client in story.tagged("otp-unanswered")}
    needing = story.practice.units(story.bucket_id, state="needs_action")

    assert without <= {unit["client_id"] for unit in needing}
    assert {unit["reason"]["code"] for unit in needing if unit["client_id"] in without} == {"otp_required"}
    assert running.sandbox.calls(since_s=story.began_s, action="OTPREQUEST") == []


def test_step_8_and_f14_a1_the_statement_is_recounted_from_storage(story: Story, running: RunningStack) -> None:
    pages = running.database["bucket_pages"].find({"b": story.bucket_id}, {"h": 1})
    shown = [sum(column) for column in zip(*(map(int, page["h"].split(",")) for page in pages), strict=True)]
    recount = dict(zip(DISPLAY_STATES, shown, strict=True))

    verification = story.statement()["verification"]

    assert verification["agrees"] is True
    assert verification["expected"] == verification["final"] == sum(shown) == 4 * len(story.clients)
    assert verification["with_data"] == recount["changed"] + recount["unchanged"] + recount["empty"]
    assert verification["not_applicable"] == recount["skipped"]
    assert verification["gaps"] == recount["needs_action"] + recount["failed"] + recount["skipped_gap"]
    parts = ("with_data", "not_available", "not_applicable", "gaps")
    assert sum(verification[part] for part in parts) == verification["expected"]


def test_f14_a2_row_counts_and_amounts_equal_the_portals_own_totals(story: Story) -> None:
    statement = story.statement()
    totals = {(total["module"], total["total"]): total for total in statement["control_totals"]}

    assert {("gstr2b", "documents"), ("gstr2b", "txval"), ("notices", "notices")} <= totals.keys()
    assert all(total["ours"] == total["portal"] and total["agrees"] for total in totals.values())
    assert all(check["mismatches"] == 0 for check in statement["verification"]["checks"])
    rows = sum(column["rows"] for column in statement["modules"] if column["module"] == "gstr2b")
    assert rows == int(totals["gstr2b", "documents"]["ours"]) > 0


def test_f14_a6_there_are_as_many_gaps_as_the_counter_says(story: Story) -> None:
    gaps = list(story.practice.api.pages(f"/v1/buckets/{story.bucket_id}/gaps"))
    groups = story.practice.api.get(f"/v1/buckets/{story.bucket_id}/groups")["items"]
    verification = story.statement()["verification"]

    assert len(gaps) == story.looks[-1]["counters"]["gaps"] == verification["gaps"]
    assert sum(group["units"] for group in groups) == len(gaps)
    assert sum(row["units"] for row in story.statement()["gaps"]) == len(gaps)


def test_f01_a4_another_device_sees_the_same_bucket_with_the_same_numbers(story: Story) -> None:
    with story.practice.colleague("reviewer") as phone:
        seen = phone.get(f"/v1/buckets/{story.bucket_id}")
        listed = next(bucket for bucket in phone.pages("/v1/buckets") if bucket["id"] == story.bucket_id)

    assert seen["version"] >= story.looks[-1]["version"]
    assert seen["counters"] == story.looks[-1]["counters"]
    assert listed["counters"] == seen["counters"]


def test_another_tenant_finds_nothing_under_this_address(story: Story, running: RunningStack) -> None:
    stranger = running.practice("stranger")
    for path in ("", "/units", "/gaps", "/statement", "/snapshot"):
        with pytest.raises(Refused) as refused:
            stranger.api.get(f"/v1/buckets/{story.bucket_id}{path}")
        assert refused.value.problem["code"] == "not_found"


def test_f14_a5_the_verdict_stays_when_everything_is_started_again(story: Story, running: RunningStack) -> None:
    before = story.practice.bucket(story.bucket_id)
    for name in ("aggregator-0", "dispatcher-0", "api"):
        running.stack.restart(name)
    running.stack.wait_ready()

    after = story.practice.bucket(story.bucket_id)

    assert after == before | {"as_of": after["as_of"]}


def test_f08_a4_what_was_just_fetched_is_not_fetched_again(story: Story) -> None:
    practice = story.practice
    client = next(client for client in story.clients if client.tags.split(";")[1:] == [] and client.gstin[5] == "R")
    before_s = practice.sandbox.now()
    bucket_id = practice.start(presets=list(PRESETS), selection=practice.only(client))
    ended = practice.ended(bucket_id)

    assert ended["verdict"] == "complete"
    assert practice.sandbox.data_calls(since_s=before_s, gstin=client.gstin, action="GET2B") == []
    assert practice.unit(bucket_id, client, "gstr2b")["outcome"] == "unchanged"


def test_a_cron_job_reads_the_verdict_from_the_exit_status(story: Story, tmp_path: Path) -> None:
    line = story.practice.command_line()
    chosen = tmp_path / "clients.txt"
    chosen.write_text("\n".join(client.gstin for client in story.tagged("otp-unanswered")))

    ran = line.run("start", "--preset", "only_2b", "--clients", str(chosen), "--watch")

    assert ran.status == 4, ran.err
    assert ran.answer["verdict"] == "failed"
