"""Kafka and MongoDB go away in the middle of a bucket and come back: killed, then restarted cleanly."""

from collections.abc import Callable

import pytest

from tests.support.faulty_runs import Disturbed
from tests.support.running_stack import RunningStack

pytestmark = pytest.mark.timeout(300)
IN_FLIGHT_OF_ALL_WORKERS = 128
DISPATCH_BATCH = 100


@pytest.mark.parametrize("server", ["kafka", "mongod"])
def test_a_server_is_killed_and_restarted_in_mid_bucket(
    running: RunningStack, disturbed: Callable[[], Disturbed], server: str
) -> None:
    bucket = disturbed()

    bucket.at(0.2)
    running.kill9_and_await_return(server)
    bucket.at(0.5)
    running.stack.restart(server)

    in_flight = 2 * IN_FLIGHT_OF_ALL_WORKERS
    bucket.assert_whole(extra_calls=in_flight + 2 * DISPATCH_BATCH, untold_ends=in_flight)
