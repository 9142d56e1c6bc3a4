"""F24 A3: a worker sleeps in the middle of a fetch, another one fetches newer data, then the first one wakes up."""

import os
import signal
from typing import Any

import httpx
import pytest
from portal_sandbox.periods import Period
from portal_sandbox.taxpayers import taxpayer
from portal_sandbox.twob import statement

from tests.support.eventually import eventually_blocking
from tests.support.practices import Practice
from tests.support.registrations import Registration, registrations
from tests.support.running_stack import PARTS_OF_2B, RunningStack
from tests.support.sandbox_control import Call

pytestmark = pytest.mark.timeout(240)
Json = dict[str, Any]
SEED = 1
MONTH = "2026-10"
DELAY_MS = 4_000
TAKEN_OVER_DEADLINE_S = 75.0
"""The group leaves a silent member's partitions with it for 30 s, then gives them to the others."""


def _calls(running: RunningStack, client: Registration, since_s: float) -> list[Call]:
    return running.sandbox.calls(since_s=since_s, gstin=client.gstin, action="GET2B")


def _stamp(client: Registration, revision: int) -> bytes:
    """Day of making that the portal writes into this revision of the statement."""
    made = statement(
        taxpayer(client.gstin, SEED),
        "generated",
        Period(2026, 10),
        seed=SEED,
        part_documents=PARTS_OF_2B,
        revision=revision,
    )
    return made.first.split(b'"gendt":"')[1][:10]


def _stored_stamp(running: RunningStack, practice: Practice, client: Registration) -> bytes:
    stored = running.dataset(practice.tenant, practice.ids[client.gstin], "gstr2b", MONTH)
    assert stored is not None
    return running.plain(stored).split(b'"gendt":"')[1][:10]


def _attempts_of_the_sleeper(running: RunningStack) -> float:
    """Attempts that worker-0 has ended since it began, as it tells itself."""
    address = f"http://{running.settings.host}:{running.settings.worker_health_port}/metrics"
    lines = httpx.get(address, timeout=10, trust_env=False).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("worker_units_total{"))


def test_f24_a3_a_paused_worker_that_wakes_up_never_overwrites_newer_data(running: RunningStack) -> None:
    practice, clients = running.practice("paused"), registrations(12)
    practice.take_on(clients)
    began_s, sleeper = running.sandbox.now(), running.stack.pid("worker-0")
    attempts_before = _attempts_of_the_sleeper(running)
    for client in clients:
        running.sandbox.script("delay", times=1, delay_ms=DELAY_MS, gstin=client.gstin, action="GET2B")
    bucket_id = practice.start("gstr2b")
    eventually_blocking(
        lambda: all(_calls(running, client, began_s) for client in clients), 30, what="every client's 2B is asked for"
    )

    os.kill(sleeper, signal.SIGSTOP)
    try:
        for client in clients:
            running.sandbox.change(client.gstin, regenerate="102026")
        ended = practice.ended(bucket_id, TAKEN_OVER_DEADLINE_S)
    finally:
        os.kill(sleeper, signal.SIGCONT)

    assert ended["verdict"] == "complete"
    again = [client for client in clients if len(_calls(running, client, began_s)) > 1]
    assert again, "no fetch was on the paused worker"
    eventually_blocking(
        lambda: _attempts_of_the_sleeper(running) >= attempts_before + len(again),
        60,
        what="the woken worker has ended what it was doing",
    )
    assert _stamp(again[0], 0) != _stamp(again[0], 1)
    for client in again:
        assert _stored_stamp(running, practice, client) == _stamp(client, 1)
    assert practice.bucket(bucket_id, fresh=True)["counters"] == ended["counters"]
