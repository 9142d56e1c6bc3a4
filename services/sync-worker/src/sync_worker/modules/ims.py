"""The invoice management system: the counts first, then the documents, with actions, of each section that has some.

Counts move while documents are read. When that took long, or a section has another number of documents, they are asked
for again, and sections whose count has moved are read again once.
"""

import time
from collections.abc import Callable
from functools import partial

from sync_contracts.catalogue import MODULES, Module
from sync_contracts.events import CHECKED_IDENTITY, CHECKED_TOTALS
from sync_contracts.outcomes import Code

from sync_worker.modules.assumptions import IMS_RECOUNT_S
from sync_worker.modules.calendar import today_in_india
from sync_worker.modules.canonical import Malformed
from sync_worker.modules.conclusions import concluded
from sync_worker.modules.dataset import fetched_sections, rows_by_section
from sync_worker.modules.findings import Pulled
from sync_worker.modules.ims_counts import GOODS, Counts, counts_of, documents_of, is_current, marker_of_reading
from sync_worker.modules.offering import are_not_offered, parted
from sync_worker.modules.port import (
    Call,
    FilePortal,
    Incomplete,
    Observed,
    Parts,
    Refusal,
    Request,
    Result,
    Unchanged,
)
from sync_worker.modules.pull import SectionPull
from sync_worker.modules.sections import Section, agreement

CHECKED = CHECKED_IDENTITY | CHECKED_TOTALS


class Ims:
    """All documents of one recipient. `clock_s` tells how long the reading took."""

    name = Module.IMS.value
    stores = True

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s

    async def sync(self, request: Request, portal: FilePortal, parts: Parts) -> Result:
        """Fetch what stands there now."""
        if request.kind in MODULES[Module.IMS].not_applicable_for:
            return Observed(Code.NOT_APPLICABLE, None)
        begun_s = self._clock_s()
        counts = await _counted(request, portal)
        if not isinstance(counts, Counts):
            return counts
        if (previous := request.previous) is not None:
            marker, absent = parted(previous.marker)
            is_known = is_current(marker, counts, today_in_india(request.now))
            if is_known and await are_not_offered(portal, _sections(request, counts), absent):
                return Unchanged(previous.rows, CHECKED_IDENTITY if absent else CHECKED)
        return await self._documents(request, portal, parts, counts, begun_s)

    async def _documents(
        self, request: Request, portal: FilePortal, parts: Parts, counts: Counts, begun_s: float
    ) -> Result:
        pulled = await _pull(request, portal, parts, counts)
        if _may_have_moved(pulled, took_s=self._clock_s() - begun_s):
            again = await _counted(request, portal)
            if not isinstance(again, Counts):
                return again
            if again.marker != counts.marker:
                counts, pulled = again, await _pull(request, portal, parts, again)
        if isinstance(pulled, Incomplete | Refusal):
            return pulled
        announced = sum(one.records or 0 for one in counts.announced.values())
        totals = {"documents": {"ours": str(sum(rows_by_section(pulled.values).values())), "portal": str(announced)}}
        marker = marker_of_reading(counts, today_in_india(request.now))
        flags = CHECKED_IDENTITY if pulled.not_offered else CHECKED
        return await fetched_sections(request, pulled, flags=flags, marker=marker, totals=totals, empties=True)


def _may_have_moved(pulled: Pulled | Incomplete | Refusal, took_s: float) -> bool:
    if isinstance(pulled, Incomplete):
        return pulled.code is Code.TOTALS_MISMATCH
    return isinstance(pulled, Pulled) and took_s > IMS_RECOUNT_S


async def _counted(request: Request, portal: FilePortal) -> Counts | Observed | Incomplete | Refusal:
    answer = await portal.call(Call("ims.counts", {"goods": GOODS}))
    if isinstance(answer, Refusal):
        return concluded(answer)
    try:
        return counts_of(answer.payload, request.gstin)
    except Malformed:
        return Incomplete(Code.INTEGRITY_MISMATCH)


def _sections(request: Request, counts: Counts) -> list[Section]:
    return [
        Section(
            name=name.lower(),
            call=Call("ims.section", {"section": name}),
            read=partial(documents_of, name, gstin=request.gstin),
            agrees=agreement(announced),
            announced=True,
        )
        for name, announced in counts.announced.items()
    ]


async def _pull(request: Request, portal: FilePortal, parts: Parts, counts: Counts) -> Pulled | Incomplete | Refusal:
    sections = _sections(request, counts)
    return await SectionPull(request, portal, parts, sections, marker=counts.marker, files=_files).all()


def _files(token: str) -> Call:
    return Call("ims.files", {"file": token})
