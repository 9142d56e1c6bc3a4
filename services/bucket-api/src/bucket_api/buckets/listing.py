"""Lists of units, page by page, each unit exactly once for the version of the first page; snapshot and groups."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sync_contracts.units import CANCELLED, FAILED

from bucket_api.buckets.frozen import FrozenList, FrozenLists
from bucket_api.buckets.groups import Group, groups
from bucket_api.buckets.store import BucketStore
from bucket_api.buckets.units import ALL_STATES, Layout, Placed, UnitFilter, layout_of, matches, placed, placed_at
from bucket_api.refusal import Refusal
from bucket_api.scope import TenantScope

GAP_STATES = FAILED + CANCELLED
"""Stored states of gaps: every unit that ended in one of them is missing in what was asked for."""


class Listed(Struct, frozen=True):
    """A unit with the cell byte that it had in the version of the list."""

    placed: Placed
    cell: int


class UnitPage(Struct, frozen=True):
    """One page. `next_offset` None at the end; `owners`: units of the whole list by owner of the next step."""

    items: Sequence[Listed]
    version: int
    total: int
    list_id: str | None
    next_offset: int | None
    owners: Mapping[str, int]


class Snapshot(Struct, frozen=True):
    """Cell bytes of all units, row by row, with the version they belong to and their counters."""

    version: int
    rows: int
    cells: bytes
    shown: Sequence[int]


class UnitLists:
    """Reads units of one bucket; the caller has found the bucket in its tenant."""

    def __init__(self, buckets: BucketStore, frozen: FrozenLists, now: Callable[[], datetime]) -> None:
        self._buckets = buckets
        self._frozen = frozen
        self._now = now

    async def first(
        self,
        tenant: TenantScope,
        bucket: Mapping[str, Any],
        wanted: UnitFilter,
        size: int,
        also: Callable[[Placed], bool] = lambda _: True,
    ) -> UnitPage:
        """The first page of the units that pass both tests; where more follow, the whole list is frozen."""
        layout = layout_of(bucket)
        width = len(layout.columns)
        version, numbers, cells = 0, list[int](), bytearray()
        items: list[Listed] = []
        owners: Counter[str] = Counter()
        async for page in self._buckets.pages(tenant, bucket["_id"]):
            version += page["v"]
            for unit in placed(page, layout, GAP_STATES if wanted.gaps_only else ALL_STATES):
                if also(unit) and matches(unit, wanted, layout):
                    numbers.append(unit.row * width + unit.column)
                    cells.append(unit.cell)
                    owners[unit.reason.owner if unit.reason else "none"] += 1
                    if len(items) < size:
                        items.append(Listed(unit, unit.cell))
        if len(numbers) <= size:
            return UnitPage(items, version, len(numbers), None, None, owners)
        frozen = FrozenList(bucket["_id"], version, numbers, bytes(cells), owners)
        list_id = await self._frozen.keep(tenant, frozen, self._now())
        return UnitPage(items, version, len(numbers), list_id, size, owners)

    async def further(
        self, tenant: TenantScope, bucket: Mapping[str, Any], list_id: str, offset: int, size: int
    ) -> UnitPage:
        """A later page of a frozen list."""
        frozen = await self._frozen.find(tenant, list_id, self._now())
        if frozen is None or frozen.bucket != bucket["_id"]:
            raise Refusal("page_token_expired")
        layout = layout_of(bucket)
        numbers = frozen.numbers[offset : offset + size]
        units = await self._at(tenant, bucket["_id"], layout, numbers)
        items = [Listed(unit, cell) for unit, cell in zip(units, frozen.cells[offset:], strict=False)]
        end = offset + len(numbers)
        following = end if end < len(frozen.numbers) else None
        return UnitPage(items, frozen.version, len(frozen.numbers), list_id, following, frozen.facts)

    async def one(self, tenant: TenantScope, bucket: Mapping[str, Any], row: int, column: int) -> Placed | None:
        """One unit, None outside of the plan."""
        layout = layout_of(bucket)
        number, ci = layout.page_of(row)
        page = (await self._buckets.page_numbers(tenant, bucket["_id"], [number])).get(number)
        return placed_at(page, layout, ci, column) if page else None

    async def snapshot(self, tenant: TenantScope, bucket: Mapping[str, Any]) -> Snapshot:
        """All cells of one read of the pages."""
        layout = layout_of(bucket)
        version, rows, cells = 0, 0, bytearray()
        shown = Counter[int]()
        async for page in self._buckets.pages(tenant, bucket["_id"]):
            version += page["v"]
            rows += len(page["c"])
            shown.update(dict(enumerate(map(int, page["h"].split(",")))))
            cells += bytes(unit.cell for unit in placed(page, layout))
        return Snapshot(version, rows, bytes(cells), [shown[place] for place in range(13)])

    async def groups(self, tenant: TenantScope, bucket: Mapping[str, Any]) -> list[Group]:
        """Failure groups by reason."""
        layout = layout_of(bucket)
        gaps: list[Placed] = []
        async for page in self._buckets.pages(tenant, bucket["_id"]):
            gaps += placed(page, layout, GAP_STATES)
        return groups(gaps, layout)

    async def _at(self, tenant: TenantScope, bucket: str, layout: Layout, numbers: Sequence[int]) -> list[Placed]:
        """Units by number, in that order."""
        places = [divmod(number, len(layout.columns)) for number in numbers]
        wanted = [layout.page_of(row)[0] for row, _ in places]
        pages = await self._buckets.page_numbers(tenant, bucket, wanted)
        found = [
            placed_at(pages[page], layout, row % layout.clients_per_page, column) if page in pages else None
            for (row, column), page in zip(places, wanted, strict=True)
        ]
        if None in found:
            raise Refusal("expired", "The details of this bucket are no longer kept.")
        return [unit for unit in found if unit is not None]
