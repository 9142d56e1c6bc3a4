"""Notices against scripted answers: what is read again, what is refused."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.modules.notices import Notices
from sync_worker.modules.port import Fetched, Incomplete, Observed, Previous, Refusal, Request, Result, Unchanged

from tests.support.kept_parts import MemoryParts
from tests.support.scripted_portal import ScriptedPortal

GSTIN = "27AAPFU0939F1ZV"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def row(ref: str, status: str = "ISSUED") -> dict[str, Any]:
    return {"refId": ref, "arn": "A", "alertCd": status, "dateOfIssue": "01/11/2026", "dateOfRespond": "NA"}


def detail(ref: str, due: str = "15/12/2026", documents: tuple[str, ...] = ("d1",)) -> dict[str, Any]:
    main = [
        {"dcupdtls": {"id": name, "docName": f"{name}.pdf", "hash": "h", "ct": "application/pdf"}} for name in documents
    ]
    return {"refId": ref, "dateOfIssue": "01/11/2026", "dueDateOfReply": due, "maindocs": main, "suppdocs": []}


def document(name: str, content: bytes = b"%PDF") -> dict[str, Any]:
    return {"id": name, "docName": f"{name}.pdf", "hash": "h", "data": b64encode(content).decode()}


def answers() -> dict[str, Any]:
    return {
        "notices.list": {"notices": [row("R1"), row("R2")]},
        "notices.detail R1": detail("R1"),
        "notices.detail R2": detail("R2", "NA", ()),
        "notices.document d1": document("d1"),
    }


async def sync(portal: ScriptedPortal, previous: Previous | None = None, now: datetime = NOW) -> Result:
    return await Notices().sync(Request(GSTIN, "regular", None, now, previous), portal, MemoryParts())


async def fetched(portal: ScriptedPortal, previous: Previous | None = None) -> Fetched:
    result = await sync(portal, previous)
    assert isinstance(result, Fetched), result
    return result


def stored(result: Fetched, marker: str | None = None) -> Previous:
    async def load() -> bytes:
        return result.body

    return Previous(marker or result.marker, result.rows, NOW, load)


async def test_notices_are_stored_with_days_and_documents() -> None:
    notices = json.loads((await fetched(ScriptedPortal(answers()))).body)["notices"]
    assert [(notice["ref"], notice["reply_by"]) for notice in notices] == [("R1", "2026-12-15"), ("R2", None)]
    assert notices[0]["documents"][0]["bytes"] == 4


async def test_the_list_is_asked_for_sixty_days() -> None:
    portal = ScriptedPortal(answers())
    await sync(portal)
    assert portal.asked[0].params == {"since": "2026-09-25"}


async def test_only_a_changed_row_is_read_again() -> None:
    before = await fetched(ScriptedPortal(answers()))
    portal = ScriptedPortal({**answers(), "notices.list": {"notices": [row("R1"), row("R2", "CLOSED")]}})
    after = await fetched(portal, stored(before))
    assert [call.action for call in portal.asked] == ["notices.list", "notices.detail"]
    assert after.delta == {"added": 0, "updated": 1}


async def test_rows_that_did_not_change_cost_one_call() -> None:
    before = await fetched(ScriptedPortal(answers()))
    portal = ScriptedPortal(answers())
    assert isinstance(await sync(portal, stored(before)), Unchanged)
    assert len(portal.asked) == 1


@pytest.mark.parametrize(("marker", "calls"), [("read:2026-10-26", 1), ("read:2026-10-25", 4), ("nonsense", 4)])
async def test_all_listed_ones_are_read_again_after_thirty_days(marker: str, calls: int) -> None:
    before = await fetched(ScriptedPortal(answers()))
    portal = ScriptedPortal(answers())
    await sync(portal, stored(before, marker))
    assert len(portal.asked) == calls


async def test_a_notice_outside_the_window_stays() -> None:
    before = await fetched(ScriptedPortal(answers()))
    portal = ScriptedPortal({**answers(), "notices.list": {"notices": [row("R3")]}, "notices.detail R3": detail("R3")})
    after = await fetched(portal, stored(before))
    assert (after.rows, after.delta) == (3, {"added": 1, "updated": 0})


async def test_an_empty_window_changes_nothing() -> None:
    empty = {"notices.list": Refusal(OutcomeClass.EMPTY, "NOTC_010", 200)}
    assert await sync(ScriptedPortal(empty)) == Observed(Code.EMPTY, "NOTC_010")
    before = await fetched(ScriptedPortal(answers()))
    assert await sync(ScriptedPortal(empty), stored(before)) == Unchanged(2, 0)


@pytest.mark.parametrize("missing", ["notices.detail R1", "notices.document d1"])
async def test_an_announced_thing_that_does_not_come_is_a_missing_section(missing: str) -> None:
    portal = ScriptedPortal({**answers(), missing: Refusal(OutcomeClass.EMPTY, "NOTC_010", 200)})
    result = await sync(portal)
    assert result == Incomplete(Code.SECTION_MISSING, {"missing": "1", "expected": "2"})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("notices.list", {"notices": [{"arn": "without a reference"}]}),
        ("notices.list", {"notices": {}}),
        ("notices.detail R1", detail("R9")),
        ("notices.detail R1", detail("R1", "31/02/2026")),
        ("notices.detail R1", detail("R1", "soon")),
        ("notices.detail R1", {**detail("R1"), "maindocs": [{"dcupdtls": {"docName": "no id"}}]}),
        ("notices.document d1", {**document("d1"), "id": "d2"}),
        ("notices.document d1", {**document("d1"), "data": "not base64!"}),
        ("notices.document d1", {**document("d1"), "data": ""}),
        ("notices.document d1", {**document("d1"), "hash": "another"}),
    ],
)
async def test_answers_that_do_not_fit_are_not_stored(name: str, said: dict[str, Any]) -> None:
    assert await sync(ScriptedPortal({**answers(), name: said})) == Incomplete(Code.INTEGRITY_MISMATCH)
