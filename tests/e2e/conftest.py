"""One whole product for the stories of this folder; each story has a practice of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_stack.settings import StackSettings

from tests.support.running_stack import RunningStack, running_as, running_stack

START_AND_TEST_S = 600
NARROW_PER_S = 20.0
NARROW_BURST = 12.0


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Everything as `make up` starts it, on free ports."""
    with running_stack(tmp_path_factory.mktemp("e2e")) as started:
        yield started


@pytest.fixture(scope="package")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A product of its own on a line of 20 calls a second, whose gates open sooner than anybody would want to wait."""
    usual = StackSettings.on_free_ports(tmp_path_factory.mktemp("narrow"), workers=2)
    settings = usual.model_copy(update={"portal_rate_per_s": NARROW_PER_S, "portal_burst": NARROW_BURST})
    gates = {"SB_GATE_CLOSED_S": "3", "SB_GATE_CLOSED_MOST_S": "12", "SB_GATE_PROBE_S": "3"}
    with running_as(settings, environment=gates) as started:
        yield started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test also waits for everything to start, on a busy machine for minutes."""
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(START_AND_TEST_S))
