"""What may be committed: only what was fetched without a gap in this assignment and is applied."""

from collections.abc import Sequence

from status_aggregator.intake import Record
from status_aggregator.offsets import MAX_BUFFERED, Assignment

from tests.support.records import FakeRecord


def fetch(partition: int, *offsets: int) -> Sequence[Record]:
    return [FakeRecord(b"", offset, partition, timestamp=offset * 10) for offset in offsets]


def assigned(*partitions: int) -> Assignment:
    assignment = Assignment()
    assignment.begin(partitions)
    return assignment


def test_nothing_is_committed_before_it_is_applied() -> None:
    assignment = assigned(0, 1)
    assignment.fetched(fetch(0, 5, 6))
    batch = assignment.take(10)

    assert assignment.to_commit() == {}
    assignment.applied(batch)
    assert assignment.to_commit() == {0: 7}


def test_an_accepted_commit_is_not_sent_again() -> None:
    assignment = assigned(0)
    assignment.fetched(fetch(0, 5))
    assignment.applied(assignment.take(10))
    assignment.committed(assignment.epoch, {0: 6})

    assert assignment.to_commit() == {}


def test_fetches_are_taken_whole_and_in_order() -> None:
    assignment = assigned(0, 1)
    assignment.fetched(fetch(0, 0, 1, 2))
    assignment.fetched(fetch(1, 0))
    assignment.fetched(fetch(0, 3))

    assert [(r.partition, r.offset) for r in assignment.take(4).records] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert [(r.partition, r.offset) for r in assignment.take(4).records] == [(0, 3)]
    assert assignment.take(4).records == []


def test_a_fetch_larger_than_the_limit_is_still_taken() -> None:
    assignment = assigned(0)
    assignment.fetched(fetch(0, 0, 1, 2))

    assert len(assignment.take(1).records) == 3


def test_buffered_records_use_up_the_room() -> None:
    assignment = assigned(0)
    assignment.fetched(fetch(0, *range(30)))

    assert assignment.room == MAX_BUFFERED - 30
    assert assignment.backlog(0) == (30, 0)
    assert assignment.backlog(1) == (0, None)
    assignment.take(100)
    assert assignment.room == MAX_BUFFERED


def test_what_no_batch_has_taken_is_left_to_the_next_owner() -> None:
    assignment = assigned(0)
    assignment.fetched(fetch(0, 5))
    running = assignment.take(10)
    assignment.fetched(fetch(0, 6))
    assignment.end()
    assignment.fetched(fetch(0, 7))
    assignment.applied(running)

    assert assignment.to_commit() == {0: 6}
    assert assignment.buffered == 0


def test_a_batch_that_ends_in_a_later_assignment_proves_nothing_there() -> None:
    assignment = assigned(0)
    assignment.fetched(fetch(0, 5))
    late = assignment.take(10)
    assignment.end()
    assignment.begin([0])
    assignment.applied(late)
    assignment.committed(assignment.epoch - 1, {0: 99})

    assert assignment.to_commit() == {}
    assignment.fetched(fetch(0, 2))
    assignment.applied(assignment.take(10))
    assert assignment.to_commit() == {0: 3}


def test_partitions_are_known_only_while_they_are_owned() -> None:
    assignment = assigned(0, 3)

    assert assignment.partitions == {0, 3}
    assignment.end()
    assert assignment.partitions == frozenset()


def test_records_that_come_before_their_assignment_are_not_taken() -> None:
    assignment = Assignment()

    assert not assignment.fetched(fetch(0, 5))
    assignment.begin([0])
    assert assignment.fetched(fetch(0, 5))
    assert assignment.buffered == 1
