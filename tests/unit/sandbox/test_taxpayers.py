import pytest
from hypothesis import given
from hypothesis import strategies as st
from portal_sandbox.identifiers import is_gstin, with_check_character
from portal_sandbox.taxpayers import STATUS_LETTERS, Kind, Twob, gstin_of, taxpayer, username_of

REAL_FOURTH_LETTERS = "ABCEFGHJKLPT"


def gstin(letters: str = "RA", digits: str = "0000", fourteenth: str = "Z") -> str:
    return with_check_character(f"27AAA{letters}{digits}A1{fourteenth}")


@pytest.mark.parametrize("real", ["27AAPFU0939F1ZV", "29AAGCB7383J1Z4", "24AAACC1206D1ZM"])
def test_number_with_a_real_holder_letter_is_an_ordinary_taxpayer(real: str) -> None:
    found = taxpayer(real, 1)
    assert (found.kind, found.access, found.twob, found.login, found.answers_otp) == (
        "regular", "enabled", "generated", "working", True,
    )  # fmt: skip


def test_no_status_letter_occurs_in_a_real_pan() -> None:
    assert not set(STATUS_LETTERS) & set(REAL_FOURTH_LETTERS)


@pytest.mark.parametrize(
    ("letter", "kind"),
    [
        ("R", "regular"), ("Q", "qrmp"), ("M", "composition"), ("X", "cancelled"), ("Y", "cancelled_qrmp"),
        ("N", "non_resident"), ("U", "uin"),
    ],
)  # fmt: skip
def test_fourth_letter_names_the_kind(letter: str, kind: Kind) -> None:
    found = taxpayer(gstin(f"{letter}A"), 1)
    assert found.kind == kind
    assert found.is_cancelled == kind.startswith("cancelled")


@pytest.mark.parametrize(("fourteenth", "kind"), [("D", "tds_deductor"), ("C", "tcs_operator")])
def test_fourteenth_character_names_deductors_and_operators(fourteenth: str, kind: Kind) -> None:
    assert taxpayer(gstin(fourteenth=fourteenth), 1).kind == kind


@pytest.mark.parametrize(
    ("letter", "twob", "documents"),
    [
        ("N", "not_generated", 5),
        ("U", "previous_3b_missing", 5),
        ("L", "large", 50),
        ("E", "empty", 5),
        ("A", "generated", 5),
    ],
)
def test_fifth_letter_names_the_newest_twob(letter: str, twob: Twob, documents: int) -> None:
    found = taxpayer(gstin(f"R{letter}"), 1)
    assert (found.twob, found.documents_in(found.twob, 20)) == (twob, documents)


def test_letters_of_access_and_login() -> None:
    assert taxpayer(gstin("DA"), 1).access == "disabled"
    assert not taxpayer(gstin("DA"), 1).has_live_consent
    assert not taxpayer(gstin("SA"), 1).answers_otp
    assert taxpayer(gstin("VA"), 1).login == "wrong_username"
    assert taxpayer(gstin("ZA"), 1).login == "password_expired"
    assert taxpayer(gstin("IA"), 1).login == "account_locked"


def test_digits_are_notices_and_size() -> None:
    found = taxpayer(gstin(digits="4300"), 1)
    assert (found.notices, found.twob_documents) == (4, 23)


def test_seed_changes_names_and_dates_but_no_trait() -> None:
    one, two = taxpayer(gstin("QN"), 1), taxpayer(gstin("QN"), 2)
    assert (one.kind, one.twob, one.portal_username) == (two.kind, two.twob, two.portal_username)
    assert (one.legal_name, one.registered_on) != (two.legal_name, two.registered_on)
    assert one == taxpayer(gstin("QN"), 1)


@given(st.from_regex(r"(0[1-9]|[12][0-9])[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]Z", fullmatch=True))
def test_user_name_leads_back_to_the_number(first14: str) -> None:
    number = with_check_character(first14)
    assert is_gstin(number)
    assert gstin_of(username_of(number)) == number
    assert number[2:12].lower() not in username_of(number)


@pytest.mark.parametrize("username", ["", "tp", "somebody", "tp" + "z" * 14, "tp1é" + "1" * 12])
def test_other_names_lead_nowhere(username: str) -> None:
    assert gstin_of(username) is None
