"""One bucket among dispatchers, workers, users and aggregators that crash, repeat, lose and lag; a seed decides all."""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from msgspec.structs import replace
from status_aggregator.aggregator import Aggregator
from status_aggregator.applying import PageChange
from status_aggregator.views import ActiveBucket, PageView
from sync_contracts.documents import SummaryDocument
from sync_contracts.events import Event
from sync_contracts.outcomes import Code
from sync_contracts.pages import Page, bitmap_of, page_document
from sync_contracts.units import Limits, round_of

from tests.support.aggregating import MemoryWorld
from tests.support.audit_checks import CHECKS, Evidence, Logged, committed_events_are_absorbed
from tests.support.memory_stores import MemoryBuckets, MemoryNotices, MemoryPages
from tests.support.planted import Plan
from tests.support.records import Events, FakeRecord, record

T = TypeVar("T")

PLAN = Plan(clients=4, columns=2, page_size=2)
LIMITS = Limits(max_failures=3, dispatched_ms=1_000, running_ms=500, cancelling_ms=300)
QUIET_ROUNDS = 400


@dataclass(frozen=True)
class InFlight:
    """A command that a worker holds."""

    page: str
    ci: int
    mi: int
    attempt: int


@dataclass(frozen=True)
class Selected:
    """A failed or cancelled unit that a retry selected when its newest attempt was of this round."""

    ended_in: int
    page: str
    ci: int
    mi: int


