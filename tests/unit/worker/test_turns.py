"""Turns of tenants: shares by weight, a short way for newcomers, nobody passed for ever, nothing left lying."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from sync_worker.turns import CREDIT, Turns

TENANTS = ("a", "b", "c", "d")
WEIGHTS = st.sampled_from((0.5, 1.0, 2.0, 4.0))


def crowd(tenants: Sequence[str], each: int, weight: float = 1.0) -> Turns[str]:
    turns: Turns[str] = Turns()
    for _ in range(each):
        for tenant in tenants:
            turns.put(tenant, tenant, weight)
    return turns


def taken(turns: Turns[str], n: int) -> list[str]:
    return [item for item in (turns.take() for _ in range(n)) if item is not None]


def test_each_tenants_items_come_in_their_order() -> None:
    turns: Turns[int] = Turns()
    for n in range(6):
        turns.put("odd" if n % 2 else "even", n)
    served = [turns.take() for _ in range(7)]
    assert [n for n in served if n is not None and n % 2] == [1, 3, 5]
    assert [n for n in served if n is not None and not n % 2] == [0, 2, 4]
    assert served[-1] is None


def test_a_few_units_of_a_newcomer_go_before_those_who_keep_the_queue_full() -> None:
    turns = crowd([f"busy{n}" for n in range(20)], 50)
    taken(turns, 100)
    for _ in range(5):
        turns.put("newcomer", "newcomer")
    assert taken(turns, 5) == ["newcomer"] * 5


def test_no_more_than_the_credit_can_be_saved_up_and_it_is_not_given_again_at_once() -> None:
    turns = crowd(TENANTS, 100)
    taken(turns, 100)
    for _ in range(40):
        turns.put("newcomer", "newcomer")
    assert 0 <= Counter(taken(turns, CREDIT + 20))["newcomer"] - (CREDIT + 4) <= 1
    while "newcomer" in turns:
        turns.take()
    turns.put("newcomer", "newcomer")
    assert "newcomer" not in taken(turns, 3), "it has just had its turn"


@given(st.lists(st.tuples(st.sampled_from(TENANTS), WEIGHTS), max_size=60), st.data())
def test_it_never_says_that_there_is_nothing_while_there_is_something(
    puts: list[tuple[str, float]], data: st.DataObject
) -> None:
    """Work conserving, whatever is put, taken and discarded in between: every item comes exactly once."""
    turns: Turns[int] = Turns()
    waiting: dict[int, str] = {}
    for number, (tenant, weight) in enumerate(puts):
        turns.put(tenant, number, weight)
        waiting[number] = tenant
        match data.draw(st.sampled_from(("put", "take", "discard"))):
            case "take":
                item = turns.take()
                assert item is not None
                del waiting[item]
            case "discard":
                gone = data.draw(st.sampled_from(sorted(waiting)))
                turns.discard(waiting.pop(gone), gone)
        assert len(turns) == len(waiting)
        assert set(turns) == set(waiting)
    rest = [turns.take() for _ in range(len(waiting))]
    assert set(rest) == set(waiting)
    assert turns.take() is None


@given(st.lists(WEIGHTS, min_size=2, max_size=5), st.integers(1, 300))
def test_who_always_has_items_is_served_by_weight(weights: list[float], n: int) -> None:
    """Once the first credits are used, the shares of any two differ by a turn of each, at any moment."""
    turns: Turns[int] = Turns()
    used_up = (CREDIT + 1) * len(weights)
    for tenant, weight in enumerate(weights):
        for _ in range(n + used_up):
            turns.put(str(tenant), tenant, weight)
    for _ in range(used_up):
        turns.take()
    had = Counter[int]()
    for _ in range(n):
        served = turns.take()
        assert served is not None
        had[served] += 1
        for one, first in enumerate(weights):
            for other, second in enumerate(weights):
                assert had[one] / first - had[other] / second <= 1 / first + 1 / second + 1e-6


@given(st.lists(st.integers(0, 12), min_size=10, max_size=60))
def test_nobody_is_passed_by_more_than_turns_and_credit_however_others_come_and_go(arrivals: list[int]) -> None:
    """`steady` always has an item; the others come in bursts, leave and come again to be newcomers each time."""
    others = TENANTS[1:]
    turns = crowd(("steady",), 1_000)
    had = Counter[str]()
    for number, burst in enumerate(arrivals):
        for _ in range(burst):
            turns.put(others[number % len(others)], others[number % len(others)])
        for _ in range(3):
            item = turns.take()
            assert item is not None
            had[item] += 1
        assert all(had[other] <= had["steady"] + CREDIT + 2 for other in others)


def test_what_is_discarded_costs_its_tenant_no_turn() -> None:
    turns: Turns[int] = Turns()
    for n in range(10):
        turns.put("a", n)
        turns.put("b", 100 + n)
    for n in range(8):
        turns.discard("a", n)
    turns.discard("nobody", 1)
    assert {turns.take(), turns.take()} == {8, 100}


def test_tenants_that_have_gone_are_forgotten() -> None:
    turns = crowd(("steady",), 5_000)
    for n in range(2_000):
        turns.put(f"t{n}", "once")
        taken(turns, 2)
    assert len(turns._ended) < 200
