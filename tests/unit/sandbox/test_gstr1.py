"""GSTR-1 and GSTR-1A: the summary is the sum of the sections, for any registration and period."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from portal_sandbox.envelope import Payload
from portal_sandbox.gstr1 import SECTIONS
from portal_sandbox.periods import Period

from tests.unit.sandbox.books import OCTOBER, Books, innermost, money, number

BOOKS = Books({"profile.instant.file_threshold": 10_000})
ALL = number(digits="0900")
SUMS = {"ttl_tax": ("txval", "ad_amt", "suppval"), "ttl_igst": ("iamt", "igst"), "ttl_cgst": ("camt", "cgst")}
periods = st.builds(Period, st.sampled_from([2023, 2025, 2026]), st.integers(1, 9))
gstins = st.builds(
    number,
    st.sampled_from(["RA", "QA", "QB", "RL", "SB", "XA"]),
    st.integers(0, 9).map(lambda size: f"0{size}00"),
    last=st.sampled_from("ABCDE"),
)


def sections(summary: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["sec_nm"].lower(): row for row in summary["sec_sum"]}


def check(family: str, gstin: str, period: Period) -> set[str]:
    """Compares the summary with every section; the sections with data."""
    if BOOKS.code(gstin, family, "RETSUM", period):
        assert all(BOOKS.code(gstin, family, action, period) for action in SECTIONS)
        return set()
    summary = BOOKS.read(gstin, family, "RETSUM", period)
    assert (summary["gstin"], summary["ret_period"]) == (gstin, str(period))
    told = sections(summary)
    assert set(told) == set(SECTIONS.values())
    for action, name in SECTIONS.items():
        if told[name]["ttl_rec"] == 0:
            assert BOOKS.code(gstin, family, action, period) != ""
            continue
        body = BOOKS.read(gstin, family, action, period)
        assert (body["gstin"], body["fp"]) == (gstin, str(period))
        rows = innermost(body[name], name)
        assert len(rows) == told[name]["ttl_rec"], name
        for total, names in SUMS.items() if "ttl_tax" in told[name] else ():
            assert sum((money(rows, one) for one in names), Decimal()) == told[name][total], (name, total)
    return {name for name, row in told.items() if row["ttl_rec"]}


@given(gstins, periods)
@settings(max_examples=30, deadline=None)
def test_summary_totals_are_the_sums_of_the_sections(gstin: str, period: Period) -> None:
    check("gstr1", gstin, period)
    check("gstr1a", gstin, period)


def test_a_firm_of_the_largest_size_has_every_section() -> None:
    assert check("gstr1", ALL, OCTOBER) == set(SECTIONS.values())


def test_a_typical_firm_has_five_to_nine_sections() -> None:
    counts = [len(check("gstr1", number(digits=f"0{size}00"), OCTOBER)) for size in range(9)]
    assert min(counts) >= 5
    assert sorted(counts)[4] <= 10


def test_party_rows_of_the_summary_add_up_to_their_section() -> None:
    told = sections(BOOKS.read(ALL, "gstr1", "RETSUM", OCTOBER))["b2b"]
    assert len(told["cpty_sum"]) > 3
    for total in ("ttl_rec", "ttl_val", "ttl_tax", "ttl_igst"):
        assert sum(row[total] for row in told["cpty_sum"]) == told[total]


def test_credit_notes_lower_the_totals_where_the_assumption_says_so() -> None:
    plain = sections(BOOKS.read(ALL, "gstr1", "RETSUM", OCTOBER))["cdnr"]["ttl_tax"]
    net = Books({"gstr1.notes_are_net": True}).read(ALL, "gstr1", "RETSUM", OCTOBER)
    assert sections(net)["cdnr"]["ttl_tax"] < 0 < plain


def test_checksums_are_stable_and_tell_periods_apart() -> None:
    first, again = (Books().read(ALL, "gstr1", "RETSUM", OCTOBER) for _ in range(2))
    assert first == again
    other = Books().read(ALL, "gstr1", "RETSUM", OCTOBER.plus(-1))
    assert first["chksum"] != other["chksum"]
    assert sections(first)["b2b"]["chksum"] != sections(other)["b2b"]["chksum"]


@pytest.mark.parametrize(
    ("action", "code"),
    [("B2BA", "RET13509"), ("EXPA", "RET11417"), ("SUPECOA", "RETWEB_04"), ("ECOM", "RETWEB_04")],
)
def test_each_section_has_its_own_no_data_code(action: str, code: str) -> None:
    assert BOOKS.code(number(digits="0300"), "gstr1", action, OCTOBER) == code


@pytest.mark.parametrize("letters", ["RE", "MA", "NA", "UA"])
def test_no_supplies_no_return(letters: str) -> None:
    assert BOOKS.code(number(letters), "gstr1", "RETSUM", OCTOBER) == "RET13509"


def test_a_month_that_has_not_ended_has_no_return() -> None:
    assert BOOKS.code(ALL, "gstr1", "RETSUM", Period(2026, 11)) == "RET13509"
    assert BOOKS.code(ALL, "gstr1", "RETSUM", "132026") == "AUTH113"


def test_one_buyer_or_place_narrows_a_section() -> None:
    parties = BOOKS.read(ALL, "gstr1", "B2B", OCTOBER)["b2b"]
    only = BOOKS.read(ALL, "gstr1", "B2B", OCTOBER, ctin=parties[2]["ctin"])["b2b"]
    assert only == [parties[2]]
    place = BOOKS.read(ALL, "gstr1", "B2CL", OCTOBER)["b2cl"][0]["pos"]
    assert {row["pos"] for row in BOOKS.read(ALL, "gstr1", "B2CL", OCTOBER, state_cd=place)["b2cl"]} == {place}


def test_quarterly_filer_reports_invoices_of_early_months_where_it_uses_the_facility() -> None:
    gstins = [number("QA", "0900", last=last) for last in "ABCDEFGH"]
    early = [not BOOKS.code(gstin, "gstr1", "RETSUM", Period(2026, 7)) for gstin in gstins]
    assert set(early) == {True, False}
    assert check("gstr1", gstins[early.index(True)], Period(2026, 7)) <= {
        "b2b",
        "b2ba",
        "cdnr",
        "cdnra",
        "doc_issue",
        "hsn",
    }
    for gstin, uses in zip(gstins, early, strict=True):
        days = {row["idt"][3:5] for row in innermost(BOOKS.read(gstin, "gstr1", "B2B", Period(2026, 9))["b2b"], "b2b")}
        assert days == ({"09"} if uses else {"07", "08", "09"})


def test_gstr1a_opens_with_the_later_of_due_day_and_filing() -> None:
    september = Period(2026, 9)
    early = Books(now=datetime(2026, 10, 10, 6, tzinfo=UTC))
    assert early.code(ALL, "gstr1a", "RETSUM", september) == "RET13510"
    late = Books(now=datetime(2026, 10, 18, 6, tzinfo=UTC))
    assert check("gstr1a", ALL, september) >= {"b2b", "b2ba"}
    assert late.code(ALL, "gstr1a", "B2B", september) == ""


@pytest.mark.parametrize("period", [Period(2024, 6), OCTOBER])
def test_gstr1a_usually_says_nothing_and_did_not_exist_before_july_2024(period: Period) -> None:
    assert BOOKS.code(ALL, "gstr1a", "RETSUM", period) == "RET13510"
    assert BOOKS.code(ALL, "gstr1a", "EXP", period) == "RET11417"


def test_einvoices_are_the_documents_with_a_registration_number() -> None:
    rows = innermost(BOOKS.read(ALL, "einvoice", "EINV", OCTOBER, sec="B2B")["b2b"], "b2b")
    assert rows
    assert all(len(row["irn"]) == 64 for row in rows)
    assert BOOKS.code(ALL, "einvoice", "EINV", OCTOBER, sec="CDNUR") == "EINV30107"
    assert BOOKS.code(ALL, "einvoice", "EINV", OCTOBER, sec="B2CS") == "AUTH143"


def test_a_return_over_the_threshold_is_a_file() -> None:
    small = Books({"profile.instant.file_threshold": 3})
    answer = small.ask(ALL, "gstr1", "B2B", OCTOBER)
    assert isinstance(answer, Payload)
    assert answer.json.startswith(b'{"token":')
