"""F01 and F08: an accepted bucket is safe at once, and pressing Start many times starts once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from syncbucket_cli.client import Refused

from tests.support.practices import Practice
from tests.support.registrations import Registration, names_only, registration, registrations
from tests.support.running_stack import RunningStack

Json = dict[str, Any]
AT_ONCE = 25
MOVING = {"as_of", "version", "counters", "progress", "status", "verdict", "ended_at", "runs", "verification"}
"""Members of an answer that follow the bucket's progress."""


@pytest.fixture(scope="module")
def practice(running: RunningStack) -> Practice:
    """A practice of 150 clients without sessions: the register needs none."""
    opened = running.practice("starting")
    opened.take_on(registrations(150), sessions=False)
    return opened


def _in_parallel(practice: Practice, keys: list[str], plan: Json) -> list[tuple[Json, bool]]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda key: practice.api.start(plan, key), keys))


def _buckets(practice: Practice) -> int:
    return len(list(practice.api.pages("/v1/buckets")))


def test_f08_a1_a_hundred_parallel_starts_with_one_key_give_one_bucket_and_equal_answers(practice: Practice) -> None:
    before = _buckets(practice)
    plan = {"selection": {"all": True}, "modules": ["return_register"], "name": "Pressed a hundred times"}

    answers = [answer for answer, _ in _in_parallel(practice, [uuid4().hex] * 100, plan)]

    assert _buckets(practice) == before + 1
    fixed = [{name: value for name, value in answer.items() if name not in MOVING} for answer in answers]
    assert all(answer == fixed[0] for answer in fixed)
    assert {answer["counters"]["total"] for answer in answers} == {150}
    assert practice.ended(answers[0]["id"])["verdict"] == "complete"


def test_a_new_practice_that_gives_only_numbers_and_names_gets_its_register(running: RunningStack) -> None:
    """Nothing of it was encrypted before: no portal user, no OTP."""
    practice = running.practice("namesonly")
    practice.import_file(names_only(registrations(3)))

    bucket = practice.ended(practice.start("return_register"))

    assert (bucket["verdict"], bucket["counters"]["done"]) == ("complete", 3)


def test_f08_a2_the_same_key_with_another_body_is_refused(practice: Practice) -> None:
    key = uuid4().hex
    practice.start("return_register", key=key, name="first")

    with pytest.raises(Refused) as refused:
        practice.start("return_register", key=key, name="second")

    assert (refused.value.problem["status"], refused.value.problem["code"]) == (422, "idempotency_key_reused")
    assert refused.value.problem["trace_id"]


def test_f08_a5_fifty_parallel_starts_of_one_plan_with_fifty_keys_give_one_bucket(
    running: RunningStack, practice: Practice
) -> None:
    before = _buckets(practice)
    plan = {"selection": {"all": True}, "modules": ["return_register"], "options": {"force": True}}

    with running.sandbox.latency(p50_ms=5_000):  # the bucket still runs when the last of them comes
        answers = _in_parallel(practice, [uuid4().hex for _ in range(50)], plan)

    assert len({answer["id"] for answer, _ in answers}) == 1
    assert sum(not reused for _, reused in answers) == 1
    assert _buckets(practice) == before + 1
    assert practice.ended(answers[0][0]["id"])["verdict"] == "complete"


def test_f01_a2_a_crash_right_after_the_answer_loses_nothing(running: RunningStack, practice: Practice) -> None:
    plan = {"selection": {"all": True}, "modules": ["return_register"], "options": {"force": True}, "name": "Crash"}
    mongod = running.stack.pid("mongod")
    api = running.stack.pid("api")

    bucket, _ = practice.api.start(plan)
    running.stack.kill9("mongod")
    running.stack.kill9("api")

    running.await_another("mongod", mongod)
    running.await_another("api", api)
    running.stack.wait_ready()
    ended = practice.ended(bucket["id"])
    assert ended["verdict"] == "complete"
    assert ended["counters"]["done"] == ended["counters"]["total"] == 150


def test_f01_a5_what_is_open_at_the_deadline_fails_by_it(running: RunningStack) -> None:
    """Seventy-two hours do not pass in a test: the deadline of the stored bucket is moved into the past."""
    practice, stuck, fine = running.practice("deadline"), registration(), registration()
    practice.take_on([stuck, fine])
    with running.sandbox.fault("code", code="RTN_24", gstin=stuck.gstin, action="GET2B"):
        bucket_id = practice.start("gstr2b")
        practice.when(bucket_id, _settled)
        running.database["buckets"].update_one({"_id": bucket_id}, {"$set": {"deadline_at": 1}})
        ended = practice.ended(bucket_id)

    assert ended["verdict"] == "complete_with_gaps"
    left, done = practice.unit(bucket_id, stuck, "gstr2b"), practice.unit(bucket_id, fine, "gstr2b")
    assert (left["state"], left["reason"]["code"]) == ("failed", "deadline_passed")
    assert done["state"] == "done"


def _settled(bucket: Json) -> bool:
    counters = bucket["counters"]
    return bool(counters["waiting"] == counters["done"] == 1)


def test_an_unknown_client_in_the_selection_starts_nothing(practice: Practice) -> None:
    stranger: Registration = registration()
    before = _buckets(practice)

    with pytest.raises(Refused) as refused:
        practice.start("return_register", selection={"add": [f"c_{stranger.pan.lower()}"]})

    assert refused.value.problem["status"] == 422
    assert _buckets(practice) == before
