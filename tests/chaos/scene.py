"""A scene: a running product under load, faults from a table one after the other, then the auditor's judgement."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiokafka.structs import ConsumerRecord
from local_stack.settings import StackSettings
from sync_contracts.topics import DEAD_LETTERS
from syncbucket_cli.client import Refused, Unreachable

from tests.chaos.guards import Sampler, sampled
from tests.chaos.ledger import Class, Ledger
from tests.chaos.load import MODULE_OF, Lane, Load
from tests.support.faulty_runs import SEEN_LATE_S, audited
from tests.support.proxy import Proxy
from tests.support.running_stack import NOTHING, RunningStack, running_as

Json = dict[str, Any]
CALLS_PER_S: Final = 70.0
"""Calls of all workers together: a pair of buckets lasts about fifteen seconds when nothing happens."""
READY_DEADLINE_S: Final = 180.0
QUEUED_S: Final = 11.0
"""How long a unit may wait between its preflight and its call: meanwhile it may end through another delivery.

The image that the preflight read is at most a second old, a permit is waited for at most 10 s.
"""
UNTRACED: Final = 0.001
HOLD_STEP_S: Final = 1.0


@dataclass
class Scene:
    """What a fault may touch. `extra_calls`: portal calls above one a unit that the faults so far may have cost."""

    running: RunningStack
    load: Load
    sampler: Sampler
    extra_calls: int = 0
    violations: list[str] = field(default_factory=list)
    share: float = 1.0
    """Of a whole run's counts and times."""
    counts: Counter[str] = field(default_factory=Counter)
    refused: dict[tuple[str, int, int], str] = field(default_factory=dict)
    """Records broken on purpose: topic, partition and offset, and the reason that their dead letters must have."""
    kept: dict[str, list[ConsumerRecord]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """Observed figures with their bounds; none of them passes or fails a run."""
    proxies: dict[str, Proxy] = field(default_factory=dict)
    """What stands between the services and a server, by the server's name; most families have none."""

    def scaled(self, seconds: float) -> float:
        """How long something lasts in a run of this share."""
        return seconds * min(1.0, self.share)

    def keep(self, topic: str, records: Sequence[ConsumerRecord]) -> None:
        """Remember records that are about to be gone: the auditor judges by them, too."""
        self.kept.setdefault(topic, []).extend(records)

    def hold(self, seconds: float) -> None:
        """Let a fault last so long, with work to do all the time as far as the service can take it."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with contextlib.suppress(Refused, Unreachable, AssertionError):
                self.load.renew(patience_s=min(left, 5.0))
            time.sleep(min(HOLD_STEP_S, max(0.0, until - time.monotonic())))

    def wait_ready(self) -> None:
        """Every process says that it is ready."""
        self.running.stack.wait_ready(READY_DEADLINE_S)


@dataclass(frozen=True)
class Fault:
    """One class of faults. `inject` breaks something, and mends it unless it mends itself.

    `times`: at least in a whole run · `extra_calls`: portal calls that one injection may cost · `missing`: why it
    cannot be injected here, or nothing.
    """

    name: str
    times: int
    inject: Callable[[Scene], None]
    extra_calls: int = 0
    missing: Callable[[], str] = lambda: ""


@dataclass(frozen=True)
class Family:
    """Faults that share a scene. `verdicts`: how buckets may end; `at_end`: a last look before the auditor's."""

    name: str
    faults: Sequence[Fault]
    scene: Callable[[Path], AbstractContextManager[Scene]]
    verdicts: frozenset[str] = frozenset({"complete"})
    at_end: Callable[[Scene], None] = lambda _: None
    before_end: Callable[[Scene], None] = lambda _: None
    """Done when the last fault is over, before the buckets are waited for."""
    strict_calls: bool = True
    """Whether repeated portal calls are counted against `extra_calls`."""
    dead_letters: bool = False
    """Whether records are refused here; elsewhere each dead letter is a violation."""
    late_calls_are_wrong: bool = True
    """Not where the time of a unit's end is dated by a wrong clock, or other buckets fetch the same data."""


@contextmanager
def plain_scene(folder: Path, *, workers: int = 2, dispatchers: int = 1, aggregators: int = 1) -> Iterator[Scene]:
    """The product as it is, with its two practices taken on."""
    settings = StackSettings.on_free_ports(folder, workers=workers, dispatchers=dispatchers, aggregators=aggregators)
    with opened(settings) as scene:
        yield scene


@contextmanager
def opened(
    settings: StackSettings,
    *,
    proxies: Mapping[str, Proxy] = NOTHING,
    load: Callable[[RunningStack], Load] = Load.open,
    calls_per_s: float = CALLS_PER_S,
    **environments: Any,
) -> Iterator[Scene]:
    """A scene over a stack of these settings; `environments` as `running_as` takes them."""
    settings = settings.model_copy(update={"portal_rate_per_s": calls_per_s})
    with running_as(settings, traced_share=UNTRACED, **environments) as running, sampled(running.stack) as sampler:
        yield Scene(running, load(running), sampler, proxies=dict(proxies))


def play(family: Family, folder: Path, ledger: Ledger, say: Callable[[str], None], share: float = 1.0) -> None:
    """Inject every fault of a family under load and judge what is left. `share` of the counts, at least once each."""
    with family.scene(folder) as scene:
        scene.share = share
        for fault in family.faults:
            ledger.classes.append(_injected(fault, scene, max(1, round(fault.times * share)), say))
        scene.wait_ready()
        family.before_end(scene)
        scene.load.end()
        family.at_end(scene)
        violations, counts = judged(scene, family)
        scene.sampler.look()
        ledger.fired(scene.sampler.fired)
        ledger.counts.update(counts)
        ledger.notes += scene.notes
        ledger.violations += [f"{family.name}: {sentence}" for sentence in violations]


def _injected(fault: Fault, scene: Scene, times: int, say: Callable[[str], None]) -> Class:
    began = time.monotonic()
    if reason := fault.missing():
        say(f"  {fault.name}: skipped, {reason}")
        return Class(fault.name, times, 0, 0.0, reason)
    for number in range(1, times + 1):
        scene.load.press()
        say(f"  {fault.name} {number} of {times}")
        fault.inject(scene)
        scene.extra_calls += fault.extra_calls
        scene.wait_ready()
    return Class(fault.name, times, times, time.monotonic() - began)


def judged(scene: Scene, family: Family) -> tuple[list[str], Counter[str]]:
    """What the run broke: the auditor's sentences, buckets without a good end, calls that nothing explains."""
    report = audited(scene.running, scene.load.clients, earlier=scene.kept)
    violations = [*scene.violations, *report.violations]
    counts: Counter[str] = Counter(report.counts)
    counts.update(scene.counts)
    violations += _ended_badly(scene, family)
    extra, late = repeated(scene.load.lanes)
    counts["portal calls repeated"] += extra
    counts["portal calls that faults may repeat"] += scene.extra_calls
    counts["portal calls after their unit's end"] += len(late)
    if late and family.late_calls_are_wrong:
        scene.notes.append(f"{family.name}: latest call after its unit's end {late[0].by_s:.1f} s, {late[0].what}")
    if family.strict_calls and extra > scene.extra_calls:
        violations.append(f"{extra} portal calls were repeated, the faults explain {scene.extra_calls}")
    if family.late_calls_are_wrong and (too_late := [call for call in late if call.by_s > QUEUED_S]):
        violations.append(f"{len(too_late)} units were called again after they had ended: {too_late[:5]}")
    if (letters := report.counts.get(DEAD_LETTERS.name, 0)) and not family.dead_letters:
        violations.append(f"{letters} dead letters")
    if not report.counts.get("units_S"):
        violations.append("no unit succeeded: nothing was judged")
    return violations, counts


def _ended_badly(scene: Scene, family: Family) -> Iterator[str]:
    for lane in scene.load.lanes:
        for bucket in map(lane.seen, lane.buckets):
            if bucket["verdict"] not in family.verdicts:
                yield f"bucket {bucket['id']} ended as {bucket['verdict']}: {bucket['counters']}"


class LateCall(NamedTuple):
    """A portal call for a unit that had ended so many seconds before."""

    by_s: float
    what: str


def repeated(lanes: Sequence[Lane]) -> tuple[int, list[LateCall]]:
    """Portal calls above one for each unit, and those for units that had ended, the latest first."""
    extra, late = 0, []
    for lane in lanes:
        limits = [*lane.began_s[1:], float("inf")]
        calls = lane.calls()
        for bucket_id, since_s, until_s in zip(lane.buckets, lane.began_s, limits, strict=True):
            units = {_place(unit): unit for unit in lane.practice.units(bucket_id)}
            for call in (c for c in calls if since_s <= c.at_s < until_s):
                unit = units.get(_called(call))
                extra += 1
                ended_at = unit and unit["ended_at"]
                if ended_at and (by_s := call.at_s - datetime.fromisoformat(ended_at).timestamp()) > SEEN_LATE_S:
                    late.append(LateCall(by_s, f"{bucket_id} {call.action} {call.period}"))
            extra -= len(units)
    return max(0, extra), sorted(late, reverse=True)


def _called(call: Any) -> tuple[str, str, str | None]:
    month = f"{call.period[2:]}-{call.period[:2]}" if call.period else None
    return call.gstin, MODULE_OF.get(call.action, call.action), month


def _place(unit: Json) -> tuple[str, str, str | None]:
    return unit["gstin"], unit["module"], unit["period"] if unit["module"] == "gstr2b" else None
