"""Fifty kinds of client: each has data in exactly the modules that it says."""

from collections.abc import Callable

import pytest
from portal_sandbox.actions import STYLE_A_ACTIONS
from portal_sandbox.book.credit import CATEGORIES, credit_of
from portal_sandbox.book.supplies import supplies_of
from portal_sandbox.calls import Call
from portal_sandbox.envelope import Payload
from portal_sandbox.identifiers import is_gstin
from portal_sandbox.periods import Period, period_of
from portal_sandbox.shapes import Shape, load_shapes

from tests.unit.sandbox.books import TODAY, Books

SHAPES = load_shapes()
YEAR = {"fr_dt": "25/11/2025", "to_dt": "24/11/2026"}
Probe = Callable[[Books, str, Period], bool]


def newest(shape: Shape) -> Period:
    """The newest period that this kind of client has everything of."""
    traits = shape.traits(1)
    last = Period(2026, 10) if traits.cancelled_on is None else period_of(traits.cancelled_on)
    if traits.twob in {"not_generated", "previous_3b_missing"}:
        last = last.plus(-1)
    if traits.size == 9 or traits.files_quarterly:
        last = last.plus(-(last.month % 3))
    return last


def register(books: Books, gstin: str, _period: Period) -> bool:
    def ask(fy: str) -> bool:
        call = Call("public", "RETTRACK", gstin, parameters={"fy": fy})
        return isinstance(STYLE_A_ACTIONS["commonapi/returns", "RETTRACK"].handler(books.portal.data, call), Payload)

    return ask("2026-27") or ask("2025-26")


def reads(family: str, action: str, **parameters: str) -> Probe:
    def probe(books: Books, gstin: str, period: Period) -> bool:
        return books.code(gstin, family, action, period, **parameters) == ""

    return probe


def invoices_wait(books: Books, gstin: str, _period: Period) -> bool:
    return bool(books.read(gstin, "ims", "GETCNT")["all_oth"]["ttl_cnt"] > 0)


PROBES: dict[str, Probe] = {
    "return_register": register,
    "notices": reads("notices", "NOTICELIST", date="25/09/2026"),
    "gstr2b": reads("gstr2b", "GET2B"),
    "ims": invoices_wait,
    "gstr1": reads("gstr1", "RETSUM"),
    "gstr1a": reads("gstr1a", "RETSUM"),
    "gstr3b": reads("gstr3b", "RETSUM"),
    "ledgers": reads("ledgers", "CASH", **YEAR),
    "gstr2a": reads("gstr2a", "B2B"),
}


@pytest.fixture(scope="module")
def books() -> Books:
    return Books()


def reachable(books: Books, shape: Shape) -> set[str]:
    """The modules with data that a client with a person at the telephone gets."""
    data = books.portal.data
    account = data.account(shape.gstin)
    shape.change.apply(books.portal.sessions, account, TODAY.timestamp())
    found = {module for module, probe in PROBES.items() if probe(books, shape.gstin, newest(shape))}
    signs_in = account.sign_in_refusal(account.username, TODAY.timestamp()) is None and account.traits.answers_otp
    return found if signs_in else found & {"return_register"}


@pytest.mark.parametrize("name", SHAPES)
def test_shape_has_data_in_the_modules_that_it_says(books: Books, name: str) -> None:
    shape = SHAPES[name]
    assert reachable(books, shape) == set(shape.applies)


def test_fifty_shapes_with_numbers_of_their_own() -> None:
    assert len(SHAPES) == len({shape.gstin for shape in SHAPES.values()}) == 50
    assert all(is_gstin(shape.gstin) and shape.gstin[5] not in "ABCEFGHJKLPT" for shape in SHAPES.values())


def test_huge_shape_has_fifty_thousand_documents_that_add_up() -> None:
    books, huge, october = Books(), SHAPES["twob_huge"], Period(2026, 10)
    account = books.portal.data.account(huge.gstin)
    month, sums = books.portal.data.month(account, october), books.portal.data.sums(account, october)
    assert len(month.inward) == len({(row.party.key, row.number) for row in month.inward}) == 50_000
    assert len([row for row in month.outward if row.section == "b2b"]) == 25_000
    told = credit_of(month.inward)
    for category in CATEGORIES:
        for available in (True, False):
            place = {"available": available}
            assert told.total(category=category, **place) == sums.credit.total(category=category, **place)
    assert supplies_of(month.outward, month.nil).plus(supplies_of(month.added)) == sums.supplies
    assert books.read(huge.gstin, "gstr2a", "B2B", october)["est"] == "1"
