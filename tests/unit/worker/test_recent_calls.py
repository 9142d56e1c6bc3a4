"""Calls of the last five minutes, in classes of their duration."""

from hypothesis import given
from hypothesis import strategies as st
from sync_contracts.line_reports import CLASSES_PER_DOUBLING
from sync_worker.recent_calls import PIECE_S, WINDOW_S, RecentCalls, class_of


@given(st.integers(1, 900_000))
def test_a_duration_lies_within_its_class_which_is_a_fifth_wide(ms: int) -> None:
    lower, upper = (2 ** ((class_of(ms) + more) / CLASSES_PER_DOUBLING) for more in (0, 1))
    assert lower <= ms * 1.000001
    assert ms < upper * 1.000001


@given(st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 60_000), st.sampled_from((0, 200, 429, 500, 503)))))
def test_what_is_told_is_what_the_last_five_minutes_had(calls: list[tuple[int, int, int]]) -> None:
    recent, now_s = RecentCalls(), 1_000
    for at_s, ms, http in sorted(calls):
        recent.note(at_s, ms, http)
    told = recent.told(now_s)
    inside = [call for call in calls if call[0] // PIECE_S > now_s // PIECE_S - WINDOW_S // PIECE_S]
    assert told["calls"] == len(inside) == sum(told["took"].values())
    assert told["errors"] == sum(http == 0 or http >= 500 for _, _, http in inside)
