"""Cash, credit and liability ledgers of a financial year so far, and the balances of now.

Each ledger adds up by itself; where the year runs, its closing balance is the balance of now. Whether the opening
balance has moved since the last pull is a control total, not a failure. The days that were asked for are the marker.
"""

import logging
from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any, Final

from msgspec.structs import replace
from sync_contracts.catalogue import MODULES, Module
from sync_contracts.events import CHECKED_IDENTITY, CHECKED_TOTALS
from sync_contracts.outcomes import Code

from sync_worker.modules.calendar import today_in_india
from sync_worker.modules.canonical import Malformed, decoded, table
from sync_worker.modules.dataset import fetched_sections
from sync_worker.modules.findings import Pulled
from sync_worker.modules.ledger_lines import (
    Span,
    added_up,
    adds_up,
    agrees_with_now,
    balances_of,
    ledger_of,
    lines_of,
    over_heads,
    states_balances,
)
from sync_worker.modules.port import (
    Call,
    FilePortal,
    Incomplete,
    Observed,
    Parts,
    Refusal,
    Request,
    Result,
    Unloadable,
)
from sync_worker.modules.pull import SectionPull
from sync_worker.modules.sections import Section, identified

LEDGERS: Final = ("cash", "itc", "liability")
BALANCES: Final = "balances"
PAYABLE: Final = "payable"
log = logging.getLogger(__name__)


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
                partial(ledger_of, name=name, gstin=request.gstin, span=span),
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
    before = await _before(request)
    ledgers = {name: value for name, value in pulled.values.items() if name in LEDGERS}
    is_checked = bool(ledgers) and all(states_balances(ledger) for ledger in ledgers.values())
    return await fetched_sections(
        request if before is not None else replace(request, previous=None),
        pulled,
        flags=CHECKED_IDENTITY | CHECKED_TOTALS if is_checked else CHECKED_IDENTITY,
        marker=f"{span.first}|{span.last}",
        totals={**_closings(ledgers), **_continuity(before or {}, ledgers)},
        counts={name: len(lines_of(value)) if name in LEDGERS else 1 for name, value in pulled.values.items()},
    )


def _closings(ledgers: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Closing balances: as the lines give them, and as the portal states them."""
    whole = {name: ledger for name, ledger in ledgers.items() if states_balances(ledger)}
    return {name: {"ours": added_up(name, one), "portal": over_heads(one["cl_bal"])} for name, one in whole.items()}


async def _before(request: Request) -> Mapping[str, str] | None:
    """The opening balances of the last pull of this year. None where what is stored of it does not open."""
    if request.previous is None:
        return {}
    try:
        stored = table(decoded(await request.previous.load()), "stored")
        sections = table(stored.get("sections"), "sections")
        ledgers = {name: table(sections[name], name) for name in LEDGERS if name in sections}
        return {name: over_heads(one["op_bal"]) for name, one in ledgers.items() if one.get("op_bal") is not None}
    except (Unloadable, Malformed):
        log.warning("a stored version does not open", extra={"action": "previous", "sync_module": Ledgers.name})
        return None


def _continuity(before: Mapping[str, str], ledgers: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Opening balances against those of the last pull of this year: they should not move."""
    return {
        f"{name}_opening": {"ours": before[name], "portal": over_heads(ledger["op_bal"])}
        for name, ledger in ledgers.items()
        if name in before and ledger.get("op_bal") is not None
    }
