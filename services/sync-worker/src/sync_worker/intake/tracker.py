"""Which offsets of a partition are finished, and how far a commit may go. Pure.

A commit value is true for ever: every offset below it has had its effect, whoever sends the commit and whenever.
Facts about offsets therefore survive that a partition is revoked and assigned again to the same process.
"""

from typing import Final

SPAN_LIMIT: Final = 2_000


class Tracker:
    """Offsets of one partition.

    `base` is the lowest offset not known to be finished. Finished and running offsets above it are remembered; offsets
    that the log has skipped (deleted by retention) count as finished. Bounded: the driver pauses a full partition.
    """

    def __init__(self, base: int, span: int = SPAN_LIMIT) -> None:
        self._base = base
        self._next = base
        self._span = span
        self._finished: set[int] = set()
        self._running: set[int] = set()
        self._gaps: dict[int, int] = {}

    @property
    def commit_value(self) -> int:
        """The offset to commit: nothing above the lowest unfinished one."""
        return self._base

    @property
    def running(self) -> int:
        """How many offsets are being worked on."""
        return len(self._running)

    @property
    def full(self) -> bool:
        """Whether the partition must be paused: too much lies between the lowest unfinished and the next offset."""
        return self._next - self._base >= self._span

    def went_back(self, offset: int) -> bool:
        """Whether the consumer receives this offset a second time: the topic was truncated or made anew."""
        return offset < self._next

    def reach(self, offset: int) -> None:
        """The consumer has received this offset: what it jumped over does not exist."""
        start = max(self._next, self._base)
        if offset > start:
            self._gaps[start] = offset
            self._advance()
        self._next = max(self._next, offset + 1)

    def want(self, offset: int) -> bool:
        """Whether the record at this offset has still to be worked on here."""
        return offset >= self._base and offset not in self._finished and offset not in self._running

    def start(self, offset: int) -> None:
        """Work on the record begins."""
        self._running.add(offset)

    def finish(self, offset: int) -> None:
        """The record has had its durable effect."""
        self._running.discard(offset)
        if offset >= self._base:
            self._finished.add(offset)
            self._advance()

    def rewind(self, committed: int) -> None:
        """The partition was assigned again and is read from `committed`: facts stay, queued records come again."""
        self._base = max(self._base, committed)
        self._finished = {offset for offset in self._finished if offset >= self._base}
        self._gaps.clear()  # found again while reading
        self._next = committed
        self._advance()

    def _advance(self) -> None:
        while True:
            if self._base in self._finished:
                self._finished.discard(self._base)
                self._base += 1
            elif self._base in self._gaps:
                self._base = self._gaps.pop(self._base)
            else:
                return
