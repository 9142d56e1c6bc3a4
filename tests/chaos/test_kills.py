"""Processes are killed in the middle of a bucket; the supervisor starts each again in its own slot."""

from collections.abc import Callable

import pytest

from tests.support.faulty_runs import Disturbed
from tests.support.running_stack import RunningStack

pytestmark = pytest.mark.timeout(300)
KILLS = 5
IN_FLIGHT_OF_A_WORKER = 64
DISPATCH_BATCH = 100


@pytest.mark.parametrize(
    ("name", "extra_calls_a_kill"),
    [("worker-0", IN_FLIGHT_OF_A_WORKER), ("dispatcher-0", DISPATCH_BATCH), ("aggregator-0", 0), ("api", 0)],
    ids=["worker", "dispatcher", "aggregator", "api"],
)
def test_f01_a1_kill_9_in_mid_bucket_loses_and_repeats_no_finished_unit(
    running: RunningStack, long_disturbed: Callable[[], Disturbed], name: str, extra_calls_a_kill: int
) -> None:
    bucket = long_disturbed()

    bucket.disturb(KILLS, lambda: running.kill9_and_await_return(name))

    bucket.assert_whole(extra_calls=KILLS * extra_calls_a_kill)


def test_f01_a3_every_process_is_restarted_in_mid_bucket_as_a_new_release_would(
    running: RunningStack, disturbed: Callable[[], Disturbed]
) -> None:
    bucket = disturbed()
    bucket.at(0.1)

    for name in ("worker-0", "worker-1", "aggregator-0", "dispatcher-0", "api"):
        running.stack.restart(name)
    running.stack.wait_ready()

    bucket.assert_whole(extra_calls=0)
