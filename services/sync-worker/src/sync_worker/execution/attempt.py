"""One attempt of one unit, from its preflight to its ending: fence, fetch, store. Nothing here waits or retries."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace
from sync_contracts.commands import Command
from sync_contracts.documents import ClientDocument, CredentialDocument, PortalSessionDocument
from sync_contracts.outcomes import Code, OutcomeClass
from sync_contracts.units import Unit

from sync_worker.combining import CombinerFull
from sync_worker.datasets.keeping import DatasetKeeper, LostBase, Undecided
from sync_worker.datasets.versions import Known, Target, target_of
from sync_worker.delivery import Delivery
from sync_worker.durable import StoreUnavailable, is_outage
from sync_worker.execution import retry
from sync_worker.execution.fence import Fences
from sync_worker.execution.fetching import Fetching, PlaceLost
from sync_worker.execution.preflight import Go
from sync_worker.execution.retry import Done, Ending, GiveUp, Stopped, TryAgain
from sync_worker.execution.subjects import Subject, Subjects
from sync_worker.modules.port import (
    Fetched,
    FilePortal,
    Incomplete,
    Observed,
    Parts,
    Previous,
    Refusal,
    Request,
    Result,
    SyncModule,
    Unchanged,
)
from sync_worker.portal.calls import CallMade, Use
from sync_worker.tenant_keys import UnknownTenant

UNIT_LIMIT_S: Final = 300.0
MAX_DELIVERIES: Final = 3
log = logging.getLogger(__name__)


class Meter(Protocol):
    """What a unit's portal calls cost."""

    @property
    def calls(self) -> int: ...
    @property
    def call_ms(self) -> int: ...
    @property
    def http(self) -> int: ...
    @property
    def made(self) -> Sequence[CallMade]: ...


class MeteredPortal(FilePortal, Protocol):
    """The portal of one unit, with its meter."""

    @property
    def meter(self) -> Meter: ...


class Portals(Protocol):
    """Opens the portal for a unit; `use` is asked before each HTTP call and told after it."""

    def open(
        self,
        tenant: str,
        client: ClientDocument,
        credential: CredentialDocument | None,
        *,
        use: Use,
        session: PortalSessionDocument | None = None,
    ) -> MeteredPortal: ...


class UnitUse(Use, Protocol):
    """One unit's use of a line, which knows whether others err too."""

    async def explained(self, refusal: Refusal) -> Refusal:
        """The refusal, as LINE_DOWN where the portal fails for everybody."""
        ...


class Limits(Protocol):
    """Rates and gates of the lines to portals."""

    def use(self, line: str, tenant: str, client: str, *, last: str | None = None, weight: float = 1.0) -> UnitUse: ...


class NoParts:
    """For a module that stores nothing."""

    async def kept(self, gen: str) -> Mapping[str, bytes]:  # noqa: ARG002 - nothing is kept
        """Nothing."""
        return {}

    async def keep(self, name: str, data: bytes, *, gen: str, expected: int) -> None:
        """Nothing is kept."""


class Attempted(Struct, frozen=True):
    """How an attempt ended, and what its calls cost (None: the portal was not opened)."""

    ending: Ending
    meter: Meter | None = None


