"""Units that a retry was asked for and left, with why: stored beside the bucket, which would grow too large by them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorDatabase
from sync_contracts.collections import RETRY_LEFT

from bucket_api.buckets.choosing import is_selected
from bucket_api.buckets.eligibility import IneligibleCode
from bucket_api.buckets.units import Layout, Placed
from bucket_api.scope import TenantScope

KEPT: Final = timedelta(days=90)
"""As long as the details of units."""
Left = Mapping[IneligibleCode, Mapping[str, bytes]]
"""Why -> page number as text -> bitmap of the units."""


class LeftUnits:
    """One document for each retry that left units, written before the retry is: one without a retry does no harm."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
        self._left = database[RETRY_LEFT.name]

    async def keep(self, tenant: TenantScope, action: str, left: Left, now: datetime) -> None:
        """What a retry leaves; the newest try of the same retry counts."""
        units = {code: dict(pages) for code, pages in left.items()}
        document = tenant.owned({"_id": action, "units": units, "expires_at": now + KEPT})
        await self._left.replace_one(tenant.only({"_id": action}), document, upsert=True)

    async def of(self, tenant: TenantScope, action: str) -> Left:
        """What the retry has left; nothing where nothing is known any more."""
        document = await self._left.find_one(tenant.only({"_id": action}))
        return document["units"] if document else {}


def why_left(unit: Placed, layout: Layout, left: Left) -> IneligibleCode | None:
    """Why the retry has left this unit; None: it has not."""
    return next((code for code, pages in left.items() if is_selected(unit, layout, pages)), None)
