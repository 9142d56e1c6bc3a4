"""Selection and eligibility of a retry: a partition of what was asked for, and bits that lead back to the units."""

from typing import Any, get_args

from bucket_api.buckets.choosing import (
    Candidates,
    Choice,
    RetryFilter,
    bits_of,
    choose,
    gather,
    is_selected,
    shortened,
)
from bucket_api.buckets.eligibility import IneligibleCode, Standing
from bucket_api.buckets.left_units import why_left
from bucket_api.buckets.units import Layout, UnitFilter, placed
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sync_contracts.buckets import canonical
from sync_contracts.outcomes import FAILURES, SUCCESSES, UNCOUNTED_RETRIES, Code
from sync_contracts.pages import Page, page_document
from sync_contracts.reasons import REASONS
from sync_contracts.units import Unit, reopen

LAYOUT = Layout(3, (("notices", None), ("gstr2b", "2026-10"), ("return_register", "2026-27")))
READY = Standing(active=True, ready=True, blocked=False, user_changed_ms=10**15, logged_in_ms=10**15)
UNITS = st.one_of(
    st.builds(Unit, st.just("W"), st.integers(0, 3), t=st.just(5), e=st.sampled_from([None, "PORTAL_ERROR"])),
    st.builds(Unit, st.sampled_from(["D", "R"]), st.integers(1, 3), t=st.just(5)),
    st.builds(Unit, st.just("S"), st.just(1), t=st.just(5), e=st.sampled_from([None, *sorted(SUCCESSES - {Code.OK})])),
    st.builds(Unit, st.just("F"), st.just(1), t=st.just(5), e=st.sampled_from(sorted(FAILURES | UNCOUNTED_RETRIES))),
    st.builds(Unit, st.just("C"), st.just(1), t=st.just(5), e=st.just("CANCELLED_BY_USER")),
)
ROWS = st.lists(st.tuples(UNITS, UNITS, UNITS), min_size=1, max_size=8)
STANDINGS = st.builds(Standing, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([None, 1, 9]), st.none())


def pages(rows: list[tuple[Unit, ...]]) -> list[dict[str, Any]]:
    size = LAYOUT.clients_per_page
    return [
        page_document(
            Page(
                f"b:{number:05d}", "b", number, "t", 0, 1, 0,
                tuple(f"c_{first + at}" for at in range(len(rows[first : first + size]))),
                tuple(rows[first : first + size]),
            )
        )
        for number, first in enumerate(range(0, len(rows), size))
    ]  # fmt: skip


def chosen(
    rows: list[tuple[Unit, ...]],
    wanted: RetryFilter | None = None,
    standing: Standing = READY,
    selections: dict[int, dict[str, bytes]] | None = None,
    *,
    force: bool = False,
) -> Choice:
    found = Candidates()
    for page in pages(rows):
        gather(found, page, wanted or RetryFilter(), LAYOUT)
    standings = {f"c_{row}": standing for row in range(len(rows))}
    return choose(found, LAYOUT, standings, selections or {}, force=force)


@given(ROWS, STANDINGS)
def test_f16_a1_every_matched_unit_is_eligible_or_left_for_one_reason(
    rows: list[tuple[Unit, ...]], standing: Standing
) -> None:
    choice = chosen(rows, standing=standing)
    assert choice.matched == 3 * len(rows) == choice.n + sum(choice.left_n.values())
    assert set(choice.left) <= set(get_args(IneligibleCode))
    for page in pages(rows):
        for unit in placed(page, LAYOUT):
            assert is_selected(unit, LAYOUT, choice.selected) == (why_left(unit, LAYOUT, choice.left) is None)
    assert choice.calls >= choice.n


@given(ROWS)
def test_f16_a1_only_failed_and_cancelled_units_are_selected_and_all_of_them_run_again(
    rows: list[tuple[Unit, ...]],
) -> None:
    """What the bits say, `reopen` does: a unit waits afterwards exactly if it was selected or was open before."""
    choice = chosen(rows)
    again = 0
    for document in pages(rows):
        for unit in placed(document, LAYOUT):
            selected = is_selected(unit, LAYOUT, choice.selected)
            assert not selected or unit.unit.s in "FC"
            after = reopen(unit.unit, 1, selected, 7)
            again += after.s == "W" and after.a == 1000
            assert (after == unit.unit) is not selected
    assert again == choice.n


