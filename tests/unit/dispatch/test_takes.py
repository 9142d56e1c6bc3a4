"""Which units of a page go out, and in which order."""

from typing import Any

from bucket_api.dispatch.backlog import Column, in_turn
from bucket_api.dispatch.memory import Entry
from bucket_api.dispatch.takes import PageImage, column_order, image_from, take
from hypothesis import given
from hypothesis import strategies as st
from sync_contracts.pages import Page, page_document, page_id
from sync_contracts.units import Unit

NOW = 1_000


def document(*rows: tuple[Unit, ...]) -> dict[str, Any]:
    clients = tuple(f"c{i}" for i in range(len(rows)))
    return page_document(Page(page_id("b", 0), "b", 0, "t", 3, 4, 0, clients, rows))


def image(*rows: tuple[Unit, ...]) -> PageImage:
    return image_from(document(*rows), range(len(rows[0])))


def test_a_clients_units_go_out_cheap_first_whatever_the_order_on_screen() -> None:
    columns = [Column("notices"), Column("gstr2b", "2026-10"), Column("return_register", "2026-27"), Column("gstr2b")]
    assert column_order(columns) == (2, 1, 3, 0)


def test_retries_and_new_work_take_turns_in_plan_order() -> None:
    seen = image((Unit("W", 0), Unit("W", 2, t=5)), (Unit("S", 1), Unit("W", 1_000)), (Unit("W", 1_003), Unit("D", 1)))
    assert [(unit.address, unit.attempt) for unit in seen.waiting] == [
        ((2, 0), 1_004),
        ((0, 0), 1),
        ((0, 1), 3),
        ((1, 1), 1_001),
    ]


def test_the_image_carries_counters_version_and_clients() -> None:
    seen = image((Unit("W", 0, t=7), Unit("W", 1, t=9)), (Unit("D", 1), Unit("R", 1)), (Unit("S", 1), Unit("F", 1)))
    view = seen.view
    assert (view.v, view.pending, view.waiting, view.dispatched, view.running, view.due) == (4, 1, 1, 1, 1, 7)
    assert seen.clients == ("c0", "c1", "c2")


def test_a_continuation_goes_along() -> None:
    assert image((Unit("W", 1, k="token"),)).waiting[0].cont == "token"


def test_a_unit_out_of_attempts_is_never_taken() -> None:
    assert image((Unit("W", 900),)).waiting == ()


def test_what_is_not_due_waits_and_tells_when() -> None:
    taken = take(image((Unit("W", 1, t=NOW + 5),), (Unit("W", 0, t=NOW),), (Unit("W", 0, t=NOW + 9),)), {}, 10, NOW)
    assert [unit.address for unit in taken.units] == [(1, 0)]
    assert taken.next_due == NOW + 5


def test_more_than_the_limit_stays_due_at_once() -> None:
    taken = take(image(*[(Unit("W", 0),) for _ in range(5)]), {}, 3, NOW)
    assert [unit.address[0] for unit in taken.units] == [0, 1, 2]
    assert taken.next_due == NOW


def test_a_remembered_attempt_blocks_until_it_expires() -> None:
    seen = image((Unit("W", 0),))
    assert take(seen, {(0, 0): Entry(1, 10, NOW + 1)}, 5, NOW).units == []
    assert take(seen, {(0, 0): Entry(1, 10, NOW + 1)}, 5, NOW).next_due == NOW + 1
    assert take(seen, {(0, 0): Entry(1, 10, NOW)}, 5, NOW).units[0].attempt == 1


def test_a_remembered_earlier_attempt_does_not_block_the_next() -> None:
    assert take(image((Unit("W", 1),)), {(0, 0): Entry(1, 10, NOW + 1)}, 5, NOW).units[0].attempt == 2


def test_neither_retries_nor_new_work_keep_the_other_waiting() -> None:
    rows = [(Unit("W", 1), Unit("W", 0)) for _ in range(40)]
    for limit in (2, 10, 41):
        taken = [unit.attempt for unit in take(image(*rows), {}, limit, NOW).units]
        assert abs(taken.count(1) - taken.count(2)) <= 1


def test_columns_whose_family_is_closed_wait_for_it_and_the_others_go_on() -> None:
    seen = image((Unit("W", 0), Unit("W", 0)), (Unit("W", 0), Unit("W", 1)))
    taken = take(seen, {}, 10, NOW, closed={1: NOW + 60})
    assert [unit.address for unit in taken.units] == [(0, 0), (1, 0)]
    assert (taken.gated, taken.next_due) == (True, NOW + 60)
    assert not take(seen, {}, 10, NOW, closed={7: NOW + 60}).gated


def test_only_some_columns_are_looked_at_when_others_come_later() -> None:
    seen = image((Unit("W", 0), Unit("W", 0)), (Unit("S", 1), Unit("W", 0)))
    taken = take(seen, {}, 10, NOW, only={0})
    assert ([unit.address for unit in taken.units], taken.next_due) == ([(0, 0)], None)


units = st.builds(
    Unit,
    s=st.sampled_from("WDRSFC"),
    a=st.integers(0, 3) | st.integers(898, 1_002),
    t=st.integers(NOW - 3, NOW + 3),
    f=st.just(0),
)
rows = st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[units] * width), min_size=1, max_size=8))
held = st.dictionaries(
    st.tuples(st.integers(0, 7), st.integers(0, 2)),
    st.builds(Entry, st.integers(1, 4), st.just(1), st.integers(NOW - 2, NOW + 2)),
)


@given(rows, held, st.integers(1, 6))
def test_exactly_the_first_due_units_that_are_not_remembered_are_taken(
    rows: list[tuple[Unit, ...]], held: dict[tuple[int, int], Entry], limit: int
) -> None:
    taken = take(image(*rows), held, limit, NOW)

    def may_go(ci: int, mi: int, unit: Unit) -> bool:
        entry = held.get((ci, mi))
        free = entry is None or entry.attempt < unit.a + 1 or entry.expires_at <= NOW
        return unit.s == "W" and unit.t <= NOW and unit.a % 1000 < 900 and free

    places = [(ci, mi, row[mi]) for mi in range(len(rows[0])) for ci, row in enumerate(rows)]
    waiting = [(ci, mi, unit) for ci, mi, unit in places if unit.s == "W" and unit.a % 1000 < 900]
    in_order = in_turn(
        [each for each in waiting if each[2].a % 1000], [each for each in waiting if not each[2].a % 1000]
    )
    eligible = [((ci, mi), unit.a + 1) for ci, mi, unit in in_order if may_go(ci, mi, unit)]
    assert [(unit.address, unit.attempt) for unit in taken.units] == eligible[:limit]
    assert (taken.next_due == NOW) == (len(eligible) > limit)
