"""What goes wrong: a seed draws fault after fault while the run goes on. Every fault is counted."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from sync_contracts.topics import COMMANDS, EVENTS

from tests.simulation.betrayal import Betrayal
from tests.simulation.checks import BY_FAULT, Checks
from tests.simulation.log import Stored
from tests.simulation.network import SERVICES, Process
from tests.simulation.world import RESTART_S, World

GARBAGE: Final = (b"{", b"\xff\xfe", b"[]", b'{"v":1}', b"null")
MOST_GARBAGE: Final = 4
SKEW_MS: Final = 90_000
DEPOSED_S: Final = 10.0
"""Longest time until a primary that a majority has left knows it: the time of an election."""


Act = Callable[[], Awaitable[None]]


class Faults:
    """The faults of one run."""

    def __init__(self, world: World, checks: Checks) -> None:
        self._world = world
        self._checks = checks
        self._sim = world.sim
        self._rng = random.Random(f"faults {world.sim.seed}")
        self._stopped: list[Process] = []
        self._garbage = 0
        self._kinds = self._chosen()
        self._worst = Betrayal(world, self._rng, self._stop)
        self._betrayal: asyncio.Task[None] | None = None

    def _chosen(self) -> list[tuple[Act, int]]:
        """Faults with their weights: in a narrow run those that make processes act on what was true before."""
        narrow = self._world.shape.kind in ("narrow", "forked")
        forked = self._world.shape.kind == "forked"
        kinds: list[tuple[Act, int]] = [
            (self.crash, 2 if narrow else 5),
            (self.pause, 4),
            (self.zombie, 7 if narrow else 4),
            (self.fail_over, 7 if narrow else 3),
            (self.partition, 1 if narrow else 3),
            (self.depose, 4 if forked else 2),
            (self.rebalance, 2),
            (self.duplicate, 4),
            (self.clock_jump, 1),
            (self.offset_reset, 1),
        ]
        if narrow:
            kinds += [(self.split, 4), (self.split_workers, 8 if forked else 4), (self.betray, 20 if forked else 3)]
        if self._world.shape.lossy:
            kinds += [(self.lose_record, 2), (self.black_hole, 4), (self.cut_log, 1), (self.undecodable, 2)]
        return kinds

    async def run(self) -> None:
        """Fault after fault for a while, in weather that a seed draws."""
        pace, weather = self._world.shape.pace, self._sim.weather
        weather.lost, weather.slow, weather.late = (self._rng.choice(c) for c in (pace.lost, pace.slow, pace.late))
        acts, weights = zip(*self._kinds, strict=True)
        ends_at = self._sim.loop.time() + pace.lasts_s
        while self._sim.loop.time() < ends_at:
            await asyncio.sleep(self._rng.expovariate(1 / pace.fault_every_s))
            await self._rng.choices(acts, weights)[0]()
        if self._betrayal is not None:
            await self._betrayal

    def cease(self, *, zombies_too: bool) -> None:
        """No faults from now on; zombies go on now, or stay as they are for a while."""
        weather = self._sim.weather
        weather.lost = weather.slow = weather.late = 0.0
        for process in self._world.processes.values():
            process.cut_until.clear()
            process.skew_ms = 0
        for consumer in self._world.watching.consumers.values():
            consumer.deaf_until = min(consumer.deaf_until, self._sim.loop.time() + (0 if zombies_too else 25.0))
        for process in self._stopped:
            if zombies_too:
                self._world.wake(process)
            else:
                self._sim.loop.in_world(40.0, self._world.wake, process)

    def _count(self, fault: str) -> None:
        self._sim.faults[fault] += 1
        self._sim.trace(f"fault {fault}")

    def _one(self, processes: Sequence[Process]) -> Process | None:
        return self._rng.choice(processes) if processes else None

    async def crash(self) -> None:
        """kill -9, and a new process in its place."""
        if process := self._one(self._world.alive()):
            self._count(f"crash {process.role}")
            self._world.kill(process)
            pause_s = RESTART_S * self._rng.choice((0.1, 1, 15))
            self._sim.loop.in_world(pause_s, self._world.start, process.name, process.role)

    async def pause(self) -> None:
        """SIGSTOP, often for longer than the group believes in the member, then CONT."""
        if process := self._one([one for one in self._world.alive() if not one.stopped]):
            self._count(f"pause {process.role}")
            self._stop(process, self._rng.choice((0.5, 5.0, 30.0)) * self._rng.random())

    async def zombie(self) -> None:
        """A member goes on with partitions that its group has given to others."""
        if process := self._one([one for one in self._world.alive() if not one.stopped]):
            self._count("zombie")
            self._world.watching.consumers[process.name].go_deaf(self._rng.choice((3.0, 10.0, 40.0)))

    async def split(self) -> None:
        """Two aggregators work on the same shards, and go on doing so."""
        self._split("aggregator")

    async def split_workers(self) -> None:
        """Two workers run the same commands, and go on doing so."""
        self._split("worker")

    def _split(self, role: str) -> None:
        if process := self._one([one for one in self._world.alive(role) if not one.stopped]):
            self._count(f"split {role}")
            self._world.watching.consumers[process.name].go_deaf(60.0)

    def _wake(self, process: Process) -> None:
        if process.alive:
            self._world.wake(process)

    async def fail_over(self) -> None:
        """The secondaries fall behind, then the primary is lost, with what only it had or without."""
        self._world.replica.stall(10.0)
        await asyncio.sleep(self._rng.random() * 2)
        rolls_back = self._rng.random() < 0.7
        taken_back = self._world.replica.fail_over(rolls_back=rolls_back, away_s=self._rng.random() * 2)
        self._count("fail-over")
        self._sim.faults["write rolled back"] += taken_back

    async def depose(self) -> None:
        """The primary is cut off with some processes; the others have another one, and this one learns of it later."""
        self._world.replica.stall(10.0)
        await asyncio.sleep(self._rng.random())
        left_behind = [process.name for process in self._world.alive() if self._rng.random() < 0.5]
        away_s, lasts_s = self._rng.random(), self._rng.random() * DEPOSED_S
        self._world.replica.depose(left_behind, away_s=away_s, lasts_s=lasts_s)
        self._count("primary deposed")

    async def betray(self) -> None:
        """While others go wrong: the primary is lost soon after somebody has acted on what only it had."""
        if self._betrayal is None or self._betrayal.done():
            self._betrayal = asyncio.create_task(self._betray())

    async def _betray(self) -> None:
        taken_back = await self._worst.wait_and_betray()
        if taken_back is not None:
            self._count("fail-over after a sighting")
            self._sim.faults["write rolled back"] += taken_back

    def _stop(self, process: Process, seconds: float) -> None:
        self._world.stop(process)
        self._stopped.append(process)
        self._sim.loop.in_world(seconds, self._wake, process)

    async def partition(self) -> None:
        """A process cannot reach a server for a while; what it asks has its effect or not."""
        if process := self._one(self._world.alive()):
            self._count("cut")
            service = self._rng.choice(SERVICES)
            process.cut_until[service] = self._sim.loop.time() + self._rng.choice((1.0, 5.0, 20.0))

    async def rebalance(self) -> None:
        """A group distributes its partitions anew."""
        self._count("rebalance")
        self._rng.choice(list(self._world.groups.values())).rebalance()

    async def clock_jump(self) -> None:
        """A process's clock goes forward or back."""
        if process := self._one(self._world.alive()):
            self._count("clock jump")
            process.skew_ms = self._rng.randint(-SKEW_MS, SKEW_MS)

    async def offset_reset(self) -> None:
        """A group's committed offsets go back, or are gone."""
        group = self._world.groups[self._rng.choice(("aggregator", "worker"))]
        if group.committed:
            self._count("offset reset")
            partition = self._rng.choice(sorted(group.committed))
            group.committed[partition] = self._rng.randint(0, group.committed[partition])
            group.rebalance()

    def _records(self) -> list[Stored]:
        log = self._world.log
        return [record for topic in (EVENTS.name, COMMANDS.name) for record in log.present(topic)]

    async def duplicate(self) -> None:
        """A record is there twice; an event perhaps in another partition."""
        records = self._records()
        if records:
            record = self._rng.choice(records[-40:] if self._rng.random() < 0.7 else records)
            misrouted = record.topic == EVENTS.name and self._rng.random() < 0.3
            self._count("misrouted" if misrouted else "duplicate")
            partition = self._rng.randrange(32) if misrouted else record.partition
            self._world.log.append(record.topic, partition, record, BY_FAULT)

    async def lose_record(self) -> None:
        """An acknowledged record is gone."""
        records = self._records()
        if records:
            record = self._rng.choice(records[-60:])
            self._count("lost record")
            self._world.log.partition(record.topic, record.partition).records[record.offset] = None

    async def black_hole(self) -> None:
        """Acknowledged records of one topic, or of all, are gone before anybody could read them."""
        self._count("black hole")
        topics = self._rng.choice(((EVENTS.name,), (COMMANDS.name,), (EVENTS.name, COMMANDS.name)))
        self._world.log.swallow(topics, self._sim.loop.time() + self._rng.choice((0.2, 1.0, 3.0)))

    async def cut_log(self) -> None:
        """The last records of a partition are gone; their offsets are given to others."""
        records = self._records()
        if records:
            record = self._rng.choice(records)
            partition = self._world.log.partition(record.topic, record.partition)
            keep = max(0, partition.end - self._rng.choice((1, 2, 5)))
            self._count("log cut")
            self._sim.faults["lost record"] += partition.end - keep
            self._checks.excuse(record.topic, record.partition, range(keep, partition.end))
            del partition.records[keep:]
            for group in self._world.groups.values():
                if group.topic == record.topic and group.committed.get(record.partition, 0) > keep:
                    group.committed[record.partition] = keep

    async def undecodable(self) -> None:
        """A record that nobody can read, new or in the place of a good one."""
        records = self._records()
        if not records or self._garbage >= MOST_GARBAGE:
            return
        self._garbage += 1
        self._count("undecodable record")
        record = self._rng.choice(records[-40:])
        broken = replace(record, value=self._rng.choice(GARBAGE))
        if self._rng.random() < 0.5:
            self._world.log.append(record.topic, record.partition, broken, BY_FAULT)
        else:
            partition = self._world.log.partition(record.topic, record.partition)
            partition.records[record.offset] = broken
            self._checks.excuse(record.topic, record.partition, [record.offset])
