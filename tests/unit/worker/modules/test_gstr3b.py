"""GSTR-3B: the return and what the portal computed, or that there is nothing."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sync_contracts.events import CHECKED_IDENTITY
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.modules.gstr3b import Gstr3b
from sync_worker.modules.port import Incomplete, Observed, Refusal, Request, Result

from tests.support.as_previous import fetched_of
from tests.support.kept_parts import MemoryParts
from tests.support.scripted_portal import Said, ScriptedPortal

GSTIN = "27AAPFU0939F1ZV"
RETURN = {"gstin": GSTIN, "ret_period": "102026", "sup_details": {"osup_det": {"txval": 100, "iamt": 18}}}
COMPUTED = {"r3bautopop": {"liabitc": {"gstin": GSTIN, "elgitc": {"itc4a1": {"iamt": 5}}}, "error": []}}
NO_RETURN = Refusal(OutcomeClass.EMPTY, "RET13509", 200)
NOT_COMPUTED = Refusal(OutcomeClass.EMPTY, "RT-3BAS1009", 200)


def answers(**other: Said | list[Said]) -> dict[str, Said | list[Said]]:
    found: dict[str, Said | list[Said]] = {"gstr3b.summary": RETURN, "gstr3b.auto_populated": COMPUTED}
    return found | {f"gstr3b.{name}": said for name, said in other.items()}


async def sync(portal: ScriptedPortal, module: Gstr3b | None = None, kind: str = "regular") -> Result:
    request = Request(GSTIN, kind, "2026-10", datetime(2026, 11, 24, tzinfo=UTC), None)
    return await (module or Gstr3b()).sync(request, portal, MemoryParts())


async def test_return_and_computed_figures_in_two_calls() -> None:
    portal = ScriptedPortal(answers())
    fetched = fetched_of(await sync(portal))
    assert portal.names() == ["gstr3b.summary", "gstr3b.auto_populated"]
    assert (fetched.rows, fetched.flags, fetched.totals) == (2, CHECKED_IDENTITY, {})
    sections = json.loads(fetched.body)["sections"]
    assert sections["auto_populated"] == {"liabitc": COMPUTED["r3bautopop"]["liabitc"]}


async def test_interest_and_closing_balance_where_they_are_switched_on() -> None:
    own = {"gstin": GSTIN, "interest": {"iamt": 1}}
    portal = ScriptedPortal(answers(interest=own, closing_balance=own))
    assert fetched_of(await sync(portal, Gstr3b(("interest", "closing_balance")))).rows == 4
    assert portal.names()[2:] == ["gstr3b.interest", "gstr3b.closing_balance"]


async def test_one_of_the_two_is_data_and_none_is_empty() -> None:
    assert fetched_of(await sync(ScriptedPortal(answers(summary=NO_RETURN)))).sections == {"auto_populated": 1}
    assert fetched_of(await sync(ScriptedPortal(answers(auto_populated=NOT_COMPUTED)))).sections == {"summary": 1}
    nothing = ScriptedPortal(answers(summary=NO_RETURN, auto_populated=NOT_COMPUTED))
    assert await sync(nothing) == Observed(Code.EMPTY, None)


async def test_figures_that_the_portal_could_not_compute_are_read_again_once() -> None:
    failed = {"r3bautopop": {**COMPUTED["r3bautopop"], "error": [{"code": "E"}]}}
    assert fetched_of(await sync(ScriptedPortal(answers(auto_populated=[failed, COMPUTED])))).rows == 2
    portal = ScriptedPortal(answers(auto_populated=failed))
    assert await sync(portal) == Incomplete(Code.SECTION_MISSING, {"missing": "auto_populated", "expected": "2"})
    assert len(portal.asked) == 3


@pytest.mark.parametrize(
    "spoiled",
    [
        {"summary": {**RETURN, "gstin": "29AAGCB7383J1Z4"}},
        {"summary": {**RETURN, "ret_period": "092026"}},
        {"summary": {"sup_details": {}}},
        {"auto_populated": {"r3bautopop": {"liabitc": {"gstin": "29AAGCB7383J1Z4"}}}},
        {"auto_populated": {"r3bautopop": {}}},
        {"auto_populated": {}},
    ],
)
async def test_what_is_not_the_return_asked_for_is_not_stored(spoiled: dict[str, Any]) -> None:
    result = await sync(ScriptedPortal(answers(**spoiled)))
    assert isinstance(result, Incomplete)
    assert result.code is Code.INTEGRITY_MISMATCH


@pytest.mark.parametrize("kind", ["qrmp", "composition", "uin"])
async def test_who_files_none_is_not_asked_for(kind: str) -> None:
    portal = ScriptedPortal({})
    assert await sync(portal, kind=kind) == Observed(Code.NOT_APPLICABLE, None)
    assert portal.asked == []
