"""What the portal counts: nothing that is left out is taken for no documents."""

from typing import Any

import pytest
from sync_worker.modules.canonical import Malformed
from sync_worker.modules.ims_counts import counts_of

GSTIN = "27AAPFU0939F1ZV"
NONE = {"noaction": 0, "reject": 0, "pending": 0, "accept": 0}


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"gstin": GSTIN},
        {"inv_supp_isd": {}},
        {"all_oth": None},
        {"all_oth": {}},
        {"all_oth": {"ttl_cnt": ""}},
        {"all_oth": {"b2b": {}}},
        {"all_oth": {"b2b": {"noaction": 0}}},
        {"all_oth": {"b2b": {**NONE, "accept": None}}},
    ],
)
def test_an_answer_that_leaves_its_counts_out_does_not_say_that_there_is_nothing(payload: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        counts_of(payload, GSTIN)


@pytest.mark.parametrize(
    ("kinds", "announced"),
    [
        ({"ttl_cnt": 0}, {}),
        ({"b2b": NONE}, {}),
        ({"b2b": {"total": 2}}, {"B2B": 2}),
        ({"b2b": {**NONE, "pending": 2}, "b2bcn": {**NONE, "total": 1}, "ttl_cnt": 3}, {"B2B": 2, "B2BCN": 1}),
    ],
)
def test_counts_that_are_stated_are_taken(kinds: dict[str, Any], announced: dict[str, int]) -> None:
    counted = counts_of({"all_oth": kinds}, GSTIN)
    assert {name: one.records for name, one in counted.announced.items()} == announced


@pytest.mark.parametrize("stated", [0, 2, 4, "many"])
def test_sections_that_are_not_all_documents_are_not_taken(stated: object) -> None:
    with pytest.raises(Malformed):
        counts_of({"all_oth": {"b2b": {**NONE, "accept": 3}, "ttl_cnt": stated}}, GSTIN)
