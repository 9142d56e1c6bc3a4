"""Attempts over a real database, with a module that does what the test says and a portal that says nothing."""

import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sync_contracts.catalogue import cooldowns
from sync_contracts.commands import Command
from sync_contracts.outcomes import OutcomeClass
from sync_contracts.units import Unit
from sync_runtime.mongo import Database
from sync_runtime.vault import DecryptionRefused
from sync_worker.datasets.keeping import DatasetKeeper
from sync_worker.datasets.store import DatasetStore
from sync_worker.execution.attempt import Attempts
from sync_worker.execution.fence import Fences, FenceStore
from sync_worker.execution.fetching import Fetching
from sync_worker.execution.preflight import BucketView, Go
from sync_worker.execution.retry import Ending
from sync_worker.execution.store import ClientStore
from sync_worker.execution.subjects import Subjects
from sync_worker.modules.port import (
    Answer,
    Call,
    Files,
    Link,
    Parts,
    Portal,
    Refusal,
    Request,
    Result,
)
from sync_worker.portal.calls import CallMade
from sync_worker.tenant_keys import TenantKeys

from tests.support.worker_stack import KEYS, PERIOD, command
from tests.unit.worker import records

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
Script = Callable[[Request, Portal, Parts], Awaitable[Result]]


class Scripted:
    """A module that does what the test says."""

    def __init__(self, script: Script, *, name: str = "storing", stores: bool = True) -> None:
        self.name = name
        self.stores = stores
        self._script = script

    async def sync(self, request: Request, portal: Portal, parts: Parts) -> Result:
        return await self._script(request, portal, parts)


class Meter:
    calls = 0
    call_ms = 0
    http = 0
    made: Sequence[CallMade] = ()


class QuietPortal:
    """Asks for its permit, then refuses or answers with nothing."""

    def __init__(self, use: Any, session: Any) -> None:
        self.meter = Meter()
        self.session = session
        self._use = use

    async def call(self, call: Call) -> Answer | Refusal:  # noqa: ARG002
        refusal: Refusal | None = await self._use.permit("returns")
        return refusal or Answer({}, b"{}")

    async def files(self, call: Call) -> Files | Refusal:  # noqa: ARG002
        return Files(bytes(32), ())

    async def file(self, link: Link, key: bytes) -> Answer | Refusal:  # noqa: ARG002
        return Answer({}, b"{}")


class Portals:
    def __init__(self) -> None:
        self.opened: list[QuietPortal] = []

    def open(self, *_: object, use: Any, session: Any = None) -> QuietPortal:
        self.opened.append(QuietPortal(use, session))
        return self.opened[-1]


class Limits:
    """One use of one line for all; `down`: the portal fails for everybody."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.refusal: Refusal | None = None
        self.down = False

    def use(self, line: str, tenant: str, client: str, *, last: str | None = None, weight: float = 1.0) -> "Limits":
        assert weight == 1.0
        self.told.append((line, tenant, client, last or "-"))
        return self

    async def permit(self, family: str) -> Refusal | None:
        self.told.append(("permit", family))
        return self.refusal

    async def saw(self, family: str, refusal: Refusal | None) -> None: ...

    async def explained(self, refusal: Refusal) -> Refusal:
        return Refusal(OutcomeClass.LINE_DOWN, retry_after_ms=7_000) if self.down else refusal


class World:
    """Attempts for one tenant with one client, each a record of its own unless told otherwise; `now` may be moved."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW
        self.fetching = Fetching(lambda: 0, limit=1)
        self.cancelled = False
        self.offset = 100
        self.limits = Limits()
        self.portals = Portals()

    async def end(
        self,
        script: Script | None,
        *,
        asked: Command | None = None,
        unit: Unit | None = None,
        offset: int | None = None,
        force: bool = False,
        name: str = "storing",
        stores: bool = True,
        limit_s: float = 300,
    ) -> Ending:
        asked = asked or command(0, module=name)
        vault = TenantKeys(self.database, KEYS, refused=DecryptionRefused, clock_s=lambda: 0.0)
        attempts = Attempts(
            cooldowns_s=cooldowns({}),
            modules={} if script is None else {name: Scripted(script, name=name, stores=stores)},
            subjects=Subjects(ClientStore(self.database), lambda: 0.0),
            fences=Fences(FenceStore(self.database), random.Random()),
            keeper=DatasetKeeper(DatasetStore(self.database), vault, lambda: self.now),
            portals=self.portals,
            limits=self.limits,
            fetching=self.fetching,
            is_cancelled=self.is_cancelled,
            draw=random.Random(1),
            now=lambda: self.now,
            unit_limit_s=limit_s,
        )
        view = BucketView(asked.tenant, "RUN", 0, asked.shard, force, ((name, PERIOD),), 0.0)
        go = Go(unit or Unit("D", asked.attempt), view)
        self.offset += 1
        delivery = records.delivery(asked, self.offset if offset is None else offset)
        return (await attempts.carry_out(delivery, go)).ending

    async def is_cancelled(self, _: Command) -> bool:
        return self.cancelled

    async def document(self) -> dict[str, Any] | None:
        return await self.database["datasets"].find_one({"tenant_id": "t_1"})


def brings(result: Result) -> Script:
    async def script(*_: object) -> Result:
        return result

    return script
