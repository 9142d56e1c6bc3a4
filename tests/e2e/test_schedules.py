"""F34 and F40: buckets that start by themselves. Days do not pass in a test: stored times are moved into the past."""

from datetime import UTC, datetime
from typing import Any

import pytest
from syncbucket_cli.client import Refused

from tests.support.due_schedules import DAY, let_pass, ms, schedule, told
from tests.support.eventually import eventually_blocking
from tests.support.practices import Practice, states
from tests.support.registrations import Registration, registration, registrations
from tests.support.running_stack import RunningStack

Json = dict[str, Any]
NOT_GENERATED = "RET2B1023"
MAINTENANCE = "RTN_24"


def run_now(practice: Practice, made: Json) -> Json:
    """Its bucket of a start by hand, ended and counted."""
    done: Json = practice.api.request("POST", f"/v1/schedules/{made['id']}/run").json()
    assert done["state"] == "started", done
    return practice.ended(done["bucket_id"])


def test_f34_a2_a_missed_week_is_one_bucket_also_when_the_scheduler_was_killed(running: RunningStack) -> None:
    practice = running.practice("missed")
    practice.take_on(registrations(5), sessions=False)
    made = schedule(practice, "return_register")
    running.kill9_and_await_return("scheduler")

    let_pass(running, made, 7)
    newest, *others = told(practice, made, 7)

    assert (newest["state"], newest["reason"]) == ("started", None)
    assert [(one["state"], one["into"]) for one in others] == [("coalesced", newest["slot"])] * 6
    (bucket,) = practice.api.pages("/v1/buckets")
    assert bucket["id"] == newest["bucket_id"]
    assert bucket["origin"] == {"kind": "schedule", "schedule_id": made["id"]}
    assert practice.ended(bucket["id"])["verdict"] == "complete"


@pytest.mark.parametrize(
    ("overlap", "told_as"), [("skip", ("skipped", "overlap")), ("attach", ("started", "attached"))]
)
def test_f34_a5_while_its_bucket_runs_the_next_one_does_not_start(
    running: RunningStack, overlap: str, told_as: tuple[str, str]
) -> None:
    practice = running.practice("overlap")
    client = registration()
    practice.take_on([client])
    made = schedule(practice, "notices", overlap=overlap)
    with running.sandbox.fault("code", code=MAINTENANCE, gstin=client.gstin, action="NOTICELIST"):
        let_pass(running, made, 1)
        (first,) = told(practice, made, 1)
        let_pass(running, made, 1)
        newest, _ = told(practice, made, 2)

    assert (newest["state"], newest["reason"], newest["bucket_id"]) == (*told_as, first["bucket_id"])
    assert len(list(practice.api.pages("/v1/buckets"))) == 1
    practice.api.cancel(first["bucket_id"], "seen enough")
    practice.ended(first["bucket_id"])


def test_f34_a3_a_client_module_that_fails_for_a_week_is_left_out_until_its_access_is_mended(
    running: RunningStack,
) -> None:
    """Of ten failures over seven days two really happen; the row in between is put there."""
    practice, silent, fine = running.practice("suspended"), registration(), registration()
    practice.import_clients([silent, fine])
    practice.log_in([fine.gstin])
    made = schedule(practice, "notices", "return_register")
    run_now(practice, made)
    _fail_for_a_week(running, made, practice.ids[silent.gstin])

    run_now(practice, made)
    suspended = _suspensions(practice, made, 1)
    left_out = run_now(practice, made)

    assert (suspended[0]["client_id"], suspended[0]["module"]) == (practice.ids[silent.gstin], "notices")
    assert (suspended[0]["state"], suspended[0]["failures"]) == ("suspended", 10)
    assert practice.api.get(f"/v1/schedules/{made['id']}")["suspended_clients"] == 1
    unit = practice.unit(left_out["id"], silent, "notices")
    assert (unit["state"], unit["reason"]["code"]) == ("skipped", "suspended")
    assert states(practice.units(left_out["id"])) == {"done": 3, "skipped": 1}, "it goes on for all others"

    practice.log_in([silent.gstin])
    _suspensions(practice, made, 0)
    assert states(practice.units(run_now(practice, made)["id"])) == {"done": 4}


