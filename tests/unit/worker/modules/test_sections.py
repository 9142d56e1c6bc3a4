"""Sections against what the portal announces of them: taxes that no record states are none."""

from decimal import Decimal
from typing import Any

import pytest
from sync_worker.modules.assumptions import COUNTED_ONLY
from sync_worker.modules.outward_summary import SECTIONS, agrees, announced_in

B2B = {"sec_nm": "B2B", "ttl_rec": 1, "ttl_val": 118, "ttl_tax": 100, "ttl_igst": 18}
WITHOUT_TAX = {"inum": "1", "idt": "05-10-2026", "val": 118, "itms": [{"itm_det": {"txval": 100}}]}
INVOICE = {**WITHOUT_TAX, "itms": [{"itm_det": {"txval": 100, "iamt": 18}}]}


def section(*invoices: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"ctin": "29AAGCB7383J1Z4", "inv": list(invoices)}]


def test_taxes_that_no_record_states_are_none() -> None:
    announced = announced_in("B2B", B2B)
    assert agrees("B2B", section(INVOICE), announced)
    assert not agrees("B2B", section(WITHOUT_TAX), announced)
    assert agrees("B2B", section(WITHOUT_TAX), announced_in("B2B", {**B2B, "ttl_igst": Decimal("0.00")}))


@pytest.mark.parametrize("tax", ["ttl_igst", "ttl_cgst", "ttl_sgst", "ttl_cess"])
def test_each_tax_is_compared_in_every_section_that_is_not_only_counted(tax: str) -> None:
    row = {"ttl_rec": 1, tax: 18}
    compared = {name for name in SECTIONS if not agrees(name, [WITHOUT_TAX], announced_in(name, row))}
    assert compared == set(SECTIONS) - COUNTED_ONLY


def test_values_that_no_record_states_are_not_compared() -> None:
    bare = {"inum": "1", "itms": [{"itm_det": {"iamt": 18}}]}
    assert agrees("B2B", section(bare), announced_in("B2B", B2B))
