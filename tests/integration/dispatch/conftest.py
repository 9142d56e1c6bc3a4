"""A broker's topics and a database of each test's own."""

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from local_stack.kafka import KafkaServer
from local_stack.mongod import MongoServer
from sync_runtime.mongo import Database

from tests.support.dispatching import DispatchingSite


@pytest.fixture
def bare_site(
    kafka_server: KafkaServer,
    kafka_admin: AIOKafkaAdminClient,
    mongo_server: MongoServer,
    mongo_db: Database,
    unique_prefix: str,
) -> DispatchingSite:
    """Without topics and indexes."""
    return DispatchingSite(kafka_server.bootstrap, mongo_server.url, mongo_db, unique_prefix)


@pytest.fixture
async def site(bare_site: DispatchingSite) -> DispatchingSite:
    """With all that a dispatcher needs."""
    await bare_site.prepare()
    return bare_site
