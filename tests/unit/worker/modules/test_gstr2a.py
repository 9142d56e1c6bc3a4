"""GSTR-2A: every section that the GSP offers answers, with data or without."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sync_contracts.events import CHECKED_IDENTITY
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.modules.gstr2a import SECTIONS, Gstr2a
from sync_worker.modules.port import NOT_OFFERED, Incomplete, Observed, Previous, Refusal, Request, Result, Unloadable

from tests.support.as_previous import as_previous, fetched_of
from tests.support.kept_parts import MemoryParts
from tests.support.scripted_portal import Said, ScriptedPortal

GSTIN = "27AAPFU0939F1ZV"
NO_DATA = Refusal(OutcomeClass.EMPTY, "RET13508", 200)
NONE_HERE = Refusal(OutcomeClass.NOT_APPLICABLE, NOT_OFFERED)


def b2b(*numbers: str, filed: str = "Y") -> dict[str, Any]:
    invoices = [{"inum": number, "val": 118} for number in numbers]
    return {"gstin": GSTIN, "fp": "102026", "b2b": [{"ctin": "29AAGCB7383J1Z4", "cfs": filed, "inv": invoices}]}


def answers(**other: Said | list[Said]) -> dict[str, Said | list[Said]]:
    found: dict[str, Said | list[Said]] = {f"gstr2a.section {name}": NO_DATA for name in SECTIONS}
    return found | {f"gstr2a.section {name}": said for name, said in other.items()}


async def sync(portal: ScriptedPortal, previous: Previous | None = None, kind: str = "regular") -> Result:
    request = Request(GSTIN, kind, "2026-10", datetime(2026, 11, 24, tzinfo=UTC), previous)
    return await Gstr2a().sync(request, portal, MemoryParts())


async def test_all_sections_are_asked_for_in_order() -> None:
    portal = ScriptedPortal(answers(B2B=b2b("1", "2"), IMPG={"impg": [{"portcode": "INBOM4", "benum": 7}]}))
    fetched = fetched_of(await sync(portal))
    assert portal.names() == [f"gstr2a.section {name}" for name in SECTIONS]
    assert len(SECTIONS) == 14
    assert (fetched.rows, fetched.flags, fetched.marker) == (3, CHECKED_IDENTITY, None)
    assert fetched.totals == {}


async def test_sections_that_a_gsp_does_not_offer_are_named_in_the_data() -> None:
    fetched = fetched_of(await sync(ScriptedPortal(answers(B2B=b2b("1"), ISDA=NONE_HERE, TCSA=NONE_HERE))))
    assert json.loads(fetched.body)["not_offered"] == ["isda", "tcsa"]
    none_seen = fetched_of(await sync(ScriptedPortal(answers(ISDA=NONE_HERE))))
    assert (none_seen.rows, json.loads(none_seen.body)["not_offered"]) == (0, ["isda"])


async def test_no_data_at_all_is_empty() -> None:
    assert await sync(ScriptedPortal(answers())) == Observed(Code.EMPTY, None)
    assert await sync(ScriptedPortal(answers(B2B={"b2b": []}))) == Observed(Code.EMPTY, None)


@pytest.mark.parametrize("nothing", [NO_DATA, {"b2b": []}])
async def test_documents_that_suppliers_took_back_are_gone(nothing: Said) -> None:
    stored = as_previous(await sync(ScriptedPortal(answers(B2B=b2b("1", "2")))))
    fetched = fetched_of(await sync(ScriptedPortal(answers(B2B=nothing)), stored))
    assert (fetched.rows, fetched.delta) == (0, {"added": 0, "updated": 0, "removed": 2})


async def test_a_supplier_that_files_changes_its_documents() -> None:
    stored = as_previous(await sync(ScriptedPortal(answers(B2B=b2b("1", "2", filed="N")))))
    fetched = fetched_of(await sync(ScriptedPortal(answers(B2B=b2b("1", "3"))), stored))
    assert fetched.delta == {"added": 1, "updated": 1, "removed": 1}


@pytest.mark.parametrize("stored", [b"", b"[1", b"[]", b"{}", b'{"sections":[]}', b'{"sections":{"b2b":[1]}}', None])
async def test_a_stored_version_that_does_not_open_is_replaced(
    stored: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def load() -> bytes:
        if stored is None:
            raise Unloadable
        return stored

    previous = Previous(None, 1, datetime(2026, 11, 23, tzinfo=UTC), load)
    fetched = fetched_of(await sync(ScriptedPortal(answers(B2B=b2b("1"))), previous))
    assert (fetched.rows, fetched.delta) == (1, None)
    assert [record.getMessage() for record in caplog.records] == ["not compared with what is stored"]


async def test_nothing_is_called_removed_before_the_pull_is_complete() -> None:
    stored = as_previous(await sync(ScriptedPortal(answers(B2B=b2b("1")))))
    result = await sync(ScriptedPortal(answers(B2B=b2b("2"), TDS=Refusal(OutcomeClass.UNKNOWN, "ODD", 200))), stored)
    assert isinstance(result, Incomplete)
    assert (result.code, result.detail["missing"]) == (Code.SECTION_MISSING, "tds")


@pytest.mark.parametrize("spoiled", [{"gstin": "29AAGCB7383J1Z4"}, {"fp": "092026"}, {"b2b": {}}, {"b2b": [1]}])
async def test_a_section_of_somebody_else_is_not_stored(spoiled: dict[str, Any]) -> None:
    result = await sync(ScriptedPortal(answers(B2B={**b2b("1"), **spoiled})))
    assert isinstance(result, Incomplete)
    assert result.code is Code.INTEGRITY_MISMATCH


async def test_quarterly_filers_have_one_every_month_and_others_none() -> None:
    assert fetched_of(await sync(ScriptedPortal(answers(B2B=b2b("1"))), kind="qrmp")).rows == 1
    assert await sync(ScriptedPortal({}), kind="composition") == Observed(Code.NOT_APPLICABLE, None)
