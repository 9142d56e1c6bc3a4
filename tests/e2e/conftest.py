"""One whole product for the stories of this folder; each story has a practice of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running_stack import RunningStack, running_stack

START_AND_TEST_S = 300


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Everything as `make up` starts it, on free ports."""
    with running_stack(tmp_path_factory.mktemp("e2e")) as started:
        yield started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test also waits for everything to start, on a busy machine for minutes."""
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(START_AND_TEST_S))
