"""One whole product to be disturbed, with one practice whose clients have sessions; months are used once each."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.faulty_runs import Disturbed, audited
from tests.support.practices import Practice
from tests.support.registrations import Registration, registrations
from tests.support.running_stack import RunningStack, running_stack

CLIENTS = 220
CALLS_PER_S = 55.0
"""Calls that all workers make together: slow enough for a bucket to be disturbed five times."""
MONTHS_OF_A_RUN = 3
LONG_RUN_MONTHS = 8


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("chaos"), portal_rate_per_s=CALLS_PER_S) as started:
        yield started


@pytest.fixture(scope="package")
def clients() -> list[Registration]:
    """Clients without notices and with a small 2B: one call a unit."""
    return registrations(CLIENTS)


@pytest.fixture(scope="package")
def practice(running: RunningStack, clients: list[Registration]) -> Practice:
    opened = running.practice("chaos")
    opened.take_on(clients)
    return opened


@pytest.fixture(scope="package")
def months() -> Iterator[str]:
    """Months that nobody has asked for yet, newest first."""
    return iter([f"{year}-{month:02}" for year in range(2025, 2020, -1) for month in range(12, 0, -1)])


@pytest.fixture
def disturbed(running: RunningStack, practice: Practice, months: Iterator[str]) -> Callable[[], Disturbed]:
    """Starts a bucket of about a thousand units, 20 s of calls."""
    return lambda: Disturbed.start(running, practice, [next(months) for _ in range(MONTHS_OF_A_RUN)])


@pytest.fixture
def long_disturbed(running: RunningStack, practice: Practice, months: Iterator[str]) -> Callable[[], Disturbed]:
    """Starts one of twice as many: a process that is killed five times needs time to come back."""
    return lambda: Disturbed.start(running, practice, [next(months) for _ in range(LONG_RUN_MONTHS)])


@pytest.fixture(autouse=True)
def nothing_is_broken(running: RunningStack, clients: list[Registration]) -> Iterator[None]:
    """The auditor ends every test of this folder."""
    yield
    running.stack.wait_ready()
    report = audited(running, clients)
    assert report.violations == []
    assert report.counts["units_S"] > 0
