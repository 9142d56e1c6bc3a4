"""The MongoDB client with the one configuration that keeps the promises, a check of it, and a counter of operations."""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from pymongo.errors import PyMongoError
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from sync_runtime.settings import RuntimeSettings

Document = dict[str, Any]
Client = AsyncIOMotorClient[Document]
Database = AsyncIOMotorDatabase[Document]

CLIENT: dict[str, Any] = {
    "w": "majority",
    "journal": True,
    "readConcernLevel": "majority",
    "readPreference": "primary",
    "retryWrites": True,
    "timeoutMS": 10_000,
    "maxPoolSize": 100,
    "tz_aware": True,
    "uuidRepresentation": "standard",
}


class MongoRefused(Exception):
    """MongoDB cannot be used as it is; the text names cause and cure."""

    log_safe = True


def client(settings: RuntimeSettings, *listeners: CommandListener) -> Client:
    """A Motor client; connects when first used. Options here win over those in the URL."""
    return AsyncIOMotorClient(
        settings.mongo_url, appname=settings.instance_id, event_listeners=list(listeners), **CLIENT
    )


def database(client_: Client, settings: RuntimeSettings) -> Database:
    """The product's database."""
    return client_[settings.mongo_database]


async def ping(client_: Client) -> None:
    """Ask the primary for its state; raises `MongoRefused` unless it is the writable primary of a replica set."""
    try:
        hello = await client_.admin.command("hello")
    except PyMongoError as error:
        raise MongoRefused(f"MongoDB does not answer ({type(error).__name__}); check SB_MONGO_URL") from error
    if cause := unusable(hello):
        raise MongoRefused(cause)


def unusable(hello: Mapping[str, Any]) -> str | None:
    """Why a server with this `hello` cannot be used; None when it can. On a standalone `majority` promises nothing."""
    if "setName" not in hello:
        return "MongoDB runs without a replica set; start it with --replSet and initiate the set"
    if not hello.get("isWritablePrimary"):
        return "MongoDB has no writable primary at the moment; check the replica set"
    return None


class CountingListener(CommandListener):
    """Counts commands by name (`find`, `update`, `insert` …): database operations per unit of work, for benches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # the driver calls from its own threads
        self._counts: Counter[str] = Counter()

    def started(self, event: CommandStartedEvent) -> None:
        with self._lock:
            self._counts[event.command_name] += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Counted when started."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Counted when started."""

    def counts(self) -> dict[str, int]:
        """Commands so far by name."""
        with self._lock:
            return dict(self._counts)

    def clear(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self._counts.clear()
