"""A portal that answers as a seed decides, and keeps a ledger of what it was asked: independent truth about calls.

What it has of a client, module and period is a version that grows now and then; the body that it gives is that number.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.datasets.versions import dataset_of
from sync_worker.delivery import Delivery
from sync_worker.modules.port import (
    Answer,
    Call,
    Fetched,
    Incomplete,
    Observed,
    Parts,
    Portal,
    Refusal,
    Request,
    Result,
    Unchanged,
)
from sync_worker.portal.calls import CallMade

from tests.simulation.network import Link, Lost, Process, Reply, Simulation

RUNNING: ContextVar[Delivery] = ContextVar("RUNNING")
"""The delivery that the present task runs; set by the world around the product's runner."""

Unit = tuple[str, int, int, int]
"""Bucket, page, client index, column index."""
Dataset = str
"""Id of a document in `datasets`."""


@dataclass(frozen=True)
class Called:
    """One call that reached the portal. `version`: what it had then."""

    at: float
    by: str
    unit: Unit
    attempt: int
    dataset: Dataset
    version: int


@dataclass
class Moods:
    """Chances of what the portal answers; the rest is data. An assumption, not a measurement."""

    refusals: Mapping[OutcomeClass, float] = field(default_factory=dict)
    mismatch: float = 0.0
    slow: float = 0.0
    slow_s: float = 20.0
    changes: float = 0.5


QUIET: Final = Moods()
FAULTY: Final = Moods(
    {
        OutcomeClass.TRANSIENT: 0.08,
        OutcomeClass.RATE_LIMITED: 0.05,
        OutcomeClass.MAINTENANCE: 0.02,
        OutcomeClass.WAITING_PORTAL: 0.04,
        OutcomeClass.OTP_REQUIRED: 0.08,
        OutcomeClass.NOT_YET: 0.03,
        OutcomeClass.EMPTY: 0.03,
        OutcomeClass.UNKNOWN: 0.02,
    },
    mismatch=0.02,
    slow=0.1,
)
_FAULT_OF: Final = {
    OutcomeClass.TRANSIENT: "portal error",
    OutcomeClass.RATE_LIMITED: "portal 429",
    OutcomeClass.MAINTENANCE: "portal maintenance",
    OutcomeClass.WAITING_PORTAL: "portal file in preparation",
    OutcomeClass.OTP_REQUIRED: "portal verdict",
    OutcomeClass.UNKNOWN: "portal unknown answer",
}


class SimulatedPortal:
    """The portal's side."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self.moods = QUIET
        self.ledger: list[Called] = []
        self.calls: Counter[tuple[Unit, int]] = Counter()
        self.versions: dict[Dataset, int] = {}

    def version(self, dataset: Dataset) -> int:
        """What the portal has of a dataset now."""
        return self.versions.setdefault(dataset, 1)

    def change(self, dataset: Dataset) -> None:
        """Somebody files something."""
        self.versions[dataset] = self.version(dataset) + 1

    def asked(self, by: str, delivery: Delivery) -> tuple[float, Any]:
        """One call: seconds until the answer, and the answer."""
        rng, moods, command = self._sim.rng, self.moods, delivery.command
        dataset = dataset_of(command)
        if rng.random() < moods.changes:
            self.change(dataset)
        unit = (command.bucket, command.page, command.ci, command.mi)
        self.ledger.append(Called(self._sim.loop.time(), by, unit, command.attempt, dataset, self.version(dataset)))
        self.calls[unit, command.attempt] += 1
        self._sim.trace(f"{by} portal {unit} {command.attempt}")
        delay_s = rng.random() * 0.3
        if rng.random() < moods.slow:
            self._sim.faults["portal slow"] += 1
            delay_s += rng.random() * moods.slow_s
        return delay_s, self._answer(dataset)

    def _answer(self, dataset: Dataset) -> Any:
        draw = self._sim.rng.random()
        for outcome, chance in self.moods.refusals.items():
            draw -= chance
            if draw < 0:
                return self._refusal(outcome)
        draw -= self.moods.mismatch
        if draw < 0:
            self._sim.faults["portal mismatch"] += 1
            return Incomplete(Code.INTEGRITY_MISMATCH)
        return Answer({"version": self.version(dataset)}, b"")

    def _refusal(self, outcome: OutcomeClass) -> Refusal:
        if outcome in _FAULT_OF:
            self._sim.faults[_FAULT_OF[outcome]] += 1
        if outcome is OutcomeClass.WAITING_PORTAL:
            return Refusal(outcome, http=200, retry_after_ms=1_500, detail={"token": "file-1"})
        if outcome is OutcomeClass.MAINTENANCE:
            return Refusal(outcome, http=503, retry_after_ms=2_000)
        return Refusal(outcome, http=200)


class Meter:
    """What one unit's calls cost."""

    def __init__(self) -> None:
        self.calls = 0
        self.call_ms = 0
        self.http = 0
        self.made: list[CallMade] = []


class UnitPortal:
    """The portal of one unit in one process."""

    def __init__(self, sim: Simulation, portal: SimulatedPortal, link: Link, use: Any, delivery: Delivery) -> None:
        self._sim = sim
        self._portal = portal
        self._link = link
        self._use = use
        self._delivery = delivery
        self.meter = Meter()

    async def call(self, call: Call) -> Any:  # noqa: ARG002 - there is one question
        """Ask once."""
        refused = await self._use.permit("RETURNS")
        if refused is not None:
            return refused
        self.meter.calls += 1

        def execute(reply: Reply[Any]) -> None:
            delay_s, answer = self._portal.asked(self._link.process.name, self._delivery)
            self._sim.loop.in_world(delay_s, reply.answer, answer)

        try:
            return await self._link.ask(execute, give_up_s=60.0)
        except Lost:
            return Refusal(OutcomeClass.TRANSIENT)


class SimulatedPortals:
    """Opens the portal for a unit."""

    def __init__(self, sim: Simulation, portal: SimulatedPortal, process: Process) -> None:
        self._sim = sim
        self._portal = portal
        self._link = Link(sim, process, "portal")

    def open(self, *_subject: object, use: Any, **_session: object) -> UnitPortal:
        """The portal as one unit sees it."""
        return UnitPortal(self._sim, self._portal, self._link, use, RUNNING.get())


class SimulatedModule:
    """Fetches a unit by one call, as a module of the catalogue would."""

    stores = True

    def __init__(self, name: str) -> None:
        self.name = name

    async def sync(self, request: Request, portal: Portal, parts: Parts) -> Result:  # noqa: ARG002
        """One call, one result."""
        answer: Any = await portal.call(Call("fetch"))
        await asyncio.sleep(0)
        match answer:
            case Refusal(outcome=OutcomeClass.EMPTY):
                return Observed(Code.EMPTY, None)
            case Refusal(outcome=OutcomeClass.NOT_YET):
                return Observed(Code.NOT_YET, None)
            case Refusal() | Incomplete():
                return answer
            case Answer(payload={"version": version}):
                marker = str(version)
                if request.previous is not None and request.previous.marker == marker:
                    return Unchanged(request.previous.rows, 1)
                return Fetched(msgspec.json.encode(version), version, 1, marker, {}, {})
        raise AssertionError(answer)


class PlainVault:
    """Seals nothing: what is stored can be judged."""

    async def seal(self, tenant: str, plain: bytes, *place: str) -> bytes:  # noqa: ARG002
        """The same bytes."""
        return plain

    async def unseal(self, tenant: str, sealed: bytes, *place: str) -> bytes | None:  # noqa: ARG002
        """The same bytes."""
        return sealed
