"""The auditor: after a run with faults, reads the whole log and all documents and says which promises were broken."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord
from pymongo import MongoClient
from pymongo.read_concern import ReadConcern
from sync_contracts import commands, events
from sync_contracts.catalogue import MODULES
from sync_contracts.commands import Command
from sync_contracts.outcomes import WITH_DATA, Code
from sync_contracts.topics import AGGREGATOR_GROUP, BUCKETS, COMMANDS, DEAD_LETTERS, EVENTS, SESSIONS

from tests.support.audit_checks import CHECKS, Evidence, Logged, successes_have_data, texts_hold_no_identifier
from tests.support.topic_reading import read_topic

ALL_TOPICS = (EVENTS.name, COMMANDS.name, BUCKETS.name, SESSIONS.name, DEAD_LETTERS.name)
STORING = frozenset(module.value for module in MODULES)
"""Modules that store what they fetch; a benchmark's own modules are not among them."""


class Call(Protocol):
    """A request in the simulated portal's journal. `http` 0: not answered."""

    @property
    def gstin(self) -> str: ...
    @property
    def http(self) -> int: ...


@dataclass(frozen=True)
class Audited:
    """Where the log and the documents are."""

    kafka_bootstrap: str
    mongo_url: str
    mongo_database: str
    topic_prefix: str = ""


@dataclass(frozen=True)
class Report:
    """What the auditor found. A run without work or without faults is told by its `counts`, never by a violation."""

    violations: list[str]
    counts: dict[str, int]


def audit(
    place: Audited,
    *,
    journal: Sequence[Call] | None = None,
    secrets: Iterable[str] = (),
    storing: frozenset[str] = STORING,
    topics: Sequence[str] = ALL_TOPICS,
) -> Report:
    """Judge a system at rest, from outside of an event loop; arguments as in `audited`."""
    return asyncio.run(audited(place, journal=journal, secrets=secrets, storing=storing, topics=topics))


async def audited(
    place: Audited,
    *,
    journal: Sequence[Call] | None = None,
    secrets: Iterable[str] = (),
    storing: frozenset[str] = STORING,
    topics: Sequence[str] = ALL_TOPICS,
) -> Report:
    """Judge a system at rest.

    `journal`: the portal's data calls · `secrets`: what must not be in any topic · `storing`: modules that store what
    they fetch · `topics`: those that exist in this run, the events among them.
    """
    records = {name: await read_topic(place.kafka_bootstrap, f"{place.topic_prefix}{name}") for name in topics}
    letters = records.get(DEAD_LETTERS.name, [])
    logged, unread = _genuine(records[EVENTS.name], _refused(letters, f"{place.topic_prefix}{EVENTS.name}"))
    refused = _refused(letters, f"{place.topic_prefix}{COMMANDS.name}")
    issued = _commands(records.get(COMMANDS.name, []), refused)
    evidence, gstins = _documents(place, logged, issued, await _committed(place))
    violations = unread + [sentence for check in CHECKS for sentence in check(evidence)]
    violations += successes_have_data(evidence, storing)
    violations += texts_hold_no_identifier(_texts(records), [secret.encode() for secret in secrets])
    if journal is not None:
        violations += _successes_were_fetched(evidence, journal, gstins, storing)
    return Report(violations, _counts(evidence, records, journal))


def _documents(
    place: Audited, logged: list[Logged], issued: list[Command], committed: dict[int, int]
) -> tuple[Evidence, dict[str, str]]:
    """The evidence, and the GSTIN of each client."""
    with MongoClient[dict[str, Any]](place.mongo_url, tz_aware=True) as client:
        database = client.get_database(place.mongo_database, read_concern=ReadConcern("majority"))
        evidence = Evidence(
            logged=logged,
            commands=issued,
            buckets={document["_id"]: document for document in database["buckets"].find()},
            page_documents=list(database["bucket_pages"].find()),
            datasets={document["_id"]: document for document in database["datasets"].find({}, {"data": 0})},
            committed=committed,
        )
        gstins = {document["_id"]: document["gstin"] for document in database["clients"].find({}, {"gstin": 1})}
    return evidence, gstins


