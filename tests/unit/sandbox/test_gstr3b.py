"""GSTR-3B agrees with GSTR-1, with the 2B and with the register, for any registration and period."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from portal_sandbox.periods import Period

from tests.unit.sandbox.books import OCTOBER, Books, decoded, innermost, money, number

BOOKS = Books({"profile.instant.file_threshold": 10_000})
SPELLED = {"txval": "txval", "iamt": "igst", "camt": "cgst", "samt": "sgst"}
gstins = st.builds(
    number,
    st.sampled_from(["RA", "QA", "QB", "SB"]),
    st.integers(0, 9).map(lambda size: f"0{size}00"),
    last=st.sampled_from("ABCDE"),
)
quarter_ends = st.sampled_from([Period(2025, 3), Period(2026, 3), Period(2026, 6), Period(2026, 9)])


def section_sum(gstin: str, period: Period, family: str, section: tuple[str, str], head: str) -> Decimal:
    """Invoices and debit notes less credit notes of a section (action, name)."""
    action, name = section
    if BOOKS.code(gstin, family, action, period):
        return Decimal()
    rows = innermost(BOOKS.read(gstin, family, action, period)[name], name)
    return sum((money(row, head) * (-1 if row.get("ntty") == "C" else 1) for row in rows), Decimal())


def sold(gstin: str, period: Period, head: str) -> Decimal:
    """Taxable supplies as GSTR-1 (with its early months) and GSTR-1A tell them."""
    months = (period.plus(-2), period.plus(-1), period) if gstin[5] == "Q" else (period,)
    added = "ad_amt" if head == "txval" else head
    total = section_sum(gstin, period, "gstr1a", ("B2B", "b2b"), head)
    for month in months:
        for name in ("b2b", "b2cl", "b2cs", "cdnr", "cdnur"):
            total += section_sum(gstin, month, "gstr1", (name.upper(), name), head)
        total += section_sum(gstin, month, "gstr1", ("AT", "at"), added)
        total -= section_sum(gstin, month, "gstr1", ("TXP", "txpd"), added)
    return total


def twob(gstin: str, period: Period) -> Any:
    made = BOOKS.portal.data.statement(gstin, period)
    return decoded(made.first)["data"]["itcsumm"]


@given(gstins, quarter_ends)
@settings(max_examples=30, deadline=None)
def test_liability_is_what_gstr1_tells(gstin: str, period: Period) -> None:
    assume(not BOOKS.code(gstin, "gstr3b", "RETSUM", period))
    told = BOOKS.read(gstin, "gstr3b", "RETSUM", period)["sup_details"]["osup_det"]
    for head in SPELLED:
        assert told[head] == sold(gstin, period, head), head


@given(gstins, quarter_ends)
@settings(max_examples=30, deadline=None)
def test_credit_is_what_the_2b_tells(gstin: str, period: Period) -> None:
    assume(not BOOKS.code(gstin, "gstr3b", "AUTOLIAB", period))
    told = BOOKS.read(gstin, "gstr3b", "AUTOLIAB", period)["r3bautopop"]
    assert told["error"] == []
    credit, available = told["liabitc"]["elgitc"], twob(gstin, period)["itcavl"]
    for head, name in list(SPELLED.items())[1:]:
        assert credit["itc4a1"][head] == available["imports"][name]
        assert credit["itc4a3"][head] == available["revsup"][name]
        assert credit["itc4a4"][head] == available["isdsup"][name]
        assert credit["itc4a5"][head] == available["nonrevsup"][name] - available["othersup"][name] >= 0
    filed = BOOKS.read(gstin, "gstr3b", "RETSUM", period)
    assert filed["sup_details"] == told["liabitc"]["sup_details"]
    rows = {row["ty"]: row for row in filed["itc_elg"]["itc_avl"]}
    assert rows["OTH"]["iamt"] == credit["itc4a5"]["iamt"]


@given(gstins, quarter_ends)
@settings(max_examples=30, deadline=None)
def test_payment_covers_the_tax_and_is_told_once_it_is_filed(gstin: str, period: Period) -> None:
    assume(not BOOKS.code(gstin, "gstr3b", "RETSUM", period))
    account = BOOKS.portal.data.account(gstin)
    told = BOOKS.read(gstin, "gstr3b", "RETSUM", period)
    filed_on = BOOKS.portal.data.filed_on(account, "GSTR3B", period)
    assert ("tx_pmt" in told) == (filed_on is not None)
    if "tx_pmt" not in told:
        return
    payment = told["tx_pmt"]
    owed = sum(money(row, "tx") for row in payment["tx_py"])
    by_credit = sum(value for name, value in payment["pditc"].items() if "_pd" in name)
    in_cash = sum(
        value for row in payment["pdcash"] for name, value in row.items() if name in {"ipd", "cpd", "spd", "cspd"}
    )
    assert owed == by_credit + in_cash
    assert all(value >= 0 for row in payment["pdcash"] for value in row.values())


def test_no_return_before_the_draft_and_none_for_other_kinds() -> None:
    early = Books(now=datetime(2026, 11, 12, 6, tzinfo=UTC))
    assert early.code(number(), "gstr3b", "RETSUM", OCTOBER) == "RET13509"
    drafted = Books(now=datetime(2026, 11, 14, 6, tzinfo=UTC))
    assert "tx_pmt" not in drafted.read(number(), "gstr3b", "RETSUM", OCTOBER)
    assert BOOKS.code(number(), "gstr3b", "RETSUM", Period(2026, 11)) == "RET13509"
    assert BOOKS.code(number(), "gstr3b", "AUTOLIAB", Period(2026, 11)) == "RT-3BAS1009"
    assert BOOKS.code(number("MA"), "gstr3b", "RETSUM", Period(2026, 9)) == "RET13509"
    assert BOOKS.code(number("QA"), "gstr3b", "RETSUM", Period(2026, 8)) == "RET13509"


def test_filled_in_return_says_that_the_2b_is_missing() -> None:
    told = BOOKS.read(number("RN"), "gstr3b", "AUTOLIAB", OCTOBER)["r3bautopop"]
    assert told["error"] == [{"error_cd": "RET2B1023", "section": "elgitc"}]
    assert money(told["liabitc"]["elgitc"], "iamt") == 0
    assert told["liabitc"]["sup_details"]["osup_det"]["txval"] > 0


def test_late_return_carries_interest_and_fee() -> None:
    late = 0
    for month in range(1, 10):
        period = Period(2026, month)
        told = BOOKS.read(number(), "gstr3b", "RETINT", period)
        filed = BOOKS.read(number(), "gstr3b", "RETSUM", period)["intr_ltfee"]
        assert told["intr_details"] == filed["intr_details"]
        assert filed["ltfee_details"]["camt"] == 25 * told["days"]
        late += told["days"] > 0
    assert 0 <= late < 9


@pytest.mark.parametrize("action", ["CLOSINGBAL", "OPENINGBAL", "RCMCLOSINGBAL", "RCMOPNBAL"])
def test_balances_name_the_registration(action: str) -> None:
    told = BOOKS.read(number(), "gstr3b", action, OCTOBER)
    assert (told["gstin"], told["ret_period"]) == (number(), "102026")
    assert set(told) >= {"iamt", "camt", "samt", "csamt"}
