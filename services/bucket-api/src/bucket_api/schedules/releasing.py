"""Suspensions end when what failed was mended: another portal user, a new one-time password, or data that came."""

import logging
from collections import defaultdict
from typing import Final

from bucket_api.access.store import AccessStore
from bucket_api.schedules.schedule import milliseconds
from bucket_api.schedules.streak_store import StreakStore, Suspended
from bucket_api.scope import TenantScope

log = logging.getLogger(__name__)

AT_ONCE: Final = 500


class Releasing:
    """Looks at suspensions of all tenants, a part at a time, round and round."""

    def __init__(self, streak_store: StreakStore, access: AccessStore) -> None:
        self._streaks = streak_store
        self._access = access
        self._after: str | None = None

    async def release(self) -> int:
        """End the suspensions of the next part whose client was mended; how many."""
        found, self._after = await self._streaks.all_suspended(AT_ONCE, self._after)
        by_tenant: dict[str, list[Suspended]] = defaultdict(list)
        for suspended in found:
            by_tenant[suspended.tenant_id].append(suspended)
        return sum([await self._release(TenantScope(tenant), those) for tenant, those in by_tenant.items()])

    async def _release(self, tenant: TenantScope, suspended: list[Suspended]) -> int:
        clients = sorted({one.client for one in suspended})
        changed = await self._access.changed_at(tenant, clients)
        logged_in = await self._access.logged_in_at(tenant, clients)
        fetched = await self._streaks.fetched_at(tenant, clients)
        released = 0
        for one in suspended:
            known = (changed.get(one.client), logged_in.get(one.client), fetched.get((one.client, one.module)))
            mended = [at for at in known if at]
            if mended and milliseconds(max(mended)) > one.last_at:
                released += await self._streaks.release(tenant, one.schedule, one.client, one.module)
        if released:
            log.info("%d re-armed", released, extra={"action": "release"})
        return released
