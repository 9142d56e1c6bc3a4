"""Invoice management: counts are the lengths of the lists, and filing empties them but for what is pending."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from portal_sandbox.ims import ACTIONS, SECTIONS

from tests.unit.sandbox.books import Books, number

BOOKS = Books({"profile.instant.file_threshold": 100_000})
ALL = number(digits="0900")
gstins = st.builds(
    number,
    st.sampled_from(["RA", "RU", "RL", "QA", "QB", "RE", "MA", "XA"]),
    st.integers(0, 9).map(lambda size: f"0{size}00"),
    last=st.sampled_from("ABC"),
)


def listed(books: Books, gstin: str, section: str, **status: str) -> list[dict[str, Any]]:
    code = books.code(gstin, "ims", "GETINV", section=section, **status)
    if code:
        assert code == "IMS0004"
        return []
    body: dict[str, Any] = books.read(gstin, "ims", "GETINV", section=section, **status)
    assert body["gstin"] == gstin
    rows: list[dict[str, Any]] = body[section.lower()]
    return rows


@given(gstins)
@settings(max_examples=30, deadline=None)
def test_counts_are_the_lengths_of_the_lists(gstin: str) -> None:
    counts = BOOKS.read(gstin, "ims", "GETCNT", goods_typ="ALL_OTH")["all_oth"]
    total = 0
    for section in SECTIONS:
        rows = listed(BOOKS, gstin, section)
        told = counts[section.lower()]
        assert told["total"] == len(rows)
        total += len(rows)
        for letter, name in ACTIONS.items():
            assert told[name] == sum(row["action"] == letter for row in rows)
    assert counts["ttl_cnt"] == total


def test_large_firm_has_documents_with_every_action_in_every_section() -> None:
    lists = {section: listed(BOOKS, number("RL"), section) for section in SECTIONS}
    assert all(lists.values())
    assert {row["action"] for rows in lists.values() for row in rows} == set(ACTIONS)
    assert {row["srcfilstatus"] for row in lists["B2B"]} == {"Filed", "Not Filed"}


def test_other_kinds_and_goods_have_zero_counts() -> None:
    for gstin in (number("MA"), number("XA"), number("RE")):
        assert BOOKS.read(gstin, "ims", "GETCNT")["all_oth"]["ttl_cnt"] == 0
    every = BOOKS.read(ALL, "ims", "GETCNT")
    assert every["imp_gds"]["ttl_cnt"] == every["inv_supp_isd"]["ttl_cnt"] == 0 < every["all_oth"]["ttl_cnt"]
    assert set(BOOKS.read(ALL, "ims", "GETCNT", goods_typ="IMP_GDS")) == {"imp_gds"}


def test_one_action_narrows_a_list() -> None:
    rows = listed(BOOKS, ALL, "B2B", status="A")
    assert rows == [row for row in listed(BOOKS, ALL, "B2B") if row["action"] == "A"]
    assert rows


def test_filing_takes_all_but_pending_documents_away() -> None:
    before = Books(now=datetime(2026, 11, 15, 6, tzinfo=UTC))
    october = [row for row in listed(before, ALL, "B2B") if row["rtnprd"] == "102026"]
    assert {row["action"] for row in october} >= {"N", "A"}
    after = [
        row for row in listed(Books(now=datetime(2026, 12, 1, 6, tzinfo=UTC)), ALL, "B2B") if row["rtnprd"] == "102026"
    ]
    assert {row["action"] for row in after} <= {"P"}
    assert len(after) == sum(row["action"] == "P" for row in october)


def test_hash_changes_with_the_document_only() -> None:
    first, again = listed(Books(), ALL, "B2B"), listed(Books(), ALL, "B2B")
    assert first == again
    assert len({row["hash"] for row in first}) == len(first)


def test_what_is_refused() -> None:
    assert BOOKS.code(ALL, "ims", "GETINV", section="CDNR") == "AUTH143"
    assert BOOKS.code(ALL, "ims", "GETCNT", goods_typ="ALL") == "AUTH143"
    assert BOOKS.code(ALL, "ims", "REQSTS") == "AUTH141"
    assert BOOKS.code(ALL, "ims", "REQSTS", int_tran_id="1") == "IMS0004"
