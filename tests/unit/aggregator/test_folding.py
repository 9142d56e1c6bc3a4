"""A page and its events: folding a page is folding its units, and what is folded once stays folded."""

from hypothesis import given
from hypothesis import strategies as st
from status_aggregator.folding import fold_page
from status_aggregator.intake import Entry
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.events import Event, facts
from sync_contracts.outcomes import Code
from sync_contracts.pages import Page, tally, update_of, with_units
from sync_contracts.units import Unit, fold, is_ahead

from tests.support.planted import Plan
from tests.support.records import Events, FakeRecord, record

NOW = 5_000
PAGE = Plan(clients=2, columns=2).pages()[0]
OF_PAGE = Events(PAGE)


def entries(*happened: Event) -> list[Entry]:
    return [(event, record(event, offset)) for offset, event in enumerate(happened)]


indexes = st.integers(0, 1)
attempts = st.integers(1, 3) | st.integers(1_001, 1_002)
happenings: st.SearchStrategy[Event] = st.one_of(
    st.builds(lambda ci, mi, a: OF_PAGE.dispatched((ci, mi, a)), indexes, indexes, attempts),
    st.builds(OF_PAGE.started, indexes, indexes, attempts),
    st.builds(OF_PAGE.succeeded, indexes, indexes, attempts),
    st.builds(OF_PAGE.failed, indexes, indexes, attempts),
    st.builds(OF_PAGE.retry, indexes, indexes, attempts),
)
units = st.builds(Unit, s=st.sampled_from(["W", "D", "R", "S", "F", "C"]), a=attempts, f=st.integers(0, 4))


@st.composite
def pages(draw: st.DrawFn) -> Page:
    return with_units(PAGE, {(ci, mi): draw(units) for ci in (0, 1) for mi in (0, 1)})


@given(pages(), st.lists(happenings, max_size=12))
def test_folding_a_page_is_folding_each_of_its_units(page: Page, happened: list[Event]) -> None:
    expected = {(ci, mi): page.rows[ci][mi] for ci in (0, 1) for mi in (0, 1)}
    for event in happened:
        for ci, mi, fact in facts(event):
            if not is_ahead(expected[ci, mi], fact.attempt):
                expected[ci, mi] = fold(expected[ci, mi], fact, NOW)

    folded = fold_page(page, entries(*happened), NOW)

    assert {(ci, mi): folded.page.rows[ci][mi] for ci in (0, 1) for mi in (0, 1)} == expected


@given(pages(), st.lists(happenings, max_size=12), st.data())
def test_what_was_folded_is_absorbed_in_any_order(page: Page, happened: list[Event], data: st.DataObject) -> None:
    after = fold_page(page, entries(*happened), NOW)
    folded = [e for e, r in entries(*happened) if r.offset not in {a.record.offset for a in after.ahead}]
    again = data.draw(st.permutations(folded))

    replayed = fold_page(after.page, entries(*again), NOW + 1_000)

    assert replayed.page is after.page
    assert replayed.attempts == []


@given(pages(), st.lists(happenings, max_size=12))
def test_the_update_carries_exactly_the_new_page(page: Page, happened: list[Event]) -> None:
    after = fold_page(page, entries(*happened), NOW).page

    fields = update_of(page, after)["$set"]

    moved = {key for key in fields if key.startswith("c.")}
    differ = {f"c.{ci}.m.{mi}" for ci in (0, 1) for mi in (0, 1) if page.rows[ci][mi] != after.rows[ci][mi]}
    assert moved == differ
    assert {name: fields[name] for name in tally(after.rows).counters} == tally(after.rows).counters


def test_a_page_that_nothing_happened_to_is_the_same_object() -> None:
    terminal = with_units(PAGE, {(0, 0): Unit("S", 1)})

    folded = fold_page(terminal, entries(Events(terminal).failed(0, 0, 1)), NOW)

    assert folded.page is terminal


def test_a_dispatch_and_its_result_in_one_batch_are_both_folded() -> None:
    folded = fold_page(PAGE, entries(OF_PAGE.dispatched((0, 0, 1), (1, 1, 1)), OF_PAGE.succeeded(0, 0, 1)), NOW)

    assert folded.page.v == PAGE.v + 1
    assert [folded.page.rows[0][0].s, folded.page.rows[1][1].s, folded.page.rows[0][1].s] == ["S", "D", "W"]


def test_another_tenants_event_is_refused_and_folds_nothing() -> None:
    foreign = Events(Plan(tenant="t_other", columns=2).pages()[0]).succeeded(0, 0, 1)

    folded = fold_page(PAGE, entries(foreign), NOW)

    assert folded.page is PAGE
    assert [refusal.reason for refusal in folded.refused] == [DeadLetterReason.WRONG_TENANT]


def test_an_address_outside_of_the_page_is_refused() -> None:
    outside = (OF_PAGE.succeeded(2, 0, 1), OF_PAGE.started(0, 2, 1), OF_PAGE.dispatched((0, 0, 1), (99, 0, 1)))

    folded = fold_page(PAGE, entries(*outside), NOW)

    assert folded.page is PAGE
    assert [refusal.reason for refusal in folded.refused] == [DeadLetterReason.UNKNOWN_UNIT] * 3


def test_an_event_of_an_attempt_never_dispatched_is_ahead_and_folds_nothing() -> None:
    folded = fold_page(PAGE, entries(OF_PAGE.succeeded(0, 0, 2), OF_PAGE.dispatched((0, 0, 1), (0, 1, 2))), NOW)

    assert folded.page is PAGE
    assert [refusal.record.offset for refusal in folded.ahead] == [0, 1]
    assert folded.refused == []


def test_each_try_leaves_its_evidence_and_a_start_none() -> None:
    parent = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
    traced = FakeRecord(None, headers=(("traceparent", parent),))
    failed = OF_PAGE.failed(1, 0, 1, Code.CONSENT_EXPIRED)
    tried = [*entries(OF_PAGE.dispatched((0, 0, 1), (1, 0, 1)), OF_PAGE.started(0, 0, 1), OF_PAGE.retry(0, 0, 1))]

    folded = fold_page(PAGE, [*tried, (failed, traced)], NOW)

    assert folded.attempts == [
        [0, 0, 1, "PORTAL_ERROR", True, NOW, 0, 0, 0, 0, None, None],
        [1, 0, 1, "CONSENT_EXPIRED", False, NOW, 0, 0, 0, 0, None, "a" * 32],
    ]
