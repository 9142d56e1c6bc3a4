"""One run of one seed: a while of faults and wishes, then peace, in which everything has to end."""

import asyncio
import gc
from collections import Counter
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from tests.simulation.checks import Checks
from tests.simulation.creating import simulate_creations
from tests.simulation.faults import Faults
from tests.simulation.images import is_terminal
from tests.simulation.loop import Stuck
from tests.simulation.portal import QUIET
from tests.simulation.shape import shape_of
from tests.simulation.users import Users
from tests.simulation.world import World
from tests.support.audit_checks import CHECKS, Evidence, Logged
from tests.support.planted import Plan

PEACE_S: Final = 900.0
REST_S: Final = 400.0


class Outcome(Struct, frozen=True):
    """What came of a run."""

    seed: int
    units: int
    violations: list[str]
    faults: Counter[str]
    guards: Counter[str]
    digest: str
    turns: int
    deaths: list[str]
    recent: list[str]
    virtual_s: float


class Run:
    """A seed's run."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed, shape_of(seed))
        self.checks = Checks(self.world)
        self.faults = Faults(self.world, self.checks)
        self.users = Users(self.world)

    def outcome(self) -> Outcome:
        """Carry it out."""
        sim = self.world.sim
        began_s = sim.loop.time()
        try:
            sim.loop.run(self._main())
        except Stuck as stuck:
            sim.broken(f"L1 {stuck}")
        finally:
            self._clear()
        return Outcome(
            sim.seed,
            self.world.shape.n_units,
            sim.violations,
            sim.faults,
            sim.guards,
            sim.digest,
            sim.loop.turns,
            self.world.deaths,
            list(sim.recent),
            sim.loop.time() - began_s,
        )

    async def _main(self) -> None:
        world, shape = self.world, self.world.shape
        world.portal.moods = shape.moods
        world.begin()
        acts = [] if shape.kind == "quiet" else [self.faults.run()]
        if shape.actions:
            acts.append(self.users.run())
        await asyncio.gather(*acts)
        self.faults.cease(zombies_too=world.sim.rng.random() < 0.5)
        world.portal.moods = QUIET
        await self._paused_buckets_rest()
        await self._everything_ends()
        if shape.actions and not world.sim.violations:
            await self._failed_units_run_again()
        if not world.sim.violations:
            self._judge()

    async def _paused_buckets_rest(self) -> None:
        """L2: a paused bucket comes to rest with waiting units only; then it is resumed."""
        for plan in self.world.shape.plans:
            if not self._is_paused(plan):
                continue
            await self._until(lambda plan=plan: not self._in_flight(plan), REST_S, f"L2 {plan.bucket} does not rest")
            if self._is_paused(plan) and not await self.users.wish(plan, "resume") and self._is_paused(plan):
                self.world.sim.broken(f"L2 {plan.bucket} cannot be resumed")

    async def _everything_ends(self) -> None:
        await self._until(self.world.all_ended, PEACE_S, "L1 not every bucket has ended")

    async def _failed_units_run_again(self) -> None:
        """A retry of everything that failed, after the end."""
        for plan in self.world.shape.plans:
            await self.users.wish(plan, "retry")
        await self._everything_ends()

    async def _until(self, condition: object, seconds: float, otherwise: str) -> None:
        assert callable(condition)
        ends_at = self.world.sim.loop.time() + seconds
        while not condition():
            if self.world.sim.loop.time() > ends_at:
                self.world.sim.broken(f"{otherwise}: {self._open_units()}")
                return
            if self.world.sim.violations:
                return
            await asyncio.sleep(0.5)

    def _is_paused(self, plan: Plan) -> bool:
        bucket = self.world.bucket(plan.bucket)
        return bucket["control"] == "PAUSE" and not is_terminal(bucket)

    def _in_flight(self, plan: Plan) -> bool:
        return any(unit.s in "DR" for address, unit in self.checks.images.units() if address[0] == plan.bucket)

    def _open_units(self) -> list[str]:
        found = [f"{address} {unit.s} {unit.a} {unit.e} t={unit.t}" for address, unit in self.checks.images.units()]
        return [line for line in found if " S " not in line and " F " not in line and " C " not in line][:6]

    def _judge(self) -> None:
        world = self.world
        self.checks.at_rest()
        if world.shape.kind == "quiet":
            self.checks.called_once()
        evidence = Evidence(
            logged=[Logged(event, 0, offset) for offset, event in enumerate(self.checks.history)],
            commands=self.checks.commands,
            buckets={bucket["_id"]: bucket for bucket in world.buckets()},
            page_documents=list(world.replica.majority("bucket_pages").values()),
            datasets=world.replica.majority("datasets"),
            committed={},
            limits=world.timing.limits,
        )
        for check in CHECKS:
            for sentence in check(evidence):
                world.sim.broken(sentence)

    def _clear(self) -> None:
        """End what still runs, without any effect."""
        loop = self.world.sim.loop
        for process in self.world.processes.values():
            process.alive = False
        loop.cancel_all()
        gc.collect(0)


def simulate(seed: int) -> Outcome:
    """The outcome of a seed: of running buckets, and of starting them."""
    outcome, starts = Run(seed).outcome(), simulate_creations(seed)
    return replace(
        outcome,
        violations=outcome.violations + starts.violations,
        faults=outcome.faults + starts.faults,
        guards=outcome.guards + starts.guards,
        digest=outcome.digest + starts.digest,
        recent=outcome.recent if outcome.violations else list(starts.recent),
    )
