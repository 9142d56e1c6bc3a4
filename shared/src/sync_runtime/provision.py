"""Create what the contracts name: topics and indexes. Repeatable; what differs is refused, never changed."""

import logging
from collections.abc import Sequence

from pymongo.errors import OperationFailure
from sync_contracts.collections import COLLECTIONS, Collection
from sync_contracts.topics import TOPICS, Topic

from sync_runtime import indexes, kafka_topics, mongo
from sync_runtime.settings import RuntimeSettings

log = logging.getLogger(__name__)


class ProvisionSettings(RuntimeSettings):
    """Provisioning is no long-running process and needs no slot of its own."""

    instance_id: str = "provision"


async def provision(settings: RuntimeSettings) -> None:
    """Create missing topics and indexes, then compare all; raises `TopicsRefused`, `IndexesRefused`, `MongoRefused`."""
    await provision_topics(settings, TOPICS)
    await provision_indexes(settings, COLLECTIONS)


async def provision_topics(settings: RuntimeSettings, topics: Sequence[Topic]) -> None:
    """Create missing topics, then compare all of them and the broker."""
    async with kafka_topics.admin(settings) as client:
        created = await kafka_topics.create_missing(client, settings, topics)
        causes = await kafka_topics.drift(client, settings, topics)
    log.info("topics created: %s", ", ".join(created) or "none", extra={"action": "provision-topics"})
    if causes:
        raise kafka_topics.TopicsRefused("; ".join(causes))


async def provision_indexes(settings: RuntimeSettings, collections: Sequence[Collection]) -> None:
    """Create missing indexes, then compare all of them."""
    client = mongo.client(settings)
    try:
        await mongo.ping(client)
        database = mongo.database(client, settings)
        created = await indexes.create_missing(database, collections)
        log.info("indexes created: %s", ", ".join(created) or "none", extra={"action": "provision-indexes"})
        await indexes.assert_indexes(database, collections)
    except OperationFailure as error:
        raise indexes.IndexesRefused(f"MongoDB refuses an index (code {error.code}); look for duplicates") from error
    finally:
        client.close()
