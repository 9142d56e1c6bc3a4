"""Units that a retry was asked for and left, with why: stored beside the bucket, which would grow too large by them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorDatabase
from sync_contracts.buckets import digest
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
    """One document for each retry that left units, written before the retry is: one without a retry does no harm.

    Its id holds a digest of what it says and is named by the retry's entry: a try that loses, also one of another
    request with the same key, writes a document that nobody reads.
    """

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
        self._left = database[RETRY_LEFT.name]

    async def keep(self, tenant: TenantScope, action: str, left: Left, now: datetime) -> str | None:
        """What a try of a retry leaves. Returns the document's id; None when nothing is left."""
        if not left:
            return None
        units = {code: dict(pages) for code, pages in left.items()}
        identity = f"{action}:{digest({code: _hex(pages) for code, pages in units.items()})}"
        document = tenant.owned({"_id": identity, "units": units, "expires_at": now + KEPT})
        await self._left.replace_one(tenant.only({"_id": identity}), document, upsert=True)
        return identity

    async def of(self, tenant: TenantScope, identity: str | None) -> Left:
        """What the retry with this document has left; nothing where nothing is known any more."""
        document = await self._left.find_one(tenant.only({"_id": identity})) if identity else None
        return document["units"] if document else {}


def why_left(unit: Placed, layout: Layout, left: Left) -> IneligibleCode | None:
    """Why the retry has left this unit; None: it has not."""
    return next((code for code, pages in left.items() if is_selected(unit, layout, pages)), None)


def _hex(pages: Mapping[str, bytes]) -> dict[str, str]:
    return {page: bits.hex() for page, bits in pages.items()}
