"""The auditor: after a run with faults, reads the whole log and all documents and says which promises were broken."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
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
from sync_contracts.topics import (
    AGGREGATOR_GROUP,
    BUCKETS,
    COMMANDS,
    DEAD_LETTERS,
    EVENTS,
    SESSIONS,
    WORKER_GROUP,
    Topic,
)

from tests.support.audit_checks import (
    CHECKS,
    Evidence,
    Logged,
    successes_have_data,
    texts_hold_no_identifier,
)
from tests.support.audit_rounds import COMMAND_CHECKS, ROUND_CHECKS
from tests.support.audit_tenants import documents_hold_no_identifier, tenants_keep_to_themselves
from tests.support.topic_reading import read_topic

NOTHING: Mapping[str, Sequence[ConsumerRecord]] = MappingProxyType({})
ALL_TOPICS = (EVENTS.name, COMMANDS.name, BUCKETS.name, SESSIONS.name, DEAD_LETTERS.name)
WITHOUT_IDENTIFIERS = ("buckets", "bucket_pages", "attempts", "upstreams")
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
    earlier: Mapping[str, Sequence[ConsumerRecord]] = NOTHING,
) -> Report:
    """Judge a system at rest, from outside of an event loop; arguments as in `audited`."""
    judging = audited(place, journal=journal, secrets=secrets, storing=storing, topics=topics, earlier=earlier)
    return asyncio.run(judging)


async def audited(
    place: Audited,
    *,
    journal: Sequence[Call] | None = None,
    secrets: Iterable[str] = (),
    storing: frozenset[str] = STORING,
    topics: Sequence[str] = ALL_TOPICS,
    earlier: Mapping[str, Sequence[ConsumerRecord]] = NOTHING,
) -> Report:
    """Judge a system at rest.

    `journal`: the portal's data calls · `secrets`: what must not be in any topic · `storing`: modules that store what
    they fetch · `topics`: those that exist in this run, the events among them · `earlier`: records that were lost.
    """
    there = {name: await read_topic(place.kafka_bootstrap, f"{place.topic_prefix}{name}") for name in topics}
    records = {name: _together(earlier.get(name, ()), found) for name, found in there.items()}
    letters = records.get(DEAD_LETTERS.name, [])
    logged, unread = _genuine(records[EVENTS.name], _refused(letters, f"{place.topic_prefix}{EVENTS.name}"))
    refused = _refused(letters, f"{place.topic_prefix}{COMMANDS.name}")
    issued = _commands(records.get(COMMANDS.name, []), refused)
    done = await _committed(place, WORKER_GROUP, COMMANDS) if COMMANDS.name in topics else {}
    still_there = there.get(COMMANDS.name, [])
    worked_off = _commands([r for r in still_there if r.offset < done.get(r.partition, 0)], refused)
    committed = await _committed(place, AGGREGATOR_GROUP, EVENTS)
    evidence, clients, open_to_all = _documents(place, logged, issued, committed, worked_off)
    gstins = {client["_id"]: client["gstin"] for client in clients}
    owners = {client["_id"]: client["tenant_id"] for client in clients}
    checks = (*CHECKS, *ROUND_CHECKS, *(COMMAND_CHECKS if COMMANDS.name in topics else ()))
    violations = unread + [sentence for check in checks for sentence in check(evidence)]
    violations += successes_have_data(evidence, storing)
    violations += [*tenants_keep_to_themselves(evidence, owners), *documents_hold_no_identifier(open_to_all)]
    violations += texts_hold_no_identifier(_texts(records), [secret.encode() for secret in secrets])
    if journal is not None:
        violations += _successes_were_fetched(evidence, journal, gstins, storing)
    return Report(violations, _counts(evidence, records, journal))


def _together(earlier: Sequence[ConsumerRecord], now: Sequence[ConsumerRecord]) -> list[ConsumerRecord]:
    """Both, each record once; a topic that was made anew has the same offsets again, at other times."""
    return list({(r.partition, r.timestamp, r.offset): r for r in (*earlier, *now)}.values())


def _documents(
    place: Audited,
    logged: list[Logged],
    issued: list[Command],
    committed: dict[int, int],
    worked_off: list[Command],
) -> tuple[Evidence, list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """The evidence, the clients, and the documents in which no identifier may be, by collection."""
    with MongoClient[dict[str, Any]](place.mongo_url, tz_aware=True) as client:
        database = client.get_database(place.mongo_database, read_concern=ReadConcern("majority"))
        evidence = Evidence(
            logged=logged,
            commands=issued,
            buckets={document["_id"]: document for document in database["buckets"].find()},
            page_documents=list(database["bucket_pages"].find()),
            datasets={document["_id"]: document for document in database["datasets"].find({}, {"data": 0})},
            committed=committed,
            committed_commands=worked_off,
        )
        clients = list(database["clients"].find({}, {"gstin": 1, "tenant_id": 1}))
        open_to_all = {name: list(database[name].find()) for name in WITHOUT_IDENTIFIERS}
    return evidence, clients, open_to_all


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


async def _committed(place: Audited, group: str, topic: Topic) -> dict[int, int]:
    """What a group has committed, by partition."""
    name = f"{place.topic_prefix}{topic.name}"
    consumer = AIOKafkaConsumer(
        bootstrap_servers=place.kafka_bootstrap, group_id=f"{place.topic_prefix}{group}", enable_auto_commit=False
    )
    await consumer.start()
    try:
        known = await consumer._client._wait_on_metadata(name)
        partitions = [TopicPartition(name, number) for number in sorted(known)]
        consumer.assign(partitions)
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