def _refused(dead_letters: Sequence[ConsumerRecord], topic: str) -> set[tuple[int, int]]:
    """Partition and offset of the records of a topic that went to the dead letters."""
    places: set[tuple[int, int]] = set()
    for record in dead_letters:
        headers = dict(record.headers)
        if headers["dlq-topic"].decode() == topic:
            places.add((int(headers["dlq-partition"]), int(headers["dlq-offset"])))
    return places


def _genuine(records: Sequence[ConsumerRecord], refused: set[tuple[int, int]]) -> tuple[list[Logged], list[str]]:
    """The events, and sentences about records that are neither an event nor a dead letter."""
    logged: list[Logged] = []
    unread: list[str] = []
    for record in records:
        if (record.partition, record.offset) in refused:
            continue
        try:
            logged.append(Logged(events.decode(record.value), record.partition, record.offset))
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError):
            unread.append(f"events {record.partition}:{record.offset} cannot be read and is no dead letter")
    return logged, unread


def _commands(records: Sequence[ConsumerRecord], refused: set[tuple[int, int]]) -> list[Command]:
    found: list[Command] = []
    for record in records:
        if (record.partition, record.offset) in refused:
            continue
        with suppress(msgspec.DecodeError, UnicodeDecodeError, TypeError):  # a broken record that a test put there
            found.append(commands.decode(record.value))
    return found


async def _committed(place: Audited) -> dict[int, int]:
    """What the aggregators have committed, by partition."""
    group = f"{place.topic_prefix}{AGGREGATOR_GROUP}"
    consumer = AIOKafkaConsumer(bootstrap_servers=place.kafka_bootstrap, group_id=group, enable_auto_commit=False)
    partitions = [TopicPartition(f"{place.topic_prefix}{EVENTS.name}", n) for n in range(EVENTS.partitions)]
    consumer.assign(partitions)
    await consumer.start()
    try:
        return {tp.partition: await consumer.committed(tp) or 0 for tp in partitions}
    finally:
        await consumer.stop()


def _texts(records: dict[str, list[ConsumerRecord]]) -> Iterator[tuple[str, bytes]]:
    """Keys, values and headers of all records, with their place. What was refused is judged where it was written."""
    for topic, found in records.items():
        for record in found:
            headers = b" ".join(name.encode() + b"=" + (value or b"") for name, value in record.headers)
            text = b" ".join((record.key or b"", record.value or b"", headers))
            yield f"{topic} {record.partition}:{record.offset}", text


def _successes_were_fetched(
    evidence: Evidence, journal: Sequence[Call], gstins: dict[str, str], storing: frozenset[str]
) -> Iterator[str]:
    """N1, I4: data that this bucket stored came from an answered call for that client."""
    answered = Counter(call.gstin for call in journal if call.http == 200)
    for page in evidence.pages:
        columns = evidence.buckets[page.bucket]["columns"] if page.bucket in evidence.buckets else []
        for client, row in zip(page.clients, page.rows, strict=True):
            for column, unit in zip(columns, row, strict=False):
                fetched = unit.s == "S" and unit.a > 0 and (unit.e or Code.OK) in WITH_DATA
                key = f"{page.tenant}:{client}:{column['module']}:{column['period'] or '-'}"
                own = evidence.datasets.get(key, {}).get("bucket") == page.bucket
                if fetched and own and column["module"] in storing and not answered[gstins.get(client, "")]:
                    yield f"I4 {page.id}: {client} has data, the portal never answered for it"


def _counts(
    evidence: Evidence, records: dict[str, list[ConsumerRecord]], journal: Sequence[Call] | None
) -> dict[str, int]:
    """How much was judged, and how much was repeated."""
    states = Counter(unit.s for _, unit in evidence.units())
    attempts = Counter((c.bucket, c.page, c.ci, c.mi, c.attempt) for c in evidence.commands)
    terminal = sum(bucket["status"] != "RUNNING" for bucket in evidence.buckets.values())
    return {
        **{topic: len(found) for topic, found in records.items()},
        **{f"units_{state}": count for state, count in sorted(states.items())},
        "buckets": len(evidence.buckets),
        "buckets_ended": terminal,
        "commands_repeated": sum(count - 1 for count in attempts.values()),
        "portal_calls": len(journal or ()),
    }
