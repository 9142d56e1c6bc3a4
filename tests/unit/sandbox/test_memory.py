"""What is kept never weighs more than its limit, and what is not kept is made again."""

from hypothesis import given
from hypothesis import strategies as st
from portal_sandbox.book.shelf import Books, Shelf
from portal_sandbox.memory import Memory
from portal_sandbox.periods import Period
from portal_sandbox.taxpayers import taxpayer

from tests.unit.sandbox.books import number


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 12)), max_size=60))
def test_weight_stays_within_the_limit_and_answers_are_right(asked: list[tuple[int, int]]) -> None:
    memory: Memory[tuple[int, int], str] = Memory(10, len)
    for key, size in asked:
        made = f"{key}" * size
        assert memory.get((key, size), lambda made=made: made) == made  # type: ignore[misc]
        assert memory.weight <= 10


def test_least_lately_used_value_goes_first() -> None:
    memory: Memory[str, str] = Memory(2, len)
    made: list[str] = []

    def ask(key: str) -> None:
        def make() -> str:
            made.append(key)
            return key

        memory.get(key, make)

    for key in ("a", "b", "a", "c", "a", "b"):
        ask(key)
    assert made == ["a", "b", "c", "b"]


def test_a_month_is_the_same_after_it_was_forgotten() -> None:
    books = Books(taxpayer(number(), 1), "generated", Period(2026, 10))
    first = Shelf(1, 60)
    assert first.month(books) is first.month(books)
    assert first.month(books) == Shelf(1, 60).month(books)
    assert first.month(books) != Shelf(2, 60).month(books)
