"""One whole product for the stories of this folder; each story has a practice of its own."""

from collections.abc import Iterator

import pytest

from tests.support.running_stack import RunningStack, running_stack


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Everything as `make up` starts it, on free ports."""
    with running_stack(tmp_path_factory.mktemp("e2e")) as started:
        yield started
