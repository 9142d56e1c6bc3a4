"""Records in sections: counted, added up, told apart, ordered."""

import copy
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sync_worker.modules.canonical import Malformed, canonical
from sync_worker.modules.records import delta_of, merged, records_of, tally_of

AMOUNTS = st.decimals(0, 10**6, places=2)
ITEMS = st.lists(
    st.builds(lambda taxable, tax: {"itm_det": {"txval": taxable, "iamt": tax, "rt": 18}}, AMOUNTS, AMOUNTS),
    min_size=1,
    max_size=3,
)
INVOICES = st.builds(
    lambda number, value, items: {"inum": f"I{number}", "idt": "01-10-2026", "val": value, "itms": items},
    st.integers(0, 999),
    AMOUNTS,
    ITEMS,
)
SUPPLIERS = st.lists(
    st.builds(
        lambda ctin, invoices: {"ctin": ctin, "cfs": "Y", "inv": invoices},
        st.sampled_from(["A", "B", "C"]),
        st.lists(INVOICES, max_size=4, unique_by=lambda invoice: invoice["inum"]),
    ),
    max_size=4,
    unique_by=lambda supplier: supplier["ctin"],
)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(SUPPLIERS)
def test_every_document_is_a_record_and_its_items_are_added_up(suppliers: list[dict[str, Any]]) -> None:
    invoices = [invoice for supplier in suppliers for invoice in supplier["inv"]]
    tally = tally_of(suppliers)
    assert tally.records == len(invoices)
    assert tally.sums.get("val", 0) == sum(invoice["val"] for invoice in invoices)
    items = [item["itm_det"] for invoice in invoices for item in invoice["itms"]]
    assert tally.sums.get("iamt", 0) == sum(item["iamt"] for item in items)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(SUPPLIERS, st.integers(0, 2**32))
def test_a_section_is_the_same_however_the_portal_cuts_and_orders_it(
    suppliers: list[dict[str, Any]], seed: int
) -> None:
    cut: list[dict[str, Any]] = []
    for supplier in suppliers:
        cut.extend({**supplier, "inv": [invoice]} for invoice in supplier["inv"])
        if not supplier["inv"]:
            cut.append(supplier)
    random.Random(seed).shuffle(cut)
    before = copy.deepcopy(suppliers)
    assert canonical(merged(cut)) == canonical(merged(suppliers))
    assert suppliers == before
    assert tally_of(merged(cut)) == tally_of(suppliers)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(SUPPLIERS, SUPPLIERS)
def test_a_delta_tells_the_difference_of_two_pulls(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    delta = delta_of({"b2b": one}, {"b2b": other})
    assert tally_of(other).records - tally_of(one).records == delta["added"] - delta["removed"]
    back = delta_of({"b2b": other}, {"b2b": one})
    assert back == {"added": delta["removed"], "updated": delta["updated"], "removed": delta["added"]}
    assert delta_of({"b2b": one}, {"b2b": merged(one)}) == {"added": 0, "updated": 0, "removed": 0}


def test_one_added_one_changed_one_removed() -> None:
    def supplier(**values: int) -> list[dict[str, Any]]:
        return [{"ctin": "A", "inv": [{"inum": number, "val": value} for number, value in values.items()]}]

    delta = delta_of({"b2b": supplier(same=1, changed=1, gone=1)}, {"b2b": supplier(same=1, changed=2, new=1)})
    assert delta == {"added": 1, "updated": 1, "removed": 1}


@pytest.mark.parametrize(
    ("value", "records", "sums"),
    [
        ([{"pos": "27", "rt": 18, "txval": 10, "iamt": 0}, {"pos": "29", "txval": 5}], 2, {"txval": 15, "iamt": 0}),
        ({"flag": "N", "inv": [{"sply_ty": "INTRB2B", "nil_amt": 1}, {"sply_ty": "INTRAB2B", "nil_amt": 2}]}, 2, {}),
        ({"doc_det": [{"doc_num": 1, "docs": [{"num": 1, "from": "A1", "to": "A9"}]}]}, 1, {}),
        ([{"pos": "27", "itms": [{"rt": 5, "ad_amt": 10, "iamt": Decimal("0.50")}]}], 1, {"iamt": Decimal("0.50")}),
        ({"clttx": [{"etin": "E", "suppval": 1, "igst": 2}], "paytx": []}, 1, {"iamt": 2}),
        ([], 0, {}),
    ],
)
def test_sections_of_other_shapes(value: Any, records: int, sums: dict[str, Any]) -> None:
    tally = tally_of(value)
    assert (tally.records, dict(tally.sums)) == (records, sums)


def test_what_lies_too_deep_is_refused() -> None:
    deep: Any = {"inum": "1"}
    for _ in range(20):
        deep = [{"inner": deep}]
    with pytest.raises(Malformed):
        list(records_of(deep))
