"""The summary of a GSTR-1: nothing that it leaves out is taken for nothing, and no name is passed over."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sync_contracts.catalogue import Module
from sync_contracts.events import CHECKED_IDENTITY, CHECKED_TOTALS
from sync_contracts.outcomes import Code
from sync_worker.modules.assumptions import SUBTOTALS
from sync_worker.modules.canonical import Malformed
from sync_worker.modules.gstr1 import Outward
from sync_worker.modules.outward_summary import action_of, summary_of
from sync_worker.modules.port import Incomplete, Request, Result

from tests.support.as_previous import as_previous, fetched_of
from tests.support.kept_parts import MemoryParts
from tests.support.scripted_portal import ScriptedPortal

GSTIN = "27AAPFU0939F1ZV"
B2B = {"sec_nm": "B2B", "ttl_rec": 1, "ttl_val": 118, "ttl_tax": 100, "ttl_igst": 18}
INVOICE = {"inum": "1", "idt": "05-10-2026", "val": 118, "itms": [{"itm_det": {"txval": 100, "iamt": 18}}]}


def summary(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"gstin": GSTIN, "ret_period": "102026", "chksum": "s1", "sec_sum": list(rows)}


async def sync(said: dict[str, Any], stored: Result | None = None) -> Result:
    previous = as_previous(stored) if stored is not None else None
    request = Request(GSTIN, "regular", "2026-10", datetime(2026, 11, 24, 6, tzinfo=UTC), previous)
    portal = ScriptedPortal(
        {"gstr1.summary": said, "gstr1.section B2B": {"b2b": [{"ctin": "29AAGCB7383J1Z4", "inv": [INVOICE]}]}}
    )
    return await Outward(Module.GSTR1).sync(request, portal, MemoryParts())


@pytest.mark.parametrize("left_out", [{"sec_sum": None}, {"sec_sum": {}}, {"sec_sum": ""}])
async def test_a_summary_without_its_list_replaces_no_stored_documents(left_out: dict[str, Any]) -> None:
    stored = await sync(summary(B2B))
    said = {**summary(), "chksum": "s2", **left_out}
    assert await sync(said, stored) == Incomplete(Code.INTEGRITY_MISMATCH)
    del said["sec_sum"]
    assert await sync(said, stored) == Incomplete(Code.INTEGRITY_MISMATCH)


@pytest.mark.parametrize(
    "row", [{"sec_nm": "B2B"}, {"sec_nm": "B2B", "ttl_rec": None}, {"sec_nm": "B2B", "ttl_rec": ""}]
)
def test_a_section_that_does_not_say_how_many_records_it_has_is_not_without_any(row: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        summary_of(summary(row), GSTIN, "102026")


@pytest.mark.parametrize(
    ("row", "flags"),
    [
        ({"sec_nm": "B2D", "ttl_rec": 3}, CHECKED_IDENTITY),
        ({"sec_nm": "HSN_B2C", "ttl_rec": "3"}, CHECKED_IDENTITY),
        ({"sec_nm": "B2D", "ttl_rec": 0}, CHECKED_IDENTITY | CHECKED_TOTALS),
        ({"sec_nm": "B2D"}, CHECKED_IDENTITY | CHECKED_TOTALS),
        ({"sec_nm": "b2b_4a", "ttl_rec": 1}, CHECKED_IDENTITY | CHECKED_TOTALS),
        ({"sec_nm": "TTL_LIAB", "ttl_rec": 1}, CHECKED_IDENTITY | CHECKED_TOTALS),
    ],
)
async def test_records_under_an_unknown_name_leave_the_totals_unchecked(row: dict[str, Any], flags: int) -> None:
    assert fetched_of(await sync(summary(B2B, row))).flags == flags


def test_a_subtotal_is_no_section() -> None:
    assert all(action_of(name) is None for name in SUBTOTALS)
