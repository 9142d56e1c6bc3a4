"""Whatever JSON a portal answers, a module ends with a result."""

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sync_worker.modules.port import Answer, Call, Fetched, Incomplete, Observed, Refusal, Request, Unchanged
from sync_worker.modules.registry import gst_modules

from tests.support.kept_parts import MemoryParts
from tests.support.scripted_portal import ScriptedPortal

GSTIN = "27AAPFU0939F1ZV"
PERIODS = {"gstr2b": "2026-10", "return_register": "2026-27", "notices": None}
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


def _places(value: Any) -> Any:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


@pytest.mark.parametrize("name", list(PERIODS))
@settings(deadline=None, max_examples=300)
@given(spoil=st.integers(0, 10_000), value=VALUES)
async def test_a_module_always_ends_with_a_result(name: str, spoil: int, value: object) -> None:
    request = Request(GSTIN, "regular", PERIODS[name], datetime(2026, 11, 24, tzinfo=UTC), None)
    result = await gst_modules()[name].sync(request, SpoiledPortal(spoil, value), MemoryParts())
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
