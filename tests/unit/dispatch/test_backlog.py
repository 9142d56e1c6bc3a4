"""What is known of a bucket's pages."""

from bucket_api.dispatch.backlog import ActiveBucket, Backlog, Column, PageView
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

NOW = 10_000
BUCKET = ActiveBucket("b", "t", 0, "RUN", (Column("gstr2b"),), 3)


def view(page: int, v: int = 1, **counters: int) -> PageView:
    numbers = {"pending": 0, "waiting": 0, "dispatched": 0, "running": 0, "due": NOW, **counters}
    return PageView(page, v, **numbers)


def scanned(*views: PageView, cost_ms: int = 0) -> Backlog:
    backlog = Backlog(BUCKET)
    backlog.scanned(views, NOW, cost_ms)
    return backlog


def front(backlog: Backlog, live: int = 0) -> list[tuple[int, int]]:
    return next((front.pages for front in backlog.fronts(lambda _page: live)), [])


def test_pages_with_retries_and_pages_of_new_work_take_turns_in_plan_order() -> None:
    backlog = scanned(
        view(0, pending=5), view(1, pending=3, waiting=1), view(2, pending=2), view(3, waiting=1), view(4, pending=1)
    )
    assert front(backlog) == [(1, 4), (0, 5), (3, 1), (2, 2), (4, 1)]


def mixed(n_pages: int = 3) -> Backlog:
    """Two columns, the first of which is urgent."""
    bucket = replace(BUCKET, columns=(Column("notices"), Column("gstr2b", "2020-10")), n_pages=n_pages)
    backlog = Backlog(bucket)
    backlog.read_again(bucket, frozenset({0}))
    backlog.scanned([view(page, pending=10) for page in range(n_pages)], NOW, 0)
    return backlog


def fronts(backlog: Backlog) -> dict[bool, list[int]]:
    return {front.urgent: [page for page, _ in front.pages] for front in backlog.fronts(lambda _page: 0)}


def test_urgent_columns_go_first_page_after_page() -> None:
    backlog = mixed()
    assert backlog.first_columns == frozenset({0})
    assert fronts(backlog) == {True: [0, 1, 2], False: [0, 1, 2]}
    backlog.first_columns_done(1)
    assert fronts(backlog) == {True: [0, 2], False: [0, 1, 2]}
    backlog.first_columns_done(0)
    backlog.first_columns_done(2)
    assert fronts(backlog) == {False: [0, 1, 2]}


def test_another_round_and_other_urgent_columns_begin_with_all_pages() -> None:
    backlog = mixed(1)
    backlog.first_columns_done(0)
    backlog.read_again(backlog.bucket, frozenset({0}))
    assert True not in fronts(backlog)
    backlog.read_again(replace(backlog.bucket, round=1), frozenset({0}))
    assert True in fronts(backlog)
    backlog.first_columns_done(0)
    backlog.read_again(backlog.bucket, frozenset({1}))
    assert True in fronts(backlog)


def test_a_bucket_all_of_whose_columns_are_urgent_is_urgent_as_a_whole() -> None:
    backlog = mixed()
    backlog.read_again(backlog.bucket, frozenset({0, 1}))
    assert backlog.first_columns is None
    assert fronts(backlog) == {True: [0, 1, 2]}


def test_pages_that_wait_for_a_gate_come_back_when_it_changes() -> None:
    backlog = scanned(view(0, pending=3), view(1, pending=2))
    backlog.gated(0, NOW + 60_000)
    assert front(backlog) == [(1, 2)]
    assert backlog.gated_units == 3
    backlog.scanned([view(0, pending=3), view(1, pending=2)], NOW + 1_000, 0)
    assert front(backlog) == [(1, 2)]
    backlog.ungate()
    assert backlog.gated_units == 0
    backlog.scanned([view(0, pending=3), view(1, pending=2)], NOW + 2_000, 0)
    assert front(backlog) == [(0, 3), (1, 2)]


def test_due_units_and_the_oldest_of_them_are_known_after_a_scan() -> None:
    backlog = scanned(view(0, pending=3, due=NOW - 70), view(1, waiting=2, due=NOW + 1), view(2, waiting=4))
    assert (backlog.due_units, backlog.oldest_due) == (7, NOW - 70)


