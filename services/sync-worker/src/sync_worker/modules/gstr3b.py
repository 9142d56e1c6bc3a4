"""GSTR-3B: the return as saved or filed, and what the portal has computed for it. No totals and no stamp of the portal.

Interest and closing balances are asked for only where that is switched on.
"""

from functools import partial
from typing import Any, Final

from sync_contracts.catalogue import Module
from sync_contracts.events import CHECKED_IDENTITY
from sync_contracts.outcomes import Code

from sync_worker.modules.applicability import has_return
from sync_worker.modules.calendar import portal_month
from sync_worker.modules.canonical import Malformed, table
from sync_worker.modules.dataset import fetched_sections
from sync_worker.modules.port import Call, FilePortal, Incomplete, Observed, Parts, Refusal, Request, Result
from sync_worker.modules.pull import SectionPull
from sync_worker.modules.sections import Section, identified

ALWAYS: Final = ("summary", "auto_populated")
OPTIONAL: Final = ("interest", "closing_balance")


class Gstr3b:
    """One month. `optional`: further calls of `OPTIONAL` to make."""

    name = Module.GSTR3B.value
    stores = True

    def __init__(self, optional: tuple[str, ...] = ()) -> None:
        self._names = (*ALWAYS, *(name for name in OPTIONAL if name in optional))

    async def sync(self, request: Request, portal: FilePortal, parts: Parts) -> Result:
        """Fetch one month (`2026-10`)."""
        period = request.period or ""
        if not has_return(Module.GSTR3B, request.kind, period):
            return Observed(Code.NOT_APPLICABLE, None)
        pulled = await SectionPull(
            request, portal, parts, [_section(name, request, period) for name in self._names]
        ).all()
        if isinstance(pulled, Incomplete | Refusal):
            return pulled
        return await fetched_sections(request, pulled, flags=CHECKED_IDENTITY, counts=dict.fromkeys(pulled.values, 1))


def _section(name: str, request: Request, period: str) -> Section:
    month = portal_month(period)
    call = Call(f"gstr3b.{name}", {"period": period})
    if name == "auto_populated":
        read = partial(auto_populated_of, gstin=request.gstin, month=month)
        return Section(name, call, read, agrees=_is_whole, disagreement=Code.SECTION_MISSING)
    return Section(name, call, partial(identified, gstin=request.gstin, period=month, required=name == "summary"))


def auto_populated_of(payload: object, *, gstin: str, month: str) -> dict[str, Any]:
    """What the portal has computed, with the errors that it met on the way; raises `Malformed`."""
    computed = table(identified(payload, gstin=gstin, period=month).get("r3bautopop"), "r3bautopop")
    owner = table(computed.get("liabitc"), "liabitc").get("gstin")
    if owner != gstin:
        raise Malformed("the computed liability belongs to another registration")
    identified(computed["liabitc"], gstin=gstin, period=month)
    return computed if computed.get("error") else {name: field for name, field in computed.items() if name != "error"}


def _is_whole(computed: dict[str, Any]) -> bool:
    """Whether the portal computed everything."""
    return not computed.get("error")
