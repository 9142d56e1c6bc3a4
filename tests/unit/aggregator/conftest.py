"""A bucket of one page in memory."""

import pytest
from sync_contracts.pages import Page
from sync_contracts.units import Limits

from tests.support.aggregating import ONE_PAGE, MemoryWorld


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld(Limits(dispatched_ms=60_000, running_ms=15_000, cancelling_ms=5_000))


@pytest.fixture
def page(world: MemoryWorld) -> Page:
    return world.buckets.plant(ONE_PAGE)[0]
