from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from portal_sandbox.identifiers import is_gstin, with_check_character
from portal_sandbox.periods import Period
from portal_sandbox.taxpayers import Taxpayer, Twob, taxpayer
from portal_sandbox.twob import Statement, refusal, statement

OCTOBER = Period(2026, 10)
TODAY = date(2026, 11, 24)
HEADS = ("txval", "igst", "cgst", "sgst", "cess")


def client(letters: str = "RA", digits: str = "0500") -> Taxpayer:
    return taxpayer(with_check_character(f"27AAA{letters}{digits}A1Z"), 1)


def made(found: Taxpayer, period: Period = OCTOBER, *, revision: int = 0, part_documents: int = 20) -> Statement:
    return statement(found, found.twob, period, seed=1, part_documents=part_documents, revision=revision)


def decoded(body: bytes) -> Any:
    return msgspec.json.Decoder(float_hook=Decimal).decode(body)


def documents(data: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(section, party, document) of a statement or a part."""
    found = []
    for section, rows in data["docdata"].items():
        for row in rows:
            inner = next((row[name] for name in ("inv", "nt", "doclist", "boe") if name in row), None)
            party = row.get("ctin") or row["portcode"]
            found += [(section, party, document) for document in (inner if inner is not None else [row])]
    return found


def added_up(rows: list[tuple[str, str, dict[str, Any]]]) -> dict[tuple[str, str], dict[str, Any]]:
    sums: dict[tuple[str, str], dict[str, Any]] = defaultdict(lambda: {"ttldocs": 0} | dict.fromkeys(HEADS, Decimal()))
    for section, party, document in rows:
        sums[section, party]["ttldocs"] += 1
        for head in HEADS:
            sums[section, party][head] += document.get(head, Decimal())
    return dict(sums)


def party_summary(data: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    zero = dict.fromkeys(HEADS, Decimal())
    return {
        (section, row.get("ctin") or row["portcode"]): {
            "ttldocs": row["ttldocs"], **zero, **{head: row[head] for head in HEADS if head in row},
        }
        for section, rows in data["cpsumm"].items()
        for row in rows
    }  # fmt: skip


@given(st.integers(0, 9), st.sampled_from(["RA", "QA", "RL"]), st.sampled_from([4, 20, 250]))
@settings(max_examples=40, deadline=None)
def test_documents_of_all_parts_add_up_to_the_party_summary(size: int, letters: str, part_documents: int) -> None:
    made_statement = made(client(letters, f"0{size}00"), Period(2026, 9), part_documents=part_documents)
    parts = [decoded(part)["data"] for part in made_statement.parts]
    rows = [row for part in parts for row in documents(part)]
    assert added_up(rows) == party_summary(parts[0])
    assert all(len(documents(part)) <= part_documents for part in parts)


def test_credit_summary_splits_available_and_unavailable_tax() -> None:
    data = decoded(made(client(digits="0900"), part_documents=250).first)["data"]
    rows = documents(data)
    for side, mark in (("itcavl", "Y"), ("itcunavl", "N")):
        wanted = sum((row["igst"] for _, _, row in rows if row.get("itcavl", "Y") == mark), Decimal())
        assert sum(category["igst"] for category in data["itcsumm"][side].values()) == wanted
    assert {row.get("itcavl", "Y") for _, _, row in rows} == {"Y", "N"}


def test_amounts_have_two_decimals_and_suppliers_are_well_formed() -> None:
    body = made(client()).first
    amounts = [row[head] for _, _, row in documents(decoded(body)["data"]) for head in HEADS if head in row]
    assert amounts
    assert all(amount.as_tuple().exponent == -2 for amount in amounts)
    suppliers = [party for section, party, _ in documents(decoded(body)["data"]) if section != "impg"]
    assert all(map(is_gstin, suppliers))


def test_small_statement_is_its_own_only_part_without_fc() -> None:
    small = made(client(digits="0000"))
    data = decoded(small.first)["data"]
    assert not small.is_multi_part
    assert small.parts == (small.first,)
    assert "fc" not in data
    assert (data["gstin"], data["rtnprd"], data["gendt"]) == (client(digits="0000").gstin, "102026", "14-11-2026")


def test_large_statement_has_three_parts_and_a_first_answer_to_discard() -> None:
    large = made(client("RL"))
    first = decoded(large.first)
    parts = [decoded(part) for part in large.parts]
    assert len(parts) == first["data"]["fc"] == 3
    assert {part["chksum"] for part in parts} == {first["chksum"]}
    repeated = documents(first["data"])
    assert repeated
    assert all(row in documents(parts[0]["data"]) for row in repeated)


def test_statement_is_the_same_each_time_until_it_is_regenerated() -> None:
    assert made(client()) == made(client())
    before, after = decoded(made(client()).first), decoded(made(client(), revision=1).first)
    assert before["chksum"] != after["chksum"]
    assert before["data"]["gendt"] != after["data"]["gendt"]
    assert before["chksum"] != decoded(made(client(), Period(2026, 9)).first)["chksum"]


def test_quarterly_statement_covers_three_months() -> None:
    data = decoded(made(client("QA", "0900"), Period(2026, 9), part_documents=250).first)["data"]
    months = {row["dt"][3:] for section, _, row in documents(data) if section == "b2b"}
    assert months == {"07-2026", "08-2026", "09-2026"}


def code(found: Taxpayer, period: Period = OCTOBER, today: date = TODAY, state: Twob | None = None) -> str | None:
    state = state or found.twob
    return refusal(found, state, period, today, no_data="RET2B1016", first=Period(2020, 8))


def test_twob_is_published_on_the_fourteenth_of_the_next_month() -> None:
    assert code(client(), today=date(2026, 11, 13)) == "RET2B1018"
    assert code(client(), today=date(2026, 11, 14)) is None
    assert code(client(), Period(2026, 11)) == "RET2B1018"


@pytest.mark.parametrize(
    ("letter", "wanted"), [("N", "RET2B1023"), ("U", "GTR2B-002"), ("E", "RET2B1016"), ("L", None), ("A", None)]
)
def test_newest_period_answers_by_the_fifth_letter(letter: str, wanted: str | None) -> None:
    assert code(client(f"R{letter}")) == wanted


@pytest.mark.parametrize("letter", ["N", "U"])
def test_older_periods_are_generated(letter: str) -> None:
    assert code(client(f"R{letter}"), Period(2026, 9)) is None


@pytest.mark.parametrize(("month", "wanted"), [(7, "GTR2B-001"), (8, "GTR2B-001"), (9, None)])
def test_quarterly_filer_has_a_twob_in_the_last_month_only(month: int, wanted: str | None) -> None:
    assert code(client("QA"), Period(2026, month)) == wanted


@pytest.mark.parametrize("letter", ["M", "N", "U"])
def test_kinds_without_twob(letter: str) -> None:
    assert code(client(f"{letter}A"), Period(2026, 9)) == "GTR2B-001"


def test_cancelled_taxpayer_has_twobs_up_to_the_month_of_cancellation() -> None:
    found = client("XA")
    assert found.cancelled_on is not None
    last = Period(found.cancelled_on.year, found.cancelled_on.month)
    assert code(found, last) is None
    assert code(found, last.plus(1)) == "GTR2B-001"


def test_nothing_before_the_first_twob_or_the_registration() -> None:
    assert code(client(), Period(2020, 7)) == "RET2B1016"
