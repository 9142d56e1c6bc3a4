"""The invoice management system: counts decide, and are asked for again when they may have moved."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sync_contracts.events import CHECKED_IDENTITY, CHECKED_TOTALS
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.modules.ims import Ims
from sync_worker.modules.port import NOT_OFFERED, Incomplete, Observed, Previous, Refusal, Request, Result, Unchanged

from tests.support.as_previous import as_previous, fetched_of
from tests.support.kept_parts import MemoryParts
from tests.support.scripted_portal import Said, ScriptedPortal

GSTIN = "27AAPFU0939F1ZV"
NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
NONE = {"noaction": 0, "reject": 0, "pending": 0, "accept": 0}


def counts(**sections: int | dict[str, int]) -> dict[str, Any]:
    told = {
        name: {**NONE, "noaction": count, "total": count} if isinstance(count, int) else {**NONE, **count}
        for name, count in sections.items()
    }
    return {"all_oth": told, "inv_supp_isd": {}, "imp_gds": {}}


def documents(section: str, *numbers: str, action: str = "N") -> dict[str, Any]:
    return {section: [{"stin": "S", "inum": number, "val": 118, "action": action} for number in numbers]}


def answers(**other: Said | list[Said]) -> dict[str, Said | list[Said]]:
    found: dict[str, Said | list[Said]] = {
        "ims.counts": counts(b2b=2, b2ba=0, b2bcn={"accept": 1}),
        "ims.section B2B": documents("b2b", "1", "2"),
        "ims.section B2BCN": documents("b2bcn", "3"),
    }
    return found | {f"ims.{name}".replace("_", " "): said for name, said in other.items()}


async def sync(
    portal: ScriptedPortal, previous: Previous | None = None, *, took_s: float = 1, now: datetime = NOW
) -> Result:
    request = Request(GSTIN, "regular", None, now, previous)
    clock: Iterator[float] = iter((0.0, took_s))
    return await Ims(lambda: next(clock)).sync(request, portal, MemoryParts())


async def test_only_sections_with_documents_are_asked_for() -> None:
    portal = ScriptedPortal(answers())
    fetched = fetched_of(await sync(portal))
    assert portal.names() == ["ims.counts", "ims.section B2B", "ims.section B2BCN"]
    assert fetched.sections == {"b2b": 2, "b2bcn": 1}
    assert fetched.flags == CHECKED_IDENTITY | CHECKED_TOTALS
    assert fetched.totals == {"documents": {"ours": "3", "portal": "3"}}


async def test_documents_that_the_gsp_does_not_offer_are_named_and_read_where_it_does() -> None:
    said = answers(section_B2BCN=Refusal(OutcomeClass.NOT_APPLICABLE, NOT_OFFERED))
    fetched = fetched_of(await sync(ScriptedPortal(said)))
    assert json.loads(fetched.body)["not_offered"] == ["b2bcn"]
    assert (fetched.rows, fetched.flags) == (2, CHECKED_IDENTITY)
    assert await sync(ScriptedPortal(said), as_previous(fetched)) == Unchanged(2, CHECKED_IDENTITY)
    assert fetched_of(await sync(ScriptedPortal(answers()), as_previous(fetched))).rows == 3


async def test_no_documents_is_empty_after_one_call() -> None:
    portal = ScriptedPortal(answers(counts=counts(b2b=0)))
    assert await sync(portal) == Observed(Code.EMPTY, None)
    assert len(portal.asked) == 1


async def test_equal_counts_are_unchanged_after_one_call_for_a_day() -> None:
    stored = as_previous(await sync(ScriptedPortal(answers())))
    portal = ScriptedPortal(answers())
    assert await sync(portal, stored, now=NOW + timedelta(hours=2)) == Unchanged(3, CHECKED_IDENTITY | CHECKED_TOTALS)
    assert portal.names() == ["ims.counts"]
    assert fetched_of(await sync(ScriptedPortal(answers()), stored, now=NOW + timedelta(days=1))).rows == 3


async def test_a_document_that_was_accepted_moves_the_counts_and_is_an_update() -> None:
    stored = as_previous(await sync(ScriptedPortal(answers())))
    said = answers(counts=counts(b2b={"noaction": 1, "accept": 1}, b2bcn={"accept": 1}))
    accepted = documents("b2b", "2", action="A")["b2b"]
    said["ims.section B2B"] = {"b2b": [*documents("b2b", "1")["b2b"], *accepted]}
    assert fetched_of(await sync(ScriptedPortal(said), stored)).delta == {"added": 0, "updated": 1, "removed": 0}


async def test_a_count_that_moved_meanwhile_is_read_again_once() -> None:
    portal = ScriptedPortal(answers(counts=[counts(b2b=1), counts(b2b=2)]))
    assert fetched_of(await sync(portal)).totals["documents"] == {"ours": "2", "portal": "2"}
    assert portal.names() == ["ims.counts", *["ims.section B2B"] * 2, "ims.counts", "ims.section B2B"]


async def test_counts_that_never_agree_are_told() -> None:
    result = await sync(ScriptedPortal(answers(counts=counts(b2b=3))))
    assert result == Incomplete(Code.TOTALS_MISMATCH, {"missing": "b2b", "expected": "1"})


async def test_a_long_reading_is_counted_again() -> None:
    portal = ScriptedPortal(answers(counts=[counts(b2b=2), counts(b2b={"accept": 2})]))
    assert fetched_of(await sync(portal, took_s=61)).rows == 2
    assert portal.names() == ["ims.counts", "ims.section B2B", "ims.counts", "ims.section B2B"]


@pytest.mark.parametrize(
    "spoiled",
    [{"gstin": "29AAGCB7383J1Z4"}, {"all_oth": []}, {"all_oth": {"b2b": {"noaction": -1}}}, {"all_oth": {"b2b": 1}}],
)
async def test_counts_that_cannot_be_read_are_not_followed(spoiled: dict[str, Any]) -> None:
    portal = ScriptedPortal(answers(counts={**counts(b2b=1), **spoiled}))
    assert await sync(portal) == Incomplete(Code.INTEGRITY_MISMATCH)
    assert len(portal.asked) == 1


async def test_no_data_behind_a_count_is_a_gap() -> None:
    gone = Refusal(OutcomeClass.EMPTY, "IMS0004", 200)
    result = await sync(ScriptedPortal(answers(section_B2B=gone)))
    assert result == Incomplete(Code.SECTION_MISSING, {"missing": "b2b", "expected": "2"})


@pytest.mark.parametrize(("outcome", "code"), [(OutcomeClass.EMPTY, "IMS0004"), (OutcomeClass.UNCHANGED, "IMS0005")])
async def test_no_data_behind_any_count_is_a_gap(outcome: OutcomeClass, code: str) -> None:
    gone = Refusal(outcome, code, 200)
    both = await sync(ScriptedPortal(answers(section_B2B=gone, section_B2BCN=gone)))
    assert both == Incomplete(Code.SECTION_MISSING, {"missing": "b2b,b2bcn", "expected": "2"})
    one = await sync(ScriptedPortal(answers(counts=counts(b2b=2), section_B2B=gone)))
    assert one == Incomplete(Code.SECTION_MISSING, {"missing": "b2b", "expected": "1"})