def test_pages_without_a_due_unit_are_left_out() -> None:
    assert front(scanned(view(0, waiting=1, due=NOW + 1), view(1, pending=1, due=NOW))) == [(1, 1)]


def test_what_is_already_dispatched_is_subtracted() -> None:
    backlog = scanned(view(0, pending=5), view(1, pending=2))
    assert front(backlog, live=2) == [(0, 3)]
    assert front(backlog) == [(0, 5)], "page 1 comes back with the next scan"


def test_the_front_ends_when_it_offers_enough() -> None:
    backlog = scanned(*[view(page, pending=500) for page in range(5)])
    assert [page for page, _ in front(backlog)] == [0, 1]


def test_a_page_with_nothing_to_take_waits_for_its_time_or_its_next_version() -> None:
    backlog = scanned(view(0, pending=3))
    backlog.next_due(0, NOW + 500)
    assert front(backlog) == []
    backlog.scanned([view(0, pending=3)], NOW + 499, 0)
    assert front(backlog) == []
    backlog.scanned([view(0, pending=3)], NOW + 500, 0)
    assert front(backlog) == [(0, 3)]
    backlog.next_due(0, None)
    backlog.scanned([view(0, v=2, pending=4)], NOW + 600, 0)
    assert front(backlog) == [(0, 4)]


def test_scans_follow_the_clock_touches_and_their_own_cost() -> None:
    backlog = scanned(view(0), cost_ms=15)
    assert not backlog.scan_due(NOW + 999)
    assert backlog.scan_due(NOW + 1_000)
    backlog.touched = True
    assert not backlog.scan_due(NOW + 299)
    assert backlog.scan_due(NOW + 300)
    backlog.scan_begins()
    assert not backlog.touched


def test_a_cheap_scan_still_waits_two_hundred_milliseconds() -> None:
    backlog = scanned(view(0))
    backlog.touched = True
    assert not backlog.scan_due(NOW + 199)
    assert backlog.scan_due(NOW + 200)


def test_a_scan_that_waited_for_the_database_does_not_put_off_the_next_one_for_minutes() -> None:
    backlog = scanned(view(0), cost_ms=9_000)
    assert not backlog.scan_due(NOW + 2_999)
    assert backlog.scan_due(NOW + 3_000)


def test_a_paused_bucket_is_looked_at_when_touched_and_every_ten_seconds() -> None:
    backlog = Backlog(replace(BUCKET, control="PAUSE"))
    assert backlog.scan_due(NOW)
    backlog.scanned([view(0, dispatched=1, pending=1)], NOW, 0)
    assert not backlog.scan_due(NOW + 9_999)
    assert backlog.scan_due(NOW + 10_000)
    backlog.touched = True
    assert backlog.scan_due(NOW + 1_000)


views = st.builds(
    PageView,
    page=st.integers(0, 3),
    v=st.integers(1, 5),
    pending=st.integers(0, 5),
    waiting=st.integers(0, 5),
    dispatched=st.integers(0, 5),
    running=st.integers(0, 5),
    due=st.none() | st.integers(NOW - 1, NOW + 1),
)


@given(st.lists(st.lists(views, max_size=4), max_size=6))
def test_in_flight_is_the_sum_over_the_newest_views(scans: list[list[PageView]]) -> None:
    backlog = Backlog(BUCKET)
    newest: dict[int, PageView] = {}
    for scan in scans:
        backlog.scanned(scan, NOW, 0)
        for seen in scan:
            if seen.page not in newest or newest[seen.page].v < seen.v:
                newest[seen.page] = seen
    assert backlog.in_flight == sum(seen.dispatched + seen.running for seen in newest.values())
    due = {page for page, seen in newest.items() if seen.due is not None and seen.due <= NOW}
    found = backlog.fronts(lambda _page: 0, enough=1_000)
    assert {page for front in found for page, _ in front.pages} == {
        page for page in due if newest[page].pending + newest[page].waiting
    }
