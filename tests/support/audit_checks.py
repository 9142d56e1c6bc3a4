"""What must hold of a log and the documents made from it. Pure: each check yields sentences about what does not."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sync_contracts import events
from sync_contracts.buckets import is_open, terminal_status
from sync_contracts.commands import Command
from sync_contracts.events import Event
from sync_contracts.outcomes import NOT_READY, WITH_DATA, Code
from sync_contracts.pages import COUNTERS, TOTAL_NAMES, Page, page_from, tally
from sync_contracts.units import (
    ATTEMPTS_PER_ROUND,
    DEFAULT_LIMITS,
    Fact,
    FactType,
    Limits,
    Unit,
    fold,
    is_ahead,
    round_of,
)

Document = Mapping[str, Any]
Address = tuple[str, int, int, int]
"""Bucket, page, client index, column index."""

IDENTIFIERS = re.compile(rb"\b\d{2}[A-Z]{5}\d{4}[A-Z][0-9A-Z]Z[0-9A-Z]\b|\b[A-Z]{5}\d{4}[A-Z]\b")
"""A GSTIN or a PAN in plain text."""


@dataclass(frozen=True)
class Logged:
    """A genuine event and where it lies."""

    event: Event
    partition: int
    offset: int


@dataclass(frozen=True)
class Evidence:
    """Everything that is judged. `committed`: offsets of the aggregators' group by partition; `committed_commands`:

    those below the committed offsets of the workers' group.
    """

    logged: Sequence[Logged]
    commands: Sequence[Command]
    buckets: Mapping[str, Document]
    page_documents: Sequence[Document]
    datasets: Mapping[str, Document]
    committed: Mapping[int, int]
    committed_commands: Sequence[Command] = ()
    limits: Limits = DEFAULT_LIMITS
    pages: Sequence[Page] = field(init=False)
    facts: Mapping[Address, Sequence[Fact]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pages", [page_from(document) for document in self.page_documents])
        object.__setattr__(self, "facts", _facts_by_unit(entry.event for entry in self.logged))

    def units(self) -> Iterator[tuple[Address, Unit]]:
        """Every unit with its address."""
        for page in self.pages:
            for ci, row in enumerate(page.rows):
                for mi, unit in enumerate(row):
                    yield (page.bucket, page.number, ci, mi), unit

    def pages_of(self, bucket: str) -> list[Page]:
        """The pages of a bucket."""
        return [page for page in self.pages if page.bucket == bucket]


def _facts_by_unit(happened: Iterable[Event]) -> Mapping[Address, Sequence[Fact]]:
    facts: dict[Address, list[Fact]] = defaultdict(list)
    for event in happened:
        for ci, mi, fact in events.facts(event):
            facts[event.bucket, event.page, ci, mi].append(fact)
    return facts


def counters_equal_the_recount(evidence: Evidence) -> Iterator[str]:
    """I1, and the times that queries find pages by."""
    for page, document in zip(evidence.pages, evidence.page_documents, strict=True):
        counted = tally(page.rows)
        stored = {name: document[name] for name in COUNTERS}
        if stored != counted.counters or document["h"] != counted.h:
            yield f"I1 {page.id}: counters {stored} {document['h']}, units {counted.counters} {counted.h}"
        if (document.get("due"), document.get("dl")) != (counted.due, counted.dl):
            yield f"I1 {page.id}: due or dl differ from the units"


def verdicts_equal_the_recount(evidence: Evidence) -> Iterator[str]:
    """I3: one result per round, and a terminal bucket has nothing open and counts what its units say."""
    for bucket in evidence.buckets.values():
        name, rounds = bucket["_id"], [result["round"] for result in bucket["results"]]
        if len(set(rounds)) != len(rounds):
            yield f"I3 {name}: more than one result for a round: {rounds}"
        if bucket["status"] == "RUNNING":
            if rounds and max(rounds) >= bucket["round"]:
                yield f"I3 {name}: running, but round {bucket['round']} has a result"
            continue
        yield from _terminal(name, bucket, evidence.pages_of(name))


def _terminal(name: str, bucket: Document, pages: Sequence[Page]) -> Iterator[str]:
    totals: Counter[str] = Counter(dict.fromkeys(TOTAL_NAMES.values(), 0))
    for page in pages:
        for counter, letter in TOTAL_NAMES.items():
            totals[letter] += tally(page.rows).counters[counter]
        if page.r != bucket["round"]:
            yield f"I3 {name}: ended in round {bucket['round']}, page {page.number} is in {page.r}"
    last = max(bucket["results"], key=lambda result: result["round"], default=None)
    if last is None or last["round"] != bucket["round"]:
        yield f"I3 {name}: ended without a result for round {bucket['round']}"
    elif dict(last["counts"]) != dict(totals) or last["status"] != bucket["status"]:
        yield f"I3 {name}: result {last['status']} {last['counts']}, units {dict(totals)}"
    if len(pages) != bucket["n_pages"] or is_open(totals) or bucket["status"] != terminal_status(totals):
        yield f"I3 {name}: {bucket['status']} with {len(pages)} of {bucket['n_pages']} pages and {dict(totals)}"


def states_are_reachable(evidence: Evidence) -> Iterator[str]:
    """I2, I5, I10: each unit is in a state that an event of its attempt, a timer or a user's wish gives."""
    for address, unit in evidence.units():
        facts = evidence.facts.get(address, ())
        bucket = evidence.buckets.get(address[0])
        if bucket is not None and not _explained(unit, facts, bucket, evidence.limits):
            yield f"I2 {address}: {unit.s} attempt {unit.a} code {unit.e} has no event, timer or wish behind it"
        counted = {f.attempt for f in facts if f.counted and round_of(f.attempt) == round_of(unit.a)}
        if unit.f > len(counted):
            yield f"I5 {address}: {unit.f} failures, {len(counted)} attempts with a counted retry"


