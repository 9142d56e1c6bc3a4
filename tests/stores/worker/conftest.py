"""Gates over the double and over a real database."""

from datetime import UTC, datetime

import pytest
from sync_runtime.mongo import Database
from sync_worker.limits.upstreams import Upstreams

from tests.stores.worker.gates import RULES, Gates
from tests.support.memory_upstreams import MemoryUpstreams


@pytest.fixture(params=["double", "mongod"])
def gates(request: pytest.FixtureRequest, mongo_db: Database) -> Gates:
    if request.param == "double":
        return Gates(MemoryUpstreams(RULES, lambda: datetime.now(UTC)), None)
    return Gates(Upstreams(mongo_db, RULES), mongo_db)