@given(ROWS)
def test_what_is_selected_already_is_not_selected_again(rows: list[tuple[Unit, ...]]) -> None:
    first = chosen(rows)
    second = chosen(rows, selections={1: dict(first.selected)})
    assert (second.n, second.selected) == (0, {})
    assert second.left_n.get("not_final", 0) >= first.n


@given(ROWS, STANDINGS)
def test_f16_a2_needs_action_is_never_selected_while_its_client_is_not_ready(
    rows: list[tuple[Unit, ...]], standing: Standing
) -> None:
    choice = chosen(rows, RetryFilter(UnitFilter(state=("needs_action",))), standing)
    in_session = sum(
        unit.state == "needs_action" and unit.column < 2 for page in pages(rows) for unit in placed(page, LAYOUT)
    )
    if not standing.ready or standing.blocked or not standing.active:
        assert sum(choice.left_n.values()) >= in_session


@given(ROWS)
def test_f11_a2_nothing_of_a_guarded_client_that_needs_a_session_is_selected(rows: list[tuple[Unit, ...]]) -> None:
    guarded = Standing(active=True, ready=True, blocked=True, user_changed_ms=10**15, logged_in_ms=10**15)
    choice = chosen(rows, RetryFilter(columns=frozenset({0, 1})), guarded)
    assert choice.n == 0


@given(ROWS, st.sampled_from(sorted(REASONS)))
def test_filters_of_one_field_add_up(rows: list[tuple[Unit, ...]], reason: str) -> None:
    one = chosen(rows, RetryFilter(UnitFilter(reason=(reason,))))
    others = chosen(rows, RetryFilter(UnitFilter(reason=tuple(sorted(set(REASONS) - {reason})))))
    unexplained = sum(unit.reason is None for page in pages(rows) for unit in placed(page, LAYOUT))
    assert one.matched + others.matched + unexplained == 3 * len(rows)


@given(ROWS, ROWS)
def test_a_preview_names_the_set_of_units_and_nothing_else(
    rows: list[tuple[Unit, ...]], others: list[tuple[Unit, ...]]
) -> None:
    first, second = chosen(rows), chosen(others)
    assert (first.preview == second.preview) == (first.selected == second.selected)


@given(ROWS)
def test_f08_a4_data_inside_its_cool_down_is_left_for_that_unless_it_is_forced(rows: list[tuple[Unit, ...]]) -> None:
    fresh = replace(READY, fresh=frozenset({LAYOUT.columns[1]}))
    free, held = chosen(rows), chosen(rows, standing=fresh)
    would = [unit for page in pages(rows) for unit in placed(page, LAYOUT) if is_selected(unit, LAYOUT, free.selected)]
    inside = [unit for unit in would if unit.column == 1]
    assert all(why_left(unit, LAYOUT, held.left) == "cooldown" for unit in inside)
    assert held.left_n.get("cooldown", 0) == len(inside) == free.n - held.n
    assert chosen(rows, standing=fresh, force=True).selected == free.selected


def test_bits_lead_back_to_the_units() -> None:
    rows = [tuple(Unit("F", 1, e="TOTALS_MISMATCH") for _ in range(3)) for _ in range(7)]
    units = [unit for page in pages(rows) for unit in placed(page, LAYOUT) if (unit.row + unit.column) % 2]
    bits = bits_of(((unit.row, unit.column) for unit in units), LAYOUT)
    assert [u.id for p in pages(rows) for u in placed(p, LAYOUT) if is_selected(u, LAYOUT, bits)] == [
        unit.id for unit in units
    ]
    assert bits["2"] == b"\x02"


@given(
    st.dictionaries(
        st.sampled_from(["states", "reasons", "client_ids", "unit_ids", "tags"]), st.lists(st.text(max_size=30))
    )
)
def test_a_kept_filter_is_short(asked: dict[str, list[str]]) -> None:
    kept = shortened(asked)
    assert len(canonical(kept)) <= 512
    assert set(kept) == {name for name, values in asked.items() if values}


def test_a_filter_of_ten_thousand_ids_is_kept_by_its_length() -> None:
    ids = [f"c_{n}" for n in range(10_000)]
    assert shortened({"client_ids": ids, "states": ["failed"]}) == {"client_ids": "10000 values", "states": ["failed"]}