def _explained(unit: Unit, facts: Sequence[Fact], bucket: Document, limits: Limits) -> bool:
    said = {(fact.type, fact.code) for fact in facts if fact.attempt == unit.a}
    kinds = {kind for kind, _ in said}
    match unit.s:
        case "S":
            return (FactType.SUCCEEDED, unit.e or Code.OK) in said or unit.a == 0
        case "F":
            used_up = unit.f >= limits.max_failures or unit.a % ATTEMPTS_PER_ROUND >= limits.max_attempts
            born = unit.a == 0 and unit.e in NOT_READY
            timed = unit.e == Code.DEADLINE_PASSED or (used_up and unit.e == Code.INTERRUPTED)
            return (FactType.FAILED, unit.e) in said or (used_up and FactType.RETRY in kinds) or born or timed
        case "C":
            return (FactType.CANCELLED, unit.e) in said or (unit.e == Code.CANCELLED_BY_USER and _cancel_asked(bucket))
        case "R":
            return FactType.STARTED in kinds
        case "D":
            return FactType.DISPATCHED in kinds
    fresh = unit.a % ATTEMPTS_PER_ROUND == 0
    return fresh or (FactType.RETRY, unit.e) in said or (unit.e == Code.INTERRUPTED and bool(kinds))


def _cancel_asked(bucket: Document) -> bool:
    return bucket["control"] == "CANCEL" or any(control["kind"] == "cancel" for control in bucket["controls"])


def no_event_is_ahead(evidence: Evidence) -> Iterator[str]:
    """I11: an attempt appears in the log only after the one before it, or first in its round."""
    for address, facts in evidence.facts.items():
        newest = 0
        for fact in facts:
            if fact.attempt > newest + 1 and fact.attempt % ATTEMPTS_PER_ROUND != 1:
                yield f"I11 {address}: attempt {fact.attempt} after {newest}"
            newest = max(newest, fact.attempt)


def committed_events_are_absorbed(evidence: Evidence) -> Iterator[str]:
    """I6: whatever lies below a committed offset changes no unit any more."""
    units = dict(evidence.units())
    for entry in evidence.logged:
        if entry.offset >= evidence.committed.get(entry.partition, 0):
            continue
        for ci, mi, fact in events.facts(entry.event):
            unit = units.get((entry.event.bucket, entry.event.page, ci, mi))
            if unit is not None and (is_ahead(unit, fact.attempt) or fold(unit, fact, 0) is not unit):
                yield f"I6 {entry.partition}:{entry.offset} is committed but not reflected: {fact.type} {fact.attempt}"


def commands_fit_the_plan(evidence: Evidence) -> Iterator[str]:
    """A command names the tenant, client, module and period that its page and column have."""
    pages = {(page.bucket, page.number): page for page in evidence.pages}
    for command in evidence.commands:
        page, bucket = pages.get((command.bucket, command.page)), evidence.buckets.get(command.bucket)
        if page is None or bucket is None:
            continue
        column = bucket["columns"][command.mi]
        meant = (page.tenant, page.clients[command.ci], column["module"], column["period"])
        if (command.tenant, command.client, command.module, command.params.period) != meant:
            yield f"command of {command.bucket} page {command.page} [{command.ci}, {command.mi}] names another unit"


def successes_have_data(evidence: Evidence, storing: frozenset[str]) -> Iterator[str]:
    """I4: what succeeded is stored under a fence, by this attempt or a newer one, or by another bucket since."""
    for page in evidence.pages:
        bucket = evidence.buckets.get(page.bucket)
        for ci, row in enumerate(page.rows if bucket else ()):
            for mi, unit in enumerate(row):
                column = bucket["columns"][mi] if bucket else {}
                if unit.s == "S" and unit.a and unit.e != Code.NOT_APPLICABLE and column["module"] in storing:
                    key = f"{page.tenant}:{page.clients[ci]}:{column['module']}:{column['period'] or '-'}"
                    if problem := _unstored(unit, evidence.datasets.get(key), page.bucket):
                        yield f"I4 {page.id} [{ci}, {mi}]: {problem}"


def _unstored(unit: Unit, dataset: Document | None, bucket: str) -> str | None:
    if dataset is None or not dataset.get("fence"):
        return "succeeded without a dataset"
    if (unit.e or Code.OK) in WITH_DATA - {Code.EMPTY} and "ver" not in dataset:
        return "succeeded with data, nothing is stored"
    if unit.e is None and dataset.get("bucket") == bucket and dataset.get("attempt", 0) < unit.a:
        return f"attempt {unit.a} succeeded, stored is attempt {dataset.get('attempt')}"
    return None


def texts_hold_no_identifier(texts: Iterable[tuple[str, bytes]], secrets: Iterable[bytes]) -> Iterator[str]:
    """No GSTIN, PAN or secret in any record; the sentence names the place, not what was found."""
    known = [secret for secret in secrets if secret]
    for place, text in texts:
        if IDENTIFIERS.search(text):
            yield f"PII {place}: a GSTIN or PAN in plain text"
        if any(secret in text for secret in known):
            yield f"PII {place}: a secret in plain text"


CHECKS = (
    counters_equal_the_recount,
    verdicts_equal_the_recount,
    states_are_reachable,
    no_event_is_ahead,
    committed_events_are_absorbed,
    commands_fit_the_plan,
)
