"""Composition root of the scheduler process: every part is made here once and handed to the others."""

import asyncio
from functools import partial

from sync_contracts import collections
from sync_runtime import indexes, kafka, mongo
from sync_runtime.health import Health
from sync_runtime.logging import configure
from sync_runtime.metrics import Metric, Metrics
from sync_runtime.service import Background, serve
from sync_runtime.settings import RuntimeSettings
from sync_runtime.tasks import Tasks
from sync_runtime.telemetry import Telemetry, now_ms
from sync_runtime.vault import KeyEncryptionKeys

from bucket_api.access.store import AccessStore
from bucket_api.buckets.creation import BucketCreation
from bucket_api.buckets.store import BucketStore
from bucket_api.schedules.following import Following
from bucket_api.schedules.holding import Holding
from bucket_api.schedules.loop import Scheduler, Tick
from bucket_api.schedules.rearming import Rearming
from bucket_api.schedules.releasing import Releasing
from bucket_api.schedules.running import ScheduleRuns
from bucket_api.schedules.schedule import moment
from bucket_api.schedules.stores import Stores
from bucket_api.schedules.ticking import run_scheduler
from bucket_api.schedules.watches import watch_until
from bucket_api.tenants import Encryptors, TenantKeys

SERVICE = "bucket-api scheduler"
STALLED_AFTER_S = 120.0

METRICS = (
    Metric("counter", "scheduler_schedules_total", "Schedules by what became of them when due", ("outcome",)),
    Metric("counter", "scheduler_rearms_total", "Watches that asked again"),
    Metric("counter", "scheduler_released_total", "Suspensions that ended because the access changed"),
)
NEEDED = (
    collections.BUCKETS,
    collections.BUCKET_PAGES,
    collections.SCHEDULES,
    collections.SCHEDULE_STREAKS,
    collections.CALENDAR_DAYS,
    collections.REARM_WATCHES,
)


def scheduler_over(database: mongo.Database, keys: TenantKeys) -> Scheduler:
    """The scheduler over a database, by the clock of this machine."""
    buckets, access = BucketStore(database), AccessStore(database)
    encryptors = Encryptors(database, keys)
    creation = BucketCreation(database, buckets, access, encryptors, lambda: moment(now_ms()), watch_until=watch_until)
    stores, holding = Stores.over(database, buckets), Holding(now_ms)
    return Scheduler(
        stores,
        runs=ScheduleRuns(stores, creation, now_ms),
        rearming=Rearming(stores, creation, holding, now_ms),
        following=Following(stores),
        releasing=Releasing(stores.streaks, access),
        holding=holding,
        now_ms=now_ms,
    )


class SchedulerService:
    """The running scheduler: opens its client, ticks until it is drained, closes it."""

    def __init__(self, settings: RuntimeSettings, health: Health, telemetry: Telemetry) -> None:
        self._settings = settings
        self._health = health
        self._telemetry = telemetry
        self._mongo = mongo.client(settings)
        self._keys = KeyEncryptionKeys.from_file(settings.kek_file)
        self._stopped = asyncio.Event()
        self._tasks = Tasks()
        self._ticked = health.liveness.expect("schedule", STALLED_AFTER_S)

    async def start(self) -> None:
        """Check the database and its indexes, start to tick."""
        database = mongo.database(self._mongo, self._settings)
        await mongo.ping(self._mongo)
        await indexes.assert_indexes(database, NEEDED)
        scheduler = scheduler_over(database, self._keys)
        self._tasks.own("schedule", run_scheduler(scheduler, self._observe, self._stopped))

    async def run(self) -> None:
        """Watch the task; raises what ended it."""
        await self._tasks.watch()

    async def drain(self) -> None:
        """Finish the step in hand, then leave. What is due is done by the next process."""
        self._tasks.end()
        self._stopped.set()
        await self._tasks.watch()
        self._mongo.close()
        await asyncio.to_thread(self._telemetry.close)

    def _observe(self, tick: Tick | None) -> None:
        self._ticked()
        if tick is None:
            self._health.readiness.lose("schedules", "cannot be read")
            return
        self._health.readiness.hold("schedules")
        metrics = self._health.metrics
        metrics.counter("scheduler_schedules_total", "advanced").inc(tick.advanced)
        metrics.counter("scheduler_schedules_total", "failed").inc(tick.failed)
        metrics.counter("scheduler_rearms_total").inc(tick.asked_again)
        metrics.counter("scheduler_released_total").inc(tick.released)


def build(settings: RuntimeSettings) -> Background:
    """The whole process. Must be called inside the running event loop."""
    health = Health(Metrics(METRICS), "schedules")
    service = SchedulerService(settings, health, Telemetry(settings, SERVICE))
    return Background(service, kafka.broker(settings), health)


def run(settings: RuntimeSettings) -> int:
    """Schedule until SIGTERM or a death; returns the exit code of the process."""
    configure(settings, SERVICE)
    return serve(partial(build, settings), settings)
