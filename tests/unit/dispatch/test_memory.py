"""What was dispatched and is not yet seen."""

from bucket_api.dispatch.memory import EXPIRY_MS, LONGEST_EXPIRY_MS, Memory
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

PAGE = ("b", 0)
UNIT = (4, 2)


def noted(attempt: int = 1, v: int = 1, now: int = 0) -> Memory:
    memory = Memory()
    memory.note(PAGE, v, [(UNIT, attempt)], now)
    return memory


def test_an_entry_lasts_ten_minutes_and_twice_as_long_with_each_repeat_up_to_an_hour() -> None:
    memory = Memory()
    now = 0
    lasted = []
    for _ in range(5):
        end = memory.note(PAGE, 1, [(UNIT, 1)], now)
        lasted.append((end - now) // 60_000)
        assert memory.live(PAGE, end - 1) == 1
        assert memory.live(PAGE, end) == 0
        now = end
    assert lasted == [10, 20, 40, 60, 60]
    assert memory.note(PAGE, 1, [(UNIT, 2)], now) - now == EXPIRY_MS, "another attempt starts anew"
    assert LONGEST_EXPIRY_MS == 3_600_000


def test_entries_compare_attempts_not_units() -> None:
    memory = noted(attempt=1)
    memory.reflect(PAGE, 2, {UNIT: 1})  # it was retried and waits for attempt 2
    assert memory.held(PAGE) == {}


def test_a_unit_that_still_waits_for_the_attempt_is_kept() -> None:
    memory = noted(attempt=1)
    memory.reflect(PAGE, 2, {UNIT: 0})
    assert memory.held(PAGE)[UNIT].attempt == 1
    assert memory.seen(PAGE) == 2


def test_a_unit_that_no_longer_waits_is_forgotten() -> None:
    memory = noted()
    memory.reflect(PAGE, 2, {})
    assert len(memory) == 0
    assert memory.seen(PAGE) is None


def test_an_image_older_than_the_one_dispatched_from_says_nothing() -> None:
    memory = noted(attempt=3, v=7)
    memory.reflect(PAGE, 6, {})
    assert memory.held(PAGE)[UNIT].attempt == 3


def test_a_failed_send_is_forgotten_but_not_a_later_attempt() -> None:
    memory = noted(attempt=2)
    memory.drop(PAGE, [(UNIT, 1)])
    assert memory.live(PAGE, 0) == 1
    memory.drop(PAGE, [(UNIT, 2)])
    assert len(memory) == 0


def test_ended_buckets_are_forgotten() -> None:
    memory = noted()
    memory.keep_buckets({"b", "c"})
    assert memory.in_flight(0) == {PAGE[0]: 1}
    memory.keep_buckets({"c"})
    assert memory.in_flight(0) == {}


class MemoryAgainstModel(RuleBasedStateMachine):
    """Live entries are counted right whatever happens in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory()
        self.model: dict[tuple[tuple[str, int], tuple[int, int]], tuple[int, int]] = {}
        self.now = 0

    @rule(page=st.integers(0, 1), ci=st.integers(0, 3), attempt=st.integers(1, 3))
    def note(self, page: int, ci: int, attempt: int) -> None:
        key = ("b", page)
        end = self.memory.note(key, 1, [((ci, 0), attempt)], self.now)
        self.model[key, (ci, 0)] = (attempt, end)

    @rule(page=st.integers(0, 1), ci=st.integers(0, 3), attempt=st.integers(1, 3))
    def drop(self, page: int, ci: int, attempt: int) -> None:
        self.memory.drop(("b", page), [((ci, 0), attempt)])
        if self.model.get((("b", page), (ci, 0)), (0, 0))[0] == attempt:
            del self.model[("b", page), (ci, 0)]

    @rule(page=st.integers(0, 1), waiting=st.dictionaries(st.integers(0, 3), st.integers(0, 3)))
    def reflect(self, page: int, waiting: dict[int, int]) -> None:
        key = ("b", page)
        self.memory.reflect(key, 1, {(ci, 0): attempt for ci, attempt in waiting.items()})
        self.model = {
            (k, (ci, mi)): (attempt, end)
            for (k, (ci, mi)), (attempt, end) in self.model.items()
            if k != key or (ci in waiting and waiting[ci] < attempt)
        }

    @rule(ms=st.integers(0, LONGEST_EXPIRY_MS))
    def time_passes(self, ms: int) -> None:
        self.now += ms

    @invariant()
    def counts_agree(self) -> None:
        assert len(self.memory) == len(self.model)
        live = sum(end > self.now for _, end in self.model.values())
        assert sum(self.memory.in_flight(self.now).values()) == live
        for page in (0, 1):
            expected = sum(end > self.now for (k, _), (_, end) in self.model.items() if k == ("b", page))
            assert self.memory.live(("b", page), self.now) == expected


TestMemoryAgainstModel = MemoryAgainstModel.TestCase


@given(st.lists(st.integers(1, 5), min_size=1))
def test_the_newest_note_of_a_unit_wins(attempts: list[int]) -> None:
    memory = Memory()
    for attempt in attempts:
        memory.note(PAGE, 1, [(UNIT, attempt)], 0)
    assert memory.held(PAGE)[UNIT].attempt == attempts[-1]
    assert memory.live(PAGE, 0) == 1
