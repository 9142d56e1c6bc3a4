"""One seed's world: servers, portal, tenants with their buckets, and the processes that work for them."""

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

from sync_contracts.buckets import shard_of
from sync_contracts.pages import page_document
from sync_contracts.units import Unit

from tests.simulation.api import Api
from tests.simulation.group import Group
from tests.simulation.log import Log
from tests.simulation.network import Process, Simulation
from tests.simulation.portal import SimulatedPortal
from tests.simulation.replica import Replica
from tests.simulation.roles import GROUPS, MAINS
from tests.simulation.shape import BORN_MS, ROLES, Shape
from tests.simulation.watching import Watching

RESTART_S: Final = 1.0


class World:
    """Everything of one run."""

    def __init__(self, seed: int, shape: Shape) -> None:
        self.shape = shape
        self.timing = shape.timing
        self.sim = Simulation(seed)
        self.replica = Replica(self.sim)
        self.log = Log(self.sim)
        self.portal = SimulatedPortal(self.sim)
        self.groups = {role: Group(self.sim, self.log, name, topic.name) for role, (name, topic) in GROUPS.items()}
        self.watching = Watching(self.sim)
        self.processes: dict[str, Process] = {}
        self.deaths: list[str] = []
        self._starts = count()
        self._plant()

    def _plant(self) -> None:
        for plan in self.shape.plans:
            document = plan.document() | {"plan": {"options": {"force": self.shape.force}}, "created_at": BORN_MS}
            pages = plan.pages(Unit(t=BORN_MS))
            self.replica.plant("bucket_pages", [{**page_document(page), "touched": BORN_MS} for page in pages])
            self.replica.plant("buckets", [document])
            clients = [client for page in pages for client in page.clients]
            self.replica.plant("clients", [_client(plan.tenant, client) for client in clients])

    # Processes.

    def begin(self) -> None:
        """Start every process of the shape and the coordinators' clocks."""
        for role in ROLES:
            for number in range(self.shape.processes[role]):
                self.start(f"{role}-{number}", role)
        for group in self.groups.values():
            self._watch_sessions(group)

    def start(self, name: str, role: str) -> Process:
        """A process begins, in the place of one that is dead."""
        process = self.processes[name] = Process(name, role, next(self._starts))
        self.sim.trace(f"{name} begins")
        self.sim.loop.create_task(self._live(process), context=process.lane.context.copy())
        return process

    async def _live(self, process: Process) -> None:
        """A process that dies by itself is started again, as its supervisor would."""
        try:
            await MAINS[process.role](self, process)
        except asyncio.CancelledError:
            raise
        except Exception as death:  # noqa: BLE001 - whatever it died of
            self.deaths.append(f"{process.name}: {death!r} {death.__cause__!r}")
            self.sim.trace(f"{process.name} died of {type(death).__name__}")
            if process.alive:
                self.sim.loop.in_world(0.0, self.kill, process)
                self.sim.loop.in_world(RESTART_S, self.start, process.name, process.role)

    def kill(self, process: Process) -> None:
        """kill -9: nothing of it has an effect any more, except what is under way."""
        self.sim.trace(f"{process.name} is killed")
        process.alive = False
        if consumer := self.watching.consumers.get(process.name):
            consumer.forget()
        self.sim.loop.cancel_lane(process.lane)

    def stop(self, process: Process) -> None:
        """SIGSTOP."""
        self.sim.trace(f"{process.name} is stopped")
        self.sim.loop.stop_lane(process.lane)

    def wake(self, process: Process) -> None:
        """SIGCONT."""
        self.sim.trace(f"{process.name} goes on")
        self.sim.loop.wake_lane(process.lane)

    def alive(self, *roles: str) -> list[Process]:
        """The processes that live, stopped ones included."""
        return [process for process in self.processes.values() if process.alive and process.role in (roles or ROLES)]

    def api(self) -> Api:
        """An API process that carries out users' wishes."""
        return Api(self, Process("api", "api"))

    def _watch_sessions(self, group: Group) -> None:
        group.expire()
        self.sim.loop.in_world(1.0, self._watch_sessions, group)

    # What is true now.

    def bucket(self, bucket: str) -> dict[str, Any]:
        """A bucket as a majority has it."""
        return self.replica.majority("buckets")[bucket]

    def buckets(self) -> Iterator[dict[str, Any]]:
        """All buckets as a majority has them."""
        return (self.bucket(plan.bucket) for plan in self.shape.plans)

    def all_ended(self) -> bool:
        """Whether no bucket runs."""
        return all(bucket["status"] != "RUNNING" for bucket in self.buckets())


def _client(tenant: str, client: str) -> dict[str, Any]:
    return {
        "_id": client,
        "tenant_id": tenant,
        "gstin": client,
        "kind": "regular",
        "line_id": "up_gst_1",
        "status": "active",
        "shard": shard_of(tenant),
    }
