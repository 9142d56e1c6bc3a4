"""People pause, resume, cancel and retry five buckets every two seconds while processes are killed."""

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from local_stack.settings import StackSettings
from sync_contracts.collections import BUCKETS
from syncbucket_cli.client import Refused, Unreachable

from tests.chaos.scene import QUEUED_S, Family, Fault, Scene, opened
from tests.support.eventually import eventually_blocking

Json = dict[str, Any]
BUCKETS_AT_ONCE: Final = 5
WISH_EVERY_S: Final = 2.0
KILL_EVERY_S: Final = 10.0
LASTS_S: Final = 300.0
REFUSED_CLIENTS: Final = 12
"""Clients whose 2B fails, so that there is something to retry."""
LEGAL: Final = frozenset(
    {
        "bucket_ended",
        "bucket_cancelling",
        "nothing_eligible",
        "plan_active",
        "too_many_runs",
        "too_many_active_buckets",
        "too_many_queued_units",
        "idempotency_in_progress",
    }
)
"""Definite answers to a wish that comes too late, or too early."""
VICTIMS: Final = ("worker-0", "aggregator-0", "dispatcher-0", "api", "worker-1", "aggregator-1")
SEED: Final = 11
ENDED_DEADLINE_S: Final = 300.0


class People:
    """Who wishes what, drawn from a seed; remembers what was answered."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.draw = random.Random(SEED)
        self.practice = scene.load.lanes[0].practice
        self.months = iter([f"{year}-{month:02}" for year in (2022, 2021) for month in range(1, 13)])
        self.buckets: list[str] = []
        self.answers: Counter[str] = Counter()

    def start(self) -> None:
        """One more bucket, of a plan of its own while there are months: the 2B of one, and the register."""
        month = next(self.months, None)
        if month is None:
            return
        period = {"rule": "months", "months": [month]}
        modules = ("return_register", "gstr2b")
        started = self._asked("start", lambda: self.practice.start(*modules, period=period, options={"force": True}))
        if started and started not in self.buckets:
            self.buckets.append(started)

    def wish(self) -> None:
        """One wish for one of the newest buckets; every fourth is asked twice at once, with one key."""
        bucket = self.draw.choice(self.buckets[-BUCKETS_AT_ONCE:])
        body = self.draw.choice(
            (
                {"kind": "pause"},
                {"kind": "resume"},
                {"kind": "resume"},
                {"kind": "cancel"},
                {"kind": "retry", "all": True},
                {"kind": "retry", "all": True},
                {"kind": "retry", "filter": {"states": ["failed", "needs_action"]}},
                {"kind": "retry", "filter": {"modules": ["gstr2b"], "states": ["cancelled"]}},
            )
        )
        key = uuid4().hex
        for _ in range(2 if self.draw.random() < 0.25 else 1):
            self._asked(str(body["kind"]), lambda: self._act(bucket, body, key))

    def ended(self) -> None:
        """Let every paused bucket go on and wait until all have ended."""
        for bucket in self.buckets:
            eventually_blocking(lambda b=bucket: self._has_ended(b), ENDED_DEADLINE_S, what=f"{bucket} ends")  # type: ignore[misc]

    def _has_ended(self, bucket: str) -> bool:
        try:
            found = self.practice.bucket(bucket, fresh=True)
        except (Unreachable, Refused):
            return False
        if found["verdict"] is None and found["status"] in {"paused", "pausing"}:
            self._asked("resume", lambda: self._act(bucket, {"kind": "resume"}, uuid4().hex))
        return found["verdict"] is not None

    def _act(self, bucket: str, body: Json, key: str) -> Json:
        headers = {"Idempotency-Key": key}
        answer: Json = self.practice.api.request(
            "POST", f"/v1/buckets/{bucket}/actions", json=body, headers=headers
        ).json()
        return answer

    def _asked(self, kind: str, ask: Any) -> Any:
        """The answer; None when the service was away or said that it is too late, which is a definite answer."""
        try:
            found = ask()
        except Unreachable:
            self.answers[f"{kind}: no answer"] += 1
            return None
        except Refused as refused:
            code = str(refused.problem.get("code"))
            self.answers[f"{kind}: {code}"] += 1
            if code not in LEGAL and refused.problem.get("status", 500) < 500 and not refused.rate_limited:
                self.scene.violations.append(f"{kind} was answered {refused.problem}")
            return None
        self.answers[kind] += 1
        return found


def impatient(scene: Scene) -> None:
    """Five minutes of wishes, one kill in ten seconds; then everything is let go and must end."""
    people, victims = People(scene), itertools.cycle(VICTIMS)
    with refusing(scene):
        began = time.monotonic()
        next_kill = began + KILL_EVERY_S
        while (now := time.monotonic()) < began + scene.scaled(LASTS_S):
            if len(people.buckets) < BUCKETS_AT_ONCE or people.draw.random() < 0.1:
                people.start()
            if people.buckets:
                people.wish()
            if now >= next_kill:
                scene.running.stack.kill9(next(victims))
                next_kill = now + KILL_EVERY_S
            time.sleep(WISH_EVERY_S)
    scene.wait_ready()
    people.ended()
    scene.counts.update({f"wish {name}": count for name, count in people.answers.items()})
    scene.violations += [*wrong_rounds(scene, people.buckets), *called_again(scene, people)]


@contextmanager
def refusing(scene: Scene) -> Iterator[None]:
    """Some clients' 2B does not add up while this lasts: those units fail and may be retried."""
    with ExitStack() as scripted:
        for client in scene.load.lanes[0].clients[:REFUSED_CLIENTS]:
            fault = scene.running.sandbox.fault("wrong_total", gstin=client.gstin, action="GET2B")
            scripted.enter_context(fault)
        yield


def wrong_rounds(scene: Scene, buckets: list[str]) -> Iterator[str]:
    """Each retry that was taken is one round with one key."""
    for bucket in scene.running.database[BUCKETS.name].find({"_id": {"$in": buckets}}):
        keys = [entry["key"] for entry in bucket.get("retries", ())]
        if len(set(keys)) != len(keys):
            yield f"{bucket['_id']}: a retry was taken twice"
        if bucket["round"] != len(keys):
            yield f"{bucket['_id']}: round {bucket['round']} with {len(keys)} retries"


def called_again(scene: Scene, people: People) -> Iterator[str]:
    """A 2B that had succeeded was fetched again: each month belongs to one bucket, and S never runs again."""
    called_at_s = {
        (call.gstin, call.period): call.at_s for call in scene.running.sandbox.data_calls() if call.action == "GET2B"
    }
    for bucket in people.buckets:
        for unit in people.practice.units(bucket, state="done", module="gstr2b"):
            scene.counts["succeeded units looked at"] += 1
            ended_s = datetime.fromisoformat(unit["ended_at"]).timestamp()
            if called_at_s.get((unit["gstin"], f"{unit['period'][5:]}{unit['period'][:4]}"), 0.0) > ended_s + QUEUED_S:
                yield f"{bucket}: {unit['module']} {unit['period']} was fetched again after its success"


@contextmanager
def _scene(folder: Path) -> Iterator[Scene]:
    with opened(StackSettings.on_free_ports(folder, aggregators=2, dispatchers=2)) as scene:
        yield scene


FAMILY: Final = Family(
    "wishes",
    (Fault("five minutes of wishes and kills", 1, impatient),),
    _scene,
    verdicts=frozenset({"complete", "complete_with_gaps"}),
    strict_calls=False,
    late_calls_are_wrong=False,
)
