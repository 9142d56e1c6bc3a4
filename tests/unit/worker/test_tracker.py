"""The tracker against a ghost log: contiguous commits, one run per record and process, bounded memory, no stall."""

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sync_worker.intake.tracker import Tracker


class Forgets(Tracker):
    """Planted bug: facts are lost at an assignment."""

    def rewind(self, committed: int) -> None:
        self._finished.clear()
        self._running.clear()
        self._base = self._next = committed


class LowersBase(Tracker):
    """Planted bug: an older commit found at an assignment takes the base back."""

    def rewind(self, committed: int) -> None:
        super().rewind(committed)
        self._base = committed


class CommitsHighest(Tracker):
    """Planted bug: the commit value jumps over unfinished offsets."""

    def finish(self, offset: int) -> None:
        super().finish(offset)
        self._base = max(self._base, offset + 1)


class IgnoresGaps(Tracker):
    """Planted bug: waits for ever for offsets that retention has deleted."""

    def reach(self, offset: int) -> None:
        self._next = max(self._next, offset + 1)


class Machine(RuleBasedStateMachine):
    """A log with holes, read by one process that loses and regains the partition."""

    tracker_class: type[Tracker] = Tracker

    @initialize(
        holes=st.sets(st.integers(0, 39), max_size=8),
        length=st.integers(1, 40),
        clients=st.integers(1, 5),
        span=st.integers(1, 12),
    )
    def begin_log(self, holes: set[int], length: int, clients: int, span: int) -> None:
        self.log = [offset for offset in range(length) if offset not in holes]
        self.end = self.log[-1] + 1 if self.log else 0
        self.clients = {offset: offset * 7 % clients for offset in self.log}
        self.span = span
        self.tracker = self.tracker_class(0, span)
        self.committed = self.position = 0
        self.emitted: set[int] = set()
        self.begun: set[int] = set()
        self.busy: dict[int, int] = {}
        self.queue: list[int] = []
        self.assigned = True

    def unread(self) -> list[int]:
        return [offset for offset in self.log if offset >= self.position]

    @precondition(lambda self: self.assigned and self.unread() and not self.tracker.full)
    @rule()
    def fetch(self) -> None:
        offset = self.unread()[0]
        self.position = offset + 1
        self.tracker.reach(offset)
        if self.tracker.want(offset):
            self.queue.append(offset)

    @precondition(lambda self: self.queue)
    @rule(choice=st.integers(0, 50))
    def begin(self, choice: int) -> None:
        offset = self.queue[choice % len(self.queue)]
        client = self.clients[offset]
        if client in self.busy.values() or any(o < offset and self.clients[o] == client for o in self.queue):
            return
        self.queue.remove(offset)
        if self.tracker.want(offset):
            assert offset not in self.begun, f"offset {offset} ran twice in one process"
            self.begun.add(offset)
            self.tracker.start(offset)
            self.busy[offset] = client

    @precondition(lambda self: self.busy)
    @rule(choice=st.integers(0, 50))
    def end_run(self, choice: int) -> None:
        offset = sorted(self.busy)[choice % len(self.busy)]
        del self.busy[offset]
        self.emitted.add(offset)
        self.tracker.finish(offset)

    @precondition(lambda self: self.assigned)
    @rule()
    def commit(self) -> None:
        self.committed = self.tracker.commit_value

    @precondition(lambda self: self.assigned)
    @rule()
    def revoke(self) -> None:
        self.assigned = False
        self.queue = []

    @precondition(lambda self: not self.assigned)
    @rule(back=st.integers(0, 3))
    def assign(self, back: int) -> None:
        self.assigned = True
        self.committed = self.position = max(0, self.committed - back)
        self.tracker.rewind(self.committed)

    @invariant()
    def nothing_unfinished_is_committed(self) -> None:
        if hasattr(self, "tracker"):
            for value in (self.committed, self.tracker.commit_value):
                assert all(offset in self.emitted for offset in self.log if offset < value)
            assert len(self.tracker._finished) + self.tracker.running <= 3 * self.span + 3

    def teardown(self) -> None:
        """Without further rebalances everything is finished exactly once and committed."""
        if not hasattr(self, "tracker"):
            return
        for _ in range(4 * len(self.log) + 10):
            if not self.assigned:
                self.assign(0)
            while self.unread() and not self.tracker.full:
                self.fetch()
            for offset in list(self.queue):
                self.begin(self.queue.index(offset))
            for _ in range(len(self.busy)):
                self.end_run(0)
        assert self.tracker.commit_value == self.end or not self.log


def check(tracker_class: type[Tracker], examples: int) -> None:
    class Checked(Machine):
        pass

    Checked.tracker_class = tracker_class
    steps = settings(
        max_examples=examples, stateful_step_count=60, deadline=None, database=None, phases=(Phase.generate,)
    )
    run_state_machine_as_test(Checked, settings=steps)


def test_every_offset_is_finished_once_before_it_is_committed() -> None:
    check(Tracker, 100)


@pytest.mark.parametrize("planted", [Forgets, LowersBase, CommitsHighest, IgnoresGaps])
def test_the_machine_catches_a_planted_bug(planted: type[Tracker]) -> None:
    with pytest.raises((AssertionError, ExceptionGroup)):
        check(planted, 500)


def test_a_partition_is_full_at_its_span_and_free_again_when_the_lowest_offset_is_finished() -> None:
    tracker = Tracker(10, span=2)
    for offset in (10, 11):
        tracker.reach(offset)
        tracker.start(offset)
    tracker.finish(11)
    assert (tracker.full, tracker.commit_value) == (True, 10)
    tracker.finish(10)
    assert (tracker.full, tracker.commit_value) == (False, 12)
