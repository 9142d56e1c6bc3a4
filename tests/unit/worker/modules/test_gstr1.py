"""GSTR-1 and GSTR-1A: the summary decides, sections add up to it, only what has changed is read again."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sync_contracts.catalogue import Module
from sync_contracts.events import CHECKED_IDENTITY, CHECKED_TOTALS
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.modules.gstr1 import Outward
from sync_worker.modules.outward_summary import SECTIONS, action_of
from sync_worker.modules.port import (
    NOT_OFFERED,
    Files,
    Incomplete,
    Link,
    Observed,
    Previous,
    Refusal,
    Request,
    Result,
    Unchanged,
)

from tests.support.as_previous import as_previous, fetched_of
from tests.support.kept_parts import MemoryParts
from tests.support.scripted_portal import Said, ScriptedPortal

GSTIN = "27AAPFU0939F1ZV"
NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)


def invoice(number: str, taxable: str = "100.00", tax: str = "18.00") -> dict[str, Any]:
    items = [{"num": 1801, "itm_det": {"rt": 18, "txval": Decimal(taxable), "iamt": Decimal(tax), "csamt": 0}}]
    return {"inum": number, "idt": "05-10-2026", "val": Decimal(taxable) + Decimal(tax), "itms": items}


def b2b(*invoices: dict[str, Any]) -> dict[str, Any]:
    return {"gstin": GSTIN, "fp": "102026", "b2b": [{"ctin": "29AAGCB7383J1Z4", "cfs": "Y", "inv": list(invoices)}]}


def note(kind: str, number: str) -> dict[str, Any]:
    items = [{"num": 1, "itm_det": {"rt": 18, "txval": 10, "iamt": Decimal("1.80")}}]
    return {"ntty": kind, "nt_num": number, "nt_dt": "06-10-2026", "val": Decimal("11.80"), "itms": items}


CDNR = {"cdnr": [{"ctin": "29AAGCB7383J1Z4", "nt": [note("C", "N1"), note("D", "N2"), note("C", "N3")]}]}
NIL = {"nil": {"inv": [{"sply_ty": "INTRB2B", "nil_amt": 5, "expt_amt": 0, "ngsup_amt": 0}]}}


def row(name: str, records: int, **totals: str) -> dict[str, Any]:
    return {"sec_nm": name, "chksum": "x", "ttl_rec": records, **{f"ttl_{k}": Decimal(v) for k, v in totals.items()}}


TWO = row("B2B", 2, val="236.00", tax="200.00", igst="36.00", cgst="0", cess="0")


def summary(*rows: dict[str, Any], chksum: str = "s1", **more: Any) -> dict[str, Any]:
    return {"gstin": GSTIN, "ret_period": "102026", "chksum": chksum, "sec_sum": list(rows), **more}


def answers(*rows: dict[str, Any], **other: Said | list[Said]) -> dict[str, Said | list[Said]]:
    net = {"sec_nm": "CDNR", "ttl_rec": 3, "ttl_val": Decimal("-11.80"), "ttl_igst": Decimal("-1.80")}
    listed = rows or (TWO, net, row("NIL", 1), row("HSN", 0), row("B2B_4A", 2))
    found: dict[str, Said | list[Said]] = {
        "gstr1.summary": summary(*listed),
        "gstr1.section B2B": b2b(invoice("1"), invoice("2")),
        "gstr1.section CDNR": CDNR,
        "gstr1.section NIL": NIL,
    }
    return found | {f"gstr1.{name}".replace("_", " "): said for name, said in other.items()}


async def sync(
    portal: ScriptedPortal,
    parts: MemoryParts | None = None,
    previous: Previous | None = None,
    *,
    module: Module = Module.GSTR1,
    kind: str = "regular",
    period: str = "2026-10",
) -> Result:
    request = Request(GSTIN, kind, period, NOW, previous)
    return await Outward(module).sync(request, portal, parts or MemoryParts())


async def test_the_summary_decides_which_sections_are_asked_for() -> None:
    portal = ScriptedPortal(answers())
    fetched = fetched_of(await sync(portal))
    assert portal.names() == ["gstr1.summary", "gstr1.section B2B", "gstr1.section CDNR", "gstr1.section NIL"]
    assert fetched.sections == {"b2b": 2, "cdnr": 3, "nil": 1}
    assert (fetched.rows, fetched.marker, fetched.flags) == (6, "s1", CHECKED_IDENTITY | CHECKED_TOTALS)
    assert fetched.totals["records"] == {"ours": "6", "portal": "6"}
    assert fetched.totals["iamt"] == {"ours": "34.20", "portal": "34.20"}
    assert json.loads(fetched.body)["summary"]["sec_sum"][0]["sec_nm"] == "B2B"


def test_all_23_sections_are_known_by_the_names_of_the_summary() -> None:
    assert len(SECTIONS) == len(set(SECTIONS)) == 23
    names = {"HSN": "HSNSUM", "DOC_ISSUE": "DOCISS", "TXPD": "TXP", "TXPDA": "TXPA", "nil": "NIL", "supeco": "SUPECO"}
    assert {name: action_of(name) for name in names} == names
    assert all(action_of(section) == section for section in SECTIONS)
    assert action_of("B2B_4A") is None


async def test_credit_notes_may_be_summed_up_plain_or_net() -> None:
    plain = {"sec_nm": "CDNR", "ttl_rec": 3, "ttl_val": Decimal("35.40"), "ttl_igst": Decimal("5.40")}
    assert fetched_of(await sync(ScriptedPortal(answers(plain)))).rows == 3
    wrong = {"sec_nm": "CDNR", "ttl_rec": 3, "ttl_igst": Decimal("5.41")}
    result = await sync(ScriptedPortal(answers(wrong)))
    assert result == Incomplete(Code.TOTALS_MISMATCH, {"missing": "cdnr", "expected": "1"})


async def test_an_equal_stamp_is_unchanged_after_one_call() -> None:
    stored = as_previous(await sync(ScriptedPortal(answers())))
    portal = ScriptedPortal(answers())
    assert await sync(portal, previous=stored) == Unchanged(6, CHECKED_IDENTITY)
    assert portal.names() == ["gstr1.summary"]


async def test_a_delta_counts_what_was_added_changed_and_removed() -> None:
    stored = as_previous(await sync(ScriptedPortal(answers(TWO))))
    said = answers()
    said["gstr1.summary"] = summary({**TWO, "ttl_val": Decimal(248), "ttl_tax": 210, "ttl_igst": 38}, chksum="s2")
    said["gstr1.section B2B"] = b2b(invoice("1", "110.00", "20.00"), invoice("3"))
    assert fetched_of(await sync(ScriptedPortal(said), previous=stored)).delta == {
        "added": 1,
        "updated": 1,
        "removed": 1,
    }


async def test_a_return_that_was_emptied_is_data_and_one_that_never_had_any_is_empty() -> None:
    nothing: dict[str, Said | list[Said]] = {"gstr1.summary": summary(row("B2B", 0), chksum="s2")}
    assert await sync(ScriptedPortal(nothing)) == Observed(Code.EMPTY, None)
    stored = as_previous(await sync(ScriptedPortal(answers(TWO))))
    emptied = fetched_of(await sync(ScriptedPortal(nothing), previous=stored))
    assert (emptied.rows, emptied.delta) == (0, {"added": 0, "updated": 0, "removed": 2})
    no_data = {"gstr1.summary": Refusal(OutcomeClass.EMPTY, "RET13509", 200)}
    assert await sync(ScriptedPortal(no_data)) == Observed(Code.EMPTY, "RET13509")


async def test_f12_a3_a_system_failure_of_cdnr_is_no_empty_section() -> None:
    broken = Refusal(OutcomeClass.TRANSIENT, "RET12501", 200)
    parts, portal = MemoryParts(), ScriptedPortal(answers(section_CDNR=[broken, CDNR]))
    assert await sync(portal, parts) == Incomplete(Code.SECTION_MISSING, {"missing": "cdnr", "expected": "3"}, broken)
    assert fetched_of(await sync(portal, parts)).rows == 6
    assert portal.names()[4:] == ["gstr1.summary", "gstr1.section CDNR"]


async def test_data_that_was_announced_and_is_not_there_is_a_gap() -> None:
    gone = Refusal(OutcomeClass.EMPTY, "RET13509", 200)
    result = await sync(ScriptedPortal(answers(section_NIL=gone)))
    assert result == Incomplete(Code.SECTION_MISSING, {"missing": "nil", "expected": "3"})
    only = await sync(ScriptedPortal(answers(TWO, section_B2B=gone)))
    assert only == Incomplete(Code.SECTION_MISSING, {"missing": "b2b", "expected": "1"})


async def test_a_section_that_the_gsp_does_not_offer_is_named_and_not_called_checked() -> None:
    absent = Refusal(OutcomeClass.NOT_APPLICABLE, NOT_OFFERED)
    fetched = fetched_of(await sync(ScriptedPortal(answers(section_NIL=absent))))
    assert json.loads(fetched.body)["not_offered"] == ["nil"]
    assert (fetched.rows, fetched.flags) == (5, CHECKED_IDENTITY)
    assert fetched.totals["records"] == {"ours": "5", "portal": "6"}


async def test_records_that_the_gsp_does_not_offer_are_neither_none_nor_removed() -> None:
    stored = as_previous(await sync(ScriptedPortal(answers(TWO))))
    said = answers(TWO, section_B2B=Refusal(OutcomeClass.NOT_APPLICABLE, NOT_OFFERED))
    said["gstr1.summary"] = summary(TWO, chksum="s2")
    for previous, delta in ((None, None), (stored, {"added": 0, "updated": 0, "removed": 0})):
        fetched = fetched_of(await sync(ScriptedPortal(said), previous=previous))
        assert (fetched.rows, fetched.flags, fetched.delta) == (0, CHECKED_IDENTITY, delta)
        assert json.loads(fetched.body)["not_offered"] == ["b2b"]
        assert fetched.totals["records"] == {"ours": "0", "portal": "2"}


async def test_what_a_gsp_offers_later_is_read_though_the_return_did_not_change() -> None:
    absent = answers(section_NIL=Refusal(OutcomeClass.NOT_APPLICABLE, NOT_OFFERED))
    stored = as_previous(await sync(ScriptedPortal(absent)))
    assert await sync(ScriptedPortal(absent), previous=stored) == Unchanged(5, CHECKED_IDENTITY)
    fetched = fetched_of(await sync(ScriptedPortal(answers()), previous=stored))
    assert (fetched.rows, fetched.flags, fetched.marker) == (6, CHECKED_IDENTITY | CHECKED_TOTALS, "s1")
    assert await sync(ScriptedPortal(absent), previous=as_previous(fetched)) == Unchanged(6, CHECKED_IDENTITY)


async def test_a_large_section_comes_as_files_and_is_added_up_whole() -> None:
    parts, said = MemoryParts(), answers(section_B2B={"token": "T", "est": "1"})
    waiting = await sync(ScriptedPortal(said), parts)
    assert isinstance(waiting, Refusal)
    said |= {"files.find T": Files(bytes(32), (Link("f1", ""), Link("f2", "")))}
    said |= {"f1": b2b(invoice("2")), "f2": b2b(invoice("1"))}
    request = Request(GSTIN, "regular", "2026-10", NOW, None, waiting.detail["token"])
    portal = ScriptedPortal(said)
    from_files = fetched_of(await Outward(Module.GSTR1).sync(request, portal, parts))
    assert portal.names() == ["gstr1.summary", "files.find T", "f1", "f2"]
    assert from_files.body == fetched_of(await sync(ScriptedPortal(answers()))).body


@pytest.mark.parametrize(
    "spoiled",
    [
        {"gstin": "29AAGCB7383J1Z4"},
        {"gstin": None},
        {"ret_period": "092026"},
        {"chksum": ""},
        {"sec_sum": "many"},
        {"sec_sum": [{"sec_nm": "B2B", "ttl_rec": "a lot"}]},
        {"sec_sum": [{"sec_nm": "B2B", "ttl_rec": -1}]},
        {"sec_sum": [TWO, TWO]},
    ],
)
async def test_a_summary_that_is_not_the_one_asked_for_is_not_followed(spoiled: dict[str, Any]) -> None:
    portal = ScriptedPortal(answers(summary={**summary(TWO), **spoiled}))
    assert await sync(portal) == Incomplete(Code.INTEGRITY_MISMATCH)
    assert len(portal.asked) == 1


@pytest.mark.parametrize("spoiled", [{"gstin": "29AAGCB7383J1Z4"}, {"fp": "092026"}, {"b2b": "many"}])
async def test_f14_a3_a_section_of_somebody_else_is_not_stored(spoiled: dict[str, Any]) -> None:
    parts = MemoryParts()
    foreign = {**b2b(invoice("1"), invoice("2")), **spoiled}
    result = await sync(ScriptedPortal(answers(TWO, section_B2B=foreign)), parts)
    assert result == Refusal(OutcomeClass.INTEGRITY)
    assert not parts.stored


@pytest.mark.parametrize(
    ("kind", "period", "expected"),
    [
        ("regular", "2024-06", Observed(Code.NOT_APPLICABLE, None)),
        ("composition", "2026-09", Observed(Code.NOT_APPLICABLE, None)),
        ("qrmp", "2026-08", Observed(Code.NOT_APPLICABLE, None)),
        ("regular", "2026-11", Observed(Code.NOT_YET, None, {"available_from": "2026-12-11"})),
        ("qrmp", "2026-12", Observed(Code.NOT_YET, None, {"available_from": "2027-01-13"})),
    ],
)
async def test_a_1a_outside_its_window_costs_no_call(kind: str, period: str, expected: Observed) -> None:
    portal = ScriptedPortal({})
    assert await sync(portal, module=Module.GSTR1A, kind=kind, period=period) == expected
    assert portal.asked == []


async def test_a_1a_without_data_is_the_usual_answer() -> None:
    portal = ScriptedPortal({"gstr1a.summary": Refusal(OutcomeClass.EMPTY, "RET13510", 200)})
    assert await sync(portal, module=Module.GSTR1A) == Observed(Code.EMPTY, "RET13510")


async def test_quarterly_filers_may_have_a_gstr1_in_any_month() -> None:
    portal = ScriptedPortal(answers())
    assert fetched_of(await sync(portal, kind="qrmp")).rows == 6
    assert await sync(portal, kind="tds_deductor") == Observed(Code.NOT_APPLICABLE, None)
