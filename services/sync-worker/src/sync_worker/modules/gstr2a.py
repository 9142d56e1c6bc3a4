"""GSTR-2A: what suppliers have reported for a month, as of now. The portal gives neither totals nor a stamp.

Every section that the GSP offers must have answered, with data or without; more is not claimed.
"""

from functools import partial
from typing import Any, Final

from sync_contracts.catalogue import MODULES, Module
from sync_contracts.events import CHECKED_IDENTITY
from sync_contracts.outcomes import Code

from sync_worker.modules.calendar import portal_month
from sync_worker.modules.canonical import Malformed
from sync_worker.modules.dataset import fetched_sections
from sync_worker.modules.port import Call, FilePortal, Incomplete, Observed, Parts, Refusal, Request, Result
from sync_worker.modules.pull import SectionPull
from sync_worker.modules.records import tally_of
from sync_worker.modules.sections import Section, identified

SECTIONS: Final[tuple[str, ...]] = (
    "B2B", "B2BA", "CDN", "CDNA", "ISD", "ISDA", "IMPG", "IMPGSEZ", "TDS", "TDSA", "TCS", "TCSA", "ECOM", "ECOMA",
)  # fmt: skip
"""In the order in which they are asked for. CDN, not CDNR as in GSTR-1."""


class Gstr2a:
    """One month of one registration."""

    name = Module.GSTR2A.value
    stores = True

    async def sync(self, request: Request, portal: FilePortal, parts: Parts) -> Result:
        """Fetch one month (`2026-10`)."""
        period = request.period or ""
        if request.kind in MODULES[Module.GSTR2A].not_applicable_for:
            return Observed(Code.NOT_APPLICABLE, None)
        pull = SectionPull(
            request,
            portal,
            parts,
            [_section(name, request, period) for name in SECTIONS],
            files=lambda token: Call("files.find", {"period": period, "file": token}),
        )
        pulled = await pull.all()
        if isinstance(pulled, Incomplete | Refusal):
            return pulled
        return await fetched_sections(request, pulled, flags=CHECKED_IDENTITY, empties=True)


def _section(name: str, request: Request, period: str) -> Section:
    read = partial(rows_of, name.lower(), gstin=request.gstin, month=portal_month(period))
    return Section(name.lower(), Call("gstr2a.section", {"period": period, "section": name}), read)


def rows_of(key: str, payload: object, *, gstin: str, month: str) -> Any:
    """The rows of a section's answer; raises `Malformed`."""
    body = identified(payload, gstin=gstin, period=month)
    if not isinstance(body.get(key), list):
        raise Malformed("the answer holds another section")
    tally_of(body[key])
    return body[key]