class Attempts:
    """Carries out attempts. `draw` gives the jitter of delays, `now` aware UTC."""

    def __init__(
        self,
        *,
        modules: Mapping[str, SyncModule],
        subjects: Subjects,
        fences: Fences,
        keeper: DatasetKeeper,
        portals: Portals,
        limits: Limits,
        fetching: Fetching,
        is_cancelled: Callable[[Command], Awaitable[bool]],
        cooldowns_s: Mapping[str, int],
        draw: random.Random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        unit_limit_s: float = UNIT_LIMIT_S,
    ) -> None:
        self._modules = modules
        self._subjects = subjects
        self._fences = fences
        self._keeper = keeper
        self._portals = portals
        self._limits = limits
        self._draw = draw
        self._now = now
        self._unit_limit_s = unit_limit_s
        self._fetching = fetching
        self._is_cancelled = is_cancelled
        self._cooldowns_s = cooldowns_s

    async def carry_out(self, delivery: Delivery, go: Go) -> Attempted:
        """Run the unit once."""
        attempted = await self._attempt(delivery, go)
        return replace(attempted, ending=retry.going_on(attempted.ending, delivery.command.cont))

    async def _attempt(self, delivery: Delivery, go: Go) -> Attempted:
        if delivery.attached_to is not None:
            return Attempted(retry.attached(delivery.attached_to, 0, self._draw.random()))
        command = delivery.command
        module = self._modules.get(command.module)
        if module is None:
            return Attempted(GiveUp(Code.SERVICE_CONFIG))
        subject = await self._subjects.of(command.tenant, command.client)
        if subject is None or subject.client["status"] != "active":
            return Attempted(GiveUp(Code.CLIENT_INACTIVE))
        if module.stores:
            return await self._fenced(delivery, go, module, subject)
        portal, use = self._open(go, delivery, subject, None)
        request = self._request(delivery, subject)
        result = await self._fetched(delivery, module, request, portal, NoParts())
        return Attempted(await self._ending(result, go.unit, use), portal.meter)

    async def _fenced(self, delivery: Delivery, go: Go, module: SyncModule, subject: Subject) -> Attempted:
        command, unit = delivery.command, go.unit
        fence, known = await asyncio.gather(
            self._fences.take(command.tenant, command.client, delivery.record), self._keeper.known(command)
        )
        if fence is None:
            return Attempted(retry.taken_over(self._draw.random()))
        if fence.deliveries > MAX_DELIVERIES:
            return Attempted(retry.crash_loop(unit, self._draw.random()))
        target = target_of(command, fence.value)
        settled = self._settled(target, known, force=go.bucket.force)
        if settled is not None:
            return Attempted(settled)
        portal, use = self._open(go, delivery, subject, fence.session)
        request = self._request(delivery, subject, self._keeper.previous(target, known), fence.session)
        parts = self._keeper.parts(target, known)
        result = await self._fetched(delivery, module, request, portal, parts)
        return Attempted(await self._kept(target, known, result, unit, use), portal.meter)

    def _settled(self, target: Target, known: Known, *, force: bool) -> Ending | None:
        """An ending that needs no call: the data is recent, or is being prepared for another bucket."""
        now = self._now()
        if not force and known.is_recent(now, self._cooldowns_s.get(target.module, 0)):
            return Done(Code.UNCHANGED, known.rows, dataset_ver=known.ver)
        preparing = known.prepared_for(target.bucket, now)
        if preparing is None:
            return None
        bucket, until = preparing
        return retry.attached(bucket, int((until - now).total_seconds() * 1000), self._draw.random())

    async def _fetched(
        self, delivery: Delivery, module: SyncModule, request: Request, portal: FilePortal, parts: Parts
    ) -> Result | TryAgain | Stopped:
        """What the module brings; a unit that runs too long goes on in its next attempt, from the parts it has kept."""

        async def asked() -> Result | Stopped:
            if await self._is_cancelled(delivery.command):  # it may have waited for its place
                return Stopped()
            async with asyncio.timeout(self._unit_limit_s):
                return await module.sync(request, portal, parts)

        try:
            return await self._fetching.run(delivery, asked)
        except TimeoutError:
            return TryAgain(Code.CLIENT_SERIAL, counted=False)
        except (StoreUnavailable, CombinerFull, Undecided, PlaceLost):
            raise
        except Exception as error:
            if is_outage(error):  # of our database, under the portal's session or the rate: no answer of the portal
                return retry.interrupted(self._draw.random())
            log.exception("module raised", extra={"action": "sync", "sync_module": module.name})
            return Refusal(OutcomeClass.UNKNOWN)

    async def _kept(
        self, target: Target, known: Known, result: Result | TryAgain | Stopped, unit: Unit, use: UnitUse
    ) -> Ending:
        """Store what was obtained before anything says so."""
        if not isinstance(result, Fetched | Unchanged | Observed):
            ending = await self._ending(result, unit, use)
            if isinstance(ending, TryAgain) and ending.code is Code.PORTAL_PREPARING:
                await self._keeper.prepare(target, self._now() + timedelta(milliseconds=ending.delay_ms))
            return ending
        try:
            kept = await self._keeper.keep(target, known, result)
        except UnknownTenant:
            said = {"action": "unknown_tenant", "tenant": target.tenant}
            log.error("tenant has no data key", extra=said)  # noqa: TRY400 - the trace adds nothing
            return GiveUp(Code.SERVICE_CONFIG)
        if isinstance(kept, LostBase):
            return retry.taken_over(self._draw.random())
        return retry.obtained(result, kept.code, kept.ver)

    async def _ending(self, result: Result | TryAgain | Stopped, unit: Unit, use: UnitUse) -> Ending:
        match result:
            case TryAgain() | Stopped():
                return result
            case Refusal():
                explained = await use.explained(result)
                return retry.after_refusal(explained, unit, self._draw.random())
            case Incomplete():
                return retry.after_incomplete(result, unit, self._draw.random())
            case _:
                return retry.obtained(result)

    def _open(
        self, go: Go, delivery: Delivery, subject: Subject, session: PortalSessionDocument | None
    ) -> tuple[MeteredPortal, UnitUse]:
        (tenant, client), line = delivery.client, subject.client["line_id"]
        use = self._limits.use(line, tenant, client, last=go.unit.e, weight=delivery.weight)
        return self._portals.open(tenant, subject.client, subject.credential, use=use, session=session), use

    def _request(
        self,
        delivery: Delivery,
        subject: Subject,
        previous: Previous | None = None,
        session: PortalSessionDocument | None = None,
    ) -> Request:
        client, command = subject.client, delivery.command
        return Request(
            client["gstin"],
            client["kind"],
            command.params.period,
            self._now(),
            previous,
            command.cont,
            session=str(session.get("tver", 0)) if session else "",
        )
