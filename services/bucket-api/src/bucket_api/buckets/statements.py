"""Makes completion statements from pages and stored datasets."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorDatabase
from sync_contracts import collections
from sync_contracts.catalogue import LIVE

from bucket_api.buckets.statement import Recount, Statement
from bucket_api.buckets.store import BucketStore
from bucket_api.buckets.units import Layout, Placed, layout_of, placed
from bucket_api.scope import TenantScope

_FIELDS: Final = {"sha256": 1, "totals": 1, "fetched_at": 1, "rows": 1, "sections": 1, "delta": 1, "obs": 1}


class Statements:
    """Reads what is needed, page by page; memory stays flat."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]], buckets: BucketStore) -> None:
        self._datasets = database[collections.DATASETS.name]
        self._buckets = buckets

    async def of(self, tenant: TenantScope, bucket: Mapping[str, Any]) -> Statement:
        """The statement of a bucket that the caller has found in its tenant."""
        layout = layout_of(bucket)
        recount = Recount(layout)
        async for page in self._buckets.pages(tenant, bucket["_id"]):
            units = list(placed(page, layout))
            obtained = [unit for unit in units if unit.state == "done"]
            recount.add(page["v"], page["h"], units, await self.datasets(tenant, layout, obtained))
        return recount.statement()

    async def datasets(
        self, tenant: TenantScope, layout: Layout, units: Sequence[Placed]
    ) -> dict[tuple[str, int], Mapping[str, Any]]:
        """Stored data of units by `(client, column)`, without the data itself."""
        places = {dataset_id(tenant, unit.client, *layout.columns[unit.column]): unit for unit in units}
        found = self._datasets.find(tenant.only({"_id": {"$in": list(places)}}), _FIELDS)
        return {(places[d["_id"]].client, places[d["_id"]].column): d async for d in found}


def dataset_id(tenant: TenantScope, client: str, module: str, period: str | None) -> str:
    """Where the data of a client, module and period lies."""
    return f"{tenant.tenant_id}:{client}:{module}:{period or LIVE}"
