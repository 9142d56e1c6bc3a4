import pytest
from hypothesis import given
from hypothesis import strategies as st
from portal_sandbox.identifiers import is_gstin, with_check_character

KNOWN = ["27AAPFU0939F1ZV", "29AAGCB7383J1Z4", "24AAACC1206D1ZM"]


@pytest.mark.parametrize("gstin", KNOWN)
def test_known_numbers_are_well_formed(gstin: str) -> None:
    assert is_gstin(gstin)
    assert with_check_character(gstin[:14]) == gstin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "27AAPFU0939F1Z",
        "27AAPFU0939F1ZW",
        "27aapfu0939f1zv",
        "00AAPFU0939F1ZV",
        "27AAPFU0939F0ZV",
        "27AAPFU0939F1ZVV",
    ],
)
def test_malformed_numbers_are_refused(text: str) -> None:
    assert not is_gstin(text)


@given(st.sampled_from(KNOWN), st.integers(0, 13), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
def test_one_changed_character_is_found(gstin: str, position: int, character: str) -> None:
    changed = gstin[:position] + character + gstin[position + 1 :]
    assert is_gstin(changed) == (changed == gstin)
