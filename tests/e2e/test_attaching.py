"""F08 A3: two buckets that want the same data at the same time fetch it once."""

from collections import Counter

from tests.support.eventually import eventually_blocking
from tests.support.registrations import registrations
from tests.support.running_stack import RunningStack

CLIENTS = 40


def test_f08_a3_two_buckets_that_share_their_units_fetch_them_once(running: RunningStack) -> None:
    practice, clients = running.practice("attach"), registrations(CLIENTS)
    practice.take_on(clients, sessions=False)
    with running.sandbox.latency(p50_ms=8_000):
        before_s = practice.sandbox.now()
        first = practice.start("return_register")
        practice.when(first, lambda bucket: bucket["counters"]["running"] > CLIENTS / 2)
        second = practice.start("return_register", selection=practice.only(*clients))
        waiting = eventually_blocking(
            lambda: practice.units(second, state="waiting", reason="attached"), what="units of the second wait"
        )
        ended = [practice.ended(bucket) for bucket in (first, second)]

    assert second != first
    assert waiting is not None
    assert {unit["attached_to"] for unit in waiting} == {first}
    assert [bucket["verdict"] for bucket in ended] == ["complete", "complete"]
    assert [unit["outcome"] for unit in practice.units(second)] == ["unchanged"] * CLIENTS
    gstins = {client.gstin for client in clients}
    fetched = Counter(call.gstin for call in practice.sandbox.data_calls(since_s=before_s) if call.gstin in gstins)
    assert fetched == dict.fromkeys(gstins, 1)
