"""A page is its units: counters, timers, changes and the update that carries them."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sync_contracts.pages import (
    COUNTERS,
    Page,
    bitmap_of,
    changed,
    clients_per_page,
    in_bitmap,
    page_document,
    page_from,
    page_id,
    tally,
    update_of,
    with_units,
)
from sync_contracts.units import DISPLAY_STATES, Unit, UnitState, display_index, fold, reopen

from tests.unit.contracts.unit_histories import LIMITS, genuine_facts, histories

NOW = 50
units = histories(max_steps=8).map(lambda history: history.end)


@st.composite
def pages(draw: st.DrawFn) -> Page:
    width, height = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    rows = tuple(tuple(draw(units) for _ in range(width)) for _ in range(height))
    clients = tuple(f"c_{n}" for n in range(height))
    return Page(page_id("b_1", 3), "b_1", 3, "t_1", 7, draw(st.integers(1, 9)), draw(st.integers(0, 2)), clients, rows)


def applied(document: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    """What MongoDB makes of the document: `$set` with dotted paths, `$unset`."""
    result = copy.deepcopy(document)
    for path, value in update["$set"].items():
        *parents, last = path.split(".")
        target: Any = result
        for step in parents:
            target = target[int(step)] if isinstance(target, list) else target[step]
        target[int(last) if isinstance(target, list) else last] = value
    for path in update.get("$unset", {}):
        result.pop(path, None)
    return result


@given(pages())
def test_counters_equal_the_recount_of_the_units(page: Page) -> None:
    everything = [unit for row in page.rows for unit in row]
    tallied = tally(page.rows)
    assert tallied.counters == {
        "cp": sum(unit.s == "W" and unit.a % 1000 == 0 for unit in everything),
        "cw": sum(unit.s == "W" and unit.a % 1000 > 0 for unit in everything),
        "cd": sum(unit.s == "D" for unit in everything),
        "cr": sum(unit.s == "R" for unit in everything),
        "cs": sum(unit.s == "S" for unit in everything),
        "cf": sum(unit.s == "F" for unit in everything),
        "cc": sum(unit.s == "C" for unit in everything),
    }
    assert set(tallied.counters) == set(COUNTERS)
    shown = list(map(int, tallied.h.split(",")))
    assert shown == [sum(display_index(unit) == n for unit in everything) for n in range(len(DISPLAY_STATES))]
    assert tallied.due == min((unit.t for unit in everything if unit.s == "W"), default=None)
    assert tallied.dl == min((unit.t for unit in everything if unit.s in {"D", "R"}), default=None)


@given(pages())
def test_a_page_is_stored_and_read_back_unchanged(page: Page) -> None:
    document = page_document(page)
    assert page_from(document) == page
    assert page_document(page_from(document)) == document


@given(pages(), st.data())
def test_folding_a_page_is_folding_its_units(page: Page, data: st.DataObject) -> None:
    facts = {
        (ci, mi): data.draw(genuine_facts(unit))
        for ci, row in enumerate(page.rows)
        for mi, unit in enumerate(row)
        if data.draw(st.booleans())
    }

    def after(ci: int, mi: int, unit: Unit) -> Unit:
        return fold(unit, facts[ci, mi], NOW, LIMITS) if (ci, mi) in facts else unit

    folded = changed(page, after)
    for ci, row in enumerate(page.rows):
        for mi, unit in enumerate(row):
            assert folded.rows[ci][mi] == after(ci, mi, unit)
    news = {
        (ci, mi): after(ci, mi, unit)
        for ci, row in enumerate(page.rows)
        for mi, unit in enumerate(row)
        if after(ci, mi, unit) is not unit
    }
    assert with_units(page, news) == folded
    assert (folded is page) == (folded.rows == page.rows)
    assert folded.v == page.v + (folded is not page)


@given(pages(), pages())
def test_the_update_carries_the_old_document_to_the_new_one(page: Page, other: Page) -> None:
    def after(ci: int, mi: int, unit: Unit) -> Unit:
        return other.unit(ci, mi) or unit

    new = changed(page, after, round_=page.r + 1)
    assert applied(page_document(page), update_of(page, new)) == page_document(new)


@given(pages())
def test_an_update_names_only_units_that_changed(page: Page) -> None:
    done = Unit("S", 1_000_000, t=NOW)
    new = with_units(page, {(0, 0): done})
    paths = [path for path in update_of(page, new)["$set"] if path.startswith("c.")]
    assert paths == ["c.0.m.0"]
    assert new.v == page.v + 1
    assert with_units(page, {}) is page


@given(pages(), st.sets(st.integers(0, 11)))
def test_a_selection_reopens_its_units_and_no_other(page: Page, selected: set[int]) -> None:
    bitmap = bitmap_of(selected)
    width = len(page.rows[0])
    following = 1 + max(unit.a // 1000 for row in page.rows for unit in row)

    def after(ci: int, mi: int, unit: Unit) -> Unit:
        return reopen(unit, following, in_bitmap(bitmap, ci * width + mi), NOW)

    opened = changed(page, after, round_=following)
    assert opened.r == following
    for ci, row in enumerate(page.rows):
        for mi, unit in enumerate(row):
            again = ci * width + mi in selected and unit.s in {"F", "C"}
            assert opened.rows[ci][mi] == (Unit("W", 1000 * following, 0, NOW) if again else unit)


@given(st.sets(st.integers(0, 499)))
def test_a_bitmap_holds_exactly_its_positions(positions: set[int]) -> None:
    bitmap = bitmap_of(positions)
    assert {position for position in range(600) if in_bitmap(bitmap, position)} == positions
    assert len(bitmap) <= 63


@pytest.mark.parametrize(("columns", "expected"), [(1, 100), (5, 100), (6, 83), (9, 55), (500, 1)])
def test_a_page_never_exceeds_a_hundred_clients_or_five_hundred_units(columns: int, expected: int) -> None:
    assert clients_per_page(columns) == expected
    assert clients_per_page(columns) * columns <= 500


def test_an_address_outside_of_the_page_has_no_unit() -> None:
    page = Page(page_id("b", 0), "b", 0, "t", 0, 1, 0, ("c",), ((Unit(),),))
    assert page.unit(0, 0) == Unit()
    for ci, mi in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        assert page.unit(ci, mi) is None
    assert page_id("b", 7) < page_id("b", 10)


def test_the_largest_page_stays_far_below_the_limit_of_a_document() -> None:
    state: UnitState = "W"
    full = Unit(state, 499_900, 4, 2**53, 2**40, "PORTAL_PREPARING", "k" * 512, 255, "x" * 24)
    rows = tuple((full,) * 5 for _ in range(100))
    clients = tuple("c" * 64 for _ in range(100))
    assert len(repr(page_document(Page(page_id("b" * 60, 1), "b", 1, "t", 0, 1, 0, clients, rows)))) < 2_000_000
