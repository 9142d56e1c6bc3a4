"""Whatever JSON a portal answers, a module ends with a result."""

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sync_worker.modules.gstr2a import SECTIONS
from sync_worker.modules.port import (
    Answer,
    Call,
    Fetched,
    Files,
    Incomplete,
    Link,
    Observed,
    Previous,
    Refusal,
    Request,
    Unchanged,
)
from sync_worker.modules.registry import gst_modules

from tests.support.as_previous import as_previous
from tests.support.kept_parts import MemoryParts
from tests.support.scripted_portal import ScriptedPortal

GSTIN = "27AAPFU0939F1ZV"
PERIODS = {
    "gstr2b": "2026-10",
    "return_register": "2026-27",
    "notices": None,
    "gstr3b": "2026-10",
    "ledgers": "2026-27",
    "gstr1": "2026-10",
    "gstr1a": "2026-10",
    "ims": None,
    "gstr2a": "2026-10",
}
INVOICE = {"inum": "1", "idt": "01-10-2026", "val": 118, "itms": [{"num": 1, "itm_det": {"txval": 100, "iamt": 18}}]}
HEADS = {head: {"tx": 1, "tot": Decimal("1.00")} for head in ("igst", "cgst", "sgst", "cess")}
LINE = {"dt": "05/10/2026", "ref_no": "R", "tr_typ": "Cr", "tot_tr_amt": 0, "tot_rng_bal": 4, "igst": {"tot": 0}}
LEDGER = {"gstin": GSTIN, "fr_dt": "01/04/2026", "to_dt": "24/11/2026", "op_bal": HEADS, "cl_bal": HEADS, "tr": [LINE]}
RETURN = {"gstin": GSTIN, "ret_period": "102026"}
SUMMARY = {
    **RETURN,
    "chksum": "c",
    "sec_sum": [{"sec_nm": "B2B", "ttl_rec": 1, "ttl_val": 118, "ttl_tax": 100, "ttl_igst": 18}],
}
SECTION = {"gstin": GSTIN, "fp": "102026", "b2b": [{"ctin": "x", "inv": [INVOICE]}]}
ENTRY = {"id": "d1", "hash": "h"}
SHAPES: dict[str, Any] = {
    "twob.get": {
        "chksum": "c",
        "data": {
            "gstin": GSTIN,
            "rtnprd": "102026",
            "gendt": "14-11-2026",
            "fc": 1,
            "cpsumm": {"b2b": [{"ctin": "x", "ttldocs": 1, "txval": Decimal("1.00")}]},
            "docdata": {"b2b": [{"ctin": "x", "inv": [{"txval": Decimal("1.00"), "items": [{"txval": 1}]}]}]},
        },
    },
    "register.track": {"EFiledlist": [{"ret_prd": "042026", "arn": "A", "rtntype": "R"}]},
    "notices.list": {"notices": [{"refId": "R1"}]},
    "notices.detail": {"refId": "R1", "dueDateOfReply": "NA", "maindocs": [{"dcupdtls": ENTRY}], "suppdocs": None},
    "notices.document": {**ENTRY, "data": "QQ=="},
    "gstr1.summary": SUMMARY,
    "gstr1.section": SECTION,
    "gstr1a.summary": SUMMARY,
    "gstr1a.section": SECTION,
    "gstr2a.section": {**SECTION, **{name.lower(): SECTION["b2b"] for name in SECTIONS}},
    "gstr3b.summary": {**RETURN, "sup_details": {"osup_det": {"txval": 1}}, "itc_elg": {"itc_avl": [{"ty": "IMPG"}]}},
    "gstr3b.auto_populated": {"r3bautopop": {"liabitc": {**RETURN, "elgitc": {}}, "error": []}},
    "ledgers.cash": LEDGER,
    "ledgers.itc": LEDGER,
    "ledgers.liability": LEDGER,
    "ledgers.balances": {"gstin": GSTIN, "cash_bal": {"igst_tot_bal": 1}, "itc_bal": {"igst_bal": 1}},
    "ims.counts": {"all_oth": {"b2b": {"noaction": 1, "reject": 0, "pending": 0, "accept": 0, "total": 1}}},
    "ims.section": {"b2b": [{"stin": "x", "inum": "1", "val": 118, "action": "N"}]},
}
SCALARS = st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner))


class SpoiledPortal:
    """Answers in the right shape, but for one place of one answer."""

    def __init__(self, spoil: int, value: object) -> None:
        self._spoil = spoil
        self._value = value

    async def call(self, call: Call) -> Answer | Refusal:
        payload = copy.deepcopy(SHAPES[call.action])
        places = list(_places(payload))
        if self._spoil % 3:
            holder, key = places[self._spoil % len(places)]
            holder[key] = self._value
        return Answer(payload, b"")

    async def files(self, call: Call) -> Files | Refusal:  # noqa: ARG002 - whatever it is
        return Files(bytes(32), (Link("u", "h"),))

    async def file(self, link: Link, key: bytes) -> Answer | Refusal:  # noqa: ARG002 - whatever it is
        return Answer(self._value, b"")


def _places(value: Any) -> Any:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


@pytest.mark.parametrize("name", list(PERIODS))
@settings(deadline=None, max_examples=150)
@given(spoil=st.integers(0, 10_000), value=VALUES)
async def test_a_module_always_ends_with_a_result(name: str, spoil: int, value: object) -> None:
    now, module = datetime(2026, 11, 24, tzinfo=UTC), gst_modules()[name]
    fresh = Request(GSTIN, "regular", PERIODS[name], now, None)
    before = as_previous(await module.sync(fresh, SpoiledPortal(0, None), MemoryParts()))
    previous = Previous("another", before.rows, now, before.load) if spoil % 2 else None
    request = Request(GSTIN, "regular", PERIODS[name], now, previous, "-,b2b|1|T")
    result = await module.sync(request, SpoiledPortal(spoil, value), MemoryParts())
    assert isinstance(result, Fetched | Unchanged | Observed | Incomplete | Refusal)
    if isinstance(result, Fetched):
        bson.encode({"sections": result.sections, "totals": result.totals, "marker": result.marker})


HOSTILE = "a\x00b" * 100_000


async def test_text_of_the_portal_never_spoils_a_document() -> None:
    register = {"EFiledlist": [{"ret_prd": "042026", "arn": "A", "rtntype": HOSTILE}]}
    statement = copy.deepcopy(SHAPES["twob.get"])
    statement["chksum"] = statement["data"]["gendt"] = HOSTILE
    del statement["data"]["fc"], statement["data"]["cpsumm"]
    statement["data"]["docdata"] = {HOSTILE: [{"ctin": "x", "inv": [{"txval": 1}]}]}
    for name, action, payload in (
        ("return_register", "register.track", register),
        ("gstr2b", "twob.get", statement),
    ):
        request = Request(GSTIN, "regular", PERIODS[name], datetime(2026, 11, 24, tzinfo=UTC), None)
        result = await gst_modules()[name].sync(request, ScriptedPortal({action: payload}), MemoryParts())
        assert isinstance(result, Fetched)
        assert len(bson.encode({"sections": result.sections, "marker": result.marker})) < 1_000
