"""Broken and forged messages arrive in the middle of a bucket: each is kept as a dead letter, nothing else happens."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from aiokafka.structs import ConsumerRecord
from sync_contracts import commands, events
from sync_contracts.commands import Command, Params
from sync_contracts.events import Succeeded
from sync_contracts.outcomes import Code
from sync_contracts.topics import COMMANDS, DEAD_LETTERS, EVENTS

from tests.chaos.poison import UNREADABLE
from tests.support.eventually import eventually_blocking
from tests.support.faulty_runs import Disturbed
from tests.support.practices import Practice
from tests.support.raw_topics import RawTopics
from tests.support.registrations import Registration, registration
from tests.support.running_stack import RunningStack

pytestmark = pytest.mark.timeout(240)
Json = dict[str, Any]
DEEP = b'{"v":1,"deep":' + b"[" * 600 + b"]" * 600 + b"}"
Place = tuple[str, int, int]
"""Topic, partition and offset of a record."""


@dataclass(frozen=True)
class Victim:
    """Another tenant's bucket of one unit, which has ended."""

    practice: Practice
    client: Registration
    bucket: Json
    page: Json

    def now(self, running: RunningStack) -> tuple[Json | None, Json | None]:
        """Its bucket and page as they are stored."""
        database, bucket = running.database, self.bucket["_id"]
        return database["buckets"].find_one({"_id": bucket}), database["bucket_pages"].find_one({"b": bucket})


@pytest.fixture(scope="module")
def victim(running: RunningStack) -> Victim:
    practice, client = running.practice("victim"), registration()
    practice.take_on([client])
    bucket_id = practice.start("gstr2b")
    assert practice.ended(bucket_id)["verdict"] == "complete"
    at_rest = {"_id": bucket_id, "notified": 0, "notify": {"$exists": False}, "rearm_looked": True}
    bucket = eventually_blocking(
        lambda: running.database["buckets"].find_one(at_rest), 30.0, what="nobody changes the bucket any more"
    )
    page = running.database["bucket_pages"].find_one({"b": bucket_id})
    assert bucket is not None
    assert page is not None
    return Victim(practice, client, bucket, page)


@dataclass(frozen=True)
class Forger:
    """Makes messages about a unit that is still open, all of them wrong in one way."""

    bucket: Json
    client: str
    page: int
    ci: int
    victim: Victim

    @classmethod
    def over(cls, bucket: Disturbed, victim: Victim) -> "Forger":
        """Over the last unit that is still queued."""
        stored = bucket.running.database["buckets"].find_one({"_id": bucket.bucket_id})
        assert stored is not None
        unit = bucket.practice.units(bucket.bucket_id, state="queued")[-1]
        page, ci = divmod(unit["row"], stored["clients_per_page"])
        return cls(stored, unit["client_id"], page, ci, victim)

    def command(self, **changes: Any) -> bytes:
        column = self.bucket["columns"][-1]
        made = Command(
            tenant=self.bucket["tenant_id"],
            bucket=self.bucket["_id"],
            client=self.client,
            page=self.page,
            ci=self.ci,
            mi=len(self.bucket["columns"]) - 1,
            attempt=1,
            module=column["module"],
            params=Params(column["period"]),
            shard=self.bucket["shard"],
            issued_at=0,
        )
        return commands.encode(msgspec.structs.replace(made, **changes))

    def event(self, **changes: Any) -> bytes:
        made = Succeeded(
            tenant=self.bucket["tenant_id"],
            bucket=self.bucket["_id"],
            page=self.page,
            ci=self.ci,
            mi=len(self.bucket["columns"]) - 1,
            attempt=1,
            code=Code.OK,
            rows=7,
        )
        return events.encode(msgspec.structs.replace(made, **changes))

    def commands(self) -> dict[str, tuple[bytes, str]]:
        """Forged commands with the reason of their dead letters."""
        other = self.victim.bucket["_id"]
        return {
            "of another tenant's bucket": (self.command(bucket=other, page=0, ci=0, mi=0), "WRONG_TENANT"),
            "by another tenant": (self.command(tenant=self.victim.practice.tenant), "WRONG_TENANT"),
            "of no bucket": (self.command(bucket="b_nowhere"), "UNKNOWN_UNIT"),
            "of another client": (self.command(client="c_somebody"), "UNKNOWN_UNIT"),
            "of another module": (self.command(module="ledgers"), "UNKNOWN_UNIT"),
            "far ahead": (self.command(attempt=700), "AHEAD"),
        }

    def events(self) -> dict[str, tuple[bytes, str]]:
        """Forged events with the reason of their dead letters."""
        other = self.victim.bucket["_id"]
        return {
            "of another tenant's bucket": (self.event(bucket=other, page=0, ci=0, mi=0), "WRONG_TENANT"),
            "by another tenant": (self.event(tenant=self.victim.practice.tenant), "WRONG_TENANT"),
            "of no column": (self.event(mi=499), "UNKNOWN_UNIT"),
            "far ahead": (self.event(attempt=700), "AHEAD"),
        }


def _origin(letter: ConsumerRecord) -> Place:
    headers = dict(letter.headers)
    return headers["dlq-topic"].decode(), int(headers["dlq-partition"]), int(headers["dlq-offset"])


async def test_broken_and_forged_messages_become_dead_letters_and_the_rest_goes_on(
    running: RunningStack, disturbed: Callable[[], Disturbed], victim: Victim
) -> None:
    topics, bucket = RawTopics(running.settings.kafka_bootstrap), disturbed()
    bucket.at(0.1)
    forger = Forger.over(bucket, victim)
    sent: dict[Place, tuple[str, bytes, str]] = {}
    for topic, forged, partition in (
        (COMMANDS.name, forger.commands(), None),
        (EVENTS.name, forger.events(), forger.bucket["shard"]),
    ):
        for name, (value, reason) in {**UNREADABLE, **forged}.items():
            ((at, offset),) = await topics.publish(topic, value, key=name.encode(), partition=partition)
            sent[topic, at, offset] = f"{topic} {name}", value, reason

    of_no_bucket = forger.event(bucket="b_nowhere")
    await topics.publish(EVENTS.name, of_no_bucket, partition=forger.bucket["shard"])

    await asyncio.to_thread(bucket.assert_whole, extra_calls=0)

    kept = {_origin(letter): letter for letter in await topics.records(DEAD_LETTERS.name)}
    told = {place: (letter.value, dict(letter.headers)["dlq-reason"].decode()) for place, letter in kept.items()}
    wrong = {name: told.get(place) for place, (name, *wanted) in sent.items() if told.get(place) != tuple(wanted)}
    assert wrong == {}
    assert told.keys() == sent.keys(), "something else was refused too; a bucket that is gone is no reason"
    assert victim.now(running) == (victim.bucket, victim.page)
