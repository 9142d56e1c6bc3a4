"""GSTR-2B against scripted answers: what is checked, what is read again, what is kept."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sync_contracts.catalogue import Module
from sync_contracts.events import CHECKED_IDENTITY, CHECKED_TOTALS
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.modules.applicability import has_return
from sync_worker.modules.gstr2b import Gstr2b
from sync_worker.modules.port import Fetched, Incomplete, Refusal, Request, Result

from tests.support.kept_parts import MemoryParts
from tests.support.scripted_portal import ScriptedPortal

GSTIN = "27AAPFU0939F1ZV"
SUPPLIER = "29AAGCB7383J1Z4"


def invoice(number: str, tax: str = "18.00") -> dict[str, Any]:
    return {"inum": number, "txval": Decimal("100.00"), "igst": Decimal(tax), "cgst": 0, "sgst": 0, "cess": 0}


def summary(documents: int, tax: str) -> dict[str, Any]:
    row = {"ctin": SUPPLIER, "ttldocs": documents, "txval": Decimal(100 * documents), "igst": Decimal(tax)}
    return {"b2b": [row]}


def statement(
    *numbers: str, cpsumm: dict[str, Any] | None = None, chksum: str = "c1", fc: int | None = None, **data: Any
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "gstin": GSTIN,
        "rtnprd": "102026",
        "gendt": "14-11-2026",
        "docdata": {"b2b": [{"ctin": SUPPLIER, "inv": [invoice(number) for number in numbers]}]},
        **data,
    }
    if cpsumm is not None:
        body["cpsumm"] = cpsumm
    if fc is not None:
        body["fc"] = fc
    return {"chksum": chksum, "data": body}


async def sync(portal: ScriptedPortal, parts: MemoryParts | None = None) -> Result:
    request = Request(GSTIN, "regular", "2026-10", datetime(2026, 11, 24, tzinfo=UTC), None)
    return await Gstr2b().sync(request, portal, parts or MemoryParts())


async def test_equal_sums_are_a_checked_statement() -> None:
    result = await sync(ScriptedPortal({"twob.get": statement("1", "2", cpsumm=summary(2, "36.00"))}))
    assert isinstance(result, Fetched)
    assert result.flags == CHECKED_IDENTITY | CHECKED_TOTALS
    assert result.totals["igst"] == {"ours": "36.00", "portal": "36.00"}
    assert (result.rows, result.sections, result.marker) == (2, {"b2b": 2}, "c1|14-11-2026")


@pytest.mark.parametrize("wrong", [summary(3, "36.00"), summary(2, "36.01"), {}, {"b2b": [], "impg": []}])
async def test_sums_that_differ_are_read_again_once_and_then_told(wrong: dict[str, Any]) -> None:
    portal = ScriptedPortal({"twob.get": statement("1", "2", cpsumm=wrong)})
    result = await sync(portal)
    assert isinstance(result, Incomplete)
    assert result.code is Code.TOTALS_MISMATCH
    assert len(portal.asked) == 2


async def test_a_second_look_that_adds_up_is_taken() -> None:
    first, second = statement("1", cpsumm=summary(2, "36.00")), statement("1", "2", cpsumm=summary(2, "36.00"))
    assert isinstance(await sync(ScriptedPortal({"twob.get": [first, second]})), Fetched)


async def test_a_statement_without_a_summary_claims_no_check_of_totals() -> None:
    result = await sync(ScriptedPortal({"twob.get": statement("1")}))
    assert isinstance(result, Fetched)
    assert (result.flags, result.totals) == (CHECKED_IDENTITY, {})


async def test_amounts_by_item_count_where_the_document_states_none() -> None:
    body = statement(cpsumm=summary(1, "18.00"))
    items = [
        {"txval": Decimal("60.00"), "igst": Decimal("10.80")},
        {"txval": Decimal("40.00"), "igst": Decimal("7.20")},
    ]
    body["data"]["docdata"]["b2b"][0]["inv"] = [{"inum": "1", "items": items}]
    assert isinstance(await sync(ScriptedPortal({"twob.get": body})), Fetched)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"gstin": "29AAGCB7383J1Z4"},
        {"rtnprd": "092026"},
        {"rtnprd": None},
        {"gendt": ""},
        {"docdata": []},
        {"docdata": {"b2b": "many"}},
        {"docdata": {"b2b": [{"inv": [1]}]}},
        {"docdata": {"b2b": [{"inv": [{"txval": "a lot"}]}]}},
        {"docdata": {"b2b": [{"inv": [{"txval": True}]}]}},
        {"fc": -1},
        {"fc": "one"},
        {"fc": 501},
        {"cpsumm": []},
        {"cpsumm": {"b2b": {"ttldocs": 1}}},
    ],
)
async def test_what_is_not_the_statement_asked_for_is_not_stored(spoiled: dict[str, Any]) -> None:
    body = statement("1")
    body["data"] |= spoiled
    assert await sync(ScriptedPortal({"twob.get": body})) == Incomplete(Code.INTEGRITY_MISMATCH)


@pytest.mark.parametrize("payload", [{}, {"data": None, "chksum": "c"}, {"chksum": 1, "data": {}}])
async def test_answers_of_another_shape_are_not_stored(payload: dict[str, Any]) -> None:
    assert await sync(ScriptedPortal({"twob.get": payload})) == Incomplete(Code.INTEGRITY_MISMATCH)


class TestParts:
    @staticmethod
    def answers(**other: Any) -> dict[str, Any]:
        whole = summary(3, "54.00")
        return {
            "twob.get": statement("1", cpsumm=whole, fc=2),
            "twob.get 1": statement("1", "2", cpsumm=whole, fc=2),
            "twob.get 2": statement("3", cpsumm=whole, fc=2),
            **other,
        }

    async def test_the_first_answer_is_thrown_away_and_parts_are_joined(self) -> None:
        result = await sync(ScriptedPortal(self.answers()))
        assert isinstance(result, Fetched)
        suppliers = json.loads(result.body)["docdata"]["b2b"]
        assert [inv["inum"] for row in suppliers for inv in row["inv"]] == ["1", "2", "3"]
        assert "fc" not in json.loads(result.body)

    @pytest.mark.parametrize(
        "outcome",
        [OutcomeClass.TRANSIENT, OutcomeClass.RATE_LIMITED, OutcomeClass.OTP_REQUIRED, OutcomeClass.LINE_DOWN],
    )
    async def test_a_refusal_of_the_whole_portal_ends_the_attempt_and_keeps_the_parts(
        self, outcome: OutcomeClass
    ) -> None:
        parts = MemoryParts()
        refused = Refusal(outcome, http=503)
        portal = ScriptedPortal(self.answers(**{"twob.get 2": [refused, self.answers()["twob.get 2"]]}))
        assert await sync(portal, parts) == refused
        assert set(parts.stored) == {"part-0001"}
        assert isinstance(await sync(portal, parts), Fetched)
        assert [call.params.get("part") for call in portal.asked] == [None, "1", "2", None, "2"]

    async def test_an_unknown_code_on_one_part_leaves_the_others_kept(self) -> None:
        parts = MemoryParts()
        refused = Refusal(OutcomeClass.UNKNOWN, "ODD", 200)
        assert await sync(ScriptedPortal(self.answers(**{"twob.get 1": refused})), parts) == refused
        assert set(parts.stored) == {"part-0002"}

    async def test_a_statement_made_anew_in_between_is_read_from_the_start_once(self) -> None:
        moved = statement("3", fc=2, chksum="c2")
        portal = ScriptedPortal(self.answers(**{"twob.get 2": [moved, self.answers()["twob.get 2"]]}))
        assert isinstance(await sync(portal), Fetched)
        for_ever = ScriptedPortal(self.answers(**{"twob.get 2": moved}))
        result = await sync(for_ever)
        assert isinstance(result, Incomplete)
        assert result.code is Code.INTEGRITY_MISMATCH
        assert len(for_ever.asked) == 6

    async def test_parts_kept_under_another_stamp_are_not_joined(self) -> None:
        parts = MemoryParts()
        await parts.keep("part-0001", b'{"docdata":{"b2b":[]}}', gen="c0|13-11-2026", expected=2)
        portal = ScriptedPortal(self.answers())
        assert isinstance(await sync(portal, parts), Fetched)
        assert [call.params.get("part") for call in portal.asked] == [None, "1", "2"]

    async def test_kept_parts_that_do_not_add_up_are_read_again(self) -> None:
        parts = MemoryParts()
        await parts.keep("part-0001", b'{"docdata":{"b2b":[]}}', gen="c1|14-11-2026", expected=2)
        portal = ScriptedPortal(self.answers())
        assert isinstance(await sync(portal, parts), Fetched)
        assert [call.params.get("part") for call in portal.asked] == [None, "2", None, "1", "2"]


@pytest.mark.parametrize(
    ("kind", "period", "expected"),
    [
        ("regular", "2026-10", True),
        ("qrmp", "2026-10", False),
        ("qrmp", "2026-09", True),
        ("composition", "2026-09", False),
        ("uin", "2026-09", False),
        ("never heard of", "2026-10", True),
    ],
)
def test_kinds_of_registration_that_can_have_a_statement(kind: str, period: str, expected: bool) -> None:
    assert has_return(Module.GSTR2B, kind, period) is expected