class WatchedPages(MemoryPages):
    """Every write is judged as it happens: verdicts stay (I2), only a round that was cancelled is cancelled (I10)."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng
        self.faulty = True
        self.cancelled_rounds: set[int] = set()
        self.broken: list[str] = []

    async def write(self, changes: Sequence[PageChange]) -> bool:
        if self.faulty and self._rng.random() < 0.1:  # somebody else has written one of the pages in between
            raced = self.stored[self._rng.choice(changes).old.id]
            self.stored[raced.id] = replace(raced, v=raced.v + 1)
        before = dict(self.stored)
        whole = await super().write(changes)
        for change in changes:
            self._judge(before[change.old.id], self.stored[change.old.id])
        return whole

    def _judge(self, old: Page, new: Page) -> None:
        for was, now in zip(chain(*old.rows), chain(*new.rows), strict=True):
            reopened = was.s in {"F", "C"} and now.s == "W" and new.r > old.r
            if was.terminal and was != now and not reopened:
                self.broken.append(f"I2 {old.id}: {was.s} {was.a} became {now.s} {now.a}")
            if was.s != "C" and now.s == "C" and old.r not in self.cancelled_rounds:
                self.broken.append(f"I10 {old.id}: cancelled in round {old.r}")


class PausedReader(MemoryBuckets):
    """An aggregator may pause between a read and what it does next: some reads are old by then."""

    def __init__(self, pages: MemoryPages, rng: random.Random) -> None:
        super().__init__(pages)
        self._rng = rng
        self._earlier: dict[str, deque[Any]] = {}
        self.faulty = True
        self.broken: list[str] = []

    async def active(self, shards: Sequence[int]) -> list[ActiveBucket]:
        return self._sometimes_old("active", await super().active(shards))

    async def views(self, buckets: Sequence[str]) -> dict[str, list[PageView]]:
        return self._sometimes_old("views", await super().views(buckets)) if buckets else {}

    async def summarize(self, summaries: Sequence[tuple[str, SummaryDocument]]) -> None:
        before = {bucket: self.stored[bucket]["summary"]["seq"] for bucket, _ in summaries}
        await super().summarize(summaries)
        gone_back = [bucket for bucket, seq in before.items() if self.stored[bucket]["summary"]["seq"] < seq]
        self.broken += [f"I9 {bucket}: the summary went back" for bucket in gone_back]

    def _sometimes_old(self, read: str, newest: T) -> T:
        reads = self._earlier.setdefault(read, deque(maxlen=4))
        reads.append(newest)
        old: T = self._rng.choice(reads)
        return old if self.faulty and self._rng.random() < 0.25 else newest


class SimulatedBucket:
    """`step` does one random thing; `settle` stops all faults and lets everything end."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.world = MemoryWorld(LIMITS)
        self.written = self.world.pages = WatchedPages(self.rng)
        self.read = self.world.buckets = PausedReader(self.written, self.rng)
        self.world.notices = MemoryNotices(self.world.buckets)
        self.world.buckets.plant(PLAN)
        self.aggregators = [self.world.aggregator(), self.world.aggregator()]
        self.positions = [0, 0]
        self.committed = 0
        self.log: list[FakeRecord] = []
        self.events: list[Event] = []
        self.commands: list[InFlight] = []
        self.selected: list[Selected] = []
        self.lost: list[str] = []

    @property
    def bucket(self) -> dict[str, object]:
        return self.world.buckets.stored[PLAN.bucket]

    @property
    def pages(self) -> list[Page]:
        return [page for _, page in sorted(self.world.pages.stored.items())]

    async def step(self) -> None:
        """One of: dispatch, work, fold, sweep, heal, crash, lag, a user's wish, time."""
        act = self.rng.choices(
            (self.dispatch, self.work, self.fold, self.sweep, self.heal, self.rewind, self.wish, self.wait),
            weights=(8, 12, 12, 4, 2, 2, 1, 3),
        )[0]
        await act()

    async def dispatch(self, *, faulty: bool = True) -> None:
        """Take waiting units of one page; the mark may be lost or doubled."""
        page = self.rng.choice(self.pages)
        if self.bucket["status"] != "RUNNING" or self.bucket["control"] != "RUN":
            return
        taken = [
            InFlight(page.id, ci, mi, unit.a + 1)
            for ci, row in enumerate(page.rows)
            for mi, unit in enumerate(row)
            if unit.s == "W" and unit.t <= self.world.clock() and (not faulty or self.rng.random() < 0.5)
        ]
        self.commands += taken
        for _ in range(self.rng.choice((0, 1, 1, 1, 2)) if faulty else 1):
            if taken:
                self.emit(Events(page).dispatched(*((c.ci, c.mi, c.attempt) for c in taken)))

    async def work(self, *, faulty: bool = True) -> None:
        """Run one command: drop it at preflight, or say what came of it; the command may be delivered again."""
        if not self.commands:
            return
        command = self.rng.choice(self.commands)
        page = self.world.pages.stored[command.page]
        unit = page.rows[command.ci][command.mi]
        if not (faulty and self.rng.random() < 0.2):
            self.commands.remove(command)
        if unit.terminal or round_of(command.attempt) < round_of(unit.a):
            return
        for event in self._outcome(Events(page), command, faulty=faulty):
            if not (faulty and self.rng.random() < 0.1):
                self.emit(event)

    def _outcome(self, of_page: Events, c: InFlight, *, faulty: bool) -> list[Event]:
        where = (c.ci, c.mi, c.attempt)
        ended: Sequence[Event] = (
            of_page.succeeded(*where),
            of_page.failed(*where),
            of_page.retry(*where, delay_ms=self.rng.choice((0, 200))),
            of_page.retry(*where, code=Code.RATE_LIMITED, delay_ms=50),
        )
        chosen = self.rng.choice(ended) if faulty else ended[0]
        return [of_page.started(*where), chosen] if self.rng.random() < 0.5 else [chosen]

    def emit(self, event: Event) -> None:
        """Append to the log."""
        self.log.append(record(event, len(self.log)))
        self.events.append(event)

    async def fold(self) -> None:
        """One aggregator folds the next few records, and may commit."""
        which = self.rng.randrange(len(self.aggregators))
        start = self.positions[which]
        batch = self.log[start : start + self.rng.randint(1, 6)]
        if batch:
            await self.aggregators[which].fold(batch)
            self.positions[which] = start + len(batch)
            if self.rng.random() < 0.5:
                self.committed = self.positions[which]
                self.lost += committed_events_are_absorbed(self._evidence())

    async def sweep(self) -> None:
        await self.rng.choice(self.aggregators).sweep()

    async def heal(self) -> None:
        await self.rng.choice(self.aggregators).heal([PLAN.on_shard])

    async def rewind(self) -> None:
        """An aggregator crashes and starts at the commit, or reads everything again with the images it has."""
        which = self.rng.randrange(len(self.aggregators))
        if self.rng.random() < 0.5:
            self.aggregators[which] = self.world.aggregator()
            self.positions[which] = self.committed
        else:
            self.positions[which] = 0

    async def wait(self) -> None:
        self.world.clock.now_ms += self.rng.choice((10, 200, 1_500))

    async def wish(self) -> None:
        """Cancel, pause, resume, or retry some of what failed."""
        bucket = self.bucket
        running = bucket["status"] == "RUNNING"
        if running and self.rng.random() < 0.3:
            self.written.cancelled_rounds.add(self.read.stored[PLAN.bucket]["round"])
            bucket["control"] = "CANCEL"
            bucket["controls"] = [{"kind": "cancel"}]
        elif running and bucket["control"] != "CANCEL" and self.rng.random() < 0.5:
            bucket["control"] = "PAUSE" if bucket["control"] == "RUN" else "RUN"
        elif not running or bucket["control"] != "CANCEL":
            self._retry(running=running)

    def _retry(self, *, running: bool) -> None:
        sel: dict[str, bytes] = {}
        round_ = self.world.buckets.stored[PLAN.bucket]["round"] + 1
        for page in self.pages:
            ended = [(ci, mi) for ci, row in enumerate(page.rows) for mi, u in enumerate(row) if u.s in {"F", "C"}]
            chosen = [address for address in ended if self.rng.random() < 0.6]
            if chosen:
                sel[str(page.number)] = bitmap_of(ci * PLAN.columns + mi for ci, mi in chosen)
                self.selected += [Selected(round_of(page.rows[ci][mi].a), page.id, ci, mi) for ci, mi in chosen]
        if sel:
            bucket = self.world.buckets.stored[PLAN.bucket]
            bucket["retries"].append({"round": round_, "sel": sel})
            bucket |= {"round": round_, "status": "RUNNING", "active": True}
            if not running:
                bucket["control"] = "RUN"

    async def settle(self) -> None:
        """No faults any more: everything ends within bounded rounds."""
        self.read.faulty = self.written.faulty = False
        if self.bucket["control"] == "PAUSE":
            self.bucket["control"] = "RUN"
        aggregator = self.aggregators[0] = self.world.aggregator()
        self.positions[0] = self.committed
        for _ in range(QUIET_ROUNDS):
            await self.dispatch(faulty=False)
            while self.commands:
                await self.work(faulty=False)
            await self._fold_all(aggregator)
            await aggregator.sweep()
            await aggregator.heal([PLAN.on_shard])
            self.world.clock.now_ms += 200
            if self.bucket["status"] != "RUNNING":
                return

    async def _fold_all(self, aggregator: Aggregator) -> None:
        await aggregator.fold(self.log[self.positions[0] :])
        self.positions[0] = self.committed = len(self.log)

    def broken_promises(self) -> list[str]:
        """What was seen on the way, what the auditor's checks say, and retried units that no round took up (I13)."""
        seen = self.written.broken + self.read.broken + self.lost
        forgotten = [f"I13 {chosen} was not tried again" for chosen in self.selected if self._is_forgotten(chosen)]
        return seen + forgotten + [sentence for check in CHECKS for sentence in check(self._evidence())]

    def _evidence(self) -> Evidence:
        return Evidence(
            logged=[Logged(event, 0, offset) for offset, event in enumerate(self.events)],
            commands=[],
            buckets=self.world.buckets.stored,
            page_documents=[page_document(page) for page in self.pages],
            datasets={},
            committed={0: self.committed},
            limits=LIMITS,
        )

    def _is_forgotten(self, chosen: Selected) -> bool:
        unit = self.world.pages.stored[chosen.page].rows[chosen.ci][chosen.mi]
        return unit.s != "S" and round_of(unit.a) == chosen.ended_in
