"""F17: a large 2B of ten parts, whose fetch is interrupted in the middle."""

from typing import Any

import pytest

from tests.support.eventually import eventually_blocking
from tests.support.practices import Practice
from tests.support.registrations import Registration, registration
from tests.support.running_stack import RunningStack
from tests.support.sandbox_control import SandboxControl

Json = dict[str, Any]
PARTS = [str(number) for number in range(1, 11)]
MONTH = "2026-10"
MONTH_AT_PORTAL = "102026"
SLOW_MS = 600.0


@pytest.fixture
def large() -> Registration:
    """A client with a 2B of ten parts."""
    return registration(size=9)


def _sections(sandbox: SandboxControl, client: Registration, since_s: float) -> list[str]:
    """Parts asked for since then, in order; "" is the first answer, which tells how many there are."""
    return [call.section for call in sandbox.calls(since_s=since_s, gstin=client.gstin, action="GET2B")]


def _plain(running: RunningStack, practice: Practice, client: Registration) -> bytes:
    stored = running.dataset(practice.tenant, practice.ids[client.gstin], "gstr2b", MONTH)
    assert stored is not None
    return running.plain(stored)


def _uninterrupted(running: RunningStack, client: Registration) -> bytes:
    """What another practice of the same client gets without any trouble."""
    practice = running.practice("uninterrupted")
    practice.take_on([client])
    assert practice.ended(practice.start("gstr2b"))["verdict"] == "complete"
    return _plain(running, practice, client)


def _killed_at_part_7(running: RunningStack, practice: Practice, client: Registration) -> tuple[str, float]:
    """Start, kill every worker as soon as part 7 is asked for; the bucket, and the portal's time of the kill."""
    began_s = running.sandbox.now()
    bucket_id = practice.start("gstr2b")
    eventually_blocking(lambda: "7" in _sections(running.sandbox, client, began_s), what="part 7 is asked for")
    pids = {name: running.stack.pid(name) for name in ("worker-0", "worker-1")}
    for name in pids:
        running.stack.kill9(name)
    killed_s = running.sandbox.now()
    for name, pid in pids.items():
        running.await_another(name, pid)
    return bucket_id, killed_s


def test_f17_a1_after_a_kill_at_part_7_of_10_the_next_attempt_goes_on_there(
    running: RunningStack, large: Registration
) -> None:
    whole = _uninterrupted(running, large)
    practice = running.practice("resume")
    practice.take_on([large])
    began_s = running.sandbox.now()

    with running.sandbox.latency(p50_ms=SLOW_MS):
        bucket_id, killed_s = _killed_at_part_7(running, practice, large)
        assert practice.ended(bucket_id)["verdict"] == "complete"

    asked = _sections(running.sandbox, large, began_s)
    first, *rest = _sections(running.sandbox, large, killed_s)
    last = int(asked[: -1 - len(rest)][-1])
    assert (first, last >= 7) == ("", True)
    assert rest in (PARTS[last - 1 :], PARTS[last:])
    assert _plain(running, practice, large) == whole


def test_f17_a4_parts_of_a_statement_that_was_made_anew_are_not_joined(
    running: RunningStack, large: Registration
) -> None:
    practice = running.practice("anew")
    practice.take_on([large])

    with running.sandbox.latency(p50_ms=SLOW_MS):
        bucket_id, killed_s = _killed_at_part_7(running, practice, large)
        running.sandbox.change(large.gstin, regenerate=MONTH_AT_PORTAL)
        assert practice.ended(bucket_id)["verdict"] == "complete"

    asked = _sections(running.sandbox, large, killed_s)
    assert asked[-len(PARTS) :] == PARTS
    assert _plain(running, practice, large) == _uninterrupted(running, large)


def test_f17_a3_an_expired_session_is_refreshed_without_starting_the_unit_again(
    running: RunningStack, large: Registration
) -> None:
    practice = running.practice("refresh")
    practice.take_on([large])
    began_s = running.sandbox.now()

    with running.sandbox.fault("code", code="RET2B1010", times=1, gstin=large.gstin, section="5"):
        bucket_id = practice.start("gstr2b")
        assert practice.ended(bucket_id)["verdict"] == "complete"

    assert _sections(running.sandbox, large, began_s) == ["", *PARTS[:5], *PARTS[4:]]
    assert [call.action for call in running.sandbox.calls(since_s=began_s, gstin=large.gstin, surface="auth")] == [
        "REFRESHTOKEN"
    ]
    assert practice.unit(bucket_id, large, "gstr2b")["attempt"] == 1
