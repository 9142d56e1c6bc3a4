"""An API process, as far as wishes go."""

from collections.abc import Sequence

from bucket_api.buckets.controlling import Controlling
from bucket_api.buckets.eligibility import Standing
from bucket_api.buckets.retrying import Retrying
from bucket_api.buckets.store import BucketStore
from bucket_api.buckets.wishes import Wishes
from bucket_api.scope import TenantScope

from tests.simulation.log import as_any
from tests.simulation.network import Process
from tests.simulation.roles import Parts
from tests.simulation.store import SimulatedDatabase


class EveryoneReady:
    """Every client may be tried again."""

    async def of(self, tenant: TenantScope, clients: Sequence[str]) -> dict[str, Standing]:  # noqa: ARG002
        """Nothing stands in the way."""
        far_ms = 2**52
        ready = Standing(active=True, ready=True, blocked=False, user_changed_ms=far_ms, logged_in_ms=far_ms)
        return dict.fromkeys(clients, ready)


class NothingLeft:
    """Nobody asks which units a retry has left."""

    async def keep(self, *_: object) -> None:
        """Nothing is kept."""


class Api:
    """The wishes of users as an API process carries them out."""

    def __init__(self, parts: Parts, process: Process) -> None:
        database = as_any(SimulatedDatabase(parts.sim, parts.replica, process))
        buckets, wishes = BucketStore(database), Wishes(database)
        self.buckets = buckets
        self.controlling = Controlling(buckets, wishes, lambda: parts.sim.now(process))
        self.retrying = Retrying(
            buckets, wishes, as_any(EveryoneReady()), as_any(NothingLeft()), lambda: parts.sim.now(process)
        )
