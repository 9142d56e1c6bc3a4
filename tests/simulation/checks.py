"""The promises, judged as the run goes on: at each change that a majority has, each record, each committed offset."""

from collections.abc import Iterable
from typing import Any

import msgspec
from sync_contracts import commands, events
from sync_contracts.buckets import is_open, terminal_status
from sync_contracts.commands import Command
from sync_contracts.events import Dispatched, Event, Started, Succeeded
from sync_contracts.outcomes import Code
from sync_contracts.pages import COUNTERS, TOTAL_NAMES, in_bitmap, page_from, page_id, tally
from sync_contracts.topics import COMMANDS, DEAD_LETTERS, EVENTS
from sync_contracts.units import Unit, fold, is_ahead, round_of
from sync_worker.datasets.versions import dataset_of

from tests.simulation.documents import Document
from tests.simulation.group import Group
from tests.simulation.images import Images, changed_units, is_terminal
from tests.simulation.log import Stored
from tests.simulation.portal import Unit as Address
from tests.simulation.world import World

TERMINAL = frozenset("SFC")
BY_FAULT = "fault"
"""Who writes records that no process wrote: copies and garbage."""


class Checks:
    """Watches a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sim = world.sim
        self.images = Images(world)
        self.history: list[Event] = []
        self.commands: list[Command] = []
        self.issued: dict[tuple[Address, int], int] = {}
        """Dataset version that the portal had when an attempt was first commanded."""
        self._issued_at: dict[tuple[Address, int], int] = {}
        self._reopened_at: dict[Address, int] = {}
        self._ended: set[tuple[Address, int]] = set()
        self._by_cooldown: set[tuple[Address, int]] = set()
        self._cancelled_round: dict[str, int] = {}
        self._must_reopen: dict[Address, int] = {}
        self._excused: set[tuple[str, int, int]] = set()
        self._judged: dict[tuple[str, int], int] = {}
        self._needed: dict[str, int] = {}
        self._fence_of: dict[tuple[str, int], tuple[str, str]] = {}
        self._clock = 0
        world.replica.watchers.append(self._durable)
        world.log.watchers.append(self._written)
        for group in world.groups.values():
            group.watchers.append(self._committed)

    # Records.

    def _written(self, record: Stored, by: str) -> None:
        if record.topic == DEAD_LETTERS.name:
            headers = dict(record.headers)
            place = headers["dlq-topic"].decode(), int(headers["dlq-partition"]), int(headers["dlq-offset"])
            self._excused.add(place)
        elif by == BY_FAULT:
            return
        elif record.topic == COMMANDS.name:
            self._commanded(commands.decode(record.value or b""))
        elif record.topic == EVENTS.name:
            self._happened(events.decode(record.value or b""))

    def _commanded(self, command: Command) -> None:
        """I11 of commands: a dispatcher issues the attempt after a durable one, and nothing else."""
        self._clock += 1
        self.commands.append(command)
        address = (command.bucket, command.page, command.ci, command.mi)
        dataset = dataset_of(command)
        if (address, command.attempt) not in self.issued:
            if self._sim.rng.random() < self._world.portal.moods.changes / 2:
                self._world.portal.change(dataset)
            self.issued[address, command.attempt] = self._world.portal.version(dataset)
            self._issued_at[address, command.attempt] = self._clock
        durable = self.images.unit(address)
        if durable is not None and is_ahead(durable, command.attempt):
            self._sim.broken(f"I11 {address}: attempt {command.attempt} commanded of {durable.s} {durable.a}")

    def _happened(self, event: Event) -> None:
        """I11: no event is ahead of the durable unit by more than one attempt."""
        self.history.append(event)
        for ci, mi, fact in events.facts(event):
            address = (event.bucket, event.page, ci, mi)
            durable = self.images.unit(address)
            if durable is not None and is_ahead(durable, fact.attempt):
                self._sim.broken(f"I11 {address}: {fact.type} {fact.attempt} of {durable.s} {durable.a}")
            if not isinstance(event, Dispatched | Started):
                self._ended.add((address, fact.attempt))
            if isinstance(event, Succeeded) and event.code is Code.UNCHANGED and not event.timing.calls:
                self._by_cooldown.add((address, fact.attempt))

    # Committed offsets.

    def _committed(self, group: Group, partition: int, offset: int) -> None:
        judge = self._absorbed if group.topic == EVENTS.name else self._released
        first = self._judged.get((group.name, partition), 0)
        for record in group.log.partition(group.topic, partition).records[first:offset]:
            if record is not None and (record.topic, record.partition, record.offset) not in self._excused:
                judge(record)
        self._judged[group.name, partition] = max(first, offset)

    def excuse(self, topic: str, partition: int, offsets: Iterable[int]) -> None:
        """What lies or will lie there may be missed by its readers: records were lost, and their offsets used again."""
        self._excused |= {(topic, partition, offset) for offset in offsets}

    def _absorbed(self, record: Stored) -> None:
        """I6: a committed event changes no durable unit any more."""
        try:
            event = events.decode(record.value or b"")
        except msgspec.DecodeError:
            self._sim.broken(f"I6 {record.partition}:{record.offset} is committed, not readable, no dead letter")
            return
        for ci, mi, fact in events.facts(event):
            unit = self.images.unit((event.bucket, event.page, ci, mi))
            if unit is None:
                continue
            if is_ahead(unit, fact.attempt) or fold(unit, fact, 0, self._world.timing.limits) is not unit:
                place = f"{event.bucket}:{event.page} [{ci}, {mi}]"
                self._sim.broken(f"I6 {place}: {fact.type} {fact.attempt} is committed, the unit is {unit.s} {unit.a}")

    def _released(self, record: Stored) -> None:
        """I7: a committed command has an event, or its unit has ended or is in a later round."""
        try:
            command = commands.decode(record.value or b"")
        except msgspec.DecodeError:
            self._sim.broken(f"I7 {record.partition}:{record.offset} is committed, not readable, no dead letter")
            return
        address = (command.bucket, command.page, command.ci, command.mi)
        unit = self.images.unit(address)
        if (address, command.attempt) in self._ended or unit is None or unit.terminal:
            return
        if round_of(command.attempt) >= round_of(unit.a):
            self._sim.broken(f"I7 {address}: command {command.attempt} is committed, no event, unit {unit.s} {unit.a}")

    # Durable changes.

    def _durable(self, collection: str, key: Any, before: Document | None, after: Document | None) -> None:
        self._clock += 1
        if before is None or after is None:
            if collection == "datasets" and after is not None:
                self._dataset_changed(key, {}, after)
            return
        match collection:
            case "bucket_pages":
                self._page_changed(before, after)
            case "buckets":
                self._bucket_changed(before, after)
            case "datasets":
                self._dataset_changed(key, before, after)

    def _page_changed(self, before: Document, after: Document) -> None:
        bucket = self._world.bucket(after["b"])
        counted = tally(page_from(after).rows)
        if any(after[name] != counted.counters[name] for name in COUNTERS) or after["h"] != counted.h:
            self._sim.broken(f"I1 {after['_id']}: the counters differ from the units")
        if (after.get("due"), after.get("dl")) != (counted.due, counted.dl):
            self._sim.broken(f"I1 {after['_id']}: due or dl differ from the units")
        if after["r"] < before["r"] or after["r"] > bucket["round"]:
            self._sim.broken(f"I2 {after['_id']}: round {before['r']} became {after['r']} of {bucket['round']}")
        if after["v"] <= before["v"]:
            self._sim.broken(f"I2 {after['_id']}: version {before['v']} became {after['v']}")
        for address, was, now in changed_units(before, after):
            self._unit_changed(address, was, now, reopens=after["r"] > before["r"], terminal=is_terminal(bucket))

    def _unit_changed(self, address: Address, was: Unit, now: Unit, *, reopens: bool, terminal: bool) -> None:
        what = f"{address}: {was.s} {was.a} became {now.s} {now.a}"
        if terminal:
            self._sim.broken(f"I3 {what} in an ended bucket")
        if was.terminal:
            self._sim.guards["unit reopened"] += 1
            self._reopened_at[address] = self._clock
            if was.s == "S" or now.s != "W" or now.f or not reopens or round_of(now.a) <= round_of(was.a):
                self._sim.broken(f"I2 {what}")
        elif now.a < was.a and now.s != "S":
            self._sim.broken(f"I2 {what}: an attempt went back")
        if now.s == "C" and self._cancelled_round.get(address[0], -1) < round_of(now.a):
            self._sim.broken(f"I10 {what}: nobody cancelled round {round_of(now.a)}")
        if now.e == Code.DEADLINE_PASSED and now.s == "F":
            self._sim.guards["unit failed by the deadline of its bucket"] += 1
        if now.terminal:
            self._unit_ended(address, was, now)

    def _unit_ended(self, address: Address, was: Unit, now: Unit) -> None:
        """I12, I4."""
        issued_at, reopened_at = self._issued_at.get((address, now.a)), self._reopened_at.get(address, -1)
        if round_of(now.a) < round_of(was.a) or (issued_at is not None and issued_at < reopened_at):
            self._sim.broken(f"I12 {address}: {now.s} {now.a} is older than its retry")
        if now.s != "S" or now.e not in (None, Code.UNCHANGED) or (address, now.a) in self._by_cooldown:
            return
        key = self.images.dataset_key(address)
        dataset = self._world.replica.majority("datasets").get(key)
        stored = int(dataset["marker"]) if dataset and "ver" in dataset else 0
        wanted = self.issued.get((address, now.a), 0)
        self._needed[key] = max(wanted, self._needed.get(key, 0))
        if stored < wanted:
            self._sim.broken(
                f"I4 {address}: succeeded {now.a} {now.e}, stored is version {stored}, dispatched at {wanted}"
            )

    def _dataset_changed(self, key: str, before: Document, after: Document) -> None:
        """I4: data that a success rests on is never replaced by data fetched before that attempt was commanded.

        F1: a fence is held by one delivery, so nothing else is ever stored under it.
        """
        now, needed = int(after.get("marker") or 0), self._needed.get(key, 0)
        if now < needed:
            self._sim.broken(f"I4 {key}: replaced by version {now} of the portal, {needed} was promised")
        if (after.get("ver"), after.get("marker")) != (before.get("ver"), before.get("marker")):
            holder = (after["ver"], after["marker"])
            if self._fence_of.setdefault((key, after["fence"]), holder) != holder:
                self._sim.broken(f"F1 {key}: fence {after['fence']} was held by two deliveries")
        if after["fence"] < before.get("fence", 0):
            self._sim.broken(f"I4 {key}: fence {before['fence']} was replaced by {after['fence']}")

    def _bucket_changed(self, before: Document, after: Document) -> None:
        name = after["_id"]
        if after["control"] == "CANCEL" and before["control"] != "CANCEL":
            self._cancelled_round[name] = after["round"]
        if after["summary"]["seq"] < before["summary"]["seq"]:
            self._sim.broken(f"I9 {name}: summary {before['summary']['seq']} became {after['summary']['seq']}")
        self._judge_status(name, before, after)
        if after["round"] > before["round"]:
            self._retried(after)

    def _judge_status(self, name: str, before: Document, after: Document) -> None:
        """I3."""
        if after["results"][: len(before["results"])] != before["results"]:
            self._sim.broken(f"I3 {name}: a result changed")
        ends = is_terminal(after) and not is_terminal(before)
        if len(after["results"]) - len(before["results"]) != ends:
            self._sim.broken(f"I3 {name}: {len(after['results'])} results after {len(before['results'])}")
        again = after["status"] == "RUNNING" and after["round"] == before["round"] + 1
        if is_terminal(before) and after["status"] != before["status"] and not again:
            self._sim.broken(f"I3 {name}: {before['status']} became {after['status']}")
        if ends:
            self._bucket_ended(after)

    def _bucket_ended(self, bucket: Document) -> None:
        """I3."""
        pages = self.images.pages(bucket)
        totals = {letter: sum(page[name] for page in pages) for name, letter in TOTAL_NAMES.items()}
        result, name = bucket["results"][-1], bucket["_id"]
        self._sim.guards[f"bucket ended {bucket['status']}"] += 1
        if is_open(totals) or any(page["r"] != bucket["round"] for page in pages):
            self._sim.broken(f"I3 {name}: ended in round {bucket['round']} with {totals}, {[p['r'] for p in pages]}")
        if result["counts"] != totals or bucket["status"] != terminal_status(totals):
            self._sim.broken(f"I3 {name}: {bucket['status']} {result['counts']}, the pages say {totals}")

    def _retried(self, bucket: Document) -> None:
        """What the newest retry has selected must be reopened (I13)."""
        columns = len(bucket["columns"])
        for number, bits in bucket["retries"][-1].get("sel", {}).items():
            page = self._world.replica.majority("bucket_pages")[page_id(bucket["_id"], int(number))]
            for ci, client in enumerate(page["c"]):
                for mi, unit in enumerate(client["m"]):
                    if unit["s"] in "FC" and in_bitmap(bits, ci * columns + mi):
                        self._must_reopen[bucket["_id"], int(number), ci, mi] = round_of(unit["a"])

    # At the end.

    def at_rest(self) -> None:
        """I13, I3 and the rest of the whole, when everything has ended."""
        for address, failed_in in self._must_reopen.items():
            unit = self.images.unit(address)
            if unit is not None and round_of(unit.a) <= failed_in:
                self._sim.broken(f"I13 {address}: {unit.s} {unit.a} was selected and not reopened")
        for bucket in self._world.buckets():
            for page in self.images.pages(bucket):
                if is_open({letter: page[name] for name, letter in TOTAL_NAMES.items()}):
                    self._sim.broken(f"I3 {page['_id']}: open units in a bucket that is {bucket['status']}")

    def called_once(self) -> None:
        """N1: without faults every attempt calls the portal exactly once."""
        for (address, attempt), calls in self._world.portal.calls.items():
            if calls != 1:
                self._sim.broken(f"N1 {address}: attempt {attempt} called the portal {calls} times")
        for address, unit in self.images.units():
            called = self._world.portal.calls[address, unit.a]
            if unit.s == "S" and not called and (address, unit.a) not in self._by_cooldown:
                self._sim.broken(f"N1 {address}: succeeded {unit.a} without a call")
