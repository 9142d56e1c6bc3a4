"""The return register against scripted answers."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.modules.port import Fetched, Incomplete, Observed, Previous, Refusal, Request, Result
from sync_worker.modules.return_register import ReturnRegister

from tests.support.kept_parts import MemoryParts
from tests.support.scripted_portal import ScriptedPortal

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def filed(period: str, arn: str | None = "AA27", kind: str = "GSTR3B", **fields: Any) -> dict[str, Any]:
    return {"ret_prd": period, "arn": arn, "rtntype": kind, "dof": "20-05-2026", "status": "Filed", **fields}


async def sync(portal: ScriptedPortal, previous: Previous | None = None) -> Result:
    request = Request("27AAPFU0939F1ZV", "regular", "2026-27", NOW, previous)
    return await ReturnRegister().sync(request, portal, MemoryParts())


def answer(*rows: dict[str, Any]) -> ScriptedPortal:
    return ScriptedPortal({"register.track": {"EFiledlist": list(rows)}})


async def test_rows_are_ordered_and_counted_by_type() -> None:
    result = await sync(answer(filed("032027"), filed("042026"), filed("042026", kind="GSTR1")))
    assert isinstance(result, Fetched)
    rows = json.loads(result.body)["rows"]
    assert [(row["ret_prd"], row["rtntype"]) for row in rows] == [
        ("042026", "GSTR1"),
        ("042026", "GSTR3B"),
        ("032027", "GSTR3B"),
    ]
    assert result.sections == {"GSTR1": 1, "GSTR3B": 2}


async def test_the_order_of_the_portal_does_not_matter() -> None:
    one, two = filed("042026"), filed("052026")
    first, second = await sync(answer(one, two)), await sync(answer(two, one))
    assert isinstance(first, Fetched)
    assert isinstance(second, Fetched)
    assert first.body == second.body


async def test_changes_against_the_stored_register_are_counted() -> None:
    before = await sync(answer(filed("042026"), filed("052026", status="Submitted")))
    assert isinstance(before, Fetched)
    body = before.body

    async def load() -> bytes:
        return body

    after = await sync(answer(filed("052026"), filed("062026")), Previous(None, 2, NOW, load))
    assert isinstance(after, Fetched)
    assert after.delta == {"added": 1, "updated": 1, "removed": 1}


@pytest.mark.parametrize("broken", [filed("042026", arn=None), filed("042026", arn=""), filed("0426")])
async def test_a_row_without_its_keys_is_asked_for_again_once(broken: dict[str, Any]) -> None:
    portal = answer(broken, filed("052026"))
    result = await sync(portal)
    assert result == Incomplete(Code.SECTION_MISSING, {"rows_without_keys": "1", "rows": "2"})
    assert len(portal.asked) == 2


@pytest.mark.parametrize("period", ["032026", "042027"])
async def test_a_row_of_another_year_is_not_stored(period: str) -> None:
    result = await sync(answer(filed(period)))
    assert isinstance(result, Incomplete)
    assert result.code is Code.INTEGRITY_MISMATCH


@pytest.mark.parametrize("payload", [{}, {"EFiledlist": None}, {"EFiledlist": ["row"]}])
async def test_another_shape_is_not_stored(payload: dict[str, Any]) -> None:
    result = await sync(ScriptedPortal({"register.track": payload}))
    assert isinstance(result, Incomplete)
    assert result.code is Code.INTEGRITY_MISMATCH


async def test_no_record_is_empty_and_other_refusals_pass() -> None:
    empty = ScriptedPortal({"register.track": Refusal(OutcomeClass.EMPTY, "RET13510", 200)})
    assert await sync(empty) == Observed(Code.EMPTY, "RET13510")
    down = Refusal(OutcomeClass.TRANSIENT, http=503)
    assert await sync(ScriptedPortal({"register.track": down})) == down
