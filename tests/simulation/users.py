"""Users who change their mind: cancel, pause, resume, retry, through the product's own API code, repeated if unsure."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from bucket_api.buckets.choosing import RetryFilter
from bucket_api.buckets.retrying import Ask
from bucket_api.buckets.units import UnitFilter
from bucket_api.refusal import Refusal
from bucket_api.scope import TenantScope
from pymongo.errors import PyMongoError

from tests.simulation.api import Api
from tests.simulation.world import World
from tests.support.planted import Plan

TRIES: Final = 40


class Users:
    """The wishes of one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = random.Random(f"users {world.sim.seed}")
        self._count = 0

    async def run(self) -> None:
        """Wish after wish for a while."""
        pace = self._world.shape.pace
        ends_at = self._world.sim.loop.time() + pace.lasts_s
        while self._world.sim.loop.time() < ends_at:
            await asyncio.sleep(self._rng.expovariate(1 / pace.wish_every_s))
            plan = self._rng.choice(self._world.shape.plans)
            kind = self._rng.choices(("cancel", "pause", "resume", "retry"), (2, 1, 3, 9))[0]
            await self.wish(plan, kind, tries=2)

    async def wish(self, plan: Plan, kind: str, *, tries: int = TRIES) -> bool:
        """Whether the wish was granted; a request whose answer is lost is repeated with its key."""
        self._count += 1
        key = f"key-{self._count}"
        request = self._request(self._world.api(), plan, kind, key)
        for _ in range(tries):
            try:
                await request()
            except Refusal as refusal:
                self._world.sim.guards[f"wish refused: {refusal.code}"] += 1
                if refusal.code != "idempotency_in_progress":
                    return False
            except PyMongoError:
                await asyncio.sleep(1.0)
            else:
                self._world.sim.faults[f"user: {kind}"] += 1
                self._world.sim.trace(f"user {kind} {plan.bucket}")
                return True
        return False

    def _request(self, api: Api, plan: Plan, kind: str, key: str) -> Callable[[], Awaitable[object]]:
        tenant = TenantScope(plan.tenant)
        if kind != "retry":
            return lambda: api.controlling.act(tenant, plan.bucket, kind, key=key, by="user", reason=None)  # type: ignore[arg-type]
        states: tuple[str, ...] = self._rng.choice(((), ("failed",), ("cancelled", "needs_action")))
        some = self._rng.random() < 0.6
        units = [f"u_{row}_{column}" for row in range(plan.clients) for column in range(plan.columns)]
        chosen = frozenset(unit for unit in units if some and self._rng.random() < 0.5)
        ask = Ask({"n": self._count}, {}, RetryFilter(UnitFilter(state=states), unit_ids=chosen))
        return lambda: api.retrying.retry(tenant, plan.bucket, ask, key=key, by="user")
