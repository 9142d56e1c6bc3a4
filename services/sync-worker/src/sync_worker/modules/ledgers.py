"""Cash, credit and liability ledgers of a financial year so far, and the balances of now.

Each ledger adds up by itself; where the year runs, its closing balance is the balance of now. Whether the opening
balance has moved since the last pull is a control total, not a failure.
"""

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any, Final

from sync_contracts.catalogue import MODULES, Module
from sync_contracts.events import CHECKED_IDENTITY, CHECKED_TOTALS
from sync_contracts.outcomes import Code

from sync_worker.modules.calendar import today_in_india
from sync_worker.modules.canonical import decoded, table
from sync_worker.modules.dataset import fetched_sections
from sync_worker.modules.findings import Pulled
from sync_worker.modules.ledger_lines import (
    Span,
    adds_up,
    agrees_with_now,
    balances_of,
    closing_of,
    ledger_of,
    lines_of,
)
from sync_worker.modules.port import Call, FilePortal, Incomplete, Observed, Parts, Refusal, Request, Result
from sync_worker.modules.pull import SectionPull
from sync_worker.modules.sections import Section, identified

LEDGERS: Final = ("cash", "itc", "liability")
BALANCES: Final = "balances"
PAYABLE: Final = "payable"


class Ledgers:
    """One financial year. `with_payable`: also ask what the return of the month leaves to pay."""

    name = Module.LEDGERS.value
    stores = True

    def __init__(self, *, with_payable: bool = False) -> None:
        self._with_payable = with_payable

    async def sync(self, request: Request, portal: FilePortal, parts: Parts) -> Result:
        """Fetch one financial year (`2026-27`), up to today."""
        if request.kind in MODULES[Module.LEDGERS].not_applicable_for:
            return Observed(Code.NOT_APPLICABLE, None)
        today = today_in_india(request.now)
        span = span_of(request.period or "", today)
        result: Result = Incomplete(Code.TOTALS_MISMATCH)
        for look in range(2):
            pulled = await SectionPull(
                request, portal, _Fresh(parts) if look else parts, self._sections(request, span)
            ).all()
            if isinstance(pulled, Incomplete | Refusal):
                return pulled
            moved = _moved_since(pulled.values) if span.last == today.isoformat() else []
            if not moved:
                return await _fetched(request, pulled, span)
            result = Incomplete(Code.TOTALS_MISMATCH, {"missing": ",".join(moved), "expected": str(len(LEDGERS))})
        return result

    def _sections(self, request: Request, span: Span) -> list[Section]:
        days = {"from": span.first, "to": span.last}
        month = {"period": span.last[:7]}
        sections = [
            Section(
                name,
                Call(f"ledgers.{name}", days),
                partial(ledger_of, gstin=request.gstin, span=span),
                agrees=partial(adds_up, name),
            )
            for name in LEDGERS
        ]
        sections.append(Section(BALANCES, Call("ledgers.balances", month), partial(balances_of, gstin=request.gstin)))
        if self._with_payable:
            owed = partial(identified, gstin=request.gstin)
            sections.append(Section(PAYABLE, Call("ledgers.payable", month), owed))
        return sections


class _Fresh:
    """Parts of a second look: what the first one kept is not joined, what comes now is kept."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def kept(self, gen: str) -> Mapping[str, bytes]:  # noqa: ARG002 - whatever it is
        """Nothing."""
        return {}

    async def keep(self, name: str, data: bytes, *, gen: str, expected: int) -> None:
        """As ever."""
        await self._parts.keep(name, data, gen=gen, expected=expected)


def span_of(year: str, today: date) -> Span:
    """The days of a financial year (`2026-27`), up to today while it runs."""
    first = int(year[:4])
    return Span(f"{first}-04-01", min(f"{first + 1}-03-31", max(today.isoformat(), f"{first}-04-01")))


def _moved_since(values: Mapping[str, Any]) -> list[str]:
    """Ledgers whose closing balance is not that of now: something was written between two calls."""
    if BALANCES not in values:
        return []
    return [name for name in LEDGERS if name in values and not agrees_with_now(name, values[name], values[BALANCES])]


async def _fetched(request: Request, pulled: Pulled, span: Span) -> Result:
    flags = CHECKED_IDENTITY | CHECKED_TOTALS
    totals = {**_closings(pulled.values), **await _continuity(request, pulled.values)}
    counts = {name: len(lines_of(value)) if name in LEDGERS else 1 for name, value in pulled.values.items()}
    days = [span.first, span.last]
    return await fetched_sections(request, pulled, flags=flags, totals=totals, counts=counts, days=days)


def _closings(values: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Closing balances, which the lines have been added up to."""
    closings = {name: closing_of(values[name]) for name in LEDGERS if "cl_bal" in values.get(name, {})}
    return {name: {"ours": closing, "portal": closing} for name, closing in closings.items()}


async def _continuity(request: Request, values: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Opening balances against those of the last pull of this year: they should not move."""
    if request.previous is None:
        return {}
    before = table(decoded(await request.previous.load())["sections"], "sections")
    found = {}
    for name in LEDGERS:
        old, new = before.get(name, {}), values.get(name, {})
        if "op_bal" in old and "op_bal" in new:
            ours, portal = (closing_of({"cl_bal": ledger["op_bal"]}) for ledger in (old, new))
            found[f"{name}_opening"] = {"ours": ours, "portal": portal}
    return found