def _fail_for_a_week(running: RunningStack, made: Json, client: str) -> None:
    streaks = running.database["schedule_streaks"]
    row = {"schedule": made["id"], "client": client, "module": "notices"}
    eventually_blocking(lambda: streaks.find_one(row), what="the failure is counted")
    streaks.update_one(row, {"$set": {"n": 9, "first_at": ms(datetime.now(UTC) - 8 * DAY), "state": "warned"}})


def _suspensions(practice: Practice, made: Json, count: int) -> list[Json]:
    """Suspensions once there are so many."""
    path = f"/v1/schedules/{made['id']}/suspensions"

    def seen() -> list[list[Json]]:
        found = [one for one in practice.api.pages(path) if one["state"] == "suspended"]
        return [found] if len(found) == count else []

    (found,) = eventually_blocking(seen, what=f"{count} suspensions")
    return found


def test_f34_a4_a_moved_day_moves_the_start_of_the_schedules_that_follow_it(running: RunningStack) -> None:
    practice = running.practice("calendar")
    event = {"kind": "calendar_event", "event": "gstr3b_due", "offset": "-PT17H"}
    made = schedule(practice, "return_register", when=event)
    slot = datetime.fromisoformat(made["next"]["slot"])
    due = next(d for d in practice.api.pages("/v1/calendar") if d["event"] == "gstr3b_due" and d["on"] > f"{slot:%F}")

    moved = (datetime.fromisoformat(due["on"]) + 2 * DAY).date().isoformat()
    practice.api.request("PUT", f"/v1/calendar/gstr3b_due/{due['period']}", json={"on": moved})

    after = practice.api.get(f"/v1/schedules/{made['id']}")["next"]["slot"]
    assert datetime.fromisoformat(after) == slot + 2 * DAY


def test_f40_a1_a_2b_that_was_not_there_runs_once_more_when_it_is_published_and_not_again(
    running: RunningStack,
) -> None:
    practice, late, fine = running.practice("rearm"), registration(), registration()
    practice.take_on([late, fine])
    with running.sandbox.fault("code", code=NOT_GENERATED, gstin=late.gstin, action="GET2B"):
        first = practice.ended(practice.start("gstr2b"))
    assert practice.unit(first["id"], late, "gstr2b")["state"] == "not_available"
    _publish(running, first["id"])

    (small_id,) = _linked(practice, first["id"])
    small = practice.ended(small_id)

    assert (small["origin"], small["linked"]) == ({"kind": "rearm", "bucket_id": first["id"]}, [first["id"]])
    assert states(practice.units(small_id)) == {"done": 1}
    assert practice.unit(small_id, late, "gstr2b")["client_id"] == practice.ids[late.gstin]
    watches = running.database["rearm_watches"]
    eventually_blocking(lambda: watches.find_one({"bucket": first["id"], "state": "done"}))
    _publish(running, first["id"])
    before = running.sandbox.data_calls(gstin=late.gstin)
    told_again = schedule(practice, "return_register")
    let_pass(running, told_again, 1)
    told(practice, told_again, 1)
    assert len(list(practice.api.pages("/v1/buckets"))) == 3, "the two, and the one that shows that the scheduler ran"
    assert [call for call in running.sandbox.data_calls(gstin=late.gstin, action="GET2B") if call not in before] == []


def _publish(running: RunningStack, bucket: str) -> None:
    """The day of the next try has come."""
    watches = running.database["rearm_watches"]
    eventually_blocking(lambda: watches.find_one({"bucket": bucket}), what="the bucket is watched")
    watches.update_one({"bucket": bucket}, {"$set": {"next_at": 1}, "$inc": {"rev": 1}})


def _linked(practice: Practice, bucket: str) -> list[str]:
    found = eventually_blocking(lambda: practice.bucket(bucket)["linked"], what="asked again")
    assert isinstance(found, list)
    return found


def test_a_schedule_of_another_firm_does_not_exist(running: RunningStack) -> None:
    mine, theirs = running.practice("mine"), running.practice("theirs")
    client: Registration = registration()
    mine.take_on([client], sessions=False)
    made = schedule(mine, "return_register")

    with pytest.raises(Refused) as refused:
        theirs.api.get(f"/v1/schedules/{made['id']}")

    assert refused.value.problem["status"] == 404
    assert list(theirs.api.pages("/v1/schedules")) == []
