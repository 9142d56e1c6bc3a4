"""Composition root of the worker: every part is made here once and handed to the others."""

import asyncio
import contextlib
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from sync_contracts.catalogue import cooldowns
from sync_contracts.topics import COMMANDS, SESSION_GROUP, SESSIONS, WORKER_GROUP
from sync_runtime import indexes, kafka, kafka_topics, mongo, semconv
from sync_runtime.health import Health
from sync_runtime.metrics import Metric, Metrics
from sync_runtime.publisher import PartitionBatches
from sync_runtime.service import Background
from sync_runtime.tasks import Tasks
from sync_runtime.telemetry import Part, Telemetry, now_ms
from sync_runtime.vault import DecryptionRefused, KeyEncryptionKeys

from sync_worker.datasets.keeping import DatasetKeeper
from sync_worker.datasets.store import DatasetStore
from sync_worker.execution.attempt import Attempts
from sync_worker.execution.emitter import Emitter
from sync_worker.execution.fence import Fences, FenceStore
from sync_worker.execution.fetching import Fetching
from sync_worker.execution.runner import Ended, Runner
from sync_worker.execution.sights import Sights
from sync_worker.execution.store import ClientStore, UnitStore
from sync_worker.execution.subjects import Subjects
from sync_worker.intake.consumer import CommandIntake, IntakeLimits
from sync_worker.intake.dead_letters import DeadLetters
from sync_worker.intake.offsets import Offsets
from sync_worker.intake.session_steps import SessionIntake
from sync_worker.limits.upstreams import Upstreams
from sync_worker.limits.use import RateLimits
from sync_worker.modules.port import SyncModule
from sync_worker.modules.registry import extra_modules, gst_modules
from sync_worker.observing import Observing
from sync_worker.owned import TOPICS, WRITES
from sync_worker.portal.gsp.client import GspClient
from sync_worker.portal.gsp.line import Line
from sync_worker.portal.gsp.otp import SessionSteps
from sync_worker.portal.gsp.portal import PortalFactory
from sync_worker.portal.gsp.profile import load_profile
from sync_worker.portal.gsp.store import MongoAccess, MongoOtpRequests, MongoSessions
from sync_worker.recent_calls import RecentCalls
from sync_worker.reporting import Reporting
from sync_worker.settings import Settings
from sync_worker.tenant_keys import TenantKeys

SERVICE = "sync-worker"
STALLED_AFTER_S = {"commands": 120.0, "sessions": 180.0}
"""A loop that has not moved for so long is stalled; a revoke may take 25 s of it, a session step 90 s."""
CLOSE_DEADLINE_S = 5.0
BUFFERED_PER_PLACE = 16
"""Records queued for each unit that may ask: enough clients that none has many units left when the others end."""
SPARE_CONNECTIONS = 20
"""For session steps, beside a connection for each unit that runs."""
DRAIN_S = 35.0
"""Running units have 25 s, then their offsets are committed."""

METRICS = (
    Metric("counter", "worker_units_total", "Attempts by module and code of their event", ("module", "code")),
    Metric("histogram", "worker_unit_seconds", "Time of an attempt from its start to its event", ("module",)),
    Metric("counter", "worker_portal_calls_total", "Calls to the portal", ("module",)),
    Metric(
        "counter", "worker_permits_total", "Permits for calls, and what gates did", ("upstream", "family", "outcome")
    ),
    Metric("counter", "worker_guards_total", "Work that was left undone because it was done or overtaken", ("reason",)),
)


