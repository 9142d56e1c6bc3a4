"""What the run is told while it goes on: by the aggregator's observer, by the dispatcher's outbox, by the line."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from bucket_api.dispatch.messages import Outgoing
from status_aggregator.applying import Applied
from status_aggregator.completion import Miscount
from status_aggregator.intake import Refused
from status_aggregator.sweeps import Swept
from sync_contracts import commands
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.execution.retry import Done, TryAgain
from sync_worker.execution.runner import Ended
from sync_worker.modules.port import Refusal

from tests.simulation.consumer import SimulatedConsumer
from tests.simulation.network import Simulation


class Observer:
    """The aggregator's observer and watch: alarms are violations, the rest is counted."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    @contextmanager
    def batch(self, records: int, parents: Sequence[str]) -> Iterator[None]:  # noqa: ARG002
        """No span."""
        yield

    def folded(self, records: int, applied: Applied, refused: Sequence[Refused]) -> None:  # noqa: ARG002
        """What became of a batch."""
        guards = self._sim.guards
        guards["compare-and-set failed"] += applied.conflicts
        guards["fold without effect"] += applied.absorbed
        guards["image read anew"] += applied.reloads
        for refusal in refused:
            self._sim.guards[f"event refused: {refusal.reason}"] += 1

    def swept(self, swept: Swept) -> None:
        """What a sweep did."""
        self._sim.guards["page swept"] += swept.changed
        self._sim.guards["completion refused"] += swept.refused

    def overtaken(self) -> None:
        """A sweep lost its compare-and-set."""
        self._sim.guards["compare-and-set failed"] += 1

    def notified(self, notifications: int) -> None:
        """So many completions were told."""
        self._sim.guards["notification"] += notifications

    def pages_missing(self, bucket: str, found: int, expected: int) -> None:
        """An alarm."""
        self._sim.broken(f"I3 {bucket}: {found} of {expected} pages")

    def miscounted(self, bucket: str, miscount: Miscount) -> None:
        """An alarm."""
        self._sim.broken(f"I1 {bucket}: {miscount}")

    def beat(self, loop: str) -> None:
        """A loop moves."""

    def assigned(self, partitions: int) -> None:
        """The group gave partitions."""

    def lag(self, records: int) -> None:
        """Records still to be applied."""


class Watching:
    """Everything that processes tell."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self.observer = Observer(sim)
        self.consumers: dict[str, SimulatedConsumer] = {}
        self._holders: dict[tuple[str, int], str] = {}

    def commands_sent(self, records: Sequence[Outgoing], controls: Mapping[str, str]) -> None:
        """P1: nothing goes out of a bucket that was read as paused or cancelled."""
        for bucket in sorted({commands.decode(record.value).bucket for record in records}):
            if controls.get(bucket) != "RUN":
                self._sim.broken(f"P1 {bucket}: taken although it was read as {controls.get(bucket)}")

    def holds(self, client: str, fence: int, record: str) -> None:
        """F1: a fence is held by one delivery."""
        if other := self._holders.get((client, fence)):
            self._sim.broken(f"F1 {client}: fence {fence} is held by a delivery of {other} and by one of {record}")
        self._holders[client, fence] = record

    def guarded(self, guard: str) -> None:
        """A guard turned something away."""
        self._sim.guards[guard] += 1

    def attempted(self, ended: Ended) -> None:
        """An attempt has ended."""
        match ended.ending:
            case TryAgain(code=Code.CLIENT_SERIAL) if not ended.timing.calls:
                self._sim.guards["fence not one's own"] += 1
            case TryAgain(code=Code.CLIENT_SERIAL):
                self._sim.guards["base of the data was lost"] += 1
            case TryAgain(code=Code.CRASH_LOOP):
                self._sim.guards["crash loop"] += 1
            case TryAgain(code=Code.ATTACHED):
                self._sim.guards["attached"] += 1
            case Done(code=Code.UNCHANGED) if not ended.timing.calls:
                self._sim.guards["cool-down"] += 1
            case _:
                pass

    def suppressed(self) -> None:
        """The dispatcher's memory kept a unit from being taken again."""
        self._sim.guards["memory suppression"] += 1

    def refused(self, topic: str, reason: DeadLetterReason) -> None:  # noqa: ARG002
        """The worker refused a command."""
        self._sim.guards[f"command refused: {reason.value}"] += 1


class Line:
    """Permits for the portal: now and then none, as a limiter or a closed gate would answer."""

    refusals = 0.03

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim

    def use(self, *_of: object, **_more: object) -> "Line":
        """One unit's use of the line."""
        return self

    async def permit(self, _family: str) -> Refusal | None:
        """None: the call may be made."""
        await asyncio.sleep(0)
        if self._sim.weather.lost and self._sim.rng.random() < self.refusals:
            outcome = self._sim.rng.choice((OutcomeClass.RATE_LIMITED, OutcomeClass.LINE_DOWN))
            return Refusal(outcome, retry_after_ms=1_000)
        return None

    async def saw(self, family: str, refusal: Refusal | None) -> None:
        """What the portal answered."""

    async def explained(self, refusal: Refusal) -> Refusal:
        """The refusal as it is."""
        return refusal
