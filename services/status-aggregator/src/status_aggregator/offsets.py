"""What was fetched, what is applied, what may be committed: bookkeeping of one assignment. No Kafka, no clock."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from status_aggregator.intake import Record

MAX_BUFFERED: Final = 4_000
MAX_LAG_RECORDS: Final = 1_000
MAX_LAG_MS: Final = 10_000


class Batch(Struct, frozen=True):
    """Records to be applied together. `epoch` names the assignment that they were fetched in."""

    epoch: int
    records: list[Record]


class Lag(Struct, frozen=True):
    """How far a partition is behind its log: records still to be applied, and the age of the oldest in hand."""

    records: int
    age_ms: int

    @property
    def caught_up(self) -> bool:
        """Whether deadlines may be enforced: behind the log an attempt looks overdue whose result waits to be read."""
        return self.records < MAX_LAG_RECORDS and self.age_ms < MAX_LAG_MS


class Assignment:
    """The partitions of one membership.

    Within an epoch each partition is fetched without gaps from its committed offset, so "applied up to" is a fact about
    everything below it and may be committed by anyone at any time. Records fetched outside of an epoch, or applied
    after it ended, prove nothing and are ignored.
    """

    def __init__(self) -> None:
        self._epoch = 0
        self._open = False
        self._partitions: frozenset[int] = frozenset()
        self._buffer: deque[Sequence[Record]] = deque()
        self._buffered = 0
        self._applied: dict[int, int] = {}
        self._committed: dict[int, int] = {}

    @property
    def epoch(self) -> int:
        """Number of the newest assignment, 0 before the first."""
        return self._epoch

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions owned now; empty while the group rebalances."""
        return self._partitions

    @property
    def room(self) -> int:
        """How many more records may be fetched."""
        return MAX_BUFFERED - self._buffered

    @property
    def buffered(self) -> int:
        """Fetched records that no batch has taken yet."""
        return self._buffered

    def backlog(self, partition: int) -> tuple[int, int | None]:
        """Records of a partition that no batch has taken yet: how many, and the append time (ms) of the oldest."""
        waiting = [records for records in self._buffer if records[0].partition == partition]
        return sum(map(len, waiting)), waiting[0][0].timestamp if waiting else None

    def begin(self, partitions: Iterable[int]) -> None:
        """A new assignment: nothing is buffered, nothing known to be applied."""
        self._epoch += 1
        self._open = True
        self._partitions = frozenset(partitions)
        self._clear()

    def end(self) -> None:
        """The partitions are being taken away: what no batch has taken yet is left to the next owner."""
        self._open = False
        self._partitions = frozenset()
        self._buffer.clear()
        self._buffered = 0

    def fetched(self, records: Sequence[Record]) -> bool:
        """Take records of one partition, in log order. False: no assignment has begun, so they must be read again."""
        if self._open and records:
            self._buffer.append(records)
            self._buffered += len(records)
        return self._open

    def take(self, limit: int) -> Batch:
        """The next records, at least one fetch and at most about `limit`; empty when there are none."""
        records: list[Record] = []
        while self._buffer and (not records or len(records) + len(self._buffer[0]) <= limit):
            records.extend(self._buffer.popleft())
        self._buffered -= len(records)
        return Batch(self._epoch, records)

    def applied(self, batch: Batch) -> None:
        """A batch is reflected in durable state."""
        if batch.epoch == self._epoch:
            for record in batch.records:
                self._applied[record.partition] = record.offset + 1

    def to_commit(self) -> dict[int, int]:
        """Offsets to commit by partition, only those that moved since they were last committed."""
        return {p: offset for p, offset in self._applied.items() if self._committed.get(p) != offset}

    def committed(self, epoch: int, offsets: dict[int, int]) -> None:
        """These offsets were accepted."""
        if epoch == self._epoch:
            self._committed |= offsets

    def _clear(self) -> None:
        self._buffer.clear()
        self._buffered = 0
        self._applied.clear()
        self._committed.clear()