class WorkerService:
    """The running worker: opens its clients, runs units until it is drained, closes them."""

    def __init__(
        self,
        settings: Settings,
        keys: KeyEncryptionKeys,
        health: Health,
        telemetry: Telemetry,
        modules: Mapping[str, SyncModule],
    ) -> None:
        self._settings = settings
        self._health = health
        self._telemetry = telemetry
        self._modules = modules
        self._tasks = Tasks()
        self._mongo = mongo.client(settings)
        self._database = mongo.database(self._mongo, settings)
        self._producer = kafka.producer(settings)
        self._commands = kafka.consumer(settings, WORKER_GROUP, max_poll_records=500)
        self._sessions = kafka.consumer(settings, SESSION_GROUP, max_poll_records=50)
        self._portal = GspClient(settings.portal_url, connections=settings.max_inflight + SPARE_CONNECTIONS)
        self._publisher = PartitionBatches(self._producer, topic_prefix=settings.topic_prefix)
        self._offsets = Offsets(self._commands, settings.prefixed(COMMANDS.name), time.monotonic)
        self._emitter = Emitter(self._publisher, self._offsets.finish)
        self._vault = TenantKeys(self._database, keys, refused=DecryptionRefused, clock_s=time.monotonic)
        self._recent = RecentCalls()
        self._observing = Observing(health.metrics, partial(_unit_span, telemetry), self._recent, time.monotonic)
        self._limits = self._rate_limits()
        self._fetching = Fetching(now_ms, settings.max_inflight)
        self._reporting = self._compose_reporting()
        self._refused_commands = self._dead_letters()
        self._lines = {settings.portal_line: self._line()}
        self._runner = self._compose_runner()
        self._intake = self._compose_intake()
        self._steps = self._compose_steps()

    def _line(self) -> Line:
        settings = self._settings
        profile = load_profile(settings.portal_style)
        return Line(settings.portal_line, profile, self._portal, settings.account(), _now)

    def _rate_limits(self) -> RateLimits:
        rules = self._settings.breaker_rules()
        leases = Upstreams(self._database, rules)
        return RateLimits(leases, self._settings.rates(), time.monotonic, rules, self._observing.permit)

    def _dead_letters(self) -> DeadLetters:
        return DeadLetters(self._publisher, clock_ms=now_ms, count=self._observing.dead_letter)

    def _compose_reporting(self) -> Reporting:
        settings = self._settings
        return Reporting(
            self._database,
            self._recent,
            instance=settings.instance_id,
            line=settings.portal_line,
            slots=settings.max_inflight,
            busy=lambda: self._fetching.asking,
            clock_s=time.monotonic,
        )

    def _compose_runner(self) -> Runner:
        draw = random.Random()  # noqa: S311 - jitter and take numbers, no secrets
        sights = Sights(UnitStore(self._database), time.monotonic)
        attempts = Attempts(
            modules=self._modules,
            subjects=Subjects(ClientStore(self._database), time.monotonic),
            fences=Fences(FenceStore(self._database), draw),
            keeper=DatasetKeeper(self._datasets(), self._vault, _now),
            portals=PortalFactory(self._lines, MongoSessions(self._database), self._vault, _now),
            limits=self._limits,
            fetching=self._fetching,
            is_cancelled=sights.is_cancelled,
            cooldowns_s=cooldowns(self._settings.cooldowns_s),
            draw=draw,
        )
        return Runner(
            sights=sights,
            attempts=attempts,
            fetching=self._fetching,
            emitter=self._emitter,
            refusals=self._refused_commands,
            finished=self._offsets.finish,
            record=self._observing.ended,
            clock_ms=now_ms,
            guarded=self._observing.guarded,
        )

    def _compose_intake(self) -> CommandIntake:
        settings = self._settings
        topic = settings.prefixed(COMMANDS.name)
        assignments = self._health.metrics.counter("sync_assignments_total", COMMANDS.name)
        return CommandIntake(
            self._commands,
            topic,
            offsets=self._offsets,
            dead_letters=self._refused_commands,
            run_unit=self._runner.run,
            limits=IntakeLimits(
                max_inflight=2 * settings.max_inflight,  # one asks, one is made ready
                buffered=BUFFERED_PER_PLACE * settings.max_inflight,
            ),
            beat=self._health.liveness.expect("commands", STALLED_AFTER_S["commands"]),
            on_assigned=assignments.inc,
            on_known=partial(self._observing.guarded, "known-offset"),
        )

    def _compose_steps(self) -> SessionIntake:
        steps = SessionSteps(
            self._lines,
            sessions=MongoSessions(self._database),
            requests=MongoOtpRequests(self._database),
            access=MongoAccess(self._database),
            vault=self._vault,
            use=self._limits.use,
            logins_per_day=self._settings.logins_per_day,
        )
        return SessionIntake(
            self._sessions,
            dead_letters=self._dead_letters(),
            carry_out=steps.carry_out,
            beat=self._health.liveness.expect("sessions", STALLED_AFTER_S["sessions"]),
        )

    async def start(self) -> None:
        """Check topics, indexes and the database, then join the groups."""
        settings = self._settings
        await mongo.ping(self._mongo)
        await indexes.assert_indexes(self._database, WRITES)
        await kafka_topics.assert_topics(settings, TOPICS)
        await self._limits.announce()
        await self._producer.start()
        self._commands.subscribe([settings.prefixed(COMMANDS.name)], listener=self._intake)
        self._sessions.subscribe([settings.prefixed(SESSIONS.name)], listener=self._steps)
        await self._commands.start()
        await self._sessions.start()

    async def run(self) -> None:
        """Run units and session steps; raises what ended any part of it."""
        self._tasks.own("emitter", self._emitter.run())
        self._tasks.own("announcer", self._runner.announce_started())
        self._tasks.own("commands", self._intake.run())
        self._tasks.own("sessions", self._steps.run())
        self._tasks.own("reports", self._reporting.run())
        await self._tasks.watch()

    async def drain(self) -> None:
        """Take no new work, let end what runs (25 s), commit, leave."""
        self._tasks.end()
        self._intake.stop()
        self._steps.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._intake.ended()
                await self._steps.ended()
        await self._tasks.cancel()
        for client in (self._commands, self._sessions, self._producer):
            await kafka.stop_within(client, CLOSE_DEADLINE_S)
        await self._portal.aclose()
        self._mongo.close()
        await asyncio.to_thread(self._telemetry.close)

    def _datasets(self) -> DatasetStore:
        return DatasetStore(self._database, partial(self._observing.guarded, "superseded"))


