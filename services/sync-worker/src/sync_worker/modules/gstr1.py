"""GSTR-1 and GSTR-1A: the summary first, then each section that has records by it, added up against it.

The summary's own stamp tells whether anything has changed, and joins sections of several attempts. Sections that the
GSP does not offer are named in the data, and the totals are then not called checked; nor are they where the summary has
records under a name that is unknown here.
"""

from datetime import date
from functools import partial
from typing import Final

from sync_contracts.catalogue import FIRST_1A, MODULES, ClientKind, Module
from sync_contracts.events import CHECKED_IDENTITY, CHECKED_TOTALS
from sync_contracts.outcomes import Code

from sync_worker.modules.calendar import day_after_month, is_quarter_end, portal_month, today_in_india
from sync_worker.modules.canonical import Malformed
from sync_worker.modules.conclusions import concluded
from sync_worker.modules.dataset import fetched_sections
from sync_worker.modules.offering import are_not_offered, parted
from sync_worker.modules.outward_summary import Summary, agrees, section_of, summary_of, totals
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
from sync_worker.modules.sections import Section

CHECKED: Final = CHECKED_IDENTITY | CHECKED_TOTALS
DUE_DAY: Final = 11
DUE_DAY_QUARTERLY: Final = 13


class Outward:
    """One month of one return, `gstr1` or `gstr1a`."""

    stores = True

    def __init__(self, module: Module) -> None:
        self.name = module.value
        self._module = module

    async def sync(self, request: Request, portal: FilePortal, parts: Parts) -> Result:
        """Fetch one month (`2026-10`)."""
        period = request.period or ""
        if (skipped := skips(self._module, request, period)) is not None:
            return skipped
        answer = await portal.call(Call(f"{self.name}.summary", {"period": period}))
        if isinstance(answer, Refusal):
            return concluded(answer)
        try:
            summary = summary_of(answer.payload, request.gstin, portal_month(period))
        except Malformed:
            return Incomplete(Code.INTEGRITY_MISMATCH)
        sections = [self._section(name, request, period, summary) for name in summary.announced]
        if (previous := request.previous) is not None:
            marker, absent = parted(previous.marker)
            if marker == summary.marker and await are_not_offered(portal, sections, absent):
                return Unchanged(previous.rows, CHECKED_IDENTITY)
        return await self._pulled(request, summary, sections, portal, parts)

    async def _pulled(
        self, request: Request, summary: Summary, sections: list[Section], portal: FilePortal, parts: Parts
    ) -> Result:
        pull = SectionPull(
            request,
            portal,
            parts,
            sections,
            marker=summary.marker,
            files=lambda token: Call("files.find", {"period": request.period or "", "file": token}),
        )
        pulled = await pull.all()
        if isinstance(pulled, Incomplete | Refusal):
            return pulled
        return await fetched_sections(
            request,
            pulled,
            flags=CHECKED_IDENTITY if pulled.not_offered or summary.strange else CHECKED,
            marker=summary.marker,
            totals=totals(pulled.values, {name.lower(): one for name, one in summary.announced.items()}),
            empties=True,
            summary=summary.payload,
        )

    def _section(self, name: str, request: Request, period: str, summary: Summary) -> Section:
        return Section(
            name=name.lower(),
            call=Call(f"{self.name}.section", {"period": period, "section": name}),
            read=partial(section_of, name, gstin=request.gstin, portal_month=portal_month(period)),
            agrees=partial(agrees, name, announced=summary.announced[name]),
            announced=True,
        )


def skips(module: Module, request: Request, period: str) -> Observed | None:
    """Where the portal need not be asked: registrations without this return, months before a 1A can be there."""
    if request.kind in MODULES[module].not_applicable_for:
        return Observed(Code.NOT_APPLICABLE, None)
    if module is not Module.GSTR1A:
        return None
    if period < FIRST_1A or (request.kind == ClientKind.QRMP and not is_quarter_end(period)):
        return Observed(Code.NOT_APPLICABLE, None)
    opens = opens_on(request.kind, period)
    if today_in_india(request.now) < opens:
        return Observed(Code.NOT_YET, None, {"available_from": opens.isoformat()})
    return None


def opens_on(kind: str, period: str) -> date:
    """The first day on which a 1A of a month can be there: the day by which its GSTR-1 is due."""
    return day_after_month(period, DUE_DAY_QUARTERLY if kind == ClientKind.QRMP else DUE_DAY)
