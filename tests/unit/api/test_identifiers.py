"""GSTINs: published examples, shapes of the kinds, and the check character."""

import pytest
from bucket_api.clients.identifiers import Gstin, Wrong, check_character, gstin, kind_of
from hypothesis import given
from hypothesis import strategies as st
from sync_contracts.catalogue import ClientKind

from tests.support.gstins import fictitious_gstin

PUBLISHED = ("27AAPFU0939F1ZV", "29AAGCB7383J1Z4", "24AAACC1206D1ZM")
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize("text", PUBLISHED)
def test_published_examples_are_valid(text: str) -> None:
    assert gstin(text) == Gstin(text, "business")
    assert gstin(f"  {text.lower()} ") == Gstin(text, "business")


@given(number=st.integers(0, 10_000), place=st.integers(0, 14), character=st.sampled_from(_ALPHABET))
def test_any_single_changed_character_is_noticed(number: int, place: int, character: str) -> None:
    text = fictitious_gstin(number)
    changed = text[:place] + character + text[place + 1 :]
    assert (gstin(changed) == Gstin(text, "business")) == (changed == text)
    if changed != text:
        found = gstin(changed)
        assert isinstance(found, Wrong) or found.shape in ("tds", "tcs", "uin", "nri_oidar")


@given(st.text(max_size=20))
def test_any_text_is_a_gstin_or_wrong_and_is_never_repeated(text: str) -> None:
    found = gstin(text)
    if isinstance(found, Wrong) and len(text.strip()) > 3:
        assert text.strip() not in found.detail


def test_the_expected_check_character_is_told() -> None:
    assert gstin("27AAPFU0939F1ZA") == Wrong("Check character should be V.")


@pytest.mark.parametrize(
    ("first", "states"), [("27AAPFU0939F1Z", "27"), ("97AAPFU0939F1Z", "97"), ("38AAPFU0939F1Z", "38")]
)
def test_states_are_known(first: str, states: str) -> None:
    found = gstin(first + check_character(first))
    assert isinstance(found, Gstin)
    assert found.state_code == states


@pytest.mark.parametrize("state", ["00", "39", "50", "98", "99"])
def test_other_states_do_not_exist(state: str) -> None:
    assert gstin(fictitious_gstin(1, state=state)) == Wrong(f"There is no state {state}.")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (fictitious_gstin(1), ClientKind.REGULAR),
        (fictitious_gstin(1, fourteenth="D"), ClientKind.TDS_DEDUCTOR),
        (fictitious_gstin(1, fourteenth="C"), ClientKind.TCS_OPERATOR),
        ("0717UNO00157UNO", ClientKind.UIN),
        ("9917USA29016OS6", ClientKind.NRI_OIDAR),
        ("0717USA12345NR8", ClientKind.NRI_OIDAR),
    ],
)
def test_the_shape_tells_the_kind(text: str, kind: ClientKind) -> None:
    found = gstin(text)
    assert isinstance(found, Gstin)
    assert kind_of(found, "monthly") is kind


def test_the_filing_frequency_tells_the_kind_of_a_business() -> None:
    found = gstin(PUBLISHED[0])
    assert isinstance(found, Gstin)
    assert kind_of(found, "quarterly") is ClientKind.QRMP
    assert kind_of(found, "composition") is ClientKind.COMPOSITION
    assert kind_of(found, "unknown") is ClientKind.REGULAR