def build(
    settings: Settings, keys: KeyEncryptionKeys, *, modules: Mapping[str, SyncModule] | None = None
) -> Background:
    """The whole process. Must be called inside the running event loop. `modules`: other ones than the product's."""
    health = Health(Metrics(METRICS))
    registry = {**gst_modules(), **extra_modules(settings.worker_extra_modules)} if modules is None else modules
    service = WorkerService(settings, keys, health, Telemetry(settings, SERVICE), registry)
    return Background(service, kafka.broker(settings), health)


def _now() -> datetime:
    return datetime.now(UTC)


def _unit_span(telemetry: Telemetry, ended: Ended, code: str, *, error: str | None, slow: bool) -> None:
    if telemetry.enabled:
        telemetry.unit_span(
            ended.delivery.traceparent,
            "unit",
            start_ms=ended.started_ms,
            end_ms=ended.ended_ms,
            attributes=_attributes(ended, code),
            error=error,
            slow=slow,
            parts=_calls(ended),
        )


def _calls(ended: Ended) -> list[Part]:
    return [
        Part(
            "portal call",
            call.ended_ms - call.elapsed_ms,
            call.ended_ms,
            {semconv.PORTAL_ACTION: call.action, semconv.HTTP_STATUS: call.http},
        )
        for call in ended.calls
    ]


def _attributes(ended: Ended, code: str) -> dict[str, str | int | float | bool]:
    command, timing = ended.delivery.command, ended.timing
    return {
        semconv.TENANT: command.tenant,
        semconv.BUCKET: command.bucket,
        semconv.CLIENT: command.client,
        semconv.PAGE: command.page,
        semconv.MODULE: command.module,
        semconv.ATTEMPT: command.attempt,
        semconv.CODE: code,
        semconv.QUEUE_MS: timing.queue_ms,
        semconv.CALLS: timing.calls,
        semconv.CALL_MS: timing.call_ms,
    }
