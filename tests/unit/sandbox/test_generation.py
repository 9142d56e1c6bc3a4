"""A 2B on demand, the filing preference, and the annual return."""

from datetime import UTC, datetime

import pytest
from portal_sandbox.actions import STYLE_A_ACTIONS
from portal_sandbox.periods import Period, months_of

from tests.unit.sandbox.books import OCTOBER, Books, innermost, number

ALL = number(digits="0900")
UNFILED = datetime(2026, 11, 14, 6, tzinfo=UTC)


def ask_for(books: Books, gstin: str, period: str = "102026") -> str:
    told: str = books.read(gstin, "gstr2b", "GEN2B", rtin=gstin, itcprd=period)["int_tran_id"]
    return told


def test_generated_statement_has_another_checksum_and_the_2a_follows() -> None:
    books = Books(now=UNFILED)
    before = books.read(ALL, "gstr2b", "GET2B", OCTOBER)
    supplier = books.read(ALL, "gstr2a", "B2B", OCTOBER)["b2b"][0]["ctin"]
    transaction = ask_for(books, ALL)
    assert books.read(ALL, "gstr2b", "GENSTS2B", int_tran_id=transaction)["status"] == "IP"
    assert books.read(ALL, "gstr2b", "GET2B", OCTOBER) == before
    books.advance(120)
    assert books.read(ALL, "gstr2b", "GENSTS2B", int_tran_id=transaction)["status"] == "P"
    after = books.read(ALL, "gstr2b", "GET2B", OCTOBER)
    assert after["chksum"] != before["chksum"]
    assert books.read(ALL, "gstr2a", "B2B", OCTOBER)["b2b"][0]["ctin"] != supplier


@pytest.mark.parametrize("letters", ["RN", "RU"])
def test_statement_that_was_not_made_can_be_asked_for(letters: str) -> None:
    books = Books(now=UNFILED)
    assert books.code(number(letters), "gstr2b", "GET2B", OCTOBER) in {"RET2B1023", "GTR2B-002"}
    ask_for(books, number(letters))
    books.advance(120)
    assert books.code(number(letters), "gstr2b", "GET2B", OCTOBER) == ""


@pytest.mark.parametrize(
    ("letters", "period", "code"),
    [
        ("RA", "112026", "IMS2B009"),
        ("RA", "082026", "IMS2B007"),
        ("MA", "092026", "GTR2B-001"),
        ("RE", "102026", "RET2B1016"),
        ("RA", "2026", "AUTH113"),
    ],
)
def test_generation_is_refused(letters: str, period: str, code: str) -> None:
    books = Books(now=UNFILED)
    assert books.code(number(letters), "gstr2b", "GEN2B", itcprd=period) == code
    assert books.code(number(letters), "gstr2b", "GEN2B", itcprd="102026", rtin=ALL) == "AUTH143"
    assert books.code(number(letters), "gstr2b", "GENSTS2B") == "AUTH141"
    assert books.code(number(letters), "gstr2b", "GENSTS2B", int_tran_id="1") == "AUTH143"


@pytest.mark.parametrize(("letters", "wanted"), [("RA", {"M"}), ("QA", {"Q"})])
def test_preference_is_told_by_quarter(letters: str, wanted: set[str]) -> None:
    told = Books().read(number(letters), "returns", "GETPREF", fy="2026-27")["response"]
    assert [row["quarter"] for row in told] == ["Q1", "Q2", "Q3", "Q4"]
    assert {row["preference"] for row in told} == wanted


def test_preference_needs_a_kind_and_a_year() -> None:
    assert Books().code(number("MA"), "returns", "GETPREF", fy="2026-27") == "RET13510"
    assert Books().code(number(), "returns", "GETPREF", fy="2026") == "AUTH143"


def test_annual_return_is_the_sum_of_the_years_returns() -> None:
    books, gstin = Books(), number()
    told = books.read(gstin, "gstr9", "CALRCDS", "032026")
    assert (told["gstin"], told["ret_period"]) == (gstin, "032026")
    months = [month for month in months_of(2025) if not books.code(gstin, "gstr3b", "RETSUM", month)]
    assert len(months) == 12
    filed = [books.read(gstin, "gstr3b", "RETSUM", month) for month in months]
    assert told["table4"]["sup_adv"]["txval"] == sum(row["sup_details"]["osup_det"]["txval"] for row in filed)
    assert told["table6"]["itc_3b"]["iamt"] == sum(row["iamt"] for one in filed for row in one["itc_elg"]["itc_avl"])
    assert books.read(gstin, "gstr9", "RECDS", "032026")["table9"]["iamt"] > 0


def test_inferred_name_of_the_annual_action_is_the_assumed_one() -> None:
    name = Books().portal.assumptions.text("gstr9.calrcds")
    assert ("taxpayerapi/returns/gstr9", name) in STYLE_A_ACTIONS


def test_documents_of_table_8a_come_in_parts() -> None:
    books, gstin = Books(), number()
    first = books.read(gstin, "gstr9", "8ADETAILS", "032026")
    assert first["fc"] > 1
    rows = 0
    for part in range(1, first["fc"] + 1):
        body = books.read(gstin, "gstr9", "8ADETAILS", "032026", file_num=str(part))
        rows += sum(len(innermost(body[name], name)) for name in ("b2b", "b2ba", "cdnr") if name in body)
    assert rows == first["rc"]
    assert books.code(gstin, "gstr9", "8ADETAILS", "032026", file_num=str(first["fc"] + 1)) == "AUTH143"


@pytest.mark.parametrize(
    ("letters", "period", "code"),
    [("RA", "032027", "RT-9AG-1019"), ("MA", "032026", "RT-9AG-1019"), ("RA", Period(2026, 2), "AUTH113")],
)
def test_years_without_an_annual_return(letters: str, period: str | Period, code: str) -> None:
    assert Books().code(number(letters), "gstr9", "CALRCDS", period) == code
