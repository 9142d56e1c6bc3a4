"""What time and wishes do to a page: only what is due, only in the right round."""

import pytest
from msgspec.structs import replace
from status_aggregator.timers import cancelled, expired, interrupted, reopened
from status_aggregator.views import ActiveBucket
from sync_contracts.outcomes import Code
from sync_contracts.pages import Page, bitmap_of, in_bitmap, with_units
from sync_contracts.units import Limits, Unit

from tests.support.planted import Plan

NOW = 100_000
LIMITS = Limits(cancelling_ms=5_000)
FRESH = Plan(clients=2, columns=2).pages()[0]
BUCKET = ActiveBucket("b_one", "t_one", 0, "RUN", 0, 1_000_000, 1, {})
CANCELLING = replace(BUCKET, control="CANCEL")


def page(*units: Unit, r: int = 0) -> Page:
    """A page of four units, in row order."""
    return replace(with_units(FRESH, dict(zip([(0, 0), (0, 1), (1, 0), (1, 1)], units, strict=True))), r=r, v=5)


def states(changed: Page) -> str:
    return "".join(unit.s for row in changed.rows for unit in row)


ALL = page(Unit("W", 0), Unit("D", 1, t=NOW + 9_000), Unit("R", 1, t=NOW + 1_000), Unit("S", 1))
ENDED = page(Unit("F", 3), Unit("C", 2), Unit("S", 1), Unit("F", 1))


def test_cancelling_ends_what_waits_and_shortens_what_is_in_flight() -> None:
    after = cancelled(ALL, CANCELLING, NOW, LIMITS)

    assert states(after) == "CDRS"
    assert after.rows[0][0] == Unit("C", 0, t=NOW, e=Code.CANCELLED_BY_USER)
    assert [after.rows[0][1].t, after.rows[1][0].t] == [NOW + 5_000, NOW + 1_000]
    assert after.v == ALL.v + 1


def test_cancelling_again_changes_nothing() -> None:
    after = cancelled(ALL, CANCELLING, NOW, LIMITS)

    assert cancelled(after, CANCELLING, NOW + 1_000, LIMITS) is after


@pytest.mark.parametrize("bucket", [BUCKET, replace(BUCKET, control="PAUSE"), replace(CANCELLING, round=1)])
def test_only_a_cancellation_of_the_pages_own_round_cancels(bucket: ActiveBucket) -> None:
    assert cancelled(ALL, bucket, NOW, LIMITS) is ALL


def test_a_cancellation_older_than_the_page_spares_what_was_retried_since() -> None:
    retried = page(Unit("W", 1_000), Unit("S", 1), Unit("S", 1), Unit("S", 1), r=1)

    assert cancelled(retried, CANCELLING, NOW, LIMITS) is retried


def test_an_attempt_past_its_deadline_is_tried_again_and_not_counted() -> None:
    late = interrupted(ALL, BUCKET, NOW + 1_000, LIMITS)

    assert states(late.page) == "WDWS"
    assert late.page.rows[1][0] == Unit("W", 1, t=NOW + 1_000, e=Code.INTERRUPTED)
    assert late.attempts == [[1, 0, 1, "INTERRUPTED", False, NOW + 1_000, 0, 0, 0, 0, None, None]]


def test_nothing_is_interrupted_before_its_deadline() -> None:
    assert interrupted(ALL, BUCKET, NOW, LIMITS).page is ALL


def test_an_overdue_attempt_of_a_cancelled_bucket_is_cancelled() -> None:
    late = interrupted(ALL, CANCELLING, NOW + 9_000, LIMITS)

    assert states(late.page) == "WCCS"


def test_an_overdue_attempt_of_a_later_round_is_not_cancelled_by_an_older_wish() -> None:
    later = page(Unit("D", 1_001, t=NOW), Unit("S", 1), Unit("S", 1), Unit("S", 1), r=1)

    assert states(interrupted(later, CANCELLING, NOW, LIMITS).page) == "WSSS"


def test_an_overdue_attempt_of_an_unknown_bucket_is_tried_again() -> None:
    assert states(interrupted(ALL, None, NOW + 1_000, LIMITS).page) == "WDWS"


def test_the_last_attempt_of_a_round_fails_at_its_deadline() -> None:
    used_up = page(Unit("R", 900, t=NOW), Unit("S", 1), Unit("S", 1), Unit("S", 1))

    assert states(interrupted(used_up, BUCKET, NOW, LIMITS).page) == "FSSS"


def test_what_waits_fails_when_the_buckets_time_is_over() -> None:
    after = expired(ALL, replace(BUCKET, deadline_at=NOW), NOW, LIMITS)

    assert states(after) == "FDRS"
    assert after.rows[0][0].e == Code.DEADLINE_PASSED


@pytest.mark.parametrize(
    "bucket",
    [BUCKET, replace(BUCKET, deadline_at=NOW, control="PAUSE"), replace(BUCKET, deadline_at=NOW, round=1)],
)
def test_a_deadline_ahead_a_pause_or_another_round_expires_nothing(bucket: ActiveBucket) -> None:
    assert expired(ALL, bucket, NOW, LIMITS) is ALL


def test_a_retry_reopens_what_it_selected_and_raises_the_round() -> None:
    bucket = replace(BUCKET, round=1, selections={1: {"0": bitmap_of([0, 2])}})

    after = reopened(ENDED, bucket, NOW)

    assert states(after) == "WCSF"
    assert after.rows[0][0] == Unit("W", 1_000, t=NOW)
    assert (after.r, after.v) == (1, ENDED.v + 1)


def test_a_page_that_missed_rounds_applies_the_union_of_their_selections() -> None:
    selections = {1: {"0": bitmap_of([0])}, 2: {"0": bitmap_of([1])}, 3: {"7": bitmap_of([3])}}

    after = reopened(ENDED, replace(BUCKET, round=3, selections=selections), NOW)

    assert states(after) == "WWSF"
    assert [after.rows[0][0].a, after.rows[0][1].a, after.r] == [3_000, 3_000, 3]


def test_a_selection_that_the_page_has_applied_is_not_applied_again() -> None:
    selections = {1: {"0": bitmap_of([0])}, 2: {"0": bitmap_of([3])}}

    after = reopened(replace(ENDED, r=1), replace(BUCKET, round=2, selections=selections), NOW)

    assert states(after) == "FCSW"


def test_a_page_without_a_bit_only_takes_the_round() -> None:
    after = reopened(ENDED, replace(BUCKET, round=1, selections={1: {}}), NOW)

    assert states(after) == "FCSF"
    assert after.r == 1


@pytest.mark.parametrize("round_", [0, 1])
def test_a_page_in_the_buckets_round_or_later_stays(round_: int) -> None:
    ahead = replace(ENDED, r=1)

    assert reopened(ahead, replace(BUCKET, round=round_, selections={1: {"0": b"\xff"}}), NOW) is ahead


def test_a_bitmap_answers_for_each_position() -> None:
    chosen = {0, 7, 8, 499}

    assert {n for n in range(600) if in_bitmap(bitmap_of(chosen), n)} == chosen
    assert bitmap_of([]) == b""
