"""Composition root of the HTTP process: settings in, application out. Nothing is opened before the lifespan."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final

import sync_runtime.kafka
import sync_runtime.mongo
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI
from sync_contracts.catalogue import cooldowns
from sync_contracts.collections import COLLECTIONS
from sync_contracts.topics import SESSIONS
from sync_runtime.indexes import assert_indexes
from sync_runtime.kafka_topics import assert_topics
from sync_runtime.metrics import Metric, Metrics
from sync_runtime.publisher import PartitionBatches
from sync_runtime.tasks import Tasks
from sync_runtime.telemetry import Telemetry
from sync_runtime.vault import KeyEncryptionKeys

from bucket_api.buckets.janitor import Janitor
from bucket_api.http.application import http_application
from bucket_api.http.auth import Gate
from bucket_api.http.dev_issuer import DevIssuer
from bucket_api.http.keys import KeySet, from_file, from_url
from bucket_api.http.services import Missing, services_over
from bucket_api.http.tokens import Issuer
from bucket_api.settings import Settings

log = logging.getLogger(__name__)

STOP_DEADLINE_S: Final = 10.0
PUBLISH_DEADLINE_S: Final = 10.0
READY_DEADLINE_S: Final = 2.0


METRICS: Final = (
    Metric("counter", "api_requests_total", "Requests by what was answered", ("method", "route", "code")),
    Metric("histogram", "api_request_seconds", "Time to the end of the answer", ("method", "route")),
    Metric("counter", "api_rate_limited_total", "Requests beyond their tenant's rate, by policy", ("reason",)),
)


class RequestMeter:
    """Requests in the metrics of this process."""

    def __init__(self) -> None:
        self._metrics = Metrics(METRICS)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._metrics.counter("api_requests_total", method, route, str(status)).inc()
        self._metrics.histogram("api_request_seconds", method, route).observe(seconds)

    def refused(self, policy: str) -> None:
        """A request was beyond its tenant's rate."""
        self._metrics.counter("api_rate_limited_total", policy).inc()

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return self._metrics.exposition()


def create_app(
    settings: Settings,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    on_death: Callable[[], object] = lambda: None,
) -> FastAPI:
    """The application of one HTTP process. Its lifespan opens storage and bus, checks them and closes them.

    `on_death` is called when a part that the process cannot do without has died: it must end, and be started again.
    """
    issuer = Issuer(settings.issuer, settings.audience)
    dev_issuer = DevIssuer.at(settings.dev_key_path, settings.jwks_path, issuer) if settings.in_development else None
    keys = KeySet(from_url(settings.jwks_url) if settings.jwks_url else from_file(settings.jwks_path))
    kek = KeyEncryptionKeys.from_file(settings.kek_file)
    telemetry = Telemetry(settings, "bucket-api")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        client = sync_runtime.mongo.client(settings)
        producer = sync_runtime.kafka.producer(settings)
        database = sync_runtime.mongo.database(client, settings)
        tasks = Tasks()
        try:
            batches = await _opened(settings, client, producer, keys)
            tasks.own("janitor", Janitor(database, now).run())
            tasks.own("publisher", batches.watch())
            watch = asyncio.create_task(tasks.watch(), name="watch")
            watch.add_done_callback(partial(_noted, on_death))
            app.state.services = services_over(
                database,
                kek,
                batches,
                now,
                _missing(client, keys, watch),
                logins_per_day=settings.logins_per_day,
                cooldowns_s=cooldowns(settings.cooldowns_s),
            )
            log.info("serving", extra={"action": "start"})
            yield
        finally:
            await tasks.cancel()
            await sync_runtime.kafka.stop_within(producer, STOP_DEADLINE_S)
            client.close()
            await asyncio.to_thread(telemetry.close)

    return http_application(
        Gate(keys, issuer),
        telemetry.tracer,
        lifespan=lifespan,
        dev_issuer=dev_issuer,
        per_minute=settings.per_minute,
        meter=RequestMeter(),
    )


async def _opened(
    settings: Settings, client: sync_runtime.mongo.Client, producer: AIOKafkaProducer, keys: KeySet
) -> PartitionBatches:
    """The bus, once it and the storage are as they must be. What they lack is logged with its cure, then raised."""
    try:
        await sync_runtime.mongo.ping(client)
        await assert_indexes(sync_runtime.mongo.database(client, settings), COLLECTIONS)
        await assert_topics(settings, [SESSIONS])
        await producer.start()
        await keys.refresh()
    except Exception as refusal:
        log.critical("cannot start: %s", refusal, extra={"action": "refuse_start"})
        raise
    return PartitionBatches(producer, topic_prefix=settings.topic_prefix, deadline_s=PUBLISH_DEADLINE_S)


def _noted(on_death: Callable[[], object], watch: asyncio.Task[None]) -> None:
    if not watch.cancelled() and (error := watch.exception()):
        log.critical("process dies: %s", error, exc_info=error, extra={"action": "death"})
        on_death()


def _missing(client: sync_runtime.mongo.Client, keys: KeySet, watch: asyncio.Task[None]) -> Missing:
    """What readiness asks: the database answers, the key set was read, every background task lives."""

    async def missing() -> Mapping[str, str]:
        found = {"tasks": "one has died"} if watch.done() else {}
        try:
            async with asyncio.timeout(READY_DEADLINE_S):
                await sync_runtime.mongo.ping(client)
        except (TimeoutError, sync_runtime.mongo.MongoRefused) as error:
            found["mongodb"] = type(error).__name__
        if not keys.loaded:
            found["keys"] = "the key set was never read"
        return found

    return missing
